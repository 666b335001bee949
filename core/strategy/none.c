/* SPDX-License-Identifier: MIT */
/*
 * none: no lock at all. The floor of the apparatus: what an operation costs
 * before anybody guards it. Refuses a second context, so it is always correct, and
 * what only others could have changed it does not look at: see alone_enter().
 */
#include "table.h"

struct lock {
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->holder, 0);
	return 0;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	(void)l, (void)ctx;
	return true;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	(void)l, (void)ctx, (void)start_ticks;
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)l, (void)ctx;
}

static int alone_enter(struct shmht_ctx *ctx, struct shmht_error *err);

#define LOCK_CTX_ENTER alone_enter
#define LOCK_CTX_LEAVE NULL
#define LOCK_MAP_LEAVE NULL
#define LOCK_NAME "none"
#define LOCK_SUMMARY "no lock; one worker only: the floor"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "one worker"
#define LOCK_DEAD_HOLDER "nobody waits"
#define LOCK_OVERSUBSCRIBED "one worker"
#define LOCK_CAPS SHMHT_CAP_ONE_WORKER
#define LOCK_SYMBOL shmht_strategy_none
#include "table_body.inc.h"

/*
 * Each stripe is had once, and the pool: what somebody who died under another
 * strategy left is repaired, and this context is noted as the last holder. Both
 * stay so while it is alone, and its searches look at neither.
 */
static int alone_enter(struct shmht_ctx *ctx, struct shmht_error *err)
{
	for (uint32_t k = 0; k <= 1u << ctx->stripe_bits; k++) {
		int r = op_lock(ctx, k);

		if (r) {
			error_set(err,
				  "what a dead worker left in stripe %u cannot be repaired: %s", k,
				  strerror(-r));
			return r;
		}
		op_unlock(ctx, k);
	}
	ctx->stats = (struct shmht_lock_stats){ 0 };
	return 0;
}
