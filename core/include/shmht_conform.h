/* SPDX-License-Identifier: MIT */
/*
 * What a lock strategy has to do, as checks that a program can run: the core's own
 * tests of a strategy, compiled into libconform. They fork, start threads, kill what
 * they started, and wait for a lock that may never come: each wants a process of its
 * own, in a process group of its own, with a deadline. Not part of libshmht.
 */
#ifndef SHMHT_CONFORM_H
#define SHMHT_CONFORM_H

#include "shmht.h"

struct shmht_conform_check {
	const char *name; /* what is promised; the same in each mode */
	const char *mode; /* "locked", "seqlock, 64 stripes", "locked, wait = park" */
};

/*
 * The checks of a strategy, in order; all: in every read mode, and under each of its
 * waiting policies, not only where its lock makes the difference. Returns how many;
 * they stay until the next call.
 */
size_t shmht_conform_checks(const struct shmht_strategy *strategy, bool all,
			    const struct shmht_conform_check **ret_checks);

/* Runs one, and ends the process: exit status 0; or 1, with the reason in report_fd. */
__attribute__((noreturn)) void shmht_conform_run(const struct shmht_conform_check *check,
						 int report_fd);

#endif
