/* SPDX-License-Identifier: MIT */
/*
 * `phases`: a trial in legs, each with figures of its own. (In the code they are
 * legs, because `enum phase` is the start line's.)
 *
 *	load	   the entries of `preload` are inserted, all workers at once, by
 *		   the clock; the first leg, before warm-up and outside of the
 *		   trial's own figures
 *	steady	   the section's mix at its rate
 *	spike:Kx   at K times its rate; the schedule is stretched or squeezed, so that
 *		   a Poisson process stays one
 *	drain	   nothing is planned, what was planned and not started is worked off;
 *		   as the last leg it ends when that is done
 *
 * An operation counts for the leg in which it started, its response time from its
 * planned start: what a spike leaves behind shows in the leg after it.
 */
#ifndef SHMBENCH_LEGS_H
#define SHMBENCH_LEGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/params.h"

/* Whether the first leg is `load`, which the measured window does not have. */
static inline bool legs_load(const struct params *params)
{
	return params->nr_legs && params->legs[0].kind == LEG_LOAD;
}

static inline bool legs_drain_last(const struct params *params)
{
	return params->nr_legs && params->legs[params->nr_legs - 1].kind == LEG_DRAIN;
}

/* "spike:2x"; a second one of the same words is "spike:2x#2". */
void leg_name(const struct params *params, uint32_t leg, char *buf, size_t size);
/* Gives legs without a time theirs (duration). False, with why, when a leg cannot be
 * had with the other keys. */
bool legs_resolve(struct params *params, char *why, size_t size);
/* The window's length, at most, whether there are legs or not; 0: by ops. */
uint64_t legs_window_ns(const struct params *params);
/* Its end less the drain at its end: until then operations are planned. */
uint64_t legs_plan_ns(const struct params *params);
/* Operations planned, as a share of what the plain rate plans in the same time. */
double legs_mean_factor(const struct params *params);

#endif
