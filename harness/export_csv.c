/* SPDX-License-Identifier: MIT */
/* CSV as RFC 4180 has it: a header, one row per point, trial, clock and operation. */
#include <string.h>

#include "export.h"
#include "result_internal.h"

static const char *const figures[] = { "count",	 "min_ns",  "mean_ns",	"p50_ns", "p90_ns",
				       "p99_ns", "p999_ns", "p9999_ns", "max_ns", NULL };

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

	if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.15g", json_real_value(value));
}

struct csv {
	FILE *out;
	const json_t *params; /* the first point's: the columns */
};

static int put_row(const struct export_latency *at, void *arg)
{
	const struct csv *csv = arg;
	const json_t *params = json_object_get(at->point, "params");
	const char *key;
	json_t *unused;

	put_field(export_name(at->point), csv->out);
	json_object_foreach((json_t *)(uintptr_t)csv->params, key, unused)
	{
		(void)unused;
		putc(',', csv->out);
		put_field(result_get_text(params, key), csv->out);
	}
	putc(',', csv->out);
	put_number(at->trial, "trial", csv->out);
	putc(',', csv->out);
	put_number(at->trial, "ops_per_s", csv->out);
	fprintf(csv->out, ",%s,%s", at->clock, at->op);
	for (size_t i = 0; figures[i]; i++) {
		putc(',', csv->out);
		put_number(at->latency, figures[i], csv->out);
	}
	fputs("\r\n", csv->out);
	return 0;
}

int export_csv(const json_t *result, FILE *out)
{
	const json_t *first = json_array_get(json_object_get(result, "points"), 0);
	struct csv csv = { out, json_object_get(first, "params") };
	const char *key;
	json_t *unused;

	fputs("point", out);
	json_object_foreach((json_t *)(uintptr_t)csv.params, key, unused)
	{
		(void)unused;
		putc(',', out);
		put_field(key, out);
	}
	fputs(",trial,ops_per_s,clock,op", out);
	for (size_t i = 0; figures[i]; i++)
		fprintf(out, ",%s", figures[i]);
	fputs("\r\n", out);
	return export_each_latency(result, put_row, &csv);
}
