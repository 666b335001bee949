/* SPDX-License-Identifier: MIT */
/*
 * The closed loop over a mix with search_many, part of worker.c so that the other
 * operations inline into it too. A call takes the run of words that the stream has
 * for it; each of its keys counts as an operation, and the call is what is timed.
 */

/* n of the run's words, which are searches. */
static void do_many(struct worker *w, const uint64_t *run, uint32_t n, bool verify)
{
	uint64_t *outcomes = w->part->result.outcomes[OP_SEARCH_MANY];
	const uint32_t key_size = w->params->key_size;
	struct shmht_sought *sought = w->sought;
	uint64_t start = 0, end = 0;
	bool timed = op_is_timed(run[0]);

	for (uint32_t i = 0; i < n; i++)
		key_make(op_get_key(run[i]), (uint64_t *)(uintptr_t)sought[i].key, key_size);
	if (timed) {
		split_not_now(w);
		start = shmht_ticks_ordered();
	}
	/* What it returns says no more than the results do. */
	(void)!shmht_search_many(w->ctx, sought, n);
	if (timed)
		end = shmht_ticks_ordered();
	for (uint32_t i = 0; i < n; i++) {
		enum outcome outcome = outcome_of(sought[i].result);
		uint64_t id = op_get_key(run[i]);

		if (__builtin_expect(outcome == OUTCOME_NR, 0)) {
			check_failed(w, OP_SEARCH_MANY, id, sought[i].result, 0);
			continue;
		}
		outcomes[outcome]++;
		if (!verify || outcome != OUTCOME_OK)
			continue;
		w->part->checked++;
		if (__builtin_expect(!value_is_of(sought[i].value, sought[i].len, id), 0))
			check_failed(w, OP_SEARCH_MANY, id, 0, sought[i].len);
	}
	if (timed && w->measuring)
		record_timed(w, HIST_SEARCH_MANY, start, end);
	if (__builtin_expect(w->waits_seen != w->stats->contended, 0))
		take_waits(w);
}

/* Words of the run at `at`: at most `most`, and none beyond the ring's end. */
static uint32_t run_length(const struct worker *w, uint32_t at, uint64_t most)
{
	uint32_t n = 1;

	if (most > w->params->batch)
		most = w->params->batch;
	if (most > OPSTREAM_LEN - at)
		most = OPSTREAM_LEN - at;
	while (n < most && op_is_many(w->ring[at + n]))
		n++;
	return n;
}

/* Until the supervisor says stop, or for a number of operations. */
static void loop_many(struct worker *w, bool verify)
{
	struct control *control = w->job->control;
	const uint64_t limit = w->params->ops ? w->params->ops : UINT64_MAX;
	struct ops_marks marks = { false, false };
	uint32_t at = 0, phase;

	if (w->params->ops) {
		begin_window(w);
		w->seen = PHASE_MEASURE;
		atomic_fetch_add(&control->nr_started, 1);
	}
	while (w->ops < limit) {
		uint32_t n = 1;

		phase = atomic_load_explicit(&control->phase, memory_order_relaxed);
		if (__builtin_expect(phase != w->seen, 0) && !phase_changed(w, phase))
			break;
		if (w->params->ops)
			ops_mark(w, &marks);
		if (op_is_many(w->ring[at])) {
			n = run_length(w, at, limit - w->ops);
			do_many(w, w->ring + at, n, verify);
		} else {
			do_op(w, w->ring[at], verify, false, false);
		}
		at = (at + n) % OPSTREAM_LEN;
		w->ops += n;
		/* Its own line, and once a call: no need to do it more rarely. */
		atomic_store_explicit(&w->part->progress, w->ops, memory_order_relaxed);
		if (w->params->think_ns)
			think(w);
	}
	if (w->params->ops)
		ops_done(w, &marks);
}
