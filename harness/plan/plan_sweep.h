/* SPDX-License-Identifier: MIT */
/*
 * A sweep over processes, out of a result document: what the scalability law, the
 * cross-over map and the hand-off model are about. Closed-loop points only; what a
 * schedule fixes says nothing of how much more could be done.
 */
#ifndef SHMBENCH_PLAN_SWEEP_H
#define SHMBENCH_PLAN_SWEEP_H

#include <jansson.h>
#include <stdio.h>

#include "scenario/scenario.h"

struct plan_cell {
	uint32_t procs;
	size_t nr;
	double *ops;	   /* per second, a value per trial */
	double median;	   /* of them */
	double contended;  /* share of acquires that waited; NaN: not known */
	double reacquired; /* share by the last holder; NaN: not known */
};

/* One choice under one load, cells in the order of procs. */
struct plan_series {
	char choice[96]; /* "futex", "futex read=seqlock": lock, read, wait, robust, stripes */
	char load[256];	 /* section and the other swept keys */
	size_t nr;
	struct plan_cell *cells;
};

struct plan_sweep {
	uint32_t cpus; /* allowed, where it was measured */
	size_t nr;
	struct plan_series *series;
	size_t left_out; /* points: open loop, not measured, or without ops_per_s */
};

/* Runs all trials of the scenario, interleaved. NULL: no memory; *ret_signal: what ended it. */
json_t *plan_sweep_measure(const struct scenario *scenario, bool quiet, int *ret_signal);
/* 0 or -ENOMEM. result is untrusted and may go afterwards. */
int plan_sweep_take(const json_t *result, struct plan_sweep *ret);
void plan_sweep_free(struct plan_sweep *sweep);
const struct plan_cell *plan_sweep_cell(const struct plan_series *series, uint32_t procs);

#endif
