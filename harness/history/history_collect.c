/* SPDX-License-Identifier: MIT */
/* The files of a folder, and what of each goes into which series. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "history/divisive.h"
#include "history/history.h"
#include "result/result.h"
#include "result/result_internal.h"
#include "stats/stats.h"

#define PATHS_MAX 100000

struct paths {
	char **all;
	size_t nr;
};

static int add_path(struct paths *paths, const char *dir, const char *name)
{
	char **longer = paths->nr < PATHS_MAX ?
				realloc(paths->all, (paths->nr + 1) * sizeof(*longer)) :
				NULL;
	size_t len = strlen(dir) + strlen(name) + 2;

	if (!longer)
		return -ENOMEM;
	paths->all = longer;
	paths->all[paths->nr] = malloc(len);
	if (!paths->all[paths->nr])
		return -ENOMEM;
	snprintf(paths->all[paths->nr++], len, "%s/%s", dir, name);
	return 0;
}

static bool ends_in_json(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".json") == 0;
}

/* In the folder and, one level deep, in its folders. 0 or a negative errno. */
static int find_files(const char *dir, bool deeper, struct paths *paths)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!folder)
		return -errno;
	while (!r && (errno = 0, entry = readdir(folder))) {
		char inner[4096];
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		if (ends_in_json(entry->d_name)) {
			r = add_path(paths, dir, entry->d_name);
			continue;
		}
		if (!deeper ||
		    (size_t)snprintf(inner, sizeof(inner), "%s/%s", dir, entry->d_name) >=
			    sizeof(inner) ||
		    stat(inner, &st) || !S_ISDIR(st.st_mode))
			continue;
		/* A folder that we may not read is nobody's result. */
		r = find_files(inner, false, paths);
		if (r == -EACCES)
			r = 0;
	}
	if (!r && errno)
		r = -errno;
	closedir(folder);
	return r;
}

static int leave_out(json_t *history, const char *path, const char *reason, FILE *diag)
{
	json_t *entry = json_pack("{s:o, s:s}", "path", result_string(path), "reason", reason);

	if (diag)
		fprintf(diag, "%s: left out: %s\n", path, reason);
	return json_array_append_new(json_object_get(history, "left_out"), entry) ? -ENOMEM : 0;
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	const char *in_a = result_get_text(a, key), *in_b = result_get_text(b, key);

	return in_a && in_b && strcmp(in_a, in_b) == 0;
}

/* The group of such a run, which is made where it is missing. NULL: no memory. */
static json_t *group_of(json_t *history, const json_t *wanted)
{
	json_t *groups = json_object_get(history, "groups"), *group;
	size_t i;

	json_array_foreach(groups, i, group)
	{
		if (same_text(group, wanted, "fingerprint") && same_text(group, wanted, "sha256"))
			return group;
	}
	group = json_deep_copy(wanted);
	if (!group || json_object_set_new(group, "runs", json_array()) ||
	    json_object_set_new(group, "points", json_array()) ||
	    json_array_append_new(groups, group))
		return NULL;
	return group;
}

static json_t *series_of(json_t *group, const char *name)
{
	json_t *points = json_object_get(group, "points"), *series;
	size_t i;

	json_array_foreach(points, i, series)
	{
		const char *found = result_get_text(series, "name");

		if (found && !strcmp(found, name))
			return series;
	}
	series = json_pack("{s:o, s:[], s:[], s:[], s:[], s:[], s:i}", "name", result_string(name),
			   "runs", "values", "low", "high", "changes", "older", 0);
	return series && !json_array_append_new(points, series) ? series : NULL;
}

static int add_value(json_t *group, size_t run, const json_t *point, const char *metric)
{
	const char *name = result_get_text(point, "name"),
		   *status = result_get_text(point, "status");
	struct interval interval;
	double *values;
	json_t *series;
	size_t n;
	int bad;

	if (!name || !status || strcmp(status, "ok"))
		return 0;
	n = result_metric(json_object_get(point, "trials"), metric, &values);
	if (!n)
		return 0;
	stats_median_interval(values, n, &interval);
	free(values);
	/* A ratio to nothing is no ratio. */
	if (!(interval.median > 0))
		return 0;
	series = series_of(group, name);
	if (!series)
		return -ENOMEM;
	bad = json_array_append_new(json_object_get(series, "runs"), json_integer((json_int_t)run));
	bad |= json_array_append_new(json_object_get(series, "values"),
				     result_number(interval.median));
	bad |= json_array_append_new(json_object_get(series, "low"), result_number(interval.low));
	bad |= json_array_append_new(json_object_get(series, "high"), result_number(interval.high));
	return bad ? -ENOMEM : 0;
}

