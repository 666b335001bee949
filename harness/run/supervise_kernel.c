/* SPDX-License-Identifier: MIT */
/*
 * The trial of a point in which system calls are counted, and nothing is timed: a
 * tracepoint that is open slows every call of the machine, those of the locks that
 * make them first of all.
 */
#include "run/legs.h"
#include "run/supervise_internal.h"

#define WINDOW_NS 200000000u
#define WARMUP_NS 50000000u
#define WINDOW_OPS 1000u /* where so few make the window longer, it is longer */
#define OPS_MAX 200000u	 /* ops = N: the first of them, per worker */

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* For WINDOW_OPS operations where they are seldom: what plans them, or fills the time. */
static uint64_t window_ns(const struct params *params)
{
	uint64_t per_op = params->think_ns + params->hold_ns, ns = WINDOW_NS;

	if (params->rate)
		per_op = 1000000000u / params->rate;
	if (per_op > ns / WINDOW_OPS)
		ns = per_op * WINDOW_OPS;
	return lesser(ns, params->duration_ns);
}

/* Phases are what they are: a spike that is cut short makes another load. */
static void shorten(struct params *params)
{
	if (!params->nr_legs && !params->ops)
		params->duration_ns = window_ns(params);
	params->warmup_ns = lesser(params->warmup_ns, WARMUP_NS);
	params->ops = lesser(params->ops, OPS_MAX);
	params->steady_slope = 0;
	params->nr_watch = 0;
	/* Recording makes no system call, and the order was checked in the other trials. */
	if (params->verify == VERIFY_LINEARIZABLE)
		params->verify = VERIFY_VALUES;
}

uint64_t supervise_kernel_trial_ns(const struct params *params)
{
	struct params copy = *params;

	shorten(&copy);
	return copy.ops ? 0 : copy.warmup_ns + legs_window_ns(&copy);
}

void supervise_kernel_trial(const struct point *point, struct trial *ret_trial)
{
	struct point copy = *point;
	struct run run = { .point = &copy, .trial = ret_trial, .counts_calls = true };

	shorten(&copy.params);
	run_trial(&run);
}
