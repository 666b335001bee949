/* SPDX-License-Identifier: MIT */
/* The hand-off model where its answer is known in closed form, and bounds where it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "plan/plan_hand.h"

static const enum hand_family families[] = { HAND_QUEUE, HAND_TEST_SET, HAND_PARK };

static struct hand_system system_of(enum hand_family family, uint32_t workers, uint32_t cpus)
{
	return (struct hand_system){
		.family = family,
		.workers = workers,
		.cpus = cpus,
		.seed = 1,
		.costs = { .outside = 400,
			   .inside = 100,
			   .transfer = 60,
			   .invalidate = 60,
			   .migrates = true,
			   .look = 50,
			   .patience = 500,
			   .backoff = 200,
			   .prepare = 60,
			   .yield = 200,
			   .wait_call = 400,
			   .wake_call = 400,
			   .wake = 500,
			   .wake_busy = 300,
			   .latency = 3000,
			   .change = 800,
			   .quantum = 1e6 },
	};
}

static struct hand_outcome simulate(const struct hand_system *system, double seconds)
{
	struct hand_outcome outcome;

	assert_int_equal(hand_simulate(system, seconds, &outcome), 0);
	return outcome;
}

static void assert_near(double got, double wanted, double share)
{
	if (!(fabs(got / wanted - 1) <= share))
		fail_msg("%g, wanted %g within %g %%", got, wanted, share * 100);
}

static void test_one_worker(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system system = system_of(families[f], 1, 1);

		assert_near(simulate(&system, 0.2).ops_per_s, 1e9 / 500, 0.005);
		system.costs.hold = 1500;
		assert_near(simulate(&system, 0.2).ops_per_s, 1e9 / 2000, 0.005);
		assert_true(simulate(&system, 0.2).contended == 0);
	}
}

/* Nobody waits for a lock that nobody holds for any time. */
static void test_without_a_section_all_is_parallel(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system system = system_of(families[f], 8, 8);

		system.costs.inside = system.costs.transfer = system.costs.invalidate = 0;
		assert_near(simulate(&system, 0.01).ops_per_s, 8e9 / 400, 0.01);
	}
}

static double turn_ns(const struct hand_system *system)
{
	return 1e9 / simulate(system, 0.01).ops_per_s;
}

/* No think time: the queue is always full. A turn is a section and five accesses of the line
 * (try, join, look, claim, release), none of which waits for more than one other. */
static void test_a_queue_at_saturation(void **state)
{
	(void)state;
	for (uint32_t n = 4; n <= 128; n *= 2) {
		struct hand_system system = system_of(HAND_QUEUE, n, n);
		double turn;

		system.costs.outside = 0;
		system.costs.look = 0;
		system.costs.patience = 1e9;
		turn = turn_ns(&system);
		/* At the least, what was written is read once. */
		if (!(turn >= 100 + 60 && turn <= 100 + 2 * 5 * 60))
			fail_msg("%u: a turn takes %g ns", n, turn);
		assert_true(simulate(&system, 0.01).min_over_max > 0.95);
		assert_true(simulate(&system, 0.01).contended > 0.99);
		/* A line that costs nothing leaves the section. */
		system.costs.transfer = system.costs.invalidate = 0;
		assert_near(turn_ns(&system), 100, 0.005);
		/* Who looks only now and then has half of the pause more to wait, on average. */
		system.costs.look = 50;
		assert_true(turn_ns(&system) > 100 && turn_ns(&system) <= 151);
	}
}

/* Readers that are served one after the other make the hand-off dearer by their number. */
static void test_a_crowd_at_one_line(void **state)
{
	double turns[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct hand_system system = system_of(HAND_QUEUE, 8u << i, 8u << i);

		system.costs.outside = 0;
		system.costs.look = 0;
		system.costs.crowd = 1;
		turns[i] = turn_ns(&system);
		system.local = true;
		assert_true(turn_ns(&system) < 100 + 2 * 5 * 60);
	}
	assert_true(turns[1] - turns[0] > 0.8 * 8 * 60 && turns[2] - turns[1] > 0.8 * 16 * 60);
}

/* Machine repair with a queue: rates between those of never and of always waiting for all
 * the others (Lazowska et al., Quantitative System Performance, 1984, table 5.1). */
static void test_asymptotic_bounds(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 64; n = n * 3 / 2 + 1) {
		struct hand_system system = system_of(HAND_QUEUE, n, n);
		double x = simulate(&system, 0.01).ops_per_s / 1e9, most = 100 + 2 * 5 * 60;

		assert_true(x <= fmin(n / (400 + 100.0), 1 / 100.0) * 1.01);
		assert_true(x >= n / (400 + n * most) * 0.99);
	}
}

/* The convoy: on one CPU without think time every slice ends within a section, and the
 * others spin through theirs. */
