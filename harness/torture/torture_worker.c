/* SPDX-License-Identifier: MIT */
/*
 * A worker under torture. It may be killed between any two instructions, so
 * whatever it knows that matters is in its part of the control region, written
 * before and after each operation; see torture.h for the protocol.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "torture/torture.h"
#include "verify/value.h"
#include "worker/keydist.h"
#include "worker/rng.h"

#define STALL_NS 1000000u

struct worker {
	const struct torture_job *job;
	const struct params *params;
	struct torture_control *control;
	struct torture_part *part;
	struct shmht *map;
	struct shmht_ctx *ctx;
	const struct shmht_lock_stats *stats;
	uint64_t id; /* of the operation under way */
	uint64_t waits_seen, recovered_seen;
	uint64_t *key;
	unsigned char *value, *found;
	struct rng rng;
	struct keydist dist;
	double ns_per_tick;
};

uint64_t torture_patience_ns(const struct params *params)
{
	return 5000000000u + 3 * params->timeout_ns;
}

__attribute__((format(printf, 2, 3))) static void violation(struct worker *w, const char *fmt, ...)
{
	va_list ap;

	w->part->errors++;
	if (w->part->error[0])
		return; /* the first one is the cause */
	va_start(ap, fmt);
	vsnprintf(w->part->error, sizeof(w->part->error), fmt, ap);
	va_end(ap);
}

static enum torture_phase phase_of(const struct worker *w)
{
	return (enum torture_phase)atomic_load_explicit(&w->control->phase, memory_order_relaxed);
}

static bool shall_end(const struct worker *w)
{
	return phase_of(w) == TORTURE_STOP ||
	       atomic_load_explicit(&w->part->leave, memory_order_relaxed);
}

static uint64_t to_ns(const struct worker *w, uint64_t ticks)
{
	return (uint64_t)((double)ticks * w->ns_per_tick);
}

/* ---- waits ------------------------------------------------------------- */

/* The waits of one operation. What it spent stopped is not the lock's doing. */
static void take_waits(struct worker *w, bool was_stopped)
{
	struct torture_part *part = w->part;
	enum torture_phase phase = phase_of(w);
	uint64_t longest = 0, now = shmht_ticks(), since_kill;

	for (; w->waits_seen != w->stats->contended; w->waits_seen++) {
		uint64_t ticks = w->stats->wait_ticks[w->waits_seen % SHMHT_WAIT_RING];

		longest = ticks > longest ? ticks : longest;
		if (was_stopped)
			continue;
		if (phase == TORTURE_BEFORE) {
			hist_record(&part->wait_before, to_ns(w, ticks));
			part->before_stalled_ns += to_ns(w, ticks) > STALL_NS ? to_ns(w, ticks) : 0;
		}
		if (phase == TORTURE_STORM)
			hist_record(&part->wait_storm, to_ns(w, ticks));
	}
	if (w->stats->recovered == w->recovered_seen)
		return;
	part->recovered += w->stats->recovered - w->recovered_seen;
	w->recovered_seen = w->stats->recovered;
	/* From the death on: a wait that began before it was not the dead one's yet. */
	since_kill = now - atomic_load_explicit(&w->control->last_kill, memory_order_relaxed);
	if (!was_stopped && longest)
		hist_record(&part->recovery, to_ns(w, longest < since_kill ? longest : since_kill));
}

static void note_timeout(struct worker *w, enum op_kind kind, uint64_t begin_ticks,
			 bool was_stopped)
{
	struct torture_part *part = w->part;
	uint64_t took_ns = to_ns(w, shmht_ticks() - begin_ticks);
	struct shmht_holder holder;

	shmht_ctx_holder(w->ctx, &holder);
	part->told = holder;
	part->timeouts++;
	part->timeouts_by_state[holder.state]++;
	if (holder.state == SHMHT_HOLDER_DEAD)
		atomic_fetch_add(&part->dead_named, 1);
	else
		atomic_store(&part->dead_named, 0);
	if (!was_stopped && took_ns >= w->params->timeout_ns)
		hist_record(&part->late, took_ns - w->params->timeout_ns);
	atomic_store(&part->waits_kind, kind);
	atomic_store(&part->waits_id, w->id);
	if (!atomic_load(&part->waits_since_ns))
		atomic_store(&part->waits_since_ns, shmht_monotonic_ns());
}

/* ---- operations -------------------------------------------------------- */

