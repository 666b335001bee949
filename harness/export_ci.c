/* SPDX-License-Identifier: MIT */
/* What continuous integration reads: Google Benchmark's JSON, github-action-benchmark's
 * two lists, Bencher's format, JUnit XML. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "result_internal.h"

#define JSON_STYLE (JSON_INDENT(1) | JSON_REAL_PRECISION(15))

static const char *const percentiles[] = { "p50_ns", "p99_ns", "p999_ns" };

static int dump(json_t *document, FILE *out)
{
	int r = document ? json_dumpf(document, out, JSON_STYLE) : -1;

	json_decref(document);
	fputc('\n', out);
	return r ? -EIO : 0;
}

/* ---- Google Benchmark --------------------------------------------------- */

/* Wall time per operation of the whole point, and CPU time of all workers. */
static void add_trial(json_t *list, const json_t *point, const json_t *trial, size_t index,
		      size_t repetition, size_t repetitions)
{
	double ops = result_get_number(trial, "ops"), seconds = result_get_number(trial, "seconds");
	const json_t *workers = json_object_get(trial, "workers");
	const char *procs = result_get_text(json_object_get(point, "params"), "procs");
	const char *name = export_name(point);
	double cpu = 0;

	if (!(ops > 0) || !(seconds > 0))
		return;
	for (size_t w = 0; w < json_array_size(workers); w++)
		cpu += result_get_number(json_array_get(workers, w), "user_s") +
		       result_get_number(json_array_get(workers, w), "sys_s");
	/* Their reader takes no null; what was not measured repeats the wall clock. */
	if (!isfinite(cpu) || cpu <= 0)
		cpu = seconds;
	json_array_append_new(
		list,
		json_pack("{s:s, s:I, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:s, s:f}",
			  "name", name, "family_index", (json_int_t)index,
			  "per_family_instance_index", 0, "run_name", name, "run_type", "iteration",
			  "repetitions", (json_int_t)repetitions, "repetition_index",
			  (json_int_t)repetition, "threads",
			  (json_int_t)(procs ? strtoll(procs, NULL, 10) : 1), "iterations",
			  (json_int_t)ops, "real_time", seconds / ops * 1e9, "cpu_time",
			  cpu / ops * 1e9, "time_unit", "ns", "items_per_second", ops / seconds));
}

static json_t *google_context(const json_t *result)
{
	const json_t *host = json_object_get(result, "host");
	const char *started = result_get_text(result, "started");
	double cpus = result_get_number(host, "cpus");

	return json_pack("{s:s, s:s, s:s, s:I, s:i, s:b, s:[], s:[], s:s}", "date",
			 started ? started : "", "host_name", "", "executable", "shmbench",
			 "num_cpus", (json_int_t)(isnan(cpus) ? 0 : cpus), "mhz_per_cpu", 0,
			 "cpu_scaling_enabled", 0, "caches", "load_avg", "library_build_type",
			 "release");
}

int export_google_benchmark(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	json_t *list = json_array();

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *trials = json_object_get(point, "trials");
		size_t nr = result_ok_trials(trials), done = 0;

		for (size_t k = 0; k < json_array_size(trials); k++)
			if (result_trial_is_ok(json_array_get(trials, k)))
				add_trial(list, point, json_array_get(trials, k), p, done++, nr);
	}
	return dump(json_pack("{s:o, s:o}", "context", google_context(result), "benchmarks", list),
		    out);
}

/* ---- medians with their ranges ------------------------------------------ */

/* fn gets "search.p99_ns" and the like, with its {median, low, high}. */
typedef void (*figure_fn)(const char *point, const char *metric, const json_t *figure, void *arg);

static void each_figure(const json_t *result, figure_fn fn, void *arg)
{
	const json_t *points = json_object_get(result, "points");

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *summary = json_object_get(point, "summary");

		fn(export_name(point), "ops_per_s", json_object_get(summary, "ops_per_s"), arg);
		for (size_t i = 0; i < RESULT_OPS; i++) {
			const json_t *op = json_object_get(summary, result_ops[i].name);

			for (size_t k = 0; k < 3; k++) {
				char metric[64];

				snprintf(metric, sizeof(metric), "%s.%s", result_ops[i].name,
					 percentiles[k]);
				fn(export_name(point), metric, json_object_get(op, percentiles[k]),
				   arg);
			}
		}
	}
}

struct custom {
	json_t *list;
	bool bigger;
};

static void add_custom(const char *point, const char *metric, const json_t *figure, void *arg)
{
	struct custom *custom = arg;
	double median = result_get_number(figure, "median");
	double low = result_get_number(figure, "low"), high = result_get_number(figure, "high");
	bool bigger = strcmp(metric, "ops_per_s") == 0;
	json_t *entry;

	if (isnan(median) || bigger != custom->bigger)
		return;
	entry = json_pack("{s:s+++, s:o, s:s}", "name", point, " ", metric, "", "value",
			  result_number(median), "unit", bigger ? "ops/s" : "ns");
	if (!isnan(low) && !isnan(high)) {
		char range[64];

		snprintf(range, sizeof(range), "%.6g..%.6g", low, high);
		json_object_set_new(entry, "range", json_string(range));
	}
	json_array_append_new(custom->list, entry);
}

