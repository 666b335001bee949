/* SPDX-License-Identifier: MIT */
/*
 * The futex mutex behind `futex`, `hybrid` and the writers of `rwlock`. The word is 0 (free), the
 * owner's holder_id (locked, nobody sleeps) or that id with the WAITERS bit.
 * A free acquire and a release without sleepers stay out of the kernel.
 *
 * The textbook form lets whoever has slept take the lock with the bit set,
 * since others may sleep still: the last one then wakes nobody, by a system
 * call. Here sleepers are counted, and the bit is kept only for them:
 * - who goes to sleep counts himself first, then sets the bit, then sleeps on
 *   a word that has it; so a count read after a free word misses only those
 *   who will find the word changed, or who are owed a wake-up by the release
 *   that freed it;
 * - a release that drops the bit wakes one, and that one sets it again before it
 *   sleeps anew: while somebody sleeps, the bit is set or one is on his way.
 * A sleeper that is killed stays counted: a few wake-ups too many, never too few.
 */
#define WAITERS 0x80000000u
_Static_assert(!(WAITERS & HOLDER_MASK), "a bit that no holder_id has");

struct lock {
	shm_half word;
	shm_half sleepers;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	st(&l->sleepers, 0);
	st(&l->holder, 0);
	return 0;
}

/* Acquire pairs with the release in lock_release(); release publishes `sleepers`. */
INLINE bool word_swap(struct lock *l, uint32_t *from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acq_rel,
						       memory_order_acquire);
}

#ifndef LOCK_HAS_SHARED
INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	return atomic_compare_exchange_strong_explicit(&l->word, &free, ctx->holder_id,
						       memory_order_acquire, memory_order_relaxed);
}
#endif

/* As long as the word is free it is taken, whatever the time says. */
static bool word_take(struct lock *l, struct shmht_ctx *ctx, uint32_t *word)
{
	while (!*word)
		if (word_swap(l, word,
			      ld(&l->sleepers) ? ctx->holder_id | WAITERS : ctx->holder_id))
			return true;
	return false;
}

/* Until somebody wakes us, or the word is no longer this one. */
static int word_sleep(struct lock *l, struct shmht_ctx *ctx, uint32_t word,
		      const struct timespec *deadline)
{
	int r = 0;

	atomic_fetch_add(&l->sleepers, 1);
	if (word & WAITERS || word_swap(l, &word, word | WAITERS)) {
		note_park(ctx, l);
		r = futex_wait(&l->word, word | WAITERS, deadline);
	}
	atomic_fetch_sub(&l->sleepers, 1);
	return r;
}

static int park(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline = wait_deadline(ctx, start_ticks);
	uint32_t word;
	int r = 0;

	/* Ends when the lock is ours, or with the deadline in the kernel. */
	for (;;) {
		word = ld_acquire(&l->word);
		if (word_take(l, ctx, &word))
			return 0;
		if (r == -ETIMEDOUT)
			return r;
		r = word_sleep(l, ctx, word, &deadline);
	}
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire in word_swap(), acquire with its release. */
	uint32_t word = atomic_exchange_explicit(&l->word, 0, memory_order_acq_rel);

	if (unlikely(word & WAITERS)) {
		note_wake(ctx, l);
		futex_wake(&l->word, 1);
	}
}

#define LOCK_OWNER(l) (&(l)->word)
#define LOCK_OWNER_KEEP WAITERS
