/* SPDX-License-Identifier: MIT */
/*
 * remove_oldest: exactly min(count, ceil(capacity * p / 100)) entries go, and
 * exactly the oldest, by the order of insertion.
 */
#include <math.h>
#include <unistd.h>

#include "context.h"
#include "support.h"

#define MANY 4000u

/* Evicts p % and finds that of keys[from..to), which are in order of age, just
 * the first `gone` went. */
static uint64_t evict(struct shmht_ctx *ctx, const uint64_t *keys, uint64_t nr, double percent,
		      uint64_t gone)
{
	uint64_t removed = 77;

	assert_rc(shmht_remove_oldest(ctx, percent, &removed), 0);
	assert_int_equal(removed, gone);
	assert_count(ctx, nr - gone);
	for (uint64_t i = 0; i < nr; i++)
		assert_int_equal(has_number(ctx, keys[i]), i >= gone);
	return gone;
}

static void percent_outside(const struct shmht_strategy *strategy)
{
	static const double wrong[] = { -1,  -1e-300, 100.0000001, 101,	     1e300,
					NAN, -NAN,    INFINITY,	   -INFINITY };
	struct table t = table_small(strategy, 10);

	for (uint64_t k = 0; k < 10; k++)
		assert_rc(put_number(t.ctx, k), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint64_t removed = 77;

		assert_rc(shmht_remove_oldest(t.ctx, wrong[i], &removed), -EINVAL);
		assert_int_equal(removed, 77);
	}
	assert_count(t.ctx, 10);
	table_close(&t);
}

/* The share is of the capacity, rounded up, and no more than there are. */
static void how_many(const struct shmht_strategy *strategy)
{
	static const struct {
		uint64_t capacity, count;
		double percent;
		uint64_t gone;
	} cases[] = {
		{ 10, 0, 100, 0 },    { 10, 10, 0, 0 },	      { 10, 10, -0.0, 0 },
		{ 10, 10, 1e-12, 1 }, { 10, 10, 5e-324, 1 },  { 10, 10, 10, 1 },
		{ 10, 10, 10.01, 2 }, { 10, 10, 25, 3 },      { 10, 10, 50, 5 },
		{ 10, 10, 99.9, 10 }, { 10, 10, 100, 10 },    { 10, 1, 50, 1 },
		{ 10, 3, 50, 3 },     { 10, 7, 50, 5 },	      { 1000, 1, 0.1, 1 },
		{ 1000, 500, 7, 70 }, { 1000, 500, 29, 290 }, { 7, 7, 33, 3 },
		{ 1, 1, 1, 1 },	      { 1, 0, 1, 0 },
	};
	struct shmht_config cfg = small_config(strategy, 0);
	uint64_t keys[1000];

	for (cfg.stripes = 1; cfg.stripes <= 64; cfg.stripes *= 64)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct table t;

			cfg.capacity = cases[i].capacity;
			t = table_open(&cfg);
			for (uint64_t k = 0; k < cases[i].count; k++) {
				keys[k] = mix64(k * 3 + i);
				assert_rc(put_number(t.ctx, keys[k]), 0);
			}
			evict(t.ctx, keys, cases[i].count, cases[i].percent, cases[i].gone);
			table_close(&t);
		}
}

/* The rule in whole numbers, over many shares in eighths of a percent. */
static void rounded_up(const struct shmht_strategy *strategy)
{
	struct random random = { 17 };
	uint64_t keys[400];

	for (uint64_t round = 0; round < scaled(160); round++) {
		struct shmht_config cfg = small_config(strategy, 1 + random_below(&random, 400));
		struct table t;

		cfg.stripes = round & 1 ? 64 : 1;
		if (round % 16 == 15)
			cfg.capacity = 100003; /* hardly filled */
		t = table_open(&cfg);
		for (unsigned int n = 0; n < 8; n++) {
			uint64_t most = cfg.capacity < 400 ? cfg.capacity : 400;
			uint64_t count = random_below(&random, most + 1);
			uint64_t eighths = random_below(&random, 801), gone;

			if (n & 1)
				eighths %= 17; /* small shares: few go */
			gone = (cfg.capacity * eighths + 799) / 800;
			assert_rc(shmht_flush(t.ctx), 0);
			for (uint64_t k = 0; k < count; k++) {
				keys[k] = mix64(k * 16 + n);
				assert_rc(put_number(t.ctx, keys[k]), 0);
			}
			evict(t.ctx, keys, count, (double)eighths / 8, gone < count ? gone : count);
		}
		table_close(&t);
	}
}

