/* SPDX-License-Identifier: MIT */
/*
 * A lock of one's own, to start from: test-and-test-and-set that yields its CPU
 * when a wait lasts. Copy it out of the tree; then
 *
 *	cc $(pkg-config --cflags shmht-strategy) -O2 -fPIC -shared mylock.c -o mylock.so
 *	shmbench conform ./mylock.so
 *	shmbench run SCENARIO --set lock=futex,./mylock.so
 *
 * What a file like this defines stands at the top of table_body.inc.h. Whatever is
 * called here is inlined into the table's operations.
 */
#include "table.h"
#include "waiting.h"

/* In shared memory, at another address in every process: no pointers. 64 bytes at
 * most, and 64 more a worker: LOCK_WORKER_BYTES, ctx->slot->lock_local. */
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

/* The uncontended way: one attempt. */
INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	/* Acquire pairs with the release in lock_release(). */
	return atomic_compare_exchange_strong_explicit(&l->owner, &free, ctx->holder_id,
						       memory_order_acquire, memory_order_relaxed);
}

/* After that failed: until the deadline, and then as if nobody had been here. */
static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	for (uint32_t round = 0; !lock_try(l, ctx); round++) {
		while (ld(&l->owner)) {
			if (wait_expired(ctx, start_ticks))
				return -ETIMEDOUT;
			wait_pause(ctx, round++);
		}
	}
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Pairs with the acquire in lock_try(). */
	st_release(&l->owner, 0);
}

/* A waiter may take the lock from a dead owner: for that the word has to say who
 * that is. Without these two lines and the capability, it strands. */
#define LOCK_OWNER(l) (&(l)->owner)
#define LOCK_OWNER_KEEP 0u
#define LOCK_NAME "mylock"
#define LOCK_SUMMARY "test-and-test-and-set that pauses, then yields"
#define LOCK_PAPER "Anderson, IEEE TPDS 1(1), 1990"
#define LOCK_FAIRNESS "unfair: favours the last holder"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "fair: waiters give their CPU away"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD)
#define LOCK_SYMBOL mylock
#include "table_body.inc.h"
