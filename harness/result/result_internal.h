/* SPDX-License-Identifier: MIT */
/*
 * What the result files share among themselves. A document that was read is
 * untrusted: consumers reach its members only through the typed accessors
 * here, which answer "not there" for a wrong type, and print its strings only
 * through result_clean().
 */
#ifndef SHMBENCH_RESULT_INTERNAL_H
#define SHMBENCH_RESULT_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "run/trial.h"
#include "scenario/params.h"
#include "scenario/scenario.h"
#include "stats/stats.h"

#define RESULT_SCHEMA "shmbench.result/1"
#define RESULT_STALL_NS 1000000u /* a wait over this counts as a stall */

/* ---- making values: NULL only without memory -------------------------- */

json_t *result_number(double value); /* null unless finite */
json_t *result_count(uint64_t count);
json_t *result_hex(uint64_t hash);	 /* 64 bits do not fit a JSON reader's double */
json_t *result_string(const char *text); /* NULL: null; bytes that are not UTF-8 become '?' */
json_t *result_interval(const struct interval *interval);
json_t *result_time(struct timespec when);		  /* CLOCK_REALTIME, in UTC by RFC 3339 */
json_t *result_scenario(const struct scenario *scenario); /* path, sha256 and text */
json_t *result_params(const struct params *params);	  /* every key as a scenario has it */

/* ---- reading values --------------------------------------------------- */

const char *result_get_text(const json_t *object, const char *key); /* or NULL */
double result_get_number(const json_t *object, const char *key);    /* finite, or NaN */
/* One printable line of at most max_columns columns; a longer text loses its
 * beginning, because the end is what tells point names apart. */
const char *result_clean(const char *text, size_t max_columns, char *buf, size_t size);
size_t result_columns(const char *utf8);

/* ---- figures as people read them, "" when there is none ---------------- */

struct result_glyphs {
	const char *plus_minus, *micro;
};
/* UTF-8 unless the locale in the environment asks for something else. */
struct result_glyphs result_glyphs(void);
/* Three digits and a unit, no space: 4.12M, 12.3us; beyond reason: "". */
void result_format_rate(double per_s, char *buf, size_t size);
void result_format_ns(double ns, const struct result_glyphs *glyphs, char *buf, size_t size);
/* Three digits: 123, 12.3, 1.23. */
void result_format_plain(double value, char *buf, size_t size);

/* ---- writing: 0 or a negative errno --------------------------------- */

/* The whole file or what was there before; a device or a pipe is written to. */
int result_write_text(const char *path, const char *text, size_t len);

/* ---- metrics ---------------------------------------------------------- */

/* The rows of latency.service; "all" is every operation merged. */
struct result_op {
	const char *name;
	unsigned int ops;     /* bits of enum op_kind: in the mix when one of them is */
	unsigned int classes; /* bits of enum hist_class that it merges */
};
#define RESULT_OPS 8
extern const struct result_op result_ops[RESULT_OPS];
bool result_op_in_mix(const struct result_op *op, const struct params *params);

/*
 * Values of a metric ("ops_per_s", "stalled", "[service.|response.]OP.FIGURE")
 * over the trials with status ok that measured it. Returns how many; values
 * go to a malloc'ed array that the caller frees (NULL when there are none).
 */
size_t result_metric(const json_t *trials, const char *metric, double **ret_values);
bool result_metric_exists(const char *metric);
/* Trials with status ok. */
size_t result_ok_trials(const json_t *trials);
bool result_trial_is_ok(const json_t *trial);

/* ---- histograms, result_hist.c ----------------------------------------- */

/*
 * The histogram of an H: buckets exact, minimum, maximum and mean as the document
 * has them. -ENOENT: nothing was measured, -ENODATA: no hdr, -EINVAL: not readable,
 * -ERANGE: not of as many samples as count says, -ENOMEM.
 */
int result_get_hist(const json_t *latency, struct hist *ret);
/* Adds it, bucket by bucket; into stays as it is on failure. Also -EOVERFLOW. */
int result_add_hist(const json_t *latency, struct hist *into);

