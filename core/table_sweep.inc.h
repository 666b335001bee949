/* SPDX-License-Identifier: MIT */
/*
 * The operations that walk: flush, foreach, remove_oldest. Part of
 * table_body.inc.h. Except for foreach, which promises each stripe as of one
 * moment, they hold a lock for SWEEP_BUCKETS buckets at a time, so that nobody
 * waits for a whole table; every removal is a commit of its own.
 */
#define SWEEP_BUCKETS 64u

typedef int (*entry_fn)(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
			const struct place *place, void *arg);

/* Calls fn for each entry of a bucket; fn may drop that entry. A non-zero
 * return of fn ends it. The lock is held. */
INLINE int each_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		      entry_fn fn, void *arg)
{
	shm_word *link = &b->head;
	unsigned int shift = 32;
	int r;

	for (unsigned int slot = 0; slot < BUCKET_SLOTS; slot++) {
		struct place place = { &b->cells[slot / 2], 32 * (slot % 2), slot, 0 };

		if (!(ld(&b->tags[slot / 4]) >> 16 * (slot % 4) & 0xffff))
			continue;
		place.cell = bucket_cell(b, slot, false);
		if (!cell_valid(ctx, place.cell))
			return -EUCLEAN;
		r = fn(ctx, stripe, b, &place, arg);
		if (r)
			return r;
	}
	for (uint64_t steps = 0; steps < ctx->nr_cells; steps++) {
		struct place place = { link, shift, SLOT_OVERFLOW, (uint32_t)(ld(link) >> shift) };

		if (!place.cell)
			return 0;
		if (!cell_valid(ctx, place.cell))
			return -EUCLEAN;
		r = fn(ctx, stripe, b, &place, arg);
		if (r)
			return r;
		/* Dropped: the link now names the next one. */
		if ((uint32_t)(ld(link) >> shift) != place.cell)
			continue;
		link = &cell_at(ctx, place.cell)->meta;
		shift = 0;
	}
	return -EUCLEAN;
}

enum sweep_mode { SWEEP_READS, SWEEP_CHANGES };

/* Every active bucket of the table, `span` buckets per lock hold. */
INLINE int sweep(struct shmht_ctx *ctx, enum sweep_mode mode, uint64_t span, entry_fn fn, void *arg)
{
	int r = 0;

	for (uint32_t k = 0; k < 1u << ctx->stripe_bits; k++) {
		struct shm_stripe *stripe = ctx->stripes + k;
		struct shm_bucket *base = stripe_buckets(ctx, stripe);
		uint64_t b = 0, end;

		/* A split moves entries only to later buckets: none is missed when
		 * `end` grows between two holds. */
		do {
			r = enter_as(ctx, stripe, mode == SWEEP_READS);
			if (r)
				return r;
			end = buckets_active(ctx, stripe);
			for (uint64_t n = 0; n < span && b < end && !r; n++, b++)
				r = each_entry(ctx, stripe, base + b, fn, arg);
			leave_as(ctx, stripe, mode == SWEEP_READS);
			if (r)
				return r;
		} while (b < end);
	}
	return 0;
}

static int drop_any(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		    const struct place *place, void *arg)
{
	shm_word *note = NULL;
	int r;

	(void)arg;
	r = drop_entry(ctx, stripe, b, place, true, &note);
	change_done(ctx, b, note, true);
	return r;
}

static int op_flush(struct shmht_ctx *ctx)
{
	if (ctx->head.depth)
		return -EDEADLK;
	return sweep(ctx, SWEEP_CHANGES, SWEEP_BUCKETS, drop_any, NULL);
}

struct visit {
	shmht_foreach_fn fn;
	void *arg;
};

static int visit_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		       const struct place *place, void *arg)
{
	const struct visit *visit = arg;
	struct shm_cell *c = cell_at(ctx, place->cell);
	uint64_t meta = ld(&c->meta);

	(void)stripe;
	(void)b;
	if (meta_key_len(meta) - 1 >= ctx->key_size || meta_value_len(meta) > ctx->value_size)
		return -EUCLEAN;
	/* Plain bytes for the callback: the lock keeps our own writers away. */
	return visit->fn((const void *)(uintptr_t)c->words, meta_key_len(meta),
			 (const void *)(uintptr_t)(cell_value(ctx, c)), meta_value_len(meta),
			 visit->arg);
}

