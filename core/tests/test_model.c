/* SPDX-License-Identifier: MIT */
/*
 * Random operations against a model so simple that it is right at sight: an
 * array by key number. Millions of operations a strategy, over many geometries.
 */
#include <math.h>

#include "support.h"

#define KEYS_MAX 1600u
#define VALUE_MAX 100u
#define KEY_MAX 33u

struct model_entry {
	bool present;
	uint64_t value; /* seed of its bytes */
	uint64_t order; /* of insertion */
};

struct model {
	struct model_entry entries[KEYS_MAX];
	uint64_t keys, count, next_order, serial;
};

struct run {
	struct shmht_config cfg;
	struct table t;
	struct model model;
	struct random random;
	uint64_t most; /* entries that can ever fit */
	struct shmht_info info;
};

/* Distinct for distinct numbers: the number first, in as few bytes as all need. */
static size_t key_bytes(const struct run *run, uint64_t nr, unsigned char *key)
{
	size_t need = run->model.keys > 256 ? 2 : 1;
	size_t len = need + mix64(nr) % (run->cfg.key_size - need + 1);

	for (size_t i = 0; i < len; i++)
		key[i] = (unsigned char)(i < need ? nr >> 8 * i : nr * 5 + i);
	return len;
}

static size_t value_bytes(const struct run *run, uint64_t seed, unsigned char *value)
{
	size_t len = mix64(seed) % (run->cfg.value_size + 1);

	for (size_t i = 0; i < len; i++)
		value[i] = (unsigned char)(mix64(seed + i / 8) >> 8 * (i % 8));
	return len;
}

static void check_value(const struct run *run, uint64_t nr, const unsigned char *got, size_t len)
{
	unsigned char want[VALUE_MAX];

	assert_int_equal(len, value_bytes(run, run->model.entries[nr].value, want));
	assert_memory_equal(got, want, len);
}

static void do_put(struct run *run, uint64_t nr, unsigned int kind)
{
	struct model_entry *e = &run->model.entries[nr];
	unsigned char key[KEY_MAX], value[VALUE_MAX];
	uint64_t seed = ++run->model.serial;
	size_t key_len = key_bytes(run, nr, key), len = value_bytes(run, seed, value);
	int r;

	if (kind == 0)
		r = shmht_insert(run->t.ctx, key, key_len, value, len);
	else if (kind == 1)
		r = shmht_update(run->t.ctx, key, key_len, value, len);
	else
		r = shmht_upsert(run->t.ctx, key, key_len, value, len);

	if (e->present) {
		assert_rc(r, kind == 0 ? -EEXIST : 0);
		if (!r)
			e->value = seed;
	} else if (kind == 1) {
		assert_rc(r, -ENOENT);
	} else if (r) {
		assert_rc(r, -ENOSPC);
		assert_true(run->model.count >= run->cfg.capacity);
	} else {
		assert_true(run->model.count < run->most);
		*e = (struct model_entry){ true, seed, run->model.next_order++ };
		run->model.count++;
	}
}

static void do_search(struct run *run, uint64_t nr)
{
	const struct model_entry *e = &run->model.entries[nr];
	unsigned char key[KEY_MAX], want[VALUE_MAX], got[VALUE_MAX];
	size_t size = random_below(&run->random, run->cfg.value_size + 1u), len = 7777;
	int r;

	r = shmht_search(run->t.ctx, key, key_bytes(run, nr, key), got, size, &len);
	if (!e->present) {
		assert_rc(r, -ENOENT);
		assert_int_equal(len, 7777);
	} else if (value_bytes(run, e->value, want) > size) {
		assert_rc(r, -ERANGE);
		assert_int_equal(len, value_bytes(run, e->value, want));
	} else {
		assert_rc(r, 0);
		check_value(run, nr, got, len);
	}
}

/* As many as the dice say, of neighbouring numbers and in any stripes. */
static void do_search_many(struct run *run, uint64_t first)
{
	unsigned char keys[SHMHT_MANY_MAX][KEY_MAX], got[SHMHT_MANY_MAX][VALUE_MAX];
	struct shmht_sought sought[SHMHT_MANY_MAX];
	unsigned int n = (unsigned int)random_below(&run->random, SHMHT_MANY_MAX + 1);

	for (unsigned int i = 0; i < n; i++)
		sought[i] = (struct shmht_sought){
			.key = keys[i],
			.key_len = key_bytes(run, (first + i) % run->model.keys, keys[i]),
			.value = got[i],
			.size = run->cfg.value_size,
			.len = 7777,
		};
	assert_rc(shmht_search_many(run->t.ctx, sought, n), 0);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t nr = (first + i) % run->model.keys;

		assert_rc(sought[i].result, run->model.entries[nr].present ? 0 : -ENOENT);
		if (!sought[i].result)
			check_value(run, nr, got[i], sought[i].len);
		else
			assert_int_equal(sought[i].len, 7777);
	}
}

static void do_remove(struct run *run, uint64_t nr)
{
	struct model_entry *e = &run->model.entries[nr];
	unsigned char key[KEY_MAX];
	int r = shmht_remove(run->t.ctx, key, key_bytes(run, nr, key));

	assert_rc(r, e->present ? 0 : -ENOENT);
	run->model.count -= e->present;
	e->present = false;
}

