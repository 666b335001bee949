/* SPDX-License-Identifier: MIT */
/* The tests of a strategy as checks of the program: see shmht_conform.h and alone.h. */
#include "shmht_conform.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "bind.h"

#define CHECKS_MAX 512u

extern const struct strategy_group group_conformance, group_bounds, group_model, group_waiting,
	group_processes;

static struct bound_test bound[CHECKS_MAX];
static struct shmht_conform_check checks[CHECKS_MAX];
static int report = STDERR_FILENO;

void alone_note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vdprintf(report, format, ap);
	va_end(ap);
}

_Noreturn void alone_failed(const char *file, int line)
{
	dprintf(report, "(%s:%d)", file, line);
	_exit(1);
}

_Noreturn void alone_fail(const char *file, int line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vdprintf(report, format, ap);
	va_end(ap);
	dprintf(report, " ");
	alone_failed(file, line);
}

static bool is_about(const struct shmht_strategy *strategy, unsigned int flags)
{
	return !(flags & TEST_ONCE) &&
	       !(flags & TEST_MANY && strategy->caps & SHMHT_CAP_ONE_WORKER);
}

size_t shmht_conform_checks(const struct shmht_strategy *strategy, bool all,
			    const struct shmht_conform_check **ret_checks)
{
	static const struct strategy_group *const groups[] = {
		&group_conformance, &group_bounds, &group_model, &group_waiting, &group_processes,
	};
	size_t nr = 0;

	shmht_ns_per_tick(); /* measured once, not by each check's process */
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (size_t t = 0; t < groups[g]->nr; t++)
			if (is_about(strategy, groups[g]->tests[t].flags))
				nr += bind_test(&groups[g]->tests[t], strategy, all, bound + nr,
						CHECKS_MAX - nr);
	for (size_t i = 0; i < nr; i++)
		checks[i] = (struct shmht_conform_check){ .name = bound[i].test->name,
							  .mode = bound[i].mode };
	*ret_checks = checks;
	return nr;
}

_Noreturn void shmht_conform_run(const struct shmht_conform_check *check, int report_fd)
{
	report = report_fd;
	bound_run(bound + (check - checks));
	_exit(0);
}
