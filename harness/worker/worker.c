/* SPDX-License-Identifier: MIT */
/*
 * The measured loop. Between two operations it does only what the table of
 * overheads names: fetch the packed operation, make the key, fill or check the
 * value, look at the phase word. A clock is read for the operations that the
 * stream marks as timed; waits for a contended lock are timed by the core.
 */
#include "worker/worker_internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/legs.h"
#include "shmht_clock.h"
#include "stats/fairness.h"
#include "verify/lin_check.h"
#include "verify/value.h"
#include "worker/arrival.h"
#include "worker/opstream.h"

#define STALL_NS 1000000u

static uint64_t open_wait(struct worker *w);
static void open_record(struct worker *w, enum hist_class class, uint64_t start, uint64_t end);

/* Seconds; NaN without schedstats. */
static double run_delay(const struct worker *w)
{
	uint64_t ns;

	return gap_run_delay(&w->gaps, &ns) ? (double)ns * 1e-9 : NAN;
}

static double timeval_s(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec * 1e-6;
}

/* ---- one operation ----------------------------------------------------- */

static void check_failed(struct worker *w, enum op_kind kind, uint64_t id, int r, size_t len)
{
	w->part->errors++;
	if (r == 0)
		worker_error(w->part, "search of key %llu: torn or foreign value of %zu bytes",
			     (unsigned long long)id, len);
	else
		worker_error(w->part, "%s of key %llu: unexpected %s", op_names[kind],
			     (unsigned long long)id, strerror(-r));
}

/* Contended acquires since the last look: the core keeps the last few. */
static __attribute__((noinline)) void take_waits(struct worker *w)
{
	struct worker_result *result = &w->part->result;

	for (; w->waits_seen != w->stats->contended; w->waits_seen++) {
		uint64_t ticks = w->stats->wait_ticks[w->waits_seen % SHMHT_WAIT_RING];
		uint64_t ns = (uint64_t)((double)ticks * w->job->ns_per_tick);

		if (!w->measuring)
			continue;
		hist_record(&result->wait, ns);
		if (w->leg)
			hist_record(&w->leg->wait, ns);
		if (ns > STALL_NS)
			result->stalled_ns += ns;
		if (ns > result->longest_wait_ns)
			result->longest_wait_ns = ns;
		result->harness_calls += ns > GAP_LONG_NS;
		gap_take(&w->gaps, ns, &result->longest_gap);
	}
}

#include "worker/worker_split.inc.h"

static inline enum outcome outcome_of(int r)
{
	if (__builtin_expect(r == 0, 1))
		return OUTCOME_OK;
	switch (r) {
	case -ENOENT:
		return OUTCOME_MISS;
	case -EEXIST:
		return OUTCOME_EXISTS;
	case -ENOSPC:
		return OUTCOME_FULL;
	case -ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	default:
		return OUTCOME_NR;
	}
}

/* Into the worker's tally; an answer that no table gives is an error. */
static inline void count_outcome(struct worker *w, enum op_kind kind, uint64_t id, int r)
{
	enum outcome outcome = outcome_of(r);

	if (__builtin_expect(outcome == OUTCOME_NR, 0)) {
		check_failed(w, kind, id, r, 0);
		return;
	}
	w->part->result.outcomes[kind][outcome]++;
	if (r == 0 && kind == OP_INSERT)
		w->part->net++;
	else if (r == 0 && kind == OP_REMOVE)
		w->part->net--;
}

static inline enum hist_class class_of(enum op_kind kind, int r)
{
	static const enum hist_class classes[OP_NR] = { HIST_SEARCH_HIT, HIST_INSERT, HIST_UPDATE,
							HIST_REMOVE, HIST_SEARCH_MANY };

	return kind == OP_SEARCH && r ? HIST_SEARCH_MISS : classes[kind];
}

/*
 * read = rcu, urcu: in place, without a copy. The value is checked before the section
 * ends, and whatever it is, it is the caller who ends it.
 */
static inline __attribute__((always_inline)) int search_in_place(struct worker *w,
								 const void **found, size_t *len)
{
	int r = shmht_read_begin(w->ctx);

	return r ? r : shmht_lookup(w->ctx, w->key, w->params->key_size, found, len);
}

static inline void record_service(struct worker *w, enum hist_class class, uint64_t start,
				  uint64_t end)
{
	uint64_t ns = (uint64_t)((double)(end - start) * w->job->ns_per_tick + 0.5);

	hist_record(&w->part->result.service[class], ns);
	if (w->leg)
		hist_record(&w->leg->service[class], ns);
}

