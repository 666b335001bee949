/* SPDX-License-Identifier: MIT */
/*
 * What a dead holder left half done is finished or undone, by whoever gets the
 * stripe's lock next and finds its intent armed. Part of table_body.inc.h.
 *
 * Whether a change was committed is not noted anywhere: it is seen. An entry is
 * in its bucket or is not, and the commit is one store; the bucket follows from
 * the key. A new cell that is in none goes back to the free cells, an old one
 * that has left goes there too, unless it is their first already: who puts one
 * there writes the cell, then, by one store, the list. Count and age are set.
 * Each step gives the same result when it is done again, and the intent stays
 * armed until the last: a repair may be killed as well. The work is that of
 * walking one bucket's chain.
 */

/* Is the cell an entry of the bucket? */
static bool has_cell(struct shmht_ctx *ctx, struct shm_bucket *b, uint32_t cell)
{
	uint32_t at = (uint32_t)(ld_acquire(&b->head) >> 32);

	for (unsigned int slot = 0; slot < BUCKET_SLOTS; slot++)
		if (ld_acquire(&b->tags[slot / 4]) >> 16 * (slot % 4) & 0xffff &&
		    bucket_cell(b, slot, false) == cell)
			return true;
	for (uint64_t steps = 0; cell_valid(ctx, at) && steps < ctx->nr_cells; steps++) {
		if (at == cell)
			return true;
		at = meta_next(ld(&cell_at(ctx, at)->meta));
	}
	return false;
}

static void repair_restore(struct shm_stripe *stripe)
{
	st(&stripe->loaded, ld(&stripe->intent[INTENT_LOADED]));
	st(&stripe->spare_mag, ld(&stripe->intent[INTENT_SPARE]));
	st(&stripe->limbo, ld(&stripe->intent[INTENT_IN_LIMBO]));
	st(&stripe->limbo_closed, ld(&stripe->intent[INTENT_CLOSED]));
}

/* Is the cell an entry? -EUCLEAN: it is no cell. What is in it need not be whole:
 * then it is in no bucket, or on its way out of one. */
static int is_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	uint64_t h;

	if (!cell_valid(ctx, cell))
		return -EUCLEAN;
	if (!cell_hash(ctx, cell, &h) || ctx->stripes + stripe_index(ctx, h) != stripe)
		return 0;
	return has_cell(ctx, bucket_at(ctx, stripe_index(ctx, h), ld(&stripe->active), h), cell);
}

/* To what `count` was when the intent noted its low bits, and `by` more. */
static void repair_count(struct shm_stripe *stripe, uint64_t noted, int64_t by)
{
	uint64_t count = ld(&stripe->count);

#ifdef SHMHT_MUTANT_REPAIR_ADDS /* a test's negative control: not to be done twice */
	(void)noted;
	st(&stripe->count, count + (uint64_t)by);
#else
	uint64_t off = (noted + (uint64_t)by - count) & 0xffffff;

	/* It is one off at most, in either direction. */
	st(&stripe->count, off >> 23 ? count - (0x1000000 - off) : count + off);
#endif
}

INLINE bool is_first(uint64_t chain, uint32_t cell)
{
	return chain_first(chain) == cell && chain_len(chain);
}

/* A cell that is in no bucket, to the free cells: see put(). */
static void repair_put(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	if (!is_first(ld(&stripe->loaded), cell))
		put(ctx, stripe, cell);
}

/*
 * The old cell's way out: see retire(). The read mode may have changed since the
 * death; then there may be no room that make_room() made, and limbo has some. A
 * full magazine in both places is one that put() was just setting aside.
 */
static void repair_retire(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	uint64_t limbo = ld(&stripe->limbo), loaded = ld(&stripe->loaded);
	uint64_t spare = ld(&stripe->spare_mag);
	bool room = chain_len(loaded) < ctx->batch || !spare || spare == loaded;

	if (is_first(loaded, cell) || is_first(limbo, cell))
		return;
	if (!reads_in_sections(ctx->read) && room)
		put(ctx, stripe, cell);
	else
		put_in_limbo(ctx, stripe, cell);
}

static int repair_swap(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t noted)
{
	uint32_t cell = (uint32_t)noted, old = (uint32_t)(noted >> 32);
	int r = is_entry(ctx, stripe, cell);

	if (r < 0 || !cell_valid(ctx, old))
		return -EUCLEAN;
	if (r)
		repair_retire(ctx, stripe, old);
	else
		repair_put(ctx, stripe, cell);
	return 0;
}

