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

/* Of one worker; when it was, so that who looks from outside can say what went on then. */
struct gap {
	uint64_t ns;	    /* less what was not the lock's */
	uint64_t wait_ns;   /* by the wall */
	uint64_t end_ticks; /* of one over GAP_LONG_NS; else 0 */
};

struct gap_watch {
	int fd; /* this thread's schedstat; -1: not there */
	uint64_t delay_ns;
};

void gap_open(struct gap_watch *watch);
/* How long this thread was ever ready to run and did not; false: not known. */
bool gap_run_delay(const struct gap_watch *watch, uint64_t *ret_ns);
/* Waits from here on. One system call, here and in gap_take() over GAP_LONG_NS. */
void gap_mark(struct gap_watch *watch);
/* A wait that just ended, less the run delay since the last mark, if none was longer. */
void gap_take(struct gap_watch *watch, uint64_t wait_ns, struct gap *longest);
void gap_close(struct gap_watch *watch);

enum starved { STARVED_NOT, STARVED_BY_LOCK, STARVED_BY_SCHEDULER };

/* gaps, whole: [nr] longest per worker, less run delay and by the wall; sorts gaps. */
enum starved fairness_judge(uint64_t *gaps, const uint64_t *whole, uint32_t nr);

#endif
