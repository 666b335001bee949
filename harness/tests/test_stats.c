/* SPDX-License-Identifier: MIT */
/*
 * Intervals against values computed elsewhere (SciPy 1.10: binom, and the
 * exact law behind mannwhitneyu; the critical values k - 1 of the classical
 * tables agree), coverage by drawing, and values that are no numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/stats.h"
#include "worker/rng.h"

static int near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

static void test_median_of_six(void **state)
{
	static const double values[] = { 30, 10, 60, 20, 50, 40 };
	double kept[6];
	struct interval got;

	(void)state;
	memcpy(kept, values, sizeof(kept));
	stats_median_interval(values, 6, &got);
	assert_true(got.median == 35);
	assert_true(got.low == 10);
	assert_true(got.high == 60);
	assert_int_equal(got.n, 6);
	assert_true(got.coverage == 0.96875);
	assert_string_equal(got.method, "order statistics");
	assert_memory_equal(values, kept, sizeof(kept));
}

static void test_median_below_six(void **state)
{
	static const double values[] = { 3, 1, 2, 5, 4 };
	struct interval got;

	(void)state;
	for (size_t n = 1; n <= 5; n++) {
		static const double medians[] = { 3, 2, 2, 2.5, 3 };

		stats_median_interval(values, n, &got);
		assert_true(got.median == medians[n - 1]);
		assert_true(isnan(got.low) && isnan(got.high) && isnan(got.coverage));
		assert_int_equal(got.n, n);
		assert_string_equal(got.method, "none (n < 6)");
	}
	stats_median_interval(NULL, 0, &got);
	assert_true(isnan(got.median) && isnan(got.low) && isnan(got.high));
	assert_int_equal(got.n, 0);
}

static void test_median_known_ranks(void **state)
{
	static const struct {
		size_t n, k;
		double coverage;
	} known[] = {
		{ 7, 1, 0.984375 },
		{ 8, 1, 0.9921875 },
		{ 9, 2, 0.9609375 },
		{ 10, 2, 0.978515625 },
		{ 12, 3, 0.96142578125 },
		{ 15, 4, 0.96484375 },
		{ 20, 6, 0.9586105346679688 },
		{ 25, 8, 0.9567147493362427 },
		{ 50, 18, 0.9671608624357315 },
		{ 100, 40, 0.9647997997822951 },
		{ 1000, 469, 0.9537088026395019 },
		{ 5000, 2431, 0.9506841418958285 },
		{ 100000, 49690, 0.9504442853304751 },
	};
	double *values = malloc(100000 * sizeof(*values));

	(void)state;
	assert_non_null(values);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = known[i].n, k = known[i].k;
		struct interval got;

		for (size_t j = 0; j < n; j++)
			values[j] = (double)(n - j); /* descending: sorted by us */
		stats_median_interval(values, n, &got);
		assert_true(got.low == (double)k);
		assert_true(got.high == (double)(n + 1 - k));
		assert_true(got.median == (double)(n + 1) / 2);
		assert_true(near(got.coverage, known[i].coverage, 1e-9));
	}
	free(values);
}

/* The claim itself: intervals of 7 draws hold the true median 98.4 % of the time. */
static void test_median_coverage_by_drawing(void **state)
{
	unsigned int held = 0, rounds = 20000;
	struct interval got;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3, 0);
	for (unsigned int i = 0; i < rounds; i++) {
		double values[7];

		for (int j = 0; j < 7; j++)
			values[j] = -log(1 - rng_unit(&rng)); /* median ln 2 */
		stats_median_interval(values, 7, &got);
		held += got.low <= M_LN2 && M_LN2 <= got.high;
	}
	assert_true(near(held / (double)rounds, 0.984375, 0.004)); /* 4.5 sd */
}

