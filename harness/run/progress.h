/* SPDX-License-Identifier: MIT */
/* The progress line on stderr: on a terminal only, and gone when it is done. */
#ifndef SHMBENCH_PROGRESS_H
#define SHMBENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	uint64_t started_ns;
	uint32_t done, total; /* trials; total 0: not known beforehand */
};

void progress_begin(struct progress *progress, bool wanted, uint32_t total);
/* Before a trial: its point and number, and the last trial's rate (0: none). */
void progress_show(const struct progress *progress, const char *point, double last_ops_per_s);
void progress_end(const struct progress *progress);

#endif
