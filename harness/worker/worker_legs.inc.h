/* SPDX-License-Identifier: MIT */
/*
 * A worker's part of phases (legs.h), part of worker.c: which leg its records go to, and
 * the way past the start line where loading is the first of them.
 */

static uint64_t leg_ticks(const struct worker *w, uint32_t leg)
{
	return (uint64_t)((double)w->params->legs[leg].ns / w->job->ns_per_tick);
}

static void end_leg(struct worker *w)
{
	if (!w->leg)
		return;
	take_waits(w);
	w->leg->ops = w->ops - w->leg_first_ops;
}

/* From here on everything counts for it. */
static void begin_leg(struct worker *w, uint32_t leg)
{
	w->leg = &w->legs[leg];
	w->leg_first_ops = w->ops;
}

static void begin_legs(struct worker *w)
{
	uint32_t first = legs_load(w->params);

	w->leg_end = UINT64_MAX;
	if (!w->legs)
		return;
	begin_leg(w, first);
	if (first + 1 < w->params->nr_legs)
		w->leg_end = atomic_load(&w->job->control->plan_measure) + leg_ticks(w, first);
}

/* A closed loop's worker is told by the phase's word; an open loop's legs have their
 * ends in the plan. */
static void follow_leg(struct worker *w, uint32_t word)
{
	uint32_t leg = word % (1u << PHASE_BITS) >> PHASE_LEG_SHIFT;

	if (!w->leg || !w->measuring || w->params->rate || (word & PHASE_MASK) != PHASE_MEASURE ||
	    w->leg == &w->legs[leg])
		return;
	end_leg(w);
	begin_leg(w, leg);
}

static void wait_while(struct control *control, uint32_t word)
{
	/* Asleep, not spinning: where workers outnumber CPUs others still set up. */
	while (atomic_load(&control->phase) == word)
		syscall(SYS_futex, &control->phase, FUTEX_WAIT, word, NULL, NULL, 0);
}

/* Past the start line, and past `load` where that is the first phase. */
static int wait_for_start(struct worker *w)
{
	int r = 0;

	wait_while(w->job->control, PHASE_SETUP);
	if (!legs_load(w->params))
		return 0;
	r = worker_load(w);
	if (r)
		return r;
	atomic_store(&w->part->stage, STAGE_LOADED);
	wait_while(w->job->control, PHASE_LOAD);
	return 0;
}
