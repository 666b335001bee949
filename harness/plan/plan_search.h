/* SPDX-License-Identifier: MIT */
/*
 * The largest load that keeps a promise. Short looks bracket it and halve the
 * bracket; what they find is only a candidate, and is confirmed by a claim on
 * fresh data. A claim that fails steps down, and spends half of the error that
 * is left, so that all of them together stay within it. From a claim that holds it
 * goes up again, to what lies below the claims that failed.
 */
#ifndef SHMBENCH_PLAN_SEARCH_H
#define SHMBENCH_PLAN_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum plan_verdict {
	PLAN_MEETS,    /* proven, or (in a look) likely */
	PLAN_UNPROVEN, /* nothing against it, too little data for it */
	PLAN_BREAKS,
};

struct plan_look {
	double load;
	double seconds; /* observed */
	double needs_s; /* unproven: what would do; NaN: nothing would */
	enum plan_verdict verdict;
	bool claim; /* else only a look */
	/* It breaks by how late it ended alone: load, or one stall at the end. */
	bool late;
	bool superseded; /* late, and repeated: the next one counts instead */
};

enum plan_answer {
	PLAN_FOUND,
	PLAN_CEILING, /* the largest load that was allowed keeps it too */
	PLAN_NONE,    /* not even the smallest does */
	PLAN_OPEN,    /* the budget ended before a claim */
	PLAN_ERROR,   /* a measurement failed */
};

struct plan_system {
	double floor, ceiling; /* loads allowed; floor > 0 */
	double start;	       /* first look */
	double step;	       /* resolution as a ratio, > 1; unused when whole */
	bool whole;	       /* loads are whole numbers: processes */
	double look_s;
	double claim_s, claim_max_s; /* what a claim takes at least, and at most */
	unsigned int retries;	     /* upwards, of what failed: it may have been chance */
	double budget_s;	     /* of observation */
	double alpha;		     /* of all claims together */
	/*
	 * Observes the load for ret->seconds (set by the caller, or more) and fills
	 * the rest. alpha > 0: a claim at that level; 0: a look. 0 or a negative
	 * errno, which ends the search.
	 */
	int (*observe)(void *arg, double alpha, struct plan_look *ret);
	void *arg;
};

#define PLAN_LOOKS_MAX 64u

struct plan_search {
	enum plan_answer answer;
	double load;   /* found, or the candidate that stayed open */
	double breaks; /* the smallest load above it that broke it; NaN: none did */
	double spent_s;
	double alpha;  /* level of the claim that held */
	bool disorder; /* a load broke it below one that kept it */
	double needs_s;
	int error;
	uint32_t nr_looks;
	struct plan_look looks[PLAN_LOOKS_MAX];
};

void plan_search(const struct plan_system *system, struct plan_search *ret);

#endif
