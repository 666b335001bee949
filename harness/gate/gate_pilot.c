/* SPDX-License-Identifier: MIT */
/*
 * Before the rounds: a slice of every point and side, for how densely latencies must be
 * sampled, and a few more of base, for what a round costs and how much rounds differ.
 */
#include <errno.h>
#include <math.h>

#include "gate/gate.h"
#include "shmht_clock.h"

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

/* Base against base, as rounds will be: what one costs, and how much they differ. */
static int pilot_turns(const struct gate_request *request, const struct gate_suite *suite,
		       struct gate_point *point)
{
	struct gate_request same = *request;
	struct gate_round round = { .head_first = false };
	uint64_t started = shmht_monotonic_ns();
	enum gate_side side = GATE_BASE;
	double squares = 0;
	char why[600] = "";
	int r = 0;

	same.builds[GATE_HEAD] = same.builds[GATE_BASE];
	for (uint32_t i = 0; !r && i < GATE_PILOT_SLICES; i++) {
		r = -EBUSY;
		for (int k = 0; r == -EBUSY && k < GATE_TRIES; k++)
			r = gate_measure_turns(&same, point, suite->slice_ns, i, &round, &side, why,
					       sizeof(why));
		if (!r)
			squares += pow(gate_log_slowdown(point, &round), 2);
	}
	gate_slice_free(&round.slices[GATE_BASE]);
	gate_slice_free(&round.slices[GATE_HEAD]);
	if (r && r != -EINTR)
		gate_set_aside(point, r, GATE_BASE, why);
	point->spread = sqrt(squares / GATE_PILOT_SLICES);
	point->pair_s = (double)(shmht_monotonic_ns() - started) * 1e-9 / GATE_PILOT_SLICES;
	return r;
}

/* The same in whole slices. */
static int pilot_slices(const struct gate_request *request, const struct gate_suite *suite,
			struct gate_point *point)
{
	double rates[GATE_PILOT_SLICES], mean = 0, squares = 0, elapsed = 0;
	char why[600];
	int r = 0;

	for (int i = 0; !r && i < GATE_PILOT_SLICES; i++) {
		struct gate_slice slice = { 0 };

		r = measure_pilot(request, suite, point, GATE_BASE, (uint32_t)i, &slice, why,
				  sizeof(why));
		if (r && r != -EINTR)
			gate_set_aside(point, r, GATE_BASE, why);
		rates[i] = r ? NAN : gate_log_rate(&slice);
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
			r = first_slice(request, suite, point, GATE_BASE, &slice);
		gate_slice_free(&slice);
		if (!r && (point->state == GATE_MEASURED || point->state == GATE_NEW))
			r = first_slice(request, suite, point, GATE_HEAD, &slice);
		gate_slice_free(&slice);
		if (!r && point->state == GATE_MEASURED)
			r = point->turns ? pilot_turns(request, suite, point) :
					   pilot_slices(request, suite, point);
		if (r == -EINTR)
			return r;
	}
	return 0;
}
