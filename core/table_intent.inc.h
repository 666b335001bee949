/* SPDX-License-Identifier: MIT */
/*
 * What a change notes before it begins, so that whoever finds the stripe after a
 * death can tell how far it got. Part of table_body.inc.h.
 *
 * Operands first, the armed word last, cleared when all is done; a killed
 * process has executed a prefix of its program, so all of this needs is that
 * the compiler keeps the order: signal fences, no instruction. A repair sets
 * words, it never adds, and can be done again.
 *
 * What every update, insert or removal pays for is one store before it and one
 * after it. So what a repair can see for itself is not noted: a change's bucket
 * follows from the key in its cell, and a cell is the first of the list that it
 * was put into last.
 *
 *	swap	a replacement: new cell, old cell in the high half
 *	armed	bits 0-7 kind of all else
 *		add, drop: bits 8-31 of the count before, 32-63 the cell
 *		split: 32-63 buckets after it
 *	bucket	where sequences are written: the one whose sequence is odd
 *	moving	split: the cell on its way
 *	loaded, spare, limbo, closed	restore, transfer: the lists as they were
 */
enum {
	INTENT_LOADED = 0,
	/* 1: INTENT_SWAP, layout.h */
	INTENT_MOVING = 2,
	INTENT_SPARE = 2,
	INTENT_IN_LIMBO = 3,
	INTENT_CLOSED = 4,
	INTENT_BUCKET = 5,
	INTENT_WHO = 6, /* pool: the stripe that gives or takes */
};

#define intent_fence() atomic_signal_fence(memory_order_seq_cst)

/* A constant where the strategy strands: nothing of this is compiled in. */
INLINE bool intents_on(const struct shmht_ctx *ctx)
{
	return LOCK_CAPS & SHMHT_CAP_KERNEL_RECOVERS ||
	       (LOCK_CAPS & SHMHT_CAP_RECOVERS && likely(ctx->robust));
}

INLINE void intent_arm(struct shm_stripe *stripe, uint64_t word)
{
	st_release(&stripe->intent[INTENT_ARMED], word);
	intent_fence();
}

INLINE void intent_clear(struct shm_stripe *stripe)
{
	/* After all stores of the change. */
	st_release(&stripe->intent[INTENT_ARMED], 0);
	intent_fence(); /* before the operands of the next */
}

/* Where the change noted last; NULL: it noted nothing. */
INLINE void intent_done(shm_word *note)
{
	/* After all stores of the change. */
	if (note)
		st_release(note, 0);
	intent_fence(); /* before the operands of the next */
}

#ifdef SHMHT_MUTANT_INTENT_EARLY /* a test's negative control: bookkeeping still to come */
#define INTENT_MUTANT_EARLY(note) intent_done(note)
#else
#define INTENT_MUTANT_EARLY(note) ((void)0)
#endif

/* A reader who finds that sequence odd waits for it: what is left of it ends it. */
INLINE void intent_bucket(const struct shmht_ctx *ctx, struct shm_stripe *stripe,
			  const struct shm_bucket *b, bool lockless)
{
	if (lockless)
		st(&stripe->intent[INTENT_BUCKET], (uint64_t)(b - stripe_buckets(ctx, stripe)));
}

/* The new cell is about to take the place of the old one. */
INLINE shm_word *intent_swap(const struct shmht_ctx *ctx, struct shm_stripe *stripe,
			     const struct shm_bucket *b, uint32_t cell, uint32_t old, bool lockless)
{
	if (!intents_on(ctx))
		return NULL;
	intent_bucket(ctx, stripe, b, lockless);
	st_release(&stripe->intent[INTENT_SWAP], cell | (uint64_t)old << 32);
	intent_fence();
	return &stripe->intent[INTENT_SWAP];
}

/* Adds or drops the cell. */
INLINE shm_word *intent_change(const struct shmht_ctx *ctx, struct shm_stripe *stripe,
			       const struct shm_bucket *b, enum intent_kind kind, uint32_t cell,
			       bool lockless)
{
	if (!intents_on(ctx))
		return NULL;
	intent_bucket(ctx, stripe, b, lockless);
	intent_arm(stripe, kind | (uint64_t)cell << 32 | (ld(&stripe->count) & 0xffffff) << 8);
	return &stripe->intent[INTENT_ARMED];
}

/* The insert before it is complete, but for its bucket's sequence. */
INLINE void intent_split(const struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t target,
			 const struct shm_bucket *own)
{
	if (!intents_on(ctx))
		return;
	/* An insert's repair does not use the one, and finds the other as it was. */
	st(&stripe->intent[INTENT_MOVING], 0);
	st(&stripe->intent[INTENT_BUCKET], (uint64_t)(own - stripe_buckets(ctx, stripe)));
	intent_arm(stripe, INTENT_SPLIT | (uint64_t)target << 32);
}

INLINE void intent_moving(const struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	if (!intents_on(ctx))
		return;
	st(&stripe->intent[INTENT_MOVING], cell);
	intent_fence();
}

static __attribute__((noinline)) void note_lists(struct shm_stripe *stripe)
{
	st(&stripe->intent[INTENT_LOADED], ld(&stripe->loaded));
	st(&stripe->intent[INTENT_SPARE], ld(&stripe->spare_mag));
	st(&stripe->intent[INTENT_IN_LIMBO], ld(&stripe->limbo));
	st(&stripe->intent[INTENT_CLOSED], ld(&stripe->limbo_closed));
}

INLINE void intent_restore(const struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	if (!intents_on(ctx))
		return;
	note_lists(stripe);
	intent_arm(stripe, INTENT_RESTORE);
}

/*
 * Both locks are held. The stripe's armed word decides for both: while it says
 * TRANSFER, all is undone. It says so only under the pool's lock, and a repair
 * of the stripe takes that lock, and with it repairs the pool, before it
 * clears the word: so whoever repairs the pool finds it as the dead one left it.
 */
INLINE void intent_transfer(const struct shmht_ctx *ctx, struct shm_stripe *stripe,
			    struct shm_stripe *pool)
{
	if (!intents_on(ctx))
		return;
	note_lists(stripe);
	note_lists(pool);
	st(&pool->intent[INTENT_WHO], (uint64_t)(stripe - ctx->stripes));
	/* The stripe's first: a pool armed alone says that all was done. */
	intent_arm(stripe, INTENT_TRANSFER);
	intent_arm(pool, INTENT_TRANSFER);
}

INLINE void intent_transferred(struct shm_stripe *stripe, struct shm_stripe *pool)
{
	intent_clear(stripe);
	intent_clear(pool);
}
