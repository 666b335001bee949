/* SPDX-License-Identifier: MIT */
/* dupinsert: now and then a key is added twice; see mutant.inc.h. */
#define MUTANT dupinsert
#define SHMHT_MUTANT_DUPLICATE_INSERT
#include "mutant.inc.h"