static int export_custom(const json_t *result, bool bigger, FILE *out)
{
	struct custom custom = { json_array(), bigger };

	each_figure(result, add_custom, &custom);
	return dump(custom.list, out);
}

int export_custom_smaller(const json_t *result, FILE *out)
{
	return export_custom(result, false, out);
}

int export_custom_bigger(const json_t *result, FILE *out)
{
	return export_custom(result, true, out);
}

/* Bencher: names to 1024 characters, measures are slugs. */
static void add_bmf(const char *point, const char *metric, const json_t *figure, void *arg)
{
	json_t *document = arg, *bench, *measure;
	double low = result_get_number(figure, "low"), high = result_get_number(figure, "high");
	char slug[64];

	if (isnan(result_get_number(figure, "median")))
		return;
	snprintf(slug, sizeof(slug), "%s", metric);
	for (char *at = slug; *at; at++)
		if (*at == '.' || *at == '_')
			*at = '-';
	bench = json_object_get(document, point);
	if (!bench) {
		bench = json_object();
		json_object_set_new(document, point, bench);
	}
	measure = json_pack("{s:O}", "value", json_object_get(figure, "median"));
	if (!isnan(low) && !isnan(high)) {
		json_object_set_new(measure, "lower_value", json_real(low));
		json_object_set_new(measure, "upper_value", json_real(high));
	}
	json_object_set_new(bench, slug, measure);
}

int export_bmf(const json_t *result, FILE *out)
{
	json_t *document = json_object();

	each_figure(result, add_bmf, document);
	return dump(document, out);
}

/* ---- JUnit -------------------------------------------------------------- */

static void put_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		switch (byte) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			/* XML 1.0 has no other control characters, escaped or not. */
			putc(byte < 0x20 && byte != '\t' && byte != '\n' ? '?' : byte, out);
		}
	}
}

static void put_outcome(const json_t *point, FILE *out)
{
	const char *status = result_get_text(point, "status");
	const char *reason = result_get_text(point, "reason");
	const json_t *expect = json_object_get(point, "expect");
	const char *tag = NULL;

	if (!status || strcmp(status, "not_measured") == 0)
		tag = "error";
	else if (strcmp(status, "skipped") == 0)
		tag = "skipped";
	else if (strcmp(status, "ok"))
		tag = "failure";
	if (tag) {
		fprintf(out, "<%s message=\"", tag);
		put_xml(reason ? reason : "no reason was given", out);
		fprintf(out, "\"/>");
		return;
	}
	for (size_t i = 0; i < json_array_size(expect); i++) {
		const json_t *one = json_array_get(expect, i);
		const char *text = result_get_text(one, "text");

		if (!json_is_false(json_object_get(one, "met")))
			continue;
		fputs("<failure message=\"not met: ", out);
		put_xml(text ? text : "", out);
		fputs("\"/>", out);
		return;
	}
}

static bool fails(const json_t *point, const char *wanted)
{
	const char *status = result_get_text(point, "status");
	const json_t *expect = json_object_get(point, "expect");
	bool unmet = false;

	for (size_t i = 0; i < json_array_size(expect); i++)
		unmet |= json_is_false(json_object_get(json_array_get(expect, i), "met"));
	if (!status)
		return strcmp(wanted, "not_measured") == 0;
	if (strcmp(wanted, "failed") == 0)
		return strcmp(status, "failed") == 0 || (strcmp(status, "ok") == 0 && unmet);
	return strcmp(status, wanted) == 0;
}

int export_junit(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	const char *path = result_get_text(json_object_get(result, "scenario"), "path");
	size_t failures = 0, errors = 0, skipped = 0, nr = json_array_size(points);

	for (size_t p = 0; p < nr; p++) {
		failures += fails(json_array_get(points, p), "failed");
		errors += fails(json_array_get(points, p), "not_measured");
		skipped += fails(json_array_get(points, p), "skipped");
	}
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"", out);
	put_xml(path ? path : "shmbench", out);
	fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n", nr,
		failures, errors, skipped);
	for (size_t p = 0; p < nr; p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *trials = json_object_get(point, "trials");
		double seconds = 0;

		for (size_t k = 0; k < json_array_size(trials); k++) {
			double one = result_get_number(json_array_get(trials, k), "seconds");

			seconds += isnan(one) ? 0 : one;
		}
		fputs("<testcase classname=\"shmbench\" name=\"", out);
		put_xml(export_name(point), out);
		fprintf(out, "\" time=\"%.3f\">", seconds);
		put_outcome(point, out);
		fputs("</testcase>\n", out);
	}
	fputs("</testsuite>\n</testsuites>\n", out);
	return 0;
}
