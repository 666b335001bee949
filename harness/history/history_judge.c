/* SPDX-License-Identifier: MIT */
/*
 * Where each series changed, and which run may serve as a baseline. On the logarithm,
 * for what matters is by which share a figure changed.
 *
 * The baseline is the run closest to the middle of what came after the last
 * change of any point, never the best one: who always keeps the best keeps the
 * luckiest, and every honest run after it looks like a regression.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history/divisive.h"
#include "history/history.h"
#include "result/result_internal.h"
#include "stats/stats.h"

#define SEED 1

/* What is judged of a series: its latest values. */
struct series {
	size_t nr, skipped;
	double values[DIVISIVE_MAX], logs[DIVISIVE_MAX];
};

static void take_series(const json_t *point, struct series *s)
{
	const json_t *values = json_object_get(point, "values");
	size_t n = json_array_size(values);

	s->skipped = n > DIVISIVE_MAX ? n - DIVISIVE_MAX : 0;
	s->nr = n - s->skipped;
	for (size_t i = 0; i < s->nr; i++) {
		s->values[i] = json_number_value(json_array_get(values, s->skipped + i));
		s->logs[i] = log(s->values[i]);
	}
}

/* More is better of a rate only. */
static bool more_is_better(const json_t *history)
{
	const char *metric = result_get_text(history, "metric");

	return metric && strcmp(metric, "ops_per_s") == 0;
}

static int judge_point(json_t *point, bool more)
{
	struct change_point changes[DIVISIVE_MAX / DIVISIVE_SEGMENT_MIN];
	json_t *list = json_object_get(point, "changes");
	struct series s;
	size_t nr, from = 0;
	int r;

	take_series(point, &s);
	r = divisive_changes(s.logs, s.nr, HISTORY_LEVEL, SEED, changes, &nr);
	if (!r && json_object_set_new(point, "older", json_integer((json_int_t)s.skipped)))
		r = -ENOMEM;
	if (!r &&
	    json_object_set_new(point, "middle",
				result_number(stats_median(s.values + (nr ? changes[nr - 1].at : 0),
							   s.nr - (nr ? changes[nr - 1].at : 0)))))
		r = -ENOMEM;
	for (size_t i = 0; !r && i < nr; i++) {
		size_t at = changes[i].at, end = i + 1 < nr ? changes[i + 1].at : s.nr;
		double before = stats_median(s.values + from, at - from);
		double after = stats_median(s.values + at, end - at);
		json_t *change = json_pack("{s:i, s:f, s:f, s:f, s:f, s:b}", "at",
					   (int)(s.skipped + at), "before", before, "after", after,
					   "ratio", after / before, "p", changes[i].p, "better",
					   more == (after > before));

		from = at;
		if (json_array_append_new(list, change))
			r = -ENOMEM;
	}
	return r;
}

static size_t whole(const json_t *array, size_t i)
{
	return (size_t)json_integer_value(json_array_get(array, i));
}

/* The run with which the newest stretch of all points begins. */
static size_t newest_stretch(const json_t *group)
{
	const json_t *point;
	size_t i, since = 0;

	json_array_foreach(json_object_get(group, "points"), i, point)
	{
		const json_t *changes = json_object_get(point, "changes");
		size_t nr = json_array_size(changes), at, run;

		if (!nr)
			continue;
		at = (size_t)json_integer_value(
			json_object_get(json_array_get(changes, nr - 1), "at"));
		run = whole(json_object_get(point, "runs"), at);
		since = run > since ? run : since;
	}
	return since;
}

/* Adds to far[run] how far, in logarithms, a point's values are from their middle since then;
 * have[run] counts the points of a run. */
static void add_distances(const json_t *point, size_t since, double *far, size_t *have)
{
	const json_t *runs = json_object_get(point, "runs");
	struct series s;
	size_t from = 0;
	double middle;

	take_series(point, &s);
	while (from < s.nr && whole(runs, s.skipped + from) < since)
		from++;
	if (from == s.nr)
		return;
	middle = stats_median(s.logs + from, s.nr - from);
	for (size_t i = from; i < s.nr; i++) {
		size_t run = whole(runs, s.skipped + i);
		double here = fabs(s.logs[i] - middle);

		have[run]++;
		far[run] = here > far[run] ? here : far[run];
	}
}

static bool can_be_baseline(const json_t *runs, size_t i, const char *layout)
{
	const json_t *run = json_array_get(runs, i);
	const char *status = result_get_text(run, "status");
	const char *of = result_get_text(run, "layout_hash");

	return status && !strcmp(status, "complete") && of && layout && !strcmp(of, layout);
}

static int set_baseline(json_t *group, size_t best, size_t fit, size_t since)
{
	const json_t *runs = json_object_get(group, "runs");
	char reason[200];
	json_t *baseline = json_null();

	if (fit >= HISTORY_BASELINE_RUNS) {
		baseline = json_pack("{s:O, s:i, s:O}", "path",
				     json_object_get(json_array_get(runs, best), "path"), "runs",
				     (int)fit, "since",
				     json_object_get(json_array_get(runs, since), "started"));
		snprintf(reason, sizeof(reason),
			 "closest to the middle of %zu complete runs since the last change", fit);
	} else {
		snprintf(reason, sizeof(reason),
			 "wanted: %d complete runs of all points on one layout since the last "
			 "change, found: %zu",
			 HISTORY_BASELINE_RUNS, fit);
	}
	return json_object_set_new(group, "baseline", baseline) ||
			       json_object_set_new(group, "baseline_reason", json_string(reason)) ?
		       -ENOMEM :
		       0;
}

static int choose_baseline(json_t *group)
{
	const json_t *runs = json_object_get(group, "runs"), *point;
	const json_t *points = json_object_get(group, "points");
	size_t nr = json_array_size(runs), since = newest_stretch(group), fit = 0, best = 0,
	       most = 0;
	const char *layout = result_get_text(json_array_get(runs, nr - 1), "layout_hash");
	double *far = calloc(nr, sizeof(*far));
	size_t *have = calloc(nr, sizeof(*have)), i;
	int r = far && have ? 0 : -ENOMEM;

	if (r)
		goto out;
	json_array_foreach(points, i, point) add_distances(point, since, far, have);
	for (i = since; i < nr; i++)
		most = have[i] > most ? have[i] : most;
	for (i = since; i < nr && most; i++) {
		if (have[i] < most || !can_be_baseline(runs, i, layout))
			continue;
		if (!fit++ || far[i] < far[best])
			best = i;
	}
	r = set_baseline(group, best, fit, since);
out:
	free(far);
	free(have);
	return r;
}

int history_judge(json_t *history)
{
	bool more = more_is_better(history);
	json_t *group, *point;
	size_t i, k;
	int r = 0;

	json_array_foreach(json_object_get(history, "groups"), i, group)
	{
		json_array_foreach(json_object_get(group, "points"), k, point)
		{
			r = r ? r : judge_point(point, more);
		}
		r = r ? r : choose_baseline(group);
	}
	return r;
}
