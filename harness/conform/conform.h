/* SPDX-License-Identifier: MIT */
/*
 * A check of a lock that may do anything: crash, write where it should not, never
 * return. Each runs in a process group of its own, which is killed at its end.
 */
#ifndef SHMBENCH_CONFORM_H
#define SHMBENCH_CONFORM_H

#include <stdint.h>

enum conform_outcome {
	CONFORM_NOT_RUN = 0,
	CONFORM_PASSED,
	CONFORM_FAILED, /* why says what was found */
	CONFORM_DIED,
	CONFORM_HUNG,
};

struct conform_result {
	enum conform_outcome outcome;
	uint64_t ns;
	char why[512]; /* in words, unless it passed */
};

/*
 * Calls fn in a child, until deadline_ns after now. It passed when the child's exit
 * status is 0; what fn writes to report_fd becomes the reason if not. -errno when no
 * child could be had.
 */
int conform_child(void (*fn)(const void *arg, int report_fd), const void *arg, uint64_t deadline_ns,
		  struct conform_result *ret_result);

#endif
