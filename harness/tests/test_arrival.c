/* SPDX-License-Identifier: MIT */
/* Schedules against theory, and against each other: same seed, same plan. */
#include <math.h>

#include "scenario_fixture.h"
#include "stats/stats.h"
#include "worker/arrival.h"

#define DRAWS 200000
#define KS_1_PERCENT 1.628 /* of sqrt(n) D, asymptotic */

static struct params params_of(const char *text)
{
	struct loaded loaded = load_text(text);
	struct params params;

	if (loaded.rc)
		fail_msg("%s", loaded.said);
	params = loaded.scenario->points[0].params;
	unload(&loaded);
	return params;
}

/* sqrt(n) D of values against the unit exponential; sorts them. */
static double ks_exponential(double *values, size_t n)
{
	double most = 0;

	qsort(values, n, sizeof(*values), stats_ascending);
	for (size_t i = 0; i < n; i++) {
		double expected = 1 - exp(-values[i]);

		most = fmax(most, fmax(fabs(expected - (double)i / (double)n),
				       fabs((double)(i + 1) / (double)n - expected)));
	}
	return most * sqrt((double)n);
}

static void test_poisson_gaps_are_exponential(void **state)
{
	struct params params = params_of("[a]\nrate = 100k\nprocs = 4\n");
	static double gaps[DRAWS];
	struct arrival arrival;
	double last = 0;

	(void)state;
	arrival_init(&arrival, &params, 0, 2);
	for (int i = 0; i < DRAWS; i++) {
		double at = arrival_next(&arrival);

		gaps[i] = (at - last) / 40000; /* a quarter of 100k per second */
		last = at;
	}
	assert_true(fabs(last / DRAWS / 40000 - 1) < 0.01);
	assert_true(ks_exponential(gaps, DRAWS) < KS_1_PERCENT);
	/* The test can tell: gaps 2 % longer are found out. */
	for (int i = 0; i < DRAWS; i++)
		gaps[i] *= 1.02;
	assert_true(ks_exponential(gaps, DRAWS) > KS_1_PERCENT);
}

static void test_constant_is_evenly_spaced_over_all_workers(void **state)
{
	struct params params = params_of("[a]\nrate = 3M\nprocs = 3\narrival = constant\n");
	struct arrival arrivals[3];

	(void)state;
	for (uint32_t w = 0; w < 3; w++)
		arrival_init(&arrivals[w], &params, 0, w);
	for (int i = 0; i < 3 * DRAWS; i++)
		assert_true(fabs(arrival_next(&arrivals[i % 3]) - i * (1e9 / 3e6)) < 1e-3);
}

static void test_bursts_have_their_size(void **state)
{
	struct params params = params_of("[a]\nrate = 50k/proc\nprocs = 2\narrival = burst:7\n");
	static double gaps[DRAWS];
	struct arrival arrival;
	double last = 0;

	(void)state;
	arrival_init(&arrival, &params, 0, 1);
	for (int i = 0; i < DRAWS / 7; i++) {
		double at = arrival_next(&arrival);

		gaps[i] = (at - last) / (7 * 20000.0);
		assert_true(at > last);
		for (int k = 1; k < 7; k++)
			assert_true(arrival_next(&arrival) == at);
		last = at;
	}
	assert_true(ks_exponential(gaps, DRAWS / 7) < KS_1_PERCENT);
}

/* Expected operations by time t of a ramp from 20k to 80k over 2 s after 1 s. */
static double expected_by(double t)
{
	if (t < 1)
		return 20e3 * t;
	if (t < 3)
		return 20e3 + 20e3 * (t - 1) + 15e3 * (t - 1) * (t - 1);
	return 120e3 + 80e3 * (t - 3);
}

static void check_ramp(const char *text)
{
	struct params params = params_of(text);
	static double gaps[DRAWS];
	struct arrival arrival;
	double last = 0;

	assert_true(fabs(arrival_rate(&params) - 50e3) < 1e-6);
	arrival_init(&arrival, &params, 3, 0);
	for (int i = 0; i < DRAWS; i++) {
		double expected = expected_by(arrival_next(&arrival) * 1e-9);

		gaps[i] = expected - last;
		last = expected;
	}
	assert_true(ks_exponential(gaps, DRAWS) < KS_1_PERCENT);
}

/* 100 operations of a ms at the plain rate, none in the drain, three times as many in
 * the spike; warm-up and what comes after the last leg are at the plain rate. */
static void test_phases_stretch_the_schedule(void **state)
{
	struct params params = params_of("[a]\nrate = 100k\narrival = constant\nwarmup = 2ms\n"
					 "phases = steady:1ms, drain:3ms, spike:3x:2ms, "
					 "spike:0.5x:2ms\n");
	const double ends_ms[] = { 2, 3, 6, 8, 10, 11 };
	const int expected[] = { 200, 100, 0, 600, 100, 100 };
	struct arrival arrival;
	double at;
	int leg = 0, nr = 0;

	(void)state;
	/* (1 + 0 + 6 + 1) ms of the plain rate in 8 ms */
	assert_true(fabs(arrival_rate(&params) - 100e3) < 1e-6);
	arrival_init(&arrival, &params, 0, 0);
	for (at = arrival_next(&arrival); leg < 6; at = arrival_next(&arrival)) {
		/* One that is due at an end may be counted on either side. */
		while (leg < 6 && at >= ends_ms[leg] * 1e6 - 1) {
			assert_in_range(nr, expected[leg] ? expected[leg] - 1 : 0,
					expected[leg] + 1);
			nr = 0;
			leg++;
		}
		nr++;
	}
}

