/* SPDX-License-Identifier: MIT */
/*
 * Latency by percentile for the report: histograms of a point's trials added
 * bucket by bucket, read off at even steps of nines. A quantile of pooled samples
 * needs the pooled histogram: the mean of the trials' percentiles is not one.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "report/report.h"
#include "result/result_internal.h"
#include "stats/hist.h"

#define PER_DECADE 10
#define MAX_NINES 9	 /* more samples than 10^10 nobody has */
#define SAMPLES_ABOVE 10 /* as for every percentile of a result */

static json_t *percentiles(const struct hist *hist)
{
	json_t *values = json_array();

	for (int i = 0; values && i <= PER_DECADE * MAX_NINES; i++) {
		double fraction = 1 - pow(10, -(double)i / PER_DECADE);

		if (hist_samples_above(hist, fraction) < SAMPLES_ABOVE)
			break;
		if (json_array_append_new(values, result_number(hist_percentile(hist, fraction)))) {
			json_decref(values);
			return NULL;
		}
	}
	return values;
}

/* The largest of the trials' maxima; null when one of them does not know its own. */
static json_t *largest(const json_t *point, const char *clock, const char *op)
{
	const json_t *trials = json_object_get(point, "trials");
	double max = 0;

	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);
		const json_t *latency = json_object_get(
			json_object_get(json_object_get(trial, "latency"), clock), op);

		if (result_trial_is_ok(trial) && result_get_number(latency, "count") > 0)
			max = fmax(max, result_get_number(latency, "max_ns")) +
			      0 * result_get_number(latency, "max_ns");
	}
	return result_number(max);
}

static json_t *curve(const json_t *point, const char *clock, const char *op, struct hist *scratch)
{
	return json_pack("{s:o, s:i, s:o, s:o}", "count", result_count(scratch->count),
			 "per_decade", PER_DECADE, "ns", percentiles(scratch), "max_ns",
			 largest(point, clock, op));
}

json_t *report_curves(const json_t *point)
{
	static const char *const clocks[] = { "service", "response" };
	struct hist *scratch = malloc(sizeof(*scratch));
	json_t *all = json_object();
	int rc = scratch ? 0 : -1;

	for (size_t c = 0; !rc && c < 2; c++) {
		json_t *ops = json_object();

		for (size_t i = 0; !rc && i < RESULT_OPS; i++) {
			const char *op = result_ops[i].name;
			int r = export_merge(point, clocks[c], op, scratch);

			if (!r)
				rc = json_object_set_new(ops, op,
							 curve(point, clocks[c], op, scratch));
			else if (r == -ENOMEM)
				rc = -1;
		}
		if (json_object_size(ops))
			rc |= json_object_set(all, clocks[c], ops);
		json_decref(ops);
	}
	free(scratch);
	if (rc) {
		json_decref(all);
		return NULL;
	}
	return all;
}
