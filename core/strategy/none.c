/* SPDX-License-Identifier: MIT */
/*
 * none: no lock at all. The floor of the apparatus: what an operation costs
 * before anybody guards it. Refuses a second context, so it is always correct.
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

#define LOCK_NAME "none"
#define LOCK_SUMMARY "no lock; one worker only: the floor"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "one worker"
#define LOCK_DEAD_HOLDER "nobody waits"
#define LOCK_OVERSUBSCRIBED "one worker"
#define LOCK_CAPS SHMHT_CAP_ONE_WORKER
#define LOCK_SYMBOL shmht_strategy_none
#include "table_body.inc.h"
