/* SPDX-License-Identifier: MIT */
/* lostwake: whoever sleeps is not woken; see mutant.inc.h. */
#define MUTANT lostwake
#define SHMHT_MUTANT_LOST_WAKE
#include "mutant.inc.h"
