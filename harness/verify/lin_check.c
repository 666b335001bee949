/* SPDX-License-Identifier: MIT */
/*
 * The recorded operations are grouped by key: counted into buckets by the key's
 * hash, then sorted within a bucket, which is small enough for the caches.
 */
#include "verify/lin_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/lin_history.h"

#define PER_BUCKET 64u

struct check {
	const struct lin *lin;
	const struct params *params;
	uint32_t trial_number;
	lin_final_fn final;
	void *arg;
	double ns_per_tick;
	struct trial *trial;
	uint64_t threshold, closed; /* the sample of all logs: UINT64_MAX: to the end */
	uint64_t last;		    /* no stamp is greater */
	uint32_t bits;		    /* log2 of the buckets */
	uint32_t *starts;	    /* [buckets + 1] */
	uint32_t *order;	    /* references by bucket */
	struct lin_pair *pairs;
	uint32_t room; /* of pairs, twice */
	struct lin_history history;
	struct lin_search *search;
	bool no_memory;
};

void lin_preload_share(const struct params *params, uint32_t worker, uint64_t *ret_from,
		       uint64_t *ret_to)
{
	uint64_t share = params->preload / params->procs;

	*ret_from = share * worker;
	*ret_to = worker + 1 == params->procs ? params->preload : share * (worker + 1);
}

static void initial_state(const struct check *c, uint64_t key, struct lin_history *history)
{
	uint64_t share = c->params->preload / c->params->procs, from, to;
	uint32_t worker = c->params->procs - 1;

	history->present = key < c->params->preload;
	if (share && key / share < worker)
		worker = (uint32_t)(key / share);
	lin_preload_share(c->params, worker, &from, &to);
	history->nonce = lin_first_nonce(c->trial_number, worker) + (key - from);
}

/* A record, by its number through all logs. */
static const struct lin_record *record_at(const struct check *c, uint32_t reference,
					  uint32_t *ret_worker)
{
	uint64_t room = c->lin->logs[0].room + 1;

	*ret_worker = (uint32_t)(reference / room);
	return &c->lin->logs[*ret_worker].records[reference % room];
}

/* What a log has, the operation included that its worker died in. */
static uint64_t records_of(const struct lin_log *log)
{
	return log->nr + (log->records[log->nr].start != 0);
}

static bool counts(const struct check *c, const struct lin_record *record)
{
	return record->start < c->closed && lin_in_sample(c->lin, c->threshold, lin_key(record));
}

static void look_over(struct check *c)
{
	struct lin_summary *sum = &c->trial->lin;

	c->threshold = 1ull << 32;
	c->closed = UINT64_MAX;
	for (uint32_t i = 0; i < c->lin->nr_logs; i++) {
		const struct lin_log *log = &c->lin->logs[i];

		if (log->threshold < c->threshold)
			c->threshold = log->threshold;
		if (log->closed && log->closed < c->closed)
			c->closed = log->closed;
		if (log->moving)
			c->closed = 0;
		for (uint64_t k = 0; k < records_of(log); k++)
			if (log->records[k].end > c->last)
				c->last = log->records[k].end;
	}
	sum->key_share = (double)c->threshold / 4294967296.0;
	sum->cut_short = c->closed != UINT64_MAX;
}

static uint32_t bucket_of(const struct check *c, const struct lin_record *record)
{
	return (uint32_t)((uint64_t)lin_hash(lin_key(record)) >> (32 - c->bits));
}

