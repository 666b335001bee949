/* SPDX-License-Identifier: MIT */
/*
 * Contexts and the worker slots behind them: claiming, freeing, and who a
 * slot belonged to. A slot is claimed by one compare-and-swap of its life
 * word; a slot whose thread is gone is claimed over.
 */
#include "context.h"
#include "probes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waiting.h"

#define CTX_BYTES ((sizeof(struct shmht_ctx) + 4095) / 4096 * 4096)

static bool slot_alive(struct shm_slot *slot)
{
	uint32_t tid = life_tid(atomic_load(&slot->life));

	return tid && thread_state((pid_t)tid, ld_acquire(&slot->start_time)) != SHMHT_HOLDER_DEAD;
}

bool contexts_alive(const struct shmht *map)
{
	for (uint32_t i = 0; i < map->geo.max_workers; i++)
		if (slot_alive(slots_of(map) + i))
			return true;
	return false;
}

/*
 * Sequentially consistent: pairs with the store of REGION_CONVERTING in
 * shmht_reopen(), which looks at the slots after it, as we look at the state
 * after the claim. One of the two sees the other.
 *
 * The predecessor's start time goes before the claim: beside our number it would say
 * that the slot's thread is dead, and another would claim it over us, who are alive. Until
 * ours is there the slot counts as alive while its thread is, whatever its age: see
 * thread_state(). It goes only if it still is what was there before the look: whoever
 * has claimed the slot since then may have written his own.
 */
static bool slot_claim(struct shm_slot *slot, uint32_t tid)
{
	uint64_t start = atomic_load(&slot->start_time);
	uint32_t life = atomic_load(&slot->life);

	if (life && slot_alive(slot))
		return false;
#ifndef SHMHT_MUTANT_OLD_START /* a test's negative control: see core.ninja */
	atomic_compare_exchange_strong(&slot->start_time, &start, 0);
#endif
	if (!life_claim(slot, life, tid))
		return false;
#ifdef SHMHT_MUTANT_OLD_START
	(void)start;
	st(&slot->start_time, 0);
#endif
	/* A predecessor may have died in a read section. */
	st_release(&slot->reader[0], 0);
	atomic_store(&slot->grace_pid, 0);
	atomic_fetch_add(&slot->generation, 1);
	st(&slot->pid, (uint64_t)getpid());
	/* Pairs with the acquire in slot_alive() and in shmht_ctx_holder(). */
	st_release(&slot->start_time, thread_start_time((pid_t)tid));
	return true;
}

/*
 * Free ones first, and those that the kernel has marked: asking after a thread costs a
 * read of /proc. One that was used before is better than one that never was: who looks
 * at all workers looks at `slots_used` of them. But where a dead holder's lock stays
 * taken his slot is what names him at a time-out, and goes last.
 */
static struct shm_slot *slot_find(struct shmht *map, uint32_t tid, uint32_t limit)
{
	struct shm_slot *slots = slots_of(map);
	bool recovers = map->strategy->caps & SHMHT_CAP_RECOVERS && map->robust == SHMHT_ROBUST_ON;

	for (uint32_t i = 0; i < limit; i++) {
		uint32_t life = atomic_load(&slots[i].life);

		if ((!life || (recovers && !life_tid(life))) && slot_claim(slots + i, tid))
			return slots + i;
	}
	for (uint32_t i = 0; i < limit; i++)
		if (slot_claim(slots + i, tid))
			return slots + i;
	return NULL;
}

static int check_state(const struct shmht *map, struct shmht_error *err)
{
	struct shm_header *header = header_of(map);
	uint64_t state = atomic_load(&header->state);
	uint64_t generation = atomic_load(&header->generation);

	if (state == REGION_CONVERTING) {
		error_set(err, "the table is being converted to another strategy; try again");
		return -EBUSY;
	}
	if (generation != map->generation) {
		error_set(
			err,
			"the table was reopened under another strategy (generation %llu, mapped at "
			"%llu); attach again",
			(unsigned long long)generation, (unsigned long long)map->generation);
		return -ESTALE;
	}
	return 0;
}

