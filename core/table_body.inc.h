/* SPDX-License-Identifier: MIT */
/*
 * The table's operations, written once and compiled into every strategy.
 *
 * A strategy file defines, before including this:
 *
 *	struct lock { ...; shm_half holder; };	at most LOCK_SLOT_BYTES
 *	static int  lock_init(struct lock *l);	0 or a negative errno
 *	INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx);
 *	static int  lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks);
 *	INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx);
 *	#define LOCK_NAME, LOCK_SUMMARY, LOCK_PAPER, LOCK_FAIRNESS, LOCK_DEAD_HOLDER,
 *		LOCK_OVERSUBSCRIBED, LOCK_CAPS
 *	#define LOCK_SYMBOL shmht_strategy_<name>
 *
 * lock_wait is called after lock_try failed and returns 0 or -ETIMEDOUT, at
 * the latest ctx->timeout_ticks after start_ticks. It counts its spins, parks
 * and wakes in ctx->stats; everything else is counted here. `holder` is
 * written here too: the holder_id of who acquired last, not cleared on release.
 * Optional: lock_owner_tid(l), with LOCK_HAS_OWNER_TID, where the lock word
 * itself tells.
 *
 * A strategy that recovers has SHMHT_CAP_RECOVERS in LOCK_CAPS, and either
 * defines LOCK_OWNER(l), the word with the holder_id of who holds it (0: nobody),
 * and LOCK_OWNER_KEEP, its bits that are not the owner's, whereupon the waiting
 * loop here takes the lock from the dead; or LOCK_KERNEL_RECOVERS, where the
 * kernel hands it on. lock_wait is then called for some milliseconds at a time.
 *
 * Optional too: lock_try_shared, lock_wait_shared, lock_release_shared, with
 * LOCK_HAS_SHARED, where readers need not exclude each other; LOCK_WAITS, the
 * waiting policies that ctx->wait may name; LOCK_CTX_ENTER, LOCK_CTX_LEAVE and
 * LOCK_MAP_LEAVE for what lives outside the region.
 *
 * Order of every mutation: prepare a private cell, commit by one release
 * store, then bookkeeping that can be rebuilt from what is visible. A new cell
 * stays first in its free list until after the commit.
 */
#include "table.h"
#include "waiting.h"

#ifndef LOCK_SYMBOL
#error "table_body.inc.h: define LOCK_SYMBOL and the lock first, see the comment at the top"
#endif

#ifndef LOCK_WAITS
#define LOCK_WAITS 0
#endif
#ifndef LOCK_CTX_ENTER
#define LOCK_CTX_ENTER NULL
#define LOCK_CTX_LEAVE NULL
#define LOCK_MAP_LEAVE NULL
#endif

_Static_assert(sizeof(struct lock) <= LOCK_SLOT_BYTES, "the lock must fit its slot");
_Static_assert(_Alignof(struct lock) <= LOCK_SLOT_BYTES, "the slot's alignment");

INLINE struct lock *lock_of(struct shm_stripe *stripe)
{
	return (struct lock *)stripe->lock;
}

static __attribute__((noinline, cold)) void note_holder(struct lock *l, struct shmht_ctx *ctx)
{
	ctx->stats.timeouts++;
	ctx->holder_seen = ld(&l->holder);
	ctx->holder_tid = 0;
#if defined(LOCK_HAS_OWNER_TID)
	ctx->holder_tid = lock_owner_tid(l);
#elif defined(LOCK_OWNER)
	ctx->holder_seen = ld(LOCK_OWNER(l)) & ~LOCK_OWNER_KEEP;
#endif
}

#ifdef LOCK_HAS_SHARED
#define LOCK_SHARES true
#else
#define LOCK_SHARES false /* readers come in like everybody else */
#define lock_try_shared lock_try
#define lock_wait_shared lock_wait
#define lock_release_shared lock_release
#endif

#include "table_intent.inc.h"
#include "table_take.inc.h"

/* Contended: waiting anyway, so every one is timed. */
static __attribute__((noinline)) int enter_contended(struct lock *l, struct shmht_ctx *ctx,
						     bool shared)
{
	uint64_t start = shmht_ticks();
	int r;

	if (!ctx->timeout_ticks)
		r = !shared && take_over(l, ctx, false) ? 0 : -ETIMEDOUT;
	else
		r = shared ? lock_wait_shared(l, ctx, start) : wait_or_take(l, ctx, start);
	ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() - start;
	if (unlikely(r))
		note_holder(l, ctx);
	return r;
}

