/* SPDX-License-Identifier: MIT */
/*
 * shmht_search_many() without a lock. Part of lockfree.c.
 *
 * A search waits for two cache misses, the second of which depends on the first,
 * and a CPU overlaps only as many searches as fit its reorder window, two or three.
 * So all buckets are asked for first, then all cells, and compared and copied
 * is what has come: group prefetching (S. Chen, A. Ailamaki, P. Gibbons, T. Mowry,
 * "Improving Hash Join Performance through Prefetching", ICDE 2004).
 *
 * What was seen of a bucket in the second round is validated in the third as a
 * search of its own would: seqlock by the bucket's sequence, rcu by one section
 * around all. What is not as most are is looked at again from the start.
 */

struct probe {
	uint64_t hash;
	struct found f; /* bucket NULL: answered; cell NULL: no lane to believe */
};

INLINE void probe_bucket(struct shmht_ctx *ctx, struct shmht_sought *sought, struct probe *probe)
{
	uint64_t k;
	int r = check_key(ctx, sought->key_len);

	probe->f.bucket = NULL;
	sought->result = r;
	if (unlikely(r))
		return;
	probe->hash = hash_key(ctx->hash, sought->key, sought->key_len, ctx->hash_seed);
	k = stripe_index(ctx, probe->hash);
	probe->f.bucket = bucket_at(ctx, k, ld_acquire(&ctx->stripes[k].active), probe->hash);
	__builtin_prefetch(probe->f.bucket);
}

/* The first lane that may be it: that another comes first is rare. */
INLINE void probe_cell(struct shmht_ctx *ctx, struct probe *probe, bool rcu)
{
	struct shm_bucket *b = probe->f.bucket;
	unsigned int match;
	uint32_t cell;

	probe->f.cell = NULL;
	if (unlikely(!b))
		return;
	/* Acquire pairs with the release in sequence_end(), as in pass(). */
	probe->f.head = ld_acquire(&b->head);
	match = bucket_match(b, probe->hash);
	if (unlikely(!match) || (!rcu && unlikely(probe->f.head & 1)))
		return;
	cell = bucket_cell(b, (unsigned int)__builtin_ctz(match), true);
	if (!cell_valid(ctx, cell))
		return;
	probe->f.cell = cell_at(ctx, cell);
	prefetch_cell(ctx, probe->f.cell);
}

INLINE int probe_answer(struct shmht_ctx *ctx, struct shmht_sought *sought, struct probe *probe,
			enum what what)
{
	struct wanted w = { .value = sought->value, .size = sought->size, .ret_len = &sought->len };
	int r = AGAIN;

	if (likely(probe->f.cell != NULL) &&
	    likely(is_key(&probe->f, sought->key, sought->key_len)))
		r = what == COPY_RCU ? copy_found(ctx, &probe->f, w.value, w.size, w.ret_len) :
				       copy_validated(ctx, &probe->f, w.value, w.size, w.ret_len);
	if (unlikely(r == AGAIN))
		r = attempt(ctx, probe->hash, sought->key, sought->key_len, what, &w);
	return likely(r != AGAIN) ? r :
				    insist(ctx, probe->hash, sought->key, sought->key_len, what, w);
}

INLINE int search_many(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr,
		       enum what what)
{
	struct probe probes[SHMHT_MANY_MAX];
	const uint64_t timeout_ticks = ctx->timeout_ticks;
	int r = 0;

	if (unlikely(nr > SHMHT_MANY_MAX))
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++)
		probe_bucket(ctx, &sought[i], &probes[i]);
	for (unsigned int i = 0; i < nr; i++)
		probe_cell(ctx, &probes[i], what == COPY_RCU);
	for (unsigned int i = 0; i < nr; i++) {
		if (unlikely(!probes[i].f.bucket))
			continue;
		sought[i].result = probe_answer(ctx, &sought[i], &probes[i], what);
		if (unlikely(sought[i].result == -ETIMEDOUT)) {
			r = -ETIMEDOUT;
			ctx->timeout_ticks = 0; /* one wait a call */
		}
	}
	if (unlikely(r))
		ctx->timeout_ticks = timeout_ticks;
	return r;
}

int search_many_seqlock(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr)
{
	return search_many(ctx, sought, nr, COPY_SEQLOCK);
}

int search_many_rcu(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr)
{
	int r = shmht_read_begin(ctx);

	if (unlikely(r))
		return r;
	r = search_many(ctx, sought, nr, COPY_RCU);
	shmht_read_end(ctx);
	return r;
}
