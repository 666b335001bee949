/* SPDX-License-Identifier: MIT */
/*
 * Google Benchmark's JSON: a trial is a repetition, so that compare.py has its
 * U test. real_time is the point's wall time per operation, cpu_time that of all
 * workers. Both must be there for the reader; where CPU time was not measured it
 * is NaN, as that library itself writes it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "export/export.h"
#include "result/result_internal.h"

/* As a JSON string, quotes and all. */
static int put_string(const char *text, FILE *out)
{
	json_t *string = json_string(text);
	int r = string ? json_dumpf(string, out, JSON_ENCODE_ANY) : -1;

	json_decref(string);
	return r ? -ENOMEM : 0;
}

static void put_number(const char *key, double value, FILE *out)
{
	if (isnan(value))
		fprintf(out, ", \"%s\": NaN", key);
	else
		fprintf(out, ", \"%s\": %.15g", key, value);
}

static double cpu_s_of(const json_t *trial)
{
	const json_t *workers = json_object_get(trial, "workers");
	double cpu_s = json_array_size(workers) ? 0 : NAN;

	for (size_t w = 0; w < json_array_size(workers); w++)
		cpu_s += result_get_number(json_array_get(workers, w), "user_s") +
			 result_get_number(json_array_get(workers, w), "sys_s");
	return cpu_s;
}

struct repetition {
	const json_t *point, *trial;
	size_t point_idx, idx, nr;
};

static int put_repetition(const struct repetition *at, bool first, FILE *out)
{
	const char *procs = result_get_text(json_object_get(at->point, "params"), "procs");
	double ops = result_get_number(at->trial, "ops");
	double seconds = result_get_number(at->trial, "seconds");
	double cpu_ns = cpu_s_of(at->trial) / ops * 1e9;

	/* One trial that others were merged into: the summary is its own. */
	if (isnan(cpu_ns) && at->nr == 1)
		cpu_ns = result_get_number(json_object_get(at->point, "summary"), "cpu_ns_per_op");
	fprintf(out, "%s\n  {\"name\": ", first ? "" : ",");
	if (put_string(export_name(at->point), out))
		return -ENOMEM;
	fputs(", \"run_name\": ", out);
	if (put_string(export_name(at->point), out))
		return -ENOMEM;
	fprintf(out,
		", \"family_index\": %zu, \"per_family_instance_index\": 0, \"run_type\": "
		"\"iteration\", \"repetitions\": %zu, \"repetition_index\": %zu, \"threads\": %lld",
		at->point_idx, at->nr, at->idx, procs ? strtoll(procs, NULL, 10) : 1);
	put_number("iterations", ops, out);
	put_number("real_time", seconds / ops * 1e9, out);
	put_number("cpu_time", cpu_ns, out);
	fputs(", \"time_unit\": \"ns\"", out);
	put_number("items_per_second", ops / seconds, out);
	fputc('}', out);
	return 0;
}

static int put_point(const json_t *point, size_t idx, bool *first, FILE *out)
{
	const json_t *trials = json_object_get(point, "trials");
	struct repetition at = { point, NULL, idx, 0, result_ok_trials(trials) };

	for (size_t k = 0; k < json_array_size(trials); k++) {
		at.trial = json_array_get(trials, k);
		if (!result_trial_is_ok(at.trial) || !(result_get_number(at.trial, "ops") > 0) ||
		    !(result_get_number(at.trial, "seconds") > 0))
			continue;
		if (put_repetition(&at, *first, out))
			return -ENOMEM;
		*first = false;
		at.idx++;
	}
	return 0;
}

/* Their context in full: some readers insist on members that nobody looks at. */
static int put_context(const json_t *result, FILE *out)
{
	const char *started = result_get_text(result, "started");
	double cpus = result_get_number(json_object_get(result, "host"), "cpus");

	fputs("{\n \"context\": {\"date\": ", out);
	if (put_string(started ? started : "", out))
		return -ENOMEM;
	fputs(", \"host_name\": \"\", \"executable\": \"shmbench\"", out);
	put_number("num_cpus", cpus, out);
	fputs(", \"mhz_per_cpu\": 0, \"cpu_scaling_enabled\": false, \"caches\": [], "
	      "\"load_avg\": [], \"library_build_type\": \"release\"},\n",
	      out);
	return 0;
}

int export_google_benchmark(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	bool first = true;
	int r = put_context(result, out);

	fputs(" \"benchmarks\": [", out);
	for (size_t p = 0; p < json_array_size(points) && !r; p++)
		if (export_has_figures(json_array_get(points, p)))
			r = put_point(json_array_get(points, p), p, &first, out);
	fputs("\n ]\n}\n", out);
	return r;
}
