/* SPDX-License-Identifier: MIT */
/*
 * A pthread mutex in the lock slot, for the strategies that differ in its
 * attributes only: MUTEX_TYPE, and MUTEX_ROBUST where a dead holder's mutex is
 * to be handed on.
 */
#include <pthread.h>

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
	r = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (!r)
		r = pthread_mutexattr_settype(&attr, MUTEX_TYPE);
#ifdef MUTEX_ROBUST
	if (!r)
		r = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
#endif
	if (!r)
		r = pthread_mutex_init(&l->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

/* What the dead holder was in the middle of is repaired after the acquire. */
INLINE int mutex_got(struct lock *l, struct shmht_ctx *ctx, int r)
{
#ifdef MUTEX_ROBUST
	if (unlikely(r == EOWNERDEAD)) {
		note_recovered(ctx, l);
		r = pthread_mutex_consistent(&l->mutex);
	}
#else
	(void)l, (void)ctx;
#endif
	return r;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	return mutex_got(l, ctx, pthread_mutex_trylock(&l->mutex)) == 0;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
#if defined(__SANITIZE_THREAD__)
	/* ThreadSanitizer does not know the clock call: it would see an unlock of
	 * what was never locked. */
	while (!lock_try(l, ctx)) {
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		ctx->stats.yields++;
		sched_yield();
	}
	return 0;
#else
	struct timespec deadline = wait_deadline(ctx, start_ticks);

	/* Counts the calls: whether one spun or slept is the library's secret. */
	note_park(ctx, l);
	return -mutex_got(l, ctx, pthread_mutex_clocklock(&l->mutex, CLOCK_MONOTONIC, &deadline));
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
	return (uint32_t)l->mutex.__data.__owner & FUTEX_TID_MASK;
}
#define LOCK_HAS_OWNER_TID
#endif
