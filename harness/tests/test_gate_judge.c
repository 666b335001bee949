/* SPDX-License-Identifier: MIT */
/*
 * The decision rule on suites that are drawn: what it finds where there is
 * nothing, noise being as bad as it was measured to be, and where there is
 * something; and that the same simulation does catch a rule that is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"
#include "gate/gate_judge.h"
#include "stats/gate_stats.h"
#include "stats/stats.h"
#include "worker/rng.h"

#define ROWS_MAX 8
#define ROUNDS 24

struct world {
	size_t nr_rows;
	double cv;		 /* of a slice */
	double rho;		 /* of one slice with the next */
	unsigned int period;	 /* a neighbour slows every period-th slice ... */
	double neighbour;	 /* ... by this log ratio */
	double effect[ROWS_MAX]; /* head's slowdown */
	bool alternating;	 /* base first, head first, ...: no coin */
};

/* Skewed: mean 0, sd 1, third moment 2. */
static double skewed(struct rng *rng)
{
	return -log(1 - rng_unit(rng)) - 1;
}

/* One suite of A and B as `gate` would run it: who was found slower? */
static size_t run_suite(const struct world *world, const struct gate_rule *rule, struct rng *rng,
			struct gate_row *rows)
{
	static double rounds[ROWS_MAX][ROUNDS];
	double drift = skewed(rng), innovation = sqrt(1 - world->rho * world->rho);
	unsigned int slot = (unsigned int)rng_below(rng, 12);
	size_t done = 0, alarms = 0;

	memset(rows, 0, world->nr_rows * sizeof(*rows));
	for (unsigned int look = 1; look <= GATE_LOOKS; look++) {
		for (size_t n = gate_look_rounds(ROUNDS, look); done < n; done++) {
			for (size_t i = 0; i < world->nr_rows; i++) {
				bool head_first = world->alternating || rng_next(rng) >> 63;
				double times[2];

				for (int half = 0; half < 2; half++, slot++) {
					drift = world->rho * drift + innovation * skewed(rng);
					times[half] = world->cv * drift;
					if (world->period && slot % world->period == 0)
						times[half] += world->neighbour;
				}
				rounds[i][done] = times[!head_first] - times[head_first] +
						  world->effect[i];
			}
		}
		for (size_t i = 0; i < world->nr_rows; i++) {
			rows[i].slowdown = rounds[i];
			rows[i].n = done;
		}
		assert_int_equal(gate_judge(rule, look, rows, world->nr_rows), 0);
	}
	for (size_t i = 0; i < world->nr_rows; i++)
		alarms += rows[i].verdict == GATE_REGRESSION;
	return alarms;
}

static size_t suites(const struct world *world, const struct gate_rule *rule, size_t nr,
		     uint64_t seed)
{
	struct gate_row rows[ROWS_MAX];
	size_t alarmed = 0;
	struct rng rng;

	rng_seed(&rng, seed, 0);
	for (size_t i = 0; i < nr; i++)
		alarmed += run_suite(world, rule, &rng, rows) > 0;
	return alarmed;
}

/* Nothing is ignored, and no suite ends early by a pass: the hardest case, and the
 * only one that tests the level. */
static const struct gate_rule bare = { .ignore = 0, .detect = 1e-9, .level = 0.01 };

static const struct world worlds[] = {
	{ .nr_rows = 2, .cv = 0.025, .rho = 0.5 },
	{ .nr_rows = 2, .cv = 0.37, .rho = 0.8, .period = 4, .neighbour = 0.3 },
	{ .nr_rows = 4, .cv = 0.2, .rho = 0.9, .period = 2, .neighbour = 0.1 },
	{ .nr_rows = 8, .cv = 0.025, .rho = 0.5, .period = 3, .neighbour = 0.3 },
};

#define NR_WORLDS (sizeof(worlds) / sizeof(worlds[0]))

/* 25,000 suites of each world with SHMBENCH_TESTS=all. A share of exactly 1 %
 * would exceed the slice's bound once in 1,000 times. */
static void test_false_alarms(void **state)
{
	const char *wanted = getenv("SHMBENCH_TESTS");
	bool all = wanted && !strcmp(wanted, "all");
	size_t nr = all ? 25000 : 1500, alarms = 0;

	(void)state;
	for (size_t w = 0; w < NR_WORLDS; w++) {
		size_t found = suites(&worlds[w], &bare, nr, 100 + w);

		print_message("world %zu: %zu of %zu suites\n", w, found, nr);
		alarms += found;
	}
	print_message("false alarms: %zu of %zu suites\n", alarms, nr * NR_WORLDS);
	if (all)
		assert_true(alarms <= nr * NR_WORLDS / 100);
	else
		assert_true(alarms <= nr * NR_WORLDS / 100 + 24);
	/* A rule that never alarms would pass, too: some of the level must be spent. */
	assert_true(alarms > 0);
}

/* What the simulation is for: order by turns against a neighbour of period 2, or
 * a look after every round, is caught. */
