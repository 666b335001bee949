/* SPDX-License-Identifier: MIT */
/* Points of a result as series over processes. */
#include "plan/plan_sweep.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"
#include "run/rounds.h"
#include "run/supervise.h"
#include "stats/stats.h"

json_t *plan_sweep_measure(const struct scenario *scenario, bool quiet, int *ret_signal)
{
	struct result_build *build;
	struct timespec started;

	clock_gettime(CLOCK_REALTIME, &started);
	build = result_begin(scenario, started);
	if (!build)
		return NULL;
	*ret_signal = rounds_run(supervise_trial, scenario, build, quiet, false);
	return result_finish(build, *ret_signal != 0);
}

/* Where the next "/key=" begins, or the end: a value may have slashes of its own. */
static const char *end_of_part(const char *part)
{
	for (const char *at = strchr(part, '/'); at; at = strchr(at + 1, '/')) {
		const char *key = at + 1;

		while (islower((unsigned char)*key) || *key == '_')
			key++;
		if (key > at + 1 && *key == '=')
			return at;
	}
	return part + strlen(part);
}

static bool has_key(const char *part, const char *key)
{
	size_t len = strlen(key);

	return strncmp(part, key, len) == 0 && part[len] == '=';
}

static void append(char *text, size_t size, const char *between, const char *from, size_t len)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%.*s", used ? between : "", (int)len, from);
}

/* "locks/lock=futex/read=seqlock/mix=.../procs=2": choice "futex read=seqlock", load
 * "locks/mix=...". */
static void split_name(const char *name, const json_t *params, struct plan_series *ret)
{
	static const char *const choices[] = { "read", "wait", "robust", "stripes" };
	const char *lock = result_get_text(params, "lock"), *end = end_of_part(name);

	snprintf(ret->choice, sizeof(ret->choice), "%s", lock ? lock : "unknown");
	ret->load[0] = '\0';
	append(ret->load, sizeof(ret->load), "", name, (size_t)(end - name));
	while (*end) {
		const char *part = end + 1;
		bool choice = false;

		end = end_of_part(part);
		if (has_key(part, "lock") || has_key(part, "procs"))
			continue;
		for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
			choice |= has_key(part, choices[i]);
		if (choice)
			append(ret->choice, sizeof(ret->choice), " ", part, (size_t)(end - part));
		else
			append(ret->load, sizeof(ret->load), "/", part, (size_t)(end - part));
	}
}

static struct plan_series *series_of(struct plan_sweep *sweep, const struct plan_series *wanted)
{
	struct plan_series *longer;

	for (size_t i = 0; i < sweep->nr; i++)
		if (!strcmp(sweep->series[i].choice, wanted->choice) &&
		    !strcmp(sweep->series[i].load, wanted->load))
			return &sweep->series[i];
	longer = realloc(sweep->series, (sweep->nr + 1) * sizeof(*longer));
	if (!longer)
		return NULL;
	sweep->series = longer;
	longer[sweep->nr] = *wanted;
	return &longer[sweep->nr++];
}

/* Share of acquires over all workers of all trials. */
static double share_of(const json_t *trials, const char *key)
{
	double acquired = 0, counted = 0;
	const json_t *trial, *worker;
	size_t i, k;

	json_array_foreach(trials, i, trial)
	{
		json_array_foreach(json_object_get(trial, "workers"), k, worker)
		{
			const json_t *lock = json_object_get(worker, "lock");

			acquired += result_get_number(lock, "acquired");
			counted += result_get_number(lock, key);
		}
	}
	return acquired > 0 ? counted / acquired : NAN;
}

static int by_procs(const void *a, const void *b)
{
	uint32_t one = ((const struct plan_cell *)a)->procs,
		 two = ((const struct plan_cell *)b)->procs;

	return (one > two) - (one < two);
}

static int add_point(struct plan_sweep *sweep, const json_t *point)
{
	const json_t *params = json_object_get(point, "params"), *trials;
	const char *name = result_get_text(point, "name"), *rate = result_get_text(params, "rate");
	const char *procs = result_get_text(params, "procs"),
		   *status = result_get_text(point, "status");
	struct plan_series wanted = { 0 }, *series;
	struct plan_cell cell = { 0 }, *longer;
	struct interval interval;

	cell.procs = procs ? (uint32_t)strtoul(procs, NULL, 10) : 0;
	trials = json_object_get(point, "trials");
	if (!name || !cell.procs || !rate || strcmp(rate, "max") || !status ||
	    strcmp(status, "ok") || !(cell.nr = result_metric(trials, "ops_per_s", &cell.ops))) {
		sweep->left_out++;
		return 0;
	}
	split_name(name, params, &wanted);
	series = series_of(sweep, &wanted);
	stats_median_interval(cell.ops, cell.nr, &interval);
	cell.median = interval.median;
	cell.contended = share_of(trials, "contended");
	cell.reacquired = share_of(trials, "reacquired");
	/* Twice the same procs, or nothing done: no place in a sweep. */
	if (series && (plan_sweep_cell(series, cell.procs) || !(cell.median > 0))) {
		sweep->left_out++;
		free(cell.ops);
		return 0;
	}
	longer = series ? realloc(series->cells, (series->nr + 1) * sizeof(*longer)) : NULL;
	if (!longer) {
		free(cell.ops);
		return -ENOMEM;
	}
	series->cells = longer;
	longer[series->nr++] = cell;
	qsort(longer, series->nr, sizeof(*longer), by_procs);
	return 0;
}

int plan_sweep_take(const json_t *result, struct plan_sweep *ret)
{
	double cpus = result_get_number(json_object_get(result, "host"), "cpus");
	const json_t *point;
	size_t i;

	*ret = (struct plan_sweep){ .cpus = cpus >= 1 && cpus < 1e6 ? (uint32_t)cpus : 1 };
	json_array_foreach(json_object_get(result, "points"), i, point)
	{
		if (add_point(ret, point)) {
			plan_sweep_free(ret);
			return -ENOMEM;
		}
	}
	return 0;
}

void plan_sweep_free(struct plan_sweep *sweep)
{
	for (size_t i = 0; i < sweep->nr; i++) {
		for (size_t k = 0; k < sweep->series[i].nr; k++)
			free(sweep->series[i].cells[k].ops);
		free(sweep->series[i].cells);
	}
	free(sweep->series);
	*sweep = (struct plan_sweep){ 0 };
}

const struct plan_cell *plan_sweep_cell(const struct plan_series *series, uint32_t procs)
{
	for (size_t i = 0; i < series->nr; i++)
		if (series->cells[i].procs == procs)
			return &series->cells[i];
	return NULL;
}
