/* SPDX-License-Identifier: MIT */
/*
 * The histogram's promises: bucket boundaries, relative error against sorted
 * samples, exact merge, exact min, max and mean, nothing lost past 2^36.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/hist.h"
#include "worker/rng.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SHMBENCH_SANITIZED)
#define NR_SAMPLES 500000u
#else
#define NR_SAMPLES 10000000u
#endif

#define ERROR_PROMISED 0.004
#define PI 3.14159265358979323846

static void test_every_bucket_boundary(void **state)
{
	uint64_t expected_low = 0;

	(void)state;
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		uint64_t low = hist_bucket_low(i), high = hist_bucket_high(i);
		double value = hist_bucket_value(i);

		assert_int_equal(low, expected_low); /* no gap, no overlap */
		assert_int_equal(hist_bucket(low), i);
		assert_int_equal(hist_bucket(high), i);
		if (i == HIST_BUCKETS - 1) {
			assert_int_equal(high, UINT64_MAX);
			high = ((uint64_t)1 << HIST_MAX_BITS) - 1;
			assert_int_equal(hist_bucket(high), i);
		}
		assert_true(value == ((double)low + (double)high) / 2);
		if (low)
			assert_true(((double)high - value) / (double)low <= 1.0 / 256);
		expected_low = high + 1;
	}
	assert_int_equal(expected_low, (uint64_t)1 << HIST_MAX_BITS);
}

static void test_values_past_the_last_bucket(void **state)
{
	static const uint64_t values[] = { (uint64_t)1 << 36, (uint64_t)1 << 40, UINT64_MAX };
	struct hist hist;

	(void)state;
	hist_reset(&hist);
	for (size_t i = 0; i < 3; i++)
		hist_record(&hist, values[i]);
	assert_int_equal(hist.count, 3);
	assert_int_equal(hist.buckets[HIST_BUCKETS - 1], 3);
	assert_int_equal(hist.min_ns, values[0]);
	assert_int_equal(hist.max_ns, UINT64_MAX);
	/* Never below what was seen. */
	assert_true(hist_percentile(&hist, 0.5) == 0x1p36);
}

static void test_empty(void **state)
{
	struct hist hist, other;

	(void)state;
	memset(&hist, 0xff, sizeof(hist));
	hist_reset(&hist);
	assert_true(hist_percentile(&hist, 0.5) == 0);
	assert_true(hist_mean(&hist) == 0);
	assert_int_equal(hist_samples_above(&hist, 0.5), 0);

	/* Merging nothing must not bring a minimum of 0 along, either way. */
	hist_reset(&other);
	hist_record(&other, 700);
	hist_merge(&other, &hist);
	assert_int_equal(other.min_ns, 700);
	hist_merge(&hist, &other);
	assert_memory_equal(&hist, &other, sizeof(hist));
}

static void test_rank_definition(void **state)
{
	struct hist hist;

	(void)state;
	hist_reset(&hist);
	for (uint64_t ns = 1; ns <= 100; ns++)
		hist_record(&hist, ns);
	assert_true(hist_percentile(&hist, 0) == 1);
	assert_true(hist_percentile(&hist, 0.001) == 1);
	assert_true(hist_percentile(&hist, 0.07) == 7); /* 0.07 * 100 > 7 in binary */
	assert_true(hist_percentile(&hist, 0.0701) == 8);
	assert_true(hist_percentile(&hist, 0.5) == 50);
	assert_true(hist_percentile(&hist, 0.505) == 51);
	assert_true(hist_percentile(&hist, 0.99) == 99);
	assert_true(hist_percentile(&hist, 0.999) == 100);
	assert_true(hist_percentile(&hist, 1) == 100);
	assert_true(hist_percentile(&hist, 2) == 100);
	assert_true(hist_percentile(&hist, NAN) == 1);
	assert_int_equal(hist_samples_above(&hist, 0.9), 10);
	assert_int_equal(hist_samples_above(&hist, 0.901), 9);
	assert_int_equal(hist_samples_above(&hist, 1), 0);
}

static void test_percentile_within_min_and_max(void **state)
{
	struct hist hist;

	(void)state;
	hist_reset(&hist);
	hist_record(&hist, 1000003); /* one value: its bucket's midpoint is another */
	assert_true(hist_percentile(&hist, 0.5) != hist_bucket_value(hist_bucket(1000003)));
	assert_true(hist_percentile(&hist, 0.01) == 1000003);
	assert_true(hist_percentile(&hist, 0.99) == 1000003);
}

