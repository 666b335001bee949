/* SPDX-License-Identifier: MIT */
/* Before the start line: everything a worker needs, so that the loop finds it there. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run/legs.h"
#include "shmht_clock.h"
#include "verify/lin_check.h"
#include "verify/value.h"
#include "worker/opstream.h"
#include "worker/worker_internal.h"

void worker_error(struct worker_part *part, const char *fmt, ...)
{
	va_list ap;

	if (part->error[0])
		return; /* the first one is the cause */
	va_start(ap, fmt);
	vsnprintf(part->error, sizeof(part->error), fmt, ap);
	va_end(ap);
}

static int pin(const struct worker *w)
{
	cpu_set_t set;

	if (w->job->cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)w->job->cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* Ids are loaded in their order, so which of them are timed is drawn by a hash. */
static bool load_is_timed(const struct worker *w, uint64_t id)
{
	const struct params *params = w->params;

	if (!w->leg || params->latency == LATENCY_OFF)
		return false;
	return params->latency == LATENCY_EVERY || value_mix(~id) % params->sample_every == 0;
}

static int preload_share(struct worker *w)
{
	const struct params *params = w->params;
	uint64_t from, to;

	lin_preload_share(params, w->job->worker, &from, &to);
	for (uint64_t id = from; id < to; id++) {
		size_t len = params->value_min +
			     value_mix(id) % (params->value_max - params->value_min + 1u);
		int r;

		uint64_t start = 0;

		key_make(id, w->key, params->key_size);
		value_fill(w->value, len, id, w->nonce++);
		if (load_is_timed(w, id))
			start = shmht_ticks_ordered();
		do {
			r = shmht_insert(w->ctx, w->key, params->key_size, w->value, len);
			/* Many on one lock: slow is not stuck while the phase says so. */
		} while (r == -ETIMEDOUT && atomic_load(&w->job->control->phase) <= PHASE_LOAD);
		if (r) {
			/* A broken table is what verification is for, whenever it is seen. */
			w->part->errors += r == -EUCLEAN;
			worker_error(w->part, "preload of key %llu: %s", (unsigned long long)id,
				     strerror(-r));
			return r;
		}
		if (start)
			hist_record(&w->leg->service[HIST_INSERT],
				    (uint64_t)((double)(shmht_ticks_ordered() - start) *
						       w->job->ns_per_tick +
					       0.5));
		w->part->net++;
		if (id % WORKER_PROGRESS_EVERY == 0)
			atomic_store_explicit(&w->part->progress, id - from, memory_order_relaxed);
	}
	return 0;
}

static int preload(struct worker *w)
{
	const struct target *target = w->job->target;
	bool gathers = target && target->bulk;
	int r = gathers ? target->bulk(w->ctx, true) : 0;

	if (r || preload_share(w))
		return -EIO;
	r = gathers ? target->bulk(w->ctx, false) : 0;
	if (r)
		worker_error(w->part, "preload: %s", strerror(-r));
	return r;
}

int worker_load(struct worker *w)
{
	uint64_t from, to;
	int r;

	w->leg = w->legs;
	w->leg->start_ticks = shmht_ticks_ordered();
	r = preload(w);
	w->leg->end_ticks = shmht_ticks_ordered();
	lin_preload_share(w->params, w->job->worker, &from, &to);
	w->leg->ops = to - from;
	w->leg = NULL;
	if (!r && !w->job->target)
		shmht_ctx_set_hold(w->ctx, w->params->hold_ns);
	return r;
}

/* Touched, so that no leg begins with page faults. */
static void make_legs(struct worker *w)
{
	if (!w->params->nr_legs)
		return;
	w->legs = control_legs(w->job->control, w->job->worker, w->params->nr_legs);
	memset(w->legs, 0, w->params->nr_legs * sizeof(*w->legs));
}

/* A search_many call's questions: whose keys are where does not change. */
static int make_sought(struct worker *w)
{
	const struct params *params = w->params;
	/* Lines of their own, as a lone search's key and value have. */
	size_t key = (params->key_size + 63u) / 64 * 64,
	       value = (params->value_max + 63u) / 64 * 64;

	if (params->mix[OP_SEARCH_MANY] <= 0)
		return 0;
	w->sought = calloc(params->batch, sizeof(*w->sought));
	w->many_room = aligned_alloc(64, params->batch * (key + value) + 64);
	if (!w->sought || !w->many_room) {
		worker_error(w->part, "no memory for %u keys of search_many", params->batch);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < params->batch; i++)
		w->sought[i] = (struct shmht_sought){ .key = w->many_room + i * (key + value),
						      .key_len = params->key_size,
						      .value = w->many_room + i * (key + value) +
							       key,
						      .size = params->value_max };
	return 0;
}

/* The table's context, or the target's, whose locks keep no statistics for us. */
static int open_context(struct worker *w, struct shmht_error *err)
{
	static const struct shmht_lock_stats unknown;
	int r;

	if (w->job->target) {
		w->stats = &unknown;
		return w->job->target->open(w->job->table, &w->ctx, err);
	}
	r = shmht_ctx_open(w->job->map, &w->ctx, err);
	if (r)
		return r;
	shmht_ctx_set_timeout(w->ctx, w->params->timeout_ns);
	w->stats = shmht_ctx_stats(w->ctx);
	return 0;
}

void worker_close_context(struct worker *w)
{
	if (!w->job->target)
		shmht_ctx_close(w->ctx);
	else if (w->ctx)
		w->job->target->close(w->ctx);
}

int worker_set_up(struct worker *w)
{
	const struct params *params = w->params;
	struct shmht_error err;
	int r;

	r = pin(w);
	if (r) {
		worker_error(w->part, "cannot run on CPU %d: %s; see `pin`", w->job->cpu,
			     strerror(-r));
		return r;
	}
	r = w->job->target ? 0 : shmht_populate(w->job->map);
	if (r) {
		worker_error(w->part, "page tables cannot be filled: %s", strerror(-r));
		return r;
	}
	/* One line more than a value needs, so that nobody shares its last one. */
	w->key = aligned_alloc(64, (params->key_size + 127u) / 64 * 64);
	w->value = aligned_alloc(64, (params->value_max + 127u) / 64 * 64);
	w->found = aligned_alloc(64, (params->value_max + 127u) / 64 * 64);
	w->ring = mmap(NULL, OPSTREAM_LEN * sizeof(*w->ring), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!w->key || !w->value || !w->found || w->ring == MAP_FAILED) {
		worker_error(w->part, "no memory for the op stream");
		return -ENOMEM;
	}
	/* Before its first touch: the ring should not cost the table its TLB. */
	madvise(w->ring, OPSTREAM_LEN * sizeof(*w->ring), MADV_HUGEPAGE);
	r = opstream_make(params, w->job->trial, w->job->worker, w->ring, OPSTREAM_LEN,
			  &w->part->stream_hash);
	if (r) {
		worker_error(w->part, "op stream: %s", strerror(-r));
		return r;
	}
	r = make_sought(w);
	if (r)
		return r;
	r = open_context(w, &err);
	if (r) {
		worker_error(w->part, "%s", err.text);
		return r;
	}
	if (params->rate)
		arrival_init(&w->arrival, params, w->job->trial, w->job->worker);
	w->nonce = lin_first_nonce(w->job->trial, w->job->worker);
	make_legs(w);
	if (legs_load(params))
		return 0; /* once all are there */
	r = preload(w);
	if (!r && !w->job->target)
		shmht_ctx_set_hold(w->ctx, params->hold_ns);
	return r;
}
