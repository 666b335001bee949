/* SPDX-License-Identifier: MIT */
/*
 * mutex: pthread mutex, PTHREAD_PROCESS_SHARED, normal type: the yardstick that
 * most programs would reach for.
 *
 * Manual: pthread_mutexattr_setpshared(3), pthread_mutex_clocklock(3).
 * Fairness: none; running threads barge in.
 * Dead holder: stays locked; waiters time out for ever.
 * More workers than CPUs: waiters sleep.
 */
#include <pthread.h>
#include <sched.h>

#include "table.h"
#include "waiting.h"

struct lock {
	pthread_mutex_t mutex;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	pthread_mutexattr_t attr;
	int r;

	st(&l->holder, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	r = pthread_mutex_init(&l->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	return pthread_mutex_trylock(&l->mutex) == 0;
}

#if defined(__SANITIZE_THREAD__)
static int wait_by_trying(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	while (!lock_try(l, ctx)) {
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		sched_yield();
	}
	return 0;
}
#endif

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
#if defined(__SANITIZE_THREAD__)
	/* ThreadSanitizer does not know pthread_mutex_clocklock. */
	return wait_by_trying(l, ctx, start_ticks);
#else
	struct timespec deadline = wait_deadline(ctx, start_ticks);

	ctx->stats.parks++;
	return -pthread_mutex_clocklock(&l->mutex, CLOCK_MONOTONIC, &deadline);
#endif
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	pthread_mutex_unlock(&l->mutex);
}

#if defined(__GLIBC__)
INLINE uint32_t lock_owner_tid(struct lock *l)
{
	return (uint32_t)l->mutex.__data.__owner;
}
#define LOCK_HAS_OWNER_TID
#endif

#define LOCK_NAME "mutex"
#define LOCK_SUMMARY "pthread mutex, process-shared: the yardstick"
#define LOCK_PAPER "pthread_mutexattr_setpshared(3), POSIX.1-2017"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "strands: waiters time out"
#define LOCK_CAPS SHMHT_CAP_PARKS
#define LOCK_SYMBOL shmht_strategy_mutex
#include "table_body.inc.h"
