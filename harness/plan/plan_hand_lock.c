/* SPDX-License-Identifier: MIT */
/* What the hand-off model's workers do with the lock and with their time. */
#include <math.h>

#include "plan/plan_hand_internal.h"

#define LINES_MAX 20 /* of a section */

/* ---- in, and out ----------------------------------------------------------- */

/* Of mean 1: exponential. */
static double varies(struct sim *sim)
{
	return -log(1 - rng_unit(&sim->rng));
}

static double inside(struct sim *sim)
{
	const struct hand_costs *costs = sim->costs;
	double more = costs->spread > 0 ? varies(sim) - 1 : 0;

	return costs->inside * (1 + costs->spread * more) + costs->hold;
}

/* What other CPUs have changed since comes line by line: a Poisson number of them. */
static double lines_of_others(struct sim *sim, uint32_t cpu)
{
	const struct hand_costs *costs = sim->costs;
	bool handed = sim->last != NOBODY && sim->workers[sim->last].cpu != cpu;
	double lines = (handed ? costs->handed : costs->again) / costs->transfer;
	double left = rng_unit(&sim->rng), share = exp(-lines), ns = 0;

	for (int n = 1; left > share && n <= LINES_MAX; n++) {
		left -= share;
		share *= lines / n;
		ns += costs->transfer;
	}
	return ns;
}

/* HAND_PARK: a wait that spinning ended; towards twice of what it took. */
static void adapt(const struct sim *sim, struct worker *worker)
{
	double wanted = 2 * (sim->now - worker->since);

	worker->budget += (wanted - worker->budget) / 8;
	worker->budget = fmin(sim->costs->spin_max, worker->budget);
}

static void take(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	double ns = inside(sim);

	if (sim->system->cpus > 1 && sim->system->workers > 1 && sim->costs->transfer > 0)
		ns += lines_of_others(sim, worker->cpu);
	if (worker->cold)
		ns += sim->costs->cold;
	if (worker->waited)
		ns += sim->costs->tick;
	worker->waited = false;
	worker->cold = false;
	if (worker->state == CLAIMS && sim->costs->spin_max > 0 && !worker->parking)
		adapt(sim, worker);
	/* Who has slept keeps the mark for those who still do. */
	sim->marked = worker->parking && sim->going;
	worker->granted = worker->parking = false;
	sim->tally.acquires++;
	sim->tally.reacquired += sim->last == w;
	sim->holder = sim->last = w;
	hand_enter(sim, w, INSIDE, ns);
}

static void go_outside(struct sim *sim, uint32_t w)
{
	hand_enter(sim, w, OUTSIDE, sim->costs->outside * varies(sim));
}

static double until_look(const struct sim *sim, const struct worker *worker)
{
	double every = hand_look_every(sim, worker, sim->now);

	return every > 0 ? every - fmod(sim->now - worker->since, every) : 0;
}

static void grant_next(struct sim *sim)
{
	uint32_t w = sim->queue.first;
	struct worker *worker = &sim->workers[w];

	sim->queue.first = worker->behind;
	sim->queue.nr--;
	sim->holder = w;
	worker->granted = true;
	if (hand_runs(sim, w) && (worker->state == SPINS || worker->state == QUEUED))
		hand_enter(sim, w, SPINS,
			   fmax(until_look(sim, worker), sim->cpus[worker->cpu].frozen - sim->now));
}

/* Returns what it costs the releaser. */
static double wake_one(struct sim *sim)
{
	const struct hand_costs *costs = sim->costs;
	uint32_t w = sim->queue.first;
	struct worker *worker = &sim->workers[w];

	if (!sim->queue.nr)
		return costs->wake_call;
	sim->queue.first = worker->behind;
	sim->queue.nr--;
	worker->state = RETRIES;
	worker->timer++;
	if (sim->cpus[worker->cpu].current == NOBODY) {
		hand_post(sim, costs->wake + costs->latency, READY, w, worker->timer);
		return costs->wake;
	}
	hand_post(sim, costs->wake_busy, READY, w, worker->timer);
	return costs->wake_busy;
}

static void set_free(struct sim *sim)
{
	sim->holder = NOBODY;
	if (sim->system->family == HAND_QUEUE && sim->queue.nr)
		grant_next(sim);
}

static void stored(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	worker->storing = false;
	set_free(sim);
	/* Who waits for the line gets it before the attempt is through. */
	if (worker->state == DRAINS && hand_runs(sim, w))
		hand_enter(sim, w, OUTSIDE, sim->costs->atomic);
}

