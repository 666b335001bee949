/* SPDX-License-Identifier: MIT */
/* The hand-off model as a whole: it begins, time passes, it is summed up. */
#include "plan/plan_hand.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "plan/plan_hand_internal.h"

#define STEPS_MAX 10000000u /* of events, warming up not counted */

static void handle(struct sim *sim, const struct event *event)
{
	switch (event->what) {
	case STEP:
		if (event->number == sim->workers[event->who].timer)
			hand_step(sim, event->who);
		break;
	case TICK:
		hand_tick(sim, &sim->cpus[event->who]);
		break;
	case GAP:
		hand_interrupt(sim, &sim->cpus[event->who]);
		break;
	case READY:
		if (event->number != sim->workers[event->who].timer)
			break;
		if (hand_runs(sim, event->who))
			hand_arrive(sim, event->who);
		else
			hand_make_ready(sim, event->who);
		break;
	case STORE:
		hand_store(sim, event->who, event->number);
		break;
	}
}

static int pass_time(struct sim *sim, double until_ns, uint32_t steps)
{
	while (steps-- && sim->nr_events && sim->heap[0].at < until_ns) {
		struct event event = hand_take_event(sim);

		sim->now = event.at;
		handle(sim, &event);
		if (sim->failed)
			return -ENOMEM;
	}
	return 0;
}

static int begin(struct sim *sim, const struct hand_system *system)
{
	*sim = (struct sim){
		.system = system,
		.costs = &system->costs,
		.holder = NOBODY,
		.last = NOBODY,
		.line = { .owner = NOBODY, .version = 1 },
	};
	sim->workers = calloc(system->workers, sizeof(*sim->workers));
	sim->cpus = calloc(system->cpus, sizeof(*sim->cpus));
	if (!sim->workers || !sim->cpus)
		return -ENOMEM;
	rng_seed(&sim->rng, system->seed, 0x68616e64);
	for (uint32_t c = 0; c < system->cpus; c++) {
		sim->cpus[c].current = NOBODY;
		if (sim->costs->gap_every > 0)
			hand_post(sim, sim->costs->gap_every * rng_unit(&sim->rng), GAP, c, 0);
	}
	for (uint32_t w = 0; w < system->workers; w++) {
		struct worker *worker = &sim->workers[w];

		worker->cpu = w % system->cpus;
		worker->budget = sim->costs->spin_max;
		worker->used = sim->costs->quantum * rng_unit(&sim->rng);
		worker->left = sim->costs->outside * rng_unit(&sim->rng);
		hand_make_ready(sim, w);
	}
	return 0;
}

static double share(uint64_t now, uint64_t before, double of)
{
	return of > 0 ? (double)(now - before) / of : 0;
}

/* before: its workers' operations, its tally and its time when counting began. */
static int sum_up(const struct sim *sim, const uint64_t *before_ops, const struct tally *before,
		  double before_ns, struct hand_outcome *ret)
{
	const struct tally *now = &sim->tally;
	double acquires = (double)(now->acquires - before->acquires), ns = sim->now - before_ns;
	uint64_t least = UINT64_MAX, most = 0;

	if (!(ns > 0))
		return -EINVAL;
	*ret = (struct hand_outcome){ 0 };
	for (uint32_t w = 0; w < sim->system->workers; w++) {
		uint64_t ops = sim->workers[w].ops - before_ops[w];

		ret->ops += ops;
		least = ops < least ? ops : least;
		most = ops > most ? ops : most;
	}
	ret->ops_per_s = (double)ret->ops / ns * 1e9;
	ret->min_over_max = most ? (double)least / (double)most : 0;
	ret->contended = share(now->contended, before->contended, acquires);
	ret->reacquired = share(now->reacquired, before->reacquired, acquires);
	ret->yields = share(now->yields, before->yields, acquires);
	ret->sleeps = share(now->sleeps, before->sleeps, acquires);
	return 0;
}

static bool is_possible(const struct hand_system *system)
{
	const struct hand_costs *costs = &system->costs;

	return system->workers && system->workers <= HAND_WORKERS_MAX && system->cpus &&
	       system->cpus <= HAND_WORKERS_MAX && costs->outside + costs->inside > 0 &&
	       costs->quantum > 0 &&
	       (system->family != HAND_TEST_SET || fmin(costs->look, costs->backoff) > 0) &&
	       (costs->spin_max <= 0 || costs->look > 0);
}

int hand_simulate(const struct hand_system *system, double seconds, struct hand_outcome *ret)
{
	uint64_t *before_ops = calloc(system->workers + 1, sizeof(*before_ops));
	struct tally before;
	struct sim sim = { 0 };
	double before_ns;
	int r = 0;

	if (!before_ops)
		return -ENOMEM;
	if (!is_possible(system) || !(seconds > 0))
		r = -EINVAL;
	r = r ? r : begin(&sim, system);
	r = r ? r : pass_time(&sim, seconds * 2e8, STEPS_MAX / 4);
	for (uint32_t w = 0; !r && w < system->workers; w++)
		before_ops[w] = sim.workers[w].ops;
	before = sim.tally;
	before_ns = sim.now;
	r = r ? r : pass_time(&sim, seconds * 1e9, STEPS_MAX);
	r = r ? r : sum_up(&sim, before_ops, &before, before_ns, ret);
	free(before_ops);
	free(sim.workers);
	free(sim.cpus);
	free(sim.heap);
	return r;
}
