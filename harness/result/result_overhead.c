/* SPDX-License-Identifier: MIT */
/*
 * `run --overhead`: a point's latency modes against latency = off. Trial k of
 * each mode ran in round k, so the differences are taken within rounds: what was
 * slow for a while was so for all of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"
#include "stats/stats.h"

static const char *latency_of(const json_t *point)
{
	return result_get_text(json_object_get(point, "params"), "latency");
}

/* The same point but for its latency: all parameters are. */
static bool same_but_latency(const json_t *a, const json_t *b)
{
	json_t *params_a = json_object_get(a, "params"), *value;
	const char *key;

	if (json_object_size(params_a) != json_object_size(json_object_get(b, "params")))
		return false;
	json_object_foreach(params_a, key, value)
	{
		if (strcmp(key, "latency") != 0 &&
		    !json_equal(value, json_object_get(json_object_get(b, "params"), key)))
			return false;
	}
	return true;
}

/* CPU time of the workers: what others took from them is not in it. */
static double ns_per_op(const json_t *trial)
{
	const json_t *workers = json_object_get(trial, "workers");
	double cpu_s = 0;

	if (!result_trial_is_ok(trial))
		return NAN;
	for (size_t i = 0; i < json_array_size(workers); i++)
		cpu_s += result_get_number(json_array_get(workers, i), "user_s") +
			 result_get_number(json_array_get(workers, i), "sys_s");
	return cpu_s * 1e9 / result_get_number(trial, "ops");
}

static void put_mode(const json_t *off, const json_t *point, FILE *out)
{
	const json_t *trials = json_object_get(point, "trials");
	const json_t *base = json_object_get(off, "trials");
	size_t nr = json_array_size(trials), paired = 0;
	double *ns = calloc(nr + 1, sizeof(*ns)), *share = calloc(nr + 1, sizeof(*share));
	struct interval cost, loss;
	char name[300];

	for (size_t i = 0; ns && share && i < nr && i < json_array_size(base); i++) {
		double with = ns_per_op(json_array_get(trials, i));
		double without = ns_per_op(json_array_get(base, i));
		double rate = result_get_number(json_array_get(trials, i), "ops_per_s");
		double full = result_get_number(json_array_get(base, i), "ops_per_s");

		ns[paired] = with - without;
		share[paired] = (rate / full - 1) * 100;
		paired += isfinite(share[paired]) && isfinite(ns[paired]);
	}
	fprintf(out, "  %-60s",
		result_clean(result_get_text(point, "name"), 60, name, sizeof(name)));
	if (paired) {
		stats_median_interval(ns, paired, &cost);
		stats_median_interval(share, paired, &loss);
		fprintf(out,
			" %+.2f CPU ns/op (95%% %.2f..%.2f), %+.2f%% of throughput (%.2f..%.2f), n %zu\n",
			cost.median, cost.low, cost.high, loss.median, loss.low, loss.high, paired);
	} else {
		fprintf(out, " not measured\n");
	}
	free(ns);
	free(share);
}

void result_show_overhead(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");

	fprintf(out, "\nwhat timing costs, beside latency = off in the same round:\n");
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *off = json_array_get(points, i);
		const char *latency = latency_of(off);

		if (!latency || strcmp(latency, "off") != 0)
			continue;
		for (size_t k = 0; k < json_array_size(points); k++) {
			const json_t *point = json_array_get(points, k);

			if (k != i && same_but_latency(off, point))
				put_mode(off, point, out);
		}
	}
}