static inline void record_timed(struct worker *w, enum hist_class class, uint64_t start,
				uint64_t end)
{
	record_service(w, class, start, end);
	if (++w->timed_ops % SPLIT_FIRST == 0 && splits(w) &&
	    (w->timed_ops < SPLIT_MANY || w->timed_ops % SPLIT_EVERY == 0))
		split_next(w);
}

/* open: waits for the planned start once everything is prepared, and returns
 * false when the run ends before it. record: into the log, with values verified. */
static inline __attribute__((always_inline)) bool do_op(struct worker *w, uint64_t op, bool verify,
							bool open, bool record)
{
	const struct params *params = w->params;
	enum op_kind kind = op_get_kind(op);
	uint64_t id = op_get_key(op), start = 0, end = 0;
	bool in_place = kind == OP_SEARCH && read_in_sections(params->read);
	const void *found = w->found;
	size_t len = 0;
	int r;

	key_make(id, w->key, params->key_size);
	if (kind == OP_INSERT || kind == OP_UPDATE) {
		len = op_value_len(op, params->value_min, params->value_max);
		value_fill(w->value, len, id, w->nonce++);
	}
	if (open) {
		start = open_wait(w);
		if (!start)
			return false;
	} else if (op_is_timed(op)) {
		split_not_now(w);
		start = shmht_ticks_ordered();
	}
	if (record)
		lin_begin(w->log, lin_stamp_begin(), kind, id, w->nonce - 1);
	switch (kind) {
	case OP_SEARCH:
		r = in_place ? search_in_place(w, &found, &len) :
			       shmht_search(w->ctx, w->key, params->key_size, w->found,
					    params->value_max, &len);
		break;
	case OP_INSERT:
		r = shmht_insert(w->ctx, w->key, params->key_size, w->value, len);
		break;
	case OP_UPDATE:
		r = shmht_update(w->ctx, w->key, params->key_size, w->value, len);
		break;
	default:
		r = shmht_remove(w->ctx, w->key, params->key_size);
		break;
	}
	if (open || op_is_timed(op))
		end = shmht_ticks_ordered();

	if (record) {
		uint64_t stamp = lin_stamp_end(), nonce = w->nonce - 1;

		if (kind == OP_SEARCH && r == 0)
			memcpy(&nonce, found, sizeof(nonce));
		lin_end(w->job->lin, w->log, stamp, outcome_of(r), nonce);
	}
	count_outcome(w, kind, id, r);
	if ((verify || record) && kind == OP_SEARCH && r == 0) {
		w->part->checked++;
		if (__builtin_expect(!value_is_of(found, len, id), 0))
			check_failed(w, kind, id, 0, len);
	}
	if (in_place)
		shmht_read_end(w->ctx);
	if (open)
		open_record(w, class_of(kind, r), start, end);
	else if (op_is_timed(op) && w->measuring)
		record_timed(w, class_of(kind, r), start, end);
	if (__builtin_expect(w->waits_seen != w->stats->contended, 0))
		take_waits(w);
	return true;
}

/*
 * do_op() for what most operations of most runs are: a search that is not timed,
 * checked, recorded or done in place. Half of do_op()'s instructions; what the
 * harness adds to a search is what a comparison of two of them loses.
 */
static inline __attribute__((always_inline)) void search_plain(struct worker *w, uint64_t op)
{
	const struct params *params = w->params;
	uint64_t id = op_get_key(op);
	size_t len;
	int r;

	key_make(id, w->key, params->key_size);
	r = shmht_search(w->ctx, w->key, params->key_size, w->found, params->value_max, &len);
	if (__builtin_expect(r == 0, 1))
		w->part->result.outcomes[OP_SEARCH][OUTCOME_OK]++;
	else
		count_outcome(w, OP_SEARCH, id, r);
	if (__builtin_expect(w->waits_seen != w->stats->contended, 0))
		take_waits(w);
}

/* The same where it is timed. Out of the loop: one in many comes here, and the others
 * keep their registers. */
static __attribute__((noinline)) void search_timed(struct worker *w, uint64_t op)
{
	const struct params *params = w->params;
	uint64_t id = op_get_key(op), start, end;
	size_t len;
	int r;

	key_make(id, w->key, params->key_size);
	split_not_now(w);
	start = shmht_ticks_ordered();
	r = shmht_search(w->ctx, w->key, params->key_size, w->found, params->value_max, &len);
	end = shmht_ticks_ordered();
	count_outcome(w, OP_SEARCH, id, r);
	if (w->measuring)
		record_timed(w, class_of(OP_SEARCH, r), start, end);
	if (__builtin_expect(w->waits_seen != w->stats->contended, 0))
		take_waits(w);
}

