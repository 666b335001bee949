/* SPDX-License-Identifier: MIT */
/*
 * Growing a stripe by one bucket: linear hashing (W. Litwin, "Linear Hashing: A
 * New Tool for File and Table Addressing", VLDB 1980). Part of
 * table_body.inc.h. One bucket is split per GROW_LOAD inserts while a stripe
 * grows beyond what it ever held, and none afterwards: there is no shrinking.
 *
 * Cells do not move, only their numbers do. Entries whose hash names the new
 * bucket leave the old one first, so that no key is ever in two places; the
 * lock keeps everybody from seeing it in none, and readers without a lock see
 * both sequences odd. The one on its way is noted, for who finds it in neither.
 */

/* The hash of the key in a cell; false when the cell cannot be right. */
INLINE bool cell_hash(struct shmht_ctx *ctx, uint32_t cell, uint64_t *ret_hash)
{
	struct shm_cell *c;
	uint32_t key_len;

	if (!cell_valid(ctx, cell))
		return false;
	c = cell_at(ctx, cell);
	key_len = meta_key_len(ld(&c->meta));
	if (key_len - 1 >= ctx->key_size)
		return false;
	*ret_hash = hash_key(ctx->hash, (const void *)(uintptr_t)c->words, key_len, ctx->hash_seed);
	return true;
}

struct split {
	uint64_t active; /* after the split */
	uint32_t new_index;
	struct shm_bucket *new_bucket;
};

/* Moves one entry when the new bucket is its place. One that stays but hangs on
 * the chain gets a lane when the split has freed one. */
static int split_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		       const struct place *place, void *arg)
{
	const struct split *split = arg;
	struct shm_cell *c = cell_at(ctx, place->cell);
	struct shm_bucket *to = b;
	uint64_t h;

	if (!cell_hash(ctx, place->cell, &h))
		return -EUCLEAN;
	if (active_index(split->active, h) == split->new_index)
		to = split->new_bucket;
	else if (place->slot != SLOT_OVERFLOW || !tags_match(ld(&b->tags[0]), ld(&b->tags[1]), 0))
		return 0;
	intent_moving(ctx, stripe, place->cell);
	unpublish(ctx, b, place);
	publish(to, c, place->cell, h, ld(&c->meta));
	return 0;
}

/* The split that brings bucket number `buckets` into use. */
static struct split split_into(struct shm_bucket *base, uint32_t buckets)
{
	uint32_t mask = UINT32_MAX >> __builtin_clz(buckets);

	return (struct split){ .active = active_make(buckets + 1, mask),
			       .new_index = buckets,
			       .new_bucket = base + buckets };
}

/* own: the bucket that the insert which brought us here has changed. */
static __attribute__((noinline)) void grow(struct shmht_ctx *ctx, struct shm_stripe *stripe,
					   const struct shm_bucket *own)
{
	uint32_t buckets = (uint32_t)ld(&stripe->active);
	struct shm_bucket *base = stripe_buckets(ctx, stripe), *old;
	struct split split;

	if (!buckets || buckets >> ctx->bucket_bits)
		return; /* all are in use */
	split = split_into(base, buckets);
	/* Without the new mask's top bit. */
	old = base + (buckets & (uint32_t)(split.active >> 33));
	intent_split(ctx, stripe, buckets + 1, own);
	if (ctx->read != SHMHT_READ_LOCKED) {
		sequence_begin(old);
		sequence_begin(split.new_bucket);
	}
	/* -EUCLEAN only: what is broken stays where it is, for check() to find. */
	if (!each_entry(ctx, stripe, old, split_entry, &split))
		st_release(&stripe->active, split.active);
	if (ctx->read != SHMHT_READ_LOCKED) {
		sequence_end(split.new_bucket);
		/* Its own one stays odd until the insert is over. */
		if (old != own || ctx->read != SHMHT_READ_SEQLOCK)
			sequence_end(old);
	}
}
