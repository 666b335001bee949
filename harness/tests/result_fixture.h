/* SPDX-License-Identifier: MIT */
/*
 * A scenario of four points and trials with known figures, for the tests of
 * results: no table and no clock is involved.
 */
#ifndef SHMBENCH_RESULT_FIXTURE_H
#define SHMBENCH_RESULT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"

enum fixture_point { POINT_PLAIN, POINT_CROWDED, POINT_SPIN, POINT_SKIPPED, FIXTURE_POINTS };

#define FIXTURE_TRIALS 6u

struct fixture {
	struct scenario scenario;
	struct point points[FIXTURE_POINTS];
};

static inline void fixture_params(struct params *params, const char *lock, uint32_t procs)
{
	*params = (struct params){
		.stripes = 1,
		.procs = procs,
		.capacity = 100000,
		.key_size = 16,
		.value_min = 64,
		.value_max = 64,
		.preload = 50000,
		.keyspace = 100000,
		.mix = { [OP_SEARCH] = 0.9, [OP_INSERT] = 0.05, [OP_REMOVE] = 0.05 },
		.duration_ns = 500000000,
		.warmup_ns = 100000000,
		.trials = FIXTURE_TRIALS,
		.latency = LATENCY_SAMPLED,
		.sample_every = 64,
		.interval_ns = 100000000,
		.seed = 1,
		.verify = VERIFY_VALUES,
		.timeout_ns = 1000000000,
	};
	strcpy(params->lock, lock);
}

static inline void fixture_init(struct fixture *fixture)
{
	static char names[FIXTURE_POINTS][64] = { "locks/lock=futex/procs=1",
						  "locks/lock=futex/procs=4",
						  "locks/lock=spin/procs=4",
						  "locks/lock=none/procs=4" };
	static char section[] = "locks", path[] = "scenarios/locks.ini", name[] = "locks";
	static char text[] = "[locks]\nlock = futex, spin\n";
	static char reason[] = "none refuses a second worker";
	static const struct {
		const char *lock;
		uint32_t procs;
	} kinds[FIXTURE_POINTS] = { { "futex", 1 }, { "futex", 4 }, { "spin", 4 }, { "none", 4 } };

	memset(fixture, 0, sizeof(*fixture));
	for (int i = 0; i < FIXTURE_POINTS; i++) {
		fixture->points[i].name = names[i];
		fixture->points[i].section = section;
		fixture_params(&fixture->points[i].params, kinds[i].lock, kinds[i].procs);
	}
	fixture->points[POINT_SKIPPED].skip_reason = reason;
	fixture->scenario = (struct scenario){ .path = path,
					       .name = name,
					       .text = text,
					       .nr_points = FIXTURE_POINTS,
					       .points = fixture->points };
	memset(fixture->scenario.sha256, 'a', 64);
}

/*
 * Trial k of a point: (k + 1) M operations in half a second, the first worker
 * with half as many as each other one; per worker 9,000 search hits of 100 ns,
 * 1,000 misses of 200 ns, 100 inserts of 400 ns, no sample of remove; one wait
 * of 2 ms and 999 of 5 us where there are several workers.
 */
