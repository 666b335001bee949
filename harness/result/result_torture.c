/* SPDX-License-Identifier: MIT */
/*
 * recovery{}: what torture did to a trial's workers and what came of it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"
#include "stats/stats.h"

static json_t *strands_object(const struct torture_outcome *outcome)
{
	double low, high, share = NAN;

	stats_share_interval(outcome->strands, outcome->strands_of, &low, &high);
	if (outcome->strands_of)
		share = (double)outcome->strands / (double)outcome->strands_of;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "count", result_count(outcome->strands),
			 "of", result_count(outcome->strands_of), "share", result_number(share),
			 "low", result_number(low), "high", result_number(high), "method",
			 "Clopper-Pearson");
}

static json_t *rates_array(const double *rates, uint32_t nr)
{
	json_t *array = json_array();
	int rc = 0;

	for (uint32_t i = 0; i < nr; i++)
		rc |= json_array_append_new(array, result_number(rates[i]));
	if (rc) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *ratio_object(const struct interval *ratio)
{
	return json_pack("{s:o, s:o, s:o, s:s}", "ratio", result_number(ratio->median), "low",
			 result_number(ratio->low), "high", result_number(ratio->high), "method",
			 ratio->method);
}

/* After the storm, over a table that had none: of windows that were side by side, so that
 * a machine that changes its speed within the minutes of a storm changes both. */
static json_t *fresh_object(const struct torture_outcome *outcome)
{
	double *logs = calloc(outcome->nr_fresh + 1, sizeof(*logs));
	struct interval ratio;

	for (uint32_t i = 0; logs && i < outcome->nr_fresh; i++)
		logs[i] = log(outcome->after[i] / outcome->fresh[i]);
	stats_median_interval(logs, logs ? outcome->nr_fresh : 0, &ratio);
	ratio.median = exp(ratio.median);
	ratio.low = exp(ratio.low);
	ratio.high = exp(ratio.high);
	free(logs);
	return ratio_object(&ratio);
}

/* Rates of windows, and what they are after the storm to what they were before it. */
static json_t *throughput_object(const struct torture_outcome *outcome)
{
	struct interval ratio;
	json_t *object;
	int rc = 0;

	stats_ratio_interval(outcome->before, outcome->nr_before, outcome->after, outcome->nr_after,
			     &ratio);
	object = ratio_object(&ratio);
	rc |= json_object_set_new(object, "before",
				  rates_array(outcome->before, outcome->nr_before));
	rc |= json_object_set_new(object, "after", rates_array(outcome->after, outcome->nr_after));
	rc |= json_object_set_new(object, "fresh", rates_array(outcome->fresh, outcome->nr_fresh));
	rc |= json_object_set_new(object, "to_fresh",
				  outcome->nr_fresh ? fresh_object(outcome) : json_null());
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *timeouts_object(const struct torture_outcome *outcome)
{
	static const char *const names[] = { "holder_unknown", "holder_running", "holder_stopped",
					     "holder_dead" };
	json_t *object = json_object();
	int rc = json_object_set_new(object, "count", result_count(outcome->timeouts));

	for (int s = 0; s < 4; s++)
		rc |= json_object_set_new(object, names[s],
					  result_count(outcome->timeouts_by_state[s]));
	rc |= json_object_set_new(object, "late", result_latency_object(&outcome->late, true));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *quota_object(const struct torture_outcome *outcome)
{
	if (!outcome->has_quota)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "periods", result_count(outcome->quota_periods),
			 "throttled", result_count(outcome->quota_throttled), "held_over_2ms",
			 result_count(outcome->quota_held));
}

json_t *result_torture_object(const struct trial *trial)
{
	const struct torture_outcome *outcome = trial->torture;
	json_t *object = json_object();
	int rc = 0;

	rc |= json_object_set_new(object, "recovers", json_boolean(outcome->recovers));
	rc |= json_object_set_new(object, "storm_s", result_number(outcome->storm_s));
	rc |= json_object_set_new(object, "kills", result_count(outcome->kills));
	rc |= json_object_set_new(object, "kills_at_place",
				  outcome->has_place ? result_count(outcome->kills_at_place) :
						       json_null());
	rc |= json_object_set_new(object, "stops", result_count(outcome->stops));
	rc |= json_object_set_new(object, "leaves", result_count(outcome->leaves));
	rc |= json_object_set_new(object, "respawns", result_count(outcome->respawns));
	rc |= json_object_set_new(object, "quota", quota_object(outcome));
	rc |= json_object_set_new(object, "aimed_missed", result_count(outcome->aimed_missed));
	rc |= json_object_set_new(object, "recoveries", result_count(outcome->recovered));
	rc |= json_object_set_new(object, "cut_off_done", result_count(outcome->resolved_done));
	rc |= json_object_set_new(object, "cut_off_undone", result_count(outcome->resolved_undone));
	rc |= json_object_set_new(object, "strands", strands_object(outcome));
	rc |= json_object_set_new(object, "timeouts", timeouts_object(outcome));
	rc |= json_object_set_new(object, "recovery",
				  result_latency_object(&outcome->recovery, true));
	rc |= json_object_set_new(object, "wait_before",
				  result_latency_object(&outcome->wait_before, true));
	rc |= json_object_set_new(object, "wait_storm",
				  result_latency_object(&outcome->wait_storm, true));
	rc |= json_object_set_new(object, "throughput", throughput_object(outcome));
	rc |= json_object_set_new(object, "stuck",
				  result_string(outcome->stuck[0] ? outcome->stuck : NULL));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}
