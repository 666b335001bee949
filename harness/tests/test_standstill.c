/* SPDX-License-Identifier: MIT */
/* Which part of a wait is not the lock's, out of accounts that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/standstill.h"
#include "shmht_clock.h"

#define LOOKS 9
#define WORKERS 3
#define MS 1000000u

/* A look every 25 ms; who waits is worker 0. */
struct fixture {
	struct standstill still;
	uint64_t at_ticks[LOOKS];
	struct standstill_account accounts[LOOKS][WORKERS];
	struct standstill_stop stops[2];
};

static uint64_t ticks(double ms)
{
	return (uint64_t)(ms * MS / shmht_ns_per_tick());
}

static void init(struct fixture *f)
{
	*f = (struct fixture){ .still = { .nr_workers = WORKERS, .nr_looks = LOOKS } };
	f->still.at_ticks = f->at_ticks;
	f->still.accounts = &f->accounts[0][0];
	f->still.stops = f->stops;
	for (uint32_t k = 0; k < LOOKS; k++)
		f->at_ticks[k] = ticks(1000 + 25.0 * k);
}

/* From look to look + 1: so many ms each. */
static void had(struct fixture *f, uint32_t look, uint32_t worker, double ran, double delayed)
{
	for (uint32_t k = look + 1; k < LOOKS; k++) {
		f->accounts[k][worker].ran_ns += (uint64_t)(ran * MS);
		f->accounts[k][worker].delayed_ns += (uint64_t)(delayed * MS);
	}
}

static void assert_within(const struct fixture *f, double from, double to, double wanted)
{
	uint64_t found = standstill_within(&f->still, 0, ticks(from), ticks(to));
	double ms = (double)found * shmht_ns_per_tick() / MS;

	if (ms < wanted - 0.01 || ms > wanted + 0.01)
		fail_msg("%g to %g ms: found %g, expected %g", from, to, ms, wanted);
}

static void test_holder_without_a_cpu(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (uint32_t k = 0; k < LOOKS - 1; k++)
		had(&f, k, 1, k < 2 || k == 7 ? 20 : 0, 0);
	/* Booked when it is over. */
	had(&f, 7, 1, 0, 125);
	assert_within(&f, 1050, 1180, 125);
	assert_within(&f, 1060, 1180, 115);
	assert_within(&f, 1000, 1040, 0);
	/* Who spins meanwhile does not make it the lock's. */
	for (uint32_t k = 0; k < LOOKS - 1; k++)
		had(&f, k, 0, 25, 0);
	assert_within(&f, 1050, 1180, 125);
}

/* A wake-up that was lost: all sleep, and nobody wants the CPU. */
static void test_all_asleep(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_within(&f, 1010, 1190, 0);
	had(&f, 3, 2, 0, 10);
	assert_within(&f, 1010, 1190, 10);
}

static void test_others_got_on(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (uint32_t k = 0; k < LOOKS - 1; k++)
		had(&f, k, 1 + k % 2, 12.5, 100);
	assert_within(&f, 1010, 1190, 0);
}

/* Looks are as rare as the quota lets whoever looks run: most of what is between two is
 * standing still, the beginning and the end are not. */
static void test_others_got_on_for_a_moment(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (uint32_t k = 0; k < LOOKS - 1; k++)
		had(&f, k, 1 + k % 2, 2.5, 22.5);
	assert_within(&f, 1000, 1200, 160);
}

static void test_stopped(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (uint32_t k = 0; k < LOOKS - 1; k++)
		had(&f, k, 1, 25, 0);
	f.stops[0] = (struct standstill_stop){ ticks(1030), ticks(1080) };
	f.stops[1] = (struct standstill_stop){ ticks(1150), UINT64_MAX };
	f.still.nr_stops = 2;
	assert_within(&f, 1000, 1200, 100);
	assert_within(&f, 1040, 1060, 20);
	assert_within(&f, 1090, 1140, 0);
}

/* Stopped and without a CPU: once. */
static void test_not_twice(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	had(&f, 7, 1, 0, 200);
	f.stops[0] = (struct standstill_stop){ ticks(1030), ticks(1080) };
	f.still.nr_stops = 1;
	assert_within(&f, 1000, 1200, 200);
}

static void test_calls(void **state)
{
	struct standstill still = { .nr_workers = 1 };

	(void)state;
	standstill_stopped(&still, false);
	standstill_stopped(&still, true);
	standstill_stopped(&still, true);
	standstill_stopped(&still, false);
	assert_int_equal(still.nr_stops, 1);
	assert_true(still.stops[0].to == UINT64_MAX);
	standstill_stopped(&still, false);
	assert_true(still.stops[0].to != UINT64_MAX);
	for (int i = 0; i < 10; i++) {
		standstill_stopped(&still, true);
		standstill_stopped(&still, false);
	}
	assert_int_equal(still.nr_stops, 11);
	assert_true(standstill_next_ns(&still) == UINT64_MAX);
	standstill_look(&still, true);
	assert_int_equal(still.nr_looks, 0);
	standstill_close(&still);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holder_without_a_cpu),
		cmocka_unit_test(test_all_asleep),
		cmocka_unit_test(test_others_got_on),
		cmocka_unit_test(test_others_got_on_for_a_moment),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_not_twice),
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests_name("standstill", tests, NULL, NULL);
}
