/* SPDX-License-Identifier: MIT */
/*
 * `compare`: what differs comes first, ratios are B over A, and points of one
 * file only are listed.
 */
#include "result_fixture.h"

static json_t *result_scaled(struct fixture *fixture, uint64_t factor)
{
	struct result_build *build = fixture_begin(fixture);
	struct trial trial;

	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++) {
		for (size_t i = 0; i < POINT_SKIPPED; i++) {
			fixture_trial(&fixture->points[i].params, 0, &trial);
			/* A little apart, so that intervals have a width. */
			trial.ops = (10000000 + k * 1000) * factor;
			result_add_trial(build, i, &trial);
			trial_free(&trial);
		}
	}
	return result_finish(build, false);
}

static void assert_order(const char *text, const char *first, const char *second)
{
	const char *a = strstr(text, first), *b = strstr(text, second);

	if (!a || !b || a >= b)
		fail_msg("'%s' does not come before '%s' in:\n%s", first, second, text);
}

static void test_same_runs(void **state)
{
	struct fixture fixture;
	json_t *a;
	char *text;

	(void)state;
	fixture_init(&fixture);
	a = result_scaled(&fixture, 1);
	text = fixture_compared(a, a);
	assert_non_null(strstr(text, "host: same fingerprint\n"));
	assert_non_null(strstr(text, "layout: same\n"));
	assert_non_null(strstr(text, "params: same in 4 common points\n"));
	assert_null(strstr(text, "DIFFERENT"));
	assert_null(strstr(text, "only in"));
	assert_null(strstr(text, "->"));
	free(text);
	json_decref(a);
}

static void test_ratio_is_b_over_a(void **state)
{
	struct fixture fixture;
	json_t *a, *b;
	char *text;
	double ratio, low, high;

	(void)state;
	fixture_init(&fixture);
	a = result_scaled(&fixture, 1);
	b = result_scaled(&fixture, 2);
	text = fixture_compared(a, b);
	assert_non_null(strstr(text, "locks/lock=spin/procs=4"));
	assert_int_equal(sscanf(strstr(text, "locks/lock=spin/procs=4"),
				"locks/lock=spin/procs=4 %lf [%lf, %lf]", &ratio, &low, &high),
			 3);
	assert_true(fabs(ratio - 2) < 0.002);
	assert_true(low > 1.99 && low <= ratio && ratio <= high && high < 2.01);
	/* The skipped point has nothing to divide. */
	assert_non_null(strstr(text, "not measured in either"));
	free(text);
	json_decref(a);
	json_decref(b);
}

static void test_differences_first(void **state)
{
	struct fixture fixture;
	json_t *a, *b, *host, *tool;
	char *text;

	(void)state;
	fixture_init(&fixture);
	a = result_scaled(&fixture, 1);
	for (size_t i = 0; i < FIXTURE_POINTS; i++)
		fixture.points[i].params.duration_ns = 1000000000;
	b = result_scaled(&fixture, 1);
	host = json_object_get(b, "host");
	tool = json_object_get(b, "tool");
	json_object_set_new(host, "fingerprint", json_string("0123456789abcdef"));
	json_object_set_new(host, "cpus", json_integer(96));
	json_object_set_new(tool, "layout_hash", json_string("fedcba9876543210"));
	text = fixture_compared(a, b);
	assert_non_null(strstr(text, "host: DIFFERENT"));
	assert_non_null(strstr(text, "-> 96\n"));
	assert_non_null(strstr(text, "layout: DIFFERENT"));
	assert_non_null(strstr(text, "-> fedcba9876543210\n"));
	assert_non_null(strstr(text, "params: DIFFERENT in 4 common points\n"));
	assert_non_null(strstr(text, "duration: 500ms -> 1s (4 points)\n"));
	assert_order(text, "host: DIFFERENT", "params: DIFFERENT");
	assert_order(text, "layout: DIFFERENT", "params: DIFFERENT");
	assert_order(text, "params: DIFFERENT", "ops/s B/A");
	free(text);
	json_decref(a);
	json_decref(b);
}

static void test_points_of_one_file(void **state)
{
	static char renamed[] = "locks/lock=mutex/procs=4";
	struct fixture fixture;
	json_t *a, *b;
	char *text;

	(void)state;
	fixture_init(&fixture);
	a = result_scaled(&fixture, 1);
	fixture.points[POINT_SPIN].name = renamed;
	b = result_scaled(&fixture, 1);
	text = fixture_compared(a, b);
	assert_non_null(strstr(text, "only in A: locks/lock=spin/procs=4\n"));
	assert_non_null(strstr(text, "only in B: locks/lock=mutex/procs=4\n"));
	assert_non_null(strstr(text, "same in 3 common points\n"));
	free(text);
	json_decref(a);
	json_decref(b);
}

static void test_few_trials_have_no_interval(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	json_t *a;
	char *text;

	(void)state;
	fixture_init(&fixture);
	fixture.scenario.nr_points = 1;
	build = fixture_begin(&fixture);
	fixture_add(build, &fixture, 0, 0);
	a = result_finish(build, true);
	text = fixture_compared(a, a);
	assert_non_null(strstr(text, "1.000  no interval (n 1, 1)"));
	free(text);
	json_decref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_runs),
		cmocka_unit_test(test_ratio_is_b_over_a),
		cmocka_unit_test(test_differences_first),
		cmocka_unit_test(test_points_of_one_file),
		cmocka_unit_test(test_few_trials_have_no_interval),
	};

	return cmocka_run_group_tests_name("result_compare", tests, NULL, NULL);
}