/* The strategy's operations with the read mode's search. */
static int set_read_mode(struct shmht_ctx *ctx, struct shmht_error *err)
{
	const struct shmht *map = ctx->map;
	size_t bytes = (map->geo.value_size + 7u) / 8 * 8;

	ctx->read = map->read;
	if (ctx->read == SHMHT_READ_LOCKED)
		return 0;
	ctx->own_ops = map->strategy->ops_lockless;
	if (ctx->read == SHMHT_READ_SEQLOCK) {
		ctx->own_ops.search = search_seqlock;
		ctx->own_ops.search_many = search_many_seqlock;
		if (bytes > SEARCH_STACK_BYTES) {
			ctx->bounce = malloc(bytes);
			if (!ctx->bounce) {
				error_set(err, "no memory for a value of %zu bytes", bytes);
				return -ENOMEM;
			}
		}
		return 0;
	}
	ctx->own_ops.search = search_rcu;
	ctx->own_ops.search_many = search_many_rcu;
	ctx->own_ops.lookup = lookup_rcu;
	return ctx->read == SHMHT_READ_RCU ? rcu_ctx_open(ctx, err) : grace_ctx_open(ctx, err);
}

/* But for the hold, which can change. */
static bool is_plain(const struct shmht_ctx *ctx)
{
	return !ctx->hash && ctx->key_size >= 16 && ctx->value_size >= 64;
}

void ctx_set_table(struct shmht_ctx *ctx, struct shmht *map)
{
	const struct geometry *geo = &map->geo;

	ctx->map = map;
	ctx->buckets = (struct shm_bucket *)(map->base + geo->buckets_off);
	ctx->cells = map->base + geo->cells_off;
	ctx->stripes = stripes_of(map);
	ctx->bucket_bits = geo->bucket_bits;
	ctx->bucket_mask = (uint32_t)((1ull << geo->bucket_bits) - 1);
	ctx->nr_cells = geo->nr_cells;
	ctx->cells_usable = geo->nr_cells - 1;
	ctx->hash = map->hash;
	ctx->hash_seed = map->hash_seed;
	ctx->stripe_bits = geo->stripe_bits;
	ctx->nr_stripes = 1ull << geo->stripe_bits;
	ctx->stripe_bytes = (uint64_t)sizeof(struct shm_bucket) << geo->bucket_bits;
	ctx->cell_bytes = geo->cell_bytes;
	ctx->value_off = offsetof(struct shm_cell, words) + 8ull * geo->value_word;
	ctx->key_size = geo->key_size;
	ctx->value_size = geo->value_size;
	ctx->batch = geo->batch;
	ctx->limbo_half = geo->limbo / 2;
	ctx->chain_max = map->chain_max;
	ctx->plain = is_plain(ctx);
}

/* Sequentially consistent, and before the first read section or lock: a writer that
 * looks at readers' words and does not see it looks before our first load. */
static void count_slot(struct shmht_ctx *ctx)
{
	shm_word *slots_used = &header_of(ctx->map)->slots_used;
	uint64_t nr = (uint64_t)(ctx->slot - slots_of(ctx->map)) + 1,
		 used = atomic_load(slots_used);

	while (used < nr && !atomic_compare_exchange_weak(slots_used, &used, nr))
		;
}

