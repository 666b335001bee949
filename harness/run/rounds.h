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

#endif
