/* SPDX-License-Identifier: MIT */
/* countdrift: now and then an entry counts twice; see mutant.inc.h. */
#define MUTANT countdrift
#define SHMHT_MUTANT_COUNT_DRIFT
#include "mutant.inc.h"
