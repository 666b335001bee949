/* SPDX-License-Identifier: MIT */
/*
 * `compare`: what differs between two runs besides the thing one wants to
 * compare, then ratios with intervals. It gives no verdict: the runs were at
 * different times, and a machine's neighbours are not the same twice.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"
#include "stats/stats.h"

#define VALUE_COLUMNS 60
#define TEXT_BYTES 260

/* A value as one line, whatever its type. */
static const char *value_text(const json_t *value, char buf[TEXT_BYTES])
{
	if (json_is_string(value))
		return result_clean(json_string_value(value), VALUE_COLUMNS, buf, TEXT_BYTES);
	if (json_is_integer(value))
		snprintf(buf, TEXT_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, TEXT_BYTES, "%.15g", json_real_value(value));
	else
		snprintf(buf, TEXT_BYTES, "%s",
			 !value || json_is_null(value) ? "not known" :
			 json_is_object(value)	       ? "{...}" :
			 json_is_array(value)	       ? "[...]" :
			 json_is_true(value)	       ? "true" :
							 "false");
	return buf;
}

/* json_equal() recurses as deep as the document; nesting tells nothing here. */
static bool values_differ(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) != json_number_value(b);
	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_string_value(a), json_string_value(b)) != 0;
	return (a ? json_typeof(a) : JSON_NULL) != (b ? json_typeof(b) : JSON_NULL);
}

static bool put_difference(const char *what, const json_t *a, const json_t *b, FILE *out)
{
	char text_a[TEXT_BYTES], text_b[TEXT_BYTES];

	if (!values_differ(a, b))
		return false;
	fprintf(out, "  %-12s %s -> %s\n", what, value_text(a, text_a), value_text(b, text_b));
	return true;
}

/* Of two objects, member by member. */
static bool put_members(const json_t *a, json_t *b, FILE *out)
{
	bool differ = false;
	const char *key;
	json_t *value;

	json_object_foreach(b, key, value)
	{
		char what[64];

		if (values_differ(json_object_get(a, key), value))
			differ |= put_difference(result_clean(key, 14, what, sizeof(what)),
						 json_object_get(a, key), value, out);
	}
	return differ;
}

