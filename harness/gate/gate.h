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

#include "gate/gate_judge.h"
#include "run/progress.h"
#include "stats/hist.h"
#include "worker/rng.h"

#define GATE_SCHEMA "shmbench.gate/1"
#define GATE_PROTOCOL "shmbench.slice/1"
#define GATE_METRICS_MAX 4
#define GATE_ROWS_MAX (GATE_METRICS_MAX + 1) /* and what is counted */
#define GATE_SETS_MAX 64
#define GATE_RELINKED_MAX 64
#define GATE_LINKS_MIN 8 /* fewer say too little of what linking does */
#define GATE_IGNORE 0.02 /* defaults; a calibration may say more */
#define GATE_DETECT 0.05
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
	uint32_t nr_metrics;   /* 0: by the point's loop */
	const char *baseline;  /* a result file instead of base, or NULL */
	double ignore, detect; /* log ratios; NaN: the default */
	double budget_s;
	uint64_t slice_ns; /* 0: chosen */
	uint64_t seed;
	const char *calibration; /* file, or NULL: this host's */
	const char *relinked[GATE_RELINKED_MAX];
	uint32_t nr_relinked, aa_runs; /* runs 0: what fits the budget */
	bool aa, control;
	bool bootstrap, allow_inconclusive, quiet, instructions;
};

struct gate_slice {
	json_t *raw; /* as it came, for the result file */
	double seconds, elapsed_s;
	uint64_t ops;
	char hash[24];
	uint32_t nr_turns; /* 0: one window */
	double *turns;	   /* [nr_turns] log rates; -INFINITY: it had no time in that turn */
	uint32_t empty_turns;
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
	bool turns; /* both sides can be measured in turns */
	uint32_t procs;
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
	struct gate_point *control;	   /* its rounds are base against base; or NULL */
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
	double round_s, needed_s;	/* of all points; the least budget; 0: not got so far */
	char calibration[700];		/* one line: what is known of this host */
	json_t *identities[GATE_SIDES]; /* what the builds say of themselves, or NULL */
	int error;			/* exit code of a suite that could not start */
	char reason[600];
};

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
/* gate_turns.c: a round, both sides alive and taking turns. As gate_measure(), *ret_side
 * is whom the answer is about. */
int gate_measure_turns(const struct gate_request *request, const struct gate_point *point,
		       uint64_t slice_ns, uint32_t trial, struct gate_round *round,
		       enum gate_side *ret_side, char *why, size_t size);
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
#define GATE_TRIES 10

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
/* log(operations per second). */
double gate_log_rate(const struct gate_slice *slice);
/* Of a round: base's less head's, a lone worker's by the less disturbed turns of each. */
double gate_log_slowdown(const struct gate_point *point, const struct gate_round *round);
/* Figures of every row of a point, from its rounds. 0 or a negative errno. */
int gate_rows_fill(struct gate_point *point);

/* ---- gate_run.c -------------------------------------------------------- */

void gate_run(const struct gate_request *request, struct gate_suite *suite);
/* Rounds that fit; at most as many as are of use. */
uint32_t gate_rounds_of(double budget_s, double round_s);
/* One more round of a point, its order by the next coin. 0, -EINTR, or what the point
 * was set aside for. */
int gate_run_round(const struct gate_request *request, const struct gate_suite *suite,
		   struct gate_point *point, struct rng *coins);
void gate_suite_free(struct gate_suite *suite);
int gate_exit_code(const struct gate_request *request, const struct gate_suite *suite);
/* gate_baseline.c: the same with request->baseline as base */
void gate_run_baseline(const struct gate_request *request, struct gate_suite *suite);
/* Judges all points at a look: fills rows, and sets aside what cannot be judged. */
int gate_suite_judge(struct gate_suite *suite, unsigned int look);

/* ---- gate_control.c ----------------------------------------------------- */

/* With request->control: a shadow of every measured point for the rounds of base
 * against base. 0 or -ENOMEM. */
