/* SPDX-License-Identifier: MIT */
/* A test, bound to a strategy and a mode: what runner.c and alone.c run. */
#ifndef CORE_TESTS_BIND_H
#define CORE_TESTS_BIND_H

#include "support.h"

struct bound_test {
	const struct strategy_test *test;
	const struct shmht_strategy *strategy;
	enum shmht_wait wait;
	enum shmht_read read;
	uint32_t stripes;
	char mode[40];
};

/* The modes that a test of this strategy is run in; all: every one. How many. */
size_t bind_test(const struct strategy_test *test, const struct shmht_strategy *strategy, bool all,
		 struct bound_test *ret, size_t max);

/* As the test that runs, and small_config(), see it. */
void bound_run(const struct bound_test *bound);

#endif
