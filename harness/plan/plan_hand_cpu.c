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
	sim->workers[w].left = ns;
	hand_start_timer(sim, w);
}

static void time_slice(struct sim *sim, struct cpu *cpu)
{
	double over = sim->now - cpu->began;

	if (cpu->timed || cpu->current == NOBODY || !cpu->ready.nr)
		return;
	cpu->timed = true;
	hand_post(sim, fmax(0, sim->costs->quantum - over), SLICE, (uint32_t)(cpu - sim->cpus),
		  ++cpu->slice);
}

/* The next one of the run queue, or nobody. */
void hand_dispatch(struct sim *sim, struct cpu *cpu, double cost)
{
	uint32_t w = cpu->ready.first;

	cpu->timed = false;
	cpu->slice++;
	cpu->current = NOBODY;
	if (!cpu->ready.nr)
		return;
	cpu->ready.first = sim->workers[w].next;
	cpu->ready.nr--;
	cpu->current = w;
	cpu->began = sim->now;
	time_slice(sim, cpu);
	if (cost > 0) {
		/* On its CPU, doing nothing of its own yet. */
		hand_post(sim, cost, READY, w, ++sim->workers[w].timer);
		return;
	}
	hand_resume(sim, w);
}

void hand_make_ready(struct sim *sim, uint32_t w)
{
	struct cpu *cpu = &sim->cpus[sim->workers[w].cpu];

	hand_append(&cpu->ready, w, &sim->workers[cpu->ready.last].next);
	if (cpu->current == NOBODY)
		hand_dispatch(sim, cpu, 0);
	else
		time_slice(sim, cpu);
}

static bool is_timed(const struct worker *worker)
{
	return worker->state == OUTSIDE || worker->state == INSIDE || worker->state == SLEEPING ||
	       worker->state == RETURNS || worker->state == WAKES;
}

void hand_give_up_cpu(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	struct cpu *cpu = &sim->cpus[worker->cpu];

	worker->timer++;
	hand_append(&cpu->ready, w, &sim->workers[cpu->ready.last].next);
	hand_dispatch(sim, cpu, sim->costs->change);
}

/* The slice is over. Who was just being switched to keeps what it had left. */
void hand_preempt(struct sim *sim, struct cpu *cpu)
{
	struct worker *worker = &sim->workers[cpu->current];

	cpu->timed = false;
	if (!cpu->ready.nr)
		return;
	if (is_timed(worker))
		worker->left = fmax(0, worker->ends - sim->now);
	hand_give_up_cpu(sim, cpu->current);
}