int shmht_ctx_open(struct shmht *map, struct shmht_ctx **ret_ctx, struct shmht_error *err)
{
	const struct geometry *geo = &map->geo;
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	bool alone = map->strategy->caps & SHMHT_CAP_ONE_WORKER;
	struct shmht_ctx *ctx;
	int r;

	if (map->observer) {
		error_set(err, "this map is for observing; attach without that for a context");
		return -EACCES;
	}
	ctx = mmap(NULL, CTX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ctx == MAP_FAILED) {
		r = -errno;
		error_set(err, "no memory for a context: %s", strerror(-r));
		return r;
	}
	if (madvise(ctx, CTX_BYTES, MADV_WIPEONFORK)) {
		r = -errno;
		error_set(err, "MADV_WIPEONFORK: %s; Linux 4.14 or later is needed", strerror(-r));
		goto out_unmap;
	}
	ctx->slot = slot_find(map, tid, alone ? 1 : geo->max_workers);
	if (!ctx->slot) {
		error_set(err,
			  alone ? "strategy %s allows one context and one is alive; use another "
				  "strategy for more workers" :
				  "strategy %s: all max_workers contexts of this table are alive; "
				  "close one, or create the table with more",
			  map->strategy->name);
		r = -EUSERS;
		goto out_unmap;
	}
	PLACE(attach);
	r = check_state(map, err);
	if (r)
		goto out_slot;

	ctx->tid = tid;
	ctx->holder_id = holder_make((uint32_t)(ctx->slot - slots_of(map)),
				     atomic_load(&ctx->slot->generation));
	ctx_set_table(ctx, map);
	count_slot(ctx);
	r = set_read_mode(ctx, err);
	if (r)
		goto out_slot;
	shmht_ctx_set_timeout(ctx, 1000000000u);
	ctx->wait = map->wait;
	ctx->robust = map->robust == SHMHT_ROBUST_ON;
	/* About what two context switches cost: spinning longer never pays. */
	ctx->spin_ticks_max = (uint32_t)(10000 / shmht_ns_per_tick());
	ctx->spin_ticks = ctx->spin_ticks_max / 2;
	if (map->strategy->ctx_enter) {
		r = map->strategy->ctx_enter(ctx, err);
		if (r)
			goto out_slot;
	}
	ctx->head.ops = ctx->read == SHMHT_READ_LOCKED ? &map->strategy->ops : &ctx->own_ops;
	*ret_ctx = ctx;
	return 0;

out_slot:
	grace_ctx_close(ctx);
	free(ctx->bounce);
	life_release(ctx->slot);
out_unmap:
	munmap(ctx, CTX_BYTES);
	return r;
}

void shmht_ctx_close(struct shmht_ctx *ctx)
{
	if (!ctx)
		return;
	/* In a child of fork the context is all zeros: the slot is the parent's. */
	if (ctx->slot) {
		st_release(&ctx->slot->reader[0], 0);
		if (ctx->map->strategy->ctx_leave)
			ctx->map->strategy->ctx_leave(ctx);
		grace_ctx_close(ctx);
		life_release(ctx->slot);
	}
	free(ctx->bounce);
	munmap(ctx, CTX_BYTES);
}

void shmht_ctx_set_timeout(struct shmht_ctx *ctx, uint64_t timeout_ns)
{
	double ticks = (double)timeout_ns / shmht_ns_per_tick();

	/* A year is for ever, and keeps every later sum far from overflow. */
	if (timeout_ns > 31536000ull * 1000000000u) {
		timeout_ns = 31536000ull * 1000000000u;
		ticks = (double)timeout_ns / shmht_ns_per_tick();
	}
	ctx->timeout_ns = timeout_ns;
	ctx->timeout_ticks = (uint64_t)ceil(ticks);
}

/* What decides whether an operation takes its short ways. */
static void set_ways(struct shmht_ctx *ctx)
{
	ctx->leaves_late = ctx->hold_ticks || ctx->timed || ctx->announces;
	/* Without a lock a search is no section that could be timed. */
	ctx->plain = !ctx->hold_ticks && is_plain(ctx) &&
		     !(ctx->timed && ctx->read == SHMHT_READ_LOCKED);
}

void shmht_ctx_set_hold(struct shmht_ctx *ctx, uint64_t hold_ns)
{
	ctx->hold_ticks = (uint64_t)ceil((double)hold_ns / shmht_ns_per_tick());
	set_ways(ctx);
}

void shmht_ctx_time_section(struct shmht_ctx *ctx, bool next)
{
	ctx->timed = next;
	ctx->contended_before = ctx->stats.contended;
	ctx->reacquired_before = ctx->stats.reacquired;
	set_ways(ctx);
}

