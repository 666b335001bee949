/* SPDX-License-Identifier: MIT */
/*
 * spin: test-and-test-and-set with bounded exponential backoff. The word holds
 * the owner's holder_id. A waiter reads until the word is free (its own cached
 * copy, no traffic), then tries the atomic; each look that finds it taken
 * doubles the pauses before the next.
 *
 * Paper: T. E. Anderson, "The Performance of Spin Lock Alternatives for
 * Shared-Memory Multiprocessors", IEEE TPDS 1(1), 1990.
 * Fairness: none; the last holder has the line and often wins again.
 * Dead holder: a waiter takes the word over, within about a millisecond.
 * More workers than CPUs: waiters burn the time that the holder needs.
 */
#include "table.h"
#include "waiting.h"

#define BACKOFF_MAX 64u

struct lock {
	shm_half owner; /* holder_id, 0 when free */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->owner, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	/* Acquire pairs with the release in lock_release(). */
	return atomic_compare_exchange_strong_explicit(&l->owner, &free, ctx->holder_id,
						       memory_order_acquire, memory_order_relaxed);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	uint32_t pauses = 4;

	do {
		/* Ends when the lock is free, or with the deadline. */
		while (ld(&l->owner)) {
			if (ctx->wait == SHMHT_WAIT_YIELD) {
				ctx->stats.yields++;
				sched_yield();
			} else {
				for (uint32_t i = 0; i < pauses; i++)
					shmht_pause();
				ctx->stats.spins += pauses;
			}
			if (pauses < BACKOFF_MAX)
				pauses *= 2;
			if (wait_expired(ctx, start_ticks))
				return -ETIMEDOUT;
		}
	} while (!lock_try(l, ctx));
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Pairs with the acquire in lock_try(). */
	st_release(&l->owner, 0);
}

#define LOCK_OWNER(l) (&(l)->owner)
#define LOCK_OWNER_KEEP 0u
#define LOCK_NAME "spin"
#define LOCK_SUMMARY "test-and-test-and-set spin lock with exponential backoff"
#define LOCK_PAPER "Anderson, IEEE TPDS 1(1), 1990"
#define LOCK_FAIRNESS "unfair: favours the last holder"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "bad: burns the holder's time"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD)
#define LOCK_SYMBOL shmht_strategy_spin
#include "table_body.inc.h"
