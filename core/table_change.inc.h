/* SPDX-License-Identifier: MIT */
/* Included by table_body.inc.h: mutations. The stripe's lock is held. */

/*
 * One stripe orders its entries by counting. Several need a clock that all
 * share: read inside the section, after everything before it, so that of two
 * inserts that do not overlap the later one has the later stamp.
 */
INLINE uint64_t next_stamp(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	uint64_t after = ld(&stripe->last_stamp) + 1, now;

	if (!ctx->stripe_bits)
		return after;
	now = shmht_ticks_ordered();
	if (now > after)
		after = now;
#if !defined(__x86_64__)
	/*
	 * ARM's counter may tick 24 million times a second: inserts in two stripes would
	 * have one stamp, in a third stripe the second within a tick an earlier one than
	 * either. So the tick is waited out, a fixed number of looks at most, for a counter
	 * that stands still. The TSC ticks many times in any insert.
	 */
	for (unsigned int looks = 0; looks < 10000 && shmht_ticks_ordered() <= after; looks++)
		shmht_pause();
#endif
	return after;
}

INLINE void fill_cell(struct shmht_ctx *ctx, struct shm_cell *c, uint64_t stamp,
		      const unsigned char *key, size_t key_len, const unsigned char *value,
		      size_t value_len, bool lockless)
{
	st(&c->stamp, stamp);
	words_write(c->words, key, key_len, lockless);
	words_write(cell_value(ctx, c), value, value_len, lockless);
}

/* Makes a filled cell an entry of the bucket, by one store. */
INLINE void publish(struct shm_bucket *b, struct shm_cell *c, uint32_t cell, uint64_t h,
		    uint64_t meta)
{
	unsigned int empty = tags_match(ld(&b->tags[0]), ld(&b->tags[1]), 0);

	if (likely(empty)) {
		unsigned int slot = (unsigned int)__builtin_ctz(empty);
		shm_word *numbers = &b->cells[slot / 2], *tags = &b->tags[slot / 4];

#ifdef SHMHT_MUTANT_COMMIT_EARLY /* a test's negative control */
		st_release(tags, ld(tags) | (uint64_t)tag_of_hash(h) << 16 * (slot % 4));
#endif
		st_release(&c->meta, link_set(meta, 0, 0));
		st_release(numbers, link_set(ld(numbers), 32 * (slot % 2), cell));
		/* Commit. Pairs with the acquire of the tags in find_lane(). */
		st_release(tags, ld(tags) | (uint64_t)tag_of_hash(h) << 16 * (slot % 4));
	} else {
		uint64_t head = ld(&b->head);

		st_release(&c->meta, link_set(meta, 0, (uint32_t)(head >> 32)));
		/* Commit. Pairs with the acquire of the head in find(). */
		st_release(&b->head, link_set(head, 32, cell));
	}
}

/* Takes an entry out of its bucket, by one store. */
INLINE void unpublish(struct shmht_ctx *ctx, struct shm_bucket *b, const struct place *place)
{
	if (place->slot != SLOT_OVERFLOW) {
		shm_word *tags = &b->tags[place->slot / 4];

		/* Commit. Pairs with the acquire of the tags in find_lane(). */
		st_release(tags, ld(tags) & ~(0xffffull << 16 * (place->slot % 4)));
	} else {
		uint32_t next = meta_next(ld(&cell_at(ctx, place->cell)->meta));

		/* Commit. Pairs with the acquire of the head in find(). */
		st_release(place->link, link_set(ld(place->link), place->shift, next));
	}
}

static void grow(struct shmht_ctx *ctx, struct shm_stripe *stripe, const struct shm_bucket *own);

/*
 * Would one entry more make the bucket's list longer than the table allows? Asked only
 * where a list has begun, whose head the insert has read already.
 */