void section_begins(struct shmht_ctx *ctx)
{
	const struct shmht_lock_stats *stats = &ctx->stats;

	/* The last wait was for this lock, if there was one. */
	ctx->entered_wait = stats->contended == ctx->contended_before ?
				    0 :
				    stats->wait_ticks[(stats->contended - 1) % SHMHT_WAIT_RING];
	ctx->entered_again = stats->reacquired != ctx->reacquired_before;
	ctx->entered_ticks = shmht_ticks();
}

void section_ends(struct shmht_ctx *ctx)
{
	struct shmht_lock_stats *stats = &ctx->stats;
	uint64_t now = shmht_ticks();

	/* Asked for inside of a section: its beginning was not seen. */
	if (ctx->entered_ticks) {
		stats->timed_wait[stats->timed % SHMHT_WAIT_RING] = ctx->entered_wait;
		stats->timed_again[stats->timed % SHMHT_WAIT_RING] = ctx->entered_again;
		stats->timed_hold[stats->timed++ % SHMHT_WAIT_RING] = now - ctx->entered_ticks;
	}
	ctx->entered_ticks = 0;
	shmht_ctx_time_section(ctx, false);
}

const struct shmht_lock_stats *shmht_ctx_stats(const struct shmht_ctx *ctx)
{
	return &ctx->stats;
}

void shmht_ctx_holder(const struct shmht_ctx *ctx, struct shmht_holder *ret_holder)
{
	/* Nobody (0) becomes a slot number out of range. */
	uint32_t idx = (ctx->holder_seen & ((1u << HOLDER_SLOT_BITS) - 1)) - 1;
	struct shmht_holder holder = { 0 };
	struct shm_slot *slot = NULL;

	if (ctx->map && ctx->holder_tid) {
		/* The lock word itself named a thread: find its slot. */
		holder.tid = (pid_t)ctx->holder_tid;
		for (uint32_t i = 0; i < ctx->map->geo.max_workers && !slot; i++)
			if (life_tid(atomic_load(&slots_of(ctx->map)[i].life)) == ctx->holder_tid)
				slot = slots_of(ctx->map) + i;
	} else if (ctx->map && idx < ctx->map->geo.max_workers) {
		slot = slots_of(ctx->map) + idx;
		if (holder_make(idx, atomic_load(&slot->generation)) == ctx->holder_seen) {
			uint32_t life = atomic_load(&slot->life);

			holder.tid = (pid_t)life_tid(life);
			if (life && !holder.tid) {
				/* The kernel has taken the number away, the slot knows more. */
				holder.pid = (pid_t)ld(&slot->pid);
				holder.tid = holder.pid;
				holder.state = SHMHT_HOLDER_DEAD;
			}
		}
	}
	if (holder.state == SHMHT_HOLDER_DEAD) {
		*ret_holder = holder;
		return;
	}
	if (holder.tid) {
		holder.pid = slot ? (pid_t)ld(&slot->pid) : holder.tid;
		holder.state = thread_state(holder.tid, slot ? ld_acquire(&slot->start_time) : 0);
	}
	*ret_holder = holder;
}

bool holder_dead(const struct shmht_ctx *ctx, uint32_t id, bool thoroughly)
{
	uint32_t idx = (id & ((1u << HOLDER_SLOT_BITS) - 1)) - 1, life, tid;
	struct shm_slot *slot;

	if (idx >= ctx->map->geo.max_workers)
		return false; /* no id of ours: whose it is cannot be said */
	slot = slots_of(ctx->map) + idx;
	/* The life word first: a slot is claimed there, and counts its generation
	 * afterwards, before its new owner can hold anything. */
	life = atomic_load(&slot->life);
#ifndef SHMHT_MUTANT_STALE_GENERATION /* a test's negative control */
	if (holder_make(idx, atomic_load(&slot->generation)) != id)
		return true;
#endif
	tid = life_tid(life);
	if (!tid)
		return true;
	return thoroughly &&
	       thread_state((pid_t)tid, ld_acquire(&slot->start_time)) == SHMHT_HOLDER_DEAD;
}

