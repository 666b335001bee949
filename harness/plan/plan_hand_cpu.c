/* SPDX-License-Identifier: MIT */
/* The hand-off model's time and its CPUs: what happens next, and who runs where. */
#include <math.h>
#include <stdlib.h>

#include "plan/plan_hand_internal.h"

/* ---- events ------------------------------------------------------------ */

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void hand_post(struct sim *sim, double delay, enum what what, uint32_t who, uint32_t number)
{
	struct event event = { sim->now + delay, sim->order++, who, number, what };
	size_t i = sim->nr_events;

	if (i == sim->max_events) {
		struct event *more = realloc(sim->heap, 2 * (i + 64) * sizeof(*more));

		if (!more) {
			sim->failed = true;
			return;
		}
		sim->heap = more;
		sim->max_events = 2 * (i + 64);
	}
	for (sim->nr_events++; i && before(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
}

struct event hand_take_event(struct sim *sim)
{
	struct event first = sim->heap[0], last = sim->heap[--sim->nr_events];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < sim->nr_events) {
		if (child + 1 < sim->nr_events && before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!before(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return first;
}

void hand_append(struct list *list, uint32_t who, uint32_t *link_of_last)
{
	if (list->nr++)
		*link_of_last = who;
	else
		list->first = who;
	list->last = who;
}

/* ---- CPUs -------------------------------------------------------------- */

bool hand_runs(const struct sim *sim, uint32_t w)
{
	return sim->cpus[sim->workers[w].cpu].current == w;
}

void hand_start_timer(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];

	worker->ends = sim->now + worker->left;
	hand_post(sim, worker->left, STEP, w, ++worker->timer);
}

void hand_enter(struct sim *sim, uint32_t w, enum state state, double ns)
{
	sim->workers[w].state = state;
	sim->workers[w].left = ns + sim->workers[w].owed;
	sim->workers[w].owed = 0;
	hand_start_timer(sim, w);
}

/* Ticks come on all CPUs at about the same time. */
static void await_tick(struct sim *sim, struct cpu *cpu)
{
	double tick = sim->costs->quantum;

	if (cpu->timed || cpu->current == NOBODY || !cpu->ready.nr)
		return;
	cpu->timed = true;
	hand_post(sim, tick - fmod(sim->now, tick) + sim->costs->skew * rng_unit(&sim->rng), TICK,
		  (uint32_t)(cpu - sim->cpus), 0);
}

/* What it has used counts. */
static void charge(struct sim *sim, struct cpu *cpu)
{
	if (cpu->current != NOBODY)
		sim->workers[cpu->current].used += sim->now - cpu->began;
	cpu->began = sim->now;
}

void hand_arrive(struct sim *sim, uint32_t w)
{
	sim->cpus[sim->workers[w].cpu].switching = false;
	hand_resume(sim, w);
}

/* The next one of the run queue, or nobody. */
void hand_dispatch(struct sim *sim, struct cpu *cpu, double cost)
{
	uint32_t w = cpu->ready.first;

	charge(sim, cpu);
	cpu->current = NOBODY;
	if (!cpu->ready.nr)
		return;
	cpu->ready.first = sim->workers[w].next;
	cpu->ready.nr--;
	sim->workers[w].cold |= cpu->last != w;
	cpu->current = cpu->last = w;
	await_tick(sim, cpu);
	cpu->switching = cost > 0;
	if (cpu->switching)
		/* On its CPU, doing nothing of its own yet. */
		hand_post(sim, cost, READY, w, ++sim->workers[w].timer);
	else
		hand_resume(sim, w);
}

/* By what each has used: the one with least is next. */
static void queue_up(struct sim *sim, struct cpu *cpu, uint32_t w)
{
	uint32_t *link = &cpu->ready.first;

	for (uint32_t i = 0; i < cpu->ready.nr; i++) {
		if (sim->workers[*link].used > sim->workers[w].used)
			break;
		link = &sim->workers[*link].next;
	}
	sim->workers[w].next = *link;
	*link = w;
	cpu->ready.nr++;
}

/* Who has slept has not saved anything up. */
static double least_used(struct sim *sim, struct cpu *cpu)
{
	double least = INFINITY;

	charge(sim, cpu);
	if (cpu->current != NOBODY)
		least = sim->workers[cpu->current].used;
	if (cpu->ready.nr)
		least = fmin(least, sim->workers[cpu->ready.first].used);
	return isinf(least) ? 0 : least;
}

void hand_make_ready(struct sim *sim, uint32_t w)
{
	struct cpu *cpu = &sim->cpus[sim->workers[w].cpu];

	sim->workers[w].used = fmax(sim->workers[w].used, least_used(sim, cpu));
	queue_up(sim, cpu, w);
	if (cpu->current == NOBODY)
		hand_dispatch(sim, cpu, 0);
	else
		await_tick(sim, cpu);
}

static bool is_timed(const struct worker *worker)
{
	return worker->state != QUEUED && worker->state != YIELDED && worker->state != ASLEEP &&
	       worker->state != RETRIES && worker->state != DRAINS;
}

static void leave_cpu(struct sim *sim, struct cpu *cpu, double forfeit)
{
	uint32_t w = cpu->current;
	struct worker *worker = &sim->workers[w];

	if (is_timed(worker) && !cpu->switching)
		worker->left = fmax(0, worker->ends - sim->now);
	worker->timer++;
	charge(sim, cpu);
	worker->used += forfeit;
	queue_up(sim, cpu, w);
	hand_dispatch(sim, cpu, sim->costs->change);
}

/* A yield gives up what is left of a slice. */
void hand_yield(struct sim *sim, uint32_t w)
{
	leave_cpu(sim, &sim->cpus[sim->workers[w].cpu], sim->costs->quantum);
}

/* An interrupt waits for the oldest instruction (Van Bulck et al., "Nemesis", CCS 2018): an
 * attempt under way is through before its CPU is taken away, or stands still. 0: none is. */
static double until_through(const struct sim *sim, const struct cpu *cpu)
{
	const struct worker *worker;

	if (cpu->current == NOBODY || cpu->switching)
		return 0;
	worker = &sim->workers[cpu->current];
	if (worker->state == DRAINS)
		return sim->costs->transfer;
	return hand_is_access(worker->state) ? worker->ends - sim->now : 0;
}

/* The same interrupt once more then: false. */
static bool can_interrupt(struct sim *sim, const struct cpu *cpu, enum what what)
{
	double through = until_through(sim, cpu);

	if (through > 0)
		hand_post(sim, through, what, (uint32_t)(cpu - sim->cpus), 0);
	return !(through > 0);
}

void hand_tick(struct sim *sim, struct cpu *cpu)
{
	if (!can_interrupt(sim, cpu, TICK))
		return;
	cpu->timed = false;
	charge(sim, cpu);
	if (cpu->ready.nr && cpu->current != NOBODY &&
	    sim->workers[cpu->ready.first].used < sim->workers[cpu->current].used)
		leave_cpu(sim, cpu, 0);
	else
		await_tick(sim, cpu);
}

/* Whatever runs there stands still. */
void hand_interrupt(struct sim *sim, struct cpu *cpu)
{
	const struct hand_costs *costs = sim->costs;
	double ns;

	if (!can_interrupt(sim, cpu, GAP))
		return;
	ns = -costs->gap * log(1 - rng_unit(&sim->rng));

	if (cpu->current != NOBODY && !cpu->switching && is_timed(&sim->workers[cpu->current])) {
		struct worker *worker = &sim->workers[cpu->current];

		worker->left = worker->ends - sim->now + ns;
		hand_start_timer(sim, cpu->current);
	}
	cpu->frozen = sim->now + ns;
	hand_post(sim, ns - costs->gap_every * log(1 - rng_unit(&sim->rng)), GAP,
		  (uint32_t)(cpu - sim->cpus), 0);
}
