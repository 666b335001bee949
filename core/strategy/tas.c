/* SPDX-License-Identifier: MIT */
/*
 * tas: test-and-set without a look or a pause in between: the textbook's bad
 * example, kept as one. Every attempt is an atomic write, so the waiters take
 * the line from the holder, who needs it to let go. The attempt is a blind
 * compare-and-swap, which takes the line as an exchange does, but leaves in the
 * word who the owner is.
 *
 * Paper: T. E. Anderson, IEEE TPDS 1(1), 1990, section II: the first of the locks
 * it compares, and the worst.
 * Fairness: none.
 * Dead holder: a waiter takes the word over, within about a millisecond.
 * More workers than CPUs: waiters burn the time that the holder needs.
 */
#include "table.h"
#include "waiting.h"

#define TRIES_PER_LOOK 16u /* at the clock */

struct lock {
	shm_half taken; /* holder_id, 0 when free */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->taken, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	/* Acquire pairs with the release in lock_release(). */
	return atomic_compare_exchange_strong_explicit(&l->taken, &free, ctx->holder_id,
						       memory_order_acquire, memory_order_relaxed);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	uint32_t tries = 0;

	while (!lock_try(l, ctx)) {
		if (++tries % TRIES_PER_LOOK == 0 && wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		if (ctx->wait == SHMHT_WAIT_YIELD) {
			ctx->stats.yields++;
			sched_yield();
		} else {
			ctx->stats.spins++;
		}
	}
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Pairs with the acquire in lock_try(). */
	st_release(&l->taken, 0);
}

#define LOCK_OWNER(l) (&(l)->taken)
#define LOCK_OWNER_KEEP 0u
#define LOCK_NAME "tas"
#define LOCK_SUMMARY "test-and-set without backoff: the textbook's bad example"
#define LOCK_PAPER "Anderson, IEEE TPDS 1(1), 1990"
#define LOCK_FAIRNESS "unfair: whoever gets the line"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "bad: burns the holder's time"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD)
#define LOCK_SYMBOL shmht_strategy_tas
#include "table_body.inc.h"