void hand_store(struct sim *sim, uint32_t w, uint32_t served)
{
	double ns;

	if (served) {
		stored(sim, w);
		return;
	}
	ns = hand_serve(sim, sim->workers[w].cpu, true);
	hand_post(sim, fabs(ns), STORE, w, ns >= 0);
}

static void release(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	double way = hand_distance(sim, worker->cpu, true) / 2;

	worker->ops++;
	if (sim->system->family != HAND_TEST_SET) {
		hand_reach_then(sim, w, RELEASES);
		return;
	}
	/* A store, which its CPU waits for no sooner than at its next attempt. */
	worker->storing = true;
	if (way > 0)
		hand_post(sim, way, STORE, w, false);
	else
		stored(sim, w);
	go_outside(sim, w);
}

static void released(struct sim *sim, uint32_t w)
{
	bool marked = sim->marked;

	sim->marked = false;
	set_free(sim);
	if (marked)
		hand_enter(sim, w, WAKES, wake_one(sim));
	else
		go_outside(sim, w);
}

/* ---- waiting --------------------------------------------------------------- */

/* HAND_QUEUE: with the CPU it has. */
static void wait_in_queue(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	if (!sim->cpus[worker->cpu].ready.nr)
		worker->state = QUEUED;
	else if (worker->state == JOINS)
		hand_enter(sim, w, SPINS, sim->costs->patience);
	else {
		worker->state = YIELDED;
		sim->tally.yields++;
		hand_yield(sim, w);
	}
}

static void begin_to_wait(struct sim *sim, uint32_t w)
{
	sim->tally.contended++;
	sim->workers[w].waited = true;
	hand_enter(sim, w, BEGINS, sim->costs->tick);
}

/* It has looked at the counter. */
static void begun(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	worker->since = sim->now;
	switch (sim->system->family) {
	case HAND_QUEUE:
		hand_reach_then(sim, w, JOINS);
		break;
	case HAND_TEST_SET:
		/* A look comes before the first pause, which is twice of this. */
		worker->budget = sim->costs->look / 2;
		hand_reach_then(sim, w, sim->system->blind ? CLAIMS : LOOKS);
		break;
	case HAND_PARK:
		worker->parking = sim->costs->spin_max <= 0;
		if (worker->parking)
			hand_enter(sim, w, PREPARES, sim->costs->prepare);
		else
			hand_enter(sim, w, SPINS, sim->costs->look);
		break;
	}
}

/* A look, or an attempt after one, has failed. */
static void wait_on(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	switch (sim->system->family) {
	case HAND_QUEUE:
		wait_in_queue(sim, w);
		break;
	case HAND_TEST_SET:
		worker->budget = fmin(sim->costs->backoff, worker->budget * 2);
		hand_enter(sim, w, SPINS, worker->budget);
		break;
	case HAND_PARK:
		worker->seen = sim->holder;
		if (worker->parking) {
			hand_reach_then(sim, w, COUNTS);
		} else if (sim->now - worker->since < worker->budget) {
			hand_enter(sim, w, SPINS, sim->costs->look);
		} else {
			worker->budget = fmax(sim->costs->spin_max / 64, worker->budget * 7 / 8);
			worker->parking = true;
			hand_enter(sim, w, PREPARES, sim->costs->prepare);
		}
		break;
	}
}

static bool is_word_seen(const struct sim *sim, uint32_t w)
{
	return sim->holder != NOBODY && sim->holder == sim->workers[w].seen;
}

static void call_to_sleep(struct sim *sim, uint32_t w)
{
	sim->tally.sleeps++;
	hand_enter(sim, w, SLEEPING, sim->costs->wait_call / 2);
}

static void mark(struct sim *sim, uint32_t w)
{
	if (!is_word_seen(sim, w) || sim->marked) {
		hand_reach_then(sim, w, LEAVES);
		return;
	}
	sim->marked = true;
	call_to_sleep(sim, w);
}

/* The kernel compares the word. */
static void fall_asleep(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	if (!is_word_seen(sim, w) || !sim->marked) {
		hand_enter(sim, w, RETURNS, sim->costs->wait_call / 2);
		return;
	}
	worker->state = ASLEEP;
	hand_append(&sim->queue, w, &sim->workers[sim->queue.last].behind);
	hand_dispatch(sim, &sim->cpus[worker->cpu], sim->costs->change);
}

/* ---- steps ------------------------------------------------------------------ */

static void try_first(struct sim *sim, uint32_t w)
{
	if (sim->workers[w].storing)
		sim->workers[w].state = DRAINS;
	else
		hand_reach_then(sim, w, TRIES);
}

