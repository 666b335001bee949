/* SPDX-License-Identifier: MIT */
/*
 * `gate --control`: every third round is base against base, under a coin of its own.
 * What that comes to stands beside the verdict: where it is not about zero, the
 * machine, not head, is what the figures are about. It takes no part in the verdict.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"
#include "stats/gate_stats.h"

int gate_controls_begin(const struct gate_request *request, struct gate_suite *suite)
{
	for (uint32_t i = 0; request->control && i < suite->nr_points; i++) {
		struct gate_point *point = &suite->points[i], *control;

		if (point->state != GATE_MEASURED)
			continue;
		control = calloc(1, sizeof(*control));
		if (!control)
			return -ENOMEM;
		point->control = control;
		control->name = strdup(point->name);
		control->state = GATE_MEASURED;
		control->open_loop = point->open_loop;
		control->turns = point->turns;
		control->procs = point->procs;
		control->nr_metrics = point->nr_metrics;
		memcpy(control->metrics, point->metrics, sizeof(control->metrics));
		control->sample_every = point->sample_every;
		control->rounds_max = suite->planned / 2 + 1;
		control->rounds = calloc(control->rounds_max, sizeof(*control->rounds));
		if (!control->name || !control->rounds)
			return -ENOMEM;
	}
	return 0;
}

int gate_control_round(const struct gate_request *request, const struct gate_suite *suite,
		       struct gate_point *point, uint32_t round, struct rng *coins)
{
	struct gate_point *control = point->control;
	struct gate_request same;

	if (!control || round % 2 == 0 || control->state != GATE_MEASURED ||
	    control->nr_rounds == control->rounds_max)
		return 0;
	same = *request;
	same.builds[GATE_HEAD] = same.builds[GATE_BASE];
	return gate_run_round(&same, suite, control, coins) == -EINTR ? -EINTR : 0;
}

static int fill(const struct gate_suite *suite, struct gate_point *point)
{
	struct gate_point *control = point->control;
	double level = gate_look_level(&suite->rule, GATE_LOOKS) / suite->nr_rows;
	int r = gate_rows_fill(control);

	for (uint32_t m = 0; !r && m < control->nr_metrics; m++) {
		struct gate_bounds bounds;

		r = gate_bounds(control->rows[m].slowdown, control->nr_rounds, level, &bounds);
		point->rows[m].control.estimate = bounds.estimate;
		point->rows[m].control.low = bounds.low;
		point->rows[m].control.high = bounds.high;
		point->rows[m].control.n = r ? 0 : control->nr_rounds;
	}
	return r;
}

int gate_controls_end(struct gate_suite *suite)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < suite->nr_points; i++)
		if (suite->points[i].control && suite->points[i].control->nr_rounds)
			r = fill(suite, &suite->points[i]);
	return r;
}