int gate_controls_begin(const struct gate_request *request, struct gate_suite *suite);
/* After gate round number round (from 0) of a point: base against base, if it is due. 0
 * or -EINTR; what fails is set aside in the shadow, and the point stays as it is. */
int gate_control_round(const struct gate_request *request, const struct gate_suite *suite,
		       struct gate_point *point, uint32_t round, struct rng *coins);
/* Puts what base against base came to beside each row. 0 or a negative errno. */
int gate_controls_end(struct gate_suite *suite);

/* ---- gate_aa.c, gate_power.c, gate_calibration.c ------------------------- */

#define GATE_BUDGETS 2
#define GATE_BUDGETS_S  \
	{               \
		60, 300 \
	}		 /* for which the smallest slowdown found is told */
#define GATE_POOL_MIN 20 /* rounds, below which it is not */

struct gate_aa_row {
	char *name;
	char metric[48];
	double *values; /* [n] log ratios of all rounds of base against base */
	size_t n;
	bool two_figures;
	double smallest[GATE_BUDGETS]; /* slowdown (log) found at 90 % power; NaN: not known */
	double self;   /* largest deviation (log) of a gate of the build against itself ... */
	double relink; /* ... and of a relinked one; NaN: none was had */
	/* Over the relinked ones: of their deviations, and of what is their gates' noise. */
	double relink_squares, noise_squares;
	uint32_t nr_relinked;
};

struct gate_aa {
	uint32_t runs, alarms, undecided, unmeasured, links, nr_rows, nr_judged;
	double each_s, needed_s,
		round_s; /* of a gate: what it was given, must have, and of a round */
	struct gate_aa_row *rows;
	struct gate_rule rule; /* that gates with this calibration judge by */
	json_t *log;	       /* of every gate: seed, exit code, summary */
	json_t *identity;
	char reason[700]; /* of the last that was not measured */
};

/*
 * Within request->budget_s: one gate against each relinked build, then gates of base
 * against itself, request->aa_runs or what fits. 0, -EINTR, -ENOMEM, or -ETIME: the
 * budget is too short, see reason; what could not be measured is counted.
 */
int gate_aa(const struct gate_request *request, struct gate_aa *aa);
/*
 * Twice the standard deviation (log) of relinked builds' speed, that of the worst row:
 * the mean square of their deviations less that of their gates' noise (the method of
 * moments of DerSimonian and Laird, Control. Clin. Trials 7, 1986). NaN below
 * GATE_LINKS_MIN of them.
 */
double gate_aa_relink_spread(const struct gate_aa *aa);
void gate_aa_free(struct gate_aa *aa);
/*
 * The slowdown (log) that nine of ten gates of planned rounds find: by gates whose
 * rounds are drawn from pool, which had none, and judged by rule, looks and early
 * passes included. Rounds are taken for independent. 0, -EINVAL or -ENOMEM.
 */
int gate_smallest_found(const struct gate_rule *rule, const double *pool, size_t n, size_t planned,
			size_t nr_rows, uint64_t seed, double *ret_shift);
json_t *gate_aa_json(const struct gate_request *request, const struct gate_aa *aa);
void gate_aa_print(const struct gate_aa *aa, FILE *out);
/* 0; 1: more alarms than the 1 % that is promised; 3: some gate measured nothing. */
int gate_aa_exit_code(const struct gate_aa *aa);
void gate_calibration_path(const struct gate_request *request, const json_t *identity, char *buf,
			   size_t size);
/* ignore and detect where the request leaves them open; spread: log, or NaN. */
void gate_rule_default(const struct gate_request *request, double spread, struct gate_rule *rule);
/* Sets ignore and detect of the suite's rule, by the request or this host's calibration.
 * 0, or -1: refused, as they contradict each other. */
int gate_calibration_apply(const struct gate_request *request, struct gate_suite *suite);

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