static void test_wrong_rules_are_caught(void **state)
{
	struct world turns = { .nr_rows = 2,
			       .cv = 0.025,
			       .rho = 0.5,
			       .period = 2,
			       .neighbour = 0.1,
			       .alternating = true };
	struct gate_rule loose = { .ignore = 0, .detect = 1e-9, .level = 0.08 };

	(void)state;
	assert_true(suites(&turns, &bare, 400, 1) > 100);
	assert_true(suites(&worlds[0], &loose, 2000, 2) > 20 + 24);
}

static void test_finds_what_is_there(void **state)
{
	struct world slower = { .nr_rows = 2, .cv = 0.025, .rho = 0.3, .effect = { 0.1, 0 } };
	struct gate_rule rule = { .ignore = log(1.02), .detect = log(1.05), .level = 0.01 };
	size_t found[4] = { 0 }, still[4] = { 0 };
	struct gate_row rows[ROWS_MAX];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3, 0);
	for (int i = 0; i < 300; i++) {
		run_suite(&slower, &rule, &rng, rows);
		found[rows[0].verdict]++;
		still[rows[1].verdict]++;
	}
	assert_true(found[GATE_REGRESSION] >= 270);
	assert_int_equal(found[GATE_PASS] + found[GATE_IMPROVEMENT], 0);
	assert_true(still[GATE_PASS] >= 200);
	assert_true(still[GATE_REGRESSION] + still[GATE_IMPROVEMENT] <= 3);
}

/* Swapped, every verdict and bound is mirrored, whatever the rounds. */
static void test_swap_mirrors(void **state)
{
	static const enum gate_verdict mirror[] = { GATE_PENDING, GATE_PASS, GATE_IMPROVEMENT,
						    GATE_REGRESSION };
	struct gate_rule rule = { .ignore = 0.02, .detect = 0.05, .level = 0.01 };
	size_t seen[4] = { 0 };
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4, 0);
	for (int t = 0; t < 500; t++) {
		double there[4][40], back[4][40];
		struct gate_row rows[4], swapped[4];

		memset(rows, 0, sizeof(rows));
		memset(swapped, 0, sizeof(swapped));
		for (int i = 0; i < 4; i++) {
			double effect = (rng_unit(&rng) - 0.5) * 0.2;

			for (int k = 0; k < 40; k++) {
				there[i][k] = effect + 0.05 * skewed(&rng);
				back[i][k] = -there[i][k];
			}
			rows[i].slowdown = there[i];
			swapped[i].slowdown = back[i];
		}
		for (unsigned int look = 1; look <= GATE_LOOKS; look++) {
			for (int i = 0; i < 4; i++)
				rows[i].n = swapped[i].n = gate_look_rounds(40, look);
			assert_int_equal(gate_judge(&rule, look, rows, 4), 0);
			assert_int_equal(gate_judge(&rule, look, swapped, 4), 0);
		}
		for (int i = 0; i < 4; i++) {
			seen[rows[i].verdict]++;
			/* A pass says "not slower by detect": it has no mirror. */
			if (rows[i].verdict == GATE_REGRESSION ||
			    rows[i].verdict == GATE_IMPROVEMENT)
				assert_int_equal(swapped[i].verdict, mirror[rows[i].verdict]);
		}
	}
	assert_true(seen[GATE_REGRESSION] > 100 && seen[GATE_IMPROVEMENT] > 100);
}

/* Holm: the second largest of two differences gets the whole level. */
static void test_holm(void **state)
{
	struct gate_rule rule = { .ignore = 0, .detect = 0.05, .level = 0.01 };
	double level = gate_look_level(&rule, GATE_LOOKS), clear[12], close[12];
	struct gate_row rows[2] = { { .slowdown = clear, .n = 12 },
				    { .slowdown = close, .n = 12 } };
	size_t all = 12 * 13 / 2, k = gate_signed_rank_critical(12, level);

	(void)state;
	assert_true(gate_signed_rank_critical(12, level / 2) < k);
	for (int i = 0; i < 12; i++) {
		clear[i] = 1 + i * 0.01;
		close[i] = 1 + i;
	}
	/* T is all less the rank that is made negative: significant at level, not
	 * at half of it. */
	close[k - 2] *= -1;
	assert_true(gate_signed_rank_tail(12, all - (k - 1)) <= level);
	assert_true(gate_signed_rank_tail(12, all - (k - 1)) > level / 2);
	assert_int_equal(gate_judge(&rule, GATE_LOOKS, rows, 2), 0);
	assert_int_equal(rows[0].verdict, GATE_REGRESSION);
	assert_int_equal(rows[1].verdict, GATE_REGRESSION);
	memset(&rows[0], 0, sizeof(rows[0]));
	memset(&rows[1].verdict, 0, sizeof(rows[1].verdict));
	for (int i = 0; i < 12; i++)
		clear[i] = i % 2 ? 1 + i : -1 - i;
	rows[0] = (struct gate_row){ .slowdown = clear, .n = 12 };
	assert_int_equal(gate_judge(&rule, GATE_LOOKS, rows, 2), 0);
	assert_int_equal(rows[1].verdict, GATE_PENDING);
}