/* An operation tries twice before it begins to wait. */
static void tried(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	bool again = !worker->tried && !hand_is_free(sim);

	worker->tried = again;
	if (again)
		hand_reach_then(sim, w, TRIES);
	else if (!hand_is_free(sim))
		begin_to_wait(sim, w);
	else if (sim->system->family == HAND_QUEUE)
		hand_reach_then(sim, w, CLAIMS);
	else
		take(sim, w);
}

static void joined(struct sim *sim, uint32_t w)
{
	if (hand_is_free(sim)) {
		sim->holder = w;
		sim->workers[w].granted = true;
		hand_reach_then(sim, w, CLAIMS);
		return;
	}
	hand_append(&sim->queue, w, &sim->workers[sim->queue.last].behind);
	wait_in_queue(sim, w);
}

/* The pause between two looks is over, or a queue's patience. */
static void look(struct sim *sim, uint32_t w)
{
	const struct hand_costs *costs = sim->costs;
	struct worker *worker = &sim->workers[w];
	double others;

	if (sim->system->family == HAND_QUEUE && !worker->granted) {
		wait_in_queue(sim, w);
		return;
	}
	if (sim->system->blind) {
		hand_reach_then(sim, w, CLAIMS);
		return;
	}
	/* In a queue all others of it look at the same time. */
	others = costs->crowd > 0 ? hand_polling(sim, worker->cpu, -INFINITY, UINT32_MAX) : 0;
	hand_reach_then(sim, w, LOOKS);
	if (others > 0)
		hand_enter(sim, w, LOOKS, worker->left + costs->transfer * costs->crowd * others);
}

static void looked(struct sim *sim, uint32_t w)
{
	if (sim->workers[w].found_free)
		hand_reach_then(sim, w, CLAIMS);
	else
		wait_on(sim, w);
}

static void claimed(struct sim *sim, uint32_t w)
{
	if (sim->workers[w].granted || hand_is_free(sim))
		take(sim, w);
	else if (sim->system->family == HAND_QUEUE)
		begin_to_wait(sim, w); /* never in line before */
	else
		wait_on(sim, w);
}

/* An atomic that an operation alone does not have, as it has one attempt and one release. */
static double takes(const struct sim *sim, const struct worker *worker)
{
	enum state state = worker->state;
	bool tries = state == CLAIMS || (state == TRIES && sim->system->family != HAND_QUEUE);
	bool in_vain = tries && !worker->granted && !hand_is_free(sim);

	return in_vain || state == JOINS || state == COUNTS || state == MARKS || state == LEAVES ?
		       sim->costs->atomic :
		       0;
}

void hand_step(struct sim *sim, uint32_t w)
{
	if (sim->workers[w].on_way) {
		hand_arrive_there(sim, w);
		return;
	}
	sim->workers[w].owed = takes(sim, &sim->workers[w]);
	switch (sim->workers[w].state) {
	case OUTSIDE:
		try_first(sim, w);
		break;
	case TRIES:
		tried(sim, w);
		break;
	case BEGINS:
		begun(sim, w);
		break;
	case JOINS:
		joined(sim, w);
		break;
	case LOOKS:
		looked(sim, w);
		break;
	case CLAIMS:
		claimed(sim, w);
		break;
	case INSIDE:
		release(sim, w);
		break;
	case RELEASES:
		released(sim, w);
		break;
	case COUNTS:
		sim->going++;
		if (sim->marked && is_word_seen(sim, w))
			call_to_sleep(sim, w);
		else
			hand_reach_then(sim, w, MARKS);
		break;
	case MARKS:
		mark(sim, w);
		break;
	case SLEEPING:
		hand_reach_then(sim, w, COMPARES);
		break;
	case COMPARES:
		fall_asleep(sim, w);
		break;
	case RETURNS:
		hand_reach_then(sim, w, LEAVES);
		break;
	case LEAVES:
		sim->going--;
		hand_reach_then(sim, w, LOOKS);
		break;
	case PREPARES:
		hand_reach_then(sim, w, LOOKS);
		break;
	case WAKES:
		go_outside(sim, w);
		break;
	default:
		look(sim, w);
	}
}

void hand_resume(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	switch (worker->state) {
	case RETRIES:
		hand_reach_then(sim, w, LEAVES);
		break;
	case SPINS:
		if (worker->granted || sim->system->family != HAND_QUEUE)
			look(sim, w);
		else
			hand_start_timer(sim, w);
		break;
	case QUEUED:
	case YIELDED:
		hand_reach_then(sim, w, LOOKS);
		break;
	case DRAINS:
		try_first(sim, w);
		break;
	default:
		hand_start_timer(sim, w);
	}
}
