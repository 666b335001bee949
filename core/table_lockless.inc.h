/* SPDX-License-Identifier: MIT */
/*
 * What a mutation owes to readers without a lock (lockfree.c): the bucket's
 * sequence, and the limbo of removed cells. Part of table_body.inc.h; the
 * stripe's lock is held. `lockless` is a constant everywhere: with read = locked
 * none of this is compiled in.
 */

/* Odd already: its last writer died in between, or holds it odd itself. Stores
 * of data follow as releases: who reads any of them sees the sequence odd. */
INLINE void sequence_begin(struct shm_bucket *b)
{
	st(&b->head, ld(&b->head) | 1);
}

/* Pairs with the acquire of the head in lockfree.c. */
INLINE void sequence_end(struct shm_bucket *b)
{
	uint64_t head = ld(&b->head);

	if (head & 1)
		st_release(&b->head, (head & ~0xffffffffull) | (uint32_t)((uint32_t)head + 1));
}

/* rcu needs none for a change that is one store. */
INLINE void change_begin(const struct shmht_ctx *ctx, struct shm_bucket *b, bool lockless)
{
	if (lockless && ctx->read == SHMHT_READ_SEQLOCK)
		sequence_begin(b);
}

INLINE void change_end(const struct shmht_ctx *ctx, struct shm_bucket *b, bool lockless)
{
	if (lockless && ctx->read == SHMHT_READ_SEQLOCK)
		sequence_end(b);
}

/* The last of a change: what it noted is void from here on. */
INLINE void change_done(const struct shmht_ctx *ctx, struct shm_bucket *b, shm_word *note,
			bool lockless)
{
	change_end(ctx, b, lockless);
	intent_done(note);
}

/*
 * read = seqlock: is the key there? Asked before the lock is taken, as a search asks:
 * an insert that finds it and a removal that does not are over, and whoever goes on
 * takes the lock with the lines it needs at hand. 0, -ENOENT; -EAGAIN: not known, the
 * bucket is changing, or has a list. Under rcu a look would need a section of its own.
 * The loads and their order are those of pass() in lockfree.c.
 */
INLINE int look_first(struct shmht_ctx *ctx, const struct target *to, uint64_t h, const void *key,
		      size_t key_len)
{
	struct shm_bucket *b = to->bucket;
	uint64_t head = ld_acquire(&b->head);
	unsigned int match = bucket_match(b, h);
	bool there = false;

	if (ctx->read != SHMHT_READ_SEQLOCK || unlikely(head >> 32 | (head & 1)))
		return -EAGAIN;
	for (; match && !there; match &= match - 1) {
		uint32_t cell = bucket_cell(b, (unsigned int)__builtin_ctz(match), true);
		struct shm_cell *c;

		if (unlikely(!cell_valid(ctx, cell)))
			return -EAGAIN;
		c = cell_at(ctx, cell);
		there = meta_key_len(ld_acquire(&c->meta)) == key_len &&
			words_equal(c->words, key, key_len, true);
	}
#ifndef SHMHT_MUTANT_BLIND_LOOK /* a test's negative control: see core.ninja */
	if (unlikely((uint32_t)ld(&b->head) != (uint32_t)head))
		return -EAGAIN;
#endif
	if (there)
		return 0;
	return likely(ld(&to->stripe->active) == to->active) ? -ENOENT : -EAGAIN;
}

/*
 * Two halves: one gathers what is removed; when it is full it is closed with a
 * new epoch, and by the time the next one is full its readers have usually gone.
 */
static __attribute__((noinline)) int limbo_turn(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	uint64_t closed = ld(&stripe->limbo_closed), epoch;
	uint32_t cell = chain_first(closed);
	int r;

	if (chain_len(closed)) {
		r = grace_wait(ctx, ld(&stripe->limbo_epoch));
		if (r)
			return r;
	}
	for (uint64_t n = chain_len(closed); n; n--) {
		uint32_t next;

		if (!cell_valid(ctx, cell))
			return -EUCLEAN;
		r = make_room(ctx, stripe);
		if (r)
			return r;
		next = (uint32_t)ld(&cell_at(ctx, cell)->stamp);
		intent_restore(ctx, stripe);
		st(&stripe->limbo_closed, chain_make(next, n - 1));
		put(ctx, stripe, cell);
		intent_clear(stripe);
		cell = next;
	}
	if (!chain_len(ld(&stripe->limbo)))
		return 0;
	r = grace_start(ctx, &epoch);
	if (r)
		return r;
	intent_restore(ctx, stripe);
	st(&stripe->limbo_epoch, epoch);
	st(&stripe->limbo_closed, ld(&stripe->limbo));
	st(&stripe->limbo, 0);
	intent_clear(stripe);
	return 0;
}

/* Before a commit that removes a cell: afterwards nothing may fail. */
INLINE int retire_prepare(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool lockless)
{
	if (!lockless || !reads_in_sections(ctx->read) ||
	    likely(chain_len(ld(&stripe->limbo)) < ctx->limbo_half))
		return 0;
	return limbo_turn(ctx, stripe);
}

/* An update never finds the table full: what it and its like have removed is at
 * hand, once its readers have gone. */
static __attribute__((noinline)) int take_from_limbo(struct shmht_ctx *ctx,
						     struct shm_stripe *stripe, uint32_t *ret_cell)
{
	int r = -ENOSPC;

	while (r == -ENOSPC && (ld(&stripe->limbo) | ld(&stripe->limbo_closed)) >> 32) {
		r = limbo_turn(ctx, stripe);
		if (!r)
			r = take(ctx, stripe, 1, ret_cell);
	}
	return r;
}

/* Linked by the stamp, which no reader looks at: its place in the chain, its key
 * and its value stay as they are. */
INLINE void put_in_limbo(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	uint64_t limbo = ld(&stripe->limbo);

	st(&cell_at(ctx, cell)->stamp, chain_first(limbo));
	st(&stripe->limbo, chain_make(cell, chain_len(limbo) + 1));
}

INLINE void retire(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell, bool lockless)
{
	if (!lockless || !reads_in_sections(ctx->read))
		put(ctx, stripe, cell);
	else
		put_in_limbo(ctx, stripe, cell);
}

/* The end of an operation that changed bucket b: with a sequence, the time that
 * shmht_ctx_set_hold() asks for is spent while it is odd, as all of the
 * section's work would be. */
INLINE void leave_changed(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
			  shm_word *note, bool lockless)
{
	if (unlikely(ctx->leaves_late))
		leave_late(ctx);
	change_done(ctx, b, note, lockless);
	leave_free(ctx, stripe, false);
}
