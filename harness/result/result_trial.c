/* SPDX-License-Identifier: MIT */
/*
 * One trial as JSON: what it brought home, per operation and per worker.
 * What was not measured is null; a measured nothing is 0.
 */
#include <math.h>
#include <stdlib.h>

#include "result/hdr.h"
#include "result/result_internal.h"
#include "stats/fairness.h"
#include "stats/stats.h"

#define SAMPLES_ABOVE_MIN 10 /* fewer above a percentile do not tell where it is */

static json_t *percentile(const struct hist *hist, double fraction)
{
	double value;

	if (hist_samples_above(hist, fraction) < SAMPLES_ABOVE_MIN)
		return json_null();
	/* A bucket's midpoint may lie beyond the exact extremes. */
	value = hist_percentile(hist, fraction);
	return result_number(fmin(fmax(value, (double)hist->min_ns), (double)hist->max_ns));
}

/* all_timed: every operation was, so that the maximum is one. */
json_t *result_latency_object(const struct hist *hist, bool all_timed)
{
	static const struct {
		const char *key;
		double fraction;
	} percentiles[] = {
		{ "p50_ns", 0.5 },    { "p90_ns", 0.9 },      { "p99_ns", 0.99 },
		{ "p999_ns", 0.999 }, { "p9999_ns", 0.9999 },
	};
	bool any = hist->count > 0;
	char *hdr = any ? hdr_encode(hist) : NULL;
	json_t *object = json_object();
	int rc = 0;

	rc |= json_object_set_new(object, "count", result_count(hist->count));
	rc |= json_object_set_new(object, "min_ns", any ? result_count(hist->min_ns) : json_null());
	rc |= json_object_set_new(object, "mean_ns", result_number(any ? hist_mean(hist) : NAN));
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		rc |= json_object_set_new(object, percentiles[i].key,
					  percentile(hist, percentiles[i].fraction));
	rc |= json_object_set_new(object, "max_ns",
				  any && all_timed ? result_count(hist->max_ns) : json_null());
	rc |= json_object_set_new(object, "max_sampled_ns",
				  any ? result_count(hist->max_ns) : json_null());
	rc |= json_object_set_new(object, "hdr", result_string(hdr));
	free(hdr);
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* Response times exist in an open loop only; there every operation is timed. */
json_t *result_ops_object(const struct params *params, const struct hist merged[HIST_CLASSES],
			  bool response)
{
	struct hist *scratch;
	bool all_timed = params->rate || params->latency == LATENCY_EVERY;
	json_t *object;
	int rc = 0;

	if (response ? !params->rate : !params->rate && params->latency == LATENCY_OFF)
		return json_null();
	scratch = malloc(sizeof(*scratch));
	if (!scratch)
		return NULL;
	object = json_object();
	for (size_t i = 0; i < RESULT_OPS; i++) {
		if (!result_op_in_mix(&result_ops[i], params))
			continue;
		hist_reset(scratch);
		for (int class = 0; class < HIST_CLASSES; class ++)
			if (result_ops[i].classes >> class & 1u)
				hist_merge(scratch, &merged[class]);
		rc |= json_object_set_new(object, result_ops[i].name,
					  result_latency_object(scratch, all_timed));
	}
	free(scratch);
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *latencies(const struct params *params, const struct trial *trial, bool response)
{
	struct hist *merged = calloc(HIST_CLASSES, sizeof(*merged));
	json_t *object;

	if (!merged)
		return NULL;
	for (uint32_t w = 0; w < trial->nr_workers; w++)
		for (int class = 0; class < HIST_CLASSES; class ++)
			hist_merge(&merged[class], response ? &trial->workers[w].response[class] :
							      &trial->workers[w].service[class]);
	object = result_ops_object(params, merged, response);
	free(merged);
	return object;
}

static json_t *wait_object(const struct trial *trial, struct hist *scratch)
{
	hist_reset(scratch);
	for (uint32_t w = 0; w < trial->nr_workers; w++)
		hist_merge(scratch, &trial->workers[w].wait);
	return result_latency_object(scratch, true);
}

/* Where every operation is timed, none has room for more clock reads. */
static bool samples_locks(const struct params *params, const struct trial *trial)
{
	return !trial->target && !trial->torture && !params->rate &&
	       params->latency == LATENCY_SAMPLED;
}

static json_t *hold_object(const struct trial *trial, struct hist *scratch)
{
	hist_reset(scratch);
	for (uint32_t w = 0; w < trial->nr_workers; w++)
		hist_merge(scratch, &trial->workers[w].held);
	return result_latency_object(scratch, false);
}

static double stalled_share(const struct trial *trial)
{
	double stalled_s = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++)
		stalled_s += (double)trial->workers[w].stalled_ns * 1e-9;
	return stalled_s / (trial->nr_workers * trial->seconds);
}

/* Keys, not calls; of search_many only where it was asked for. */
static json_t *outcomes_object(const struct params *params, const struct trial *trial)
{
	json_t *outcomes = json_object();
	int rc = 0;

	for (int op = 0; op < OP_NR; op++) {
		json_t *of_op;

		if (op == OP_SEARCH_MANY && params->mix[op] <= 0)
			continue;
		of_op = json_object();
		for (int outcome = 0; outcome < OUTCOME_NR; outcome++) {
			uint64_t sum = 0;

			for (uint32_t w = 0; w < trial->nr_workers; w++)
				sum += trial->workers[w].outcomes[op][outcome];
			rc |= json_object_set_new(of_op, outcome_names[outcome], result_count(sum));
		}
		rc |= json_object_set_new(outcomes, op_names[op], of_op);
	}
	if (rc) {
		json_decref(outcomes);
		return NULL;
	}
	return outcomes;
}

static json_t *split_object(const struct hist *hist)
{
	bool any = hist->count > 0;

	return json_pack("{s:o, s:o, s:o}", "count", result_count(hist->count), "mean_ns",
			 result_number(any ? hist_mean(hist) : NAN), "max_sampled_ns",
			 any ? result_count(hist->max_ns) : json_null());
}

/* timed: how long the lock was waited for and held was sampled. */
static json_t *lock_object(const struct worker_result *worker, bool timed)
{
	const struct shmht_lock_stats *lock = &worker->lock;
	json_t *object = json_object();
	int rc = 0;

	rc |= json_object_set_new(object, "acquired", result_count(lock->acquired));
	rc |= json_object_set_new(object, "contended", result_count(lock->contended));
	rc |= json_object_set_new(object, "spins", result_count(lock->spins));
	rc |= json_object_set_new(object, "parks", result_count(lock->parks));
	rc |= json_object_set_new(object, "wakes", result_count(lock->wakes));
	rc |= json_object_set_new(object, "reacquired", result_count(lock->reacquired));
	rc |= json_object_set_new(object, "yields", result_count(lock->yields));
	rc |= json_object_set_new(object, "recovered", result_count(lock->recovered));
	rc |= json_object_set_new(object, "timeouts", result_count(lock->timeouts));
	rc |= json_object_set_new(object, "wait_ns",
				  timed ? split_object(&worker->held_wait) : json_null());
	rc |= json_object_set_new(object, "hold_ns",
				  timed ? split_object(&worker->held) : json_null());
	rc |= json_object_set_new(object, "hold_again_ns",
				  timed ? split_object(&worker->held_again) : json_null());
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* target: its locks and waits are not known. */
static json_t *worker_object(const struct worker_result *worker, bool target, bool timed)
{
	json_t *object = json_object();
	int rc = 0;

	rc |= json_object_set_new(object, "pid", json_integer(worker->pid));
	rc |= json_object_set_new(object, "tid", json_integer(worker->tid));
	rc |= json_object_set_new(object, "cpu",
				  worker->cpu < 0 ? json_null() : json_integer(worker->cpu));
	rc |= json_object_set_new(object, "ops", result_count(worker->ops));
	rc |= json_object_set_new(object, "user_s", result_number(worker->user_s));
	rc |= json_object_set_new(object, "sys_s", result_number(worker->sys_s));
	rc |= json_object_set_new(object, "vol_ctx", result_count(worker->vol_ctx));
	rc |= json_object_set_new(object, "invol_ctx", result_count(worker->invol_ctx));
	rc |= json_object_set_new(object, "run_delay_s", result_number(worker->run_delay_s));
	rc |= json_object_set_new(object, "minor_faults", result_count(worker->minor_faults));
	rc |= json_object_set_new(object, "lock",
				  target ? json_null() : lock_object(worker, timed));
	rc |= json_object_set_new(object, "stalled_s",
				  result_number(target ? NAN : (double)worker->stalled_ns * 1e-9));
	rc |= json_object_set_new(object, "longest_gap_ns", result_count(worker->longest_gap.ns));
	rc |= json_object_set_new(object, "longest_wait_ns",
				  target ? json_null() : result_count(worker->longest_wait_ns));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *workers_array(const struct params *params, const struct trial *trial)
{
	json_t *workers = json_array();
	int rc = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++)
		rc |= json_array_append_new(workers,
					    worker_object(&trial->workers[w], trial->target,
							  samples_locks(params, trial)));
	if (rc) {
		json_decref(workers);
		return NULL;
	}
	return workers;
}

static json_t *starved_by(const struct trial *trial)
{
	static const char *const names[] = { NULL, "lock", "scheduler" };
	uint64_t *gaps = calloc(2 * (size_t)trial->nr_workers, sizeof(*gaps));
	enum starved starved;

	if (!gaps)
		return NULL;
	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		gaps[w] = trial->workers[w].longest_gap.ns;
		gaps[trial->nr_workers + w] = trial->workers[w].longest_wait_ns;
	}
	starved = fairness_judge(gaps, gaps + trial->nr_workers, trial->nr_workers);
	free(gaps);
	return result_string(names[starved]);
}

/* One worker alone is neither treated fairly nor unfairly: null. */
static json_t *fairness_object(const struct trial *trial)
{
	double *ops = calloc(trial->nr_workers, sizeof(*ops)), least = INFINITY, most = 0;
	double jain = NAN, ratio = NAN;

	if (!ops)
		return NULL;
	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		ops[w] = (double)trial->workers[w].ops;
		least = fmin(least, ops[w]);
		most = fmax(most, ops[w]);
	}
	if (trial->nr_workers > 1 && most > 0) {
		jain = stats_jain(ops, trial->nr_workers);
		ratio = least / most;
	}
	free(ops);
	return json_pack("{s:o, s:o, s:o}", "jain", result_number(jain), "min_over_max",
			 result_number(ratio), "starved_by", starved_by(trial));
}

