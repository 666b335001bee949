/* SPDX-License-Identifier: MIT */
/* Included by table_body.inc.h: a search under the lock. */

/* What a search gives back. The stripe's lock is held. */
INLINE int copy_out(const struct shmht_ctx *ctx, struct shm_cell *c, void *value, size_t size,
		    size_t *ret_len)
{
	uint32_t len = meta_value_len(ld(&c->meta));

	if (unlikely(len > ctx->value_size))
		return -EUCLEAN;
	*ret_len = len;
	if (unlikely(len > size))
		return -ERANGE;
	words_copy_locked(cell_value(ctx, c), value, len);
	return 0;
}

/* How far a search has come that turned out not to be as most are. */
enum search_stage { SEARCH_OUTSIDE, SEARCH_REFUSED, SEARCH_INSIDE };

/* From stage on: before the lock was tried, when it was taken, or holding it. */
INLINE int search_from(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value,
		       size_t size, size_t *ret_len, enum search_stage stage)
{
	struct target to;
	struct shm_cell *c;
	uint64_t h;
	int r = check_key(ctx, key_len);

	if (unlikely(r))
		return r;
	/* Only a plain search comes further: no caller's hash under the lock. */
	h = hash_key(stage == SEARCH_OUTSIDE ? ctx->hash : NULL, key, key_len, ctx->hash_seed);
	to = target_guess(ctx, h);
	__builtin_prefetch(to.bucket);
	if (stage == SEARCH_OUTSIDE)
		r = enter_as(ctx, to.stripe, true);
	else if (stage == SEARCH_REFUSED)
		r = enter_late(ctx, to.stripe, true);
	if (unlikely(r))
		return r;
	r = find_cell(ctx, target_bucket(ctx, &to, h), h, key, key_len, &c);
	if (likely(!r))
		r = copy_out(ctx, c, value, size, ret_len);
	leave_as(ctx, to.stripe, true);
	return r;
}

#define DEFINE_SEARCH(name, stage)                                                          \
	static __attribute__((noinline)) int name(struct shmht_ctx *ctx, const void *key,   \
						  size_t key_len, void *value, size_t size, \
						  size_t *ret_len)                          \
	{                                                                                   \
		return search_from(ctx, key, key_len, value, size, ret_len, stage);         \
	}

DEFINE_SEARCH(search_outside, SEARCH_OUTSIDE)
DEFINE_SEARCH(search_refused, SEARCH_REFUSED)
DEFINE_SEARCH(search_inside, SEARCH_INSIDE)

/*
 * A search as most are: keys of 9 to 16 bytes, XXH3, a free lock, a lane, a value
 * of 64 bytes. Whatever is otherwise leaves by a jump at the end, not by a call
 * in between: so less lives in registers that this function would have to save.
 */
static int op_search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value,
		     size_t size, size_t *ret_len)
{
	struct shm_cell *c;
	struct target to;
	uint32_t cell;
	uint64_t h;

	if (unlikely(key_len - 9 >= 8) || unlikely(!ctx->plain) || unlikely(size < 64))
		return search_outside(ctx, key, key_len, value, size, ret_len);
	h = hash_key(NULL, key, key_len, ctx->hash_seed);
	to = target_guess(ctx, h);
	if (!LOCK_ALONE)
		__builtin_prefetch(to.bucket);
	if (LOCK_ALONE)
		enter_alone(ctx, to.stripe);
	else if (unlikely(!enter_free(ctx, to.stripe, true)))
		return search_refused(ctx, key, key_len, value, size, ret_len);
	if (!LOCK_ALONE && unlikely(ld(&to.stripe->active) != to.active))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	if (!bucket_first(to.bucket, h, &cell)) {
		if (unlikely(ld_acquire(&to.bucket->head) >> 32))
			return search_inside(ctx, key, key_len, value, size, ret_len);
		leave_free(ctx, to.stripe, true);
		return -ENOENT;
	}
	if (!cell_valid(ctx, cell))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	c = cell_at(ctx, cell);
	if (unlikely(!lengths_are(c, key_len, 64, false)) ||
	    unlikely(!ends_equal(c->words, key, key_len)))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	words_copy_locked(cell_value(ctx, c), value, 64);
	*ret_len = 64;
	leave_free(ctx, to.stripe, true);
	return 0;
}
