/* SPDX-License-Identifier: MIT */
/*
 * What of a result goes into its page: the parts by name, so that the page's size
 * is known from the number of points, trials and workers. A result of 50 points
 * has 5 MB, nearly all of it histograms per trial.
 */
#include <string.h>

#include "report/report.h"
#include "result/result.h"
#include "result/result_internal.h"

/* Deeper is nothing that the page reads, and a hostile file may be deep. */
#define MAX_DEPTH 7

static json_t *copy(const json_t *from, unsigned int depth);

static json_t *copy_object(const json_t *from, unsigned int depth)
{
	json_t *to = json_object(), *value;
	const char *key;
	void *at;

	/* Not json_object_foreach(), which wants what it walks to be writable. */
	for (at = json_object_iter((json_t *)(uintptr_t)from); to && at;
	     at = json_object_iter_next((json_t *)(uintptr_t)from, at)) {
		key = json_object_iter_key(at);
		value = json_object_iter_value(at);
		if (strcmp(key, "hdr") && json_object_set_new(to, key, copy(value, depth - 1))) {
			json_decref(to);
			return NULL;
		}
	}
	return to;
}

static json_t *copy(const json_t *from, unsigned int depth)
{
	json_t *to;

	if (!from || ((json_is_object(from) || json_is_array(from)) && !depth))
		return json_null();
	if (json_is_object(from))
		return copy_object(from, depth);
	if (!json_is_array(from))
		return json_copy((json_t *)(uintptr_t)from);
	to = json_array();
	for (size_t i = 0; to && i < json_array_size(from); i++) {
		if (json_array_append_new(to, copy(json_array_get(from, i), depth - 1))) {
			json_decref(to);
			return NULL;
		}
	}
	return to;
}

/* The named members of an object; what it does not have is left out. */
static json_t *pick(const json_t *from, const char *const *keys, size_t nr)
{
	json_t *to = json_object();

	for (size_t i = 0; to && i < nr; i++) {
		const json_t *value = json_object_get(from, keys[i]);

		if (value && json_object_set_new(to, keys[i], copy(value, MAX_DEPTH))) {
			json_decref(to);
			return NULL;
		}
	}
	return to;
}
#define PICK(from, ...)                                  \
	pick(from, (const char *const[]){ __VA_ARGS__ }, \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

typedef json_t *part_fn(const json_t *from);

/* array's members, each as fn makes it. */
static json_t *each(const json_t *array, part_fn *fn)
{
	json_t *to = json_array();

	for (size_t i = 0; to && i < json_array_size(array); i++) {
		if (json_array_append_new(to, fn(json_array_get(array, i)))) {
			json_decref(to);
			return NULL;
		}
	}
	return to;
}

static json_t *worker_part(const json_t *worker)
{
	return PICK(worker, "ops", "longest_wait_ns");
}

static json_t *interval_part(const json_t *interval)
{
	return PICK(interval, "start_s", "seconds", "ops_per_s", "p99_ns");
}

static json_t *trial_part(const json_t *trial)
{
	json_t *part = PICK(trial, "trial", "status", "reason", "seconds", "ops", "ops_per_s",
			    "stalled", "wait", "fairness", "kernel", "recovery", "superseded");

	if (json_object_set_new(part, "workers",
				each(json_object_get(trial, "workers"), worker_part)) ||
	    json_object_set_new(part, "intervals",
				each(json_object_get(trial, "intervals"), interval_part))) {
		json_decref(part);
		return NULL;
	}
	return part;
}

static json_t *point_part(const json_t *point)
{
	json_t *part = PICK(point, "name", "section", "params", "status", "reason", "summary",
			    "expect");

	if (json_object_set_new(part, "latency", report_curves(point)) ||
	    json_object_set_new(part, "trials",
				each(json_object_get(point, "trials"), trial_part))) {
		json_decref(part);
		return NULL;
	}
	return part;
}

static json_t *result_part(const json_t *result, const char *name)
{
	json_t *part = PICK(result, "tool", "host", "scenario", "status", "started", "finished",
			    "overhead");

	if (json_object_set_new(part, "file", result_string(name)) ||
	    json_object_set_new(part, "points",
				each(json_object_get(result, "points"), point_part))) {
		json_decref(part);
		return NULL;
	}
	return part;
}

/* What `compare` prints of the two. */
static json_t *comparison(const json_t *a, const char *name_a, const json_t *b, const char *name_b)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_t *string = NULL;

	if (!out)
		return NULL;
	result_compare(a, name_a, b, name_b, out);
	if (!fclose(out))
		string = result_string(text);
	free(text);
	return string;
}

static json_t *plan_part(const json_t *plan, const char *name)
{
	json_t *part = PICK(plan, "tool", "host", "scenario", "started", "rows", "map",
			    "scalability", "projection", "memory");

	if (json_object_set_new(part, "file", result_string(name))) {
		json_decref(part);
		return NULL;
	}
	return part;
}

json_t *report_data(const struct report_file *files, size_t nr)
{
	json_t *results = json_array(), *plans = json_array(), *comparisons = json_array();
	const struct report_file *first = NULL;
	int rc = 0;

	for (const struct report_file *file = files; file < files + nr; file++) {
		if (file->is_plan) {
			rc |= json_array_append_new(plans, plan_part(file->document, file->name));
			continue;
		}
		rc |= json_array_append_new(results, result_part(file->document, file->name));
		if (first)
			rc |= json_array_append_new(comparisons,
						    comparison(first->document, first->name,
							       file->document, file->name));
		else
			first = file;
	}
	if (rc) {
		json_decref(results);
		json_decref(plans);
		json_decref(comparisons);
		return NULL;
	}
	return json_pack("{s:o, s:o, s:o}", "results", results, "plans", plans, "comparisons",
			 comparisons);
}