static int call(struct worker *w, enum op_kind kind, size_t *len)
{
	const struct params *params = w->params;
	const void *there;
	int r;

	switch (kind) {
	case OP_SEARCH:
		if (params->read != SHMHT_READ_RCU)
			return shmht_search(w->ctx, w->key, params->key_size, w->found,
					    params->value_max, len);
		/* In place, so that a worker can die inside a read section. */
		r = shmht_read_begin(w->ctx);
		if (r)
			return r;
		r = shmht_lookup(w->ctx, w->key, params->key_size, &there, len);
		if (!r && *len <= params->value_max)
			memcpy(w->found, there, *len);
		shmht_read_end(w->ctx);
		return r;
	case OP_INSERT:
		return shmht_insert(w->ctx, w->key, params->key_size, w->value, *len);
	case OP_UPDATE:
		return shmht_update(w->ctx, w->key, params->key_size, w->value, *len);
	default:
		return shmht_remove(w->ctx, w->key, params->key_size);
	}
}

/* Again and again while it times out: -ETIMEDOUT only when the run ends. */
static int call_until_done(struct worker *w, enum op_kind kind, size_t *len)
{
	size_t given = *len;

	for (;;) {
		uint32_t stops = atomic_load_explicit(&w->part->stops, memory_order_relaxed);
		uint64_t begin = shmht_ticks();
		int r;

		*len = given;
		r = call(w, kind, len);
		bool was_stopped = stops !=
				   atomic_load_explicit(&w->part->stops, memory_order_relaxed);
		if (__builtin_expect(w->waits_seen != w->stats->contended ||
					     w->recovered_seen != w->stats->recovered,
				     0))
			take_waits(w, was_stopped);
		if (phase_of(w) == TORTURE_BEFORE && r > -4096) {
			enum outcome outcome = r == 0	       ? OUTCOME_OK :
					       r == -ENOENT    ? OUTCOME_MISS :
					       r == -EEXIST    ? OUTCOME_EXISTS :
					       r == -ENOSPC    ? OUTCOME_FULL :
					       r == -ETIMEDOUT ? OUTCOME_TIMEOUT :
								 OUTCOME_NR;

			if (outcome != OUTCOME_NR)
				w->part->outcomes[kind][outcome]++;
		}
		if (r != -ETIMEDOUT) {
			if (atomic_load_explicit(&w->part->waits_since_ns, memory_order_relaxed)) {
				atomic_store(&w->part->waits_since_ns, 0);
				atomic_store(&w->part->dead_named, 0);
			}
			return r;
		}
		note_timeout(w, kind, begin, was_stopped);
		if (shall_end(w))
			return r;
	}
}

bool torture_shows(uint64_t state, uint64_t id, int r, const unsigned char *value, size_t len)
{
	uint64_t version;

	if (r)
		return !(state & 1);
	if (!(state & 1) || !value_is_of(value, len, id))
		return false;
	if (len < 16)
		return true; /* too short to carry its version */
	memcpy(&version, value, 8);
	return version == state >> 1;
}

static void choose_key(struct worker *w, uint64_t id)
{
	w->id = id;
	key_make(id, w->key, w->params->key_size);
}

static uint32_t owner_of(const struct worker *w, uint64_t id)
{
	return (uint32_t)(id % w->params->procs);
}

/* The word a mutation leaves, and the value that goes with it. */
static uint64_t prepare(struct worker *w, enum op_kind kind, uint64_t id, uint64_t state,
			size_t *ret_len)
{
	const struct params *params = w->params;
	uint64_t version = (state >> 1) + 1;

	*ret_len = 0;
	if (kind == OP_REMOVE)
		return key_state(version, false);
	*ret_len = params->value_min +
		   rng_below(&w->rng, params->value_max - params->value_min + 1u);
	value_fill(w->value, *ret_len, id, version);
	return key_state(version, true);
}

/* What a mutation of a key of one's own must answer. */
static void judge_change(struct worker *w, enum op_kind kind, uint64_t id, uint64_t state, int r)
{
	bool present = state & 1;
	uint64_t count = 0;
	int want = kind == OP_INSERT ? (present ? -EEXIST : 0) : present ? 0 : -ENOENT;

	w->part->checked++;
	if (r == want)
		return;
	if (kind == OP_INSERT && !present && r == -ENOSPC) {
		/* Others may have removed since; but not that many. */
		if (shmht_count(w->ctx, &count) == 0 &&
		    count + 64ull * w->params->procs + w->params->capacity / 2 <
			    w->params->capacity)
			violation(w, "insert of key %llu: no space with %llu entries of %llu",
				  (unsigned long long)id, (unsigned long long)count,
				  (unsigned long long)w->params->capacity);
		return;
	}
	violation(w, "%s of key %llu, which is %s (version %llu): %s", op_names[kind],
		  (unsigned long long)id, present ? "there" : "not there",
		  (unsigned long long)(state >> 1), r ? strerror(-r) : "done");
}

