/* SPDX-License-Identifier: MIT */
/*
 * A plan's answers as a file: shmbench.plan/1. Its head says what was asked, on which
 * machine and by which build, as a result's does; then there is one of rows (the load
 * that keeps a promise), map and scalability, projection, or memory.
 */
#ifndef SHMBENCH_PLAN_FILE_H
#define SHMBENCH_PLAN_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "scenario/scenario.h"

/* The head alone; NULL without memory. started: CLOCK_REALTIME. */
json_t *plan_file_begin(const struct scenario *scenario, struct timespec started);
/* The same of a sweep that was stored: its machine, its build. */
json_t *plan_file_of_result(const json_t *result);

/* Whether a document says that it is a plan. */
bool plan_file_is_one(const json_t *document);
/* Whether it has the frame of one; if not, diag gets what was found and what is expected.
 * Of what is in it nothing is known then: readers take each figure as untrusted. */
bool plan_file_check(const json_t *document, const char *path, FILE *diag);

#endif