/*
 * ThreadSanitizer accepts any order of atomics, and everything shared is
 * atomic: without a plain word in each critical section it could not see a
 * lock that fails to exclude or to order. Readers who come in together only
 * read it.
 */
INLINE void tsan_witness(struct shm_stripe *stripe, bool shared)
{
#if defined(__SANITIZE_THREAD__)
	uint64_t *word = (uint64_t *)(uintptr_t)&stripe->spare[6];

	if (shared)
		(void)*(volatile uint64_t *)word;
	else
		++*word;
#endif
	(void)stripe, (void)shared;
}

/*
 * shared: only to read, together with others where the strategy lets them. The
 * last one to come in is noted as holder: among several readers, one to name
 * at a time-out.
 */
INLINE void entered(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	ctx->stats.acquired++;
	if (ld(&l->holder) == ctx->holder_id)
		ctx->stats.reacquired++;
	else
		st(&l->holder, ctx->holder_id);
	tsan_witness(stripe, shared);
}

INLINE void leave_free(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	if (shared)
		lock_release_shared(lock_of(stripe), ctx);
	else
		lock_release(lock_of(stripe), ctx);
}

/* Somebody died in here. Looked at on every acquire, whatever the lock says of its
 * last holder: who took it over may have died in its turn. */
INLINE bool is_broken(struct shm_stripe *stripe)
{
	return unlikely(ld(&stripe->intent[INTENT_ARMED]));
}

/* By one try. False, too, where there is something to repair: enter_late() does. */
INLINE bool enter_free(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	shared &= LOCK_SHARES;
	if (unlikely(shared ? !lock_try_shared(l, ctx) : !lock_try(l, ctx)))
		return false;
	if (is_broken(stripe)) {
		leave_free(ctx, stripe, shared);
		return false;
	}
	entered(ctx, stripe, shared);
	return true;
}

/* Broken or not. */
INLINE int enter_any(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	if (shared ? !lock_try_shared(l, ctx) : !lock_try(l, ctx)) {
		int r = enter_contended(l, ctx, shared);

		if (unlikely(r))
			return r;
	}
	entered(ctx, stripe, shared);
	return 0;
}

static int repair(struct shmht_ctx *ctx, struct shm_stripe *stripe);

/* The lock is held. Among readers nobody may repair. */
static __attribute__((noinline)) int enter_broken(struct shmht_ctx *ctx, struct shm_stripe *stripe,
						  bool shared)
{
	int r = 0;

	if (shared) {
		leave_free(ctx, stripe, true);
		r = enter_any(ctx, stripe, false);
		if (r)
			return r;
	}
	/* Looked at anew: another may have been here in between. */
	if (is_broken(stripe))
		r = repair(ctx, stripe);
	if (r || shared)
		leave_free(ctx, stripe, false);
	return r || !shared ? r : enter_any(ctx, stripe, true);
}

/* After enter_free() said no. */
INLINE int enter_late(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	int r;

	shared &= LOCK_SHARES;
	r = enter_any(ctx, stripe, shared);
	if (likely(!r) && is_broken(stripe))
		r = enter_broken(ctx, stripe, shared);
	return r;
}

INLINE int enter_as(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	return likely(enter_free(ctx, stripe, shared)) ? 0 : enter_late(ctx, stripe, shared);
}

/*
 * Not cold: gcc 12 then counts the copy before it in `none`, which has nothing
 * else in between, as cold too, and makes it a rep movs that costs 10 ns.
 */
static __attribute__((noinline)) void hold_busy(const struct shmht_ctx *ctx)
{
	uint64_t start = shmht_ticks();

	while (shmht_ticks() - start < ctx->hold_ticks)
		cpu_pause();
}

/* With the time that shmht_ctx_set_hold() asks for spent inside the section. */
INLINE void leave_as(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	if (unlikely(ctx->hold_ticks))
		hold_busy(ctx);
	leave_free(ctx, stripe, shared);
}

INLINE int enter(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	return enter_as(ctx, stripe, false);
}

