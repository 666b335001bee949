/* SPDX-License-Identifier: MIT */
/*
 * Windows without faults. Those before the storm say what waits are without kills. What
 * the storm left behind shows beside a new table of the same make: windows of the two
 * take turns, in the order old, new, new, old, so that what the machine does meanwhile
 * is done to both.
 */
#include <stdlib.h>

#include "run/supervise.h"
#include "shmht_clock.h"
#include "torture/torture_internal.h"

#define TICK_NS 5000000u
/* Until everybody has come, or has gone to rest: twice a rest's nap. */
#define SETTLE_NS 10000000u

void torture_set_phase(struct storm *storm, enum torture_phase phase)
{
	storm->progress_ns = shmht_monotonic_ns();
	atomic_store(&storm->control->phase, phase);
}

static uint64_t all_ops(const struct storm *storm)
{
	uint64_t ops = 0;

	for (uint32_t i = 0; i < storm->params->procs; i++)
		ops += atomic_load(&storm->control->parts[i].ops);
	return ops;
}

/* Looks after the crew until then. */
static int wait_until(struct storm *storm, uint64_t due)
{
	for (;;) {
		uint64_t now = shmht_monotonic_ns();
		int r;

		if (now < due)
			supervise_sleep(due - now < TICK_NS ? due - now : TICK_NS);
		if (crew_tend(storm, true))
			return -1;
		r = watch_tick(storm);
		if (r > 0)
			return torture_give_up(storm, TRIAL_FAILED, "stuck: %s",
					       storm->outcome->stuck);
		if (r)
			return -1;
		if (shmht_monotonic_ns() >= due)
			return 0;
	}
}

static uint32_t windows_of(const struct params *params)
{
	return (uint32_t)(params->calm_ns / params->interval_ns);
}

static double *windows_alloc(struct storm *storm)
{
	double *rates = calloc(windows_of(storm->params) + 1, sizeof(*rates));

	if (!rates)
		torture_give_up(storm, TRIAL_NOT_MEASURED, "no memory for the windows");
	return rates;
}

int calm_before(struct storm *storm)
{
	const struct params *params = storm->params;
	double *rates = storm->outcome->before = windows_alloc(storm);
	uint64_t begin, then, ops;

	if (!rates)
		return -1;
	torture_set_phase(storm, TORTURE_BEFORE);
	begin = then = shmht_monotonic_ns();
	ops = all_ops(storm);
	for (uint32_t i = 0; i < windows_of(params); i++) {
		uint64_t now, so_far;

		if (wait_until(storm, begin + (i + 1) * params->interval_ns))
			return -1;
		now = shmht_monotonic_ns();
		so_far = all_ops(storm);
		rates[storm->outcome->nr_before++] = (double)(so_far - ops) /
						     ((double)(now - then) * 1e-9);
		ops = so_far;
		then = now;
	}
	return 0;
}

static int one_turn(struct storm *storm, double *ret_rate)
{
	uint64_t begin, ops;

	torture_set_phase(storm, TORTURE_AFTER);
	if (wait_until(storm, shmht_monotonic_ns() + SETTLE_NS))
		return -1;
	begin = shmht_monotonic_ns();
	ops = all_ops(storm);
	if (wait_until(storm, begin + storm->params->interval_ns))
		return -1;
	ops = all_ops(storm) - ops;
	*ret_rate = (double)ops / ((double)(shmht_monotonic_ns() - begin) * 1e-9);
	torture_set_phase(storm, TORTURE_REST);
	supervise_sleep(SETTLE_NS);
	return 0;
}

/* A new table and its crew, at rest. What fails there is not the storm's. */
static int begin_fresh(struct storm *fresh)
{
	if (storm_control(fresh) || storm_table(fresh) || crew_start(fresh))
		return -1;
	torture_set_phase(fresh, TORTURE_REST);
	return 0;
}

/* -1: the storm's trial is over. *ret_failed: the new table's is. */
static int take_turns(struct storm *storm, struct storm *fresh, bool *ret_failed)
{
	struct torture_outcome *outcome = storm->outcome;

	for (uint32_t i = 0; i < windows_of(storm->params); i++) {
		for (uint32_t k = 0; k < 2; k++) {
			bool is_fresh = k != i % 2;

			if (is_fresh && !*ret_failed)
				*ret_failed = one_turn(fresh, &outcome->fresh[i]) != 0;
			else if (!is_fresh && one_turn(storm, &outcome->after[i]))
				return -1;
		}
		outcome->nr_after++;
		outcome->nr_fresh += !*ret_failed;
	}
	return 0;
}

int calm_after(struct storm *storm)
{
	struct torture_outcome *outcome = storm->outcome, *unused = calloc(1, sizeof(*unused));
	struct trial trial = { 0 };
	struct storm fresh = { .point = storm->point,
			       .params = storm->params,
			       .trial = &trial,
			       .outcome = unused,
			       .k = storm->k };
	bool failed;
	int r;

	outcome->after = windows_alloc(storm);
	outcome->fresh = windows_alloc(storm);
	if (!unused || !outcome->after || !outcome->fresh) {
		free(unused);
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "no memory for the windows");
	}
	torture_set_phase(storm, TORTURE_REST);
	failed = begin_fresh(&fresh) != 0;
	r = take_turns(storm, &fresh, &failed);
	/* Of a pair that has half only, nothing can be said. */
	if (failed && outcome->nr_fresh < outcome->nr_after)
		outcome->nr_fresh = 0;
	if (!r && trial.status == TRIAL_FAILED)
		r = torture_give_up(storm, TRIAL_FAILED, "on a new table: %s", trial.reason);
	storm_free(&fresh);
	free(unused);
	return r;
}