static void test_levels(void **state)
{
	double sum = 0;

	(void)state;
	for (unsigned int look = 1; look <= GATE_LOOKS; look++)
		sum += gate_look_level(&bare, look);
	assert_true(fabs(sum - bare.level) < 1e-15);
	assert_int_equal(gate_look_rounds(10, 1), 3);
	assert_int_equal(gate_look_rounds(10, 4), 10);
	for (size_t rows = 1; rows < 100; rows *= 3) {
		size_t n = gate_rounds_needed(&bare, rows);
		double level = gate_look_level(&bare, GATE_LOOKS) / (double)rows;

		assert_true(gate_signed_rank_critical(n, level) > 0);
		assert_int_equal(gate_signed_rank_critical(n - 1, level), 0);
	}
}

static void test_no_numbers(void **state)
{
	double values[] = { 1, NAN, 2 };
	struct gate_bounds bounds;

	(void)state;
	assert_int_not_equal(gate_bounds(values, 3, 0.05, &bounds), 0);
	assert_int_not_equal(gate_bounds(values, 0, 0.05, &bounds), 0);
	values[1] = INFINITY;
	assert_int_not_equal(gate_bounds(values, 3, 0.05, &bounds), 0);
	values[1] = 3;
	assert_int_equal(gate_bounds(values, 3, 0.05, &bounds), 0);
	assert_true(isinf(bounds.low) && isinf(bounds.high));
	assert_true(bounds.estimate == 2);
}

/* Bounds are order statistics of the Walsh averages: those that sorting finds. */
static void test_bounds_by_sorting(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11, 0);
	for (size_t t = 0; t < 400; t++) {
		size_t n = 1 + rng_below(&rng, 40), all = 0, k;
		double values[40], walsh[40 * 41 / 2];
		struct gate_bounds bounds;

		/* Every other time few values: ties, zeros and all alike. */
		for (size_t i = 0; i < n; i++)
			values[i] = t % 2 ? skewed(&rng) : (double)rng_below(&rng, 1 + t % 7) - 1;
		for (size_t i = 0; i < n; i++)
			for (size_t j = i; j < n; j++)
				walsh[all++] = values[i] / 2 + values[j] / 2;
		qsort(walsh, all, sizeof(*walsh), stats_ascending);
		k = gate_signed_rank_critical(n, 0.05);
		assert_int_equal(gate_bounds(values, n, 0.05, &bounds), 0);
		assert_true(bounds.estimate == walsh[(all - 1) / 2] / 2 + walsh[all / 2] / 2);
		assert_true(k ? bounds.low == walsh[k - 1] : isinf(bounds.low));
		assert_true(k ? bounds.high == walsh[all - k] : isinf(bounds.high));
	}
}

/* A slowdown as large as is said to be found at 90 % is found by nine of ten gates. */
static void test_smallest_found(void **state)
{
	struct world world = { .nr_rows = 2, .cv = 0.05 };
	struct gate_rule rule = { .ignore = log(1.02), .detect = log(1.05), .level = 0.01 };
	struct gate_row rows[ROWS_MAX];
	size_t found[2] = { 0 };
	double pool[400], smallest, less;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 12, 0);
	for (size_t i = 0; i < 400; i++)
		pool[i] = world.cv * (skewed(&rng) - skewed(&rng));
	assert_int_equal(gate_smallest_found(&rule, pool, 400, ROUNDS, 2, 1, &smallest), 0);
	assert_true(smallest > rule.ignore && smallest < 0.3);
	less = rule.ignore + (smallest - rule.ignore) / 2;
	for (int i = 0; i < 500; i++) {
		world.effect[0] = smallest;
		run_suite(&world, &rule, &rng, rows);
		found[0] += rows[0].verdict == GATE_REGRESSION;
		world.effect[0] = less;
		run_suite(&world, &rule, &rng, rows);
		found[1] += rows[0].verdict == GATE_REGRESSION;
	}
	print_message("of 500: %zu found, at half the distance %zu\n", found[0], found[1]);
	assert_true(found[0] > 415 && found[0] < 485);
	assert_true(found[1] < 350);
	assert_int_equal(gate_smallest_found(&rule, pool, 400, 3, 2, 1, &smallest), 0);
	assert_true(isinf(smallest));
	assert_int_equal(gate_smallest_found(&rule, pool, 0, ROUNDS, 2, 1, &smallest), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_no_numbers),
		cmocka_unit_test(test_bounds_by_sorting),
		cmocka_unit_test(test_smallest_found),
		cmocka_unit_test(test_holm),
		cmocka_unit_test(test_swap_mirrors),
		cmocka_unit_test(test_finds_what_is_there),
		cmocka_unit_test(test_wrong_rules_are_caught),
		cmocka_unit_test(test_false_alarms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