static int repair_add(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t armed)
{
	uint32_t cell = (uint32_t)(armed >> 32);
	uint64_t stamp;
	int r = is_entry(ctx, stripe, cell);

	if (r < 0)
		return r;
	repair_count(stripe, armed >> 8 & 0xffffff, r);
	if (!r) {
		repair_put(ctx, stripe, cell);
		return 0;
	}
	stamp = ld(&cell_at(ctx, cell)->stamp);
	if (stamp > ld(&stripe->last_stamp))
		st(&stripe->last_stamp, stamp);
	return 0;
}

static int repair_drop(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t armed)
{
	uint32_t cell = (uint32_t)(armed >> 32);
	int r = is_entry(ctx, stripe, cell);

	if (r < 0)
		return r;
	repair_count(stripe, armed >> 8 & 0xffffff, r - 1);
	if (!r)
		repair_retire(ctx, stripe, cell);
	return 0;
}

/* A split is finished. Only one entry can be in neither bucket: the noted one. */
static int repair_split(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t target)
{
	struct shm_bucket *base = stripe_buckets(ctx, stripe), *old, *to;
	uint32_t cell = (uint32_t)ld(&stripe->intent[INTENT_MOVING]);
	struct split split;
	uint64_t h;
	int r;

	if (target < 2 || target > 1ull << ctx->bucket_bits)
		return -EUCLEAN;
	split = split_into(base, (uint32_t)target - 1);
	old = base + (split.new_index & (uint32_t)(split.active >> 33));
	if ((uint32_t)ld(&stripe->active) < target) {
		if (cell) {
			if (!cell_hash(ctx, cell, &h))
				return -EUCLEAN;
			to = active_index(split.active, h) == split.new_index ? split.new_bucket :
										old;
			if (!has_cell(ctx, old, cell) && !has_cell(ctx, split.new_bucket, cell))
				publish(to, cell_at(ctx, cell), cell, h,
					ld(&cell_at(ctx, cell)->meta));
		}
		r = each_entry(ctx, stripe, old, split_entry, &split);
		if (r)
			return r;
		st_release(&stripe->active, split.active);
	}
	sequence_end(split.new_bucket);
	sequence_end(old);
	return 0;
}

/* Undone as long as the stripe says so: see intent_transfer(). */
static int repair_pool(struct shmht_ctx *ctx, struct shm_stripe *pool)
{
	uint64_t who = ld(&pool->intent[INTENT_WHO]);

	if (who >= 1ull << ctx->stripe_bits)
		return -EUCLEAN;
	if ((ld_acquire(&ctx->stripes[who].intent[INTENT_ARMED]) & 0xff) == INTENT_TRANSFER)
		repair_restore(pool);
	return 0;
}

static int repair_transfer(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	struct shm_stripe *pool = pool_of(ctx);
	int r;

	if (stripe == pool)
		return repair_pool(ctx, pool);
	/* Repairs the pool first, as every acquire does. */
	r = enter(ctx, pool);
	if (r)
		return r;
	repair_restore(stripe);
	intent_clear(stripe);
	leave_free(ctx, pool, false);
	return 0;
}

static int repair_armed(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t armed)
{
	bool pool = stripe == pool_of(ctx);

	switch (armed & 0xff) {
	case INTENT_ADD:
		return pool ? -EUCLEAN : repair_add(ctx, stripe, armed);
	case INTENT_DROP:
		return pool ? -EUCLEAN : repair_drop(ctx, stripe, armed);
	case INTENT_SPLIT:
		return pool ? -EUCLEAN : repair_split(ctx, stripe, armed >> 32);
	case INTENT_RESTORE:
		repair_restore(stripe);
		return 0;
	case INTENT_TRANSFER:
		return repair_transfer(ctx, stripe);
	}
	return -EUCLEAN;
}

/* The lock is held, and stays so. -EUCLEAN: what was noted cannot be right;
 * -ETIMEDOUT: the pool's lock is somebody's. Then the intent stays armed. */
static __attribute__((noinline, cold)) int repair(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	uint64_t armed = ld(&stripe->intent[INTENT_ARMED]), swap = ld(&stripe->intent[INTENT_SWAP]);
	int r = 0;

	if (swap)
		r = stripe == pool_of(ctx) ? -EUCLEAN : repair_swap(ctx, stripe, swap);
	if (!r && armed)
		r = repair_armed(ctx, stripe, armed);
	if (r)
		return r;
	PLACE(repair);
	/* Nobody else changes this stripe now: if one is odd, the dead one left it so. */
	if (stripe != pool_of(ctx))
		sequence_end(stripe_buckets(ctx, stripe) +
			     (ld(&stripe->intent[INTENT_BUCKET]) & ctx->bucket_mask));
	if (swap)
		intent_done(&stripe->intent[INTENT_SWAP]);
	if (armed)
		intent_clear(stripe);
	return 0;
}
