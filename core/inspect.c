/* SPDX-License-Identifier: MIT */
/*
 * Looking at a table without taking part in it: what a watchdog prints.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "context.h"

int shmht_observe(struct shmht *map, shmht_report_fn report, void *arg)
{
	struct shmht_ctx ctx = { .map = NULL };

	ctx_set_table(&ctx, map);
	return shmht_check(&ctx, report, arg);
}

uint64_t shmht_fingerprint(const struct shmht *map)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (uint32_t k = 0; k <= map->geo.stripes; k++) {
		shm_word *words = (shm_word *)&stripes_of(map)[k];

		for (size_t i = 0; i < sizeof(struct shm_stripe) / sizeof(*words); i++)
			sum = HASH_STEP(sum, ld_acquire(&words[i]));
	}
	return sum;
}

/* Whose word names a holder by his thread's number, names nobody by 0; the others have
 * the holder's id there. A mutex that is free leaves the id of who had it last. */
static bool is_held(const struct shmht_ctx *ctx)
{
	bool by_tid = ctx->map->strategy->caps & SHMHT_CAP_KERNEL_RECOVERS ||
		      !(ctx->map->strategy->caps & SHMHT_CAP_RECOVERS);

	return ctx->holder_named && (by_tid ? ctx->holder_tid : ctx->holder_seen) != 0;
}

/* Words that whoever is stuck there may have left in any state. */
static void say_under_way(struct shmht_stripe_state *state)
{
	uint64_t swap = state->intent[INTENT_SWAP], armed = state->intent[INTENT_ARMED];
	uint32_t high = (uint32_t)(armed >> 32);
	char *buf = state->under_way;
	size_t size = sizeof(state->under_way);

	if (!armed && swap)
		snprintf(buf, size, "an update: cell %u in the place of %u", (uint32_t)swap,
			 (uint32_t)(swap >> 32));
	else if (!armed)
		snprintf(buf, size, "nothing");
	else if ((armed & 0xff) == INTENT_ADD)
		snprintf(buf, size, "an insert: cell %u", high);
	else if ((armed & 0xff) == INTENT_DROP)
		snprintf(buf, size, "a removal: cell %u", high);
	else if ((armed & 0xff) == INTENT_SPLIT)
		snprintf(buf, size, "a split, to %u buckets", high);
	else if ((armed & 0xff) == INTENT_RESTORE)
		snprintf(buf, size, "a change of the lists of free cells");
	else if ((armed & 0xff) == INTENT_TRANSFER)
		snprintf(buf, size, "free cells on their way to or from the pool");
	else
		snprintf(buf, size, "unknown: %#" PRIx64, armed);
}

int shmht_stripe_look(struct shmht_ctx *ctx, uint32_t k, struct shmht_stripe_state *ret_state)
{
	struct shmht_stripe_state state;
	struct shm_stripe *stripe;

	if (!ctx->map)
		return -ESTALE;
	if (k > ctx->map->geo.stripes)
		return -EINVAL;
	stripe = ctx->stripes + k;
	ctx->map->strategy->note_holder(ctx, k);
	ctx->stats.timeouts--; /* nobody timed out */
	shmht_ctx_holder(ctx, &state.holder);
	state.names_holder = ctx->holder_named;
	state.held = is_held(ctx);
	state.count = ld(&stripe->count);
	for (unsigned int i = 0; i < 8; i++)
		state.intent[i] = ld(&stripe->intent[i]);
	state.unfinished = state.intent[INTENT_ARMED] || state.intent[INTENT_SWAP];
	say_under_way(&state);
	*ret_state = state;
	return 0;
}

int shmht_observe_stripe(struct shmht *map, uint32_t k, struct shmht_stripe_state *ret_state)
{
	struct shmht_ctx ctx = { .map = NULL };

	ctx_set_table(&ctx, map);
	return shmht_stripe_look(&ctx, k, ret_state);
}

int shmht_observe_count(struct shmht *map, uint64_t *ret_count)
{
	struct shmht_ctx ctx = { .map = NULL };

	ctx_set_table(&ctx, map);
	return shmht_count(&ctx, ret_count);
}