/* null: not asked for. */
static json_t *linearizable_object(const struct trial *trial)
{
	const struct lin_summary *lin = &trial->lin;

	if (!lin->ran)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "operations",
			 result_count(lin->operations), "searched", result_count(lin->searched),
			 "keys", result_count(lin->keys), "undecided_keys",
			 result_count(lin->undecided_keys), "violations",
			 result_count(lin->violations), "balanced_keys",
			 result_count(lin->balanced_keys), "key_share",
			 result_number(lin->key_share), "cut_short", (int)lin->cut_short, "seconds",
			 result_number(lin->seconds), "history", result_string(trial->history));
}

static json_t *integrity_object(const struct params *params, const struct trial *trial)
{
	bool none = params->verify == VERIFY_OFF && trial->checked == 0 && trial->errors == 0;

	return json_pack("{s:o, s:o, s:o}", "checked",
			 none ? json_null() : result_count(trial->checked), "errors",
			 none ? json_null() : result_count(trial->errors), "linearizable",
			 linearizable_object(trial));
}

static const char *pages_name(enum shmht_pages pages)
{
	switch (pages) {
	case SHMHT_PAGES_4K:
		return "4k";
	case SHMHT_PAGES_THP:
		return "thp";
	case SHMHT_PAGES_2M:
		return "2m";
	}
	return NULL;
}

