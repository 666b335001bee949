/* SPDX-License-Identifier: MIT */
/* The hand-off model's cache line: who has it, who waits for it, what an access costs. */
#include <math.h>

#include "plan/plan_hand_internal.h"

bool hand_is_free(const struct sim *sim)
{
	return sim->holder == NOBODY && (sim->system->family != HAND_QUEUE || !sim->queue.nr);
}

bool hand_is_access(enum state state)
{
	return state >= TRIES && state <= LEAVES;
}

/* A queue is looked at before it is joined; the others' first attempt is a blind one. */
static bool is_write(const struct sim *sim, enum state state)
{
	if (state == TRIES)
		return sim->system->family != HAND_QUEUE;
	return state != LOOKS && state != COMPARES;
}

double hand_look_every(const struct sim *sim, const struct worker *worker, double at)
{
	return at - worker->since > sim->costs->patience ? sim->costs->yield : sim->costs->look;
}

static bool has_looked(const struct sim *sim, const struct worker *worker, double since)
{
	double every = hand_look_every(sim, worker, sim->now);

	return since < worker->since || every <= 0 ||
	       floor((sim->now - worker->since) / every) > floor((since - worker->since) / every);
}

uint32_t hand_polling(const struct sim *sim, uint32_t but, double since, uint32_t most)
{
	uint32_t nr = 0;

	if (sim->system->family != HAND_QUEUE)
		return 0; /* those look one by one */
	if (sim->system->local)
		most = 1;
	for (uint32_t c = 0; c < sim->system->cpus && nr < most; c++) {
		uint32_t w = sim->cpus[c].current;

		nr += c != but && w != NOBODY &&
		      (sim->workers[w].state == SPINS || sim->workers[w].state == QUEUED) &&
		      has_looked(sim, &sim->workers[w], since);
	}
	return nr;
}

double hand_distance(const struct sim *sim, uint32_t c, bool writes)
{
	const struct hand_costs *costs = sim->costs;
	const struct line *line = &sim->line;

	if (line->owner == c &&
	    !(writes && (line->shared || hand_polling(sim, c, line->changed, 1))))
		return 0;
	if (!writes)
		return sim->cpus[c].copy == line->version ? 0 : costs->transfer;
	return line->written && line->owner != c ? costs->transfer : costs->invalidate;
}

double hand_serve(struct sim *sim, uint32_t c, bool writes)
{
	struct line *line = &sim->line;
	double from = writes ? line->writes_from : line->reads_from;
	double way = hand_distance(sim, c, writes) / 2;

	/* What it has, it reads without anybody's knowing. */
	if (!writes && (line->owner == c || sim->cpus[c].copy == line->version))
		return 0;
	if (from > sim->now)
		return sim->now - from;
	line->changed = sim->now;
	/* Who wants it next is told where it is now once it is there. */
	if (writes) {
		line->version++;
		line->owner = c;
		line->written = true;
		line->shared = false;
		line->reads_from = line->writes_from = sim->now + 2 * way;
	} else {
		if (line->written && sim->costs->migrates) {
			line->version++;
			line->owner = c;
		} else {
			line->shared = true;
		}
		line->written = false;
		line->reads_from = sim->now + 2 * way * sim->costs->crowd;
		line->writes_from = fmax(line->writes_from, sim->now + 2 * way);
	}
	sim->cpus[c].copy = line->version;
	return way;
}

void hand_reach_then(struct sim *sim, uint32_t w, enum state state)
{
	struct worker *worker = &sim->workers[w];
	double way = hand_distance(sim, worker->cpu, is_write(sim, state)) / 2;

	worker->on_way = way > 0;
	worker->found_free = worker->granted || hand_is_free(sim);
	hand_enter(sim, w, state, way);
	if (!worker->on_way)
		hand_serve(sim, worker->cpu, is_write(sim, state));
}

void hand_arrive_there(struct sim *sim, uint32_t w)
{
	struct worker *worker = &sim->workers[w];
	double ns = hand_serve(sim, worker->cpu, is_write(sim, worker->state));

	worker->on_way = ns < 0;
	worker->found_free = worker->granted || hand_is_free(sim);
	hand_enter(sim, w, worker->state, fabs(ns));
}
