/* SPDX-License-Identifier: MIT */
/*
 * `shmbench report`: result files as one page that needs nothing else. The page
 * (harness/report/) is put together when shmbench is built; what is added here is
 * its data. All of it that came from a result file is untrusted, and stays data:
 * the page makes text of it, never markup.
 */
#ifndef SHMBENCH_REPORT_H
#define SHMBENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct report_file {
	const char *name;
	json_t *document; /* a result whose histograms are readable (result_check_histograms), or */
	bool is_plan;	  /* a plan's file */
};

/*
 * What the page shows of the files: their parts as they are, without raw histograms;
 * in their place, percentiles of all trials of a point. Results are compared with the
 * first of them. NULL without memory.
 */
json_t *report_data(const struct report_file *files, size_t nr);

/*
 * latency{clock{op{count, per_decade, ns[], max_ns}}}: ns[i] is the percentile
 * 1 - 10^(-i / per_decade), so far as 10 samples lie above it; max_ns is null
 * unless every operation was timed. {} when nothing was. NULL without memory.
 */
json_t *report_curves(const json_t *point);

/* Whether the page has its charts, or only the tables; then why says what is missing. */
bool report_has_charts(const char **ret_why);
/* The page with this data in it. 0 or a negative errno. */
int report_write(const json_t *data, FILE *out);

#endif