static void change(struct worker *w, enum op_kind kind, uint64_t id)
{
	_Atomic uint64_t *committed = &w->control->committed[id];
	struct torture_part *part = w->part;
	uint64_t state = atomic_load_explicit(committed, memory_order_relaxed), after;
	size_t len;
	int r;

	choose_key(w, id);
	after = prepare(w, kind, id, state, &len);
	atomic_store_explicit(&part->id, id, memory_order_relaxed);
	atomic_store_explicit(&part->after, after, memory_order_relaxed);
	atomic_store_explicit(&part->kind, kind, memory_order_relaxed);
	/* Release: who finds it armed, by acquire, finds the words above. */
	atomic_store_explicit(&part->armed, 1, memory_order_release);
	r = call_until_done(w, kind, &len);
	if (r == -ETIMEDOUT)
		return; /* the end; it did not happen, and stays open to be looked at */
	judge_change(w, kind, id, state, r);
	if (r == 0)
		/* Release: who reads this word, by acquire, and then searches finds
		 * this state or a later one. */
		atomic_store_explicit(committed, after, memory_order_release);
	atomic_store_explicit(&part->armed, 0, memory_order_release);
	part->changes += r == 0;
}

static void search(struct worker *w, uint64_t id)
{
	_Atomic uint64_t *committed = &w->control->committed[id];
	uint64_t before = atomic_load_explicit(committed, memory_order_acquire), after, version;
	size_t len = 0;
	int r;

	choose_key(w, id);
	r = call_until_done(w, OP_SEARCH, &len);
	if (r == -ETIMEDOUT)
		return;
	after = atomic_load_explicit(committed, memory_order_acquire);
	w->part->checked++;
	if (r && r != -ENOENT) {
		violation(w, "search of key %llu: %s", (unsigned long long)id, strerror(-r));
	} else if (owner_of(w, id) == w->job->worker) {
		if (!torture_shows(before, id, r, w->found, len))
			violation(w, "search of key %llu: %s, must be %s (version %llu)",
				  (unsigned long long)id, r ? "not found" : "another value",
				  before & 1 ? "there" : "absent", (unsigned long long)before >> 1);
	} else if (!r && !value_is_of(w->found, len, id)) {
		violation(w, "search of key %llu: torn or foreign value of %zu bytes",
			  (unsigned long long)id, len);
	} else if (!r && len >= 16) {
		/* Not older than what was committed before, not newer than what is under
		 * way after: its owner changes it once at a time. */
		memcpy(&version, w->found, 8);
		if (version < (before >> 1) + !(before & 1) || version > (after >> 1) + 1)
			violation(w,
				  "search of key %llu: version %llu, committed were %llu to %llu",
				  (unsigned long long)id, (unsigned long long)version,
				  (unsigned long long)(before >> 1),
				  (unsigned long long)(after >> 1));
	}
}

static enum op_kind draw_kind(struct worker *w)
{
	double dice = rng_unit(&w->rng);

	for (int kind = 0; kind < OP_NR; kind++) {
		dice -= w->params->mix[kind];
		if (dice < 0)
			return (enum op_kind)kind;
	}
	return OP_SEARCH;
}

