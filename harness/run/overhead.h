/* SPDX-License-Identifier: MIT */
/*
 * What measuring costs here and now: the parts of the measured loop that are
 * not the table's, timed one by one in this process before it forks workers.
 */
#ifndef SHMBENCH_OVERHEAD_H
#define SHMBENCH_OVERHEAD_H

enum overhead_part {
	OVERHEAD_CLOCK_READ,
	OVERHEAD_HIST_RECORD,
	OVERHEAD_OP_FETCH,
	OVERHEAD_VALUE_CHECK,
	OVERHEAD_BETWEEN_OPS,
	OVERHEAD_EMPTY_LOOP,
	OVERHEAD_NR
};
extern const char *const overhead_names[OVERHEAD_NR]; /* "clock_read" ... */

/* ns per operation, over repetitions: half of them lie within low..high. */
struct overhead {
	double median_ns, low_ns, high_ns;
};

/*
 * Takes some 20 ms. All but the empty loop itself are less its cost. OVERHEAD_BETWEEN_OPS
 * is what lies between two operations where one clock read is the end of one and the
 * start of the next (worker_chain.inc.h), less that read: it is in their service times.
 */
void overhead_measure(struct overhead ret[OVERHEAD_NR]);

#endif
