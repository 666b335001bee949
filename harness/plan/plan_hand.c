/* SPDX-License-Identifier: MIT */
/* What workers do with the lock and with their time; see plan_hand.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "plan/plan_hand_internal.h"

#define STEPS_MAX 30000000u /* of events: a system that takes no time ends */

/* ---- the lock ---------------------------------------------------------- */

/* CPUs that poll the lock's line just now: their copies go, and are fetched anew. */
static uint32_t polling(const struct sim *sim)
{
	uint32_t nr = 0;

	if (sim->costs->crowd <= 0)
		return 0;
	for (uint32_t c = 0; c < sim->system->cpus; c++)
		nr += sim->cpus[c].current != NOBODY &&
		      sim->workers[sim->cpus[c].current].state == SPINS;
	return nr ? nr - 1 : 0; /* the one that gets it is paid for */
}

static double handoff(const struct sim *sim)
{
	return sim->costs->handoff * (1 + sim->costs->crowd * polling(sim));
}

static bool polled(const struct sim *sim, uint32_t but)
{
	for (uint32_t c = 0; c < sim->system->cpus; c++) {
		uint32_t w = sim->cpus[c].current;

		if (w != NOBODY && w != but && sim->workers[w].state == SPINS)
			return true;
	}
	return false;
}

/* spent: what of the hand-off is over already. */
static void take(struct sim *sim, uint32_t w, double spent)
{
	struct worker *worker = &sim->workers[w];
	double ns = sim->costs->inside + sim->costs->hold;

	if (sim->last_cpu != worker->cpu && sim->last_cpu != NOBODY)
		ns += fmax(0, handoff(sim) - spent);
	else if (sim->looked || (sim->system->family == HAND_PARK && polled(sim, w)))
		ns += handoff(sim); /* its own line, but to be had back from who polls */
	sim->looked = false;
	if (worker->state == SPINS && sim->system->family == HAND_PARK) {
		double used = sim->now - worker->since;

		worker->budget = fmin(sim->costs->spin_max,
				      worker->budget + 2 * used / 8 - worker->budget / 8);
	}
	worker->granted = false;
	sim->holder = w;
	sim->acquires++;
	hand_enter(sim, w, INSIDE, ns);
}

static void go_to_sleep(struct sim *sim, uint32_t w)
{
	sim->workers[w].seen = sim->releases;
	sim->going++;
	sim->wakes_due = true;
	hand_enter(sim, w, SLEEPING, sim->costs->call / 2);
}

/* HAND_QUEUE: until the next look of who spins; past its patience each is a call that
 * yields in vain. */
static double until_look(const struct sim *sim, const struct worker *worker)
{
	double waited = sim->now - worker->since;
	double every = waited > sim->costs->patience ? sim->costs->call : sim->costs->look;

	return sim->costs->look > 0 && every > 0 ? every - fmod(waited, every) : 0;
}

/* Its state says that it waits; what it does with the CPU it has. */
static void wait_on_cpu(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	struct cpu *cpu = &sim->cpus[worker->cpu];

	switch (sim->system->family) {
	case HAND_QUEUE:
		if (worker->state == YIELDED && cpu->ready.nr) {
			hand_give_up_cpu(sim, w);
		} else if (cpu->ready.nr) {
			hand_enter(sim, w, SPINS, sim->costs->patience);
		} else {
			worker->state = SPINS; /* alone on its CPU: until it is its turn */
		}
		break;
	case HAND_TEST_SET:
		worker->budget = sim->costs->patience;
		hand_enter(sim, w, SPINS, worker->budget);
		break;
	case HAND_PARK:
		worker->since = sim->now;
		if (worker->budget > 0)
			hand_enter(sim, w, SPINS, worker->budget);
		else
			go_to_sleep(sim, w);
		break;
	}
}

static void acquire(struct sim *sim, uint32_t w, bool slowly)
{
	if (sim->holder == NOBODY) {
		take(sim, w, 0);
		/* Who has slept keeps the mark for those who still do. */
		if (sim->system->family == HAND_PARK)
			sim->wakes_due = slowly && sim->going;
		return;
	}
	sim->contended += !slowly;
	sim->workers[w].since = sim->now;
	if (sim->system->family == HAND_QUEUE)
		hand_append(&sim->queue, w, &sim->workers[sim->queue.last].behind);
	sim->workers[w].state = SPINS;
	if (slowly)
		go_to_sleep(sim, w);
	else
		wait_on_cpu(sim, w);
}

