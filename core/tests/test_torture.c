/* SPDX-License-Identifier: MIT */
/*
 * Cells freed and reused under readers that take no lock, by four workers, in a
 * table that grows meanwhile: no stale or torn byte in anything found, and no
 * key missed that was there all the time.
 *
 * Built as it is, and, as its own negative controls, over a core that skips the grace
 * period (EXPECT_CAUGHT with rcu) or the validation, of what was read or of a change's
 * first look (EXPECT_CAUGHT with seqlock); those must be found out within 10 s.
 * SHMBENCH_TORTURE_S: seconds instead of the default.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "support.h"

#define WORKERS 4u
#define PERMANENT 24u /* updated, never removed: a search must find them */
#define HOT 64u
#define KEYS 2000u
#define WORDS 8u
#ifndef MANY_ONLY /* 1: by search_many() alone */
#define MANY_ONLY 0
#endif
#ifdef EXPECT_CAUGHT
#define SECONDS 10 /* it ends with the first find */
#ifndef EXPECT_FIGURE
#define EXPECT_FIGURE stale
#endif
#else
#define SECONDS (UNDER_SANITIZER ? 2 : 10)
#endif

struct torture {
	struct shmht *map;
	uint64_t round_ns;
	bool sections;
	atomic_uint next_worker;
	atomic_int start;
	_Atomic uint64_t reads, changes, stale, missed, wrong_results;
};

static size_t make_value(uint64_t key, uint64_t serial, uint64_t value[WORDS])
{
	size_t len = serial % 3 ? 8 * WORDS : 17 + serial % 40;

	value[0] = key;
	value[1] = serial;
	for (size_t i = 2; i < WORDS; i++)
		value[i] = mix64(key * 31 + serial * 17 + i);
	return len;
}

static bool value_right(uint64_t key, const void *found, size_t len)
{
	uint64_t want[WORDS], serial;

	if (len < 17)
		return false;
	memcpy(&serial, (const char *)found + 8, 8);
	return make_value(key, serial, want) == len && !memcmp(found, want, len);
}

static uint64_t pick(struct random *random)
{
	uint64_t dice = random_below(random, 10);

	return random_below(random, dice < 3 ? PERMANENT : dice < 8 ? HOT : KEYS);
}

static void change(struct torture *tt, struct shmht_ctx *ctx, struct random *random,
		   uint64_t serial)
{
	uint64_t key = pick(random), value[WORDS];
	size_t len = make_value(key, serial, value);
	int r;

	if (key < PERMANENT)
		r = shmht_update(ctx, &key, sizeof(key), value, len);
	else if (serial & 1)
		r = shmht_upsert(ctx, &key, sizeof(key), value, len);
	else
		r = shmht_remove(ctx, &key, sizeof(key));
	if (r && (r != -ENOENT || key < PERMANENT) && r != -ENOSPC)
		atomic_fetch_add(&tt->wrong_results, 1);
}

/* Looks at it, lingers, and looks again, all in one section. */
static void read_in_place(struct torture *tt, struct shmht_ctx *ctx, struct random *random)
{
	uint64_t key[3];
	const void *value[3];
	size_t len[3];
	int r[3];

	if (shmht_read_begin(ctx))
		abort();
	for (int i = 0; i < 3; i++) {
		key[i] = pick(random);
		r[i] = shmht_lookup(ctx, &key[i], sizeof(key[i]), &value[i], &len[i]);
	}
	if (random_below(random, 16) == 0)
		sched_yield();
	else
		for (uint64_t n = random_below(random, 200); n; n--)
			__asm__ volatile("");
	for (int i = 0; i < 3; i++) {
		if (r[i] == -ENOENT && key[i] < PERMANENT)
			atomic_fetch_add(&tt->missed, 1);
		else if (r[i] && r[i] != -ENOENT)
			atomic_fetch_add(&tt->wrong_results, 1);
		else if (!r[i] && !value_right(key[i], value[i], len[i]))
			atomic_fetch_add(&tt->stale, 1);
	}
	shmht_read_end(ctx);
}

static void judge(struct torture *tt, uint64_t key, int r, const void *value, size_t len)
{
	if (r == -ENOENT && key < PERMANENT)
		atomic_fetch_add(&tt->missed, 1);
	else if (r && r != -ENOENT)
		atomic_fetch_add(&tt->wrong_results, 1);
	else if (!r && !value_right(key, value, len))
		atomic_fetch_add(&tt->stale, 1);
}

static void read_copy(struct torture *tt, struct shmht_ctx *ctx, struct random *random)
{
	uint64_t key = pick(random), value[WORDS];
	size_t len;
	int r = shmht_search(ctx, &key, sizeof(key), value, sizeof(value), &len);

	judge(tt, key, r, value, len);
}

static void read_many(struct torture *tt, struct shmht_ctx *ctx, struct random *random)
{
	unsigned int nr = 1 + (unsigned int)random_below(random, SHMHT_MANY_MAX);
	uint64_t keys[SHMHT_MANY_MAX], values[SHMHT_MANY_MAX][WORDS];
	struct shmht_sought sought[SHMHT_MANY_MAX];

	for (unsigned int i = 0; i < nr; i++) {
		keys[i] = pick(random);
		sought[i] = (struct shmht_sought){ .key = &keys[i],
						   .key_len = sizeof(keys[i]),
						   .value = values[i],
						   .size = sizeof(values[i]) };
	}
	if (shmht_search_many(ctx, sought, nr))
		atomic_fetch_add(&tt->wrong_results, 1);
	for (unsigned int i = 0; i < nr; i++)
		judge(tt, keys[i], sought[i].result, values[i], sought[i].len);
}

