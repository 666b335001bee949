/* SPDX-License-Identifier: MIT */
/*
 * starve: excludes as it should, and lets one worker wait STARVE_MS before it may even
 * try, asleep, so that no scheduler is to blame. One, so that he is found among 64, too. The
 * negative control of the harness's account of fairness. Test builds only.
 */
#include <time.h>

#include "table.h"
#include "waiting.h"

#define STARVE_MS 400  /* far over the rule's 100, whatever a busy machine takes off */
#define STARVED_SLOT 1 /* 0 may be the supervisor's */

struct lock {
	shm_half taken;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->taken, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE bool is_starved(const struct shmht_ctx *ctx)
{
	return (ctx->holder_id & ((1u << HOLDER_SLOT_BITS) - 1)) == STARVED_SLOT + 1;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	/* Acquire pairs with the release in lock_release(). */
	return !is_starved(ctx) && !atomic_exchange_explicit(&l->taken, 1, memory_order_acquire);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	if (is_starved(ctx))
		nanosleep(&(struct timespec){ .tv_nsec = STARVE_MS * 1000000 }, NULL);
	while (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire)) {
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		ctx->stats.yields++;
		sched_yield();
	}
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Pairs with the acquire in lock_try(). */
	st_release(&l->taken, 0);
}

#define LOCK_NAME "starve"
#define LOCK_SUMMARY "lets one worker wait (negative control)"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "none, on purpose"
#define LOCK_DEAD_HOLDER "strands: waiters time out"
#define LOCK_OVERSUBSCRIBED "-"
#define LOCK_CAPS SHMHT_CAP_TEST_ONLY
#define LOCK_SYMBOL shmht_strategy_starve
#include "table_body.inc.h"
