/* SPDX-License-Identifier: MIT */
/* Cutting cumulative histograms into intervals, and putting workers' together. */
#include "stats/intervals.h"

#include <math.h>
#include <string.h>

#define SAMPLES_ABOVE_MIN 10 /* as for a trial's percentiles */
#define DROPPED_BITS (HIST_SUB_BITS - INTERVAL_SUB_BITS)

void interval_cut_begin(struct interval_cut *cut)
{
	memset(cut, 0, sizeof(*cut));
}

/* The coarse bucket of a value; exact below 64. */
static uint32_t coarse_bucket(uint64_t ns)
{
	unsigned int shift;

	if (ns >> HIST_MAX_BITS)
		return INTERVAL_BUCKETS - 1;
	if (ns < (2u << INTERVAL_SUB_BITS))
		return (uint32_t)ns;
	shift = 63u - (unsigned int)__builtin_clzll(ns) - INTERVAL_SUB_BITS;
	return (uint32_t)((shift << INTERVAL_SUB_BITS) + (ns >> shift));
}

static double coarse_value(uint32_t bucket)
{
	uint32_t shift = bucket >> INTERVAL_SUB_BITS;
	double low, width;

	if (bucket < (2u << INTERVAL_SUB_BITS))
		return bucket;
	shift--;
	low = (double)((uint64_t)(bucket - (shift << INTERVAL_SUB_BITS)) << shift);
	width = (double)(1ull << shift);
	return low + (width - 1) / 2;
}

void interval_cut(struct interval_cut *cut, const struct hist *hists, unsigned int nr, uint64_t ops,
		  struct interval_slot *slot)
{
	uint32_t first = HIST_BUCKETS, last = 0;

	slot->ops += ops - cut->ops;
	cut->ops = ops;
	for (unsigned int i = 0; i < nr; i++) {
		if (!hists[i].count)
			continue;
		if (hist_bucket(hists[i].min_ns) < first)
			first = hist_bucket(hists[i].min_ns);
		if (hist_bucket(hists[i].max_ns) > last)
			last = hist_bucket(hists[i].max_ns);
	}
	for (uint32_t b = first; b <= last; b++) {
		uint64_t now = 0;

		for (unsigned int i = 0; i < nr; i++)
			now += hists[i].buckets[b];
		if (now == cut->counted[b])
			continue;
		slot->buckets[coarse_bucket(hist_bucket_low(b))] += (uint32_t)(now -
									       cut->counted[b]);
		cut->counted[b] = now;
	}
}

void interval_cut_watches(struct interval_cut *cut, const struct hist *hists, unsigned int nr,
			  const struct interval_watch *watches, uint32_t nr_watches,
			  struct interval_slot *slot)
{
	for (uint32_t k = 0; k < nr_watches; k++) {
		uint64_t watched = 0, over = 0;

		for (unsigned int i = 0; i < nr; i++) {
			if (!(watches[k].classes & 1u << i))
				continue;
			watched += hists[i].count;
			/* What shares the bound's bucket is within it, to 0.4 %. */
			for (uint32_t b = hist_bucket(watches[k].bound_ns) + 1; b < HIST_BUCKETS;
			     b++)
				over += hists[i].buckets[b];
		}
		slot->watched[k] += watched - cut->watched[k];
		slot->over[k] += over - cut->over[k];
		cut->watched[k] = watched;
		cut->over[k] = over;
	}
}

uint32_t interval_plan(uint64_t duration_ns, uint64_t interval_ns, uint32_t procs,
		       uint64_t *ret_interval_ns)
{
	uint64_t most = INTERVAL_BYTES_MAX / sizeof(struct interval_slot) / procs, wanted;

	most = most < 4 ? 4 : most > INTERVAL_SLOTS_MAX ? INTERVAL_SLOTS_MAX : most;
	*ret_interval_ns = interval_ns;
	if (!duration_ns)
		return (uint32_t)most;
	wanted = (duration_ns + interval_ns - 1) / interval_ns;
	/* One more: the end is never seen at its exact time. */
	if (wanted < most)
		return (uint32_t)wanted + 1;
	*ret_interval_ns = interval_ns * ((wanted + most - 2) / (most - 1));
	return (uint32_t)most;
}

static double percentile(const uint64_t *buckets, uint64_t count, double fraction)
{
	uint64_t rank = (uint64_t)ceil(fraction * (double)count), below = 0;

	if (count < rank + SAMPLES_ABOVE_MIN)
		return NAN;
	for (uint32_t b = 0; b < INTERVAL_BUCKETS; b++) {
		below += buckets[b];
		if (below >= rank && below)
			return coarse_value(b);
	}
	return NAN;
}

void interval_merge(const struct interval_slot *const *slots, uint32_t nr,
		    struct interval_figures *ret)
{
	uint64_t buckets[INTERVAL_BUCKETS] = { 0 };

	ret->ops = ret->samples = 0;
	memset(ret->watched, 0, sizeof(ret->watched));
	memset(ret->over, 0, sizeof(ret->over));
	for (uint32_t i = 0; i < nr; i++) {
		ret->ops += slots[i]->ops;
		for (uint32_t k = 0; k < INTERVAL_WATCHES; k++) {
			ret->watched[k] += slots[i]->watched[k];
			ret->over[k] += slots[i]->over[k];
		}
		for (uint32_t b = 0; b < INTERVAL_BUCKETS; b++) {
			buckets[b] += slots[i]->buckets[b];
			ret->samples += slots[i]->buckets[b];
		}
	}
	ret->p50_ns = percentile(buckets, ret->samples, 0.5);
	ret->p99_ns = percentile(buckets, ret->samples, 0.99);
	ret->p999_ns = percentile(buckets, ret->samples, 0.999);
}

double interval_slope(const double *values, uint32_t nr)
{
	double mean_x = ((double)nr - 1) / 2, mean_y = 0, xy = 0, xx = 0;

	for (uint32_t i = 0; i < nr; i++)
		mean_y += values[i] / nr;
	for (uint32_t i = 0; i < nr; i++) {
		xy += (i - mean_x) * (values[i] - mean_y);
		xx += (i - mean_x) * (i - mean_x);
	}
	return nr < 2 || mean_y == 0 ? NAN : xy / xx / mean_y;
}
