/* SPDX-License-Identifier: MIT */
/*
 * `shmbench gate`: what its parts share. A gate runs two builds, or two settings
 * of one, against each other in fresh processes: rounds of a slice of each. The
 * builds answer by the slice protocol (cmd_slice.c); all judging is done here.
 */
#ifndef SHMBENCH_GATE_H
#define SHMBENCH_GATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "gate_judge.h"
#include "hist.h"

#define GATE_SCHEMA "shmbench.gate/1"
#define GATE_PROTOCOL "shmbench.slice/1"
#define GATE_METRICS_MAX 4
#define GATE_ROWS_MAX (GATE_METRICS_MAX + 1) /* and what is counted */
#define GATE_SETS_MAX 64
#define GATE_SAMPLES_ABOVE 20 /* of a percentile, in every slice */

enum gate_side { GATE_BASE, GATE_HEAD, GATE_SIDES };
extern const char *const gate_side_names[GATE_SIDES];

/* "ops_per_s", or "[service.|response.]OP.p99" and the like. */
struct gate_metric {
	char name[48];
	double quantile; /* 0: ops_per_s */
};

struct gate_build {
	const char *binary;
	const char *sets[GATE_SETS_MAX]; /* beside those of both */
	uint32_t nr_sets;
};

struct gate_request {
	const char *scenario;
	const char *sets[GATE_SETS_MAX];
	uint32_t nr_sets;
	const char *section, *filter; /* or NULL */
	struct gate_build builds[GATE_SIDES];
	struct gate_metric metrics[GATE_METRICS_MAX];
	uint32_t nr_metrics;  /* 0: by the point's loop */
	const char *baseline; /* a result file instead of base, or NULL */
	double ignore, detect;
	double budget_s;
	uint64_t slice_ns; /* 0: chosen */
	uint64_t seed;
	bool bootstrap, allow_inconclusive, quiet, instructions;
};

struct gate_slice {
	json_t *raw; /* as it came, for the result file */
	double seconds, elapsed_s;
	uint64_t ops;
	char hash[24];
	struct hist *hists[GATE_METRICS_MAX]; /* of the latency metrics, else NULL */
};

struct gate_round {
	bool head_first;
	struct gate_slice slices[GATE_SIDES];
};

enum gate_state {
	GATE_MEASURED, /* judge by the rows */
	GATE_NEW,      /* head's only: measured, and no verdict */
	GATE_GONE,     /* base's only */
	GATE_SKIPPED,  /* by both, with the reason: asked for, and not measured */
	GATE_NOT_MEASURED,
	GATE_FAILED, /* head's verification */
};
extern const char *const gate_state_names[];

struct gate_point {
	char *name;
	enum gate_state state;
	char reason[600];
	bool has[GATE_SIDES];
	bool open_loop;
	uint32_t nr_metrics; /* timed: judged by rounds */
	uint32_t nr_counted; /* rows behind them: 1 with a count of instructions, else 0 */
	struct gate_metric metrics[GATE_ROWS_MAX];
	uint32_t sample_every; /* 0: as the scenario says */
	double pair_s;	       /* what a round takes, from the pilot */
	double spread;	       /* sd of a round's log ratio, base against base; NaN: not known */
	uint32_t nr_rounds, rounds_max;
	uint32_t repeated; /* rounds, because a side got no time to do anything */
	struct gate_round *rounds;
	struct gate_row rows[GATE_ROWS_MAX];
	double *figures[GATE_METRICS_MAX]; /* behind the rows; [3 * rounds_max] */
};

struct gate_suite {
	struct gate_rule rule;
	uint32_t nr_points;
	struct gate_point *points;
	uint32_t nr_rows;  /* that share the level */
	uint32_t planned;  /* rounds */
	unsigned int look; /* had */
	uint64_t slice_ns;
	double elapsed_s;
	json_t *identities[GATE_SIDES]; /* what the builds say of themselves, or NULL */
	int error;			/* exit code of a suite that could not start */
	char reason[600];
};

/* ---- gate_spawn.c ------------------------------------------------------ */

/*
 * Runs a program to its end, or to the deadline, or until interrupted; then its
 * process group is gone. *ret_out is its stdout (caller frees), err the last of
 * its stderr; ret_pid may be NULL. 0, -ETIMEDOUT, -EINTR, or the errno of not starting it.
 */
