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
#include "stats/hist.h"

#define PROJECT_ROUNDS 6 /* the fewest that an interval of 95 % can be had of */
#define PROJECT_CHECKS 6 /* process counts that the model is checked at */
#define PROJECT_STEPS 11 /* CPU counts: 2, 4, ... HAND_WORKERS_MAX, and the one asked for */
/* Beyond so many times the CPUs measured on, a range is marked EXTRAPOLATED. */
#define PROJECT_NEAR 4

struct project_cell {
	uint32_t procs;
	uint64_t hold_ns;
	double values[PROJECT_ROUNDS];
	double contended[PROJECT_ROUNDS]; /* share of acquires that found the lock taken */
	size_t nr;
	double busy;		    /* median of contended */
	uint64_t looks, looks_held; /* from another CPU: one process only */
	struct hist section;	    /* timed, clock included: up to two processes */
	double section_ns, section_p90_p50_ns;
	double median, low, high; /* operations per second; NaN: too few */
	double model, model_busy; /* NaN: not modelled */
};

struct project_range {
	uint32_t cpus;
	double low, high; /* operations per second */
	bool extrapolated;
};

struct project_row {
	const struct point *point; /* the first of its kind in the scenario */
	struct params params;
	bool reference; /* not of the scenario: measured for what it says of the load */
	uint32_t cpus;
	char refused[160]; /* "": modelled */
	struct hand_system system;
	struct project_cell cells[PROJECT_CHECKS];
	double change_of_four, clock_ns; /* the host's */
	double off;			 /* largest error of the model over the cells */
	uint32_t off_procs;
	struct project_range ranges[PROJECT_STEPS];
	uint32_t nr_ranges;
};

struct project {
	uint32_t target;
	struct host_costs host;
	struct project_row *rows;
	uint32_t nr;
	uint32_t open_loop; /* points of an open loop, left out */
	/* Pairs of one load and number of processes whose intervals are apart; the model
	 * has them in the same order. */
	uint32_t apart, same_order;
};

/* "CPUS=64". 0 or -EINVAL. */
int project_parse(const char *text, uint32_t *ret_cpus);
/* Measures and projects; some five seconds a row. 0, -ENODATA (no closed-loop point), -EINTR,
 * or another negative errno; project_free() in every case. */
int project_run(const struct scenario *scenario, uint32_t target, bool quiet, struct project *ret);
void project_free(struct project *project);
void project_print(const struct project *project, const char *name, FILE *out);
json_t *project_json(const struct project *project);

/* plan_calibrate.c: family and costs of the row's lock as far as they are the lock's and
 * the host's; false with row->refused when the model is not for it. */
bool project_model_of(const struct host_costs *host, struct project_row *row);
/* Splits the lock's operation into outside and inside. reference: a ticket lock on the same
 * load, or the row itself. False with row->refused when that cannot be done. */
bool project_calibrate(const struct project_row *reference, struct project_row *row);
/* Sets the cell's throughput by the model; NaN: none. */
void project_model(const struct project_row *row, struct project_cell *cell);
/* The range at so many CPUs: what is not known there at its best and at its worst. */
struct project_range project_range_at(const struct project_row *row, uint32_t cpus);

#endif
