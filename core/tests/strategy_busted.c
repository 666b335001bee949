/* SPDX-License-Identifier: MIT */
/*
 * busted: a lock that does nothing and lets everybody in. The negative
 * control: a harness that does not complain about it sees nothing. Test builds
 * only. (After the kernel's locktorture, which ships a lock of that name.)
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

#define LOCK_NAME "busted"
#define LOCK_SUMMARY "does not exclude anybody (negative control)"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "-"
#define LOCK_DEAD_HOLDER "nobody waits"
#define LOCK_OVERSUBSCRIBED "-"
#define LOCK_CAPS SHMHT_CAP_TEST_ONLY
#define LOCK_SYMBOL shmht_strategy_busted
#include "table_body.inc.h"