static void test_median_refuses_what_is_not_finite(void **state)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY };
	struct interval got;

	(void)state;
	for (int i = 0; i < 3; i++) {
		double values[] = { 1, 2, 3, odd[i], 5, 6, 7 };

		stats_median_interval(values, 7, &got);
		assert_true(isnan(got.median) && isnan(got.low) && isnan(got.high));
		assert_true(isnan(got.coverage));
		assert_int_equal(got.n, 7);
		assert_string_equal(got.method, "none (a value is not finite)");
	}
	{
		double huge[] = { DBL_MAX, DBL_MAX };

		stats_median_interval(huge, 2, &got);
		assert_true(got.median == DBL_MAX);
	}
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void check_ratio(size_t na, size_t nb, size_t k, double coverage)
{
	double a[200], b[200], diffs[2000];
	size_t pairs = na * nb;
	struct interval got;
	struct rng rng;

	assert_true(na <= 200 && nb <= 200 && pairs <= 2000);
	rng_seed(&rng, na, nb);
	for (size_t i = 0; i < na; i++)
		a[i] = 100 + 10 * rng_unit(&rng);
	for (size_t i = 0; i < nb; i++)
		b[i] = 90 + 10 * rng_unit(&rng);
	for (size_t i = 0; i < pairs; i++)
		diffs[i] = log(b[i % nb]) - log(a[i / nb]);
	qsort(diffs, pairs, sizeof(*diffs), compare);
	stats_ratio_interval(a, na, b, nb, &got);
	assert_int_equal(got.n, na + nb);
	assert_true(near(log(got.median), (diffs[(pairs - 1) / 2] + diffs[pairs / 2]) / 2, 1e-12));
	if (k == 0) {
		assert_true(isnan(got.low) && isnan(got.high) && isnan(got.coverage));
		assert_string_equal(got.method, "none (too few values)");
		return;
	}
	assert_true(near(log(got.low), diffs[k - 1], 1e-12));
	assert_true(near(log(got.high), diffs[pairs - k], 1e-12));
	assert_true(near(got.coverage, coverage, 1e-12));
	assert_string_equal(got.method, "Hodges-Lehmann, exact Mann-Whitney");
}

static void test_ratio_known_ranks(void **state)
{
	(void)state;
	check_ratio(3, 3, 0, 0);
	check_ratio(3, 4, 0, 0);
	check_ratio(2, 7, 0, 0);
	check_ratio(3, 5, 1, 0.9642857142857143);
	check_ratio(2, 8, 1, 0.9555555555555556);
	check_ratio(4, 4, 1, 0.9714285714285714);
	check_ratio(5, 5, 3, 0.9682539682539683);
	check_ratio(6, 6, 6, 0.9588744588744589);
	check_ratio(7, 7, 9, 0.9621212121212122);
	check_ratio(8, 8, 14, 0.9501165501165502);
	check_ratio(10, 10, 24, 0.9567429474550218);
	check_ratio(6, 12, 15, 0.9585218702865762);
	check_ratio(12, 6, 15, 0.9585218702865762);
	check_ratio(20, 20, 128, 0.9509096748106276);
	check_ratio(30, 30, 318, 0.9503800000353438);
	check_ratio(40, 50, 759, 0.9504545612979295);
	check_ratio(1, 39, 1, 0.95); /* 1/40 a side: exactly the level */
	check_ratio(1, 200, 5, 0.9502487562189055);
}

static void test_ratio_by_hand(void **state)
{
	static const double a[] = { 101.2, 99.7, 103.4, 98.1, 100.9, 102.6 };
	static const double b[] = { 91.3, 96.2, 88.7, 104.9, 93.5, 90.1, 97.8 };
	struct interval there, back;

	(void)state;
	stats_ratio_interval(a, 6, b, 7, &there);
	assert_true(near(there.median, 0.9285119317246713, 1e-12));
	assert_true(near(there.low, 0.8829787234042556, 1e-12));
	assert_true(near(there.high, 0.9969418960244648, 1e-12));
	assert_true(near(there.coverage, 0.965034965034965, 1e-12));
	assert_int_equal(there.n, 13);

	/* a/b is the inverse of b/a, bounds exchanged. */
	stats_ratio_interval(b, 7, a, 6, &back);
	assert_true(near(back.median * there.median, 1, 1e-12));
	assert_true(near(back.low * there.high, 1, 1e-12));
	assert_true(near(back.high * there.low, 1, 1e-12));
}