int shmht_recover(struct shmht_ctx *ctx)
{
	const struct shmht_ops *ops;

	if (!ctx->map)
		return -ESTALE;
	ops = &ctx->map->strategy->ops;
	if (ctx->head.depth || ctx->head.ops == &shmht_ops_deadlock)
		return -EDEADLK;
	/* The pool last: a stripe's repair may have use for it. */
	for (uint32_t k = 0; k <= ctx->map->geo.stripes; k++) {
		int r = ops->lock(ctx, k);

		if (r)
			return r;
		ops->unlock(ctx, k);
	}
	return 0;
}

struct timespec wait_deadline(const struct shmht_ctx *ctx, uint64_t start_ticks)
{
	uint64_t used_ticks = shmht_ticks() - start_ticks;
	double used_ns = (double)used_ticks * shmht_ns_per_tick();
	uint64_t left = used_ns < (double)ctx->timeout_ns ? ctx->timeout_ns - (uint64_t)used_ns : 0;
	uint64_t end = shmht_monotonic_ns() + left;

	return (struct timespec){ .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };
}

int shmht_count(struct shmht_ctx *ctx, uint64_t *ret_count)
{
	uint64_t count = 0;

	if (!ctx->map)
		return -ESTALE;
	for (uint32_t k = 0; k < ctx->map->geo.stripes; k++)
		count += ld(&ctx->stripes[k].count);
	*ret_count = count;
	return 0;
}

uint64_t eviction_target(const struct shmht_ctx *ctx, double percent)
{
	uint64_t capacity = ctx->map->geo.capacity;
	double target = ceil((double)capacity * percent / 100);

	/* A share too small for the product's range is still more than nothing. */
	if (percent > 0 && target < 1)
		target = 1;
	return target >= (double)capacity ? capacity : (uint64_t)target;
}

/* ---- what a foreach callback finds ------------------------------------- */

static int deadlock_put(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
			size_t value_len)
{
	(void)ctx, (void)key, (void)key_len, (void)value, (void)value_len;
	return -EDEADLK;
}

static int deadlock_search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value,
			   size_t size, size_t *ret_len)
{
	(void)ctx, (void)key, (void)key_len, (void)value, (void)size, (void)ret_len;
	return -EDEADLK;
}

static int deadlock_remove(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	(void)ctx, (void)key, (void)key_len;
	return -EDEADLK;
}

static int deadlock_flush(struct shmht_ctx *ctx)
{
	(void)ctx;
	return -EDEADLK;
}

static int deadlock_foreach(struct shmht_ctx *ctx, shmht_foreach_fn fn, void *arg)
{
	(void)ctx, (void)fn, (void)arg;
	return -EDEADLK;
}

static int deadlock_remove_oldest(struct shmht_ctx *ctx, double percent, uint64_t *ret_removed)
{
	(void)ctx, (void)percent, (void)ret_removed;
	return -EDEADLK;
}

static int deadlock_lock(struct shmht_ctx *ctx, uint32_t k)
{
	(void)ctx, (void)k;
	return -EDEADLK;
}

static void deadlock_unlock(struct shmht_ctx *ctx, uint32_t k)
{
	(void)ctx, (void)k;
}

static int deadlock_lookup(struct shmht_ctx *ctx, const void *key, size_t key_len,
			   const void **ret_value, size_t *ret_len)
{
	(void)ctx, (void)key, (void)key_len, (void)ret_value, (void)ret_len;
	return -EDEADLK;
}

static int deadlock_search_many(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr)
{
	(void)ctx, (void)sought, (void)nr;
	return -EDEADLK;
}

const struct shmht_ops shmht_ops_deadlock = {
	.insert = deadlock_put,
	.update = deadlock_put,
	.upsert = deadlock_put,
	.search = deadlock_search,
	.remove = deadlock_remove,
	.flush = deadlock_flush,
	.foreach = deadlock_foreach,
	.remove_oldest = deadlock_remove_oldest,
	.lock = deadlock_lock,
	.unlock = deadlock_unlock,
	.lookup = deadlock_lookup,
	.search_many = deadlock_search_many,
};