static int op_foreach(struct shmht_ctx *ctx, shmht_foreach_fn fn, void *arg)
{
	const struct shmht_ops *ops = ctx->head.ops;
	struct visit visit = { fn, arg };
	int r;

	if (ctx->head.depth)
		return -EDEADLK;
	/* The callback runs under a lock: every operation answers -EDEADLK. */
	ctx->head.ops = &shmht_ops_deadlock;
	r = sweep(ctx, SWEEP_READS, UINT64_MAX, visit_entry, &visit);
	ctx->head.ops = ops;
	return r;
}

/* ---- remove_oldest: radix selection of the n-th smallest stamp over the cell
 * headers, O(1) memory, then everything up to it goes ---------------------- */

#define RADIX_BITS 11u

struct radix {
	uint64_t prefix; /* the stamp's bits above `shift + RADIX_BITS`, found so far */
	unsigned int shift;
	uint64_t bins[1u << RADIX_BITS];
};

static int count_stamp(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		       const struct place *place, void *arg)
{
	struct radix *radix = arg;
	uint64_t stamp = ld(&cell_at(ctx, place->cell)->stamp) >> radix->shift;

	(void)stripe;
	(void)b;
	if (stamp >> RADIX_BITS == radix->prefix)
		radix->bins[stamp & ((1u << RADIX_BITS) - 1)]++;
	return 0;
}

struct eviction {
	uint64_t threshold; /* stamps below it go */
	uint64_t ties;	    /* and this many that equal it, in stripe order */
	uint64_t left;	    /* never more than asked for, whatever others do */
	uint64_t removed;
};

/* The n-th smallest stamp (n >= 1), and how many of those equal to it count. */
static int select_stamp(struct shmht_ctx *ctx, uint64_t n, struct eviction *ev)
{
	struct radix radix;
	uint64_t newest = 0;
	int shift, r;

	for (uint32_t k = 0; k < 1u << ctx->stripe_bits; k++)
		if (ld(&ctx->stripes[k].last_stamp) > newest)
			newest = ld(&ctx->stripes[k].last_stamp);
	for (shift = 0; shift + (int)RADIX_BITS < 64 && newest >> shift >> RADIX_BITS;)
		shift += (int)RADIX_BITS;
	radix.prefix = 0;
	for (; shift >= 0; shift -= (int)RADIX_BITS) {
		uint64_t bin = 0;

		radix.shift = (unsigned int)shift;
		memset(radix.bins, 0, sizeof(radix.bins));
		r = sweep(ctx, SWEEP_READS, SWEEP_BUCKETS, count_stamp, &radix);
		if (r)
			return r;
		while (bin + 1 < 1u << RADIX_BITS && radix.bins[bin] < n)
			n -= radix.bins[bin++];
		radix.prefix = radix.prefix << RADIX_BITS | bin;
	}
	ev->threshold = radix.prefix;
	ev->ties = n;
	return 0;
}

static int drop_old(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		    const struct place *place, void *arg)
{
	struct eviction *ev = arg;
	uint64_t stamp = ld(&cell_at(ctx, place->cell)->stamp);
	shm_word *note = NULL;
	int r;

	if (!ev->left)
		return 0;
	if (stamp > ev->threshold || (stamp == ev->threshold && !ev->ties))
		return 0;
	r = drop_entry(ctx, stripe, b, place, true, &note);
	change_done(ctx, b, note, true);
	if (r)
		return r;
	if (stamp == ev->threshold)
		ev->ties--;
	ev->left--;
	ev->removed++;
	return 0;
}

static int op_remove_oldest(struct shmht_ctx *ctx, double percent, uint64_t *ret_removed)
{
	struct eviction ev = { .threshold = UINT64_MAX, .ties = UINT64_MAX };
	uint64_t count;
	int r;

	if (!(percent >= 0 && percent <= 100))
		return -EINVAL;
	if (ctx->head.depth)
		return -EDEADLK;
	r = shmht_count(ctx, &count);
	if (r)
		return r;
	ev.left = eviction_target(ctx, percent);
	if (ev.left > count)
		ev.left = count;
	if (ev.left && ev.left < count) {
		r = select_stamp(ctx, ev.left, &ev);
		if (r)
			return r;
	}
	if (ev.left)
		r = sweep(ctx, SWEEP_CHANGES, SWEEP_BUCKETS, drop_old, &ev);
	if (!r)
		*ret_removed = ev.removed;
	return r;
}
