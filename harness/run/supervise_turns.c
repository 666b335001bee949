/* SPDX-License-Identifier: MIT */
/* The supervisor's part of turns: see turns.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "run/pin.h"
#include "run/supervise_internal.h"
#include "run/turns.h"
#include "shmht_clock.h"

/* Parked workers are a millisecond away at most, and nothing is measured meanwhile. */
#define LOOK_NS 50000u

bool turns_possible(const struct params *params)
{
	return !params->rate && !params->ops && !params->nr_legs && params->steady_slope == 0 &&
	       params->verify != VERIFY_LINEARIZABLE && params->procs <= pin_cpus(params);
}

static int tell(struct run *run)
{
	static const char over = TURN_OVER;

	if (write(run->turns->fd, &over, 1) == 1)
		return 0;
	return run_give_up(run, TRIAL_NOT_MEASURED, "turn: cannot be reported: %s",
			   strerror(errno));
}

static int wait_for_turn(struct run *run)
{
	char byte = 0;
	ssize_t got;

	do
		got = read(run->turns->fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1 && byte == TURN_GIVEN)
		return 0;
	return run_give_up(run, TRIAL_NOT_MEASURED, "turn: found %s, expected '%c'",
			   got < 0  ? strerror(errno) :
			   got == 0 ? "the socket's end" :
				      "another byte",
			   TURN_GIVEN);
}

static int wait_until_parked(struct run *run, uint32_t nr)
{
	const struct control *control = run->control;

	for (;;) {
		uint32_t there = 0;

		for (uint32_t i = 0; i < control->nr_workers; i++)
			/* Pairs with the worker's store: its figures are there. */
			there += atomic_load(&control->workers[i].parked) == nr;
		if (there == control->nr_workers)
			return 0;
		if (run_wait_until(run, shmht_monotonic_ns() + LOOK_NS))
			return -1;
	}
}

static int run_turn(struct run *run, uint32_t k)
{
	const struct params *params = &run->point->params;
	struct turns *turns = run->turns;
	uint64_t start;

	if (wait_for_turn(run))
		return -1;
	run_set_phase(run, PHASE_WARMUP);
	if (run_wait_until(run, shmht_monotonic_ns() + (k ? turns->settle_ns : params->warmup_ns)))
		return -1;
	if (k == 0)
		noise_mark(&run->mark);
	run_set_phase(run, PHASE_MEASURE);
	start = shmht_ticks_ordered();
	if (k == 0)
		run->t_start = start;
	if (run_wait_until(run, shmht_monotonic_ns() + params->duration_ns))
		return -1;
	series_park(&run->series, k);
	run->t_end = shmht_ticks_ordered();
	if (wait_until_parked(run, k + 1))
		return -1;
	turns->had[k].seconds = (double)(run->t_end - start) * shmht_ns_per_tick() * 1e-9;
	for (uint32_t i = 0; i < run->control->nr_workers; i++)
		turns->had[k].ops += run->control->workers[i].result.ops;
	return tell(run);
}

int turns_run(struct run *run)
{
	if (tell(run))
		return -1;
	for (uint32_t k = 0; k < run->turns->nr; k++)
		if (run_turn(run, k))
			return -1;
	run_set_phase(run, PHASE_STOP);
	return run_wait_stage(run, STAGE_DONE);
}

void turns_collect(const struct run *run)
{
	run->trial->ops = 0;
	run->trial->seconds = 0;
	for (uint32_t k = 0; k < run->turns->nr; k++) {
		run->trial->ops += run->turns->had[k].ops;
		run->trial->seconds += run->turns->had[k].seconds;
	}
}
