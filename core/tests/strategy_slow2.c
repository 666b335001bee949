/* SPDX-License-Identifier: MIT */
/* See slow.inc.h. */
#define SLOW_PERCENT 2
#define LOCK_NAME "slow2"
#define LOCK_SYMBOL shmht_strategy_slow2
#include "slow.inc.h"
