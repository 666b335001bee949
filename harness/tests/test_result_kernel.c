/* SPDX-License-Identifier: MIT */
/* The trial in which system calls are counted: where its figure goes, and that nothing
 * else of it goes anywhere. */
#include "result_fixture.h"

#define WHY "counted in a trial of its own: kernel_trials"

/* calls of so many operations of each worker, half of them to futex; the harness made 2. */
static void kernel_trial(const struct params *params, uint64_t calls, uint64_t ops,
			 struct trial *ret)
{
	fixture_trial(params, 0, ret);
	ret->ops = ops * params->procs;
	ret->errors = 0;
	for (uint32_t w = 0; w < params->procs; w++) {
		struct worker_result *worker = &ret->workers[w];

		worker->ops = ops;
		worker->harness_calls = 2;
		worker->kernel.known[KERNEL_SYSCALLS] = true;
		worker->kernel.known[KERNEL_FUTEX] = true;
		worker->kernel.count[KERNEL_SYSCALLS] = calls + 2;
		worker->kernel.count[KERNEL_FUTEX] = calls / 2;
	}
}

static json_t *result_of(struct fixture *fixture, enum trial_status status, const char *reason)
{
	struct result_build *build;
	struct trial trial;

	fixture_init(fixture);
	fixture->scenario.nr_points = POINT_SKIPPED;
	build = fixture_begin(fixture);
	result_set_calls_reason(build, WHY);
	for (uint32_t k = 0; k < FIXTURE_TRIALS; k++)
		for (size_t i = 0; i < POINT_SKIPPED; i++)
			fixture_add(build, fixture, i, k);
	kernel_trial(&fixture->points[POINT_CROWDED].params, 500, 1000, &trial);
	trial.status = status;
	snprintf(trial.reason, sizeof(trial.reason), "%s", reason);
	result_add_kernel_trial(build, POINT_CROWDED, &trial);
	trial_free(&trial);
	return result_finish(build, false);
}

static void test_counted_apart(void **state)
{
	struct fixture fixture;
	json_t *result = result_of(&fixture, TRIAL_OK, "");
	const json_t *point = fixture_point_of(result, POINT_CROWDED), *counted;
	char *text;

	(void)state;
	assert_text_at(point, "status", "ok");
	assert_number_at(point, "summary/kernel_per_op", 0.5);
	assert_number_at(point, "summary/ops_per_s/n", FIXTURE_TRIALS);
	assert_int_equal(json_array_size(fixture_at(point, "trials")), FIXTURE_TRIALS);
	assert_null_at(point, "trials/0/kernel/syscalls_per_op");
	assert_null_at(point, "trials/0/kernel/futex_per_op");
	assert_text_at(point, "trials/0/kernel/reason", WHY);
	assert_number_at(point, "trials/0/kernel/page_faults_per_op", 0);
	counted = fixture_at(point, "kernel_trials/0");
	assert_number_at(counted, "kernel/syscalls_per_op", 0.5);
	assert_number_at(counted, "kernel/futex_per_op", 0.25);
	assert_number_at(counted, "kernel/harness_calls", 2 * 4);
	assert_null_at(counted, "kernel/reason");
	assert_number_at(counted, "workers/3/ops", 1000);
	/* Whoever looks for a time in there finds none. */
	assert_null(fixture_at(counted, "ops_per_s"));
	assert_null(fixture_at(counted, "latency"));
	assert_null(fixture_at(counted, "wait"));
	/* Where nothing was counted, nothing is said. */
	point = fixture_point_of(result, POINT_SPIN);
	assert_null_at(point, "summary/kernel_per_op");
	assert_int_equal(json_array_size(fixture_at(point, "kernel_trials")), 0);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "kernel"));
	assert_null(strstr(text, "not counted"));
	free(text);
	assert_int_equal(result_exit_code(result), 0);
	json_decref(result);
}

/* An error in the table is one, whatever the trial was for. */
static void test_failed_is_failed(void **state)
{
	struct fixture fixture;
	json_t *result = result_of(&fixture, TRIAL_FAILED, "key 17: torn value");

	(void)state;
	assert_text_at(result, "points/1/status", "failed");
	assert_text_at(result, "points/1/reason",
		       "the trial in which system calls are counted: key 17: torn value");
	assert_null_at(result, "points/1/summary/kernel_per_op");
	assert_number_at(result, "points/1/summary/ops_per_s/n", FIXTURE_TRIALS);
	assert_int_equal(result_exit_code(result), 1);
	json_decref(result);
}

/* The timed trials stand; the figure is missing, and it is said why. */
static void test_not_measured_is_not_counted(void **state)
{
	struct fixture fixture;
	json_t *result = result_of(&fixture, TRIAL_NOT_MEASURED, "worker 3 (pid 7) died");
	char *text;

	(void)state;
	assert_text_at(result, "points/1/status", "ok");
	assert_null_at(result, "points/1/summary/kernel_per_op");
	assert_int_equal(result_exit_code(result), 0);
	text = fixture_shown(result);
	assert_non_null(strstr(text, "kernel/op of locks/lock=futex/procs=4: not counted: worker 3 "
				     "(pid 7) died"));
	free(text);
	json_decref(result);
}

/* Written by a build that counted in every trial. */
static void test_older_result(void **state)
{
	struct fixture fixture;
	struct result_build *build;
	struct trial trial;
	json_t *result;

	(void)state;
	fixture_init(&fixture);
	build = fixture_begin(&fixture);
	kernel_trial(&fixture.points[POINT_CROWDED].params, 3000, 1000, &trial);
	result_add_trial(build, POINT_CROWDED, &trial);
	trial_free(&trial);
	result = result_finish(build, false);
	assert_number_at(result, "points/1/summary/kernel_per_op", 3);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counted_apart),
		cmocka_unit_test(test_failed_is_failed),
		cmocka_unit_test(test_not_measured_is_not_counted),
		cmocka_unit_test(test_older_result),
	};

	return cmocka_run_group_tests_name("result_kernel", tests, NULL, NULL);
}
