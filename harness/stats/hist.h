/* SPDX-License-Identifier: MIT */
/*
 * Log-linear histogram of nanoseconds, fixed size, no pointers: it lives in
 * shared memory, has one writer, and is read once that writer is done (or,
 * for a live view, at the cost of being a few records behind).
 *
 * Values below 256 have a bucket each; above, every power of two is cut into
 * 128 buckets whose midpoint is reported: relative error at most 1/256 =
 * 0.39 %. Values from 2^36 ns (68 s) on share the last bucket; min, max and
 * sum are exact always.
 */
#ifndef SHMBENCH_HIST_H
#define SHMBENCH_HIST_H

#include <stdbool.h>
#include <stdint.h>

#define HIST_SUB_BITS 7u
#define HIST_MAX_BITS 36u
#define HIST_BUCKETS ((HIST_MAX_BITS - HIST_SUB_BITS + 1u) << HIST_SUB_BITS)

struct hist {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t min_ns; /* meaningless while count is 0 */
	uint64_t max_ns;
	uint64_t buckets[HIST_BUCKETS];
};

_Static_assert(sizeof(struct hist) <= 32 * 1024, "promised: 32 KiB per worker and operation");

static inline uint32_t hist_bucket(uint64_t ns)
{
	unsigned int shift;

	if (ns >> HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	if (ns < (2u << HIST_SUB_BITS))
		return (uint32_t)ns;
	shift = 63u - (unsigned int)__builtin_clzll(ns) - HIST_SUB_BITS;
	return (uint32_t)((shift << HIST_SUB_BITS) + (ns >> shift));
}

static inline void hist_record(struct hist *hist, uint64_t ns)
{
	if (hist->count == 0 || ns < hist->min_ns)
		hist->min_ns = ns;
	if (ns > hist->max_ns)
		hist->max_ns = ns;
	hist->count++;
	hist->sum_ns += ns;
	hist->buckets[hist_bucket(ns)]++;
}

void hist_reset(struct hist *hist);
/* Exact: bucket by bucket. */
void hist_merge(struct hist *into, const struct hist *from);
/* Midpoint of a bucket, ns. */
double hist_bucket_value(uint32_t bucket);
uint64_t hist_bucket_low(uint32_t bucket);
uint64_t hist_bucket_high(uint32_t bucket); /* last value in it; of the last: UINT64_MAX */
/*
 * Value at or below which fraction (0..1) of the samples lie: that of rank
 * ceil(fraction * count), as its bucket's midpoint, kept within [min, max].
 * 0 when empty.
 */
double hist_percentile(const struct hist *hist, double fraction);
/* Samples that lie above the fraction's rank: the base of "at least 10 above". */
uint64_t hist_samples_above(const struct hist *hist, double fraction);
double hist_mean(const struct hist *hist);

#endif
