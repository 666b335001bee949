/* SPDX-License-Identifier: MIT */
/*
 * What became of a point and of the run: skipped, failed, not measured,
 * interrupted; expectations; and the exit code that all of it stands for.
 */
#include "result_fixture.h"

static void test_skipped_is_not_measured(void **state)
{
	struct fixture fixture;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	assert_text_at(result, "points/3/status", "skipped");
	assert_text_at(result, "points/3/reason", "none refuses a second worker");
	assert_null_at(result, "points/3/summary/ops_per_s/median");
	assert_text_at(result, "status", "complete");
	assert_int_equal(result_exit_code(result), 3);
	json_decref(result);
}

/* One trial of POINT_CROWDED ends otherwise; the skipped point is left out. */
static json_t *result_with_bad_trial(struct fixture *fixture, enum trial_status status,
				     const char *reason, bool with_workers)
{
	struct result_build *build;
	struct trial trial;

	fixture->scenario.nr_points = POINT_SKIPPED;
	build = fixture_begin(fixture);
	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++) {
		for (size_t i = 0; i < POINT_SKIPPED; i++) {
			fixture_trial(&fixture->points[i].params, k, &trial);
			if (i == POINT_CROWDED && k == 2) {
				trial.status = status;
				snprintf(trial.reason, sizeof(trial.reason), "%s", reason);
				if (!with_workers)
					trial_free(&trial);
			}
			result_add_trial(build, i, &trial);
			trial_free(&trial);
		}
	}
	return result_finish(build, false);
}

static void test_failed_verification(void **state)
{
	struct fixture fixture;
	json_t *result;
	char *text;

	(void)state;
	fixture_init(&fixture);
	result = result_with_bad_trial(&fixture, TRIAL_FAILED, "key 17: torn value", true);
	assert_text_at(result, "status", "failed");
	assert_text_at(result, "points/1/status", "failed");
	assert_text_at(result, "points/1/reason", "trial 3 of 6: key 17: torn value");
	assert_text_at(result, "points/1/trials/2/status", "failed");
	assert_number_at(result, "points/1/summary/ops_per_s/n", 5);
	assert_text_at(result, "points/2/status", "ok");
	assert_int_equal(result_exit_code(result), 1);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "lock=futex/procs=4  FAILED: trial 3 of 6: key 17: torn"));
	free(text);
	json_decref(result);
}

static void test_dead_worker(void **state)
{
	struct fixture fixture;
	json_t *result;
	char *text;

	(void)state;
	fixture_init(&fixture);
	result = result_with_bad_trial(&fixture, TRIAL_NOT_MEASURED,
				       "worker 2 (pid 102) was killed by signal 9", false);
	assert_text_at(result, "status", "complete");
	assert_text_at(result, "points/1/status", "not_measured");
	assert_text_at(result, "points/1/trials/2/status", "not_measured");
	assert_null_at(result, "points/1/trials/2/ops_per_s");
	assert_null_at(result, "points/1/trials/2/latency");
	assert_null_at(result, "points/1/trials/2/wait");
	assert_null_at(result, "points/1/trials/2/stalled");
	assert_int_equal(result_exit_code(result), 3);
	text = fixture_shown(result);
	/* What the other trials measured is shown, and that it is not all. */
	assert_non_null(strstr(text, "(5)"));
	assert_non_null(strstr(text, "not measured: trial 3 of 6: worker 2 (pid 102) was killed"));
	free(text);
	json_decref(result);
}

static void test_interrupted_run(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	json_t *result;
	char *text;

	(void)state;
	fixture_init(&fixture);
	build = fixture_begin(&fixture);
	fixture_add(build, &fixture, POINT_PLAIN, 0);
	fixture_add(build, &fixture, POINT_PLAIN, 1);
	result = result_finish(build, true);
	assert_text_at(result, "status", "partial");
	assert_text_at(result, "points/0/status", "ok");
	assert_text_at(result, "points/0/reason", "interrupted after 2 of 6 trials");
	assert_number_at(result, "points/0/summary/ops_per_s/median", 3e6);
	assert_text_at(result, "points/1/status", "not_measured");
	assert_text_at(result, "points/1/reason", "interrupted before its first trial");
	assert_int_equal(result_exit_code(result), 3);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "PARTIAL"));
	assert_non_null(strstr(text, "interrupted after 2 of 6 trials"));
	free(text);
	json_decref(result);
}