static int add_result(json_t *history, const char *path, const json_t *result)
{
	const json_t *host = json_object_get(result, "host"), *point;
	const json_t *scenario = json_object_get(result, "scenario");
	const json_t *tool = json_object_get(result, "tool");
	json_t *wanted = json_pack("{s:o, s:o, s:O?, s:o, s:o}", "fingerprint",
				   result_string(result_get_text(host, "fingerprint")), "cpu",
				   result_string(result_get_text(host, "cpu")), "cpus",
				   json_object_get(host, "cpus"), "scenario",
				   result_string(result_get_text(scenario, "path")), "sha256",
				   result_string(result_get_text(scenario, "sha256")));
	json_t *group = wanted ? group_of(history, wanted) : NULL;
	json_t *runs = json_object_get(group, "runs"), *run;
	int r = group ? 0 : -ENOMEM;
	size_t i;

	json_decref(wanted);
	run = json_pack("{s:o, s:o, s:o, s:o, s:o}", "path", result_string(path), "started",
			result_string(result_get_text(result, "started")), "commit",
			result_string(result_get_text(tool, "commit")), "layout_hash",
			result_string(result_get_text(tool, "layout_hash")), "status",
			result_string(result_get_text(result, "status")));
	if (r || json_array_append_new(runs, run))
		return -ENOMEM;
	json_array_foreach(json_object_get(result, "points"), i, point)
	{
		r = add_value(group, json_array_size(runs) - 1, point,
			      result_get_text(history, "metric"));
		if (r)
			return r;
	}
	return 0;
}

/* Why it has no place in a series, or NULL. */
static const char *unfit(const json_t *history, const json_t *result)
{
	const json_t *host = json_object_get(result, "host"), *group;
	const json_t *scenario = json_object_get(result, "scenario");
	const char *started = result_get_text(result, "started");
	size_t i, k;

	if (!result_get_text(host, "fingerprint"))
		return "no host.fingerprint: its machine is not known";
	if (!result_get_text(scenario, "sha256"))
		return "no scenario.sha256: what ran is not known";
	if (!started)
		return "no time of its start";
	json_array_foreach(json_object_get(history, "groups"), i, group)
	{
		const json_t *run;

		if (!same_text(group, host, "fingerprint") || !same_text(group, scenario, "sha256"))
			continue;
		json_array_foreach(json_object_get(group, "runs"), k, run)
		{
			if (same_text(run, result, "started"))
				return "a copy of a run that is in already";
		}
	}
	return NULL;
}

struct item {
	char *path;
	char started[40];
};

static int by_start(const void *a, const void *b)
{
	const struct item *one = a, *two = b;
	int order = strcmp(one->started, two->started);

	return order ? order : strcmp(one->path, two->path);
}

/* Results are large and only one is in memory at a time: read once for their start, which
 * orders them, and once for their figures. */
static int start_of(json_t *history, struct item *item, FILE *diag)
{
	json_t *result;
	const char *started;

	if (result_read(item->path, diag, &result))
		return leave_out(history, item->path, "cannot be read as a result", NULL);
	started = result_get_text(result, "started");
	/* RFC 3339 in UTC sorts as text does. */
	snprintf(item->started, sizeof(item->started), "%s", started ? started : "-");
	json_decref(result);
	return 0;
}

static int add_file(json_t *history, const struct item *item, FILE *diag)
{
	json_t *result;
	const char *why;
	int r;

	if (!item->started[0])
		return 0;
	if (result_read(item->path, diag, &result))
		return leave_out(history, item->path, "cannot be read any more", NULL);
	why = unfit(history, result);
	r = why ? leave_out(history, item->path, why, diag) :
		  add_result(history, item->path, result);
	json_decref(result);
	return r;
}

json_t *history_collect(const char *dir, const char *metric, FILE *diag)
{
	json_t *history = json_pack("{s:s, s:s, s:f, s:[], s:[]}", "schema", HISTORY_SCHEMA,
				    "metric", metric, "level", HISTORY_LEVEL, "left_out", "groups");
	struct paths paths = { 0 };
	struct item *items = NULL;
	int r = history ? find_files(dir, true, &paths) : -ENOMEM;

	if (!r) {
		items = calloc(paths.nr + 1, sizeof(*items));
		r = items ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !r && i < paths.nr; i++) {
		items[i].path = paths.all[i];
		r = start_of(history, &items[i], diag);
	}
	if (!r)
		qsort(items, paths.nr, sizeof(*items), by_start);
	for (size_t i = 0; !r && i < paths.nr; i++)
		r = add_file(history, &items[i], diag);
	if (r) {
		fprintf(diag, "shmbench history: %s: %s\n", dir, strerror(-r));
		json_decref(history);
		history = NULL;
	}
	for (size_t i = 0; i < paths.nr; i++)
		free(paths.all[i]);
	free(paths.all);
	free(items);
	return history;
}
