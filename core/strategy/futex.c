/* SPDX-License-Identifier: MIT */
/*
 * futex: three-state mutex that enters the kernel only to sleep and to wake
 * somebody who sleeps; see futex_lock.inc.h.
 *
 * Paper: U. Drepper, "Futexes Are Tricky", 2011, section 6 (mutex3), with the
 * count of sleepers that spares its needless last wake-up; the owner in the
 * word is what lets a waiter take it over.
 * Fairness: none; the kernel wakes in order, but a running thread may barge in.
 * Dead holder: a waiter takes the word over, within some milliseconds.
 * More workers than CPUs: waiters sleep, the holder gets its time.
 */
#include "table.h"
#include "waiting.h"

#include "strategy/futex_lock.inc.h"

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return park(l, ctx, start_ticks);
}

#define LOCK_NAME "futex"
#define LOCK_SUMMARY "three-state futex mutex; enters the kernel only to sleep and to wake"
#define LOCK_PAPER "Drepper, Futexes Are Tricky, 2011; futex(2)"
#define LOCK_FAIRNESS "unfair: wakes in order, but running threads barge in"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_futex
#include "table_body.inc.h"
