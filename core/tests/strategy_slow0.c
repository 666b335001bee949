/* SPDX-License-Identifier: MIT */
/* See slow.inc.h. */
#define SLOW_PERCENT 0
#define LOCK_NAME "slow0"
#define LOCK_SYMBOL shmht_strategy_slow0
#include "slow.inc.h"
