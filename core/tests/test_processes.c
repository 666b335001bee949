/* SPDX-License-Identifier: MIT */
/*
 * Mutual exclusion where it matters: several processes, or threads, on one
 * table. No value may be torn or foreign, nothing lost, nothing left broken;
 * and a lock that does nothing has to be found out by the same load.
 */
#include "load.h"

static void run_load(const struct shmht_strategy *strategy, uint32_t stripes, unsigned int workers,
		     void (*how)(struct load *))
{
	struct load *load = shared_memory(sizeof(*load));
	struct shmht_config cfg = small_config(strategy, LOAD_KEYS + LOAD_UPSERTS);
	struct load_verdict verdict;
	struct table t;

	cfg.stripes = stripes;
	t = table_open(&cfg);
	load->map = t.map;
	load->workers = workers;
	load->duration_ns = 300 * MS;
	load->operations = UINT64_MAX;
	how(load);
	verdict = load_judge(load, t.ctx);
	if (verdict.errors)
		fail_msg("%" PRIu64 " errors in %" PRIu64 " operations: %s", verdict.errors,
			 verdict.operations, verdict.text);
	/* It did something, and met contention. */
	assert_true(verdict.hits > 100);
	assert_true(verdict.operations > 1000);
	table_close(&t);
}

static void processes_1(const struct shmht_strategy *strategy)
{
	run_load(strategy, 1, 4, load_by_processes);
}

static void processes_8(const struct shmht_strategy *strategy)
{
	run_load(strategy, 8, 7, load_by_processes);
}

static void threads_1(const struct shmht_strategy *strategy)
{
	run_load(strategy, 1, 4, load_by_threads);
}

static void threads_8(const struct shmht_strategy *strategy)
{
	run_load(strategy, 8, 7, load_by_threads);
}

#define CATCHES 10u
#define CATCH_NS (5000 * MS)

/* Until the load sees an error, or the time is over. */
static uint64_t errors_without_lock(const struct shmht_strategy *busted, struct load *load,
				    uint64_t *operations)
{
	uint64_t start = shmht_monotonic_ns();
	struct load_verdict verdict = { .errors = 0 };

	while (!verdict.errors && shmht_monotonic_ns() - start < CATCH_NS) {
		struct shmht_config cfg = small_config(busted, LOAD_KEYS + LOAD_UPSERTS);
		struct table t = table_open(&cfg);

		memset(load, 0, sizeof(*load));
		load->map = t.map;
		load->workers = 4;
		load->duration_ns = 200 * MS;
		load->operations = UINT64_MAX;
		load_by_processes(load);
		verdict = load_judge(load, t.ctx);
		*operations += verdict.operations;
		shmht_ctx_close(t.ctx); /* not table_close(): it is broken */
		shmht_destroy(t.map);
	}
	return verdict.errors;
}

/* The verifier itself: without a lock this load must be found out, each time. */
static void busted_is_caught(const struct shmht_strategy *strategy)
{
	const struct shmht_strategy *busted = shmht_strategy_find("busted");
	struct load *load = shared_memory(sizeof(*load));

	(void)strategy;
	assert_non_null(busted);
	assert_true(busted->caps & SHMHT_CAP_TEST_ONLY);
	for (unsigned int i = 0; i < CATCHES; i++) {
		uint64_t operations = 0;

		if (!errors_without_lock(busted, load, &operations))
			fail_msg("time %u: no error seen in %" PRIu64 " operations without a lock",
				 i + 1, operations);
	}
}

/* Killed while they work, at any instruction: the others get results within
 * their time-outs, whatever state the dead left the table in. */
static void survivors_do_not_hang(const struct shmht_strategy *strategy)
{
	struct load *load = shared_memory(sizeof(*load));
	struct shmht_config cfg = small_config(strategy, LOAD_KEYS + LOAD_UPSERTS);
	struct random random = { 11 };

	for (uint64_t round = 0; round < scaled(16); round++) {
		struct table t = table_open(&cfg);
		uint64_t start;
		int r;

		memset(load, 0, sizeof(*load));
		load->map = t.map;
		load->workers = 2;
		load->duration_ns = 60000 * MS;
		load->operations = UINT64_MAX;
		load_by_killed_processes(load, 1 + random_below(&random, 3 * MS));

		shmht_ctx_set_timeout(t.ctx, 20 * MS);
		start = shmht_monotonic_ns();
		for (uint64_t k = 0; k < 20; k++) {
			r = put_number(t.ctx, k);
			assert_true(!r || r == -EEXIST || r == -ETIMEDOUT || r == -EUCLEAN);
		}
		r = shmht_flush(t.ctx);
		assert_true(!r || r == -ETIMEDOUT || r == -EUCLEAN);
		assert_true(shmht_check(t.ctx, NULL, NULL) >= 0);
		assert_true(shmht_monotonic_ns() - start < 5000 * MS);
		shmht_ctx_close(t.ctx);
		shmht_destroy(t.map);
	}
}

static const struct strategy_test tests[] = {
	{ "exclusion: 4 processes, 1 stripe", processes_1, TEST_MANY | TEST_WAITS },
	{ "exclusion: 7 processes, 8 stripes", processes_8, TEST_MANY | TEST_WAITS },
	{ "exclusion: 4 threads, 1 stripe", threads_1, TEST_MANY | TEST_WAITS },
	{ "exclusion: 7 threads, 8 stripes", threads_8, TEST_MANY | TEST_WAITS },
	{ "busted is caught, ten times out of ten", busted_is_caught, TEST_ONCE },
	{ "killed while they work: nobody hangs", survivors_do_not_hang, TEST_MANY | TEST_LOCKED },
};

STRATEGY_TESTS(processes, tests);
