/* SPDX-License-Identifier: MIT */
/*
 * Telling a lock that starves from a scheduler that does: of a long wait, the
 * part in which the thread was ready to run and did not is the scheduler's.
 */
#ifndef SHMBENCH_FAIRNESS_H
#define SHMBENCH_FAIRNESS_H

#include <stdbool.h>
#include <stdint.h>

#define GAP_LONG_NS 10000000u	/* shorter waits are taken as they are */
#define STARVED_NS 100000000u	/* a gap over this, ... */
#define STARVED_OVER_MEDIAN 10u /* ... and over so many medians, is starvation */

struct gap_watch {
	int fd; /* this thread's schedstat; -1: not there */
	uint64_t delay_ns;
};

void gap_open(struct gap_watch *watch);
/* How long this thread was ever ready to run and did not; false: not known. */
bool gap_run_delay(const struct gap_watch *watch, uint64_t *ret_ns);
/* Waits from here on. One system call, here and in gap_of_wait() over GAP_LONG_NS. */
void gap_mark(struct gap_watch *watch);
/* A wait that just ended, less the run delay since the last mark. */
uint64_t gap_of_wait(struct gap_watch *watch, uint64_t wait_ns);
void gap_close(struct gap_watch *watch);

enum starved { STARVED_NOT, STARVED_BY_LOCK, STARVED_BY_SCHEDULER };

/* gaps, whole: [nr] longest per worker, less run delay and by the wall; sorts gaps. */
enum starved fairness_judge(uint64_t *gaps, const uint64_t *whole, uint32_t nr);

#endif
