/* SPDX-License-Identifier: MIT */
/*
 * What the parts cost, one by one and uncontended, by Google Benchmark: one
 * process, 10 k entries of 16 + 64 bytes, half of the table full. Contention is
 * `shmbench run`'s subject, not this program's.
 */
#include <errno.h>
#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "gbench_shim.h"
#include "lock/grace.h"
#include "shmht.h"
#include "shmht_clock.h"
#include "stats/hist.h"

#define ENTRIES 10000u
#define KEYS 4096u /* a power of two: the next key costs a mask */

struct table {
	struct shmht *map;
	struct shmht_ctx *ctx;
};

struct setting {
	const char *strategy;
	enum shmht_read read;
};

/* Multiplying by an odd number keeps keys distinct and spreads their bytes. */
static void key_of(uint64_t n, uint64_t key[2])
{
	key[0] = n * 0x9e3779b97f4a7c15u;
	key[1] = n;
}

static void keep(const void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void close_table(struct table *table)
{
	shmht_ctx_close(table->ctx);
	shmht_destroy(table->map);
}

static int fill(struct shmht_ctx *ctx)
{
	char value[64] = "";

	for (uint64_t i = 0; i < ENTRIES; i++) {
		uint64_t key[2];
		int r;

		key_of(i, key);
		r = shmht_insert(ctx, key, sizeof(key), value, sizeof(value));
		if (r)
			return r;
	}
	return 0;
}

/* False: the benchmark was marked as failed and has nothing to close. */
static bool open_table(struct gbench_state *state, const struct setting *setting,
		       struct table *table)
{
	struct shmht_config cfg = { .capacity = 2 * ENTRIES,
				    .key_size = 16,
				    .value_size = 64,
				    .stripes = 1,
				    .strategy = setting->strategy,
				    .read = read_mode(setting->read),
				    .grace = grace_of(setting->read) };
	struct shmht_error err = { .text = "the table could not be filled" };

	if (shmht_create(&cfg, &table->map, &err)) {
		gbench_fail(state, err.text);
		return false;
	}
	if (shmht_ctx_open(table->map, &table->ctx, &err)) {
		gbench_fail(state, err.text);
		shmht_destroy(table->map);
		return false;
	}
	if (shmht_populate(table->map) || fill(table->ctx)) {
		gbench_fail(state, err.text);
		close_table(table);
		return false;
	}
	return true;
}

static void lock_unlock(struct gbench_state *state, const void *arg)
{
	struct table table;
	int bad = 0;

	if (!open_table(state, arg, &table))
		return;
	while (gbench_next(state)) {
		const struct shmht_ops *ops = ((struct shmht_ctx_head *)table.ctx)->ops;

		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			int r = ops->lock(table.ctx, 0);

			bad |= r;
			if (!r)
				ops->unlock(table.ctx, 0);
		}
	}
	if (bad)
		gbench_fail(state, "a lock was not had");
	close_table(&table);
}

static void draw_keys(uint64_t keys[KEYS][2], uint64_t first)
{
	uint64_t seed = 1;

	for (uint32_t i = 0; i < KEYS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		key_of(first + (seed >> 33) % ENTRIES, keys[i]);
	}
}

/* Keys from first on, in random order; each search must end in expected. */
static void search(struct gbench_state *state, const struct setting *setting, uint64_t first,
		   int expected)
{
	static uint64_t keys[KEYS][2];
	struct table table;
	uint32_t next = 0;
	int bad = 0;

	if (!open_table(state, setting, &table))
		return;
	draw_keys(keys, first);
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			char value[64];
			size_t len;

			bad |= shmht_search(table.ctx, keys[next++ % KEYS], 16, value,
					    sizeof(value), &len) != expected;
			keep(value);
		}
	}
	if (bad)
		gbench_fail(state, "a search did not end as it must");
	close_table(&table);
}

/* An iteration is a key, as in search_hit; 32 of them a call. */
static void search_many(struct gbench_state *state, const void *arg)
{
	_Static_assert(GBENCH_BATCH % SHMHT_MANY_MAX == 0, "whole calls");
	static uint64_t keys[KEYS][2];
	static char values[SHMHT_MANY_MAX][64];
	struct shmht_sought sought[SHMHT_MANY_MAX];
	struct table table;
	uint32_t next = 0;
	int bad = 0;

	if (!open_table(state, arg, &table))
		return;
	draw_keys(keys, 0);
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i += SHMHT_MANY_MAX) {
			for (uint32_t k = 0; k < SHMHT_MANY_MAX; k++)
				sought[k] = (struct shmht_sought){ .key = keys[next++ % KEYS],
								   .key_len = 16,
								   .value = values[k],
								   .size = sizeof(values[k]) };
			bad |= shmht_search_many(table.ctx, sought, SHMHT_MANY_MAX);
			for (uint32_t k = 0; k < SHMHT_MANY_MAX; k++)
				bad |= sought[k].result;
			keep(values);
		}
	}
	if (bad)
		gbench_fail(state, "a search did not end as it must");
	close_table(&table);
}

static void search_hit(struct gbench_state *state, const void *arg)
{
	search(state, arg, 0, 0);
}

static void search_miss(struct gbench_state *state, const void *arg)
{
	search(state, arg, ENTRIES, -ENOENT);
}