int shmht_observe_user(const struct shmht *map, uint32_t i, struct shmht_user *ret_user)
{
	struct shm_slot *slot = slots_of(map) + i;
	struct shmht_user user;
	uint32_t life;

	if (i >= map->geo.max_workers)
		return -EINVAL;
	life = atomic_load(&slot->life);
	if (!life)
		return -ENOENT;
	user.pid = (pid_t)ld(&slot->pid);
	user.tid = (pid_t)life_tid(life);
	user.reading = ld(&slot->reader[0]) != 0;
	/* The kernel has taken the number away: the slot knows the process still. */
	user.state = user.tid ? thread_state(user.tid, ld_acquire(&slot->start_time)) :
				SHMHT_HOLDER_DEAD;
	if (!user.tid)
		user.tid = user.pid;
	*ret_user = user;
	return 0;
}

/* ---- what lies where ---------------------------------------------------- */

struct field {
	size_t offset;
	const char *name;
};

#define AT(type, member, name)               \
	{                                    \
		offsetof(type, member), name \
	}

static const struct field header_fields[] = {
	{ 0, "geometry" },
	AT(struct shm_header, state, "state"),
	AT(struct shm_header, generation, "generation"),
	AT(struct shm_header, read_mode, "read mode and strategy"),
	AT(struct shm_header, rcu_epoch, "rcu_epoch"),
	AT(struct shm_header, slots_used, "slots_used"),
	AT(struct shm_header, pad, "padding"),
};
static const struct field slot_fields[] = {
	AT(struct shm_slot, life, "life"),     AT(struct shm_slot, lock_local, "lock_local"),
	AT(struct shm_slot, reader, "reader"), AT(struct shm_slot, grace_pid, "grace"),
	AT(struct shm_slot, spare, "padding"),
};
static const struct field stripe_fields[] = {
	AT(struct shm_stripe, lock, "lock"),	 AT(struct shm_stripe, intent, "intent"),
	AT(struct shm_stripe, count, "count"),	 AT(struct shm_stripe, last_stamp, "last_stamp"),
	AT(struct shm_stripe, loaded, "loaded"), AT(struct shm_stripe, spare_mag, "spare_mag"),
	AT(struct shm_stripe, limbo, "limbo"),	 AT(struct shm_stripe, active, "active"),
	AT(struct shm_stripe, spare, "padding"),
};
static const struct field bucket_fields[] = {
	AT(struct shm_bucket, head, "head"),
	AT(struct shm_bucket, tags, "tags"),
	AT(struct shm_bucket, cells, "cells"),
	AT(struct shm_bucket, spare, "padding"),
};
static const struct field cell_fields[] = {
	AT(struct shm_cell, meta, "meta"),
	AT(struct shm_cell, stamp, "stamp"),
	AT(struct shm_cell, words, "key and value"),
};

int shmht_observe_place(const struct shmht *map, uint64_t offset, struct shmht_place *ret_place)
{
	const struct geometry *geo = &map->geo;
	/* In the region's order: a part ends where it has no more elements. */
	const struct {
		const char *name;
		uint64_t from, size, nr;
		const struct field *fields;
		size_t nr_fields;
	} parts[] = {
#define PART(name, from, size, nr, fields) \
	{ name, from, size, nr, fields, sizeof(fields) / sizeof((fields)[0]) }
		PART("header", 0, sizeof(struct shm_header), 1, header_fields),
		PART("slot", geo->slots_off, sizeof(struct shm_slot), geo->max_workers,
		     slot_fields),
		PART("stripe", geo->stripes_off, sizeof(struct shm_stripe),
		     (uint64_t)geo->stripes + 1, stripe_fields),
		PART("bucket", geo->buckets_off, sizeof(struct shm_bucket), geo->nr_buckets,
		     bucket_fields),
		PART("cell", geo->cells_off, geo->cell_bytes, geo->nr_cells, cell_fields),
#undef PART
	};

	if (offset >= geo->total_bytes)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t nr = offset < parts[i].from ? parts[i].nr :
						       (offset - parts[i].from) / parts[i].size;
		uint64_t byte = (offset - parts[i].from) % parts[i].size;
		size_t field = parts[i].nr_fields - 1;

		if (nr >= parts[i].nr)
			continue;
		while (parts[i].fields[field].offset > byte)
			field--;
		*ret_place = (struct shmht_place){ parts[i].name, parts[i].fields[field].name, nr };
		/* One more than there are stripes, with a lock of its own. */
		if (parts[i].from == geo->stripes_off && nr == geo->stripes)
			*ret_place = (struct shmht_place){ "pool", parts[i].fields[field].name, 0 };
		return 0;
	}
	*ret_place = (struct shmht_place){ "padding", "", 0 };
	return 0;
}