/* Keys come in no order, so neither buckets nor cells are in order of age; what
 * changes an entry does not make it younger, coming back does. */
static void exact_order(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, MANY);
	struct random random = { 3 };
	uint64_t *keys = calloc(2 * MANY, sizeof(*keys));

	assert_non_null(keys);
	for (unsigned int i = 0; i < 6; i++) {
		uint64_t nr = 0, n;
		struct table t;

		cfg.stripes = i % 3 == 0 ? 1 : i % 3 == 1 ? 64 : 4;
		cfg.key_size = i < 3 ? 8 : 16;
		t = table_open(&cfg);
		for (n = 0; n < MANY / 2; n++) {
			keys[nr] = mix64(n + i * MANY);
			assert_rc(put_number(t.ctx, keys[nr++]), 0);
		}
		for (uint64_t step = 0; step < scaled(64); step++) {
			double percent = (double)random_below(&random, 8);
			uint64_t gone = (uint64_t)ceil(MANY * percent / 100);

			/* Updates and upserts anywhere: age kept. */
			for (n = 0; nr && n < 50; n++) {
				uint64_t *key = &keys[random_below(&random, nr)];
				int r = n & 1 ? shmht_update(t.ctx, key, 8, key, 8) :
						shmht_upsert(t.ctx, key, 8, key, 8);

				assert_rc(r, 0);
			}
			/* Removes anywhere; every other key returns as the youngest. */
			for (n = 0; nr && n < 40; n++) {
				uint64_t at = random_below(&random, nr), key = keys[at];

				assert_rc(remove_number(t.ctx, key), 0);
				memmove(keys + at, keys + at + 1, (nr - at - 1) * sizeof(*keys));
				nr--;
				if (n & 1) {
					assert_rc(put_number(t.ctx, key), 0);
					keys[nr++] = key;
				}
			}
			for (n = random_below(&random, 300); n && nr < MANY; n--) {
				keys[nr] = mix64(nr + (step + 1) * 10 * MANY + i);
				assert_rc(put_number(t.ctx, keys[nr]), 0);
				nr++;
			}
			if (gone > nr)
				gone = nr;
			evict(t.ctx, keys, nr, percent, gone);
			nr -= gone;
			memmove(keys, keys + gone, nr * sizeof(*keys));
		}
		evict(t.ctx, keys, nr, 100, nr);
		table_close(&t);
	}
	free(keys);
}

/* Ages are kept across a reopen: they are the table's, not the lock's. */
static void across_reopen(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	const struct shmht_strategy *next;
	struct shmht *map;
	uint64_t keys[100], nr = 0;
	struct shmht_ctx *ctx;

	cfg.stripes = 4;
	map = table_create(&cfg);
	for (unsigned int i = 0; (next = real_strategy(i)); i++) {
		struct shmht *other;

		assert_rc(shmht_reopen(shmht_fd(map), next->name, SHMHT_READ_LOCKED, NULL), 0);
		other = table_attach(shmht_fd(map));
		shmht_detach(map);
		map = other;
		ctx = context_open(map);
		for (unsigned int n = 0; n < 6; n++) {
			keys[nr] = mix64(nr);
			assert_rc(put_number(ctx, keys[nr]), 0);
			nr++;
		}
		shmht_ctx_close(ctx);
	}
	ctx = context_open(map);
	evict(ctx, keys, nr, 15, 15);
	assert_sound(ctx);
	shmht_ctx_close(ctx);
	shmht_destroy(map);
}

/* Stamps of two stripes may be equal. Then any of those may go, but none of
 * them before one that is older. */
