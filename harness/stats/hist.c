/* SPDX-License-Identifier: MIT */
/*
 * Reading and merging log-linear histograms (the scheme of HdrHistogram by
 * Tene, and of fio's stat.h, with midpoints instead of edges: half the error
 * for the same memory). Recording is in hist.h, inline.
 *
 * A histogram may be read while its one writer goes on. The words are then
 * not of one instant (count may run ahead of the buckets), so every walk is
 * bounded by the array and none trusts count to end it.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "stats/hist.h"

#define SUB (1u << HIST_SUB_BITS)

/* Buckets of width 1 come first: [0, 2 SUB), shift 0. */
static unsigned int bucket_shift(uint32_t bucket)
{
	return bucket < 2 * SUB ? 0 : (bucket >> HIST_SUB_BITS) - 1;
}

void hist_reset(struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (from->count == 0)
		return;
	if (into->count == 0 || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	for (uint32_t i = 0; i < HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t hist_bucket_low(uint32_t bucket)
{
	unsigned int shift = bucket_shift(bucket);

	return (uint64_t)(bucket - (shift << HIST_SUB_BITS)) << shift;
}

uint64_t hist_bucket_high(uint32_t bucket)
{
	if (bucket >= HIST_BUCKETS - 1)
		return UINT64_MAX;
	return hist_bucket_low(bucket) + ((uint64_t)1 << bucket_shift(bucket)) - 1;
}

/* The last bucket's is that of its share below 2^36: what is above has no bound. */
double hist_bucket_value(uint32_t bucket)
{
	uint64_t width = (uint64_t)1 << bucket_shift(bucket);

	return (double)hist_bucket_low(bucket) + (double)(width - 1) / 2;
}

/*
 * ceil(fraction * count), in 1..count. A product that differs from a whole
 * number by rounding only is that number: 0.07 of 100 samples is the 7th,
 * though 0.07 * 100 > 7 in binary.
 */
static uint64_t rank_of(double fraction, uint64_t count)
{
	double exact = fraction * (double)count, whole = nearbyint(exact);

	if (!(exact > 1)) /* NaN too */
		return 1;
	if (exact >= (double)count)
		return count;
	if (fabs(exact - whole) > exact * 4 * DBL_EPSILON)
		whole = ceil(exact);
	return (uint64_t)whole;
}

double hist_percentile(const struct hist *hist, double fraction)
{
	uint64_t rank, seen = 0;
	double value;

	if (hist->count == 0)
		return 0;
	rank = rank_of(fraction, hist->count);
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->buckets[i];
		if (seen < rank)
			continue;
		value = hist_bucket_value(i);
		if (value < (double)hist->min_ns)
			value = (double)hist->min_ns;
		if (value > (double)hist->max_ns)
			value = (double)hist->max_ns;
		return value;
	}
	return (double)hist->max_ns;
}

uint64_t hist_samples_above(const struct hist *hist, double fraction)
{
	return hist->count ? hist->count - rank_of(fraction, hist->count) : 0;
}

double hist_mean(const struct hist *hist)
{
	return hist->count ? (double)hist->sum_ns / (double)hist->count : 0;
}