static inline void fixture_trial(const struct params *params, uint32_t k, struct trial *ret)
{
	uint32_t nr = params->procs;
	uint64_t share = (k + 1) * 1000000ull / (2 * nr - (nr > 1));

	*ret = (struct trial){ .index = k,
			       .seconds = 0.5,
			       .ops = (k + 1) * 1000000ull,
			       .op_stream_hash = 0xfeedfacecafebeefull,
			       .checked = 10000,
			       .pages_had = params->pages,
			       .region_bytes = 1 << 20,
			       .nr_workers = nr };
	ret->workers = calloc(nr, sizeof(*ret->workers));
	assert_non_null(ret->workers);
	for (uint32_t w = 0; w < nr; w++) {
		struct worker_result *worker = &ret->workers[w];

		worker->pid = 100 + (pid_t)w;
		worker->tid = 100 + (pid_t)w;
		worker->cpu = w ? (int)w : -1;
		worker->ops = w == 0 && nr > 1 ? share : 2 * share;
		worker->user_s = 0.3;
		worker->sys_s = 0.1;
		worker->run_delay_s = w ? 0.01 : NAN;
		worker->lock.acquired = worker->ops;
		worker->outcomes[OP_SEARCH][OUTCOME_OK] = 900;
		worker->outcomes[OP_SEARCH][OUTCOME_MISS] = 300;
		worker->outcomes[OP_INSERT][OUTCOME_EXISTS] = 7;
		for (int i = 0; i < 9000; i++)
			hist_record(&worker->service[HIST_SEARCH_HIT], 100);
		for (int i = 0; i < 1000; i++)
			hist_record(&worker->service[HIST_SEARCH_MISS], 200);
		for (int i = 0; i < 100; i++)
			hist_record(&worker->service[HIST_INSERT], 400);
		if (nr == 1)
			continue;
		for (int i = 0; i < 999; i++)
			hist_record(&worker->wait, 5000);
		hist_record(&worker->wait, 2000000);
		worker->stalled_ns = 2000000;
		worker->lock.contended = 1000;
	}
}

static inline void fixture_add(struct result_build *build, struct fixture *fixture, size_t point,
			       uint32_t k)
{
	struct trial trial;

	fixture_trial(&fixture->points[point].params, k, &trial);
	result_add_trial(build, point, &trial);
	trial_free(&trial);
}

static inline struct result_build *fixture_begin(struct fixture *fixture)
{
	/* 2026-11-23T06:01:02.345Z */
	struct timespec started = { .tv_sec = 1795413662, .tv_nsec = 345678901 };
	struct result_build *build = result_begin(&fixture->scenario, started);

	assert_non_null(build);
	return build;
}

/* Every trial of every point that is not skipped. */
static inline json_t *fixture_result(struct fixture *fixture)
{
	struct result_build *build = fixture_begin(fixture);
	json_t *result;

	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++)
		for (size_t i = 0; i < FIXTURE_POINTS; i++)
			if (!fixture->points[i].skip_reason)
				fixture_add(build, fixture, i, k);
	result = result_finish(build, false);
	assert_non_null(result);
	return result;
}

static inline json_t *fixture_point_of(const json_t *result, size_t idx)
{
	return json_array_get(json_object_get(result, "points"), idx);
}

/* "summary/all/p50_ns/median", "trials/0/wait": NULL when a step is missing. */
static inline json_t *fixture_at(const json_t *from, const char *path)
{
	char step[64];

	while (from && *path) {
		size_t len = strcspn(path, "/");

		snprintf(step, sizeof(step), "%.*s", (int)len, path);
		from = json_is_array(from) ? json_array_get(from, strtoul(step, NULL, 10)) :
					     json_object_get(from, step);
		path += len + (path[len] == '/');
	}
	return (json_t *)(uintptr_t)from;
}

static inline void assert_number_at(const json_t *from, const char *path, double expected)
{
	const json_t *value = fixture_at(from, path);

	if (!json_is_number(value))
		fail_msg("%s is no number", path);
	if (fabs(json_number_value(value) - expected) > 1e-9 * fabs(expected))
		fail_msg("%s is %.17g, expected %.17g", path, json_number_value(value), expected);
}

static inline void assert_null_at(const json_t *from, const char *path)
{
	if (!json_is_null(fixture_at(from, path)))
		fail_msg("%s is not null", path);
}

static inline void assert_text_at(const json_t *from, const char *path, const char *expected)
{
	const char *text = json_string_value(fixture_at(from, path));

	if (!text || strcmp(text, expected) != 0)
		fail_msg("%s is '%s', expected '%s'", path, text ? text : "(none)", expected);
}

/* What showing prints, as a string to free. */
static __attribute__((noinline, unused)) char *fixture_shown(const json_t *result)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	result_show(result, out);
	fclose(out);
	return text;
}

static __attribute__((noinline, unused)) char *fixture_compared(const json_t *a, const json_t *b)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	result_compare(a, "a.json", b, "b.json", out);
	fclose(out);
	return text;
}

#endif
