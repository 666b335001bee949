/* SPDX-License-Identifier: MIT */
/*
 * CSV as RFC 4180 has it: a header, one row per point, trial, phase, clock and
 * operation. The rows of the whole trial come first, and their phase is empty. A
 * point, trial or phase without latencies has one row, whose clock and operation
 * are empty: nothing that was asked for is missing from the file.
 */
#include <errno.h>
#include <string.h>

#include "export/export.h"
#include "result/result_internal.h"

static const char *const figures[] = { "count",	 "min_ns",  "mean_ns",	"p50_ns", "p90_ns",
				       "p99_ns", "p999_ns", "p9999_ns", "max_ns" };
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static void put_field(const char *text, FILE *out)
{
	if (!text)
		return;
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void put_number(const json_t *object, const char *key, FILE *out)
{
	const json_t *value = json_object_get(object, key);

	putc(',', out);
	if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.15g", json_real_value(value));
}

struct csv {
	FILE *out;
	json_t *columns;     /* every parameter of any point, in order */
	const json_t *phase; /* of the trial at hand; NULL: all of it */
	size_t rows;	     /* of that one */
};

static void put_point(const struct csv *csv, const json_t *point)
{
	const json_t *flags = json_object_get(json_object_get(point, "summary"), "flags");
	const json_t *params = json_object_get(point, "params");
	const char *key;
	json_t *unused;

	put_field(export_name(point), csv->out);
	json_object_foreach(csv->columns, key, unused)
	{
		(void)unused;
		putc(',', csv->out);
		put_field(result_get_text(params, key), csv->out);
	}
	putc(',', csv->out);
	put_field(result_get_text(point, "status"), csv->out);
	putc(',', csv->out);
	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *flag = json_string_value(json_array_get(flags, i));
		char clean[64];

		if (flag)
			fprintf(csv->out, "%s%s", i ? " " : "",
				strpbrk(flag, ",\"") ?
					"?" :
					result_clean(flag, 40, clean, sizeof(clean)));
	}
}

/* trial NULL: the point has none. Figures of a trial that is not ok are not given. */
static void put_trial(const struct csv *csv, const json_t *point, const json_t *trial)
{
	bool superseded = json_is_true(json_object_get(trial, "superseded"));
	const json_t *of = csv->phase ? csv->phase : trial;
	const json_t *measured = result_trial_is_ok(trial) ? of : NULL;

	put_point(csv, point);
	put_number(trial, "trial", csv->out);
	putc(',', csv->out);
	put_field(superseded ? "superseded" : result_get_text(trial, "status"), csv->out);
	putc(',', csv->out);
	put_field(result_get_text(csv->phase, "name"), csv->out);
	put_number(measured, "seconds", csv->out);
	put_number(measured, "ops_per_s", csv->out);
}

static int put_row(const struct result_latency *at, void *arg)
{
	struct csv *csv = arg;

	put_trial(csv, at->point, at->trial);
	fprintf(csv->out, ",%s,%s", at->clock, at->op);
	for (size_t i = 0; i < FIGURES; i++)
		put_number(at->latency, figures[i], csv->out);
	fputs("\r\n", csv->out);
	csv->rows++;
	return 0;
}

static void put_row_without(const struct csv *csv, const json_t *point, const json_t *trial)
{
	put_trial(csv, point, trial);
	fputs(",,", csv->out);
	for (size_t i = 0; i < FIGURES; i++)
		putc(',', csv->out);
	fputs("\r\n", csv->out);
}

static void put_phases(struct csv *csv, const json_t *point, const json_t *trial)
{
	const json_t *phases = json_object_get(trial, "phases");
	struct result_latency at = { .point = point, .trial = trial };

	if (!result_trial_is_ok(trial))
		return;
	for (size_t i = 0; i < json_array_size(phases); i++) {
		csv->phase = json_array_get(phases, i);
		csv->rows = 0;
		(void)result_each_of_latency(json_object_get(csv->phase, "latency"), &at, put_row,
					     csv);
		if (!csv->rows)
			put_row_without(csv, point, trial);
	}
	csv->phase = NULL;
}

static void put_header(const struct csv *csv)
{
	const char *key;
	json_t *unused;

	fputs("point", csv->out);
	json_object_foreach(csv->columns, key, unused)
	{
		(void)unused;
		putc(',', csv->out);
		put_field(key, csv->out);
	}
	fputs(",status,flags,trial,trial_status,phase,seconds,ops_per_s,clock,op", csv->out);
	for (size_t i = 0; i < FIGURES; i++)
		fprintf(csv->out, ",%s", figures[i]);
	fputs("\r\n", csv->out);
}

int export_csv(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	struct csv csv = { .out = out, .columns = json_object() };
	int rc = csv.columns ? 0 : -1;

	for (size_t p = 0; p < json_array_size(points); p++)
		rc |= json_object_update_missing(
			csv.columns, json_object_get(json_array_get(points, p), "params"));
	put_header(&csv);
	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		const json_t *trials = json_object_get(point, "trials");

		for (size_t k = 0; k < json_array_size(trials); k++) {
			csv.rows = 0;
			(void)result_each_of_trial(point, p, k, put_row, &csv);
			if (!csv.rows)
				put_row_without(&csv, point, json_array_get(trials, k));
			put_phases(&csv, point, json_array_get(trials, k));
		}
		if (!json_array_size(trials))
			put_row_without(&csv, point, NULL);
	}
	json_decref(csv.columns);
	return rc ? -ENOMEM : 0;
}