INLINE void leave(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	leave_as(ctx, stripe, false);
}

/* ---- free cells: Bonwick's magazines (Vmem, USENIX 2001), one loaded and one
 * spare per stripe, whole batches to and from the pool: O(1), no scan ------- */

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
	lock_release(lock_of(pool), ctx);
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

INLINE void taken(struct shm_stripe *stripe, uint32_t next_free)
{
	st(&stripe->loaded, chain_make(next_free, chain_len(ld(&stripe->loaded)) - 1));
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
	lock_release(lock_of(pool), ctx);
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

#include "table_lockless.inc.h"

/* ---- mutations; the stripe's lock is held ------------------------------ */

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
	return now > after ? now : after;
}

INLINE void fill_cell(struct shmht_ctx *ctx, struct shm_cell *c, uint64_t stamp,
		      const unsigned char *key, size_t key_len, const unsigned char *value,
		      size_t value_len, bool lockless)
{
	st(&c->stamp, stamp);
	words_write(c->words, key, key_len, lockless);
	words_write(c->words + ctx->value_word, value, value_len, lockless);
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

INLINE int add_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		     uint64_t h, const unsigned char *key, size_t key_len,
		     const unsigned char *value, size_t value_len, bool lockless)
{
	uint64_t stamp = next_stamp(ctx, stripe);
	struct shm_cell *c;
	uint32_t cell, next_free;
	uint64_t count;
	int r = take(ctx, stripe, 2, &cell);

	if (unlikely(r))
		return r;
	c = cell_at(ctx, cell);
	next_free = meta_next(ld(&c->meta));
	intent_change(ctx, stripe, b, INTENT_ADD, next_free, 0);
	change_begin(ctx, b, lockless);
	fill_cell(ctx, c, stamp, key, key_len, value, value_len, lockless);
	publish(b, c, cell, h, meta_make(0, key_len, value_len));
	INTENT_MUTANT_EARLY(stripe);
	taken(stripe, next_free);
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
			 const unsigned char *value, size_t value_len, bool lockless)
{
	struct shm_cell *old = cell_at(ctx, place->cell), *c;
	uint32_t cell, next_free;
	int r = retire_prepare(ctx, stripe, lockless);

	if (likely(!r))
		r = take(ctx, stripe, 1, &cell);
	if (lockless && unlikely(r == -ENOSPC))
		r = take_from_limbo(ctx, stripe, &cell);
	if (unlikely(r))
		return r;
	c = cell_at(ctx, cell);
	next_free = meta_next(ld(&c->meta));
	intent_change(ctx, stripe, b, INTENT_REPLACE | (lockless ? intent_limbo(ctx) : 0),
		      next_free, place->cell);
	change_begin(ctx, b, lockless);
	fill_cell(ctx, c, ld(&old->stamp), key, key_len, value, value_len, lockless);
	word_write(&c->meta, meta_make(meta_next(ld(&old->meta)), key_len, value_len), lockless);
	/* Commit. Readers reach the cell through this word's number: a dependent
	 * load, ordered after this release. */
	st_release(place->link, link_set(ld(place->link), place->shift, cell));
	taken(stripe, next_free);
	retire(ctx, stripe, place->cell, lockless);
	return 0;
}

INLINE int drop_entry(struct shmht_ctx *ctx, struct shm_stripe *stripe, struct shm_bucket *b,
		      const struct place *place, bool lockless)
{
	int r = retire_prepare(ctx, stripe, lockless);

	if (likely(!r) && (!lockless || ctx->read != SHMHT_READ_RCU))
		r = make_room(ctx, stripe);
	if (unlikely(r))
		return r;
	intent_change(ctx, stripe, b, INTENT_DROP | (lockless ? intent_limbo(ctx) : 0), 0,
		      place->cell);
	change_begin(ctx, b, lockless);
	unpublish(ctx, b, place);
	st(&stripe->count, ld(&stripe->count) - 1);
	retire(ctx, stripe, place->cell, lockless);
	return 0;
}