static void one_op(struct worker *w)
{
	const struct params *params = w->params;
	enum op_kind kind = draw_kind(w);
	uint64_t id = keydist_draw(&w->dist, kind, &w->rng);

	if (kind == OP_SEARCH) {
		search(w, id);
	} else {
		id = id - id % params->procs + w->job->worker;
		if (id >= params->keyspace)
			id = w->job->worker; /* point_check: there are as many keys */
		change(w, kind, id);
	}
	/* The supervisor counts windows by it. */
	atomic_store_explicit(&w->part->ops,
			      atomic_load_explicit(&w->part->ops, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	if (phase_of(w) == TORTURE_BEFORE)
		w->part->before_ops++;
}

/* ---- set-up ------------------------------------------------------------ */

void torture_expected(const struct torture_control *control, uint64_t id, uint64_t *ret_committed,
		      uint64_t *ret_open)
{
	const struct torture_part *part = &control->parts[id % control->procs];

	*ret_committed = *ret_open = atomic_load(&control->committed[id]);
	if (atomic_load_explicit(&part->armed, memory_order_acquire) &&
	    atomic_load(&part->id) == id)
		*ret_open = atomic_load(&part->after);
}

/* The last operation of whoever was here before: did it happen? */
static void resolve(struct worker *w)
{
	struct torture_part *part = w->part;
	uint64_t id, committed, open;
	size_t len = 0;
	int r;

	if (!atomic_load_explicit(&part->armed, memory_order_acquire))
		return;
	id = atomic_load(&part->id);
	torture_expected(w->control, id, &committed, &open);
	choose_key(w, id);
	r = call_until_done(w, OP_SEARCH, &len);
	if (r == -ETIMEDOUT)
		return;
	part->checked++;
	if (r && r != -ENOENT) {
		violation(w, "search of key %llu: %s", (unsigned long long)id, strerror(-r));
	} else if (torture_shows(open, id, r, w->found, len)) {
		part->resolved_done++;
		atomic_store_explicit(&w->control->committed[id], open, memory_order_release);
	} else if (torture_shows(committed, id, r, w->found, len)) {
		part->resolved_undone++;
	} else {
		violation(w,
			  "key %llu after its worker was killed: %s; allowed version %llu (%s) or "
			  "%llu (%s)",
			  (unsigned long long)id, r ? "absent" : "a value that was never written",
			  (unsigned long long)(committed >> 1), committed & 1 ? "there" : "absent",
			  (unsigned long long)(open >> 1), open & 1 ? "there" : "absent");
	}
	atomic_store_explicit(&part->armed, 0, memory_order_release);
}

static void preload(struct worker *w)
{
	for (uint64_t id = w->job->worker; id < w->params->preload && !shall_end(w);
	     id += w->params->procs)
		if (!(atomic_load(&w->control->committed[id]) & 1))
			change(w, OP_INSERT, id);
	atomic_store(&w->part->preloaded, 1);
}

static int set_up(struct worker *w)
{
	const struct params *params = w->params;
	struct shmht_error err = { "" };
	cpu_set_t set;
	int r;

	if (w->job->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned int)w->job->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set)) {
			violation(w, "cannot run on CPU %d: %s; see `pin`", w->job->cpu,
				  strerror(errno));
			return -1;
		}
	}
	w->key = aligned_alloc(64, (params->key_size + 127u) / 64 * 64);
	w->value = aligned_alloc(64, (params->value_max + 127u) / 64 * 64);
	w->found = aligned_alloc(64, (params->value_max + 127u) / 64 * 64);
	if (!w->key || !w->value || !w->found) {
		violation(w, "no memory");
		return -1;
	}
	r = shmht_attach(w->job->fd, NULL, &w->map, &err);
	if (!r)
		r = shmht_ctx_open(w->map, &w->ctx, &err);
	if (r) {
		violation(w, "cannot attach: %s", err.text);
		return -1;
	}
	shmht_ctx_set_timeout(w->ctx, params->timeout_ns);
	w->stats = shmht_ctx_stats(w->ctx);
	w->ns_per_tick = shmht_ns_per_tick();
	rng_seed(&w->rng, params->seed,
		 (uint64_t)w->job->trial << 48 | (uint64_t)w->job->worker << 32 |
			 w->part->incarnation++);
	keydist_init(&w->dist, &params->keys, params->keyspace, params->preload, w->job->worker,
		     params->procs);
	return 0;
}

int torture_worker(const struct torture_job *job)
{
	struct worker w = { .job = job, .params = job->params, .control = job->control };

	w.part = &job->control->parts[job->worker];
	if (set_up(&w)) {
		atomic_store(&w.part->stage, STAGE_FAILED);
		return 1;
	}
	resolve(&w);
	if (!atomic_load(&w.part->preloaded))
		preload(&w);
	shmht_ctx_set_hold(w.ctx, w.params->hold_ns);
	atomic_store(&w.part->stage, STAGE_READY);
	while (phase_of(&w) == TORTURE_SETUP)
		usleep(500);
	while (!shall_end(&w))
		if (phase_of(&w) == TORTURE_REST)
			usleep(5000);
		else
			one_op(&w);
	shmht_ctx_close(w.ctx);
	shmht_detach(w.map);
	free(w.key);
	free(w.value);
	free(w.found);
	atomic_store(&w.part->stage, STAGE_DONE);
	return 0;
}