static __attribute__((noinline)) bool chain_is_full(struct shmht_ctx *ctx, struct shm_bucket *b)
{
	uint32_t cell = (uint32_t)(ld(&b->head) >> 32), len = 0;

	if (!ctx->chain_max || tags_match(ld(&b->tags[0]), ld(&b->tags[1]), 0))
		return false;
	/* A list that a hostile peer has bent ends at the limit, too. */
	for (; cell_valid(ctx, cell) && len < ctx->chain_max; len++)
		cell = meta_next(ld(&cell_at(ctx, cell)->meta));
	return len == ctx->chain_max;
}

INLINE int add_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		     uint64_t h, const unsigned char *key, size_t key_len,
		     const unsigned char *value, size_t value_len, bool lockless,
		     shm_word **ret_note)
{
	uint64_t stamp = next_stamp(ctx, stripe);
	struct shm_cell *c;
	uint64_t count;
	uint32_t cell;
	int r;

	if (unlikely(ld(&b->head) >> 32) && chain_is_full(ctx, b))
		return -EMLINK;
	r = take(ctx, stripe, 2, &cell);
	if (unlikely(r))
		return r;
	c = cell_at(ctx, cell);
	*ret_note = intent_change(ctx, stripe, b, INTENT_ADD, cell, lockless);
	taken(stripe, c);
	change_begin(ctx, b, lockless);
	PLACE(fill);
	fill_cell(ctx, c, stamp, key, key_len, value, value_len, lockless);
	PLACE(commit);
	publish(b, c, cell, h, meta_make(0, key_len, value_len));
	PLACE(committed);
	INTENT_MUTANT_EARLY(*ret_note);
	st(&stripe->last_stamp, stamp);
	count = ld(&stripe->count) + 1;
#ifdef SHMHT_MUTANT_COUNT_DRIFT /* a test's negative control */
	count += count % 64 == 0;
#endif
	st(&stripe->count, count);
	if (unlikely(count > (uint64_t)GROW_LOAD * (uint32_t)ld(&stripe->active)))
		grow(ctx, stripe, b);
	return 0;
}

/* A new cell takes the old one's place, and its age, by one store. */
INLINE int replace_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
			 struct place *place, const unsigned char *key, size_t key_len,
			 const unsigned char *value, size_t value_len, bool lockless,
			 shm_word **ret_note)
{
	struct shm_cell *old = cell_at(ctx, place->cell), *c;
	uint32_t cell;
	int r = retire_prepare(ctx, stripe, lockless);

	if (likely(!r))
		r = take(ctx, stripe, 1, &cell);
	if (lockless && unlikely(r == -ENOSPC))
		r = take_from_limbo(ctx, stripe, &cell);
	if (unlikely(r))
		return r;
	c = cell_at(ctx, cell);
	*ret_note = intent_swap(ctx, stripe, b, cell, place->cell, lockless);
	taken(stripe, c);
	change_begin(ctx, b, lockless);
	PLACE(fill);
	fill_cell(ctx, c, ld(&old->stamp), key, key_len, value, value_len, lockless);
	word_write(&c->meta, meta_make(meta_next(ld(&old->meta)), key_len, value_len), lockless);
	PLACE(commit);
	/* Commit. Readers reach the cell through this word's number: a dependent
	 * load, ordered after this release. */
	st_release(place->link, link_set(ld(place->link), place->shift, cell));
	PLACE(committed);
	INTENT_MUTANT_EARLY(*ret_note);
	retire(ctx, stripe, place->cell, lockless);
	return 0;
}

INLINE int drop_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		      const struct place *place, bool lockless, shm_word **ret_note)
{
	int r = retire_prepare(ctx, stripe, lockless);

	if (likely(!r) && (!lockless || !reads_in_sections(ctx->read)))
		r = make_room(ctx, stripe);
	if (unlikely(r))
		return r;
	*ret_note = intent_change(ctx, stripe, b, INTENT_DROP, place->cell, lockless);
	change_begin(ctx, b, lockless);
	PLACE(commit);
	unpublish(ctx, b, place);
	PLACE(committed);
	st(&stripe->count, ld(&stripe->count) - 1);
	retire(ctx, stripe, place->cell, lockless);
	return 0;
}
