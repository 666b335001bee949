/* SPDX-License-Identifier: MIT */
/*
 * The decision rule of a gate, stopping included, apart from how rounds are
 * had: a run, a stored run and a simulation are judged by the same lines.
 */
#ifndef SHMBENCH_GATE_JUDGE_H
#define SHMBENCH_GATE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#define GATE_LOOKS 4

enum gate_verdict {
	GATE_PENDING, /* so far; at the end: inconclusive */
	GATE_PASS,
	GATE_REGRESSION,
	GATE_IMPROVEMENT,
};
extern const char *const gate_verdict_names[]; /* "inconclusive" "pass" ... */

struct gate_rule {
	double ignore, detect; /* log ratios, 0 <= ignore < detect */
	double level;	       /* one-sided, of the whole suite and of all looks together */
};

/* One figure of one point: positive is slower. */
struct gate_row {
	const double *slowdown; /* [n] log ratio of each round */
	/* A second figure that must agree, or NULL: positive where head is worse
	 * than base by base's measure, and base than head by head's. */
	const double *worse, *better;
	size_t n;
	enum gate_verdict verdict;
	double estimate, low, high; /* log ratio, as of the look that decided, or the last */
	unsigned int look;	    /* of these; from 1, 0: none yet */
	bool counted;		    /* not timed: what was counted per operation ... */
	double before, after;	    /* ... by base and by head */
	struct {
		double estimate, low, high;
		size_t n; /* 0: none was had */
	} control;	  /* base against base, for the reader: no part of the verdict */
};

/* Rounds after which look 1 .. GATE_LOOKS is due. */
size_t gate_look_rounds(size_t planned, unsigned int look);
/* Level that a look may spend on the whole suite. */
double gate_look_level(const struct gate_rule *rule, unsigned int look);
/* Fewest rounds that reach the last look's level, all of them of one sign. */
size_t gate_rounds_needed(const struct gate_rule *rule, size_t nr_rows);

/*
 * Judges every row that is pending. What was decided stays, so that a suite's
 * chance of a false REGRESSION is at most rule->level: the looks' levels sum to
 * it, and within a look Holm's procedure (Scand. J. Statist. 6, 1979) shares the
 * look's among the rows that were not found slower yet. Swapping base and head
 * mirrors everything. 0, or a negative errno (gate_bounds()).
 */
int gate_judge(const struct gate_rule *rule, unsigned int look, struct gate_row *rows,
	       size_t nr_rows);

/* How many times the budget would decide this row, by its estimate; NaN: the
 * estimate lies between what is ignored and what must be found. */
double gate_budget_factor(const struct gate_rule *rule, const struct gate_row *row);

#endif
