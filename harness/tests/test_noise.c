/* SPDX-License-Identifier: MIT */
/* The sentinel's rule at its edges, and the lines that it reads. */
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/jitter.h"
#include "run/noise.h"
#include "shmht_clock.h"

#define TICK_S 0.01

/* Shares of cpu_s seconds of CPU time. */
static struct noise judged(double steal, double foreign, double jump_s, double cpu_s)
{
	struct noise noise = { .known = true,
			       .steal = steal,
			       .foreign = foreign,
			       .steal_s = steal * cpu_s,
			       .foreign_s = foreign * cpu_s,
			       .clock_jump_s = jump_s };

	noise_judge(&noise, TICK_S);
	return noise;
}

static void test_rule(void **state)
{
	(void)state;
	assert_false(judged(0, 0, 0, 1).disturbed);
	assert_false(judged(0.049, 0.099, 0.0009, 10).disturbed);
	assert_true(judged(0.051, 0, 0, 10).disturbed);
	assert_non_null(strstr(judged(0.051, 0, 0, 10).why, "hypervisor"));
	assert_true(judged(0, 0.11, 0, 10).disturbed);
	assert_non_null(strstr(judged(0, 0.11, 0, 10).why, "other processes"));
	assert_true(judged(0, 0, -0.002, 10).disturbed);
	assert_non_null(strstr(judged(0, 0, -0.002, 10).why, "clock"));
	/* One or two ticks of a short window are within the counter's grain. */
	assert_false(judged(0.10, 0, 0, 0.2).disturbed);
	assert_true(judged(0.20, 0, 0, 0.2).disturbed);
	/* What is not known disturbs nobody. */
	assert_false(judged(NAN, NAN, 0, 1).disturbed);
}

static void test_lines(void **state)
{
	unsigned int cpu = 99;
	uint64_t busy, steal;

	(void)state;
	assert_true(noise_parse_cpu("cpu3 10 2 30 400 5 6 7 8 9 1\n", &cpu, &busy, &steal));
	assert_int_equal(cpu, 3);
	assert_int_equal(busy, 55);
	assert_int_equal(steal, 8);
	assert_false(noise_parse_cpu("cpu  10 2 30 400 5 6 7 8 9 1\n", &cpu, &busy, &steal));
	assert_false(noise_parse_cpu("cpu3 10 2\n", &cpu, &busy, &steal));
	assert_false(noise_parse_cpu("intr 1 2 3\n", &cpu, &busy, &steal));
}

/* A process that is not ours burns the CPUs: the negative control. */
static void test_foreign_load_is_seen(void **state)
{
	struct noise_mark mark;
	struct noise noise;
	uint64_t begin;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		alarm(20);
		for (;;)
			;
	}
	noise_mark(&mark);
	begin = shmht_monotonic_ns();
	while (shmht_monotonic_ns() - begin < 600000000u)
		usleep(1000);
	noise_since(&mark, 0, &noise);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!noise.known)
		skip();
	assert_true(noise.disturbed);
}

/* Our own work is not foreign: the same load, counted as the workers'. */
static void test_own_load_is_not_foreign(void **state)
{
	struct noise_mark mark;
	struct noise own, foreign;
	uint64_t begin;

	(void)state;
	noise_mark(&mark);
	begin = shmht_monotonic_ns();
	while (shmht_monotonic_ns() - begin < 300000000u)
		;
	noise_since(&mark, 0, &own);
	/* The same window, had this process's time been somebody else's. */
	mark.own_s += 0.3;
	noise_since(&mark, 0, &foreign);
	if (!own.known)
		skip();
	assert_true(own.foreign_s < foreign.foreign_s);
}

/* Who is stopped for a quarter of the time stood still for as long: the negative control. */
static void test_jitter_is_seen(void **state)
{
	struct jitter *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	(void)state;
	assert_true(seen != MAP_FAILED);
	shmht_ns_per_tick(); /* its first call takes time */
	pid = fork();
	if (pid == 0) {
		alarm(20);
		jitter_measure(200000000u, seen);
		_exit(0);
	}
	usleep(50000);
	kill(pid, SIGSTOP);
	usleep(50000);
	kill(pid, SIGCONT);
	waitpid(pid, NULL, 0);
	print_message("stood still %.1f %% of %.0f ms, at the longest %.1f ms\n", seen->share * 100,
		      seen->seconds * 1e3, seen->longest_ns * 1e-6);
	assert_true(seen->seconds >= 0.2);
	assert_true(seen->longest_ns >= 45e6);
	assert_true(seen->gaps >= 1);
	assert_true(seen->share >= 0.9 * seen->longest_ns * 1e-9 / seen->seconds);
	assert_true(seen->share < 1);
	munmap(seen, sizeof(*seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_foreign_load_is_seen),
		cmocka_unit_test(test_own_load_is_not_foreign),
		cmocka_unit_test(test_jitter_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
