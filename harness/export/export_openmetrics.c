/* SPDX-License-Identifier: MIT */
/*
 * OpenMetrics text (1.0): seconds, cumulative buckets with le, _count equal to
 * the +Inf bucket, no time stamps (collectors refuse them), # EOF at the end.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "result/result_internal.h"
#include "stats/hist.h"

static void put_label(const char *text, FILE *out)
{
	putc('"', out);
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void put_labels(const char *point, const char *clock, const char *op, FILE *out)
{
	fputs("{point=", out);
	put_label(point, out);
	fprintf(out, ",clock=\"%s\",op=\"%s\"", clock, op);
}

/* Bounds 1-2-5 from 10 ns to 50 s; a bucket of ours belongs below the first that holds all of it.
 */
static void put_histogram(const char *point, const char *clock, const char *op,
			  const struct hist *hist, FILE *out)
{
	static const double steps[] = { 1, 2, 5 };
	uint64_t below = 0;
	uint32_t b = 0;

	for (int decade = 1; decade <= 10; decade++) {
		for (int i = 0; i < 3; i++) {
			double bound = steps[i] * pow(10, decade);

			for (; b < HIST_BUCKETS - 1 && (double)hist_bucket_high(b) <= bound; b++)
				below += hist->buckets[b];
			fputs("shmbench_latency_seconds_bucket", out);
			put_labels(point, clock, op, out);
			fprintf(out, ",le=\"%.9g\"} %llu\n", bound * 1e-9,
				(unsigned long long)below);
		}
	}
	fputs("shmbench_latency_seconds_bucket", out);
	put_labels(point, clock, op, out);
	fprintf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)hist->count);
	fputs("shmbench_latency_seconds_count", out);
	put_labels(point, clock, op, out);
	fprintf(out, "} %llu\n", (unsigned long long)hist->count);
	fputs("shmbench_latency_seconds_sum", out);
	put_labels(point, clock, op, out);
	fprintf(out, "} %.15g\n", (double)hist->sum_ns * 1e-9);
}

static int put_latencies(const json_t *points, struct hist *hist, FILE *out)
{
	static const char *const clocks[] = { "service", "response" };

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);

		for (size_t c = 0; c < 2 && export_has_figures(point); c++) {
			/* "all" is the sum of the others: a label of its own would count twice. */
			for (size_t i = 2; i < RESULT_OPS; i++) {
				int r = export_merge(point, clocks[c], result_ops[i].name, hist);

				if (!r)
					put_histogram(export_name(point), clocks[c],
						      result_ops[i].name, hist, out);
				else if (r != -ENOENT)
					return r;
			}
		}
	}
	return 0;
}

int export_openmetrics(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	struct hist *hist = malloc(sizeof(*hist));
	int r;

	if (!hist)
		return -ENOMEM;
	fputs("# TYPE shmbench_ops_per_second gauge\n"
	      "# HELP shmbench_ops_per_second Operations per second, median over trials.\n",
	      out);
	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		double median = result_get_number(
			json_object_get(json_object_get(point, "summary"), "ops_per_s"), "median");

		if (isnan(median) || !export_has_figures(point))
			continue;
		fputs("shmbench_ops_per_second{point=", out);
		put_label(export_name(point), out);
		fprintf(out, "} %.15g\n", median);
	}
	fputs("# TYPE shmbench_latency_seconds histogram\n"
	      "# UNIT shmbench_latency_seconds seconds\n"
	      "# HELP shmbench_latency_seconds Latency of operations, all trials.\n",
	      out);
	r = put_latencies(points, hist, out);
	fputs("# EOF\n", out);
	free(hist);
	return r;
}
