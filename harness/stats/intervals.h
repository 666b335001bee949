/* SPDX-License-Identifier: MIT */
/*
 * A trial's time series. At the end of each interval a worker writes what it
 * did since the last one into a slot of its own: operations, and its latencies
 * as the difference of its histograms, at 32 buckets per power of two (1.6 %).
 * Nothing of it happens per operation. Slots are a page each and bounded: a
 * trial with more intervals than fit gets longer ones.
 */
#ifndef SHMBENCH_INTERVALS_H
#define SHMBENCH_INTERVALS_H

#include <stdint.h>

#include "stats/hist.h"

#define INTERVAL_SUB_BITS 5u
#define INTERVAL_BUCKETS ((HIST_MAX_BITS - INTERVAL_SUB_BITS + 1u) << INTERVAL_SUB_BITS)
#define INTERVAL_SLOTS_MAX 600u
#define INTERVAL_BYTES_MAX (64u << 20) /* of all workers' slots */

/* A bound on the latencies of some classes: how many are over it is counted per
 * interval, for `plan`. */
struct interval_watch {
	unsigned int classes; /* bits of the histograms' numbers */
	uint64_t bound_ns;
};
#define INTERVAL_WATCHES 4u

struct interval_slot {
	uint64_t ops;
	uint64_t watched[INTERVAL_WATCHES], over[INTERVAL_WATCHES];
	uint32_t buckets[INTERVAL_BUCKETS];
};

/* A worker's: what it had at the end of the last interval. */
struct interval_cut {
	uint64_t ops;
	uint64_t watched[INTERVAL_WATCHES], over[INTERVAL_WATCHES];
	uint64_t counted[HIST_BUCKETS];
};

/* Of one interval, all workers together. Times not measured are NaN. */
struct interval_figures {
	double start_s, seconds; /* since the window began; real length */
	uint64_t ops, samples;
	uint64_t watched[INTERVAL_WATCHES], over[INTERVAL_WATCHES];
	double p50_ns, p99_ns, p999_ns;
};

void interval_cut_begin(struct interval_cut *cut);
/* Adds to the slot what came since the last cut; ops is the running total. */
void interval_cut(struct interval_cut *cut, const struct hist *hists, unsigned int nr, uint64_t ops,
		  struct interval_slot *slot);
/* The same for what is watched. */
void interval_cut_watches(struct interval_cut *cut, const struct hist *hists, unsigned int nr,
			  const struct interval_watch *watches, uint32_t nr_watches,
			  struct interval_slot *slot);
/* Slots per worker, and the interval that makes them last for the duration (0:
 * not known; what does not fit is added to the last slot). */
uint32_t interval_plan(uint64_t duration_ns, uint64_t interval_ns, uint32_t procs,
		       uint64_t *ret_interval_ns);
/* Sums ops and samples and finds percentiles; the times stay the caller's. */
void interval_merge(const struct interval_slot *const *slots, uint32_t nr,
		    struct interval_figures *ret);
/* Least squares: the change of values per step, as a share of their mean; NaN
 * below two values and when the mean is 0. */
double interval_slope(const double *values, uint32_t nr);

#endif