static void do_remove_oldest(struct run *run)
{
	double percent = (double)random_below(&run->random, 101);
	uint64_t target = (uint64_t)ceil((double)run->cfg.capacity * percent / 100);
	uint64_t removed = 7777;

	if (random_below(&run->random, 4))
		target = (uint64_t)ceil((double)run->cfg.capacity * (percent = 1) / 100);
	if (target > run->model.count)
		target = run->model.count;
	assert_rc(shmht_remove_oldest(run->t.ctx, percent, &removed), 0);
	assert_int_equal(removed, target);
	for (; target; target--) {
		struct model_entry *oldest = NULL;

		for (uint64_t nr = 0; nr < run->model.keys; nr++) {
			struct model_entry *e = &run->model.entries[nr];

			if (e->present && (!oldest || e->order < oldest->order))
				oldest = e;
		}
		assert_non_null(oldest);
		oldest->present = false;
		run->model.count--;
	}
}

struct visit {
	struct run *run;
	uint64_t calls;
	bool seen[KEYS_MAX];
};

static int compare_entry(const void *key, size_t key_len, const void *value, size_t value_len,
			 void *arg)
{
	struct visit *visit = arg;
	struct run *run = visit->run;
	unsigned char want_key[KEY_MAX], want[VALUE_MAX];
	uint64_t nr = 0;

	memcpy(&nr, key, run->model.keys > 256 ? 2 : 1);
	visit->calls++;
	if (nr >= run->model.keys || visit->seen[nr] || !run->model.entries[nr].present)
		return -1;
	visit->seen[nr] = true;
	if (key_len != key_bytes(run, nr, want_key) || memcmp(key, want_key, key_len))
		return -2;
	if (value_len != value_bytes(run, run->model.entries[nr].value, want) ||
	    memcmp(value, want, value_len))
		return -3;
	return 0;
}

static void compare_all(struct run *run)
{
	struct visit visit = { .run = run };

	assert_count(run->t.ctx, run->model.count);
	assert_rc(shmht_foreach(run->t.ctx, compare_entry, &visit), 0);
	assert_int_equal(visit.calls, run->model.count);
	assert_sound(run->t.ctx);
}

/* Phases that lean to one side, so that the table gets full and empty. */
static void one_operation(struct run *run, unsigned int phase)
{
	uint64_t nr = random_below(&run->random, run->model.keys);
	uint64_t dice = random_below(&run->random, 1000);
	uint64_t puts = phase == 0 ? 700 : phase == 1 ? 150 : 400;

	if (dice < 240)
		do_search(run, nr);
	else if (dice < 250)
		do_search_many(run, nr);
	else if (dice < 250 + puts * 3 / 4)
		do_put(run, nr, (unsigned int)(dice % 3));
	else if (dice < 997)
		do_remove(run, nr);
	else if (dice < 999)
		do_remove_oldest(run);
	else if (random_below(&run->random, 8) == 0) {
		assert_rc(shmht_flush(run->t.ctx), 0);
		run->model.count = 0;
		for (uint64_t i = 0; i < run->model.keys; i++)
			run->model.entries[i].present = false;
	} else
		compare_all(run);
}

static void run_geometry(struct run *run, uint64_t operations)
{
	uint64_t keys = run->cfg.capacity * 3 / 2 + 3;

	if (run->cfg.key_size == 1 && keys > 256)
		keys = 256;
	memset(&run->model, 0, sizeof(run->model));
	run->model.keys = keys;
	run->t = table_open(&run->cfg);
	shmht_info(run->t.map, &run->info);
	run->most = run->info.cells - 1;
	for (uint64_t i = 0; i < operations; i++)
		one_operation(run, (unsigned int)(i * 8 / operations % 3));
	compare_all(run);
	table_close(&run->t);
}

static void against_the_model(const struct shmht_strategy *strategy)
{
	static const uint64_t capacities[] = { 1, 2, 7, 64, 1000 };
	static const uint32_t value_sizes[] = { 0, 1, 7, 8, 9, 64, 100 };
	static const uint32_t key_sizes[] = { 1, 3, 8, 16, 33 };
	static struct run run;

	run.random.state = 0x9e3779b97f4a7c15ull;
	for (size_t c = 0; c < 5; c++)
		for (size_t v = 0; v < 7; v++)
			for (size_t k = 0; k < 5; k++)
				for (uint32_t stripes = 1; stripes <= 64; stripes *= 64) {
					run.cfg = (struct shmht_config){
						.capacity = capacities[c],
						.key_size = key_sizes[k],
						.value_size = value_sizes[v],
						.stripes = stripes,
						.max_workers = 2,
						.strategy = strategy->name,
						.read = test_read,
						.hash_seed = c * 100 + v * 10 + k,
					};
					run_geometry(&run,
						     scaled(capacities[c] < 64 ? 2000 : 10000));
				}
}

/* Long on one table, so that it wanders far: grows, empties, grows. */
static void long_walk(const struct shmht_strategy *strategy)
{
	static struct run run;

	run.random.state = 42;
	run.cfg = small_config(strategy, 1000);
	run_geometry(&run, scaled(500000));
	run.cfg.stripes = 8;
	run_geometry(&run, scaled(500000));
}

static const struct strategy_test tests[] = {
	{ "model: every geometry", against_the_model, 0 },
	{ "model: a long walk", long_walk, 0 },
};

STRATEGY_TESTS(model, tests);
