/* SPDX-License-Identifier: MIT */
/*
 * What a dead holder left half done is finished or undone, by whoever gets the
 * stripe's lock next and finds its intent armed. Part of table_body.inc.h.
 *
 * Whether a change was committed is not noted anywhere: it is seen. An entry is
 * in its bucket or is not, and the commit is one store. From there everything
 * else is set, from the values that the intent has of before: count, magazines,
 * limbo, age. Each step gives the same result when it is done again, and the
 * intent stays armed until the last: a repair may be killed as well. The work is
 * that of walking one bucket's chain.
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

static void repair_count(struct shm_stripe *stripe, int64_t by)
{
#ifdef SHMHT_MUTANT_REPAIR_ADDS /* a test's negative control: not to be done twice */
	if (by)
		st(&stripe->count, ld(&stripe->count) + (uint64_t)by);
#else
	st(&stripe->count, (uint32_t)ld(&stripe->intent[INTENT_COUNT]) + (uint64_t)by);
#endif
}

/* The old cell's way out: to the free cells in `loaded`, or to limbo. */
static int repair_retire(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t loaded,
			 bool limbo)
{
	uint32_t old = (uint32_t)ld(&stripe->intent[INTENT_CELL]);
	uint64_t gathered = ld(&stripe->intent[INTENT_IN_LIMBO]);

	if (!cell_valid(ctx, old))
		return -EUCLEAN;
	if (limbo) {
		st(&cell_at(ctx, old)->stamp, chain_first(gathered));
		st(&stripe->limbo, chain_make(old, chain_len(gathered) + 1));
	} else {
		/* As put() would: a full magazine is set aside, the place is free. */
		if (chain_len(loaded) >= ctx->batch) {
			st(&stripe->spare_mag, loaded);
			loaded = 0;
		}
		st_release(&cell_at(ctx, old)->meta, meta_make(chain_first(loaded), 0, 0));
		loaded = chain_make(old, chain_len(loaded) + 1);
	}
	st(&stripe->loaded, loaded);
	return 0;
}

static int repair_change(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
			 uint64_t kind, bool limbo)
{
	uint64_t loaded = ld(&stripe->intent[INTENT_LOADED]);
	uint32_t cell = chain_first(loaded);
	uint32_t next_free = (uint32_t)(ld(&stripe->intent[INTENT_COUNT]) >> 32);
	uint64_t without = chain_make(next_free, chain_len(loaded) - 1), stamp;

	if (kind == INTENT_DROP) {
		cell = (uint32_t)ld(&stripe->intent[INTENT_CELL]);
		if (has_cell(ctx, b, cell)) {
			repair_count(stripe, 0);
			st(&stripe->loaded, loaded);
			return 0;
		}
		repair_count(stripe, -1);
		return repair_retire(ctx, stripe, loaded, limbo);
	}
	if (!cell_valid(ctx, cell) || !chain_len(loaded))
		return -EUCLEAN;
	if (!has_cell(ctx, b, cell)) {
		/* Back to the head of the free cells, where it still is. */
		st_release(&cell_at(ctx, cell)->meta, meta_make(next_free, 0, 0));
		st(&stripe->loaded, loaded);
		repair_count(stripe, 0);
		return 0;
	}
	if (kind == INTENT_REPLACE)
		return repair_retire(ctx, stripe, without, limbo);
	st(&stripe->loaded, without);
	repair_count(stripe, 1);
	stamp = ld(&cell_at(ctx, cell)->stamp);
	if (stamp > ld(&stripe->last_stamp))
		st(&stripe->last_stamp, stamp);
	return 0;
}

/* A split is finished. Only one entry can be in neither bucket: the noted one. */
static int repair_split(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t target)
{
	struct shm_bucket *base = stripe_buckets(ctx, stripe), *old, *to;
	uint32_t cell = (uint32_t)ld(&stripe->intent[INTENT_CELL]);
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
	/* The insert that began it had its own bucket odd. */
	sequence_end(base + (ld(&stripe->intent[INTENT_BUCKET]) & ctx->bucket_mask));
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

/* The lock is held, and stays so. -EUCLEAN: what was noted cannot be right;
 * -ETIMEDOUT: the pool's lock is somebody's. Then the intent stays armed. */
static __attribute__((noinline, cold)) int repair(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	uint64_t armed = ld(&stripe->intent[INTENT_ARMED]), kind = armed & 0x7f;
	struct shm_bucket *b = NULL;
	int r = -EUCLEAN;

	switch (kind) {
	case INTENT_ADD:
	case INTENT_REPLACE:
	case INTENT_DROP:
		if (stripe == pool_of(ctx))
			break;
		b = stripe_buckets(ctx, stripe) + ((armed >> 32) & ctx->bucket_mask);
		r = repair_change(ctx, stripe, b, kind, armed & INTENT_LIMBO);
		if (!r)
			sequence_end(b);
		break;
	case INTENT_SPLIT:
		r = stripe == pool_of(ctx) ? -EUCLEAN : repair_split(ctx, stripe, armed >> 32);
		break;
	case INTENT_RESTORE:
		repair_restore(stripe);
		r = 0;
		break;
	case INTENT_TRANSFER:
		r = repair_transfer(ctx, stripe);
		break;
	}
	if (!r)
		intent_clear(stripe);
	return r;
}
