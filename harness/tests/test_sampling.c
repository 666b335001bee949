/* SPDX-License-Identifier: MIT */
/*
 * Sampling that does not lie: of the same run every operation goes to one
 * histogram and those that the stream marks to another; the tail of the second
 * must be that of the first, within what chance allows. The negative control
 * takes every 64th instead, of a load with a period of 64, and must be caught.
 */
#include <math.h>

#include "scenario_fixture.h"
#include "shmht_clock.h"
#include "stats/hist.h"
#include "verify/value.h"
#include "worker/opstream.h"

#define OPS (1u << 20)
#define PERIOD 64u

static struct params sampled_params(void)
{
	struct loaded loaded = load_text("[a]\ncapacity = 10k\nlatency = sampled:64\n");
	struct params params;

	assert_int_equal(loaded.rc, 0);
	params = loaded.scenario->points[0].params;
	unload(&loaded);
	return params;
}

/* How many standard deviations the sample's share above the full run's percentile is off. */
static double worst_deviation(const struct hist *full, const struct hist *sample)
{
	static const double fractions[] = { 0.5, 0.9, 0.99, 0.999 };
	double worst = 0;

	for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
		uint32_t edge = hist_bucket((uint64_t)hist_percentile(full, fractions[i]));
		double above = 0, sampled = 0, share, sd;

		for (uint32_t b = edge + 1; b < HIST_BUCKETS; b++) {
			above += (double)full->buckets[b];
			sampled += (double)sample->buckets[b];
		}
		share = above / (double)full->count;
		sd = sqrt(share * (1 - share) / (double)sample->count);
		if (share > 0)
			worst = fmax(worst, fabs(sampled / (double)sample->count - share) / sd);
	}
	return worst;
}

static uint64_t time_search(struct shmht_ctx *ctx, uint64_t id, uint32_t extra)
{
	unsigned char value[64];
	uint64_t key[2], start;
	size_t len;

	key_make(id, key, sizeof(key));
	start = shmht_ticks_ordered();
	shmht_search(ctx, key, sizeof(key), value, sizeof(value), &len);
	for (volatile uint32_t i = 0; i < extra; i++)
		;
	return (uint64_t)((double)(shmht_ticks_ordered() - start) * shmht_ns_per_tick());
}

static void test_tails_agree(void **state)
{
	struct params params = sampled_params();
	struct shmht_config cfg = { .capacity = params.capacity,
				    .key_size = params.key_size,
				    .value_size = params.value_max,
				    .stripes = 1,
				    .max_workers = 4,
				    .strategy = "futex",
				    .read = params.read };
	static struct hist full, at_random, every_64th;
	uint64_t *ring = malloc(OPS * sizeof(*ring)), hash;
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	struct shmht *map;

	(void)state;
	assert_non_null(ring);
	assert_int_equal(opstream_make(&params, 0, 0, ring, OPS, &hash), 0);
	if (shmht_create(&cfg, &map, &err) || shmht_ctx_open(map, &ctx, &err))
		fail_msg("%s", err.text);
	hist_reset(&full);
	hist_reset(&at_random);
	hist_reset(&every_64th);
	for (uint32_t i = 0; i < OPS; i++) {
		/* Every 64th operation is slow, as with a flush or a timer tick. */
		uint64_t ns = time_search(ctx, op_get_key(ring[i]), i % PERIOD == 7 ? 400 : 0);

		hist_record(&full, ns);
		if (op_is_timed(ring[i]))
			hist_record(&at_random, ns);
		if (i % PERIOD == 7)
			hist_record(&every_64th, ns);
	}
	print_message("%llu of %llu sampled; p99 %.0f ns of all, %.0f ns of the sample\n",
		      (unsigned long long)at_random.count, (unsigned long long)full.count,
		      hist_percentile(&full, 0.99), hist_percentile(&at_random, 0.99));
	assert_true(fabs((double)at_random.count / (OPS / 64.0) - 1) < 0.05);
	/* 4.5 sd at one of four places: 3 in 100,000 by chance, and the seed is fixed. */
	assert_true(worst_deviation(&full, &at_random) < 4.5);
	assert_true(worst_deviation(&full, &every_64th) > 20);
	shmht_ctx_close(ctx);
	shmht_destroy(map);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_tails_agree) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
