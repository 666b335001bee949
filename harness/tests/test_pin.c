/* SPDX-License-Identifier: MIT */
/* Placement: which CPU each worker gets, within what this process may use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/host.h"
#include "run/pin.h"

static uint16_t allowed[PARAMS_CPUS_MAX];
static unsigned int nr_allowed;

static bool is_allowed(int cpu)
{
	for (unsigned int i = 0; i < nr_allowed; i++)
		if (allowed[i] == cpu)
			return true;
	return false;
}

static int setup(void **state)
{
	(void)state;
	nr_allowed = host_cpus_allowed(allowed, PARAMS_CPUS_MAX);
	return nr_allowed ? 0 : -1;
}

static void test_none(void **state)
{
	struct params params = { .pin = PIN_NONE };

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(pin_cpu(&params, i), -1);
}

static void test_compact_is_in_order_and_wraps(void **state)
{
	struct params params = { .pin = PIN_COMPACT };

	(void)state;
	for (uint32_t i = 0; i < 3 * nr_allowed; i++)
		assert_int_equal(pin_cpu(&params, i), allowed[i % nr_allowed]);
}

/* Every CPU once before any twice, and a core's second thread after all first ones. */
static void test_spread(void **state)
{
	struct params params = { .pin = PIN_SPREAD };
	uint16_t cores[PARAMS_CPUS_MAX];
	unsigned int nr_cores = host_cpus_one_per_core(cores, PARAMS_CPUS_MAX);

	(void)state;
	assert_in_range(nr_cores, 1, nr_allowed);
	for (uint32_t i = 0; i < nr_allowed; i++) {
		int cpu = pin_cpu(&params, i);

		assert_true(is_allowed(cpu));
		if (i < nr_cores)
			assert_int_equal(cpu, cores[i]);
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(pin_cpu(&params, k), cpu);
		assert_int_equal(pin_cpu(&params, i + nr_allowed), cpu);
	}
}

static void test_cores(void **state)
{
	struct params params = { .pin = PIN_CORES };
	uint16_t cores[PARAMS_CPUS_MAX];
	unsigned int nr_cores = host_cpus_one_per_core(cores, PARAMS_CPUS_MAX);

	(void)state;
	for (uint32_t i = 0; i < 3 * nr_cores; i++)
		assert_int_equal(pin_cpu(&params, i), cores[i % nr_cores]);
}

static void test_cpus_as_listed(void **state)
{
	struct params params = { .pin = PIN_CPUS, .pin_cpus = { 5, 3, 3 }, .nr_pin_cpus = 3 };
	static const int expected[] = { 5, 3, 3, 5, 3 };

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(pin_cpu(&params, i), expected[i]);
}

static void test_within_the_affinity_of_the_process(void **state)
{
	static const enum pin_mode modes[] = { PIN_SPREAD, PIN_COMPACT, PIN_CORES };
	int last = allowed[nr_allowed - 1];
	cpu_set_t before, only;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&only);
	CPU_SET((unsigned int)last, &only);
	assert_int_equal(sched_setaffinity(0, sizeof(only), &only), 0);
	for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		struct params params = { .pin = modes[m] };

		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(pin_cpu(&params, i), last);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static int policy_now(unsigned long *ret_mask)
{
	unsigned long mask[16] = { 0 };
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, mask, 8 * sizeof(mask), NULL, 0))
		return -errno;
	*ret_mask = mask[0];
	return mode;
}

static void test_memory_policy(void **state)
{
	struct params params = { .mem = MEM_BIND, .mem_node = 0 };
	unsigned long mask;

	(void)state;
	if (policy_now(&mask) < 0) {
		print_message("skipped: this kernel has no memory policies\n");
		skip();
	}
	assert_int_equal(mem_policy(&params), 0);
	assert_int_equal(policy_now(&mask), 2); /* MPOL_BIND */
	assert_int_equal(mask, 1);
	params.mem = MEM_INTERLEAVE;
	assert_int_equal(mem_policy(&params), 0);
	assert_int_equal(policy_now(&mask), 3); /* MPOL_INTERLEAVE */
	assert_true(mask & 1);
	params.mem = MEM_LOCAL;
	assert_int_equal(mem_policy(&params), 0);
	assert_int_equal(policy_now(&mask), 0); /* MPOL_DEFAULT */
}

static void test_memory_of_a_node_that_is_not_there(void **state)
{
	struct params params = { .mem = MEM_BIND };
	unsigned long mask;

	(void)state;
	if (policy_now(&mask) < 0)
		skip();
	params.mem_node = 63;
	assert_true(mem_policy(&params) < 0);
	params.mem_node = 4000;
	assert_true(mem_policy(&params) < 0);
	assert_int_equal(policy_now(&mask), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_compact_is_in_order_and_wraps),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_cpus_as_listed),
		cmocka_unit_test(test_within_the_affinity_of_the_process),
		cmocka_unit_test(test_memory_policy),
		cmocka_unit_test(test_memory_of_a_node_that_is_not_there),
	};

	return cmocka_run_group_tests_name("pin", tests, setup, NULL);
}
