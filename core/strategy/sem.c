/* SPDX-License-Identifier: MIT */
/*
 * sem: a POSIX semaphore of value 1, process-shared, in the lock slot. What
 * the table's ancestor used, minus its faults: an interrupted wait is waited
 * again, and the semaphore has no name that could outlive or be shared.
 *
 * Manual: sem_overview(7), sem_clockwait(3); POSIX.1-2017.
 * Fairness: none; glibc wakes one sleeper, running threads barge in.
 * Dead holder: the value stays 0; waiters time out for ever.
 * More workers than CPUs: waiters sleep.
 */
#include <semaphore.h>

#include "table.h"
#include "waiting.h"

struct lock {
	sem_t sem;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->holder, 0);
	return sem_init(&l->sem, 1, 1) ? -errno : 0;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	return sem_trywait(&l->sem) == 0;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
#if defined(__SANITIZE_THREAD__)
	/* ThreadSanitizer does not know sem_clockwait: it would miss the order. */
	while (!lock_try(l, ctx)) {
		ctx->stats.yields++;
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		sched_yield();
	}
	return 0;
#else
	struct timespec deadline = wait_deadline(ctx, start_ticks);
	int r;

	note_park(ctx, l);
	/* A signal ends the call, not the wait; the deadline is absolute. */
	do {
		r = sem_clockwait(&l->sem, CLOCK_MONOTONIC, &deadline) ? -errno : 0;
	} while (r == -EINTR);
	return r;
#endif
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	sem_post(&l->sem);
}

#define LOCK_NAME "sem"
#define LOCK_SUMMARY "POSIX semaphore, process-shared"
#define LOCK_PAPER "sem_overview(7), POSIX.1-2017"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "strands 100% (98..100)"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS SHMHT_CAP_PARKS
#define LOCK_SYMBOL shmht_strategy_sem
#include "table_body.inc.h"