static void test_a_preempted_holder_wastes_the_others_slices(void **state)
{
	(void)state;
	for (uint32_t n = 2; n <= 8; n++) {
		struct hand_system system = system_of(HAND_TEST_SET, n, 1);

		system.costs.outside = 0;
		system.costs.change = 0;
		assert_near(simulate(&system, 0.5).ops_per_s, 1e9 / 100 / n, 0.05);
	}
}

/* First come, first served on one CPU: each turn costs somebody's patience and a change. */
static void test_a_queue_on_one_cpu_changes_at_every_turn(void **state)
{
	(void)state;
	for (uint32_t n = 2; n <= 8; n++) {
		struct hand_system system = system_of(HAND_QUEUE, n, 1);

		system.costs.outside = 0;
		double turn = 1e9 / simulate(&system, 0.05).ops_per_s;

		/* Of more than two, one may run whose turn it is not: it yields at once. */
		assert_true(turn > 0.98 * (100 + 500 + 800));
		assert_true(turn < 1.02 * (100 + 500 + 800 * (n - 1)));
	}
}

/* Sleepers on one CPU cost next to nothing: who runs, runs free of others. */
static void test_parking_on_one_cpu(void **state)
{
	struct hand_system system = system_of(HAND_PARK, 4, 1);

	(void)state;
	assert_true(simulate(&system, 0.2).ops_per_s > 0.95e9 / 500);
	system.costs.spin_max = 2000;
	assert_true(simulate(&system, 0.2).ops_per_s > 0.95e9 / 500);
}

/* Nothing beats the two resources, whatever the family and the number. */
static void test_no_more_than_there_is(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++)
		for (uint32_t cpus = 1; cpus <= 16; cpus *= 2)
			for (uint32_t n = 1; n <= 64; n *= 2) {
				struct hand_system system = system_of(families[f], n, cpus);

				system.costs.quantum = 2e4;
				double x = simulate(&system, 0.02).ops_per_s / 1e9;
				double most = fmin(fmin(n, cpus) / 500.0, 1 / 100.0);

				if (!(x > 0 && x <= most * 1.02))
					fail_msg("family %d, %u on %u: %g of %g", f, n, cpus, x,
						 most);
			}
}

/* A poll takes the line away from a holder that comes back: its next acquire pays for it,
 * though nobody else has had the lock. */
static void test_polling_costs_the_holder(void **state)
{
	struct hand_system system = system_of(HAND_PARK, 2, 2);
	double slow, fast;

	(void)state;
	system.costs.spin_max = 1e6;
	system.costs.outside = 10;
	slow = simulate(&system, 0.01).ops_per_s;
	system.costs.transfer = system.costs.invalidate = 0;
	fast = simulate(&system, 0.01).ops_per_s;
	assert_true(slow < fast * 110 / 160);
}

/* Who lets go wakes a sleeper and is back before it runs: it has the lock again and again,
 * the more the longer a sleeper takes. What it loses is the wake-up calls. */
static void test_who_is_awake_takes_it_again(void **state)
{
	struct hand_system system = system_of(HAND_PARK, 2, 2);
	struct hand_outcome quick, slow;

	(void)state;
	system.costs.outside = 100;
	system.costs.inside = 1000;
	system.costs.latency = 0;
	quick = simulate(&system, 0.05);
	system.costs.latency = 100000;
	slow = simulate(&system, 0.2);
	assert_true(quick.reacquired < 0.3 && slow.reacquired > 0.98);
	assert_true(slow.contended < 0.02 && slow.sleeps < 0.1 * quick.sleeps);
	assert_near(slow.ops_per_s, 1e9 / 1100, 0.02);
	/* A queue never does that. */
	system.family = HAND_QUEUE;
	assert_true(simulate(&system, 0.05).reacquired < 0.1);
}

/* A section shorter than the way into the kernel: who would sleep finds the word changed. */
static void test_sleep_in_vain(void **state)
{
	struct hand_system system = system_of(HAND_PARK, 2, 2);
	double once;

	(void)state;
	system.costs.outside = 50;
	once = simulate(&system, 0.05).ops_per_s;
	assert_true(simulate(&system, 0.05).sleeps > 0.2);
	/* Nobody has to be woken then. */
	system.costs.latency = 1e6;
	assert_true(simulate(&system, 0.05).ops_per_s == once);
	system.costs.wait_call *= 4;
	assert_true(simulate(&system, 0.05).ops_per_s != once);
}

/* A CPU that stands still half of the time does half of the work. */
static void test_a_cpu_that_stands_still(void **state)
{
	struct hand_system system = system_of(HAND_TEST_SET, 1, 1);

	(void)state;
	system.costs.gap_every = 20000;
	system.costs.gap = 20000;
	assert_near(simulate(&system, 0.2).ops_per_s, 1e9 / 500 / 2, 0.05);
}

/* An interrupt waits for the attempt under way, so that it takes the CPU from a holder where
 * attempts take long: others wait for its next slice. Cut short, 0.95 M/s were left. */
