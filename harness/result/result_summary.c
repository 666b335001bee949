/* SPDX-License-Identifier: MIT */
/*
 * What the trials of a point say together: medians with intervals, the plain
 * figures of the table, flags, and whether expectations were met. Works on the
 * trials as they stand in the document, so that a reader of the document can
 * recompute all of it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"
#include "stats/stats.h"

static json_t *interval_object(const json_t *trials, const char *metric)
{
	struct interval interval;
	double *values;
	size_t nr = result_metric(trials, metric, &values);

	stats_median_interval(values, nr, &interval);
	free(values);
	return result_interval(&interval);
}

/* Response times in an open loop, with the service times beside them. */
static json_t *op_object(bool open, const json_t *trials, const char *op)
{
	static const char *const percentiles[] = { "p50", "p99", "p999" };
	json_t *object = json_object();
	char metric[64], key[24];
	int rc = 0;

	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
		snprintf(metric, sizeof(metric), "%s.%s", op, percentiles[i]);
		snprintf(key, sizeof(key), "%s_ns", percentiles[i]);
		rc |= json_object_set_new(object, key, interval_object(trials, metric));
	}
	for (size_t i = 0; open && i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
		snprintf(metric, sizeof(metric), "service.%s.%s", op, percentiles[i]);
		snprintf(key, sizeof(key), "service_%s_ns", percentiles[i]);
		rc |= json_object_set_new(object, key, interval_object(trials, metric));
	}
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* Sums over the trials with status ok; a figure not in there makes the ratio NaN. */
struct totals {
	double ops, cpu_s, stalled_s, worker_s;
	double hits, searches;
	double held_ns, held; /* sampled sections of the lock: together, and how many */
	double worst_wait_ns; /* NaN: no acquire had to wait, or not known */
};

static void add_workers(struct totals *totals, const json_t *trial)
{
	const json_t *workers = json_object_get(trial, "workers");
	double seconds = result_get_number(trial, "seconds");

	if (!json_is_array(workers))
		totals->cpu_s = NAN; /* not kept: torture */
	for (size_t i = 0; i < json_array_size(workers); i++) {
		const json_t *worker = json_array_get(workers, i);

		totals->cpu_s += result_get_number(worker, "user_s") +
				 result_get_number(worker, "sys_s");
		totals->stalled_s += result_get_number(worker, "stalled_s");
		totals->worker_s += seconds;
	}
}

/* Both kinds of search count their keys; one that is not in the mix adds nothing. */
static void add_hits(struct totals *totals, const json_t *outcomes)
{
	static const enum op_kind kinds[] = { OP_SEARCH, OP_SEARCH_MANY };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *search = json_object_get(outcomes, op_names[kinds[i]]);

		if (!search && kinds[i] == OP_SEARCH_MANY)
			continue;
		totals->hits += result_get_number(search, "ok");
		totals->searches += result_get_number(search, "ok") +
				    result_get_number(search, "miss");
	}
}

/* A trial without samples adds nothing. */
static void add_held(struct totals *totals, const json_t *hold)
{
	double nr = result_get_number(hold, "count"), mean = result_get_number(hold, "mean_ns");

	if (!(nr > 0) || !(mean >= 0))
		return;
	totals->held_ns += nr * mean;
	totals->held += nr;
}

static void add_totals(struct totals *totals, const json_t *trials)
{
	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);

		if (!result_trial_is_ok(trial))
			continue;
		totals->ops += result_get_number(trial, "ops");
		add_held(totals, json_object_get(trial, "hold"));
		add_hits(totals, json_object_get(trial, "outcomes"));
		totals->worst_wait_ns = fmax(totals->worst_wait_ns,
					     result_get_number(json_object_get(trial, "wait"),
							       "max_ns"));
		add_workers(totals, trial);
	}
}

/* The median: one trial in which a worker starved does not stand for the point. */
static double median_min_over_max(const json_t *trials)
{
	size_t nr = 0, len = json_array_size(trials);
	double *values = calloc(len + 1, sizeof(*values));
	double median;

	if (!values)
		return NAN;
	for (size_t i = 0; i < len; i++) {
		const json_t *trial = json_array_get(trials, i);

		if (!result_trial_is_ok(trial))
			continue;
		values[nr] = result_get_number(json_object_get(trial, "fairness"), "min_over_max");
		nr += isfinite(values[nr]);
	}
	median = stats_median(values, nr);
	free(values);
	return median;
}

