/* SPDX-License-Identifier: MIT */
/*
 * `plan --project CPUS=N`: the hand-off model (plan_hand.h) fed with costs that are
 * measured here, checked against what this machine does at 1 to 8 processes, and then
 * asked for more CPUs, one process on each. Its answers are ranges.
 */
#ifndef SHMBENCH_PLAN_PROJECT_H
#define SHMBENCH_PLAN_PROJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "plan/plan_costs.h"
#include "plan/plan_hand.h"
#include "scenario/scenario.h"

#define PROJECT_ROUNDS 6 /* the fewest that an interval of 95 % can be had of */
/* A trial is disturbed if from its beginning to its end the way of a line to another CPU
 * has become so many times longer or shorter: by what the model is meant to be within. */
#define PROJECT_STEADY 1.25
#define PROJECT_CHECKS 6 /* process counts that the model is checked at */
#define PROJECT_STEPS 11 /* CPU counts: 2, 4, ... HAND_WORKERS_MAX, and the one asked for */
/* Beyond so many times the CPUs measured on, a range is marked EXTRAPOLATED. */
#define PROJECT_NEAR 4

/* What one round says of a cell. */
struct project_figures {
	double ops_per_s;	    /* 0: not measured, and so is the rest */
	double contended;	    /* share of acquires that found the lock taken */
	uint64_t looks, looks_held; /* from another CPU: one process only */
	/* Of sections timed, clock included: up to two processes. Means of them all, of those
	 * whose worker had the lock last, too, and of those that were handed over. */
	double section_ns, section_p90_p50_ns;
	double again_ns, handed_ns;
	double again_nr, handed_nr;
	double transfer, upgrade, invalidate; /* host's, mean of right before and right after */
	bool disturbed;			      /* by the host, and no better when done again */
	double model, model_busy;	      /* from costs of the same time; NaN: not modelled */
};

struct project_cell {
	uint32_t procs;
	uint64_t hold_ns;
	struct project_figures rounds[PROJECT_ROUNDS];
	size_t nr;		  /* of them, measured */
	double median, low, high; /* operations per second; NaN: too few */
	double busy;		  /* median of contended */
	double model, model_busy; /* medians over the rounds; NaN: not modelled */
	/* Median over the rounds of model over measured, less 1; NaN: not modelled. */
	double off;
};

struct project_range {
	uint32_t cpus;
	double low, high; /* operations per second */
	bool extrapolated;
};

/* The model of a row. */
struct project_fit {
	bool apart; /* the lock's costs could be told apart; else the rest is the host's alone */
	struct hand_system system;
	double change_of_four, clock_ns; /* the host's */
};

struct project_row {
	const struct point *point; /* the first of its kind in the scenario */
	struct params params;
	bool reference; /* not of the scenario: measured for what it says of the load */
	uint32_t cpus;
	char refused[160]; /* "": modelled */
	/* Of a table that others write to, so many lines come from another CPU in a section: by
	 * them it lasts longer, the more the farther that is. After another had the lock, and
	 * after the same one had it. NaN: not known. */
	double lines_handed, lines_again;
	struct project_fit fits[PROJECT_ROUNDS];
	struct project_fit fit; /* of all rounds, by medians */
	struct project_cell cells[PROJECT_CHECKS];
	double off; /* largest error of the model over the cells, either way */
	uint32_t off_procs;
	struct project_range ranges[PROJECT_STEPS];
	uint32_t nr_ranges;
};

struct project {
	uint32_t target;
	struct host_costs hosts[PROJECT_ROUNDS]; /* means of a round's beginning and end */
	uint32_t more;				 /* trials that were done again */
	struct host_costs host;			 /* medians over the rounds */
	struct project_row *rows;
	uint32_t nr;
	uint32_t open_loop; /* points of an open loop, left out */
	/* Pairs of one load and number of processes whose intervals are apart; the model
	 * has them in the same order. */
	uint32_t apart, same_order;
};

/* "CPUS=64". 0 or -EINVAL. */
int project_parse(const char *text, uint32_t *ret_cpus);
/* Measures and projects; some ten seconds a row. 0, -ENODATA (no closed-loop point), -EINTR,
 * or another negative errno; project_free() in every case. */
int project_run(const struct scenario *scenario, uint32_t target, bool quiet, struct project *ret);
void project_free(struct project *project);
void project_print(const struct project *project, const char *name, FILE *out);
json_t *project_json(const struct project *project);

/* plan_project_measure.c: all rounds; 0, -EINTR or another negative errno. */
int project_measure(struct project *project, bool quiet);
/* From what was measured to all answers. */
void project_judge(struct project *project);

/* plan_calibrate.c: the host's part of the model of the row's lock; false with row->refused
 * when the model is not for it. */
bool project_model_of(const struct host_costs *host, struct project_row *row);
/* The row's fits, its lines given: splits the lock's operation into outside and inside, round by
 * round. reference: a ticket lock on the same load, or the row itself. False with row->refused when
 * that cannot be done in half of the rounds. */
bool project_calibrate(const struct host_costs *hosts, const struct project_row *reference,
		       struct project_row *row);
/* Sets what the model says of the cell in that round; NaN: nothing. */
void project_model(const struct project_row *row, struct project_cell *cell, int round);
/* The range at so many CPUs: what is not known there at its best and at its worst. */
struct project_range project_range_at(const struct project_row *row, uint32_t cpus);

#endif
