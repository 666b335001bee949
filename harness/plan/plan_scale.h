/* SPDX-License-Identifier: MIT */
/* `plan --scale`: which choice wins where, what each costs elsewhere, and how each scales. */
#ifndef SHMBENCH_PLAN_SCALE_H
#define SHMBENCH_PLAN_SCALE_H

#include <jansson.h>
#include <stdio.h>

#include "plan/plan_sweep.h"

void plan_map_print(const struct plan_sweep *sweep, FILE *out);
json_t *plan_map_json(const struct plan_sweep *sweep);
/* Up to the number of CPUs and above it are two regimes: above it, workers wait for CPUs too. */
void plan_usl_print(const struct plan_sweep *sweep, FILE *out);
json_t *plan_usl_json(const struct plan_sweep *sweep);

#endif