/* ---- operations -------------------------------------------------------- */

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
	words_copy_locked(c->words + ctx->value_word, value, len);
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
	unsigned int match;
	uint32_t cell;
	uint64_t h;

	if (unlikely(key_len - 9 >= 8) || unlikely(!ctx->plain) || unlikely(size < 64))
		return search_outside(ctx, key, key_len, value, size, ret_len);
	h = hash_key(NULL, key, key_len, ctx->hash_seed);
	to = target_guess(ctx, h);
	__builtin_prefetch(to.bucket);
	if (unlikely(!enter_free(ctx, to.stripe, true)))
		return search_refused(ctx, key, key_len, value, size, ret_len);
	/* Acquire pairs with the release of the tag word, as in find_lane(). */
	match = tags_match(ld_acquire(&to.bucket->tags[0]), ld_acquire(&to.bucket->tags[1]),
			   tag_of_hash(h));
	if (unlikely(ld(&to.stripe->active) != to.active) || unlikely(!match))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	cell = bucket_cell(to.bucket, (unsigned int)__builtin_ctz(match), false);
	if (!cell_valid(ctx, cell))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	c = cell_at(ctx, cell);
	/* Both lengths in one compare. */
	if (unlikely(ld(&c->meta) >> 32 != (key_len | 64u << 12)) ||
	    unlikely(!words_equal(c->words, key, key_len, false)))
		return search_inside(ctx, key, key_len, value, size, ret_len);
	words_copy_locked(c->words + ctx->value_word, value, 64);
	*ret_len = 64;
	leave_free(ctx, to.stripe, true);
	return 0;
}

enum put_mode { PUT_INSERT, PUT_UPDATE, PUT_UPSERT };

INLINE int op_put(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len, enum put_mode mode, bool lockless)
{
	struct shm_bucket *b;
	struct target to;
	struct place place;
	uint64_t h;
	int r = check_key(ctx, key_len);

	if (unlikely(r))
		return r;
	if (unlikely(value_len > ctx->value_size))
		return -E2BIG;
	if (lockless && unlikely(ctx->head.depth))
		return -EDEADLK;
	h = hash_key(ctx->hash, key, key_len, ctx->hash_seed);
	to = target_guess(ctx, h);
	__builtin_prefetch(to.bucket, 1);
	r = enter(ctx, to.stripe);
	if (unlikely(r))
		return r;
	b = target_bucket(ctx, &to, h);
	r = find(ctx, b, h, key, key_len, &place);
#ifdef SHMHT_MUTANT_DUPLICATE_INSERT /* a test's negative control */
	if (!r && mode == PUT_INSERT && ld(&to.stripe->count) % 64 == 0)
		r = -ENOENT;
#endif
	if (!r)
		r = mode == PUT_INSERT ? -EEXIST :
					 replace_entry(ctx, to.stripe, b, &place, key, key_len,
						       value, value_len, lockless);
	else if (r == -ENOENT && mode != PUT_UPDATE)
		r = add_entry(ctx, to.stripe, b, h, key, key_len, value, value_len, lockless);
	leave_changed(ctx, to.stripe, b, lockless);
	return r;
}

INLINE int remove_key(struct shmht_ctx *ctx, const void *key, size_t key_len, bool lockless)
{
	struct shm_bucket *b;
	struct target to;
	struct place place;
	uint64_t h;
	int r = check_key(ctx, key_len);

	if (unlikely(r))
		return r;
	if (lockless && unlikely(ctx->head.depth))
		return -EDEADLK;
	h = hash_key(ctx->hash, key, key_len, ctx->hash_seed);
	to = target_guess(ctx, h);
	__builtin_prefetch(to.bucket, 1);
	r = enter(ctx, to.stripe);
	if (unlikely(r))
		return r;
	b = target_bucket(ctx, &to, h);
	r = find(ctx, b, h, key, key_len, &place);
#ifdef SHMHT_MUTANT_SKIP_REMOVE /* a test's negative control */
	if (!r && ld(&to.stripe->count) % 64 == 0) {
		leave_changed(ctx, to.stripe, b, lockless);
		return 0;
	}
#endif
	if (likely(!r))
		r = drop_entry(ctx, to.stripe, b, &place, lockless);
	leave_changed(ctx, to.stripe, b, lockless);
	return r;
}

