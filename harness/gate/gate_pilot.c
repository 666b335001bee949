/* SPDX-License-Identifier: MIT */
/*
 * Before the rounds: a slice or three of every point, for what a round costs, how
 * much two slices differ, and how densely latencies must be sampled.
 */
#include <errno.h>
#include <math.h>

#include "gate/gate.h"

static int measure_pilot(const struct gate_request *request, const struct gate_suite *suite,
			 const struct gate_point *point, enum gate_side side, uint32_t trial,
			 struct gate_slice *slice, char *why, size_t size)
{
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < GATE_TRIES; i++) {
		gate_slice_free(slice);
		r = gate_measure(request, point, side, suite->slice_ns, trial, slice, why, size);
	}
	return r;
}

/* Sampling grows until every slice has enough above its percentile. */
static int first_slice(const struct gate_request *request, const struct gate_suite *suite,
		       struct gate_point *point, enum gate_side side, struct gate_slice *slice)
{
	static const uint32_t denser[] = { 0, 16, 4, 1 };
	char why[600] = "";
	int r = -EAGAIN;

	for (size_t i = 0; r == -EAGAIN && i < sizeof(denser) / sizeof(denser[0]); i++) {
		if (point->sample_every && (!denser[i] || denser[i] > point->sample_every))
			continue; /* the other side needed more */
		point->sample_every = denser[i];
		r = measure_pilot(request, suite, point, side, 0, slice, why, sizeof(why));
		if (point->open_loop)
			break;
	}
	if (r && r != -EINTR)
		gate_set_aside(point, r, side, why);
	return r;
}

/* Base against base: what a slice costs, and how much two of them differ. */
static int pilot(const struct gate_request *request, const struct gate_suite *suite,
		 struct gate_point *point)
{
	double rates[GATE_PILOT_SLICES], mean = 0, squares = 0, elapsed = 0;
	char why[600];
	int r = 0;

	for (int i = 0; !r && i < GATE_PILOT_SLICES; i++) {
		struct gate_slice slice = { 0 };

		if (i == 0)
			r = first_slice(request, suite, point, GATE_BASE, &slice);
		else
			r = measure_pilot(request, suite, point, GATE_BASE, (uint32_t)i, &slice,
					  why, sizeof(why));
		if (r && i && r != -EINTR)
			gate_set_aside(point, r, GATE_BASE, why);
		rates[i] = r ? NAN : log((double)slice.ops / slice.seconds);
		mean += rates[i] / GATE_PILOT_SLICES;
		elapsed += slice.elapsed_s;
		gate_slice_free(&slice);
	}
	if (r)
		return r;
	for (int i = 0; i < GATE_PILOT_SLICES; i++)
		squares += (rates[i] - mean) * (rates[i] - mean);
	point->spread = sqrt(2 * squares / (GATE_PILOT_SLICES - 1));
	point->pair_s = 2 * elapsed / GATE_PILOT_SLICES;
	return 0;
}

int gate_run_pilots(const struct gate_request *request, struct gate_suite *suite)
{
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		struct gate_point *point = &suite->points[i];
		struct gate_slice slice = { 0 };
		int r = 0;

		if (point->state == GATE_MEASURED)
			r = pilot(request, suite, point);
		if (!r && (point->state == GATE_MEASURED || point->state == GATE_NEW))
			r = first_slice(request, suite, point, GATE_HEAD, &slice);
		gate_slice_free(&slice);
		if (r == -EINTR)
			return r;
	}
	return 0;
}