static void insert_remove(struct gbench_state *state, const void *arg)
{
	struct table table;
	uint64_t next = 0;
	int bad = 0;

	if (!open_table(state, arg, &table))
		return;
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			char value[64] = "";
			uint64_t key[2];

			key_of(ENTRIES + next++ % ENTRIES, key);
			bad |= shmht_insert(table.ctx, key, 16, value, sizeof(value));
			bad |= shmht_remove(table.ctx, key, 16);
		}
	}
	if (bad)
		gbench_fail(state, "an insert or a remove failed");
	close_table(&table);
}

/* Nothing inside: what reading in place costs beside the search. */
static void section(struct gbench_state *state, const void *arg)
{
	struct table table;
	int bad = 0;

	if (!open_table(state, arg, &table))
		return;
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			bad |= shmht_read_begin(table.ctx);
			shmht_read_end(table.ctx);
		}
	}
	if (bad)
		gbench_fail(state, "a section could not begin");
	close_table(&table);
}

static void attach(struct gbench_state *state, const void *arg)
{
	struct table table;
	int bad = 0;

	if (!open_table(state, arg, &table))
		return;
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			struct shmht *map;
			int r = shmht_attach(shmht_fd(table.map), NULL, &map, NULL);

			bad |= r;
			if (!r)
				shmht_detach(map);
		}
	}
	if (bad)
		gbench_fail(state, "the table could not be attached");
	close_table(&table);
}

/* The function that the table's default is made of, on its 16-byte keys. */
static void hash(struct gbench_state *state, const void *arg)
{
	uint64_t key[2] = { 1, 2 };

	(void)arg;
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			keep(key);
			/* Each depends on the one before: latency, as a search has it. */
			key[0] = XXH3_64bits_withSeed(key, sizeof(key), 1);
		}
	}
}

static void histogram_record(struct gbench_state *state, const void *arg)
{
	static struct hist hist;
	uint64_t ns = 1;

	(void)arg;
	hist_reset(&hist);
	while (gbench_next(state)) {
		for (uint32_t i = 0; i < GBENCH_BATCH; i++) {
			ns = ns * 6364136223846793005u + 1442695040888963407u;
			hist_record(&hist, ns >> 50);
		}
	}
	keep(&hist);
}

#define CLOCK_READ(name, expression)                                  \
	static void name(struct gbench_state *state, const void *arg) \
	{                                                             \
		(void)arg;                                            \
		while (gbench_next(state)) {                          \
			for (uint32_t i = 0; i < GBENCH_BATCH; i++) { \
				uint64_t now = expression;            \
				__asm__ volatile("" : : "r"(now));    \
			}                                             \
		}                                                     \
	}
CLOCK_READ(clock_ticks, shmht_ticks())
CLOCK_READ(clock_ticks_ordered, shmht_ticks_ordered())
CLOCK_READ(clock_monotonic, shmht_monotonic_ns())

static void name_and_register(const char *what, const char *strategy, const char *read,
			      gbench_fn fn, const struct setting *setting)
{
	char name[96];

	snprintf(name, sizeof(name), "%s/%s%s%s", what, strategy, *read ? "/" : "", read);
	gbench_register(name, fn, setting);
}

int main(int argc, char **argv)
{
	static struct setting settings[64];
	static const struct setting lockless[] = { { "futex", SHMHT_READ_SEQLOCK },
						   { "futex", SHMHT_READ_RCU },
						   { "futex", SHMHT_READ_URCU },
						   { "futex", READ_URCU_QSBR } };
	static const char *const reads[] = { "seqlock", "rcu", "urcu", "urcu-qsbr" };
	const struct shmht_strategy *strategy;

	gbench_register("clock/ticks", clock_ticks, NULL);
	gbench_register("clock/ticks_ordered", clock_ticks_ordered, NULL);
	gbench_register("clock/monotonic", clock_monotonic, NULL);
	gbench_register("hash/16", hash, NULL);
	gbench_register("histogram_record", histogram_record, NULL);
	for (uint32_t i = 0; i < 64 && (strategy = shmht_strategy_at(i)); i++) {
		settings[i].strategy = strategy->name;
		name_and_register("lock_unlock", strategy->name, "", lock_unlock, &settings[i]);
		name_and_register("search_hit", strategy->name, "", search_hit, &settings[i]);
		name_and_register("search_miss", strategy->name, "", search_miss, &settings[i]);
		name_and_register("search_many", strategy->name, "", search_many, &settings[i]);
		name_and_register("insert_remove", strategy->name, "", insert_remove, &settings[i]);
	}
	for (uint32_t i = 0; i < 4; i++) {
		if (grace_missing(lockless[i].read))
			continue;
		name_and_register("search_hit", "futex", reads[i], search_hit, &lockless[i]);
		name_and_register("search_miss", "futex", reads[i], search_miss, &lockless[i]);
		name_and_register("search_many", "futex", reads[i], search_many, &lockless[i]);
		name_and_register("insert_remove", "futex", reads[i], insert_remove, &lockless[i]);
		if (read_in_sections(lockless[i].read))
			name_and_register("section", reads[i], "", section, &lockless[i]);
	}
	gbench_register("attach", attach, &lockless[0]);
	return gbench_run(argc, argv);
}