static uint32_t take_from_queue(struct sim *sim)
{
	uint32_t w = sim->queue.first;

	sim->queue.first = sim->workers[w].behind;
	sim->queue.nr--;
	return w;
}

/* One of those who poll sees that it is free, some time after. */
static void let_notice(struct sim *sim)
{
	uint32_t nr = 0, chosen = NOBODY;

	for (uint32_t c = 0; c < sim->system->cpus; c++) {
		uint32_t w = sim->cpus[c].current;

		if (w != NOBODY && sim->workers[w].state == SPINS && !rng_below(&sim->rng, ++nr))
			chosen = w;
	}
	if (chosen != NOBODY)
		hand_post(sim,
			  handoff(sim) / 2 + sim->costs->backoff * rng_unit(&sim->rng) / (1 + nr),
			  NOTICE, chosen, sim->workers[chosen].timer);
}

/* Returns what waking somebody costs the releaser. */
static double pass_on(struct sim *sim)
{
	uint32_t w;

	switch (sim->system->family) {
	case HAND_QUEUE:
		if (!sim->queue.nr)
			return 0;
		w = take_from_queue(sim);
		sim->holder = w;
		sim->workers[w].granted = true;
		/* A hand-off takes its time whatever; what is missing to the look comes on top. */
		if (hand_runs(sim, w) && sim->workers[w].state == SPINS)
			take(sim, w, -until_look(sim, &sim->workers[w]));
		return 0;
	case HAND_TEST_SET:
		return 0; /* who looks next has it */
	default:
		if (sim->costs->spin_max > 0)
			let_notice(sim);
		if (!sim->wakes_due)
			return 0;
		sim->wakes_due = false;
		if (!sim->queue.nr)
			return sim->costs->call;
		w = take_from_queue(sim);
		sim->going--;
		sim->workers[w].state = RETRIES;
		if (sim->cpus[sim->workers[w].cpu].current == NOBODY) {
			hand_post(sim, sim->costs->wake + sim->costs->latency, READY, w,
				  ++sim->workers[w].timer);
			return sim->costs->wake;
		}
		hand_post(sim, sim->costs->wake_busy, READY, w, ++sim->workers[w].timer);
		return sim->costs->wake_busy;
	}
}

static void go_outside(struct sim *sim, uint32_t w)
{
	hand_enter(sim, w, OUTSIDE, sim->costs->outside * (0.5 + rng_unit(&sim->rng)));
}

static void release(struct sim *sim, uint32_t w)
{
	double wakes;

	sim->workers[w].ops++;
	sim->holder = NOBODY;
	sim->last_cpu = sim->workers[w].cpu;
	sim->releases++;
	wakes = pass_on(sim);
	if (wakes > 0)
		hand_enter(sim, w, WAKES, wakes);
	else
		go_outside(sim, w);
}

/* The kernel compares the word: who released in between is not slept on. */
static void fall_asleep(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	if (sim->releases != worker->seen) {
		sim->going--;
		hand_enter(sim, w, RETURNS, sim->costs->call / 2);
		return;
	}
	worker->state = ASLEEP;
	hand_append(&sim->queue, w, &sim->workers[sim->queue.last].behind);
	hand_dispatch(sim, &sim->cpus[worker->cpu], sim->costs->change);
}

/* Of spinning without another look. */
static void end_of_patience(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	if (sim->system->family == HAND_PARK) {
		worker->budget = fmax(sim->costs->spin_max / 64, worker->budget * 7 / 8);
		go_to_sleep(sim, w);
		return;
	}
	if (sim->system->family == HAND_TEST_SET) {
		if (sim->holder == NOBODY) {
			take(sim, w, 0);
			return;
		}
		sim->looked = true;
		worker->budget = fmin(sim->costs->backoff, worker->budget * 2);
		hand_enter(sim, w, SPINS, worker->budget);
		return;
	}
	worker->state = YIELDED;
	wait_on_cpu(sim, w);
}

/* It has its CPU again. */
void hand_resume(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	switch (worker->state) {
	case RETRIES:
		acquire(sim, w, true);
		break;
	case SPINS:
	case YIELDED:
		if (worker->granted)
			take(sim, w, 0);
		else if (sim->system->family != HAND_QUEUE && sim->holder == NOBODY)
			take(sim, w, 0);
		else
			wait_on_cpu(sim, w);
		break;
	default:
		hand_start_timer(sim, w);
	}
}

/* ---- the loop ---------------------------------------------------------- */

