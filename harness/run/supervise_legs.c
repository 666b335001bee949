/* SPDX-License-Identifier: MIT */
/* The supervisor's part of phases: loading by the clock, the legs of a closed loop, the
 * end of a drain, and what the workers brought home of each (legs.h). */
#include <stdlib.h>

#include "run/legs.h"
#include "run/supervise_internal.h"
#include "shmht_clock.h"

#define LOOK_AT_DRAIN_NS 2000000u

int legs_run_load(struct run *run)
{
	if (!legs_load(&run->point->params))
		return 0;
	run_set_phase(run, PHASE_LOAD);
	return run_wait_stage(run, STAGE_LOADED);
}

/* An open loop's workers find the legs in the plan; a closed one's are told. */
int legs_run_closed(struct run *run)
{
	const struct params *params = &run->point->params;
	uint64_t until = shmht_monotonic_ns();

	if (!params->nr_legs)
		return run_wait_until(run, until + params->duration_ns);
	for (uint32_t i = legs_load(params); i < params->nr_legs; i++) {
		run->leg_start[i] = shmht_ticks_ordered();
		if (i > (uint32_t)legs_load(params))
			series_set_leg(&run->series, i);
		until += params->legs[i].ns;
		if (run_wait_until(run, until))
			return -1;
	}
	return 0;
}

static bool all_done(const struct run *run)
{
	for (uint32_t i = 0; i < run->control->nr_workers; i++)
		if (atomic_load(&run->control->workers[i].stage) < STAGE_DONE)
			return false;
	return true;
}

/* Until the plan's end, or until somebody has seen enough of it. */
static int wait_until_enough(struct run *run, uint64_t plan_end)
{
	struct interval_figures figures;
	uint32_t seen = 0; /* intervals shown */

	while (shmht_monotonic_ns() < plan_end) {
		uint64_t next = series_next_ns(&run->series);

		if (run_wait_until(run, next < plan_end ? next : plan_end))
			return -1;
		if (!series_previous(&run->series, seen, &figures))
			continue;
		seen++;
		if (!run->end->enough(run->end->arg, &figures))
			continue;
		run_end_plan(run);
		return run_wait_until(run, shmht_monotonic_ns() + PLAN_AHEAD_NS);
	}
	return 0;
}

int legs_run_open(struct run *run, uint64_t begin_ns)
{
	const struct params *params = &run->point->params;
	uint64_t end = begin_ns + legs_window_ns(params), now;

	if (run->end && !params->nr_legs)
		return wait_until_enough(run, end);
	if (run_wait_until(run, begin_ns + legs_plan_ns(params)))
		return -1;
	while (!all_done(run) && (now = shmht_monotonic_ns()) < end)
		if (run_wait_until(run,
				   now + LOOK_AT_DRAIN_NS < end ? now + LOOK_AT_DRAIN_NS : end))
			return -1;
	return 0;
}

void legs_end_drain(struct run *run)
{
	uint64_t last = atomic_load(&run->control->plan_last);

	if (!legs_drain_last(&run->point->params))
		return;
	for (uint32_t i = 0; i < run->control->nr_workers; i++) {
		const struct worker_part *part = &run->control->workers[i];

		if (part->result.backlog)
			return; /* cut off: the window was the plan's */
		if (part->last_end_ticks > last)
			last = part->last_end_ticks;
	}
	if (last < run->t_end)
		run->t_end = last;
}

/* Start and end of a leg of the window, in ticks. */
static void leg_bounds(const struct run *run, uint32_t leg, uint64_t *ret_start, uint64_t *ret_end)
{
	const struct params *params = &run->point->params;
	uint64_t at = run->t_start;

	*ret_end = run->t_end;
	if (params->rate) {
		for (uint32_t i = 0; i < leg; i++)
			at += (uint64_t)((double)params->legs[i].ns / shmht_ns_per_tick());
		*ret_start = at;
		at += (uint64_t)((double)params->legs[leg].ns / shmht_ns_per_tick());
	} else {
		*ret_start = run->leg_start[leg];
		at = leg + 1 < params->nr_legs ? run->leg_start[leg + 1] : run->t_end;
	}
	if (leg + 1 < params->nr_legs)
		*ret_end = at;
}

static void collect_leg(const struct run *run, uint32_t leg, struct leg_result *ret)
{
	const struct params *params = &run->point->params;
	uint64_t start = UINT64_MAX, end = 0;
	bool last = leg + 1 == params->nr_legs;

	for (uint32_t i = 0; i < params->procs; i++) {
		const struct leg_part *part = &control_legs(run->control, i, params->nr_legs)[leg];
		uint64_t late = last ? run->control->workers[i].result.backlog_late_ns :
				       part->late_ns;

		ret->ops += part->ops;
		ret->late_ns = late > ret->late_ns ? late : ret->late_ns;
		start = part->start_ticks < start ? part->start_ticks : start;
		end = part->end_ticks > end ? part->end_ticks : end;
		for (int class = 0; class < HIST_CLASSES; class ++) {
			hist_merge(&ret->service[class], &part->service[class]);
			hist_merge(&ret->response[class], &part->response[class]);
		}
		hist_merge(&ret->wait, &part->wait);
	}
	if (params->legs[leg].kind != LEG_LOAD)
		leg_bounds(run, leg, &start, &end);
	ret->seconds = end > start ? (double)(end - start) * shmht_ns_per_tick() * 1e-9 : 0;
}

int legs_collect(struct run *run)
{
	const struct params *params = &run->point->params;

	if (!params->nr_legs)
		return 0;
	run->trial->legs = calloc(params->nr_legs, sizeof(*run->trial->legs));
	if (!run->trial->legs)
		return -1;
	run->trial->nr_legs = params->nr_legs;
	for (uint32_t i = 0; i < params->nr_legs; i++)
		collect_leg(run, i, &run->trial->legs[i]);
	return 0;
}