static void test_merge_is_bucket_by_bucket(void **state)
{
	static struct hist part[3], whole, merged;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1, 0);
	hist_reset(&whole);
	hist_reset(&merged);
	for (int i = 0; i < 3; i++)
		hist_reset(&part[i]);
	for (int i = 0; i < 300000; i++) {
		uint64_t ns = rng_next(&rng) >> (24 + rng_below(&rng, 39));

		hist_record(&part[i % 3], ns);
		hist_record(&whole, ns);
	}
	for (int i = 2; i >= 0; i--)
		hist_merge(&merged, &part[i]);
	assert_memory_equal(&merged, &whole, sizeof(whole));
}

/* ---- error against sorted samples -------------------------------------- */

static double shape_uniform(struct rng *rng)
{
	return 100 + rng_unit(rng) * 1e6;
}

static double shape_exponential(struct rng *rng)
{
	return -5000 * log(1 - rng_unit(rng));
}

static double shape_lognormal(struct rng *rng)
{
	double normal = sqrt(-2 * log(1 - rng_unit(rng))) * cos(2 * PI * rng_unit(rng));

	return exp(6.2 + 1.3 * normal);
}

/* A cache hit, or one in five times a wait for the scheduler. */
static double shape_bimodal(struct rng *rng)
{
	int slow = rng_unit(rng) < 0.2;

	return slow ? 4e6 + rng_unit(rng) * 1e6 : 40 + rng_unit(rng) * 60;
}

/* alpha 1.1: 10^7 samples reach seconds, and some pass 2^36 ns. */
static double shape_pareto(struct rng *rng)
{
	return 300 * pow(1 - rng_unit(rng), -1 / 1.1);
}

/* Least significant digit first, 11 bits a pass; values stay below 2^44. */
static void radix_sort(uint64_t *values, uint64_t *spare, size_t n)
{
	for (unsigned int shift = 0; shift < 44; shift += 11) {
		size_t start[2049] = { 0 };
		uint64_t *swap = values;

		for (size_t i = 0; i < n; i++)
			start[(values[i] >> shift & 2047) + 1]++;
		for (size_t i = 1; i < 2049; i++)
			start[i] += start[i - 1];
		for (size_t i = 0; i < n; i++)
			spare[start[values[i] >> shift & 2047]++] = values[i];
		values = spare;
		spare = swap;
	}
}

static double worst_error(const struct hist *hist, const uint64_t *sorted, size_t n)
{
	static const double fractions[] = { 0.5,   0.6,	 0.7,	0.75,  0.8,    0.9,   0.95,
					    0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999 };
	double worst = 0;

	for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
		size_t rank = (size_t)ceil(fractions[i] * (double)n - 1e-6);
		double exact = (double)sorted[rank - 1];
		double error = fabs(hist_percentile(hist, fractions[i]) - exact) / exact;

		assert_int_equal(hist_samples_above(hist, fractions[i]), n - rank);
		if (error > worst)
			worst = error;
	}
	return worst;
}

static void check_shape(const char *name, double (*draw)(struct rng *))
{
	uint64_t *samples = malloc(NR_SAMPLES * sizeof(*samples)), sum = 0;
	uint64_t *spare = malloc(NR_SAMPLES * sizeof(*spare));
	static struct hist hist;
	struct rng rng;
	double worst;

	assert_non_null(samples);
	assert_non_null(spare);
	rng_seed(&rng, 7, (uint64_t)name[0]);
	hist_reset(&hist);
	for (size_t i = 0; i < NR_SAMPLES; i++) {
		double value = draw(&rng);

		samples[i] = value < 0x1p43 ? (uint64_t)value : (uint64_t)1 << 43;
		sum += samples[i];
		hist_record(&hist, samples[i]);
	}
	radix_sort(samples, spare, NR_SAMPLES);
	worst = worst_error(&hist, samples, NR_SAMPLES);
	print_message("%-12s %u samples: worst error p50..p99.99 %.3f %%\n", name, NR_SAMPLES,
		      100 * worst);
	assert_true(worst <= ERROR_PROMISED);
	assert_int_equal(hist.count, NR_SAMPLES);
	assert_int_equal(hist.min_ns, samples[0]);
	assert_int_equal(hist.max_ns, samples[NR_SAMPLES - 1]);
	assert_int_equal(hist.sum_ns, sum);
	assert_true(hist_mean(&hist) == (double)sum / NR_SAMPLES);
	free(spare);
	free(samples);
}

static void test_relative_error(void **state)
{
	(void)state;
	check_shape("uniform", shape_uniform);
	check_shape("exponential", shape_exponential);
	check_shape("lognormal", shape_lognormal);
	check_shape("bimodal", shape_bimodal);
	check_shape("pareto", shape_pareto);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_bucket_boundary),
		cmocka_unit_test(test_values_past_the_last_bucket),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_rank_definition),
		cmocka_unit_test(test_percentile_within_min_and_max),
		cmocka_unit_test(test_merge_is_bucket_by_bucket),
		cmocka_unit_test(test_relative_error),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
