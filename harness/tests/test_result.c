/* SPDX-License-Identifier: MIT */
/*
 * The document: every key that the contract names with its type, nulls where
 * nothing was measured, intervals and flags.
 */
#include "result_fixture.h"

#include "result/hdr.h"
#include "run/host.h"

/* Each path with its type: s n o a, lower case; upper case: or null. z: null. */
static void assert_types(const json_t *from, const char *const (*paths)[2], size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const json_t *value = fixture_at(from, paths[i][0]);
		char type = paths[i][1][0];
		bool right = false;

		switch (type | 0x20) {
		case 's':
			right = json_is_string(value);
			break;
		case 'n':
			right = json_is_number(value);
			break;
		case 'o':
			right = json_is_object(value);
			break;
		case 'a':
			right = json_is_array(value);
			break;
		case 'z':
			right = json_is_null(value);
			break;
		}
		if (!right && !(type < 'a' && json_is_null(value)))
			fail_msg("%s: not of type %c", paths[i][0], type);
	}
}

static void test_document_has_every_key(void **state)
{
	static const char *const paths[][2] = {
		{ "schema", "s" },
		{ "tool/version", "s" },
		{ "tool/commit", "s" },
		{ "tool/compiler", "s" },
		{ "tool/cflags", "s" },
		{ "tool/layout_hash", "s" },
		{ "host/cpu", "s" },
		{ "host/cpus", "n" },
		{ "host/kernel", "s" },
		{ "host/mem_bytes", "N" },
		{ "host/virt", "S" },
		{ "host/mitigations", "O" },
		{ "host/cgroup", "O" },
		{ "host/frequency", "O" },
		{ "host/clock", "s" },
		{ "host/fingerprint", "s" },
		{ "scenario/path", "s" },
		{ "scenario/sha256", "s" },
		{ "scenario/text", "s" },
		{ "status", "s" },
		{ "started", "s" },
		{ "finished", "s" },
		{ "overhead", "z" },
		{ "points", "a" },
		{ "points/1/name", "s" },
		{ "points/1/params/lock", "s" },
		{ "points/1/params/mix", "s" },
		{ "points/1/status", "s" },
		{ "points/1/reason", "z" },
		{ "points/1/summary", "o" },
		{ "points/1/trials", "a" },
		{ "points/1/trials/5", "o" },
		{ "points/1/expect", "a" },
	};
	struct fixture fixture;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	assert_types(result, paths, sizeof(paths) / sizeof(paths[0]));
	assert_text_at(result, "schema", "shmbench.result/1");
	assert_text_at(result, "status", "complete");
	assert_text_at(result, "started", "2026-11-23T06:01:02.345Z");
	assert_int_equal(strlen(json_string_value(fixture_at(result, "tool/layout_hash"))), 16);
	assert_int_equal(json_array_size(fixture_at(result, "points")), FIXTURE_POINTS);
	json_decref(result);
}

static void test_trial_has_every_key(void **state)
{
	static const char *const paths[][2] = {
		{ "seconds", "n" },
		{ "ops", "n" },
		{ "ops_per_s", "n" },
		{ "op_stream_hash", "s" },
		{ "latency/service/all", "o" },
		{ "latency/service/search", "o" },
		{ "latency/service/search.hit", "o" },
		{ "latency/service/search.miss", "o" },
		{ "latency/service/insert", "o" },
		{ "latency/service/remove", "o" },
		{ "latency/response", "z" },
		{ "wait/count", "n" },
		{ "wait/hdr", "s" },
		{ "stalled", "n" },
		{ "outcomes/update/full", "n" },
		{ "outcomes/remove/timeout", "n" },
		{ "workers/3/pid", "n" },
		{ "workers/3/tid", "n" },
		{ "workers/3/cpu", "n" },
		{ "workers/0/cpu", "z" },
		{ "workers/3/ops", "n" },
		{ "workers/3/user_s", "n" },
		{ "workers/3/sys_s", "n" },
		{ "workers/3/vol_ctx", "n" },
		{ "workers/3/invol_ctx", "n" },
		{ "workers/3/run_delay_s", "n" },
		{ "workers/0/run_delay_s", "z" },
		{ "workers/3/lock/acquired", "n" },
		{ "workers/3/lock/contended", "n" },
		{ "workers/3/lock/spins", "n" },
		{ "workers/3/lock/parks", "n" },
		{ "workers/3/lock/wakes", "n" },
		{ "workers/3/lock/reacquired", "n" },
		{ "workers/3/lock/yields", "n" },
		{ "workers/3/lock/recovered", "n" },
		{ "workers/3/longest_gap_ns", "n" },
		{ "kernel/page_faults_per_op", "n" },
		{ "fairness/jain", "n" },
		{ "fairness/min_over_max", "n" },
		{ "integrity/checked", "n" },
		{ "integrity/errors", "n" },
		{ "intervals", "a" },
	};
	struct fixture fixture;
	const json_t *trial;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	trial = fixture_at(fixture_point_of(result, POINT_CROWDED), "trials/2");
	assert_types(trial, paths, sizeof(paths) / sizeof(paths[0]));
	assert_text_at(trial, "op_stream_hash", "feedfacecafebeef");
	assert_number_at(trial, "ops_per_s", 6e6);
	assert_number_at(trial, "outcomes/search/ok", 4 * 900);
	assert_number_at(trial, "stalled", 4 * 0.002 / (4 * 0.5));
	assert_number_at(trial, "wait/max_ns", 2000000);
	assert_number_at(trial, "wait/count", 4000);
	assert_true(fabs(json_number_value(fixture_at(trial, "fairness/min_over_max")) - 0.5) <
		    1e-5);
	/* An operation that is not in the mix is absent; one that is, is not. */
	assert_null(fixture_at(trial, "latency/service/update"));
	assert_number_at(trial, "latency/service/remove/count", 0);
	json_decref(result);
}