static void think(const struct worker *w)
{
	uint64_t start = shmht_ticks();
	uint64_t ticks = (uint64_t)((double)w->params->think_ns / w->job->ns_per_tick);

	worker_rest(w);
	while (shmht_ticks() - start < ticks)
		;
}

/* ---- the window -------------------------------------------------------- */

#include "worker/worker_legs.inc.h"

static void begin_window(struct worker *w)
{
	struct worker_result *result = &w->part->result;

	take_waits(w);
	memset(result->outcomes, 0, sizeof(result->outcomes));
	w->stats_before = *w->stats;
	w->ops_before_window += w->ops;
	w->ops = 0;
	interval_cut_begin(&w->cut);
	w->run_delay_before = run_delay(w);
	gap_mark(&w->gaps);
	getrusage(RUSAGE_THREAD, &w->usage_before);
	begin_legs(w);
	w->measuring = true;
	kernel_begin(&w->counters, &result->kernel); /* no system call of ours after it */
	w->part->start_ticks = shmht_ticks();
}

static void end_window(struct worker *w)
{
	struct worker_result *result = &w->part->result;
	const struct shmht_lock_stats *now = w->stats, *before = &w->stats_before;
	struct rusage usage;

	w->part->end_ticks = shmht_ticks();
	kernel_end(&w->counters, &result->kernel); /* and none before it */
	getrusage(RUSAGE_THREAD, &usage);
	end_leg(w);
	result->ops = w->ops;
	result->user_s = timeval_s(usage.ru_utime) - timeval_s(w->usage_before.ru_utime);
	result->sys_s = timeval_s(usage.ru_stime) - timeval_s(w->usage_before.ru_stime);
	result->vol_ctx = (uint64_t)(usage.ru_nvcsw - w->usage_before.ru_nvcsw);
	result->invol_ctx = (uint64_t)(usage.ru_nivcsw - w->usage_before.ru_nivcsw);
	result->minor_faults = (uint64_t)(usage.ru_minflt - w->usage_before.ru_minflt);
	result->run_delay_s = run_delay(w) - w->run_delay_before;
	result->lock = (struct shmht_lock_stats){
		.acquired = now->acquired - before->acquired,
		.contended = now->contended - before->contended,
		.spins = now->spins - before->spins,
		.yields = now->yields - before->yields,
		.parks = now->parks - before->parks,
		.wakes = now->wakes - before->wakes,
		.reacquired = now->reacquired - before->reacquired,
		.timeouts = now->timeouts - before->timeouts,
		.recovered = now->recovered - before->recovered,
	};
	w->measuring = false;
}

/* Ends the slot of the interval that was seen last. */
static void close_interval(struct worker *w)
{
	struct worker_result *result = &w->part->result;
	uint32_t number = w->seen >> PHASE_BITS, last = w->job->control->nr_slots - 1;

	atomic_store_explicit(&w->part->ops_ever, w->ops_before_window + w->ops,
			      memory_order_relaxed);
	if ((w->seen & PHASE_MASK) != PHASE_MEASURE)
		return;
	interval_cut(&w->cut, w->params->rate ? result->response : result->service, HIST_CLASSES,
		     w->ops, &w->slots[number < last ? number : last]);
	if (w->params->nr_watch)
		interval_cut_watches(&w->cut, w->params->rate ? result->response : result->service,
				     HIST_CLASSES, w->params->watch, w->params->nr_watch,
				     &w->slots[number < last ? number : last]);
	if (w->measuring) {
		gap_mark(&w->gaps);
		w->part->result.harness_calls++;
	}
}

#include "worker/worker_turns.inc.h"

/* The phase or the interval changed. False: the run is over. */
static __attribute__((noinline)) bool phase_changed(struct worker *w, uint32_t word)
{
	if ((word & PHASE_MASK) == PHASE_PARKED) {
		park(w, word);
		return true;
	}
	close_interval(w);
	/* An open loop's window begins with the first operation planned in it. */
	if ((word & PHASE_MASK) == PHASE_MEASURE && !w->measuring && !w->params->rate)
		begin_window(w);
	follow_leg(w, word);
	w->seen = word;
	return (word & PHASE_MASK) != PHASE_STOP;
}

