/* SPDX-License-Identifier: MIT */
/* HdrHistogram's two texts: the log (.hlog, version 1.3) and the percentiles (.hgrm). */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "hist.h"
#include "result_internal.h"

/* A tag ends at a comma, and readers split at spaces. */
static void put_tag(const char *text, FILE *out)
{
	for (; *text; text++)
		putc(*text == ',' || isspace((unsigned char)*text) ? '_' : *text, out);
}

/* The second field is the interval's length, though a well-known writer puts its end there. */
static int put_log_line(const struct export_latency *at, void *arg)
{
	FILE *out = arg;
	const char *text = result_get_text(at->latency, "hdr");
	double seconds = result_get_number(at->trial, "seconds");
	double max_ns = result_get_number(at->latency, "max_sampled_ns");

	if (!text)
		return 0;
	fputs("Tag=", out);
	put_tag(export_name(at->point), out);
	fprintf(out, "/trial=%.0f/%s.%s,0.000,%.3f,%.3f,", result_get_number(at->trial, "trial"),
		at->clock, at->op, isnan(seconds) ? 0 : seconds, isnan(max_ns) ? 0 : max_ns / 1e6);
	fputs(text, out);
	putc('\n', out);
	return 0;
}

int export_hlog(const json_t *result, FILE *out)
{
	const char *started = result_get_text(result, "started");
	char clean[80];

	fprintf(out, "#[Histogram log format version 1.3]\n");
	fprintf(out, "#[shmbench, values in nanoseconds, run started %s]\n",
		result_clean(started ? started : "at an unknown time", 60, clean, sizeof(clean)));
	fprintf(out, "#[StartTime: 0.000 (seconds since epoch), the start of each trial]\n");
	fprintf(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		     "\"Interval_Compressed_Histogram\"\n");
	return export_each_latency(result, put_log_line, out);
}

/* Every half-life of the tail is cut in 5, as HdrHistogram's own printer does by default. */
#define TICKS_PER_HALF 5

static void put_distribution(const struct hist *hist, FILE *out)
{
	double fraction = 0, square = 0;
	uint64_t at = 0;

	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	for (unsigned int half = 0; fraction < 1; half++) {
		for (int tick = 0; tick < TICKS_PER_HALF && fraction < 1; tick++) {
			double value = hist_percentile(hist, fraction);

			at = hist->count - hist_samples_above(hist, fraction);
			fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", value, fraction,
				(unsigned long long)at, 1 / (1 - fraction));
			fraction = 1 -
				   ldexp(1 - (double)(tick + 1) / TICKS_PER_HALF / 2, -(int)half);
			/* Past the last sample nothing changes. */
			if ((1 - fraction) * (double)hist->count < 0.5)
				fraction = 1;
		}
	}
	fprintf(out, "%12.3f %2.12f %10llu\n", (double)hist->max_ns, 1.0,
		(unsigned long long)hist->count);
	for (uint32_t b = 0; b < HIST_BUCKETS; b++) {
		double from_mean = hist_bucket_value(b) - hist_mean(hist);

		square += (double)hist->buckets[b] * from_mean * from_mean;
	}
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(hist),
		sqrt(square / (double)hist->count));
	fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)hist->max_ns,
		(unsigned long long)hist->count);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", HIST_MAX_BITS,
		1u << HIST_SUB_BITS);
}

int export_hgrm(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	struct hist *hist = malloc(sizeof(*hist));
	int r = hist ? 0 : -ENOMEM;

	for (size_t p = 0; !r && p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const char *clock = "response";
		char name[512];

		for (size_t i = 0; !r && i < RESULT_OPS; i++) {
			r = export_merge(point, clock, result_ops[i].name, hist);
			if (r == -ENOENT && i == 0) {
				clock = "service";
				r = export_merge(point, clock, result_ops[i].name, hist);
			}
			if (r == -ENOENT) {
				r = 0;
				continue;
			}
			if (r)
				break;
			result_clean(export_name(point), 400, name, sizeof(name));
			fprintf(out, "#[%s %s.%s, nanoseconds, all trials]\n", name, clock,
				result_ops[i].name);
			put_distribution(hist, out);
			putc('\n', out);
		}
	}
	free(hist);
	return r;
}