static int work(struct torture *tt, struct shmht *map)
{
	unsigned int worker = atomic_fetch_add(&tt->next_worker, 1);
	struct random random = { mix64(worker + shmht_monotonic_ns()) | 1 };
	uint64_t end, n = 0, serial = (uint64_t)worker << 48;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(map, &ctx, NULL) || !step_wait(&tt->start, 1))
		return 1;
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	end = shmht_monotonic_ns() + tt->round_ns;
	while (shmht_monotonic_ns() < end)
		for (int i = 0; i < 64; i++, n++) {
			change(tt, ctx, &random, ++serial);
			if (MANY_ONLY || n % 8 == 4)
				read_many(tt, ctx, &random);
			else if (tt->sections && n % 2)
				read_in_place(tt, ctx, &random);
			else
				read_copy(tt, ctx, &random);
		}
	atomic_fetch_add(&tt->reads, n);
	shmht_ctx_close(ctx);
	return 0;
}

static int work_in_child(void *arg)
{
	struct torture *tt = arg;
	struct shmht *map;

	return shmht_attach(shmht_fd(tt->map), NULL, &map, NULL) || work(tt, map);
}

static void *work_in_thread(void *arg)
{
	struct torture *tt = arg;

	return work(tt, tt->map) ? arg : NULL;
}

static void round_of(struct torture *tt, const struct shmht_strategy *strategy, uint32_t stripes,
		     bool threads)
{
	struct shmht_config cfg = small_config(strategy, KEYS + 100);
	pthread_t thread[WORKERS];
	pid_t pid[WORKERS];
	struct table t;

	cfg.stripes = stripes;
	t = table_open(&cfg);
	for (uint64_t key = 0; key < PERMANENT; key++) {
		uint64_t value[WORDS];
		size_t len = make_value(key, 0, value);

		assert_rc(shmht_insert(t.ctx, &key, sizeof(key), value, len), 0);
	}
	tt->map = t.map;
	tt->sections = test_read == SHMHT_READ_RCU;
	atomic_store(&tt->next_worker, 0);
	atomic_store(&tt->start, 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		if (threads)
			assert_int_equal(pthread_create(&thread[i], NULL, work_in_thread, tt), 0);
		else
			pid[i] = child_start(work_in_child, tt);
	}
	atomic_store(&tt->start, 1);
	for (unsigned int i = 0; i < WORKERS; i++) {
		if (threads) {
			void *failed = tt;

			assert_int_equal(pthread_join(thread[i], &failed), 0);
			assert_null(failed);
		} else {
			assert_int_equal(child_wait(pid[i]), 0);
		}
	}
#ifdef EXPECT_CAUGHT
	shmht_ctx_close(t.ctx); /* what a mutant leaves need not be sound */
	shmht_destroy(t.map);
#else
	table_close(&t);
#endif
}

static void torture(const struct shmht_strategy *strategy, bool threads)
{
	const char *seconds = getenv("SHMBENCH_TORTURE_S");
	uint64_t total_ns = 1000 * MS * (seconds ? strtoull(seconds, NULL, 10) : SECONDS);
	struct torture *tt = shared_memory(sizeof(*tt));
	uint64_t start = shmht_monotonic_ns(), errors;

	if (test_read == SHMHT_READ_LOCKED)
		return;
#ifdef EXPECT_CAUGHT
	if (test_read != EXPECT_CAUGHT)
		return;
#endif
	tt->round_ns = total_ns / 20 < 500 * MS ? total_ns / 20 : 500 * MS;
	for (unsigned int i = 0; shmht_monotonic_ns() - start < total_ns; i++) {
		alarm(120);
		round_of(tt, strategy, i % 4 ? 1 : 64, threads);
#ifdef EXPECT_CAUGHT
		if (tt->EXPECT_FIGURE)
			break;
#endif
	}
	errors = tt->stale + tt->missed + tt->wrong_results;
	print_message("%" PRIu64 " reads: %" PRIu64 " stale or torn, %" PRIu64 " missed, %" PRIu64
		      " wrong results, %.1f s\n",
		      tt->reads, tt->stale, tt->missed, tt->wrong_results,
		      (double)(shmht_monotonic_ns() - start) * 1e-9);
#ifdef EXPECT_CAUGHT
	assert_true(tt->EXPECT_FIGURE > 0);
#else
	assert_true(tt->reads > 1000);
	assert_int_equal(errors, 0);
#endif
	(void)errors;
}

static void by_processes(const struct shmht_strategy *strategy)
{
	torture(strategy, false);
}

static void by_threads(const struct shmht_strategy *strategy)
{
	torture(strategy, true);
}

/* With one strategy: the searches are the same for all. */
static void first_that_parks(const struct shmht_strategy *strategy,
			     void (*fn)(const struct shmht_strategy *))
{
	if (strategy == shmht_strategy_find("futex"))
		fn(strategy);
}

static void processes(const struct shmht_strategy *strategy)
{
	first_that_parks(strategy, by_processes);
}

static void threads(const struct shmht_strategy *strategy)
{
	first_that_parks(strategy, by_threads);
}

static const struct strategy_test tests[] = {
	{ "torture by processes", processes, TEST_MANY },
#ifndef EXPECT_CAUGHT
	{ "torture by threads", threads, TEST_MANY },
#endif
};

int main(void)
{
	(void)threads;
	return RUN_EVERY_STRATEGY("torture", tests);
}
