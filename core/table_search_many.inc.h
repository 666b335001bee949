/* SPDX-License-Identifier: MIT */
/*
 * Included by table_body.inc.h: shmht_search_many() under locks. Buckets and
 * cells are asked for before any lock is taken, so that little of the waiting
 * is done under one. What is read for that may be changing: it is believed by
 * the prefetcher alone. Stripes are entered one after the other, never two at a
 * time, so no order among them is needed.
 */

/* The key's cell, if all stays as it is. */
INLINE void prefetch_guess(struct shmht_ctx *ctx, struct shm_bucket *b, uint64_t h)
{
	unsigned int match = bucket_match(b, h);
	uint32_t cell;

	if (unlikely(!match))
		return;
	cell = bucket_cell(b, (unsigned int)__builtin_ctz(match), false);
	if (cell_valid(ctx, cell))
		prefetch_cell(ctx, cell_at(ctx, cell));
}

/* All keys of one stripe; returns the set of those left. */
INLINE uint32_t search_stripe(struct shmht_ctx *ctx, struct shm_stripe *stripe,
			      struct shmht_sought *sought, const struct target *to,
			      const uint64_t *hashes, uint32_t left, int *ret_r)
{
	int r = enter_as(ctx, stripe, true);

	for (uint32_t set = left; set; set &= set - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(set);
		struct shmht_sought *s = &sought[i];
		struct shm_cell *c;

		if (to[i].stripe != stripe)
			continue;
		left &= ~(1u << i);
		s->result = r;
		if (unlikely(r))
			continue;
		s->result = find_cell(ctx, target_bucket(ctx, &to[i], hashes[i]), hashes[i], s->key,
				      s->key_len, &c);
		if (likely(!s->result))
			s->result = copy_out(ctx, c, s->value, s->size, &s->len);
	}
	if (likely(!r))
		leave_as(ctx, stripe, true);
	*ret_r = r;
	return left;
}

static int op_search_many(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr)
{
	const uint64_t timeout_ticks = ctx->timeout_ticks;
	struct target to[SHMHT_MANY_MAX];
	uint64_t hashes[SHMHT_MANY_MAX];
	uint32_t left = 0;
	int r = 0, ret = 0;

	_Static_assert(SHMHT_MANY_MAX <= 32, "a set of them is a word");
	if (unlikely(nr > SHMHT_MANY_MAX))
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		sought[i].result = check_key(ctx, sought[i].key_len);
		if (unlikely(sought[i].result))
			continue;
		hashes[i] = hash_key(ctx->hash, sought[i].key, sought[i].key_len, ctx->hash_seed);
		to[i] = target_guess(ctx, hashes[i]);
		__builtin_prefetch(to[i].bucket);
		left |= 1u << i;
	}
	for (uint32_t set = left; set; set &= set - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(set);

		prefetch_guess(ctx, to[i].bucket, hashes[i]);
	}
	while (left) {
		left = search_stripe(ctx, to[__builtin_ctz(left)].stripe, sought, to, hashes, left,
				     &r);
		if (unlikely(r == -ETIMEDOUT)) {
			ctx->timeout_ticks = 0; /* one wait a call: the others are tried once */
			ret = r;
		}
	}
	if (unlikely(ret))
		ctx->timeout_ticks = timeout_ticks;
	return ret;
}