/*
 * The look at the phase between two operations of a closed loop. ops is w->ops, in
 * a register: others see it when the phase changes. False: the run is over.
 */
static inline __attribute__((always_inline)) bool follow_phase(struct worker *w,
							       struct control *control,
							       uint32_t *seen, uint64_t *ops)
{
	/* Relaxed: the phase guards no data, it only has to arrive. */
	uint32_t phase = atomic_load_explicit(&control->phase, memory_order_relaxed);

	if (__builtin_expect(phase == *seen, 1))
		return true;
	w->ops = *ops;
	if (!phase_changed(w, phase))
		return false;
	*ops = w->ops;
	*seen = phase;
	return true;
}

/* The next of a closed loop; plain: searches may take their short ways. */
static inline __attribute__((always_inline)) void closed_op(struct worker *w, uint64_t op,
							    bool verify, bool record, bool plain)
{
	if (plain && op_is_plain_search(op))
		search_plain(w, op);
	else if (plain && op_is_timed_search(op))
		search_timed(w, op);
	else
		do_op(w, op, verify, false, record);
}

/* Until the supervisor says stop. */
static inline __attribute__((always_inline)) void loop_time(struct worker *w, bool verify,
							    bool record, bool plain)
{
	struct control *control = w->job->control;
	const uint64_t *ring = w->ring;
	bool thinks = !plain && w->params->think_ns;
	uint32_t pos = 0, seen = PHASE_WARMUP;
	uint64_t ops = w->ops;

	while (follow_phase(w, control, &seen, &ops)) {
		closed_op(w, ring[pos++ % OPSTREAM_LEN], verify, record, plain);
		if (++ops % WORKER_PROGRESS_EVERY == 0)
			atomic_store_explicit(&w->part->progress, ops, memory_order_relaxed);
		if (thinks)
			think(w);
	}
}

#include "worker/worker_ops.inc.h"
#include "worker/worker_open.inc.h"
#include "worker/worker_many.inc.h"
#include "worker/worker_chain.inc.h"

/* Recording has loops of its own, so that the others have no trace of it. */
static void run_loop(struct worker *w)
{
	const struct params *params = w->params;
	bool verify = params->verify == VERIFY_VALUES;
	bool plain = !verify && !params->think_ns && !read_in_sections(params->read);

	if (w->log) {
		if (params->rate)
			loop_open(w, true, true);
		else if (params->ops)
			loop_ops(w, true, true, false);
		else
			loop_time(w, true, true, false);
	} else if (params->rate) {
		loop_open(w, verify, false);
	} else if (w->sought) {
		loop_many(w, verify);
	} else if (chains(w)) {
		loop_chain(w);
	} else if (params->ops) {
		loop_ops(w, verify, false, plain);
	} else if (plain) {
		loop_time(w, false, false, true);
	} else {
		loop_time(w, verify, false, false);
	}
}

static void run_window(struct worker *w)
{
	w->seen = PHASE_WARMUP;
	run_loop(w);
	if (!w->measuring)
		return;
	if ((w->seen & PHASE_MASK) != PHASE_STOP)
		close_interval(w); /* ended by itself */
	take_waits(w);
	end_window(w);
	worker_rest(w);
}

void worker_run(const struct worker_job *job)
{
	struct worker w = { .job = job, .params = job->params };
	int r;

	w.part = &job->control->workers[job->worker];
	w.part->result.pid = getpid();
	w.part->result.tid = gettid();
	w.part->result.cpu = job->cpu;
	w.log = job->lin ? &job->lin->logs[job->worker] : NULL;
	w.slots = control_slots(job->control, job->worker);
	w.ring = MAP_FAILED;
	w.leg_end = UINT64_MAX;
	r = worker_set_up(&w);
	if (!r) {
		gap_open(&w.gaps);
		kernel_open(&w.counters, &w.part->result.kernel, job->counts_calls);
		atomic_store(&w.part->stage, STAGE_READY);
		r = wait_for_start(&w);
		if (!r)
			run_window(&w);
		kernel_close(&w.counters);
		gap_close(&w.gaps);
	}
	worker_close_context(&w);
	if (w.ring != MAP_FAILED)
		munmap(w.ring, OPSTREAM_LEN * sizeof(*w.ring));
	free(w.key);
	free(w.value);
	free(w.found);
	free(w.sought);
	free(w.many_room);
	/* Last: everything above is visible to whoever sees this stage. */
	atomic_store(&w.part->stage, r ? STAGE_FAILED : STAGE_DONE);
}