/* NaN: not counted in some trial, or no trial was measured. */
static double calls_per_op(const json_t *trials)
{
	double calls = 0, ops = 0;

	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);

		if (!result_trial_is_ok(trial))
			continue;
		ops += result_get_number(trial, "ops");
		calls += result_get_number(trial, "ops") *
			 result_get_number(json_object_get(trial, "kernel"), "syscalls_per_op");
	}
	return calls / ops;
}

static int add_table_figures(json_t *summary, const json_t *trials, const json_t *kernel_trials)
{
	const json_t *counted = json_array_size(kernel_trials) ? kernel_trials : trials;
	struct totals totals = { .worst_wait_ns = NAN };
	int rc = 0;

	add_totals(&totals, trials);
	/* 0 / 0 is NaN, which is null: nothing was there to be measured. */
	rc |= json_object_set_new(summary, "worst_wait_ns", result_number(totals.worst_wait_ns));
	rc |= json_object_set_new(summary, "held_ns", result_number(totals.held_ns / totals.held));
	rc |= json_object_set_new(summary, "stalled",
				  result_number(totals.stalled_s / totals.worker_s));
	rc |= json_object_set_new(summary, "cpu_ns_per_op",
				  result_number(totals.cpu_s * 1e9 / totals.ops));
	rc |= json_object_set_new(summary, "kernel_per_op", result_number(calls_per_op(counted)));
	rc |= json_object_set_new(summary, "hit_ratio",
				  result_number(totals.hits / totals.searches));
	rc |= json_object_set_new(summary, "min_over_max",
				  result_number(median_min_over_max(trials)));
	return rc;
}

static unsigned int cpus_to_run_on(const struct params *params, const struct result_cpus *cpus)
{
	unsigned int distinct = 0;

	if (params->pin == PIN_CORES)
		return cpus->cores;
	if (params->pin != PIN_CPUS)
		return cpus->allowed;
	for (uint32_t i = 0; i < params->nr_pin_cpus; i++) {
		bool again = false;

		for (uint32_t k = 0; k < i; k++)
			again |= params->pin_cpus[k] == params->pin_cpus[i];
		distinct += !again;
	}
	return distinct;
}

static bool pages_fell_back(const struct params *params, const json_t *trials)
{
	static const char *const names[] = {
		[SHMHT_PAGES_4K] = "4k", [SHMHT_PAGES_THP] = "thp", [SHMHT_PAGES_2M] = "2m"
	};

	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);
		const char *had = result_get_text(trial, "pages");

		if (result_trial_is_ok(trial) && had && strcmp(had, names[params->pages]) != 0)
			return true;
	}
	return false;
}

/* p99 over all operations: the one that the table shows and people quote. */
static bool has_few_samples(const struct params *params, const json_t *trials)
{
	double *values;
	size_t nr;

	if (params->latency == LATENCY_OFF && !params->rate)
		return false;
	nr = result_metric(trials, "all.p99", &values);
	free(values);
	return nr < result_ok_trials(trials);
}

static bool starved_by(const json_t *trials, const char *whom)
{
	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);
		const char *by = result_get_text(json_object_get(trial, "fairness"), "starved_by");

		if (result_trial_is_ok(trial) && by && strcmp(by, whom) == 0)
			return true;
	}
	return false;
}

static json_t *flags_array(const struct params *params, const json_t *trials,
			   const struct result_cpus *cpus)
{
	json_t *flags = json_array();
	int rc = 0;

	if (result_ok_trials(trials) && params->procs > cpus_to_run_on(params, cpus))
		rc |= json_array_append_new(flags, json_string("oversubscribed"));
	if (pages_fell_back(params, trials))
		rc |= json_array_append_new(flags, json_string("pages-fallback"));
	if (has_few_samples(params, trials))
		rc |= json_array_append_new(flags, json_string("few-samples"));
	if (starved_by(trials, "lock"))
		rc |= json_array_append_new(flags, json_string("starved-by-lock"));
	else if (starved_by(trials, "scheduler"))
		rc |= json_array_append_new(flags, json_string("starved-by-scheduler"));
	rc |= result_add_load_flags(flags, trials);
	if (rc) {
		json_decref(flags);
		return NULL;
	}
	return flags;
}