static json_t *noise_object(const struct noise *noise)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "disturbed", (int)noise->disturbed, "why",
			 noise->disturbed ? json_string(noise->why) : json_null(), "steal",
			 result_number(noise->known ? noise->steal : NAN), "foreign",
			 result_number(noise->known ? noise->foreign : NAN), "clock_jump_s",
			 result_number(noise->known ? noise->clock_jump_s : NAN));
}

/* What only a trial that ran to its end can have; else every key is null. */
static int add_measurements(json_t *object, const struct params *params, const struct trial *trial,
			    const char *calls_reason)
{
	static const char *const keys[] = { "seconds",	 "ops",	    "ops_per_s", "latency",
					    "wait",	 "stalled", "outcomes",	 "fairness",
					    "integrity", "rate",    "intervals", "kernel",
					    "noise",	 "phases",  "hold" };
	struct hist *scratch;
	int rc = 0;

	if (trial->status == TRIAL_NOT_MEASURED || !trial->nr_workers || !(trial->seconds > 0)) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			rc |= json_object_set_new(object, keys[i], json_null());
		return rc;
	}
	scratch = malloc(sizeof(*scratch));
	if (!scratch)
		return -1;
	rc |= json_object_set_new(object, "seconds", result_number(trial->seconds));
	rc |= json_object_set_new(object, "ops", result_count(trial->ops));
	rc |= json_object_set_new(object, "ops_per_s",
				  result_number((double)trial->ops / trial->seconds));
	rc |= json_object_set_new(object, "latency",
				  json_pack("{s:o, s:o}", "service",
					    latencies(params, trial, false), "response",
					    latencies(params, trial, true)));
	rc |= json_object_set_new(object, "wait",
				  trial->target ? json_null() : wait_object(trial, scratch));
	rc |= json_object_set_new(object, "hold",
				  samples_locks(params, trial) ? hold_object(trial, scratch) :
								 json_null());
	rc |= json_object_set_new(object, "stalled",
				  result_number(trial->target ? NAN : stalled_share(trial)));
	rc |= json_object_set_new(object, "outcomes", outcomes_object(params, trial));
	rc |= json_object_set_new(object, "fairness", fairness_object(trial));
	rc |= json_object_set_new(object, "integrity", integrity_object(params, trial));
	rc |= json_object_set_new(object, "rate", result_rate_object(params, trial));
	rc |= json_object_set_new(object, "intervals", result_intervals_array(params, trial));
	rc |= json_object_set_new(object, "kernel", result_kernel_object(trial, calls_reason));
	rc |= json_object_set_new(object, "noise", noise_object(&trial->noise));
	rc |= json_object_set_new(object, "phases", result_phases_array(params, trial));
	free(scratch);
	return rc;
}

