/* SPDX-License-Identifier: MIT */
/* The list of formats, and the ways through a result that they share. */
#include "export.h"

#include <errno.h>
#include <stdlib.h>

#include "hdr.h"
#include "hist.h"
#include "result_internal.h"

const struct export_format export_formats[] = {
	{ "google-benchmark", "its JSON: compare.py, github-action-benchmark (googlecpp)",
	  export_google_benchmark },
	{ "hlog", "HdrHistogram log 1.3: one histogram per point, trial, clock and operation",
	  export_hlog },
	{ "hgrm", "HdrHistogram percentile distribution, text", export_hgrm },
	{ "openmetrics", "Prometheus and its text collectors", export_openmetrics },
	{ "csv", "a row per point, trial, clock and operation, parameters as columns", export_csv },
	{ "junit", "JUnit XML: a test case per point", export_junit },
	{ "bmf", "Bencher Metric Format", export_bmf },
	{ "custom-smaller", "github-action-benchmark: percentiles, smaller is better",
	  export_custom_smaller },
	{ "custom-bigger", "github-action-benchmark: ops/s, bigger is better",
	  export_custom_bigger },
	{ NULL, NULL, NULL },
};

const char *export_name(const json_t *point)
{
	const char *name = result_get_text(point, "name");

	return name ? name : "";
}

static int each_of_trial(struct export_latency *at,
			 int (*fn)(const struct export_latency *, void *arg), void *arg)
{
	static const char *const clocks[] = { "service", "response" };
	const json_t *latency = json_object_get(at->trial, "latency");

	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < RESULT_OPS; i++) {
			int r;

			at->clock = clocks[c];
			at->op = result_ops[i].name;
			at->latency = json_object_get(json_object_get(latency, at->clock), at->op);
			if (!(result_get_number(at->latency, "count") > 0))
				continue;
			r = fn(at, arg);
			if (r)
				return r;
		}
	}
	return 0;
}

int export_each_latency(const json_t *result, int (*fn)(const struct export_latency *, void *arg),
			void *arg)
{
	const json_t *points = json_object_get(result, "points");

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *trials = json_object_get(point, "trials");

		for (size_t k = 0; k < json_array_size(trials); k++) {
			struct export_latency at = { .point = point,
						     .trial = json_array_get(trials, k) };
			int r = result_trial_is_ok(at.trial) ? each_of_trial(&at, fn, arg) : 0;

			if (r)
				return r;
		}
	}
	return 0;
}

int export_merge(const json_t *point, const char *clock, const char *op, struct hist *ret)
{
	const json_t *trials = json_object_get(point, "trials");
	struct hist *one = malloc(sizeof(*one));
	int r = one ? 0 : -ENOMEM;

	hist_reset(ret);
	for (size_t k = 0; !r && k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);
		const json_t *latency = json_object_get(
			json_object_get(json_object_get(trial, "latency"), clock), op);
		const char *text = result_get_text(latency, "hdr");

		if (!result_trial_is_ok(trial) || !text)
			continue;
		r = hdr_decode(text, one);
		if (!r)
			hist_merge(ret, one);
	}
	free(one);
	return r ? r : ret->count ? 0 : -ENOENT;
}