static void expect_at(struct fixture *fixture, const char *metric, bool at_least, double bound)
{
	struct params *params = &fixture->points[POINT_PLAIN].params;
	struct expectation *expect = &params->expect[params->nr_expect++];

	snprintf(expect->metric, sizeof(expect->metric), "%s", metric);
	expect->at_least = at_least;
	expect->bound = bound;
	snprintf(expect->text, sizeof(expect->text), "%s%s%g", metric,
		 at_least ? ">=" : "<=", bound);
}

static json_t *plain_result(struct fixture *fixture)
{
	fixture->scenario.nr_points = 1;
	return fixture_result(fixture);
}

static void test_expectations_met(void **state)
{
	struct fixture fixture;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	expect_at(&fixture, "ops_per_s", true, 7e6);
	expect_at(&fixture, "search.p99", false, 200);
	expect_at(&fixture, "service.search.hit.mean", false, 100);
	expect_at(&fixture, "stalled", false, 0);
	result = plain_result(&fixture);
	assert_number_at(result, "points/0/expect/0/value", 7e6);
	assert_number_at(result, "points/0/expect/2/value", 100);
	for (size_t i = 0; i < 4; i++)
		assert_true(json_is_true(json_object_get(
			json_array_get(fixture_at(result, "points/0/expect"), i), "met")));
	assert_int_equal(result_exit_code(result), 0);
	json_decref(result);
}

static void test_expectation_not_met(void **state)
{
	struct fixture fixture;
	json_t *result;
	char *text;

	(void)state;
	fixture_init(&fixture);
	expect_at(&fixture, "ops_per_s", true, 7000001);
	expect_at(&fixture, "search.max", false, 1e9); /* cannot be measured: 1 comes first */
	result = plain_result(&fixture);
	assert_true(json_is_false(fixture_at(result, "points/0/expect/0/met")));
	assert_int_equal(result_exit_code(result), 1);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "NOT MET (7.00M)"));
	free(text);
	json_decref(result);
}

static void test_expectation_not_measured(void **state)
{
	static const char *const metrics[] = { "search.max", "insert.p99", "response.search.p50",
					       "update.p50" };

	(void)state;
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		struct fixture fixture;
		json_t *result;

		fixture_init(&fixture);
		expect_at(&fixture, metrics[i], false, 1e12);
		result = plain_result(&fixture);
		assert_null_at(result, "points/0/expect/0/value");
		assert_true(json_is_false(fixture_at(result, "points/0/expect/0/met")));
		assert_true(json_is_string(fixture_at(result, "points/0/expect/0/reason")));
		assert_int_equal(result_exit_code(result), 3);
		json_decref(result);
	}
}

/* Five trials that have enough samples do not speak for the sixth. */
static void test_expectation_not_measured_in_one_trial(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	struct trial trial;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	fixture.scenario.nr_points = 1;
	expect_at(&fixture, "search.p99", false, 1e9);
	build = fixture_begin(&fixture);
	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++) {
		fixture_trial(&fixture.points[0].params, k, &trial);
		if (k == 4)
			memset(trial.workers[0].service, 0, sizeof(trial.workers[0].service));
		result_add_trial(build, 0, &trial);
		trial_free(&trial);
	}
	result = result_finish(build, false);
	assert_null_at(result, "points/0/expect/0/value");
	assert_int_equal(result_exit_code(result), 3);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_skipped_is_not_measured),
		cmocka_unit_test(test_failed_verification),
		cmocka_unit_test(test_dead_worker),
		cmocka_unit_test(test_interrupted_run),
		cmocka_unit_test(test_expectations_met),
		cmocka_unit_test(test_expectation_not_met),
		cmocka_unit_test(test_expectation_not_measured),
		cmocka_unit_test(test_expectation_not_measured_in_one_trial),
	};

	return cmocka_run_group_tests_name("result_status", tests, NULL, NULL);
}
