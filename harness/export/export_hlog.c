/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's log, version 1.3: a line per point, trial, clock and operation,
 * told apart by its tag. Values are whole nanoseconds.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "result/result_internal.h"
#include "stats/hist.h"

/* A tag ends at a comma, and readers split at spaces. */
static void put_tag(const char *text, FILE *out)
{
	for (; *text; text++)
		putc(*text == ',' || isspace((unsigned char)*text) ? '_' : *text, out);
}

struct hlog {
	FILE *out;
	struct hist *scratch;
};

/* The second field is the interval's length, though a well-known writer puts its end there. */
static int put_log_line(const struct result_latency *at, void *arg)
{
	struct hlog *hlog = arg;
	double seconds = result_get_number(at->trial, "seconds");
	double trial = result_get_number(at->trial, "trial");
	int r = result_get_hist(at->latency, hlog->scratch);

	if (r)
		return r;
	/* A comment: a line needs a length, and 0 would be one. */
	if (isnan(seconds))
		fputs("#[length not known] ", hlog->out);
	fputs("Tag=", hlog->out);
	put_tag(export_name(at->point), hlog->out);
	fprintf(hlog->out, "/trial=%.0f/%s.%s,0.000,%.3f,%.3f,%s\n",
		isnan(trial) ? (double)at->trial_idx : trial, at->clock, at->op, seconds,
		(double)hlog->scratch->max_ns / 1e6, result_get_text(at->latency, "hdr"));
	return 0;
}

int export_hlog(const json_t *result, FILE *out)
{
	const char *started = result_get_text(result, "started");
	struct hlog hlog = { out, malloc(sizeof(struct hist)) };
	char clean[80];
	int r;

	if (!hlog.scratch)
		return -ENOMEM;

	fprintf(out, "#[Histogram log format version 1.3]\n");
	fprintf(out, "#[shmbench, values in nanoseconds, run started %s]\n",
		result_clean(started ? started : "at an unknown time", 60, clean, sizeof(clean)));
	fprintf(out, "#[StartTime: 0.000 (seconds since epoch), the start of each trial]\n");
	fprintf(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
		     "\"Interval_Compressed_Histogram\"\n");
	r = result_each_latency(json_object_get(result, "points"), put_log_line, &hlog);
	free(hlog.scratch);
	return r;
}
