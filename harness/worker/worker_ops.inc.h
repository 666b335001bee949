/* SPDX-License-Identifier: MIT */
/* Part of worker.c: a closed loop of a fixed number of operations. */

/*
 * A fixed number of operations. The last worker to start begins the interval
 * in which all were running, the first to finish ends it; the others note how
 * far they were then.
 */
struct ops_marks {
	bool all_started, first_done; /* noted already */
};

static inline void ops_mark(struct worker *w, struct ops_marks *marks)
{
	struct control *control = w->job->control;

	if (!marks->all_started &&
	    atomic_load_explicit(&control->nr_started, memory_order_relaxed) ==
		    control->nr_workers) {
		w->part->ops_at_all_started = w->ops;
		marks->all_started = true;
	}
	if (!marks->first_done &&
	    atomic_load_explicit(&control->first_done, memory_order_relaxed)) {
		w->part->ops_at_first_done = w->ops;
		marks->first_done = true;
	}
}

static void ops_done(struct worker *w, const struct ops_marks *marks)
{
	struct control *control = w->job->control;
	uint32_t none = 0;

	if (!marks->first_done)
		w->part->ops_at_first_done = w->ops;
	if (atomic_compare_exchange_strong(&control->first_done, &none, 1))
		atomic_store(&control->first_done_ticks, shmht_ticks());
}

static inline __attribute__((always_inline)) void loop_ops(struct worker *w, bool verify,
							   bool record, bool plain)
{
	struct control *control = w->job->control;
	uint32_t pos = 0, seen = PHASE_MEASURE;
	struct ops_marks marks = { false, false };

	begin_window(w);
	w->seen = seen;
	atomic_fetch_add(&control->nr_started, 1);
	while (w->ops < w->params->ops) {
		if (!follow_phase(w, control, &seen, &w->ops))
			break;
		ops_mark(w, &marks);
		closed_op(w, w->ring[pos++ % OPSTREAM_LEN], verify, record, plain);
		w->ops++;
		if (w->ops % WORKER_PROGRESS_EVERY == 0)
			atomic_store_explicit(&w->part->progress, w->ops, memory_order_relaxed);
		if (w->params->think_ns)
			think(w);
	}
	ops_done(w, &marks);
}
