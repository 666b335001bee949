/* SPDX-License-Identifier: MIT */
/*
 * When an open loop's operations are planned to start. A worker's schedule is a
 * function of (seed, trial, worker, load keys) and of nothing that happens
 * during the run: a worker that is behind keeps it and skips nothing. It is
 * drawn one operation ahead, some 10 ns each, between operations.
 *
 * poisson: exponential gaps. constant: equal ones, the workers' shifted so that
 * all together are evenly spaced. burst:N: N for one moment, exponential gaps
 * between bursts. ramp: Poisson whose rate is A during warm-up, goes from A to
 * B over the measured time, and stays there.
 */
#ifndef SHMBENCH_ARRIVAL_H
#define SHMBENCH_ARRIVAL_H

#include <stdint.h>

#include "scenario/params.h"
#include "worker/rng.h"

struct arrival {
	enum arrival_kind kind;
	uint32_t burst, left; /* ARRIVAL_BURST: of the present one still to come */
	struct rng rng;
	double gap_ns; /* mean, of this worker */
	double at_ns;  /* planned last */
	/* ARRIVAL_RAMP: operations per ns of this worker, and expected so far. */
	double from, to, ramp_ns, expected;
	double ramp_start_ns;
	/* Phases: at_ns is the time of a schedule whose rate does not change, of which
	 * `factor` passes per ns of the leg. */
	const struct params *legs; /* NULL: none */
	double legs_start_ns;
};

void arrival_init(struct arrival *arrival, const struct params *params, uint32_t trial,
		  uint32_t worker);
/* The ramp or the first phase begins here: at the end of warm-up, which only the run may know. */
void arrival_measure_from(struct arrival *arrival, double start_ns);
/* Planned start of the next operation, ns since the schedule's origin; never
 * before the last one. */
double arrival_next(struct arrival *arrival);
/* Operations per second asked of all workers, the mean over a ramp. */
double arrival_rate(const struct params *params);

#endif
