/* SPDX-License-Identifier: MIT */
/* skipremove: now and then a removal only says so; see mutant.inc.h. */
#define MUTANT skipremove
#define SHMHT_MUTANT_SKIP_REMOVE
#include "mutant.inc.h"