static json_t *text_or_null(const char *text)
{
	return result_string(text[0] ? text : NULL);
}

json_t *result_trial_object(const struct params *params, const struct trial *trial,
			    const char *calls_reason)
{
	static const char *const statuses[] = {
		[TRIAL_OK] = "ok", [TRIAL_FAILED] = "failed", [TRIAL_NOT_MEASURED] = "not_measured"
	};
	json_t *object = json_object();
	int rc = 0;

	rc |= json_object_set_new(object, "trial", result_count(trial->index));
	rc |= json_object_set_new(object, "status", json_string(statuses[trial->status]));
	rc |= json_object_set_new(object, "reason", text_or_null(trial->reason));
	rc |= json_object_set_new(object, "op_stream_hash", result_hex(trial->op_stream_hash));
	rc |= add_measurements(object, params, trial, calls_reason);
	/* Under torture they come and go, and only their sums are kept. */
	rc |= json_object_set_new(object, "workers",
				  trial->torture ? json_null() : workers_array(params, trial));
	if (trial->torture)
		rc |= json_object_set_new(object, "recovery", result_torture_object(trial));
	rc |= json_object_set_new(object, "warmup_s", result_number(trial->warmup_s));
	rc |= json_object_set_new(object, "steady",
				  params->steady_slope > 0 ? json_boolean(trial->steady) :
							     json_null());
	rc |= json_object_set_new(object, "pages", result_string(pages_name(trial->pages_had)));
	rc |= json_object_set_new(object, "pages_reason", text_or_null(trial->pages_reason));
	rc |= json_object_set_new(object, "region_bytes",
				  trial->target ? json_null() : result_count(trial->region_bytes));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *result_kernel_trial_object(const struct params *params, const struct trial *trial)
{
	static const char *const figures[] = { "trial",	  "status",   "reason", "op_stream_hash",
					       "seconds", "ops",      "kernel", "outcomes",
					       "workers", "integrity" };
	json_t *whole = result_trial_object(params, trial, NULL), *object = json_object();
	int rc = whole && object ? 0 : -1;

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]) && !rc; i++)
		rc |= json_object_set(object, figures[i], json_object_get(whole, figures[i]));
	json_decref(whole);
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}
