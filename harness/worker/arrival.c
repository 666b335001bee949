/* SPDX-License-Identifier: MIT */
/*
 * Schedules. Poisson with a rate that changes is drawn by inversion: the n-th
 * operation stands where the expected number of operations reaches the sum of n
 * unit exponentials (Lewis and Shedler, 1979). Times are doubles of
 * nanoseconds: in an hour they still tell 1 ns / 2000 apart, so that a rate
 * carries no rounding of its gaps.
 */
#include "worker/arrival.h"

#include <math.h>

#include "run/legs.h"

#define STREAM_ARRIVAL 0x6172726976616cull /* apart from the op streams' generators */

static double unit_exponential(struct rng *rng)
{
	return -log(1 - rng_unit(rng)); /* 1 - u is never 0 */
}

/* The moment at which so much of the unchanging schedule has passed. */
static double through_legs(const struct arrival *arrival, double at)
{
	double left = at - arrival->legs_start_ns, now = arrival->legs_start_ns;

	if (!arrival->legs || !(left > 0))
		return at;
	for (uint32_t i = 0; i < arrival->legs->nr_legs; i++) {
		const struct leg *leg = &arrival->legs->legs[i];
		double passes = leg->factor * (double)leg->ns;

		if (left < passes)
			return now + left / leg->factor;
		left -= passes;
		now += (double)leg->ns;
	}
	return now + left;
}

static double per_ns(double rate, const struct params *params)
{
	return rate * 1e-9 / (params->rate_per_proc ? 1 : params->procs);
}

double arrival_rate(const struct params *params)
{
	double rate = (double)params->rate;

	if (params->rate && params->arrival == ARRIVAL_RAMP)
		rate = (params->ramp_from + params->ramp_to) / 2 *
		       (params->ramp_relative ? rate : 1);
	return rate * legs_mean_factor(params) * (params->rate_per_proc ? params->procs : 1);
}

static void init_ramp(struct arrival *arrival, const struct params *params)
{
	double unit = params->ramp_relative ? (double)params->rate : 1;

	arrival->from = per_ns(params->ramp_from * unit, params);
	arrival->to = per_ns(params->ramp_to * unit, params);
	arrival->ramp_ns = (double)params->duration_ns;
	/* By operations: as long as they take when the rate is kept. */
	if (params->ops)
		arrival->ramp_ns = (double)params->ops / ((arrival->from + arrival->to) / 2);
	arrival->ramp_start_ns = params->ops		  ? 0 :
				 params->steady_slope > 0 ? INFINITY :
							    (double)params->warmup_ns;
	/* Nothing to warm up with: the ramp is all there is. */
	if (arrival->from <= 0)
		arrival->ramp_start_ns = fmin(arrival->ramp_start_ns, (double)params->warmup_ns);
}

void arrival_init(struct arrival *arrival, const struct params *params, uint32_t trial,
		  uint32_t worker)
{
	*arrival = (struct arrival){ .kind = params->arrival, .burst = params->burst };
	rng_seed(&arrival->rng, params->seed ^ STREAM_ARRIVAL, (uint64_t)trial << 32 | worker);
	arrival->gap_ns = 1 / per_ns((double)params->rate, params);
	if (arrival->kind == ARRIVAL_CONSTANT)
		arrival->at_ns = arrival->gap_ns * ((double)worker / params->procs - 1);
	if (arrival->kind == ARRIVAL_RAMP)
		init_ramp(arrival, params);
	arrival->legs = params->nr_legs ? params : NULL;
	arrival->legs_start_ns = params->steady_slope > 0 ? INFINITY : (double)params->warmup_ns;
}

void arrival_measure_from(struct arrival *arrival, double start_ns)
{
	/* Operations planned so far were planned at the first rate. */
	if (arrival->legs && arrival->legs_start_ns == (double)INFINITY)
		arrival->legs_start_ns = fmax(start_ns, arrival->at_ns);
	if (arrival->kind == ARRIVAL_RAMP && arrival->ramp_start_ns == (double)INFINITY)
		arrival->ramp_start_ns = fmax(start_ns, arrival->at_ns);
}

/* Where the expected number of operations reaches `expected`. */
static double ramp_at(const struct arrival *arrival, double expected)
{
	double from = arrival->from, to = arrival->to, length = arrival->ramp_ns;
	double before = from > 0 ? from * arrival->ramp_start_ns : 0, slope = (to - from) / length;

	if (expected <= before)
		return expected / from;
	expected -= before;
	if (expected >= (from + to) / 2 * length) {
		expected -= (from + to) / 2 * length;
		/* A ramp down to 0 has an end. */
		return arrival->ramp_start_ns + length + (to > 0 ? expected / to : 1e18);
	}
	/* Of the quadratic's two forms the one that a slope of 0 does not break. */
	return arrival->ramp_start_ns +
	       2 * expected / (from + sqrt(fmax(from * from + 2 * slope * expected, 0)));
}

double arrival_next(struct arrival *arrival)
{
	switch (arrival->kind) {
	case ARRIVAL_POISSON:
		arrival->at_ns += arrival->gap_ns * unit_exponential(&arrival->rng);
		break;
	case ARRIVAL_CONSTANT:
		arrival->at_ns += arrival->gap_ns;
		break;
	case ARRIVAL_BURST:
		if (arrival->left-- == 0) {
			arrival->left = arrival->burst - 1;
			arrival->at_ns += arrival->gap_ns * arrival->burst *
					  unit_exponential(&arrival->rng);
		}
		break;
	case ARRIVAL_RAMP:
		arrival->expected += unit_exponential(&arrival->rng);
		arrival->at_ns = ramp_at(arrival, arrival->expected);
		break;
	}
	return through_legs(arrival, arrival->at_ns);
}
