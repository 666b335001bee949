/* SPDX-License-Identifier: MIT */
/* A history as people read it: a line per point with its course, and under it its changes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history/history.h"
#include "result/result_internal.h"

#define NAME_COLUMNS 60
#define COURSE 32 /* latest values that are drawn */
#define STEPS 8

struct look {
	const char *steps[STEPS], *change;
	bool rate;
	struct result_glyphs glyphs;
	int columns; /* of the longest name */
};

static struct look look_of(const json_t *history)
{
	static const struct look utf8 = {
		{ "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }, "|", false, { 0 }, 0
	};
	static const struct look ascii = {
		{ "1", "2", "3", "4", "5", "6", "7", "8" }, "|", false, { 0 }, 0
	};
	struct result_glyphs glyphs = result_glyphs();
	struct look look = glyphs.plus_minus[0] == '+' ? ascii : utf8;
	const char *metric = result_get_text(history, "metric");

	look.rate = metric && strcmp(metric, "ops_per_s") == 0;
	look.glyphs = glyphs;
	return look;
}

static const char *figure(const struct look *look, double value, char buf[32])
{
	if (look->rate)
		result_format_rate(value, buf, 32);
	else
		result_format_ns(value, &look->glyphs, buf, 32);
	return buf;
}

static const char *text_or(const json_t *object, const char *key, char *buf, size_t size)
{
	const char *text = result_get_text(object, key);

	return result_clean(text ? text : "unknown", size - 1, buf, size);
}

static bool changed_at(const json_t *point, size_t i)
{
	const json_t *changes = json_object_get(point, "changes"), *change;
	size_t k;

	json_array_foreach(changes, k, change)
	{
		if ((size_t)result_get_number(change, "at") == i)
			return true;
	}
	return false;
}

/* Between the least and the largest that is drawn; a flat line where they are the same. */
static void put_course(const struct look *look, const json_t *point, FILE *out)
{
	const json_t *values = json_object_get(point, "values");
	size_t nr = json_array_size(values), from = nr > COURSE ? nr - COURSE : 0;
	double least = INFINITY, most = 0;

	for (size_t i = from; i < nr; i++) {
		double value = json_number_value(json_array_get(values, i));

		least = fmin(least, value);
		most = fmax(most, value);
	}
	for (size_t i = from; i < nr; i++) {
		double share = most > least ?
				       (json_number_value(json_array_get(values, i)) - least) /
					       (most - least) :
				       0.5;

		fprintf(out, "%s%s", i > from && changed_at(point, i) ? look->change : "",
			look->steps[(int)(share * (STEPS - 1) + 0.5)]);
	}
}

static const json_t *run_of(const json_t *group, const json_t *point, size_t i)
{
	size_t run = (size_t)json_integer_value(json_array_get(json_object_get(point, "runs"), i));

	return json_array_get(json_object_get(group, "runs"), run);
}

static void put_run(const json_t *run, FILE *out)
{
	char started[64], commit[64];

	fprintf(out, "%s  %s", text_or(run, "started", started, sizeof(started)),
		text_or(run, "commit", commit, sizeof(commit)));
}

static void put_changes(const struct look *look, const json_t *group, const json_t *point,
			FILE *out)
{
	const json_t *change;
	size_t i;

	json_array_foreach(json_object_get(point, "changes"), i, change)
	{
		size_t at = (size_t)result_get_number(change, "at");
		char before[32], after[32], commit[64];

		fputs("    changed at ", out);
		put_run(run_of(group, point, at), out);
		fprintf(out, " (before it %s): %s -> %s, %+.1f%%, %s, p %.3f\n",
			text_or(run_of(group, point, at - 1), "commit", commit, sizeof(commit)),
			figure(look, result_get_number(change, "before"), before),
			figure(look, result_get_number(change, "after"), after),
			100 * (result_get_number(change, "ratio") - 1),
			json_is_true(json_object_get(change, "better")) ? "better" : "WORSE",
			result_get_number(change, "p"));
	}
}

static void put_each(const struct look *look, const json_t *group, const json_t *point, FILE *out)
{
	const json_t *values = json_object_get(point, "values");

	for (size_t i = 0; i < json_array_size(values); i++) {
		char text[32], path[300];
		const json_t *run = run_of(group, point, i);

		fprintf(out, "    %8s  ",
			figure(look, json_number_value(json_array_get(values, i)), text));
		put_run(run, out);
		fprintf(out, "  %s\n", text_or(run, "path", path, sizeof(path)));
	}
}

static void put_point(const struct look *look, const json_t *group, const json_t *point, bool each,
		      FILE *out)
{
	const json_t *values = json_object_get(point, "values");
	size_t nr = json_array_size(values);
	const char *name = result_get_text(point, "name");
	char text[2 * NAME_COLUMNS + 8], first[32], last[32], middle[32];

	result_clean(name, NAME_COLUMNS, text, sizeof(text));
	fprintf(out, "  %s%*s  %4zu  %8s  %8s  %8s  %7zu  ", text,
		look->columns - (int)result_columns(text), "", nr,
		figure(look, json_number_value(json_array_get(values, 0)), first),
		figure(look, json_number_value(json_array_get(values, nr - 1)), last),
		figure(look, result_get_number(point, "middle"), middle),
		json_array_size(json_object_get(point, "changes")));
	put_course(look, point, out);
	fputc('\n', out);
	put_changes(look, group, point, out);
	if (each)
		put_each(look, group, point, out);
}

static bool is_shown(const json_t *point, const char *filter)
{
	const char *name = result_get_text(point, "name");

	return name && json_array_size(json_object_get(point, "values")) &&
	       (!filter || strstr(name, filter));
}

static void put_group(struct look *look, const json_t *group, const char *filter, bool each,
		      FILE *out)
{
	const json_t *points = json_object_get(group, "points"), *point;
	const json_t *runs = json_object_get(group, "runs"), *baseline;
	char a[300], b[120], c[120], d[64];
	size_t i;

	look->columns = (int)strlen("point");
	json_array_foreach(points, i, point)
	{
		if (is_shown(point, filter)) {
			const char *name = result_clean(result_get_text(point, "name"),
							NAME_COLUMNS, a, sizeof(a));
			int columns = (int)result_columns(name);

			look->columns = columns > look->columns ? columns : look->columns;
		}
	}
	fprintf(out, "%s, sha256 %.12s, on %s", text_or(group, "scenario", a, sizeof(a)),
		text_or(group, "sha256", b, sizeof(b)), text_or(group, "cpu", c, sizeof(c)));
	fprintf(out, " (fingerprint %s): %zu runs, %s to ",
		text_or(group, "fingerprint", d, sizeof(d)), json_array_size(runs),
		text_or(json_array_get(runs, 0), "started", b, sizeof(b)));
	fprintf(out, "%s\n",
		text_or(json_array_get(runs, json_array_size(runs) - 1), "started", b, sizeof(b)));
	fprintf(out, "  %-*s  runs     first      last    middle  changes  course\n", look->columns,
		"point");
	json_array_foreach(points, i, point)
	{
		if (is_shown(point, filter))
			put_point(look, group, point, each, out);
	}
	baseline = json_object_get(group, "baseline");
	fprintf(out, "  baseline: %s (%s)\n\n",
		json_is_object(baseline) ? text_or(baseline, "path", a, sizeof(a)) : "none yet",
		text_or(group, "baseline_reason", b, sizeof(b)));
}

void history_show(const json_t *history, const char *filter, bool each, FILE *out)
{
	struct look look = look_of(history);
	const json_t *group;
	char metric[120];
	size_t i;

	json_array_foreach(json_object_get(history, "groups"), i, group)
		put_group(&look, group, filter, each, out);
	fprintf(out,
		"how to read it: %s, the median of each run's trials. middle: the median since the "
		"last\n  change. Changes are E-divisive's; in a series without any, one is found "
		"with a chance of\n  %g %%, and from 6 runs on. A change is the machine's as soon as "
		"the program's: a gate tells.\n",
		text_or(history, "metric", metric, sizeof(metric)),
		100 * result_get_number(history, "level"));
}
