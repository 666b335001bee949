/* SPDX-License-Identifier: MIT */
/* The table of formats, and the ways through a result that they share. */
#include "export/export.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "result/result_internal.h"
#include "stats/hist.h"

const struct export_format export_formats[] = {
	{ "google-benchmark", false, export_google_benchmark },
	{ "hlog", true, export_hlog },
	{ "hgrm", true, export_hgrm },
	{ "openmetrics", true, export_openmetrics },
	{ "csv", false, export_csv },
	{ "junit", false, export_junit },
	{ "bmf", false, export_bmf },
	{ "custom-smaller", false, export_custom_smaller },
	{ "custom-bigger", false, export_custom_bigger },
	{ NULL, false, NULL },
};

const char *export_name(const json_t *point)
{
	const char *name = result_get_text(point, "name");

	return name ? name : "";
}

bool export_has_figures(const json_t *point)
{
	const char *status = result_get_text(point, "status");

	return status && strcmp(status, "failed") != 0;
}

static void each_of_op(const json_t *point, const json_t *summary, const char *op,
		       export_figure_fn *fn, void *arg)
{
	static const char *const figures[] = { "p50", "p99", "p999" };
	bool missed = result_get_text(summary, "rate_note");

	for (int service = 0; service < 2; service++) {
		for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
			const char *clock = service ? "service" : "";
			char metric[64], key[32];
			const json_t *figure;

			snprintf(metric, sizeof(metric), "%s%s%s.%s", clock, service ? "." : "", op,
				 figures[i]);
			snprintf(key, sizeof(key), "%s%s%s_ns", clock, service ? "_" : "",
				 figures[i]);
			figure = json_object_get(json_object_get(summary, op), key);
			if ((service || !missed) && !isnan(result_get_number(figure, "median")))
				fn(point, metric, figure, arg);
		}
	}
}

void export_each_figure(const json_t *result, export_figure_fn *fn, void *arg)
{
	const json_t *points = json_object_get(result, "points");

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *summary = json_object_get(point, "summary");
		const json_t *rate = json_object_get(summary, "ops_per_s");

		if (!export_has_figures(point))
			continue;
		if (!isnan(result_get_number(rate, "median")))
			fn(point, "ops_per_s", rate, arg);
		for (size_t i = 0; i < RESULT_OPS; i++)
			each_of_op(point, summary, result_ops[i].name, fn, arg);
	}
}

int export_merge(const json_t *point, const char *clock, const char *op, struct hist *ret)
{
	const json_t *trials = json_object_get(point, "trials");
	int r = 0;

	hist_reset(ret);
	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);
		const json_t *latency = json_object_get(json_object_get(trial, "latency"), clock);

		if (!result_trial_is_ok(trial))
			continue;
		r = result_add_hist(json_object_get(latency, op), ret);
		if (r && r != -ENOENT)
			return r;
	}
	return ret->count ? 0 : -ENOENT;
}

int export_dump(json_t *document, FILE *out)
{
	int r;

	if (!document)
		return -ENOMEM;
	r = json_dumpf(document, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	json_decref(document);
	fputc('\n', out);
	return r ? -ENOMEM : 0;
}
