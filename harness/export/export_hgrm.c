/* SPDX-License-Identifier: MIT */
/* HdrHistogram's percentile distribution: one section per point and operation, all
 * trials merged; response times where there are such, service times elsewhere. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "result/result_internal.h"
#include "stats/hist.h"

/* Every half-life of the tail is cut in 5, as HdrHistogram's own printer does by default. */
#define TICKS_PER_HALF 5

/* TotalCount is that of all samples up to the value's bucket, not the rank. */
static void put_rows(const struct hist *hist, FILE *out)
{
	uint64_t seen = 0;
	uint32_t bucket = 0;
	double fraction = 0;

	for (int half = 0; fraction < 1; half++) {
		for (int tick = 1; tick <= TICKS_PER_HALF && fraction < 1; tick++) {
			uint64_t rank = hist->count - hist_samples_above(hist, fraction);

			while (seen < rank && bucket < HIST_BUCKETS)
				seen += hist->buckets[bucket++];
			fprintf(out, "%12.3f %2.12f %10llu %14.2f\n",
				hist_percentile(hist, fraction), fraction, (unsigned long long)seen,
				1 / (1 - fraction));
			fraction = 1 - ldexp(1 - tick / (2.0 * TICKS_PER_HALF), -half);
			/* Past the last sample nothing changes. */
			if ((1 - fraction) * (double)hist->count < 0.5)
				fraction = 1;
		}
	}
	fprintf(out, "%12.3f %2.12f %10llu\n", (double)hist->max_ns, 1.0,
		(unsigned long long)hist->count);
}

static double standard_deviation(const struct hist *hist)
{
	double square = 0;

	for (uint32_t b = 0; b < HIST_BUCKETS; b++) {
		double from_mean = hist_bucket_value(b) - hist_mean(hist);

		square += (double)hist->buckets[b] * from_mean * from_mean;
	}
	return sqrt(square / (double)hist->count);
}

static void put_distribution(const struct hist *hist, FILE *out)
{
	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	put_rows(hist, out);
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(hist),
		standard_deviation(hist));
	fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)hist->max_ns,
		(unsigned long long)hist->count);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n\n", HIST_MAX_BITS,
		1u << HIST_SUB_BITS);
}

static int put_point(const json_t *point, struct hist *scratch, FILE *out)
{
	const char *clock = "response";
	char name[512];

	if (export_merge(point, clock, result_ops[0].name, scratch) == -ENOENT)
		clock = "service";
	for (size_t i = 0; i < RESULT_OPS; i++) {
		int r = export_merge(point, clock, result_ops[i].name, scratch);

		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		fprintf(out, "#[%s %s.%s, nanoseconds, all trials]\n",
			result_clean(export_name(point), 400, name, sizeof(name)), clock,
			result_ops[i].name);
		put_distribution(scratch, out);
	}
	return 0;
}

int export_hgrm(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	struct hist *scratch = malloc(sizeof(*scratch));
	int r = scratch ? 0 : -ENOMEM;

	for (size_t p = 0; !r && p < json_array_size(points); p++)
		if (export_has_figures(json_array_get(points, p)))
			r = put_point(json_array_get(points, p), scratch, out);
	free(scratch);
	return r;
}
