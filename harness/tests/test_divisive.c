/* SPDX-License-Identifier: MIT */
/* Change points: where they are known, and how often they are found where there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "history/divisive.h"
#include "worker/rng.h"

#define ROOM (DIVISIVE_MAX / DIVISIVE_SEGMENT_MIN)

static double normal(struct rng *rng)
{
	return sqrt(-2 * log(1 - rng_unit(rng))) * cos(2 * M_PI * rng_unit(rng));
}

static size_t changes_of(const double *values, size_t n, double level, struct change_point *changes)
{
	size_t nr = 99;

	assert_int_equal(divisive_changes(values, n, level, 1, changes, &nr), 0);
	return nr;
}

static void test_steps_are_found_where_they_are(void **state)
{
	static const size_t at[] = { 25, 40, 48, 70 };
	static const double mean[] = { 0, 6, 0, -6, 0 };
	struct change_point changes[ROOM];
	double values[90];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7, 0);
	for (size_t i = 0, stretch = 0; i < 90; i++) {
		stretch += stretch < 4 && i == at[stretch];
		values[i] = mean[stretch] + normal(&rng);
	}
	assert_int_equal(changes_of(values, 90, 0.01, changes), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_in_range(changes[i].at, at[i] - 1, at[i] + 1);
		assert_true(changes[i].p <= 0.01);
	}
}

static void test_a_change_of_spread_alone_is_one(void **state)
{
	struct change_point changes[ROOM];
	double values[120];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i < 120; i++)
		values[i] = normal(&rng) * (i < 60 ? 1 : 8);
	assert_int_equal(changes_of(values, 120, 0.01, changes), 1);
	assert_in_range(changes[0].at, 55, 68);
}

/* Of the 20 ways to split three zeros from three ones two are as large: p is 0.1. */
static void test_chance_of_the_smallest_case(void **state)
{
	static const double values[] = { 0, 0, 0, 1, 1, 1 };
	struct change_point changes[ROOM];

	(void)state;
	assert_int_equal(changes_of(values, 6, 0.01, changes), 0);
	assert_int_equal(changes_of(values, 6, 0.2, changes), 1);
	assert_int_equal(changes[0].at, 3);
	assert_true(changes[0].p > 0.06 && changes[0].p < 0.14);
}

static void test_too_little_and_no_numbers(void **state)
{
	double values[DIVISIVE_MAX + 1] = { 1, 9, 1, 9, 1 };
	struct change_point changes[ROOM];
	size_t nr = 99;

	(void)state;
	assert_int_equal(changes_of(values, 0, 0.5, changes), 0);
	assert_int_equal(changes_of(values, 5, 0.5, changes), 0);
	for (size_t i = 0; i < DIVISIVE_MAX; i++)
		values[i] = 3;
	assert_int_equal(changes_of(values, DIVISIVE_MAX, 1, changes), 0);
	nr = 99;
	assert_int_equal(divisive_changes(values, DIVISIVE_MAX + 1, 0.5, 1, changes, &nr), -EINVAL);
	values[3] = NAN;
	assert_int_equal(divisive_changes(values, 10, 0.5, 1, changes, &nr), -EINVAL);
	values[3] = 3;
	assert_int_equal(divisive_changes(values, 10, NAN, 1, changes, &nr), -EINVAL);
	assert_int_equal(nr, 99);
}

static size_t series_with_a_change(double (*noise)(struct rng *rng), double shift, size_t n,
				   size_t runs, double level)
{
	struct change_point changes[ROOM];
	double values[DIVISIVE_MAX];
	size_t found = 0;
	struct rng rng;

	rng_seed(&rng, 9, n);
	for (size_t run = 0; run < runs; run++) {
		for (size_t i = 0; i < n; i++)
			values[i] = noise(&rng) + (i >= n / 2 ? shift : 0);
		found += changes_of(values, n, level, changes) > 0;
	}
	return found;
}

/* Throughput on a shared machine: a mode, and now and then much less. */
static double skewed(struct rng *rng)
{
	return -exp(normal(rng)) - (rng_unit(rng) < 0.1 ? 20 : 0);
}

/* A rule exactly at 5 % exceeds these bounds once in a thousand. */
static void test_false_alarms_are_as_many_as_stated(void **state)
{
	(void)state;
	assert_in_range(series_with_a_change(normal, 0, 24, 400, 0.05), 7, 35);
	assert_in_range(series_with_a_change(skewed, 0, 24, 400, 0.05), 7, 35);
	assert_in_range(series_with_a_change(skewed, 0, 40, 400, 0.01), 0, 11);
}

static void test_a_shift_of_two_deviations_is_seldom_missed(void **state)
{
	(void)state;
	assert_true(series_with_a_change(normal, 2, 30, 50, 0.01) >= 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_found_where_they_are),
		cmocka_unit_test(test_a_change_of_spread_alone_is_one),
		cmocka_unit_test(test_chance_of_the_smallest_case),
		cmocka_unit_test(test_too_little_and_no_numbers),
		cmocka_unit_test(test_false_alarms_are_as_many_as_stated),
		cmocka_unit_test(test_a_shift_of_two_deviations_is_seldom_missed),
	};

	return cmocka_run_group_tests_name("divisive", tests, NULL, NULL);
}
