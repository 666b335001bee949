/* SPDX-License-Identifier: MIT */
/*
 * slow0, slow2, ...: one lock that costs SLOW_PERCENT of a nominal operation (100
 * ns) more per acquire. What a gate must find, and how much of it, in steps that
 * are known. Test builds only; for one process, or for few: it waits by yielding.
 */
#include "table.h"
#include "waiting.h"

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

/* A multiplication that waits for the one before is 3 cycles, about 1 ns. Returns
 * 0, which whoever needs it must wait for: else the processor would do the chain
 * beside other work, and it would cost next to nothing. */
INLINE uint32_t slow_down(void)
{
	uint64_t chain = 0;

	for (int i = 0; i < SLOW_PERCENT; i++) {
		__asm__("" : "+r"(chain)); /* might be anything: not folded */
		chain *= chain;
	}
	return (uint32_t)chain;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Acquire pairs with the release in lock_release(). */
	return !atomic_exchange_explicit(&l->taken, 1 + slow_down(), memory_order_acquire);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	while (!lock_try(l, ctx)) {
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

#define LOCK_SUMMARY "costs a known share more (control of the gate)"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "none"
#define LOCK_DEAD_HOLDER "strands: waiters time out"
#define LOCK_OVERSUBSCRIBED "-"
#define LOCK_CAPS SHMHT_CAP_TEST_ONLY
#include "table_body.inc.h"
