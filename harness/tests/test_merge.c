/* SPDX-License-Identifier: MIT */
/* Histograms that went through documents add up to the one of all samples. */
#include "result_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "result/hdr.h"
#include "result/result_internal.h"
#include "stats/hist.h"
#include "worker/rng.h"

#define PARTS 5

/* Every power of two, values beyond the last bucket, ties, and an empty part. */
static uint64_t sample(struct rng *rng, unsigned int part)
{
	return part == 1 ? 1000 : rng_next(rng) >> (rng_next(rng) % 64) >> (4 * part);
}

static void record(struct hist parts[PARTS], struct hist *all)
{
	struct rng rng;

	rng_seed(&rng, 7, 0);
	for (unsigned int part = 0; part < PARTS - 1; part++)
		for (int i = 0; i < 20000 * (int)(part + 1); i++) {
			uint64_t ns = sample(&rng, part) >> 20; /* the sum must fit */

			hist_record(&parts[part], ns);
			hist_record(all, ns);
		}
}

static void test_parts_are_the_whole(void **state)
{
	struct hist *parts = calloc(PARTS + 2, sizeof(*parts)), *all = parts + PARTS;
	struct hist *merged = all + 1;
	char *text, *expected;

	(void)state;
	assert_non_null(parts);
	record(parts, all);
	for (int part = 0; part < PARTS; part++) {
		json_t *latency = result_latency_object(&parts[part], true);

		assert_int_equal(result_add_hist(latency, merged), part == PARTS - 1 ? -ENOENT : 0);
		json_decref(latency);
	}
	assert_int_equal(merged->count, all->count);
	assert_int_equal(merged->min_ns, all->min_ns);
	assert_int_equal(merged->max_ns, all->max_ns);
	assert_memory_equal(merged->buckets, all->buckets, sizeof(all->buckets));
	assert_true(fabs(hist_mean(merged) / hist_mean(all) - 1) < 1e-12);
	text = hdr_encode(merged);
	expected = hdr_encode(all);
	assert_string_equal(text, expected);
	free(text);
	free(expected);
	free(parts);
}

/* Neighbours that contradict the counts are not believed; a wrong count is refused. */
static void test_figures_that_do_not_fit(void **state)
{
	struct hist *hist = calloc(2, sizeof(*hist)), *read = hist + 1;
	json_t *latency;

	(void)state;
	assert_non_null(hist);
	for (uint64_t ns = 1000; ns < 2000; ns++)
		hist_record(hist, ns);
	latency = result_latency_object(hist, true);
	json_object_set_new(latency, "min_ns", json_integer(1));
	json_object_set_new(latency, "max_sampled_ns", json_real(1e300));
	json_object_set_new(latency, "mean_ns", json_integer(-5));
	assert_int_equal(result_get_hist(latency, read), 0);
	assert_int_equal(hist_bucket(read->min_ns), hist_bucket(1000));
	assert_int_equal(hist_bucket(read->max_ns), hist_bucket(1999));
	assert_true(fabs(hist_mean(read) / 1499.5 - 1) < 0.004);
	json_object_set_new(latency, "count", json_integer(999));
	assert_int_equal(result_get_hist(latency, read), -ERANGE);
	json_object_set_new(latency, "hdr", json_string("nonsense"));
	assert_int_equal(result_get_hist(latency, read), -EINVAL);
	json_object_del(latency, "hdr");
	assert_int_equal(result_get_hist(latency, read), -ENODATA);
	json_object_set_new(latency, "count", json_null());
	assert_int_equal(result_get_hist(latency, read), -ENOENT);
	json_decref(latency);
	free(hist);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_are_the_whole),
		cmocka_unit_test(test_figures_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