static void test_latency_figures(void **state)
{
	struct fixture fixture;
	struct hist *hist = calloc(1, sizeof(*hist));
	const json_t *service;
	json_t *result;

	(void)state;
	assert_non_null(hist);
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	service = fixture_at(fixture_point_of(result, POINT_PLAIN), "trials/0/latency/service");
	assert_number_at(service, "search/count", 10000);
	assert_number_at(service, "search/min_ns", 100);
	assert_number_at(service, "search/mean_ns", 110);
	assert_number_at(service, "search/p50_ns", 100);
	assert_number_at(service, "search/p99_ns", 200);
	assert_number_at(service, "search/p999_ns", 200);
	assert_null_at(service, "search/p9999_ns"); /* 1 sample above */
	assert_null_at(service, "search/max_ns");   /* sampled */
	assert_number_at(service, "search/max_sampled_ns", 200);
	assert_number_at(service, "all/count", 10100);
	assert_number_at(service, "all/p999_ns", 400); /* 10 above: enough */
	assert_null_at(service, "insert/p99_ns");      /* 1 above */
	assert_number_at(service, "insert/p90_ns", 400);
	assert_null_at(service, "remove/min_ns");
	assert_null_at(service, "remove/mean_ns");
	assert_null_at(service, "remove/max_sampled_ns");
	assert_null_at(service, "remove/hdr");
	assert_int_equal(
		hdr_decode(json_string_value(fixture_at(service, "search.miss/hdr")), hist), 0);
	assert_int_equal(hist->count, 1000);
	json_decref(result);
	free(hist);
}

static void test_every_operation_timed_has_a_maximum(void **state)
{
	struct fixture fixture;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	fixture.points[POINT_PLAIN].params.latency = LATENCY_EVERY;
	fixture.points[POINT_CROWDED].params.latency = LATENCY_OFF;
	result = fixture_result(&fixture);
	assert_number_at(result, "points/0/trials/0/latency/service/search/max_ns", 200);
	/* Not timed at all: nothing to be measured, but waits are exact as ever. */
	assert_null_at(result, "points/1/trials/0/latency/service");
	assert_null_at(result, "points/1/summary/all/p50_ns/median");
	assert_int_equal(json_array_size(fixture_at(result, "points/1/summary/flags")),
			 host_cpus_allowed(NULL, 0) < 4 ? 1 : 0);
	assert_number_at(result, "points/1/trials/0/wait/max_ns", 2000000);
	json_decref(result);
}

static void test_summary_has_medians_with_intervals(void **state)
{
	struct fixture fixture;
	const json_t *summary;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	summary = fixture_at(fixture_point_of(result, POINT_CROWDED), "summary");
	assert_number_at(summary, "ops_per_s/median", 7e6);
	assert_number_at(summary, "ops_per_s/low", 2e6);
	assert_number_at(summary, "ops_per_s/high", 12e6);
	assert_number_at(summary, "ops_per_s/n", 6);
	assert_text_at(summary, "ops_per_s/method", "order statistics");
	assert_number_at(summary, "search/p50_ns/median", 100);
	assert_number_at(summary, "search/p99_ns/low", 200);
	assert_number_at(summary, "all/p999_ns/high", 400);
	assert_null_at(summary, "remove/p99_ns/median");
	assert_number_at(summary, "remove/p99_ns/n", 0);
	assert_null(fixture_at(summary, "update"));
	assert_number_at(summary, "worst_wait_ns", 2000000);
	assert_number_at(summary, "stalled", 0.004);
	assert_number_at(summary, "cpu_ns_per_op", 6 * 4 * 0.4e9 / 21e6);
	assert_number_at(summary, "hit_ratio", 0.75);
	assert_true(fabs(json_number_value(fixture_at(summary, "min_over_max")) - 0.5) < 1e-5);
	/* One worker: nothing to be fair between, and nobody waited. */
	assert_null_at(result, "points/0/summary/min_over_max");
	assert_null_at(result, "points/0/summary/worst_wait_ns");
	assert_number_at(result, "points/0/summary/stalled", 0);
	json_decref(result);
}

