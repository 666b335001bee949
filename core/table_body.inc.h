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
 * loop here takes the lock from the dead (with LOCK_TAKES_FREE from nobody, too: where
 * the word alone decides, and something else than it is waited for, which may have got
 * lost); or SHMHT_CAP_KERNEL_RECOVERS, where the
 * kernel hands it on. lock_wait is then called for some milliseconds at a time. One
 * whose waiters keep a place defines LOCK_TAKES instead: lock_take(l, ctx, thoroughly),
 * true where the lock was a dead one's and is ours now, which its lock_wait calls when
 * `struct looks` says so; and lock_owner(l, ctx), a holder_id, 0: nobody.
 *
 * Optional too: lock_try_shared, lock_wait_shared, lock_release_shared, with
 * LOCK_HAS_SHARED, where readers need not exclude each other; lock_drain(l, ctx,
 * start_ticks) and lock_reader(l, ctx), with LOCK_DRAINS, where a writer who has the
 * word still waits for readers inside: 0, or -ETIMEDOUT with the word released; and the
 * holder_id of one of them. LOCK_WAITS, the
 * waiting policies that ctx->wait may name; LOCK_WORKER_BYTES, how much of the
 * worker's line (ctx->slot->lock_local) the lock uses; LOCK_CTX_ENTER, LOCK_CTX_LEAVE and
 * LOCK_MAP_LEAVE for what lives outside the region.
 *
 * Order of every mutation: note it, prepare a private cell, commit by one release
 * store, then bookkeeping that can be rebuilt from what is visible and noted.
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

#ifndef LOCK_WORKER_BYTES
#define LOCK_WORKER_BYTES 0
#endif

_Static_assert(sizeof(struct lock) <= LOCK_SLOT_BYTES, "the lock must fit its slot: 64 bytes");
_Static_assert((LOCK_WORKER_BYTES) <= LINE_BYTES, "a worker's part must fit its line: 64 bytes");
_Static_assert(_Alignof(struct lock) <= LOCK_SLOT_BYTES, "the slot's alignment");

#include "table_enter.inc.h"
#include "table_cells.inc.h"
#include "table_lockless.inc.h"
#include "table_change.inc.h"
#include "table_search.inc.h"
#include "table_search_many.inc.h"

enum put_mode { PUT_INSERT, PUT_UPDATE, PUT_UPSERT };

INLINE int op_put(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len, enum put_mode mode, bool lockless)
{
	shm_word *note = NULL;
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
	if (lockless && mode != PUT_UPSERT) {
		r = look_first(ctx, &to, h, key, key_len);
		if (mode == PUT_INSERT ? !r : r == -ENOENT)
			return r ? r : -EEXIST;
	}
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
						       value, value_len, lockless, &note);
	else if (r == -ENOENT && mode != PUT_UPDATE)
		r = add_entry(ctx, to.stripe, b, h, key, key_len, value, value_len, lockless,
			      &note);
	leave_changed(ctx, to.stripe, b, note, lockless);
	return r;
}

INLINE int remove_key(struct shmht_ctx *ctx, const void *key, size_t key_len, bool lockless)
{
	shm_word *note = NULL;
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
	if (lockless && look_first(ctx, &to, h, key, key_len) == -ENOENT)
		return -ENOENT;
	r = enter(ctx, to.stripe);
	if (unlikely(r))
		return r;
	b = target_bucket(ctx, &to, h);
	r = find(ctx, b, h, key, key_len, &place);
#ifdef SHMHT_MUTANT_SKIP_REMOVE /* a test's negative control */
	if (!r && ld(&to.stripe->count) % 64 == 0) {
		leave_changed(ctx, to.stripe, b, note, lockless);
		return 0;
	}
#endif
	if (likely(!r))
		r = drop_entry(ctx, to.stripe, b, &place, lockless, &note);
	leave_changed(ctx, to.stripe, b, note, lockless);
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

	if (!is_broken(stripe) || (!lock_try(l, ctx) && !take_over(l, ctx, true)))
		return;
	if (is_broken(stripe))
		(void)!repair(ctx, stripe); /* then the next one to come tries again */
	leave_free(ctx, stripe, false);
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
	.worker_bytes = LOCK_WORKER_BYTES,
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
		 .lookup = lookup_unsupported,
		 .search_many = op_search_many },
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
			  .lookup = lookup_unsupported,
			  .search_many = op_search_many },
	.note_holder = note_stripe_holder,
	.recover = recover_stripe,
};

#ifdef SHMHT_STRATEGY_FILE /* compiled as a shared object, with pkg-config shmht-strategy */
#ifdef __OPTIMIZE__
#define LOCK_OPTIMIZED 1
#else
#define LOCK_OPTIMIZED 0
#endif
extern const struct shmht_strategy_file shmht_strategy_file;
__attribute__((visibility("default"))) const struct shmht_strategy_file shmht_strategy_file = {
	.abi_version = SHMHT_STRATEGY_ABI,
	.size = sizeof(struct shmht_strategy_file),
	.context_hash = CONTEXT_HASH,
	.optimized = LOCK_OPTIMIZED,
	.compiler =
#ifdef __clang__
		__VERSION__, /* says who it is */
#else
		"gcc " __VERSION__,
#endif
	.strategy = &LOCK_SYMBOL,
};
#endif
