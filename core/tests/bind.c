/* SPDX-License-Identifier: MIT */
/* Which modes a test is run in. */
#include "bind.h"

#include <stdio.h>

struct binding {
	const struct strategy_test *test;
	const struct shmht_strategy *strategy;
	struct bound_test *bound;
	size_t nr, max;
};

static void bind_mode(struct binding *to, enum shmht_read read, uint32_t stripes,
		      enum shmht_wait wait)
{
	struct bound_test *b = &to->bound[to->nr];

	if (to->nr == to->max)
		abort();
	to->nr++;
	*b = (struct bound_test){ .test = to->test,
				  .strategy = to->strategy,
				  .read = read,
				  .stripes = stripes,
				  .wait = wait };
	snprintf(b->mode, sizeof(b->mode), "%s%s%s%s", read_names[read],
		 stripes == 1 ? "" : " 64 stripes", wait ? " " : "",
		 wait ? shmht_wait_name(wait) : "");
}

size_t bind_test(const struct strategy_test *test, const struct shmht_strategy *strategy, bool all,
		 struct bound_test *ret, size_t max)
{
	struct binding to = { .test = test, .strategy = strategy, .bound = ret, .max = max };
	unsigned int flags = test->flags;
	enum shmht_read last = all && !(flags & (TEST_ONCE | TEST_LOCKED)) ? SHMHT_READ_RCU :
									     SHMHT_READ_LOCKED;

	for (enum shmht_read read = SHMHT_READ_LOCKED; read <= last; read++) {
		bind_mode(&to, read, 1, SHMHT_WAIT_OWN);
		if (flags & TEST_STRIPES)
			bind_mode(&to, read, 64, SHMHT_WAIT_OWN);
	}
	for (enum shmht_wait wait = SHMHT_WAIT_OWN + 1; wait < SHMHT_WAIT_NR; wait++)
		if (all && flags & TEST_WAITS && strategy->waits >> wait & 1)
			bind_mode(&to, SHMHT_READ_LOCKED, 1, wait);
	return to.nr;
}

void bound_run(const struct bound_test *bound)
{
	test_wait = bound->wait;
	test_read = bound->read;
	test_stripes = bound->stripes;
	bound->test->fn(bound->strategy);
}
