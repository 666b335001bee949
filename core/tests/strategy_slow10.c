/* SPDX-License-Identifier: MIT */
/* See slow.inc.h. */
#define SLOW_PERCENT 10
#define LOCK_NAME "slow10"
#define LOCK_SYMBOL shmht_strategy_slow10
#include "slow.inc.h"
