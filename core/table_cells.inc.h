/* SPDX-License-Identifier: MIT */
/*
 * Included by table_body.inc.h: free cells. Bonwick's magazines (Vmem, USENIX
 * 2001), one loaded and one spare per stripe, whole batches to and from the pool:
 * O(1), no scan.
 */

INLINE uint64_t chain_make(uint32_t first, uint64_t len)
{
	return first | len << 32;
}

INLINE uint32_t chain_first(uint64_t chain)
{
	return (uint32_t)chain;
}

INLINE uint64_t chain_len(uint64_t chain)
{
	return chain >> 32;
}

/* Links cells never used before into a chain. The pool's lock is held. */
static uint64_t chain_fresh(struct shmht_ctx *ctx, struct shm_stripe *pool)
{
	uint64_t first = ld(&pool->spare_mag), n = ctx->batch;

	if (first == 0 || first >= ctx->nr_cells)
		return 0;
	if (n > ctx->nr_cells - first)
		n = ctx->nr_cells - first;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t next = i + 1 < n ? (uint32_t)(first + i + 1) : 0;

		st(&cell_at(ctx, (uint32_t)(first + i))->meta, meta_make(next, 0, 0));
	}
	st(&pool->spare_mag, first + n);
	return chain_make((uint32_t)first, n);
}

/* The next chain of free cells; 0: there are none, or (-EUCLEAN) no right one.
 * The pool's lock is held. */
static uint64_t chain_take(struct shmht_ctx *ctx, struct shm_stripe *pool, int *ret_r)
{
	uint64_t chains = ld(&pool->loaded), link;

	*ret_r = -ENOSPC;
	if (!chain_len(chains))
		return chain_fresh(ctx, pool);
	*ret_r = -EUCLEAN;
	if (!cell_valid(ctx, chain_first(chains)))
		return 0;
	link = ld(&cell_at(ctx, chain_first(chains))->stamp);
	st(&pool->loaded, chain_make(chain_first(link), chain_len(chains) - 1));
	return chain_make(chain_first(chains), chain_len(link));
}

/*
 * Makes `need` (1 or 2) free cells available to the stripe, whose lock is held.
 * A chain can have a single cell (batch 1, or the last fresh ones): then it
 * takes two. -ENOSPC when there are none; -ETIMEDOUT when the pool's lock is
 * stuck.
 */
static __attribute__((noinline)) int refill(struct shmht_ctx *ctx, struct shm_stripe *stripe,
					    uint64_t need)
{
	struct shm_stripe *pool = pool_of(ctx);
	uint64_t loaded = ld(&stripe->loaded), spare = ld(&stripe->spare_mag);
	int r = 0;

	if (!chain_len(loaded) && spare) {
		intent_restore(ctx, stripe);
		loaded = spare;
		spare = 0;
		st(&stripe->loaded, loaded);
		st(&stripe->spare_mag, 0);
		intent_clear(stripe);
	}
	if (chain_len(loaded) + chain_len(spare) >= need)
		return 0;

	r = enter(ctx, pool);
	if (r)
		return r;
	intent_transfer(ctx, stripe, pool);
	/* Fewer than two cells are here, so the spare magazine is empty. */
	while (chain_len(loaded) + chain_len(spare) < need) {
		uint64_t chain = chain_take(ctx, pool, &r);

		if (!chain_len(chain))
			break;
		if (chain_len(loaded)) {
			spare = chain;
			st(&stripe->spare_mag, spare);
		} else {
			loaded = chain;
			st(&stripe->loaded, loaded);
		}
		r = 0;
	}
	intent_transferred(stripe, pool);
	leave_free(ctx, pool, false);
	return r;
}

/* The first free cell, left in its list. Inserts leave one for updates. */
INLINE int take(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint64_t need, uint32_t *ret_cell)
{
	uint64_t loaded = ld(&stripe->loaded);

	if (unlikely(!chain_len(loaded) ||
		     chain_len(loaded) + chain_len(ld(&stripe->spare_mag)) < need)) {
		int r = refill(ctx, stripe, need);

		if (r)
			return r;
		loaded = ld(&stripe->loaded);
	}
	if (!cell_valid(ctx, chain_first(loaded)))
		return -EUCLEAN;
	*ret_cell = chain_first(loaded);
	return 0;
}

/* The first free cell leaves its list. After the intent is armed, which from here
 * on is what knows of it, and before anything is written into it. */
INLINE void taken(struct shm_stripe *stripe, struct shm_cell *c)
{
	st(&stripe->loaded,
	   chain_make(meta_next(ld(&c->meta)), chain_len(ld(&stripe->loaded)) - 1));
	intent_fence();
}

/* The spare magazine goes to the pool, as one chain. */
static __attribute__((noinline)) int give_back(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	struct shm_stripe *pool = pool_of(ctx);
	uint64_t spare = ld(&stripe->spare_mag), chains;
	int r;

	if (!cell_valid(ctx, chain_first(spare)))
		return -EUCLEAN;
	r = enter(ctx, pool);
	if (r)
		return r;
	intent_transfer(ctx, stripe, pool);
	chains = ld(&pool->loaded);
	st(&cell_at(ctx, chain_first(spare))->stamp,
	   chain_make(chain_first(chains), chain_len(spare)));
	st(&pool->loaded, chain_make(chain_first(spare), chain_len(chains) + 1));
	st(&stripe->spare_mag, 0);
	intent_transferred(stripe, pool);
	leave_free(ctx, pool, false);
	return 0;
}

/*
 * Before a removal commits: the stripe must have room for the cell. Were it to
 * keep more than two batches while the pool's lock is stuck, the others would
 * run out of cells below capacity.
 */
INLINE int make_room(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	if (likely(chain_len(ld(&stripe->loaded)) < ctx->batch || !ld(&stripe->spare_mag)))
		return 0;
	return give_back(ctx, stripe);
}

/* After make_room(), or when a cell was taken just before. */
INLINE void put(struct shmht_ctx *ctx, struct shm_stripe *stripe, uint32_t cell)
{
	uint64_t loaded = ld(&stripe->loaded);

	if (unlikely(chain_len(loaded) >= ctx->batch)) {
		st(&stripe->spare_mag, loaded);
		loaded = 0;
	}
	/* Release: a reader may still stand on it, see lockfree.c. */
	st_release(&cell_at(ctx, cell)->meta, meta_make(chain_first(loaded), 0, 0));
	st(&stripe->loaded, chain_make(cell, chain_len(loaded) + 1));
}
