/* SPDX-License-Identifier: MIT */
/* See slow.inc.h. */
#define SLOW_PERCENT 5
#define LOCK_NAME "slow5"
#define LOCK_SYMBOL shmht_strategy_slow5
#include "slow.inc.h"
