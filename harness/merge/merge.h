/* SPDX-License-Identifier: MIT */
/*
 * `shmbench merge`: several results as one. Runs of a point on one host become
 * trials of one point; points of several hosts stay points of their own, beside
 * one that has every sample of all of them. Nothing is weighted or thinned:
 * histograms are added bucket by bucket.
 */
#ifndef SHMBENCH_MERGE_H
#define SHMBENCH_MERGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define MERGE_ALL_HOSTS "all" /* the row of all hosts; no host may have this name */

struct merge_input {
	const char *path;
	const char *host; /* as given, else set by merge_check(): the fingerprint */
	json_t *result;	  /* as result_read() gave it */
	json_t *by_name;  /* set by merge_check(): its points; the caller releases both */
};

/* Whether name can stand in a point's name: letters, digits, and "-_.:@". */
bool merge_host_name_is_good(const char *name);

/*
 * Whether these results may be added up, and each one's host. 0, -EINVAL or
 * -ENOMEM: diag then names both files and what they have.
 */
int merge_check(struct merge_input *inputs, size_t nr, FILE *diag);

/* The merged document of inputs that passed merge_check(); NULL without memory, or
 * with more than 2^64 samples or nanoseconds in one histogram. */
json_t *merge_results(const struct merge_input *inputs, size_t nr);

/* ---- its parts --------------------------------------------------------- */

/* How many different hosts there are. */
size_t merge_nr_hosts(const struct merge_input *inputs, size_t nr);
/* Whether input i is the first of its host. */
bool merge_is_first_of_host(const struct merge_input *inputs, size_t i);
/* points{} by name, in the order in which they first occur; NULL without memory. */
json_t *merge_point_names(const struct merge_input *inputs, size_t nr);
/* The point of that name over the inputs of one host (NULL: of all), with every trial in
 * it. -ENOENT: none of them has it. */
int merge_point(const struct merge_input *inputs, size_t nr, const char *name, const char *host,
		bool label, json_t **ret_point);
/* All samples of these trials as one trial. */
int merge_trials(const json_t *trials, json_t **ret_trial);

#endif