static void test_an_attempt_under_way_is_through_first(void **state)
{
	struct hand_system system = system_of(HAND_TEST_SET, 4, 2);

	(void)state;
	system.costs.transfer = system.costs.invalidate = 2000;
	system.costs.quantum = 5000;
	assert_true(simulate(&system, 0.2).ops_per_s < 0.6e6);
	assert_true(simulate(&system, 0.2).contended > 0.12);
}

/* What is dearer only beside others, or after others, is so there and nowhere else. */
static void test_costs_of_company(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system system = system_of(families[f], 1, 2);

		system.costs.handed = system.costs.again = system.costs.cold = 1000;
		assert_true(simulate(&system, 0.01).ops_per_s > 0.995e9 / 500);
		system.costs.cold = 0;
		system.workers = 2;
		assert_true(simulate(&system, 0.01).ops_per_s <= 1e9 / 1100);
		system.cpus = 1;
		system.costs.quantum = 1e5;
		double warm = simulate(&system, 0.1).ops_per_s;
		system.costs.cold = 10000;
		assert_true(simulate(&system, 0.1).ops_per_s < 0.97 * warm);
	}
}

/* Alone on its CPUs a line is nobody else's: what an access costs does not matter. */
static void test_one_cpu_has_its_line(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system cheap = system_of(families[f], 2, 1), dear = cheap;

		dear.costs.transfer = dear.costs.invalidate = 10000;
		assert_near(simulate(&dear, 0.1).ops_per_s, simulate(&cheap, 0.1).ops_per_s, 0.1);
	}
}

/* A spread of sections changes no mean. */
static void test_spread(void **state)
{
	struct hand_system system = system_of(HAND_PARK, 1, 1);

	(void)state;
	system.costs.spread = 1;
	assert_near(simulate(&system, 0.05).ops_per_s, 1e9 / 500, 0.01);
}

static void test_same_seed_same_run(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system system = system_of(families[f], 12, 4);
		struct hand_outcome a = simulate(&system, 0.01), b = simulate(&system, 0.01);

		assert_true(a.ops == b.ops && a.min_over_max == b.min_over_max);
		system.seed = 2;
		assert_true(simulate(&system, 0.01).ops != a.ops);
	}
}

/* Twice as slow in everything is half the rate. */
static void test_scale(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		struct hand_system fast = system_of(families[f], 6, 2), slow = fast;

		slow.costs = (struct hand_costs){ .outside = 800,
						  .inside = 200,
						  .transfer = 120,
						  .invalidate = 120,
						  .migrates = true,
						  .look = 100,
						  .patience = 1000,
						  .backoff = 400,
						  .prepare = 120,
						  .yield = 400,
						  .wait_call = 800,
						  .wake_call = 800,
						  .wake = 1000,
						  .wake_busy = 600,
						  .latency = 6000,
						  .change = 1600,
						  .quantum = 2e6 };
		assert_near(simulate(&fast, 0.05).ops_per_s, 2 * simulate(&slow, 0.1).ops_per_s,
			    1e-3);
	}
}

static void test_no_such_system(void **state)
{
	struct hand_outcome outcome;
	struct hand_system system = system_of(HAND_QUEUE, 0, 1);

	(void)state;
	assert_int_equal(hand_simulate(&system, 1, &outcome), -EINVAL);
	system.workers = HAND_WORKERS_MAX + 1;
	assert_int_equal(hand_simulate(&system, 1, &outcome), -EINVAL);
	system = system_of(HAND_QUEUE, 1, 1);
	system.costs.inside = system.costs.outside = 0;
	assert_int_equal(hand_simulate(&system, 1, &outcome), -EINVAL);
	system = system_of(HAND_TEST_SET, 1, 1);
	system.costs.look = 0;
	assert_int_equal(hand_simulate(&system, 1, &outcome), -EINVAL);
	system = system_of(HAND_QUEUE, 1, 1);
	system.costs.inside = NAN;
	assert_int_equal(hand_simulate(&system, 1, &outcome), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_worker),
		cmocka_unit_test(test_without_a_section_all_is_parallel),
		cmocka_unit_test(test_a_queue_at_saturation),
		cmocka_unit_test(test_a_crowd_at_one_line),
		cmocka_unit_test(test_asymptotic_bounds),
		cmocka_unit_test(test_a_preempted_holder_wastes_the_others_slices),
		cmocka_unit_test(test_a_queue_on_one_cpu_changes_at_every_turn),
		cmocka_unit_test(test_parking_on_one_cpu),
		cmocka_unit_test(test_no_more_than_there_is),
		cmocka_unit_test(test_polling_costs_the_holder),
		cmocka_unit_test(test_who_is_awake_takes_it_again),
		cmocka_unit_test(test_sleep_in_vain),
		cmocka_unit_test(test_a_cpu_that_stands_still),
		cmocka_unit_test(test_an_attempt_under_way_is_through_first),
		cmocka_unit_test(test_costs_of_company),
		cmocka_unit_test(test_one_cpu_has_its_line),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_same_seed_same_run),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_no_such_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
