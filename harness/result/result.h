/* SPDX-License-Identifier: MIT */
/*
 * Results: building the shmbench.result/1 document, reading one back, and
 * showing it. The table is always drawn from the document, so that `run` and
 * `show` cannot differ.
 */
#ifndef SHMBENCH_RESULT_H
#define SHMBENCH_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "run/jitter.h"
#include "run/overhead.h"
#include "run/trial.h"
#include "scenario/scenario.h"

struct result_build; /* opaque: a document under construction */

/* host{} and tool{} are filled in here. started: CLOCK_REALTIME. */
struct result_build *result_begin(const struct scenario *scenario, struct timespec started);
/* What measuring costs here; without it the document says null. */
void result_set_overhead(struct result_build *build, const struct overhead parts[OVERHEAD_NR],
			 const struct jitter *jitter);
/* Adds one trial to points[point_idx]; the trial may be freed afterwards. */
void result_add_trial(struct result_build *build, size_t point_idx, const struct trial *trial);
/* Whether one of its trials was measured. */
bool result_is_measured(const struct result_build *build, size_t point_idx);
/* Why the trials' system calls are not in their own kernel{}. */
void result_set_calls_reason(struct result_build *build, const char *reason);
/* The trial in which they were counted: it has no other figures, and is none of trials[]. */
void result_add_kernel_trial(struct result_build *build, size_t point_idx,
			     const struct trial *trial);
/* Trials number k of all points stay in the document, and count no more. */
void result_supersede(struct result_build *build, uint32_t k);
/*
 * Ends it: summaries, flags, expectations checked. interrupted: the run was
 * stopped by a signal; status is then "partial". The caller owns the document.
 */
json_t *result_finish(struct result_build *build, bool interrupted);

/* Before a run: whether result_write() could put one there. 0 or a negative errno. */
int result_can_write(const char *path);
/* Temporary name, fsync, rename. 0 or a negative errno. */
int result_write(const json_t *result, const char *path);
/*
 * Default path: ./results/<scenario>-<UTC time>.json if ./results is a folder,
 * else ./<scenario>-<UTC time>.json; a number is added rather than overwriting.
 */
int result_default_path(const struct scenario *scenario, struct timespec started, char *buf,
			size_t size);
/* Refuses what is not a complete shmbench.result/1 document; why goes to diag,
 * naming the file and what was found. */
int result_read(const char *path, FILE *diag, json_t **ret_result);
/* Any JSON document: the first half of result_read(), and what it then checks. */
int result_read_json(const char *path, FILE *diag, json_t **ret_document);
bool result_check_frame(const json_t *result, const char *path, FILE *diag);
/* The same of a text at hand; path is only what diag calls it. */
int result_read_text(const char *path, const char *text, size_t len, FILE *diag,
		     json_t **ret_result);

/* The table, then one line each for overhead, host and how to read it. */
void result_show(const json_t *result, FILE *out);
/* `run --overhead`: the latency modes that it sweeps, and what each costs
 * beside off, from the same rounds. */
#define RESULT_OVERHEAD_SET "latency=off, sampled:256, sampled:64, every"
void result_show_overhead(const json_t *result, FILE *out);
/* Exit code that the document stands for: 0, 1 (failed, expect not met) or 3. */
int result_exit_code(const json_t *result);
/* One line: the first point that the exit code is for, why, and how many more there are;
 * nothing for 0. */
void result_show_reason(const json_t *result, const char *command, FILE *out);
/* `compare`: differences of host, params and layout first, then ratios. */
void result_compare(const json_t *a, const char *name_a, const json_t *b, const char *name_b,
		    FILE *out);

#endif
