/* SPDX-License-Identifier: MIT */
/*
 * The closed loop where every operation is timed, part of worker.c so that the
 * operations inline into it: the end of one is the start of the next. One clock
 * read an operation instead of two is half of what timing all of them costs.
 *
 * What lies between two operations is in the later one's time: the note of the
 * one before (outcome, histogram), the look at the phase, the next word of the
 * stream and its key. Some nanoseconds, which a run measures and prints as
 * between_ops. No worker comes here that has more to do between two operations
 * (chains()); where a value was filled, or something noted that is rare (a wait, an
 * interval, a turn), the clock is read anew. So the times of all searches and removals
 * add up to the window.
 *
 * The read stays ordered: it is taken once all loads of the operation have
 * completed, and so the next one cannot overlap with it. That, not the clock, is most
 * of what is left: a fence alone costs as much as it delays. Without one a read
 * is cheap and wrong, for the CPU takes it some hundred instructions ahead: in a table
 * beyond the caches half of the hits then leave their cache misses to whatever comes
 * next (a hit's median fell from 420 to 210 ns, a miss's p90 rose from 350 to 510).
 */

/* Whether a worker's operations are timed in this way. */
static bool chains(const struct worker *w)
{
	const struct params *params = w->params;

	return params->latency == LATENCY_EVERY && !params->rate && !w->log && !w->sought &&
	       params->verify == VERIFY_OFF && !params->think_ns && !read_in_sections(params->read);
}

/* Returns when it ended. */
static inline __attribute__((always_inline)) uint64_t chain_op(struct worker *w, uint64_t op,
							       uint64_t start)
{
	const struct params *params = w->params;
	enum op_kind kind = op_get_kind(op);
	uint64_t id = op_get_key(op), end;
	size_t len = 0;
	int r;

	key_make(id, w->key, params->key_size);
	if (kind == OP_SEARCH) {
		r = shmht_search(w->ctx, w->key, params->key_size, w->found, params->value_max,
				 &len);
	} else if (kind == OP_REMOVE) {
		r = shmht_remove(w->ctx, w->key, params->key_size);
	} else {
		len = op_value_len(op, params->value_min, params->value_max);
		value_fill(w->value, len, id, w->nonce++);
		start = shmht_ticks_ordered();
		r = kind == OP_INSERT ?
			    shmht_insert(w->ctx, w->key, params->key_size, w->value, len) :
			    shmht_update(w->ctx, w->key, params->key_size, w->value, len);
	}
	end = shmht_ticks_ordered();
	count_outcome(w, kind, id, r);
	if (w->measuring)
		record_service(w, class_of(kind, r), start, end);
	return end;
}

/* Until the supervisor says stop, or for a number of operations. */
static void loop_chain(struct worker *w)
{
	struct control *control = w->job->control;
	const uint64_t limit = w->params->ops ? w->params->ops : UINT64_MAX;
	struct ops_marks marks = { false, false };
	uint32_t at = 0, seen = PHASE_WARMUP, before;
	uint64_t ops = w->ops, start;

	if (w->params->ops) {
		begin_window(w);
		w->seen = seen = PHASE_MEASURE;
		atomic_fetch_add(&control->nr_started, 1);
	}
	start = shmht_ticks_ordered();
	while (ops < limit) {
		before = seen;
		if (!follow_phase(w, control, &seen, &ops))
			break;
		if (__builtin_expect(seen != before, 0))
			start = shmht_ticks_ordered();
		if (w->params->ops) {
			w->ops = ops;
			ops_mark(w, &marks);
		}
		start = chain_op(w, w->ring[at++ % OPSTREAM_LEN], start);
		if (++ops % WORKER_PROGRESS_EVERY == 0)
			atomic_store_explicit(&w->part->progress, ops, memory_order_relaxed);
		if (__builtin_expect(w->waits_seen != w->stats->contended, 0)) {
			take_waits(w);
			start = shmht_ticks_ordered();
		}
	}
	w->ops = ops;
	if (w->params->ops)
		ops_done(w, &marks);
}
