/* SPDX-License-Identifier: MIT */
/* `shmbench plan`: what its parts share. Each part runs, prints and says its exit code. */
#ifndef SHMBENCH_PLAN_H
#define SHMBENCH_PLAN_H

#include <jansson.h>
#include <stdio.h>

#include "plan/plan_claim.h"
#include "plan/plan_search.h"
#include "run/trial.h"
#include "scenario/scenario.h"

/* A promise on response times: "search.p99<=20us". */
struct plan_slo {
	char text[96];
	char figure[16]; /* "p99" */
	double quantile; /* 0.99 */
	unsigned int classes;
	uint64_t bound_ns;
};

/* 0, or -EINVAL with why: what was found and what is allowed. */
int plan_slo_parse(const char *text, struct plan_slo *ret, char *why, size_t size);

/* What one strategy can carry. */
struct plan_row {
	struct point *point; /* the first of its kind in the scenario */
	bool by_procs;	     /* load = processes; else operations per second */
	double ceiling;
	struct plan_search search;
	/* per promise, from the observation that decided */
	double percentile_ns[INTERVAL_WATCHES];
	double breaks_ns[INTERVAL_WATCHES];		  /* at search.breaks */
	double look_ns[PLAN_LOOKS_MAX][INTERVAL_WATCHES]; /* of each of search.looks */
	struct plan_claim claims[INTERVAL_WATCHES];
	uint32_t disturbed; /* observations thrown away and repeated */
	char reason[256];   /* of PLAN_ERROR */
};

struct plan_request {
	const struct scenario *scenario;
	const struct plan_slo *slos;
	uint32_t nr_slos;
	double budget_s; /* of observation, in all; 0: as long as each needs */
	bool quiet;
};

/* One row per strategy and mix of the scenario. Returns how many, or a negative
 * errno; the caller frees *ret_rows. */
int plan_slo_run(const struct plan_request *request, struct plan_row **ret_rows);
void plan_slo_print(const struct plan_request *request, const struct plan_row *rows, int nr,
		    FILE *out);
json_t *plan_slo_json(const struct plan_request *request, const struct plan_row *rows, int nr);
int plan_slo_exit_code(const struct plan_row *rows, int nr);

#endif
