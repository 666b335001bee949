/* SPDX-License-Identifier: MIT */
/* Loading a scenario in a test: from text or from files, with what it said. */
#ifndef SHMBENCH_SCENARIO_FIXTURE_H
#define SHMBENCH_SCENARIO_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>

#include <cmocka.h>

#include "scenario/scenario.h"

struct loaded {
	int rc;
	struct scenario *scenario; /* NULL after an error */
	char *said;
};

static inline struct loaded load_bytes(const char *text, size_t len)
{
	struct loaded loaded = { 0 };
	size_t said_len;
	FILE *diag = open_memstream(&loaded.said, &said_len);

	assert_non_null(diag);
	loaded.rc = scenario_load_text("t.ini", text, len, diag, &loaded.scenario);
	fclose(diag);
	assert_true(loaded.rc == 0 ? loaded.scenario && !*loaded.said :
				     !loaded.scenario && *loaded.said);
	return loaded;
}

static inline struct loaded load_text(const char *text)
{
	return load_bytes(text, strlen(text));
}

static inline struct loaded load_request(const struct scenario_request *request)
{
	struct loaded loaded = { 0 };
	size_t said_len;
	FILE *diag = open_memstream(&loaded.said, &said_len);

	assert_non_null(diag);
	loaded.rc = scenario_load(request, diag, &loaded.scenario);
	fclose(diag);
	assert_true(loaded.rc == 0 ? loaded.scenario && !*loaded.said :
				     !loaded.scenario && *loaded.said);
	return loaded;
}

static inline void unload(struct loaded *loaded)
{
	scenario_free(loaded->scenario);
	free(loaded->said);
}

/* All names, one a line. */
static inline char *point_names(const struct scenario *scenario)
{
	char *names;
	size_t len;
	FILE *out = open_memstream(&names, &len);

	assert_non_null(out);
	for (size_t i = 0; i < scenario->nr_points; i++)
		fprintf(out, "%s\n", scenario->points[i].name);
	fclose(out);
	return names;
}

static inline void assert_names(const struct loaded *loaded, const char *expected)
{
	char *names;

	if (loaded->rc)
		fail_msg("does not load: %s", loaded->said);
	names = point_names(loaded->scenario);
	assert_string_equal(names, expected);
	free(names);
}

#endif
