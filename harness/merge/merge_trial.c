/* SPDX-License-Identifier: MIT */
/*
 * All samples of several trials as one trial. Histograms and counts are sums;
 * seconds are added too, so that ops_per_s is the mean rate of one host over the
 * time measured. What is no sum (fairness, a schedule, intervals) is null.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "merge/merge.h"
#include "result/result_internal.h"
#include "stats/hist.h"

/* The H over each trial's H at latency.CLOCK.OP, or at "wait" when clock is NULL. */
static const json_t *latency_at(const json_t *trial, const char *clock, const char *op)
{
	const json_t *latency = json_object_get(trial, "latency");

	if (!clock)
		return json_object_get(trial, op);
	return json_object_get(json_object_get(latency, clock), op);
}

/* *ret_latency is NULL where no trial has one. */
static int merge_latency(const json_t *trials, const char *clock, const char *op,
			 struct hist *scratch, json_t **ret_latency)
{
	bool any = false, all_timed = true;

	*ret_latency = NULL;
	hist_reset(scratch);
	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k), *latency;
		int r;

		latency = latency_at(trial, clock, op);
		if (!result_trial_is_ok(trial) || !json_is_object(latency))
			continue;
		r = result_add_hist(latency, scratch);
		if (r && r != -ENOENT)
			return r;
		any = true;
		all_timed &= r == -ENOENT || !isnan(result_get_number(latency, "max_ns"));
	}
	if (!any)
		return 0;
	*ret_latency = result_latency_object(scratch, all_timed);
	return *ret_latency ? 0 : -ENOMEM;
}

/* OP by OP; null where no trial has that clock. */
static int merge_clock(const json_t *trials, const char *clock, struct hist *scratch,
		       json_t **ret_ops)
{
	json_t *ops = json_object(), *latency;
	int r = ops ? 0 : -ENOMEM;

	for (size_t i = 0; i < RESULT_OPS && !r; i++) {
		r = merge_latency(trials, clock, result_ops[i].name, scratch, &latency);
		if (!r && latency && json_object_set_new(ops, result_ops[i].name, latency))
			r = -ENOMEM;
	}
	if (r || !json_object_size(ops)) {
		json_decref(ops);
		ops = json_null();
	}
	*ret_ops = ops;
	return r;
}

/* NaN when some trial does not have it: a sum of the others would be too small. */
static double sum_of(const json_t *trials, const char *object, const char *key)
{
	double sum = 0;

	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);

		if (result_trial_is_ok(trial))
			sum += result_get_number(object ? json_object_get(trial, object) : trial,
						 key);
	}
	return sum;
}

static double sum_of_outcome(const json_t *trials, const char *op, const char *outcome)
{
	double sum = 0;

	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);

		if (result_trial_is_ok(trial))
			sum += result_get_number(
				json_object_get(json_object_get(trial, "outcomes"), op), outcome);
	}
	return sum;
}

static bool any_has_outcome(const json_t *trials, const char *op)
{
	for (size_t k = 0; k < json_array_size(trials); k++)
		if (json_object_get(json_object_get(json_array_get(trials, k), "outcomes"), op))
			return true;
	return false;
}

static json_t *merge_outcomes(const json_t *trials)
{
	json_t *outcomes = json_object();
	int rc = 0;

	for (int op = 0; op < OP_NR; op++) {
		json_t *of_op;

		if (op == OP_SEARCH_MANY && !any_has_outcome(trials, op_names[op]))
			continue;
		of_op = json_object();
		for (int i = 0; i < OUTCOME_NR; i++)
			rc |= json_object_set_new(of_op, outcome_names[i],
						  result_number(sum_of_outcome(trials, op_names[op],
									       outcome_names[i])));
		rc |= json_object_set_new(outcomes, op_names[op], of_op);
	}
	if (rc) {
		json_decref(outcomes);
		return NULL;
	}
	return outcomes;
}

/* What cannot be added up, but a reader may look for. */
static int add_nulls(json_t *trial)
{
	static const char *const keys[] = { "reason",	"op_stream_hash", "stalled", "fairness",
					    "workers",	"rate",		  "kernel",  "intervals",
					    "warmup_s", "steady",	  "pages",   "phases" };
	int rc = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		rc |= json_object_set_new(trial, keys[i], json_null());
	return rc;
}

static int add_sums(json_t *trial, const json_t *trials)
{
	double ops = sum_of(trials, NULL, "ops"), seconds = sum_of(trials, NULL, "seconds");
	int rc = 0;

	rc |= json_object_set_new(trial, "trial", json_integer(0));
	rc |= json_object_set_new(trial, "status", json_string("ok"));
	rc |= json_object_set_new(trial, "seconds", result_number(seconds));
	rc |= json_object_set_new(trial, "ops", result_number(ops));
	rc |= json_object_set_new(trial, "ops_per_s", result_number(ops / seconds));
	rc |= json_object_set_new(trial, "outcomes", merge_outcomes(trials));
	rc |= json_object_set_new(trial, "integrity",
				  json_pack("{s:o, s:o}", "checked",
					    result_number(sum_of(trials, "integrity", "checked")),
					    "errors",
					    result_number(sum_of(trials, "integrity", "errors"))));
	return rc | add_nulls(trial);
}

int merge_trials(const json_t *trials, json_t **ret_trial)
{
	struct hist *scratch = malloc(sizeof(*scratch));
	json_t *trial = json_object(), *service = NULL, *response = NULL, *wait = NULL;
	json_t *hold = NULL;
	int r = scratch && trial && !add_sums(trial, trials) ? 0 : -ENOMEM;

	if (!r)
		r = merge_clock(trials, "service", scratch, &service);
	if (!r)
		r = merge_clock(trials, "response", scratch, &response);
	if (!r)
		r = merge_latency(trials, NULL, "wait", scratch, &wait);
	if (!r)
		r = merge_latency(trials, NULL, "hold", scratch, &hold);
	free(scratch);
	if (r) {
		json_decref(service);
		json_decref(response);
		json_decref(wait);
		json_decref(trial);
		return r;
	}
	if (json_object_set_new(trial, "latency",
				json_pack("{s:o, s:o}", "service", service, "response", response)) |
	    json_object_set_new(trial, "wait", wait ? wait : json_null()) |
	    json_object_set_new(trial, "hold", hold ? hold : json_null())) {
		json_decref(trial);
		return -ENOMEM;
	}
	*ret_trial = trial;
	return 0;
}
