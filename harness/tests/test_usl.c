/* SPDX-License-Identifier: MIT */
/* The scalability law on data whose coefficients are known, and on data that follow none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "plan/usl.h"
#include "worker/rng.h"

static const double levels[] = { 1, 2, 4, 8, 12, 16 };
#define LEVELS (sizeof(levels) / sizeof(levels[0]))
#define TRIALS 6

static double normal(struct rng *rng)
{
	return sqrt(-2 * log(1 - rng_unit(rng))) * cos(2 * M_PI * rng_unit(rng));
}

static size_t make(const struct usl *usl, double noise, struct rng *rng, size_t nr_levels,
		   struct usl_data *data)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_levels; i++)
		for (int k = 0; k < TRIALS; k++)
			data[nr++] = (struct usl_data){
				levels[i], usl_at(usl, levels[i]) * exp(noise * normal(rng))
			};
	return nr;
}

static void test_without_noise_the_coefficients_come_back(void **state)
{
	static const struct usl cases[] = {
		{ 1e6, 0.02, 0.0005 }, { 3e7, 0.3, 0.01 }, { 1e5, 0, 0 }, { 5e6, 1, 0 }
	};
	struct usl_data data[LEVELS * TRIALS];
	struct usl_fit fit;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1, 0);
	for (size_t i = 0; i < 4; i++) {
		size_t nr = make(&cases[i], 0, &rng, LEVELS, data);

		assert_int_equal(usl_fit(data, nr, 1, &fit), 0);
		assert_true(fabs(fit.usl.lambda / cases[i].lambda - 1) < 1e-7);
		assert_true(fabs(fit.usl.alpha - cases[i].alpha) < 1e-7);
		assert_true(fabs(fit.usl.beta - cases[i].beta) < 1e-7);
		assert_int_equal(fit.verdict, USL_FITS);
		assert_true(fit.hold_out < 1e-6);
	}
}

/* 5 % noise on trials: what was not shown is predicted within 5 % on average, and the intervals
 * have the truth in them about as often as they say. */
static void test_with_noise(void **state)
{
	struct usl_data data[LEVELS * TRIALS];
	double hold_out = 0;
	int covered = 0, fits = 0, runs = 100;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 2, 0);
	for (int run = 0; run < runs; run++) {
		struct usl truth = { 1e6, 0.05 + 0.3 * rng_unit(&rng), 0.01 * rng_unit(&rng) };
		size_t nr = make(&truth, 0.05, &rng, LEVELS, data);
		struct usl_fit fit;

		assert_int_equal(usl_fit(data, nr, 1, &fit), 0);
		hold_out += fit.hold_out / runs;
		covered += fit.low.alpha <= truth.alpha && truth.alpha <= fit.high.alpha;
		fits += fit.verdict == USL_FITS;
	}
	/* A beta close to 0 is, with noise, taken for one below it now and then. */
	assert_in_range(fits, 95, 100);
	assert_true(hold_out <= 0.05);
	assert_in_range(covered, 83, 100);
}

static void test_the_peak(void **state)
{
	struct usl truth = { 1e6, 0.1, 0.009 };
	struct usl_data data[LEVELS * TRIALS];
	struct usl_fit fit;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3, 0);
	assert_int_equal(usl_fit(data, make(&truth, 0, &rng, LEVELS, data), 1, &fit), 0);
	assert_true(fabs(fit.peak - 10) < 1e-4);
	truth.beta = 0;
	assert_int_equal(usl_fit(data, make(&truth, 0, &rng, LEVELS, data), 1, &fit), 0);
	assert_true(fit.peak > 1000);
}

static void test_too_few_levels_are_not_fitted(void **state)
{
	struct usl truth = { 1e6, 0.1, 0.01 }, usl;
	struct usl_data data[LEVELS * TRIALS];
	struct usl_fit fit;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4, 0);
	for (size_t few = 0; few < USL_LEVELS_MIN; few++) {
		size_t nr = make(&truth, 0, &rng, few, data);

		assert_int_equal(usl_fit(data, nr, 1, &fit), 0);
		assert_int_equal(fit.verdict, USL_TOO_FEW);
		assert_int_equal(fit.levels, few);
	}
	assert_int_equal(usl_solve(data, 2 * TRIALS, &usl), -EINVAL);
	data[3].x = 0;
	assert_int_equal(usl_solve(data, 3 * TRIALS, &usl), -EINVAL);
	data[3].x = NAN;
	assert_int_equal(usl_solve(data, 3 * TRIALS, &usl), -EINVAL);
}

static void test_what_follows_another_law_is_refused(void **state)
{
	/* Collapse at once and then level: workers that wait for CPUs. */
	static const double cliff[] = { 10, 19, 1, 1, 1, 1 };
	static const double more_than_all[] = { 1, 4, 16, 64, 144, 256 };
	struct usl_data data[LEVELS];
	struct usl_fit fit;

	(void)state;
	for (size_t i = 0; i < LEVELS; i++)
		data[i] = (struct usl_data){ levels[i], cliff[i] };
	assert_int_equal(usl_fit(data, LEVELS, 1, &fit), 0);
	assert_int_not_equal(fit.verdict, USL_FITS);
	/* Each worker makes all others faster: alpha below zero. */
	for (size_t i = 0; i < LEVELS; i++)
		data[i] = (struct usl_data){ levels[i], more_than_all[i] };
	assert_int_equal(usl_fit(data, LEVELS, 1, &fit), 0);
	assert_int_not_equal(fit.verdict, USL_FITS);
	assert_int_not_equal(fit.verdict, USL_TOO_FEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_noise_the_coefficients_come_back),
		cmocka_unit_test(test_with_noise),
		cmocka_unit_test(test_the_peak),
		cmocka_unit_test(test_too_few_levels_are_not_fitted),
		cmocka_unit_test(test_what_follows_another_law_is_refused),
	};

	return cmocka_run_group_tests_name("usl", tests, NULL, NULL);
}
