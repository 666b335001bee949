/* SPDX-License-Identifier: MIT */
/*
 * The open loop, part of worker.c so that the operation inlines into it. An
 * operation belongs to the window when it starts within it, however early it
 * was planned; what is planned before the window's end and not started by then
 * is the backlog, counted and not run.
 */

/* Asleep until this long before a planned start, spinning from there. */
#define SPIN_NS 50000u
/* A sleep lasts no longer than this: the end of the run is not waited for. */
#define NAP_NS 5000000u

static uint64_t plan_ticks(const struct worker *w, double ns)
{
	return atomic_load_explicit(&w->job->control->plan_origin, memory_order_relaxed) +
	       (uint64_t)(ns / w->job->ns_per_tick);
}

static void open_sleep(struct worker *w, uint64_t ns)
{
	struct timespec ts = { .tv_nsec = (long)(ns < NAP_NS ? ns : NAP_NS) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	if (w->measuring) {
		w->part->result.pace_sleeps++;
		w->part->result.harness_calls++;
	}
}

/* Others are due on this CPU too. */
static void open_yield(struct worker *w)
{
	sched_yield();
	w->part->result.harness_calls += w->measuring;
}

/* The leg that `now` is in; the clock's reading after it, for going there takes time. */
static __attribute__((noinline)) uint64_t open_next_leg(struct worker *w, uint64_t now)
{
	uint32_t leg = (uint32_t)(w->leg - w->legs), last = w->params->nr_legs - 1;

	end_leg(w);
	for (; now >= w->leg_end; leg++) {
		if (w->leg_end > w->planned)
			w->legs[leg].late_ns = (uint64_t)((double)(w->leg_end - w->planned) *
							  w->job->ns_per_tick);
		w->leg_end = leg + 1 < last ? w->leg_end + leg_ticks(w, leg + 1) : UINT64_MAX;
	}
	begin_leg(w, leg);
	w->was_free = false; /* what it starts with is late because of this */
	return shmht_ticks_ordered();
}

/* The clock's reading that found the planned start reached; 0: the run is over. */
static uint64_t open_wait(struct worker *w)
{
	struct control *control = w->job->control;
	uint64_t now = shmht_ticks_ordered();
	uint32_t phase;

	w->was_free = now < w->planned;
	if (w->was_free)
		worker_rest(w);
	for (;;) {
		phase = atomic_load_explicit(&control->phase, memory_order_relaxed);
		if (__builtin_expect(phase != w->seen, 0) && !phase_changed(w, phase))
			return 0;
		if (now >= w->planned)
			break;
		/* Nothing is left to be planned, and a drain need not be sat out. */
		if (now >= atomic_load_explicit(&control->plan_last, memory_order_relaxed))
			return 0;
		if (w->job->sleepy) {
			double left = (double)(w->planned - now) * w->job->ns_per_tick;

			if (left > 2 * SPIN_NS)
				open_sleep(w, (uint64_t)left - SPIN_NS);
			else
				open_yield(w);
		} else {
			shmht_pause();
		}
		now = shmht_ticks_ordered();
	}
	if (now >= atomic_load_explicit(&control->plan_stop, memory_order_relaxed))
		return 0;
	if (__builtin_expect(now >= w->leg_end, 0))
		now = open_next_leg(w, now);
	return now;
}

static void open_record(struct worker *w, enum hist_class class, uint64_t start, uint64_t end)
{
	struct worker_result *result = &w->part->result;
	double scale = w->job->ns_per_tick;
	uint64_t late;

	if (!w->measuring)
		return;
	record_service(w, class, start, end);
	late = (uint64_t)((double)(end - w->planned) * scale + 0.5);
	hist_record(&result->response[class], late);
	if (w->leg)
		hist_record(&w->leg->response[class], late);
	w->part->last_end_ticks = end;
	if (w->was_free)
		hist_record(&result->start_lag,
			    (uint64_t)((double)(start - w->planned) * scale + 0.5));
}

/* Planned before the end, not started: from the one in hand on. */
static void count_backlog(struct worker *w)
{
	struct worker_result *result = &w->part->result;
	uint64_t stop = atomic_load(&w->job->control->plan_stop);
	uint64_t last = atomic_load(&w->job->control->plan_last);
	uint64_t measure = atomic_load(&w->job->control->plan_measure);
	const uint64_t most = 20000000; /* draws, some 0.2 s: then it is estimated */

	if (stop == UINT64_MAX)
		return;
	result->planned -= w->counted; /* the one in hand, maybe by a plan that ended earlier */
	if (w->planned >= last)
		return;
	result->backlog_late_ns = (uint64_t)((double)(stop - w->planned) * w->job->ns_per_tick);
	for (; w->planned < last && result->backlog < most; result->backlog++) {
		result->planned += w->planned >= measure;
		w->planned = plan_ticks(w, arrival_next(&w->arrival));
	}
	if (w->planned < last) {
		uint64_t left = (uint64_t)((double)(last - w->planned) * w->job->ns_per_tick /
					   w->arrival.gap_ns);

		result->backlog += left;
		result->planned += left;
	}
}

static void plan_next(struct worker *w)
{
	struct control *control = w->job->control;
	uint64_t measure = atomic_load_explicit(&control->plan_measure, memory_order_relaxed);

	if (!w->measuring && measure != UINT64_MAX)
		arrival_measure_from(&w->arrival,
				     (double)(measure -
					      atomic_load_explicit(&control->plan_origin,
								   memory_order_relaxed)) *
					     w->job->ns_per_tick);
	w->planned = plan_ticks(w, arrival_next(&w->arrival));
	/* Before the wait, because it costs some system calls; or behind. */
	if (!w->measuring && measure != UINT64_MAX &&
	    (w->planned >= measure || shmht_ticks() >= measure))
		begin_window(w);
	w->counted = w->planned >= measure &&
		     w->planned < atomic_load_explicit(&control->plan_last, memory_order_relaxed);
	w->part->result.planned += w->counted;
}

static inline __attribute__((always_inline)) void loop_open(struct worker *w, bool verify,
							    bool record)
{
	struct control *control = w->job->control;
	uint64_t limit = w->params->ops ? w->params->ops : UINT64_MAX;
	struct ops_marks marks = { false, false };
	uint32_t pos = 0;

	prctl(PR_SET_TIMERSLACK, 1ul);
	atomic_fetch_add(&control->nr_started, 1);
	for (;;) {
		plan_next(w);
		if (!do_op(w, w->ring[pos++ % OPSTREAM_LEN], verify, true, record))
			break;
		w->ops++;
		atomic_store_explicit(&w->part->progress, w->ops, memory_order_relaxed);
		if (w->ops >= limit)
			break;
		ops_mark(w, &marks);
		if (w->params->think_ns)
			think(w);
	}
	/* Its window may lie behind it without one operation planned in it. */
	if (!w->measuring)
		begin_window(w);
	count_backlog(w);
	if (limit != UINT64_MAX)
		ops_done(w, &marks);
}