/* Counting sort of references by bucket; a bucket keeps each worker's order. */
static bool fill_buckets(struct check *c)
{
	uint64_t nr = 0, room = c->lin->logs[0].room + 1;

	for (uint32_t i = 0; i < c->lin->nr_logs; i++)
		nr += records_of(&c->lin->logs[i]);
	for (c->bits = 1; c->bits < 24 && (uint64_t)PER_BUCKET << c->bits < nr;)
		c->bits++;
	c->starts = calloc((1u << c->bits) + 2, sizeof(*c->starts));
	c->order = malloc((nr + 1) * sizeof(*c->order));
	if (!c->starts || !c->order)
		return false;
	/* Counted two places on, so that filling leaves each bucket's start. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < c->lin->nr_logs; i++) {
			const struct lin_log *log = &c->lin->logs[i];

			for (uint64_t k = 0; k < records_of(log); k++) {
				uint32_t bucket;

				if (!counts(c, &log->records[k]))
					continue;
				bucket = bucket_of(c, &log->records[k]);
				if (pass)
					c->order[c->starts[bucket + 1]++] = (uint32_t)(i * room +
										       k);
				else
					c->starts[bucket + 2]++;
			}
		}
		for (uint32_t b = 0; !pass && b <= 1u << c->bits; b++)
			c->starts[b + 1] += c->starts[b];
	}
	return true;
}

/* False: it says nothing about the key. */
static bool make_op(const struct check *c, uint32_t reference, struct lin_op *op)
{
	const struct lin_record *record = record_at(c, reference, &op->worker);
	enum lin_act act;

	if (!lin_act_of(lin_kind(record), lin_outcome(record), &act))
		return false;
	op->start = record->start;
	op->end = record->end;
	op->nonce = record->nonce;
	op->act = (uint8_t)act;
	op->kind = (uint8_t)lin_kind(record);
	op->outcome = (uint8_t)lin_outcome(record);
	if (record->end && record->end < c->closed)
		return true;
	/* Never came back, or beyond the sample's end: may have happened, or not. */
	op->end = LIN_NEVER;
	return act > LIN_SEE_PRESENT;
}

static void add_final(struct check *c, uint64_t key)
{
	struct lin_op *op = &c->history.ops[c->history.nr];
	bool present;
	uint64_t nonce;

	if (!c->final || c->trial->lin.cut_short || !c->final(c->arg, key, &present, &nonce))
		return;
	*op = (struct lin_op){
		.start = c->last + 1,
		.end = c->last + 2,
		.nonce = present ? nonce : 0,
		.worker = LIN_FINAL,
		.act = present ? LIN_READ : LIN_SEE_ABSENT,
		.kind = OP_SEARCH,
		.outcome = present ? OUTCOME_OK : OUTCOME_MISS,
	};
	c->history.nr++;
}

static void violated(struct check *c, uint64_t key, const struct lin_violation *violation)
{
	struct trial *trial = c->trial;

	trial->errors++;
	trial->lin.violations++;
	if (trial->history)
		return; /* one is shown */
	trial->history = lin_explain(c->search, &c->history, key, violation, c->ns_per_tick);
	if (trial->status == TRIAL_FAILED)
		return;
	trial->status = TRIAL_FAILED;
	snprintf(trial->reason, sizeof(trial->reason), "key %llu is not linearizable: %s",
		 (unsigned long long)key, violation->what);
}

static void check_key(struct check *c, uint64_t key, const struct lin_pair *refs, uint32_t nr)
{
	struct lin_summary *sum = &c->trial->lin;
	struct lin_violation violation;
	enum lin_verdict verdict;

	if (lin_history_reserve(&c->history, nr + 1)) {
		c->no_memory = true;
		return;
	}
	c->history.nr = 0;
	for (uint32_t i = 0; i < nr; i++)
		c->history.nr += make_op(c, refs[i].idx, &c->history.ops[c->history.nr]);
	sum->keys++;
	sum->operations += nr;
	add_final(c, key);
	initial_state(c, key, &c->history);
	lin_history_prepare(&c->history);
	if (!lin_witness(&c->history, &violation)) {
		violated(c, key, &violation);
		return;
	}
	verdict = lin_search_whole(c->search, &c->history, &violation);
	if (verdict == LIN_VIOLATED)
		violated(c, key, &violation);
	else if (verdict == LIN_UNDECIDED)
		sum->undecided_keys++;
	else if (verdict == LIN_NO_MEMORY)
		c->no_memory = true;
	else
		sum->searched += nr;
}

static void check_bucket(struct check *c, uint32_t from, uint32_t to)
{
	uint32_t nr = to - from, worker;

	if (nr > c->room) {
		free(c->pairs);
		c->room = nr < 4096 ? 4096 : nr;
		c->pairs = malloc(2 * (size_t)c->room * sizeof(*c->pairs));
		if (!c->pairs) {
			c->room = 0;
			c->no_memory = true;
			return;
		}
	}
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t reference = c->order[from + i];

		c->pairs[i] = (struct lin_pair){ lin_key(record_at(c, reference, &worker)),
						 reference };
	}
	lin_sort_pairs(c->pairs, c->pairs + c->room, nr);
	for (uint32_t i = 0, next; i < nr; i = next) {
		for (next = i + 1; next < nr && c->pairs[next].at == c->pairs[i].at;)
			next++;
		check_key(c, c->pairs[i].at, c->pairs + i, next - i);
	}
}

/* For every key, sampled or not: what was there, plus inserts, less removes. */
static void check_balance(struct check *c, const volatile int *stop)
{
	uint64_t key;

	if (!c->final || !c->lin->logs[0].net)
		return;
	for (key = 0; key < c->params->keyspace && !*stop; key++) {
		int64_t net = key < c->params->preload;
		bool present;
		uint64_t nonce;

		for (uint32_t i = 0; i < c->lin->nr_logs; i++)
			net += c->lin->logs[i].net[key];
		if (!c->final(c->arg, key, &present, &nonce) || net == present)
			continue;
		c->trial->errors++;
		if (c->trial->status == TRIAL_FAILED)
			continue;
		c->trial->status = TRIAL_FAILED;
		snprintf(c->trial->reason, sizeof(c->trial->reason),
			 "key %llu is %s, though its inserts less its removes are %lld",
			 (unsigned long long)key, present ? "there" : "not there", (long long)net);
	}
	c->trial->lin.balanced_keys = key;
}

void lin_check(const struct lin *lin, const struct params *params, uint32_t trial_number,
	       lin_final_fn final, void *arg, double ns_per_tick, const volatile int *stop,
	       struct trial *trial)
{
	struct check c = {
		.lin = lin,
		.params = params,
		.trial_number = trial_number,
		.final = final,
		.arg = arg,
		.ns_per_tick = ns_per_tick,
		.trial = trial,
	};
	uint64_t start = shmht_monotonic_ns();
	uint32_t b = 0;

	trial->lin.ran = true;
	look_over(&c);
	c.search = lin_search_create();
	c.no_memory = !c.search || !fill_buckets(&c);
	for (; !c.no_memory && !*stop && b < 1u << c.bits; b++)
		check_bucket(&c, c.starts[b], c.starts[b + 1]);
	check_balance(&c, stop);
	if (c.no_memory && trial->status == TRIAL_OK) {
		trial->status = TRIAL_NOT_MEASURED;
		snprintf(trial->reason, sizeof(trial->reason),
			 "no memory to check linearizability of the recorded operations");
	}
	trial->lin.seconds = (double)(shmht_monotonic_ns() - start) * 1e-9;
	lin_search_free(c.search);
	lin_history_free(&c.history);
	free(c.pairs);
	free(c.order);
	free(c.starts);
}
