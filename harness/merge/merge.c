/* SPDX-License-Identifier: MIT */
/*
 * The frame of a merged document: which runs it is of, on which hosts, and what
 * they have in common. What differs between them is null there and stands in
 * hosts[] and merged_from[].
 */
#include "merge/merge.h"

#include <errno.h>
#include <string.h>

#include "result/result_internal.h"

bool merge_is_first_of_host(const struct merge_input *inputs, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(inputs[k].host, inputs[i].host) == 0)
			return false;
	return true;
}

size_t merge_nr_hosts(const struct merge_input *inputs, size_t nr)
{
	size_t hosts = 0;

	for (size_t i = 0; i < nr; i++)
		hosts += merge_is_first_of_host(inputs, i);
	return hosts;
}

json_t *merge_point_names(const struct merge_input *inputs, size_t nr)
{
	json_t *names = json_object();
	int rc = 0;

	for (size_t i = 0; i < nr; i++) {
		const json_t *points = json_object_get(inputs[i].result, "points");

		for (size_t p = 0; p < json_array_size(points); p++) {
			json_t *point = json_array_get(points, p);
			const char *name = result_get_text(point, "name");

			if (!json_object_get(names, name))
				rc |= json_object_set(names, name, point);
		}
	}
	if (rc) {
		json_decref(names);
		return NULL;
	}
	return names;
}

/* The point's rows: one of each host that has it, and one of all when several measured it. */
static int add_rows(const struct merge_input *inputs, size_t nr, const char *name, json_t *points)
{
	bool label = merge_nr_hosts(inputs, nr) > 1;
	size_t measured = 0;
	json_t *point;
	int r;

	for (size_t i = 0; i < nr; i++) {
		if (!merge_is_first_of_host(inputs, i))
			continue;
		r = merge_point(inputs, nr, name, inputs[i].host, label, &point);
		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		measured += result_ok_trials(json_object_get(point, "trials")) > 0;
		if (json_array_append_new(points, point))
			return -ENOMEM;
	}
	if (measured < 2)
		return 0;
	r = merge_point(inputs, nr, name, NULL, label, &point);
	return r ? r : json_array_append_new(points, point) ? -ENOMEM : 0;
}

static json_t *all_points(const struct merge_input *inputs, size_t nr)
{
	json_t *names = merge_point_names(inputs, nr), *points = json_array(), *unused;
	const char *name;
	int r = names && points ? 0 : -ENOMEM;

	json_object_foreach(names, name, unused)
	{
		(void)unused;
		if (!r)
			r = add_rows(inputs, nr, name, points);
	}
	json_decref(names);
	if (r) {
		json_decref(points);
		return NULL;
	}
	return points;
}

/* The members of object "key" that all results agree on, the others null. */
static json_t *in_common(const struct merge_input *inputs, size_t nr, const char *key)
{
	json_t *common = json_copy(json_object_get(inputs[0].result, key)), *value;
	const char *member;
	void *next;

	for (size_t i = 1; i < nr; i++) {
		const json_t *other = json_object_get(inputs[i].result, key);

		json_object_foreach_safe(common, next, member, value)
		{
			if (!json_equal(value, json_object_get(other, member)) &&
			    json_object_set_new(common, member, json_null())) {
				json_decref(common);
				return NULL;
			}
		}
	}
	return common;
}

static json_t *hosts_array(const struct merge_input *inputs, size_t nr)
{
	json_t *hosts = json_array();
	int rc = 0;

	for (size_t i = 0; i < nr; i++) {
		json_t *host;

		if (!merge_is_first_of_host(inputs, i))
			continue;
		host = json_copy(json_object_get(inputs[i].result, "host"));
		rc |= json_object_set_new(host, "name", result_string(inputs[i].host));
		rc |= json_array_append_new(hosts, host);
	}
	if (rc) {
		json_decref(hosts);
		return NULL;
	}
	return hosts;
}

static json_t *member_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *runs_array(const struct merge_input *inputs, size_t nr)
{
	static const char *const keys[] = { "tool",    "scenario", "status",
					    "started", "finished", "overhead" };
	json_t *runs = json_array();
	int rc = 0;

	for (size_t i = 0; i < nr; i++) {
		json_t *run = json_pack("{s:o, s:o}", "file", result_string(inputs[i].path), "host",
					result_string(inputs[i].host));

		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			rc |= json_object_set_new(run, keys[k],
						  member_or_null(inputs[i].result, keys[k]));
		rc |= json_array_append_new(runs, run);
	}
	if (rc) {
		json_decref(runs);
		return NULL;
	}
	return runs;
}

/* Times are RFC 3339 in UTC, which sort as text. */
static json_t *extreme(const struct merge_input *inputs, size_t nr, const char *key, bool last)
{
	const char *found = result_get_text(inputs[0].result, key);

	for (size_t i = 1; i < nr; i++) {
		const char *other = result_get_text(inputs[i].result, key);

		if (last ? strcmp(other, found) > 0 : strcmp(other, found) < 0)
			found = other;
	}
	return result_string(found);
}

static const char *worst_status(const struct merge_input *inputs, size_t nr)
{
	static const char *const worst_first[] = { "partial", "failed" };

	for (size_t w = 0; w < 2; w++)
		for (size_t i = 0; i < nr; i++)
			if (strcmp(result_get_text(inputs[i].result, "status"), worst_first[w]) ==
			    0)
				return worst_first[w];
	return "complete";
}

json_t *merge_results(const struct merge_input *inputs, size_t nr)
{
	json_t *merged = json_object(), *scenario = in_common(inputs, nr, "scenario");
	int rc = 0;

	if (scenario && json_is_null(json_object_get(scenario, "path")))
		rc |= json_object_set_new(scenario, "path", json_string("several scenarios"));
	rc |= json_object_set_new(merged, "schema", json_string(RESULT_SCHEMA));
	rc |= json_object_set_new(merged, "tool", in_common(inputs, nr, "tool"));
	rc |= json_object_set_new(merged, "host", in_common(inputs, nr, "host"));
	rc |= json_object_set_new(merged, "hosts", hosts_array(inputs, nr));
	rc |= json_object_set_new(merged, "scenario", scenario);
	rc |= json_object_set_new(merged, "status", json_string(worst_status(inputs, nr)));
	rc |= json_object_set_new(merged, "started", extreme(inputs, nr, "started", false));
	rc |= json_object_set_new(merged, "finished", extreme(inputs, nr, "finished", true));
	/* Each run had its own: merged_from[] has them. */
	rc |= json_object_set_new(merged, "overhead",
				  nr == 1 ? member_or_null(inputs[0].result, "overhead") :
					    json_null());
	rc |= json_object_set_new(merged, "merged_from", runs_array(inputs, nr));
	rc |= json_object_set_new(merged, "points", all_points(inputs, nr));
	if (rc) {
		json_decref(merged);
		return NULL;
	}
	return merged;
}
