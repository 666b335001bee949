/* SPDX-License-Identifier: MIT */
/*
 * What may be merged. Two builds, two layouts or two questions under one name
 * would give a median of nothing: they are refused, with both files named.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "merge/merge.h"
#include "result/result_internal.h"

static const char *text_in(const json_t *document, const char *object, const char *key)
{
	return result_get_text(json_object_get(document, object), key);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Flags of a compiler that differ in the first of them are to be seen whole. */
#define SHOWN_COLUMNS 240

/* diag: "b.json: WHAT: found 'y', expected 'x' as in a.json; ADVICE" */
static int refuse(const struct merge_input *a, const struct merge_input *b, const char *what,
		  const char *in_a, const char *in_b, const char *advice, FILE *diag)
{
	char clean_a[260], clean_b[260];

	fprintf(diag, "%s: %s: found %s%s%s, expected %s%s%s as in %s; %s\n", b->path, what,
		in_b ? "'" : "",
		in_b ? result_clean(in_b, SHOWN_COLUMNS, clean_b, sizeof(clean_b)) : "none",
		in_b ? "'" : "", in_a ? "'" : "",
		in_a ? result_clean(in_a, SHOWN_COLUMNS, clean_a, sizeof(clean_a)) : "none",
		in_a ? "'" : "", a->path, advice);
	return -EINVAL;
}

bool merge_host_name_is_good(const char *name)
{
	size_t len = strlen(name);

	for (const char *at = name; *at; at++)
		if (!isascii(*at) || (!isalnum((unsigned char)*at) && !strchr("-_.:@", *at)))
			return false;
	return len > 0 && len <= 64 && strcmp(name, MERGE_ALL_HOSTS) != 0;
}

static int name_host(struct merge_input *input, FILE *diag)
{
	const char *found = text_in(input->result, "host", "fingerprint");
	char clean[80];

	if (json_object_get(input->result, "merged_from")) {
		fprintf(diag,
			"%s: key 'merged_from': found a merge, expected a run; give the runs' own "
			"files\n",
			input->path);
		return -EINVAL;
	}
	if (input->host)
		return 0;
	if (!found || !merge_host_name_is_good(found)) {
		fprintf(diag,
			"%s: key 'host.fingerprint': found %s, expected a name; say whose it is "
			"with --host\n",
			input->path,
			found ? result_clean(found, 60, clean, sizeof(clean)) : "none");
		return -EINVAL;
	}
	input->host = found;
	return 0;
}

static int check_tools(const struct merge_input *a, const struct merge_input *b, FILE *diag)
{
	static const char *const keys[] = { "layout_hash", "version", "commit", "compiler",
					    "cflags" };
	bool same_host = strcmp(a->host, b->host) == 0;

	/* Machines may differ in their compilers; one machine's runs are one build's. */
	for (size_t i = 0; i < (same_host ? 5 : 3); i++) {
		const char *in_a = text_in(a->result, "tool", keys[i]);
		const char *in_b = text_in(b->result, "tool", keys[i]);
		char what[32];

		snprintf(what, sizeof(what), "tool.%s", keys[i]);
		if (!same_text(in_a, in_b))
			return refuse(a, b, what, in_a, in_b, "merge runs of one build", diag);
	}
	return 0;
}

static int check_host(const struct merge_input *a, const struct merge_input *b, FILE *diag)
{
	const char *in_a = text_in(a->result, "host", "fingerprint");
	const char *in_b = text_in(b->result, "host", "fingerprint");
	const char *start_a = result_get_text(a->result, "started");
	const char *start_b = result_get_text(b->result, "started");

	if (strcmp(a->host, b->host) != 0)
		return 0;
	if (!same_text(in_a, in_b))
		return refuse(a, b, "host.fingerprint", in_a, in_b,
			      "one --host is one machine: name the other", diag);
	if (same_text(start_a, start_b) && same_text(result_get_text(a->result, "finished"),
						     result_get_text(b->result, "finished"))) {
		fprintf(diag,
			"%s and %s: found the same run twice (started %.40s on %s), "
			"expected each once\n",
			a->path, b->path, start_a, a->host);
		return -EINVAL;
	}
	return 0;
}

/* What may differ between runs of one question: more of it, other streams, other wishes. */
static bool may_differ(const char *key)
{
	return strcmp(key, "seed") == 0 || strcmp(key, "trials") == 0 || strcmp(key, "expect") == 0;
}

static int check_params(const struct merge_input *a, const struct merge_input *b, const char *point,
			json_t *params, const json_t *others, FILE *diag)
{
	char what[400], clean[200], clean_key[80];
	const char *key;
	json_t *value;

	json_object_foreach(params, key, value)
	{
		const char *in_a = json_string_value(value);
		const char *in_b = result_get_text(others, key);

		if (may_differ(key) || same_text(in_a, in_b))
			continue;
		snprintf(what, sizeof(what), "point %s: %s",
			 result_clean(point, 90, clean, sizeof(clean)),
			 result_clean(key, 30, clean_key, sizeof(clean_key)));
		return refuse(a, b, what, in_a, in_b,
			      "points of one name are merged, so they must ask the same", diag);
	}
	return 0;
}

static int check_points(const struct merge_input *a, const struct merge_input *b, FILE *diag)
{
	const json_t *points = json_object_get(b->result, "points");

	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		const char *name = result_get_text(point, "name");
		const json_t *other = json_object_get(a->by_name, name);
		json_t *params_a = json_object_get(other, "params");
		json_t *params_b = json_object_get(point, "params");

		if (!other)
			continue;
		if (check_params(a, b, name, params_a, params_b, diag))
			return -EINVAL;
		/* A key that only b has shows from the other side. */
		if (json_object_size(params_a) != json_object_size(params_b) &&
		    check_params(b, a, name, params_b, params_a, diag))
			return -EINVAL;
	}
	return 0;
}

static int index_points(struct merge_input *input, FILE *diag)
{
	const json_t *points = json_object_get(input->result, "points");

	input->by_name = json_object();
	for (size_t i = 0; i < json_array_size(points); i++) {
		json_t *point = json_array_get(points, i);
		const char *name = result_get_text(point, "name");
		char clean[260];

		if (json_object_get(input->by_name, name)) {
			fprintf(diag,
				"%s: points[%zu]: found the name '%s' again, expected each once\n",
				input->path, i, result_clean(name, 90, clean, sizeof(clean)));
			return -EINVAL;
		}
		if (json_object_set(input->by_name, name, point)) {
			fprintf(diag, "%s: no memory for its points\n", input->path);
			return -ENOMEM;
		}
	}
	return 0;
}

int merge_check(struct merge_input *inputs, size_t nr, FILE *diag)
{
	int r = 0;

	for (size_t i = 0; i < nr && !r; i++) {
		r = name_host(&inputs[i], diag);
		if (!r)
			r = index_points(&inputs[i], diag);
		if (!r)
			r = result_check_histograms(inputs[i].result, inputs[i].path, diag);
		for (size_t k = 0; k < i && !r; k++) {
			r = check_host(&inputs[k], &inputs[i], diag);
			if (!r)
				r = check_tools(&inputs[k], &inputs[i], diag);
			if (!r)
				r = check_points(&inputs[k], &inputs[i], diag);
		}
	}
	return r;
}