static void test_ratio_refuses_what_has_no_log(void **state)
{
	static const double odd[] = { NAN, INFINITY, 0, -1 };
	static const double good[] = { 1, 2, 3, 4, 5, 6 };
	struct interval got;

	(void)state;
	for (int i = 0; i < 4; i++) {
		double bad[] = { 1, 2, odd[i], 4, 5, 6 };

		stats_ratio_interval(bad, 6, good, 6, &got);
		assert_true(isnan(got.median) && isnan(got.low) && isnan(got.high));
		assert_int_equal(got.n, 12);
		stats_ratio_interval(good, 6, bad, 6, &got);
		assert_true(isnan(got.median) && isnan(got.low) && isnan(got.high));
		assert_string_equal(got.method, "none (a value is not positive and finite)");
	}
	stats_ratio_interval(good, 0, good, 6, &got);
	assert_true(isnan(got.median));
}

/* Many trials: the exact table gives way to its approximation, and absurd
 * numbers are refused instead of eating the memory. */
static void test_ratio_of_many(void **state)
{
	double *values = malloc(5000 * sizeof(*values));
	struct interval got;

	(void)state;
	assert_non_null(values);
	for (int i = 0; i < 5000; i++)
		values[i] = exp(i * 1e-3);
	stats_ratio_interval(values, 101, values, 101, &got);
	assert_true(near(got.median, 1, 1e-12));
	/* The exact rank is 4287 (SciPy), the approximation's 4286; ranks 4279 to
	 * 4371 all hold a difference of -8 steps. */
	assert_true(near(log(got.low), -8e-3, 1e-9));
	assert_true(near(log(got.high), 8e-3, 1e-9));
	assert_true(got.coverage >= 0.949 && got.coverage < 0.952);
	assert_string_equal(got.method, "Hodges-Lehmann, Mann-Whitney by normal approximation");
	stats_ratio_interval(values, 5000, values, 5000, &got);
	assert_true(isnan(got.median));
	assert_string_equal(got.method, "none (too many values)");
	free(values);
}

static void test_jain(void **state)
{
	static const double equal[] = { 7, 7, 7, 7 }, one[] = { 0, 0, 9, 0 }, none[] = { 0, 0 };
	static const double huge[] = { 1e300, 1e300, 0 }, mixed[] = { 1, 2, 3 };
	static const double bad[] = { 1, NAN }, negative[] = { 1, -1 };

	(void)state;
	assert_true(stats_jain(equal, 4) == 1);
	assert_true(stats_jain(one, 4) == 0.25);
	assert_true(stats_jain(none, 2) == 1);
	assert_true(near(stats_jain(huge, 3), 2.0 / 3, 1e-12));
	assert_true(near(stats_jain(mixed, 3), 36.0 / 42, 1e-12));
	assert_true(isnan(stats_jain(bad, 2)));
	assert_true(isnan(stats_jain(negative, 2)));
	assert_true(isnan(stats_jain(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median_of_six),
		cmocka_unit_test(test_median_below_six),
		cmocka_unit_test(test_median_known_ranks),
		cmocka_unit_test(test_median_coverage_by_drawing),
		cmocka_unit_test(test_median_refuses_what_is_not_finite),
		cmocka_unit_test(test_ratio_known_ranks),
		cmocka_unit_test(test_ratio_by_hand),
		cmocka_unit_test(test_ratio_refuses_what_has_no_log),
		cmocka_unit_test(test_ratio_of_many),
		cmocka_unit_test(test_jain),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
