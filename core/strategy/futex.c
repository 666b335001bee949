/* SPDX-License-Identifier: MIT */
/*
 * futex: three-state mutex. The word is 0 (free), the owner's thread id
 * (locked, nobody sleeps) or that id with the WAITERS bit (locked, somebody
 * may sleep). Neither a free acquire nor a release without sleepers enters the
 * kernel. Whoever has slept takes the lock with the bit set, because others
 * may sleep still: one needless wake-up at the end of a queue is the price.
 *
 * Paper: U. Drepper, "Futexes Are Tricky", 2011, section 6 (mutex3); the thread
 * id in the word is the form that robust lists need (futex(2)).
 * Fairness: none; the kernel wakes in order, but a running thread may barge in.
 * Dead holder: the word stays taken; waiters time out for ever.
 * More workers than CPUs: waiters sleep, the holder gets its time.
 */
#include "table.h"
#include "waiting.h"

#define WAITERS FUTEX_WAITERS

struct lock {
	shm_half word;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	st(&l->holder, 0);
	return 0;
}

/* Acquire pairs with the release in lock_release(). */
INLINE bool word_swap(struct lock *l, uint32_t *from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acquire,
						       memory_order_relaxed);
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	return word_swap(l, &free, ctx->tid);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline = wait_deadline(ctx, start_ticks);
	uint32_t word = ld(&l->word);
	int r;

	/* Ends when the lock is ours, or with the deadline in the kernel. */
	for (;;) {
		if (!word) {
			if (word_swap(l, &word, ctx->tid | WAITERS))
				return 0;
			continue;
		}
		if (!(word & WAITERS) && !word_swap(l, &word, word | WAITERS))
			continue;
		ctx->stats.parks++;
		r = futex_wait(&l->word, word | WAITERS, &deadline);
		if (r == -ETIMEDOUT)
			return r;
		word = ld(&l->word);
	}
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire in word_swap(). */
	uint32_t word = atomic_exchange_explicit(&l->word, 0, memory_order_release);

	if (unlikely(word & WAITERS)) {
		ctx->stats.wakes++;
		futex_wake(&l->word, 1);
	}
}

INLINE uint32_t lock_owner_tid(struct lock *l)
{
	return ld(&l->word) & FUTEX_TID_MASK;
}

#define LOCK_HAS_OWNER_TID
#define LOCK_NAME "futex"
#define LOCK_SUMMARY "three-state futex mutex; enters the kernel only to sleep and to wake"
#define LOCK_PAPER "Drepper, Futexes Are Tricky, 2011; futex(2)"
#define LOCK_FAIRNESS "unfair: wakes in order, but running threads barge in"
#define LOCK_DEAD_HOLDER "strands: waiters time out"
#define LOCK_CAPS SHMHT_CAP_PARKS
#define LOCK_SYMBOL shmht_strategy_futex
#include "table_body.inc.h"