static void compare_hosts(const json_t *a, const json_t *b, FILE *out)
{
	static const char *const keys[] = { "cpu", "cpus", "kernel", "virt", "clock", "mem_bytes" };
	static const char *const objects[] = { "mitigations", "cgroup", "frequency" };
	const json_t *host_a = json_object_get(a, "host"), *host_b = json_object_get(b, "host");
	const json_t *print_a = json_object_get(host_a, "fingerprint");
	const json_t *print_b = json_object_get(host_b, "fingerprint");
	bool known = json_is_string(print_a) && json_is_string(print_b);

	if (!known)
		fprintf(out, "host: not known to be the same: a fingerprint is missing\n");
	else if (values_differ(print_a, print_b))
		fprintf(out, "host: DIFFERENT fingerprints: ratios compare machines too\n");
	else
		fprintf(out, "host: same fingerprint\n");
	put_difference("fingerprint", print_a, print_b, out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put_difference(keys[i], json_object_get(host_a, keys[i]),
			       json_object_get(host_b, keys[i]), out);
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		put_members(json_object_get(host_a, objects[i]),
			    json_object_get(host_b, objects[i]), out);
}

static void compare_tools(const json_t *a, const json_t *b, FILE *out)
{
	static const char *const keys[] = { "version", "commit", "compiler", "cflags" };
	const json_t *tool_a = json_object_get(a, "tool"), *tool_b = json_object_get(b, "tool");
	const json_t *layout_a = json_object_get(tool_a, "layout_hash");
	const json_t *layout_b = json_object_get(tool_b, "layout_hash");

	fprintf(out, "layout: %s\n",
		values_differ(layout_a, layout_b) ? "DIFFERENT bytes in shared memory" : "same");
	put_difference("layout_hash", layout_a, layout_b, out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put_difference(keys[i], json_object_get(tool_a, keys[i]),
			       json_object_get(tool_b, keys[i]), out);
}

/* Points by name, the first of equal names. NULL without memory. */
static json_t *index_points(const json_t *result)
{
	json_t *points = json_object_get(result, "points"), *by_name = json_object();

	for (size_t i = 0; i < json_array_size(points); i++) {
		json_t *point = json_array_get(points, i);
		const char *name = result_get_text(point, "name");

		if (name && !json_object_get(by_name, name) &&
		    json_object_set(by_name, name, point)) {
			json_decref(by_name);
			return NULL;
		}
	}
	return by_name;
}

/* Adds 1 to differences["key: a -> b"] for each parameter that differs. */
static void count_params(const json_t *a, const json_t *b, json_t *differences)
{
	json_t *params_a = json_object_get(a, "params"), *params_b = json_object_get(b, "params");
	json_t *sides[] = { params_a, params_b };
	const char *key;
	json_t *value;

	for (int side = 0; side < 2; side++) {
		json_object_foreach(sides[side], key, value)
		{
			const json_t *in_a = json_object_get(params_a, key);
			const json_t *in_b = json_object_get(params_b, key);
			char what[128], text_a[TEXT_BYTES], text_b[TEXT_BYTES], line[700];

			/* Seen already from the other side. */
			if ((side == 1 && in_a) || !values_differ(in_a, in_b))
				continue;
			snprintf(line, sizeof(line), "%s: %s -> %s",
				 result_clean(key, 30, what, sizeof(what)),
				 value_text(in_a, text_a), value_text(in_b, text_b));
			/* A difference not counted for want of memory is still none the wiser. */
			(void)json_object_set_new(
				differences, line,
				json_integer(1 + json_integer_value(
							 json_object_get(differences, line))));
		}
	}
}

static void compare_params(json_t *in_a, const json_t *in_b, FILE *out)
{
	json_t *differences = json_object(), *value;
	size_t common = 0;
	const char *key;

	json_object_foreach(in_a, key, value)
	{
		const json_t *other = json_object_get(in_b, key);

		common += other != NULL;
		if (other)
			count_params(value, other, differences);
	}
	fprintf(out, "params: %s in %zu common points\n",
		json_object_size(differences) ? "DIFFERENT" : "same", common);
	json_object_foreach(differences, key, value)
		fprintf(out, "  %s (%" JSON_INTEGER_FORMAT " points)\n", key,
			json_integer_value(value));
	json_decref(differences);
}

/* Trials that measured the metric above 0: a ratio needs a positive value. */
static size_t positive_values(const json_t *point, const char *metric, double **ret_values)
{
	size_t nr = result_metric(json_object_get(point, "trials"), metric, ret_values), kept = 0;

	for (size_t i = 0; i < nr; i++)
		if ((*ret_values)[i] > 0)
			(*ret_values)[kept++] = (*ret_values)[i];
	return kept;
}

static void format_ratio(const json_t *a, const json_t *b, const char *metric, char *buf,
			 size_t size)
{
	double *values_a, *values_b;
	size_t nr_a = positive_values(a, metric, &values_a);
	size_t nr_b = positive_values(b, metric, &values_b);
	struct interval ratio;

	if (!nr_a || !nr_b) {
		snprintf(buf, size, "not measured in %s", nr_a ? "B" : nr_b ? "A" : "either");
	} else {
		stats_ratio_interval(values_a, nr_a, values_b, nr_b, &ratio);
		if (!isfinite(ratio.median))
			snprintf(buf, size, "%s", ratio.method);
		else if (!isfinite(ratio.low) || !isfinite(ratio.high))
			snprintf(buf, size, "%.3f  no interval (n %zu, %zu)", ratio.median, nr_a,
				 nr_b);
		else
			snprintf(buf, size, "%.3f  [%.3f, %.3f]", ratio.median, ratio.low,
				 ratio.high);
	}
	free(values_a);
	free(values_b);
}

static int name_width(json_t *in_a, const json_t *in_b)
{
	const char *key;
	json_t *value;
	int width = 5;

	json_object_foreach(in_a, key, value)
	{
		char clean[TEXT_BYTES];
		int columns;

		if (!json_object_get(in_b, key))
			continue;
		columns = (int)result_columns(result_clean(key, VALUE_COLUMNS, clean, TEXT_BYTES));
		width = columns > width ? columns : width;
	}
	return width;
}

static void put_ratios(json_t *in_a, const json_t *in_b, FILE *out)
{
	int width = name_width(in_a, in_b);
	const char *key;
	json_t *value;

	fprintf(out, "\n%-*s  %-32s  %s\n", width, "point", "ops/s B/A  [95 %]", "p99 B/A  [95 %]");
	json_object_foreach(in_a, key, value)
	{
		const json_t *other = json_object_get(in_b, key);
		char clean[TEXT_BYTES], rate[96], tail[96];

		if (!other)
			continue;
		result_clean(key, VALUE_COLUMNS, clean, TEXT_BYTES);
		format_ratio(value, other, "ops_per_s", rate, sizeof(rate));
		format_ratio(value, other, "service.all.p99", tail, sizeof(tail));
		fprintf(out, "%s%*s  %-32s  %s\n", clean, width - (int)result_columns(clean), "",
			rate, tail);
	}
}

static void put_only_in(const char *which, json_t *in_this, const json_t *in_other, FILE *out)
{
	const char *key;
	json_t *value;

	json_object_foreach(in_this, key, value)
	{
		char clean[TEXT_BYTES];

		if (!json_object_get(in_other, key))
			fprintf(out, "only in %s: %s\n", which,
				result_clean(key, VALUE_COLUMNS, clean, TEXT_BYTES));
	}
}

static void put_run(const char *letter, const char *name, const json_t *result, FILE *out)
{
	const json_t *status = json_object_get(result, "status");
	char started[TEXT_BYTES], text[TEXT_BYTES];

	fprintf(out, "%s: %s, started %s, %s\n", letter, name,
		value_text(json_object_get(result, "started"), started), value_text(status, text));
}

void result_compare(const json_t *a, const char *name_a, const json_t *b, const char *name_b,
		    FILE *out)
{
	json_t *in_a = index_points(a), *in_b = index_points(b);

	put_run("A", name_a, a, out);
	put_run("B", name_b, b, out);
	compare_hosts(a, b, out);
	compare_tools(a, b, out);
	if (in_a && in_b) {
		compare_params(in_a, in_b, out);
		put_ratios(in_a, in_b, out);
		put_only_in("A", in_a, in_b, out);
		put_only_in("B", in_b, in_a, out);
	} else {
		fprintf(out, "no memory to compare the points\n");
	}
	json_decref(in_a);
	json_decref(in_b);
	fprintf(out, "runs at different times; for a verdict use gate\n");
}