json_t *result_summary_of(const json_t *trials, const json_t *parts, const json_t *kernel_trials,
			  unsigned int ops, bool open, json_t *flags)
{
	json_t *summary = json_object();
	char note[200];
	int rc = 0;

	rc |= json_object_set_new(summary, "ops_per_s", interval_object(trials, "ops_per_s"));
	for (size_t i = 0; i < RESULT_OPS; i++)
		if (ops >> i & 1u)
			rc |= json_object_set_new(summary, result_ops[i].name,
						  op_object(open, trials, result_ops[i].name));
	rc |= add_table_figures(summary, parts, kernel_trials);
	result_dead_holder(parts, note, sizeof(note));
	if (note[0])
		rc |= json_object_set_new(summary, "dead_holder", result_string(note));
	result_rate_note(parts, note, sizeof(note));
	rc |= json_object_set_new(summary, "loop", json_string(open ? "open" : "closed"));
	rc |= json_object_set_new(summary, "rate_note", result_string(note[0] ? note : NULL));
	rc |= json_object_set_new(summary, "flags", flags);
	if (result_has_phases(parts))
		rc |= json_object_set_new(summary, "phases",
					  result_phases_summary(parts, ops, open));
	if (rc) {
		json_decref(summary);
		return NULL;
	}
	return summary;
}

json_t *result_summary(const struct params *params, const json_t *trials,
		       const json_t *kernel_trials, const struct result_cpus *cpus)
{
	unsigned int ops = 0;

	for (unsigned int i = 0; i < RESULT_OPS; i++)
		ops |= (unsigned int)result_op_in_mix(&result_ops[i], params) << i;
	return result_summary_of(trials, trials, kernel_trials, ops, params->rate != 0,
				 flags_array(params, trials, cpus));
}

/* Of several trials a minimum and a maximum are the extremes, all else is the median. */
static double over_trials(const char *metric, const double *values, size_t nr)
{
	const char *figure = strrchr(metric, '.');
	double least = values[0], most = values[0];
	struct interval interval;

	for (size_t i = 1; i < nr; i++) {
		least = fmin(least, values[i]);
		most = fmax(most, values[i]);
	}
	if (figure && strcmp(figure, ".min") == 0)
		return least;
	if (figure && strcmp(figure, ".max") == 0)
		return most;
	stats_median_interval(values, nr, &interval);
	return interval.median;
}

static const char *why_unmeasured(const struct params *params, const char *metric, size_t nr_ok)
{
	if (!nr_ok)
		return "no trial of this point was measured";
	if (strncmp(metric, "response.", 9) == 0)
		return "response times exist in an open loop only (rate = ...)";
	if (params->latency == LATENCY_OFF && !params->rate)
		return "latency = off measures no times of operations";
	if (strstr(metric, ".max") && params->latency != LATENCY_EVERY && !params->rate)
		return "a maximum needs latency = every";
	return "not in the mix, or fewer than 10 samples above it in some trial: run longer";
}

/* Every ok trial must have it: those with enough samples are not a fair choice. */
static json_t *expectation_object(const struct params *params, const struct expectation *expect,
				  const json_t *trials)
{
	size_t nr_ok = result_ok_trials(trials), nr;
	const char *why = NULL;
	double *values, value = NAN;
	bool met = false;

	nr = result_metric(trials, expect->metric, &values);
	if (nr && nr == nr_ok) {
		value = over_trials(expect->metric, values, nr);
		met = expect->at_least ? value >= expect->bound : value <= expect->bound;
	} else {
		why = why_unmeasured(params, expect->metric, nr_ok);
	}
	free(values);
	return json_pack("{s:o, s:o, s:b, s:o}", "text", result_string(expect->text), "value",
			 result_number(value), "met", (int)met, "reason", result_string(why));
}

json_t *result_expectations(const struct params *params, const json_t *trials)
{
	json_t *list = json_array();
	int rc = 0;

	for (uint32_t i = 0; i < params->nr_expect; i++)
		rc |= json_array_append_new(list,
					    expectation_object(params, &params->expect[i], trials));
	if (rc) {
		json_decref(list);
		return NULL;
	}
	return list;
}
