/* SPDX-License-Identifier: MIT */
/*
 * Reading results. A file may come from anywhere, so its frame is checked
 * here, once, with the place named; what is inside is checked where it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result/result.h"
#include "result/result_internal.h"

#define RESULT_BYTES_MAX (256u << 20)

/* The whole of a file or pipe, 0-terminated. A FIFO without a writer is empty, not a wait. */
static int read_whole(const char *path, FILE *diag, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), flags, rc = 0;
	size_t len = 0, room = 0;
	struct stat st;
	char *text = NULL;

	if (fd < 0 || fstat(fd, &st)) {
		rc = -errno;
		fprintf(diag, "%s: cannot be opened: %s\n", path, strerror(-rc));
		goto out_close;
	}
	if (S_ISDIR(st.st_mode)) {
		fprintf(diag, "%s: is a folder, expected a result file\n", path);
		rc = -EISDIR;
		goto out_close;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	for (;;) {
		ssize_t got;

		if (room - len < 2) {
			char *longer = realloc(text, room = room ? room * 2 : 64 * 1024);

			if (!longer) {
				rc = -ENOMEM;
				fprintf(diag, "%s: no memory to read it\n", path);
				goto out_close;
			}
			text = longer;
		}
		got = read(fd, text + len, room - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			rc = -errno;
			fprintf(diag, "%s: cannot be read: %s\n", path, strerror(-rc));
			goto out_close;
		}
		if (got == 0)
			break;
		len += (size_t)got;
		if (len > RESULT_BYTES_MAX) {
			rc = -EFBIG;
			fprintf(diag, "%s: has more than %u MiB, expected a result file\n", path,
				RESULT_BYTES_MAX >> 20);
			goto out_close;
		}
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	text = NULL;

out_close:
	free(text);
	if (fd >= 0)
		close(fd);
	return rc;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",	[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return value ? names[json_typeof(value)] : "nothing";
}

enum shape { SHAPE_OBJECT, SHAPE_ARRAY, SHAPE_TEXT, SHAPE_OBJECT_OR_NULL };

struct member {
	const char *key;
	enum shape shape;
};

static const struct member document_members[] = {
	{ "tool", SHAPE_OBJECT },  { "host", SHAPE_OBJECT },  { "scenario", SHAPE_OBJECT },
	{ "status", SHAPE_TEXT },  { "started", SHAPE_TEXT }, { "finished", SHAPE_TEXT },
	{ "points", SHAPE_ARRAY },
};
static const struct member point_members[] = {
	{ "name", SHAPE_TEXT },	   { "params", SHAPE_OBJECT },		{ "status", SHAPE_TEXT },
	{ "trials", SHAPE_ARRAY }, { "summary", SHAPE_OBJECT_OR_NULL },
};

static bool has_shape(const json_t *value, enum shape shape)
{
	switch (shape) {
	case SHAPE_OBJECT:
		return json_is_object(value);
	case SHAPE_ARRAY:
		return json_is_array(value);
	case SHAPE_TEXT:
		return json_is_string(value);
	case SHAPE_OBJECT_OR_NULL:
		return json_is_object(value) || json_is_null(value);
	}
	return false;
}

static bool check_members(const json_t *object, const struct member *members, size_t nr,
			  const char *path, const char *where, FILE *diag)
{
	static const char *const wanted[] = { "an object", "an array", "a string",
					      "an object or null" };

	if (!json_is_object(object)) {
		fprintf(diag, "%s: %s: found %s, expected an object\n", path, where,
			type_name(object));
		return false;
	}
	for (size_t i = 0; i < nr; i++) {
		const json_t *value = json_object_get(object, members[i].key);

		if (has_shape(value, members[i].shape))
			continue;
		fprintf(diag, "%s: %s: key '%s': found %s, expected %s; write it anew with run\n",
			path, where, members[i].key, type_name(value), wanted[members[i].shape]);
		return false;
	}
	return true;
}

static bool check_word(const json_t *object, const char *const *words, const char *path,
		       const char *where, FILE *diag)
{
	const char *found = result_get_text(object, "status");
	char clean[64];

	for (size_t i = 0; words[i]; i++)
		if (strcmp(found, words[i]) == 0)
			return true;
	fprintf(diag, "%s: %s: key 'status': found '%s', expected one of:", path, where,
		result_clean(found, 40, clean, sizeof(clean)));
	for (size_t i = 0; words[i]; i++)
		fprintf(diag, " %s", words[i]);
	fprintf(diag, "\n");
	return false;
}

static bool check_points(const json_t *points, const char *path, FILE *diag)
{
	static const char *const words[] = { "ok", "skipped", "failed", "not_measured", NULL };

	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i), *trials;
		char where[80];

		snprintf(where, sizeof(where), "points[%zu]", i);
		if (!check_members(point, point_members,
				   sizeof(point_members) / sizeof(point_members[0]), path, where,
				   diag) ||
		    !check_word(point, words, path, where, diag))
			return false;
		trials = json_object_get(point, "trials");
		for (size_t k = 0; k < json_array_size(trials); k++) {
			snprintf(where, sizeof(where), "points[%zu].trials[%zu]", i, k);
			if (!check_members(json_array_get(trials, k), NULL, 0, path, where, diag))
				return false;
		}
	}
	return true;
}