/* Each operation's distance in work, not in time, stays exponential. */
static void test_a_spike_stays_poisson(void **state)
{
	struct params params = params_of("[a]\nrate = 100k\nwarmup = 0ns\n"
					 "phases = steady:500ms, spike:4x:250ms, steady:500ms\n");
	static double gaps[DRAWS];
	struct arrival arrival;
	double last = 0;

	(void)state;
	arrival_init(&arrival, &params, 0, 0);
	for (int i = 0; i < DRAWS; i++) {
		double at = arrival_next(&arrival) * 1e-9, work;

		work = at < 0.5 ? at : at < 0.75 ? 0.5 + 4 * (at - 0.5) : 1.5 + (at - 0.75);
		gaps[i] = (work - last) * 100e3;
		last = work;
	}
	assert_true(ks_exponential(gaps, DRAWS) < KS_1_PERCENT);
}

static void test_ramp_has_its_shape(void **state)
{
	(void)state;
	check_ramp("[a]\nrate = 1\narrival = ramp:20k:80k\nwarmup = 1s\nduration = 2s\n");
	check_ramp("[a]\nrate = 50k\narrival = ramp:40%:160%\nwarmup = 1s\nduration = 2s\n");
}

static void test_ramp_to_nothing_ends(void **state)
{
	struct params params = params_of(
		"[a]\nrate = 1k\narrival = ramp:1k:0\nwarmup = 0ns\nduration = 1s\n");
	struct arrival arrival;
	double at = 0, last = 0;
	int nr = 0;

	(void)state;
	arrival_init(&arrival, &params, 0, 0);
	while ((at = arrival_next(&arrival)) < 1e9) {
		assert_true(at >= last);
		last = at;
		nr++;
	}
	assert_true(nr > 400 && nr < 600);
	assert_true(at > 1e17);
}

static void test_same_seed_same_schedule(void **state)
{
	struct params params = params_of("[a]\nrate = 10k\n"), other = params;
	struct arrival a, b, c, d;
	int same_c = 0, same_d = 0;

	(void)state;
	other.seed++;
	snprintf(other.lock, sizeof(other.lock), "spin");
	arrival_init(&a, &params, 1, 0);
	arrival_init(&d, &other, 1, 0);
	other.seed--;
	arrival_init(&b, &other, 1, 0);
	arrival_init(&c, &params, 2, 0);
	for (int i = 0; i < 1000; i++) {
		double at = arrival_next(&a);

		assert_true(at == arrival_next(&b));
		same_c += at == arrival_next(&c);
		same_d += at == arrival_next(&d);
	}
	assert_int_equal(same_c + same_d, 0);
}

static void test_texts_read_back(void **state)
{
	static const char *const texts[] = { "poisson",	    "constant",	     "burst:16",
					     "ramp:1k:10k", "ramp:50%:150%", "ramp:12.5%:99.9%" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[80], value[80];
		struct params params;
		const char *key = "";

		snprintf(text, sizeof(text), "[a]\nrate = 10k/proc\narrival = %s\n", texts[i]);
		params = params_of(text);
		for (unsigned int k = 0; strcmp(key, "arrival") != 0; k++)
			assert_true(params_text(&params, k, &key, value, sizeof(value)));
		assert_string_equal(value, texts[i]);
	}
}

static void test_wrong_loads_are_refused(void **state)
{
	static const char *const texts[] = {
		"rate = 0",
		"rate = -1",
		"rate = 10k/s",
		"rate = 2G",
		"rate = fast",
		"rate = 1k\narrival = burst:0",
		"arrival = burst",
		"arrival = bursts",
		"rate = 1k\narrival = ramp:1k",
		"arrival = ramp:1k:2k",
		"steady = 2%",
		"steady = slope:0%",
		"rate = 1k\narrival = ramp:10%:1k",
		"rate = 1k\narrival = ramp:0:0",
		"expect = response.all.p99<=1ms",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct loaded loaded;
		char text[120];

		snprintf(text, sizeof(text), "[a]\n%s\n", texts[i]);
		loaded = load_text(text);
		if (!loaded.rc)
			fail_msg("loads: %s", texts[i]);
		unload(&loaded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poisson_gaps_are_exponential),
		cmocka_unit_test(test_constant_is_evenly_spaced_over_all_workers),
		cmocka_unit_test(test_bursts_have_their_size),
		cmocka_unit_test(test_phases_stretch_the_schedule),
		cmocka_unit_test(test_a_spike_stays_poisson),
		cmocka_unit_test(test_ramp_has_its_shape),
		cmocka_unit_test(test_ramp_to_nothing_ends),
		cmocka_unit_test(test_same_seed_same_schedule),
		cmocka_unit_test(test_texts_read_back),
		cmocka_unit_test(test_wrong_loads_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
