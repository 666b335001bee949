/* SPDX-License-Identifier: MIT */
/* Registers tests with cmocka, once for every strategy of the build and each mode. */
#include "bind.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TESTS_MAX 4096

static struct bound_test bound[TESTS_MAX];
static struct CMUnitTest unit[TESTS_MAX];
static char names[TESTS_MAX][160];
static const char *running = "";

static void on_deadline(int sig)
{
	static const char text[] = ": deadline passed\n";

	(void)sig;
	children_kill();
	if (write(STDERR_FILENO, running, strlen(running)) > 0 &&
	    write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		_exit(1);
	_exit(1);
}

static void run_bound(void **state)
{
	const struct bound_test *b = *state;

	running = names[b - bound];
	alarm(DEADLINE_S);
	bound_run(b);
	alarm(0);
}

/* After a failed test too. */
static int tear_down(void **state)
{
	(void)state;
	alarm(0);
	children_end();
	return 0;
}

/*
 * Lock-free reading has one body for all strategies, and the waiting policies one
 * loop: by default they are tested over one lock of each kind, with SHMBENCH_TESTS=all
 * over every one.
 */
static bool in_short_list(const struct shmht_strategy *strategy)
{
	static const char *const short_list[] = { "none", "futex", "mcs" };
	const char *wanted = getenv("SHMBENCH_TESTS");

	if (wanted && !strcmp(wanted, "all"))
		return true;
	for (size_t i = 0; i < sizeof(short_list) / sizeof(short_list[0]); i++)
		if (!strcmp(short_list[i], strategy->name))
			return true;
	return false;
}

int run_every_strategy(const char *group, const struct strategy_test *tests, size_t nr)
{
	struct sigaction act = { .sa_handler = on_deadline };
	const struct shmht_strategy *strategy;
	size_t nr_bound = 0;

	sigaction(SIGALRM, &act, NULL);
	memset(unit, 0, sizeof(unit));
	shmht_ns_per_tick(); /* measured once, not within a test */
	for (size_t t = 0; t < nr; t++) {
		for (unsigned int i = 0; (strategy = real_strategy(i)); i++) {
			if (strategy->caps & SHMHT_CAP_ONE_WORKER &&
			    tests[t].flags & (TEST_MANY | TEST_ONCE))
				continue;
			nr_bound += bind_test(&tests[t], strategy, in_short_list(strategy),
					      bound + nr_bound, TESTS_MAX - nr_bound);
			if (tests[t].flags & TEST_ONCE)
				break;
		}
	}
	for (size_t i = 0; i < nr_bound; i++) {
		snprintf(names[i], sizeof(names[i]), "%s [%s %s]", bound[i].test->name,
			 bound[i].strategy->name, bound[i].mode);
		unit[i] = (struct CMUnitTest){ .name = names[i],
					       .test_func = run_bound,
					       .teardown_func = tear_down,
					       .initial_state = &bound[i] };
	}
	/* Entries without a function are skipped by cmocka. */
	return cmocka_run_group_tests_name(group, unit, NULL, NULL);
}