static void step(struct sim *sim, uint32_t w)
{
	switch (sim->workers[w].state) {
	case OUTSIDE:
		acquire(sim, w, false);
		break;
	case INSIDE:
		release(sim, w);
		break;
	case WAKES:
		go_outside(sim, w);
		break;
	case RETURNS:
		acquire(sim, w, true);
		break;
	case SLEEPING:
		fall_asleep(sim, w);
		break;
	default:
		end_of_patience(sim, w);
	}
}

static void handle(struct sim *sim, const struct event *event)
{
	struct worker *worker = &sim->workers[event->who];

	switch (event->what) {
	case STEP:
		if (event->number == worker->timer)
			step(sim, event->who);
		break;
	case SLICE:
		if (event->number == sim->cpus[event->who].slice)
			hand_preempt(sim, &sim->cpus[event->who]);
		break;
	case READY:
		if (event->number != worker->timer)
			break;
		if (hand_runs(sim, event->who))
			hand_resume(sim, event->who);
		else
			hand_make_ready(sim, event->who);
		break;
	case NOTICE:
		if (event->number == worker->timer && worker->state == SPINS &&
		    hand_runs(sim, event->who) && sim->holder == NOBODY)
			take(sim, event->who, handoff(sim) / 2);
		break;
	}
}

static int pass_time(struct sim *sim, double until_ns)
{
	for (uint32_t steps = 0; sim->nr_events && sim->heap[0].at < until_ns; steps++) {
		struct event event = hand_take_event(sim);

		sim->now = event.at;
		handle(sim, &event);
		if (sim->failed)
			return -ENOMEM;
		if (steps == STEPS_MAX)
			return -EINVAL;
	}
	return 0;
}

static int begin(struct sim *sim, const struct hand_system *system)
{
	*sim = (struct sim){
		.system = system, .costs = &system->costs, .holder = NOBODY, .last_cpu = NOBODY
	};
	sim->workers = calloc(system->workers, sizeof(*sim->workers));
	sim->cpus = calloc(system->cpus, sizeof(*sim->cpus));
	if (!sim->workers || !sim->cpus)
		return -ENOMEM;
	rng_seed(&sim->rng, system->seed, 0x68616e64);
	for (uint32_t c = 0; c < system->cpus; c++)
		sim->cpus[c].current = NOBODY;
	for (uint32_t w = 0; w < system->workers; w++) {
		struct worker *worker = &sim->workers[w];

		worker->cpu = w % system->cpus;
		worker->budget = sim->costs->spin_max;
		worker->left = sim->costs->outside * rng_unit(&sim->rng);
		hand_make_ready(sim, w);
	}
	return 0;
}

static void sum_up(const struct sim *sim, const uint64_t *before_ops, double ns,
		   struct hand_outcome *ret)
{
	uint64_t least = UINT64_MAX, most = 0;

	*ret = (struct hand_outcome){ 0 };
	for (uint32_t w = 0; w < sim->system->workers; w++) {
		uint64_t ops = sim->workers[w].ops - before_ops[w];

		ret->ops += ops;
		least = ops < least ? ops : least;
		most = ops > most ? ops : most;
	}
	ret->ops_per_s = (double)ret->ops / ns * 1e9;
	ret->min_over_max = most ? (double)least / (double)most : 0;
	ret->contended = sim->acquires ? (double)sim->contended / (double)sim->acquires : 0;
}

int hand_simulate(const struct hand_system *system, double seconds, struct hand_outcome *ret)
{
	const struct hand_costs *costs = &system->costs;
	uint64_t *before_ops = calloc(system->workers + 1, sizeof(*before_ops));
	struct sim sim = { 0 };
	int r = 0;

	if (!before_ops)
		return -ENOMEM;
	if (!system->workers || system->workers > HAND_WORKERS_MAX || !system->cpus ||
	    system->cpus > HAND_WORKERS_MAX || !(costs->outside + costs->inside > 0) ||
	    !(costs->quantum > 0) || !(seconds > 0) ||
	    (system->family == HAND_TEST_SET && !(fmin(costs->patience, costs->backoff) > 0)))
		r = -EINVAL;
	r = r ? r : begin(&sim, system);
	r = r ? r : pass_time(&sim, seconds * 2e8);
	for (uint32_t w = 0; !r && w < system->workers; w++)
		before_ops[w] = sim.workers[w].ops;
	r = r ? r : pass_time(&sim, seconds * 1e9);
	if (!r)
		sum_up(&sim, before_ops, seconds * 8e8, ret);
	free(before_ops);
	free(sim.workers);
	free(sim.cpus);
	free(sim.heap);
	return r;
}