static void test_fewer_than_six_trials_have_no_interval(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	json_t *result;
	char *text;

	(void)state;
	fixture_init(&fixture);
	fixture.scenario.nr_points = 1;
	fixture.points[0].params.trials = 3;
	build = fixture_begin(&fixture);
	for (uint32_t k = 0; k < 3; k++)
		fixture_add(build, &fixture, 0, k);
	result = result_finish(build, false);
	assert_number_at(result, "points/0/summary/ops_per_s/median", 4e6);
	assert_null_at(result, "points/0/summary/ops_per_s/low");
	assert_null_at(result, "points/0/summary/ops_per_s/high");
	assert_number_at(result, "points/0/summary/ops_per_s/n", 3);
	assert_int_equal(result_exit_code(result), 0);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "4.00M (3)"));
	assert_non_null(strstr(text, "Fewer than 6 trials"));
	free(text);
	json_decref(result);
}

static bool has_flag(const json_t *result, size_t point, const char *flag)
{
	const json_t *flags = fixture_at(fixture_point_of(result, point), "summary/flags");

	for (size_t i = 0; i < json_array_size(flags); i++)
		if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0)
			return true;
	return false;
}

static void test_flags(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	struct trial trial;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	fixture.points[POINT_PLAIN].params.procs = 2;
	fixture.points[POINT_PLAIN].params.pin = PIN_CPUS; /* the same CPU twice */
	fixture.points[POINT_PLAIN].params.nr_pin_cpus = 2;
	fixture.points[POINT_CROWDED].params.procs = host_cpus_allowed(NULL, 0);
	fixture.points[POINT_CROWDED].params.pages = SHMHT_PAGES_2M;
	fixture.points[POINT_SPIN].params.procs = host_cpus_allowed(NULL, 0) + 1;
	build = fixture_begin(&fixture);
	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++) {
		for (size_t i = 0; i < POINT_SKIPPED; i++) {
			fixture_trial(&fixture.points[i].params, k, &trial);
			trial.pages_had = SHMHT_PAGES_4K;
			if (i == POINT_SPIN && k == 0)
				for (uint32_t w = 0; w < trial.nr_workers; w++)
					memset(trial.workers[w].service, 0,
					       sizeof(trial.workers[w].service));
			result_add_trial(build, i, &trial);
			trial_free(&trial);
		}
	}
	result = result_finish(build, false);
	assert_true(has_flag(result, POINT_PLAIN, "oversubscribed"));
	assert_false(has_flag(result, POINT_CROWDED, "oversubscribed"));
	assert_true(has_flag(result, POINT_SPIN, "oversubscribed"));
	assert_false(has_flag(result, POINT_PLAIN, "pages-fallback"));
	assert_true(has_flag(result, POINT_CROWDED, "pages-fallback"));
	assert_false(has_flag(result, POINT_PLAIN, "few-samples"));
	assert_true(has_flag(result, POINT_SPIN, "few-samples"));
	assert_int_equal(json_array_size(fixture_at(result, "points/3/summary/flags")), 0);
	json_decref(result);
}

static void test_bytes_that_are_not_utf8(void **state)
{
	static char name[] = "se\377ction\303", text[] = "# \200\n";
	struct fixture fixture;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	fixture.points[POINT_PLAIN].name = name;
	fixture.scenario.text = text;
	result = fixture_result(&fixture);
	assert_text_at(result, "points/0/name", "se?ction?");
	assert_text_at(result, "scenario/text", "# ?\n");
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document_has_every_key),
		cmocka_unit_test(test_trial_has_every_key),
		cmocka_unit_test(test_latency_figures),
		cmocka_unit_test(test_every_operation_timed_has_a_maximum),
		cmocka_unit_test(test_summary_has_medians_with_intervals),
		cmocka_unit_test(test_fewer_than_six_trials_have_no_interval),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_bytes_that_are_not_utf8),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