bool result_check_frame(const json_t *result, const char *path, FILE *diag)
{
	static const char *const words[] = { "complete", "partial", "failed", NULL };
	const char *schema = result_get_text(result, "schema");
	char clean[64];

	if (!json_is_object(result)) {
		fprintf(diag, "%s: found %s, expected a result object\n", path, type_name(result));
		return false;
	}
	if (!schema || strcmp(schema, RESULT_SCHEMA) != 0) {
		fprintf(diag, "%s: key 'schema': found %s%s%s, expected '%s'; is it a result?\n",
			path, schema ? "'" : "",
			schema ? result_clean(schema, 40, clean, sizeof(clean)) :
				 type_name(json_object_get(result, "schema")),
			schema ? "'" : "", RESULT_SCHEMA);
		return false;
	}
	return check_members(result, document_members,
			     sizeof(document_members) / sizeof(document_members[0]), path,
			     "the document", diag) &&
	       check_word(result, words, path, "the document", diag) &&
	       check_points(json_object_get(result, "points"), path, diag);
}

static int parse(const char *path, const char *text, size_t len, FILE *diag, json_t **ret_document)
{
	json_error_t error;
	char clean[160];

	if (len == 0) {
		fprintf(diag, "%s: is empty, expected a result\n", path);
		return -EINVAL;
	}
	*ret_document = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!*ret_document) {
		fprintf(diag, "%s:%d: column %d: not a JSON text, or cut off: %s\n", path,
			error.line, error.column,
			result_clean(error.text, 120, clean, sizeof(clean)));
		return -EINVAL;
	}
	return 0;
}

/* result itself, or -EINVAL without it. */
static int checked(json_t *result, const char *path, FILE *diag, json_t **ret_result)
{
	if (!result_check_frame(result, path, diag)) {
		json_decref(result);
		return -EINVAL;
	}
	*ret_result = result;
	return 0;
}

int result_read_text(const char *path, const char *text, size_t len, FILE *diag,
		     json_t **ret_result)
{
	json_t *result;
	int rc = parse(path, text, len, diag, &result);

	return rc ? rc : checked(result, path, diag, ret_result);
}

int result_read_json(const char *path, FILE *diag, json_t **ret_document)
{
	char *text = NULL;
	size_t len = 0;
	int rc = read_whole(path, diag, &text, &len);

	if (rc)
		return rc;
	rc = parse(path, text, len, diag, ret_document);
	free(text);
	return rc;
}

int result_read(const char *path, FILE *diag, json_t **ret_result)
{
	json_t *result;
	int rc = result_read_json(path, diag, &result);

	return rc ? rc : checked(result, path, diag, ret_result);
}