int gate_spawn(const char *const argv[], double timeout_s, char **ret_out, char *err,
	       size_t err_size, pid_t *ret_pid, int *ret_status);

/* ---- gate_client.c: the slice protocol, from this end ------------------- */

/* The points of a build. 0, or an errno with why. */
int gate_list(const struct gate_request *request, enum gate_side side, json_t **ret_list, char *why,
	      size_t size);

/* One slice. 0; -EINTR; -EBADMSG (failed verification), -EBUSY (no operation was
 * done), -EAGAIN (too few samples above a percentile) or -EIO, with why. */
int gate_measure(const struct gate_request *request, const struct gate_point *point,
		 enum gate_side side, uint64_t slice_ns, uint32_t trial, struct gate_slice *ret,
		 char *why, size_t size);
/* From a protocol's line, or a stored one; expected_ns 0: not known. */
int gate_slice_parse(json_t *raw, const struct gate_point *point, uint64_t expected_ns,
		     double elapsed_s, struct gate_slice *ret, char *why, size_t size);
void gate_slice_free(struct gate_slice *slice);
/* The same with this many operations under callgrind: what process pid did is then in
 * folder/GATE_PROFILE<pid>; *ret_pid is the supervisor. */
#define GATE_PROFILE "profile."
int gate_profile(const struct gate_request *request, const struct gate_point *point,
		 enum gate_side side, uint64_t ops, const char *folder, pid_t *ret_pid, char *why,
		 size_t size);

/* ---- gate_points.c, gate_pilot.c ---------------------------------------- */

#define GATE_PILOT_SLICES 3
/* A side that got no time at all from a busy machine has the whole round, or the
 * slice of a pilot, measured again: which side it was plays no part in that. */
#define GATE_TRIES 3

/* Ends a suite before it starts; always -1. */
int gate_refuse(struct gate_suite *suite, int code, const char *text);
/* The entry of a build's list, or NULL. */
const json_t *gate_listed(const json_t *list, const char *name);
/* Points of both sides; a refused suite has a negative answer. */
int gate_match_points(const struct gate_request *request, struct gate_suite *suite);
/* After a measurement that failed by r: which state that is. */
void gate_set_aside(struct gate_point *point, int r, enum gate_side side, const char *why);
/* 0 or -EINTR; what cannot be measured is set aside. */
int gate_run_pilots(const struct gate_request *request, struct gate_suite *suite);

/* ---- gate_instructions.c ------------------------------------------------ */

/* Adds a row to each point of one worker in a closed loop. 0, -EINTR, or -1: refused. */
int gate_count_instructions(const struct gate_request *request, struct gate_suite *suite);

/* ---- gate_rows.c ------------------------------------------------------- */

int gate_metric_parse(const char *text, struct gate_metric *ret, char *why, size_t size);
/* Value at a quantile, straight within its bucket. */
double gate_quantile(const struct hist *hist, double quantile);
/* Figures of every row of a point, from its rounds. 0 or a negative errno. */
int gate_rows_fill(struct gate_point *point);

/* ---- gate_run.c -------------------------------------------------------- */

void gate_run(const struct gate_request *request, struct gate_suite *suite);
void gate_suite_free(struct gate_suite *suite);
int gate_exit_code(const struct gate_request *request, const struct gate_suite *suite);
/* gate_baseline.c: the same with request->baseline as base */
void gate_run_baseline(const struct gate_request *request, struct gate_suite *suite);
/* Judges all points at a look: fills rows, and sets aside what cannot be judged. */
int gate_suite_judge(struct gate_suite *suite, unsigned int look);

/* ---- gate_report.c, gate_export.c --------------------------------------- */

void gate_row_text(const struct gate_rule *rule, const struct gate_row *row, double budget_s,
		   char *buf, size_t size);
/* One word for a row of a point: "pass", "REGRESSION", "NOT MEASURED" ... */
const char *gate_row_verdict(const struct gate_point *point, uint32_t row);
void gate_print(const struct gate_request *request, const struct gate_suite *suite, FILE *out);
void gate_summary(const struct gate_suite *suite, int code, char *buf, size_t size);
json_t *gate_json(const struct gate_request *request, const struct gate_suite *suite, int code);
int gate_markdown(const struct gate_request *request, const struct gate_suite *suite, int code,
		  const char *path);
int gate_junit(const struct gate_request *request, const struct gate_suite *suite,
	       const char *path);

#endif
