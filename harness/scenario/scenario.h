/* SPDX-License-Identifier: MIT */
/*
 * Scenario files: INI read by libinih, swept into points. A load either gives
 * at least one point or reports every error of the file at once, each as
 * "file:line: key 'x': found ..., allowed ...". It never prints by itself.
 */
#ifndef SHMBENCH_SCENARIO_H
#define SHMBENCH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "scenario/params.h"

struct point {
	char *name; /* section/key=value/...: swept keys, in the file's order */
	char *section;
	struct params params;
	char *skip_reason; /* cannot run here (reported as skipped), or NULL */
};

struct scenario {
	char *path;	 /* of the first file */
	char *name;	 /* its base name without .ini */
	char *text;	 /* all files as read, includes too, concatenated in the order read */
	char sha256[65]; /* of text */
	size_t nr_points;
	struct point *points;
};

struct scenario_request {
	const char *const *paths; /* SCENARIO...: at least one */
	size_t nr_paths;
	const char *const *sets; /* --set k=v, applied to every section */
	size_t nr_sets;
	const char *section; /* only those of this comma list, or NULL */
	const char *filter;  /* POSIX extended regex on point names, or NULL */
};

/* Errors go to diag, one line each. 0, or -EINVAL when there was any. */
int scenario_load(const struct scenario_request *request, FILE *diag,
		  struct scenario **ret_scenario);
/* One section, [table], of nothing but defaults and request->sets; paths are not
 * looked at. */
int scenario_load_sets(const struct scenario_request *request, FILE *diag,
		       struct scenario **ret_scenario);
/* The same for text in memory: tests and the fuzzer; include is an error there. */
int scenario_load_text(const char *name, const char *text, size_t len, FILE *diag,
		       struct scenario **ret_scenario);
/* "METRIC<=VALUE" or ">=", as the key expect has them. 0, or -EINVAL with why. */
int scenario_parse_expectation(const char *text, struct expectation *ret, char *why, size_t size);
void scenario_free(struct scenario *scenario);

/* `list keys`: one line a key: name, values (default first), meaning. */
void scenario_list_keys(FILE *out);

#endif
