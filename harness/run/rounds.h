/* SPDX-License-Identifier: MIT */
/*
 * Every point once, then every point again, in an order that a seed shuffles
 * each round, so that no point always follows the same other and a disturbance
 * that lasts falls on all of them.
 */
#ifndef SHMBENCH_ROUNDS_H
#define SHMBENCH_ROUNDS_H

#include <stdbool.h>

#include "result/result.h"

/* As supervise_trial(). */
typedef void (*rounds_trial_fn)(const struct point *point, uint32_t k, struct trial *ret_trial);

/*
 * All rounds. redo: rounds with a trial that the host disturbed (noise.h) are run
 * again for all points, half as many again at most; where the second one stood
 * undisturbed, the first stays in the file and counts no more. Returns the
 * signal that ended them early, or 0.
 */
int rounds_run(rounds_trial_fn trial, const struct scenario *scenario, struct result_build *build,
	       bool quiet, bool redo);

/*
 * A trial of each point more, after all of those, in which its system calls are counted
 * (supervise_kernel_trial()). Before the rounds, the document is told why their trials
 * have no such figure. Returns as rounds_run(); at once where nothing can be counted.
 */
void rounds_say_who_counts(struct result_build *build);
int rounds_count_calls(const struct scenario *scenario, struct result_build *build, bool quiet);
/* How long that takes, set-up not counted; 0: nothing can be counted. */
double rounds_counting_s(const struct scenario *scenario);

#endif
