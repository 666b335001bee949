/* SPDX-License-Identifier: MIT */
/*
 * What a change notes before it begins, so that whoever finds the stripe after a
 * death can tell how far it got. Part of table_body.inc.h.
 *
 * Operands first, the armed word last, cleared when all is done; a killed
 * process has executed a prefix of its program, so all of this needs is that
 * the compiler keeps the order: signal fences, no instruction. Operands are values
 * from before: a repair sets words, it never adds, and can be done again.
 *
 *	armed	bits 0-7 kind, 32-63 bucket in the stripe; a split: buckets after it
 *	[0]	loaded magazine: its first cell is the new one
 *	[1]	count, and the free cell after the new one
 *	[2]	the old cell: replaced or dropped; a split: the one on its way;
 *		restore, transfer: the spare magazine
 *	[3]	limbo
 *	[4]	limbo_closed
 */
enum {
	INTENT_LOADED = 0,
	INTENT_COUNT = 1,
	INTENT_CELL = 2,
	INTENT_SPARE = 2,
	INTENT_IN_LIMBO = 3,
	INTENT_CLOSED = 4,
	INTENT_BUCKET = 5, /* of the insert that a split ends */
	INTENT_WHO = 6,	   /* pool: the stripe that gives or takes */
};

enum intent_kind {
	INTENT_ADD = 1,
	INTENT_REPLACE = 2,
	INTENT_DROP = 3,
	INTENT_SPLIT = 4,
	INTENT_RESTORE = 5,  /* lists of one stripe: back to what they were */
	INTENT_TRANSFER = 6, /* lists of a stripe and of the pool: likewise */
	INTENT_LIMBO = 0x80, /* with replace, drop: the old cell waits for readers */
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

#ifdef SHMHT_MUTANT_INTENT_EARLY /* a test's negative control: bookkeeping still to come */
#define INTENT_MUTANT_EARLY(stripe) intent_clear(stripe)
#else
#define INTENT_MUTANT_EARLY(stripe) ((void)0)
#endif

INLINE uint64_t intent_limbo(const struct shmht_ctx *ctx)
{
	return ctx->read == SHMHT_READ_RCU ? INTENT_LIMBO : 0;
}

INLINE void intent_change(const struct shmht_ctx *ctx, struct shm_stripe *stripe,
			  const struct shm_bucket *b, uint64_t kind, uint32_t next_free,
			  uint32_t old)
{
	if (!intents_on(ctx))
		return;
	st(&stripe->intent[INTENT_LOADED], ld(&stripe->loaded));
	st(&stripe->intent[INTENT_COUNT], ld(&stripe->count) | (uint64_t)next_free << 32);
	if (old)
		st(&stripe->intent[INTENT_CELL], old);
	if (kind & INTENT_LIMBO)
		st(&stripe->intent[INTENT_IN_LIMBO], ld(&stripe->limbo));
	intent_arm(stripe, kind | (uint64_t)(b - stripe_buckets(ctx, stripe)) << 32);
}

/* The insert before it is complete, but for its bucket's sequence. */
INLINE void intent_split(const struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t target,
			 const struct shm_bucket *own)
{
	if (!intents_on(ctx))
		return;
	/* An insert's repair uses neither word. */
	st(&stripe->intent[INTENT_CELL], 0);
	st(&stripe->intent[INTENT_BUCKET], (uint64_t)(own - stripe_buckets(ctx, stripe)));
	intent_arm(stripe, INTENT_SPLIT | (uint64_t)target << 32);
}

INLINE void intent_moving(const struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	if (!intents_on(ctx))
		return;
	st(&stripe->intent[INTENT_CELL], cell);
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
