/* SPDX-License-Identifier: MIT */
/*
 * rwlock: pthread read-write lock, process-shared; searches share it. Prefers
 * writers, non-recursively: with the default, readers that overlap each other
 * starve a writer for ever, and here nine of ten operations read; no operation
 * takes a stripe's lock twice, which that kind forbids. A reader still writes the
 * lock's line twice: for sections as short as ours sharing gains little or nothing.
 *
 * Manual: pthread_rwlockattr_setkind_np(3). Paper: P. Courtois, F. Heymans,
 * D. Parnas, "Concurrent Control with Readers and Writers", CACM 14(10), 1971.
 * Fairness: writers before readers; among each kind none.
 * Dead holder: stays locked; waiters time out for ever.
 * More workers than CPUs: waiters sleep.
 */
#include <pthread.h>

#include "table.h"
#include "waiting.h"

struct lock {
	pthread_rwlock_t rwlock;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	pthread_rwlockattr_t attr;
	int r;

	st(&l->holder, 0);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	r = pthread_rwlock_init(&l->rwlock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return -r;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	return pthread_rwlock_trywrlock(&l->rwlock) == 0;
}

INLINE bool lock_try_shared(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	return pthread_rwlock_tryrdlock(&l->rwlock) == 0;
}

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not know the clock calls: it would miss the order. */
static int poll_lock(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks,
		     int (*try)(pthread_rwlock_t *))
{
	while (try(&l->rwlock)) {
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		ctx->stats.yields++;
		sched_yield();
	}
	return 0;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return poll_lock(l, ctx, start_ticks, pthread_rwlock_trywrlock);
}

static int lock_wait_shared(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return poll_lock(l, ctx, start_ticks, pthread_rwlock_tryrdlock);
}
#else
/*
 * glibc refuses a thread that holds the lock by another context (EDEADLK) at
 * once. Nobody can release it meanwhile: the wait lasts its time, as with every
 * other lock.
 */
static int wait_result(int r, const struct timespec *deadline)
{
	if (r != EDEADLK)
		return -r;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, deadline, NULL) == EINTR)
		;
	return -ETIMEDOUT;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline = wait_deadline(ctx, start_ticks);

	note_park(ctx, l);
	return wait_result(pthread_rwlock_clockwrlock(&l->rwlock, CLOCK_MONOTONIC, &deadline),
			   &deadline);
}

static int lock_wait_shared(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline = wait_deadline(ctx, start_ticks);

	note_park(ctx, l);
	return wait_result(pthread_rwlock_clockrdlock(&l->rwlock, CLOCK_MONOTONIC, &deadline),
			   &deadline);
}
#endif

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	pthread_rwlock_unlock(&l->rwlock);
}

INLINE void lock_release_shared(struct lock *l, struct shmht_ctx *ctx)
{
	lock_release(l, ctx);
}

#define LOCK_HAS_SHARED
#define LOCK_NAME "rwlock"
#define LOCK_SUMMARY "pthread read-write lock, process-shared, prefers writers"
#define LOCK_PAPER "Courtois et al., CACM 14(10), 1971"
#define LOCK_FAIRNESS "unfair: writers first; a stream of them starves readers"
#define LOCK_DEAD_HOLDER "strands 100% (98..100)"
#define LOCK_OVERSUBSCRIBED "good, but writers first"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_SHARED_READERS)
#define LOCK_SYMBOL shmht_strategy_rwlock
#include "table_body.inc.h"