struct result_latency {
	const json_t *point, *trial, *latency;
	const char *clock, *op; /* "service" or "response", as in result_ops */
	size_t point_idx, trial_idx;
};
/* For each latency with samples of each trial that is ok. What fn returns, unless it
 * is 0, ends the walk. */
typedef int result_latency_fn(const struct result_latency *at, void *arg);
/* Those of one "latency", of a trial or of a phase; at: all that is known but these. */
int result_each_of_latency(const json_t *latency, struct result_latency *at, result_latency_fn *fn,
			   void *arg);
int result_each_of_trial(const json_t *point, size_t point_idx, size_t trial_idx,
			 result_latency_fn *fn, void *arg);
int result_each_latency(const json_t *points, result_latency_fn *fn, void *arg);
/* Whether all of them can be read; if not, diag names the first, what and where. */
int result_check_histograms(const json_t *result, const char *path, FILE *diag);

/* ---- parts of the document: NULL without memory ----------------------- */

/* result_open.c: what an open loop adds, and the time series. */
json_t *result_rate_object(const struct params *params, const struct trial *trial);
json_t *result_intervals_array(const struct params *params, const struct trial *trial);
/* flags of a point that its trials' rate, intervals and warm-up raise */
int result_add_load_flags(json_t *flags, const json_t *trials);
/* "asked 100k/s, had 57k/s, ..." when the point's rate was missed, else "" */
void result_rate_note(const json_t *trials, char *buf, size_t size);
/* result_torture.c: what faults did, and the column and the lines that say it. */
json_t *result_torture_object(const struct trial *trial);
/* "recovers 1.2ms", "strands 31%", or "" without a kill. */
void result_dead_holder(const json_t *trials, char *buf, size_t size);
void result_show_torture(const json_t *points, FILE *out);
/* calls_reason: as for result_trial_object(); one that a worker has goes before it. */
json_t *result_kernel_object(const struct trial *trial, const char *calls_reason);
/* A line for each point whose system calls could not be counted in their trial. */
void result_show_uncounted(const json_t *points, FILE *out);
json_t *result_latency_object(const struct hist *hist, bool all_timed);
/* OP by OP out of histograms by class; null where there are none of the kind. */
json_t *result_ops_object(const struct params *params, const struct hist merged[HIST_CLASSES],
			  bool response);
/* result_phases.c: of a trial, null without phases; and of a point, out of its trials. */
json_t *result_phases_array(const struct params *params, const struct trial *trial);
bool result_has_phases(const json_t *trials);
json_t *result_phases_summary(const json_t *trials, unsigned int ops, bool open);
/* calls_reason: why its workers did not count system calls, where they were not to. */
json_t *result_trial_object(const struct params *params, const struct trial *trial,
			    const char *calls_reason);
/* What is a figure of a trial in which system calls were counted. */
json_t *result_kernel_trial_object(const struct params *params, const struct trial *trial);

struct result_cpus {
	unsigned int allowed, cores;
};
json_t *result_summary(const struct params *params, const json_t *trials,
		       const json_t *kernel_trials, const struct result_cpus *cpus);
/* The same where params are gone: of these operations (bits by result_ops), open loop or
 * closed, with these flags, which it takes over. Rates and percentiles are those of
 * trials; shares and sums of the table's other columns those of parts; system calls those
 * of kernel_trials, or of parts where an older build counted them (NULL: so, too). */
json_t *result_summary_of(const json_t *trials, const json_t *parts, const json_t *kernel_trials,
			  unsigned int ops, bool open, json_t *flags);
json_t *result_expectations(const struct params *params, const json_t *trials);

/* The table alone. Returns whether some row has too few trials for its interval. */
bool result_table(const json_t *points, FILE *out);

/* Bars of throughput that fit width columns, and an empty line; nothing where there are
 * not two points to compare, or no room. */
void result_chart(const json_t *points, FILE *out, unsigned int width);

/* The same as in host.h with another root folder than "": tests give their own. */
json_t *host_describe_at(const char *root);
unsigned int host_cpus_one_per_core_at(const char *root, uint16_t *cpus, unsigned int max);

#endif