/* Once for read = locked, once for readers without a lock. */
#define DEFINE_CHANGES(suffix, lockless)                                                     \
	static int op_insert##suffix(struct shmht_ctx *ctx, const void *key, size_t key_len, \
				     const void *value, size_t value_len)                    \
	{                                                                                    \
		return op_put(ctx, key, key_len, value, value_len, PUT_INSERT, lockless);    \
	}                                                                                    \
	static int op_update##suffix(struct shmht_ctx *ctx, const void *key, size_t key_len, \
				     const void *value, size_t value_len)                    \
	{                                                                                    \
		return op_put(ctx, key, key_len, value, value_len, PUT_UPDATE, lockless);    \
	}                                                                                    \
	static int op_upsert##suffix(struct shmht_ctx *ctx, const void *key, size_t key_len, \
				     const void *value, size_t value_len)                    \
	{                                                                                    \
		return op_put(ctx, key, key_len, value, value_len, PUT_UPSERT, lockless);    \
	}                                                                                    \
	static int op_remove##suffix(struct shmht_ctx *ctx, const void *key, size_t key_len) \
	{                                                                                    \
		return remove_key(ctx, key, key_len, lockless);                              \
	}

DEFINE_CHANGES(, false)
DEFINE_CHANGES(_lockless, true)

static int op_lock(struct shmht_ctx *ctx, uint32_t k)
{
	if (k > 1u << ctx->stripe_bits)
		return -EINVAL;
	return enter(ctx, ctx->stripes + k);
}

static void op_unlock(struct shmht_ctx *ctx, uint32_t k)
{
	leave(ctx, ctx->stripes + k);
}

#include "table_sweep.inc.h"
#include "table_grow.inc.h"
#include "table_repair.inc.h"

static void recover_stripe(struct shmht_ctx *ctx, uint32_t k)
{
	struct shm_stripe *stripe = ctx->stripes + k;
	struct lock *l = lock_of(stripe);

	if (!ld(&stripe->intent[INTENT_ARMED]) || (!lock_try(l, ctx) && !take_over(l, ctx, true)))
		return;
	if (ld(&stripe->intent[INTENT_ARMED]))
		(void)!repair(ctx, stripe); /* then the next one to come tries again */
	lock_release(l, ctx);
}

static void note_stripe_holder(struct shmht_ctx *ctx, uint32_t k)
{
	note_holder(lock_of(ctx->stripes + k), ctx);
}

static int slot_init(void *slot)
{
	return lock_init(slot);
}

const struct shmht_strategy LOCK_SYMBOL;
const struct shmht_strategy LOCK_SYMBOL = {
	.abi_version = SHMHT_STRATEGY_ABI,
	.size = sizeof(struct shmht_strategy),
	.name = LOCK_NAME,
	.summary = LOCK_SUMMARY,
	.paper = LOCK_PAPER,
	.fairness = LOCK_FAIRNESS,
	.dead_holder = LOCK_DEAD_HOLDER,
	.oversubscribed = LOCK_OVERSUBSCRIBED,
	.caps = LOCK_CAPS,
	.waits = LOCK_WAITS,
	.lock_bytes = sizeof(struct lock),
	.lock_hash = HASH_STEP(HASH_STEP(LAYOUT_HASH, sizeof(struct lock)),
			       offsetof(struct lock, holder) << 8 | _Alignof(struct lock)),
	.layout_hash = LAYOUT_HASH,
	.lock_init = slot_init,
	.ctx_enter = LOCK_CTX_ENTER,
	.ctx_leave = LOCK_CTX_LEAVE,
	.map_leave = LOCK_MAP_LEAVE,
	.ops = { .insert = op_insert,
		 .update = op_update,
		 .upsert = op_upsert,
		 .search = op_search,
		 .remove = op_remove,
		 .flush = op_flush,
		 .foreach = op_foreach,
		 .remove_oldest = op_remove_oldest,
		 .lock = op_lock,
		 .unlock = op_unlock,
		 .lookup = lookup_unsupported },
	.ops_lockless = { .insert = op_insert_lockless,
			  .update = op_update_lockless,
			  .upsert = op_upsert_lockless,
			  .search = op_search,
			  .remove = op_remove_lockless,
			  .flush = op_flush,
			  .foreach = op_foreach,
			  .remove_oldest = op_remove_oldest,
			  .lock = op_lock,
			  .unlock = op_unlock,
			  .lookup = lookup_unsupported },
	.note_holder = note_stripe_holder,
	.recover = recover_stripe,
};
