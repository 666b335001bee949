/* SPDX-License-Identifier: MIT */
/*
 * sem: a POSIX semaphore of value 1, process-shared, in the lock slot. What
 * the table's ancestor used, minus its faults: an interrupted wait is waited
 * again, and the semaphore has no name that could outlive or be shared.
 *
 * A semaphore does not know who took it, so a token that died with its owner cannot
 * be told from one at work. Hence the word beside it: `owner` decides who has the lock,
 * the semaphore is what one waits on.
 *
 *	acquire	take a token, then swap the owner from nobody to oneself
 *	release	nobody owns, then post one token, always one
 *
 * Who finds an owner when he has a token already drops it: that owner will post. So as
 * long as somebody owns, or is between his two steps of a release, there is a token or
 * will be one. A dead owner's word is taken over, and the token that he owed is posted by
 * who took it. Who died between two steps leaves no token and no owner: who
 * waited a slice in vain then swaps the owner without a token. Had it been somebody who
 * is alive and slow, either his own swap fails and he drops his token, or there are two
 * after his post, and one of them is dropped by the next who finds an owner. Nobody
 * is ever let in by a number of tokens, and no time-out posts one.
 *
 * Manual: sem_overview(7), sem_clockwait(3); POSIX.1-2017.
 * Fairness: none; glibc wakes one sleeper, running threads barge in.
 * Dead holder: a waiter takes over, within some milliseconds. A killed sleeper stays in
 * glibc's count of them, which nobody else may change: from then on every release enters
 * the kernel. A wake-up that went to one who died with it is missed by the others until
 * their slice ends.
 * More workers than CPUs: waiters sleep.
 */
#include <semaphore.h>

#include "table.h"
#include "waiting.h"

struct lock {
	sem_t sem;
	shm_half owner; /* holder_id; 0: nobody */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->owner, 0);
	st(&l->holder, 0);
	return sem_init(&l->sem, 1, 1) ? -errno : 0;
}

/* With a token in hand; false: it is dropped. robust = off: a token is the lock, the
 * word only says whose. */
INLINE bool own(struct lock *l, struct shmht_ctx *ctx)
{
#ifndef SHMHT_MUTANT_TIMEOUT_POSTS /* a test's negative control: see core.ninja */
	uint32_t nobody = 0;

	/* Acquire pairs with the release in lock_release(): without a token nothing else
	 * does. */
	if (likely(ctx->robust))
		return atomic_compare_exchange_strong_explicit(&l->owner, &nobody, ctx->holder_id,
							       memory_order_acquire,
							       memory_order_relaxed);
#endif
	st(&l->owner, ctx->holder_id);
	return true;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	return sem_trywait(&l->sem) == 0 && likely(own(l, ctx));
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
	/* A signal ends the call, not the wait; nor does a token too many. The deadline is
	 * absolute. */
	do {
		r = sem_clockwait(&l->sem, CLOCK_MONOTONIC, &deadline) ? -errno : 0;
	} while (r == -EINTR || (!r && !own(l, ctx)));
#ifdef SHMHT_MUTANT_TIMEOUT_POSTS
	if (r == -ETIMEDOUT)
		sem_post(&l->sem);
#endif
	return r;
#endif
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	(void)ctx;
	/* Pairs with the acquire in own(). Before the post: who has its token is to find
	 * nobody. */
	st_release(&l->owner, 0);
	sem_post(&l->sem);
}

#define LOCK_OWNER(l) (&(l)->owner)
#define LOCK_OWNER_KEEP 0u
#ifndef SHMHT_MUTANT_OWNED_ONLY /* a test's negative control: see core.ninja */
#define LOCK_TAKES_FREE
#endif
#define LOCK_NAME "sem"
#define LOCK_SUMMARY "POSIX semaphore, process-shared"
#define LOCK_PAPER "sem_overview(7), POSIX.1-2017"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_sem
#include "table_body.inc.h"