static void equal_ages(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);

	for (cfg.stripes = 1; cfg.stripes <= 8; cfg.stripes *= 8) {
		struct table t = table_open(&cfg);
		const struct geometry *geo = &t.map->geo;
		uint64_t removed = 0, left = 0, old[10], nr_old = 0;

		for (uint64_t k = 0; k < 100; k++)
			assert_rc(put_number(t.ctx, k), 0);
		for (uint64_t cell = 1; cell < geo->nr_cells; cell++) {
			uint64_t at = geo->cells_off + cell * geo->cell_bytes, words[3];

			assert_int_equal(pread(shmht_fd(t.map), words, 24, (off_t)at), 24);
			if (!(words[0] >> 32 & 0xfff))
				continue; /* free */
			words[1] = words[2] % 10 ? 5 : 4;
			assert_int_equal(pwrite(shmht_fd(t.map), words, 24, (off_t)at), 24);
			if (words[1] == 4)
				old[nr_old++] = words[2];
		}
		assert_int_equal(nr_old, 10);
		assert_rc(shmht_remove_oldest(t.ctx, 35, &removed), 0);
		assert_int_equal(removed, 35);
		for (uint64_t k = 0; k < 100; k++)
			left += has_number(t.ctx, k);
		assert_int_equal(left, 65);
		for (uint64_t i = 0; i < nr_old; i++)
			assert_false(has_number(t.ctx, old[i]));
		table_close(&t);
	}
}

/* ---- two processes insert in turn ---------------------------------------- */

#define TURNS 400u

struct turns {
	struct shmht *map;
	atomic_int turn; /* even: the parent's, odd: the child's */
};

static int insert_in_turn(void *arg)
{
	struct turns *turns = arg;
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(shmht_fd(turns->map), NULL, &map, NULL) || shmht_ctx_open(map, &ctx, NULL))
		return 1;
	for (int turn = 1; turn < (int)TURNS; turn += 2) {
		if (!step_wait(&turns->turn, turn))
			return 2;
		if (put_number(ctx, mix64((uint64_t)turn)))
			return 3;
		atomic_store(&turns->turn, turn + 1);
	}
	shmht_ctx_close(ctx);
	return 0;
}

static void across_processes(const struct shmht_strategy *strategy)
{
	struct turns *turns = shared_memory(sizeof(*turns));
	struct shmht_config cfg = small_config(strategy, TURNS);
	uint64_t keys[TURNS];

	for (cfg.stripes = 1; cfg.stripes <= 64; cfg.stripes *= 8) {
		struct table t = table_open(&cfg);
		pid_t pid;

		turns->map = t.map;
		atomic_store(&turns->turn, 0);
		pid = child_start(insert_in_turn, turns);
		for (int turn = 0; turn < (int)TURNS; turn += 2) {
			assert_true(step_wait(&turns->turn, turn));
			assert_rc(put_number(t.ctx, mix64((uint64_t)turn)), 0);
			atomic_store(&turns->turn, turn + 1);
		}
		assert_int_equal(child_wait(pid), 0);
		for (uint64_t i = 0; i < TURNS; i++)
			keys[i] = mix64(i);
		evict(t.ctx, keys, TURNS, 33, TURNS * 33 / 100);
		evict(t.ctx, keys + TURNS * 33 / 100, TURNS - TURNS * 33 / 100, 0.5, 2);
		table_close(&t);
	}
}

static const struct strategy_test tests[] = {
	{ "remove_oldest: percent outside 0..100 is EINVAL", percent_outside, 0 },
	{ "remove_oldest: how many", how_many, 0 },
	{ "remove_oldest: the share is rounded up", rounded_up, 0 },
	{ "remove_oldest: the oldest exactly, ages kept by updates", exact_order, 0 },
	{ "remove_oldest: equal ages", equal_ages, TEST_ONCE },
	{ "remove_oldest: ages survive a reopen", across_reopen, TEST_ONCE },
	{ "remove_oldest: ages across processes", across_processes, TEST_MANY },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("eviction", tests);
}
