/* SPDX-License-Identifier: MIT */
/*
 * Phases in a result. One of a trial has the members of a trial that a phase can
 * have, so that a point's summary of it is made by what makes the point's own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"
#include "run/legs.h"
#include "stats/stats.h"
#include "worker/arrival.h"

#define BEHIND_NS 1e6 /* a schedule that late at a phase's end is said */

/* Loading is a closed loop of inserts, whatever the mix and the rate are. */
static struct params params_of_load(const struct params *params)
{
	struct params load = *params;

	memset(load.mix, 0, sizeof(load.mix));
	load.mix[OP_INSERT] = 1;
	load.rate = 0;
	return load;
}

static json_t *rate_object(const struct params *params, const struct leg *leg,
			   const struct leg_result *result)
{
	double plain = (double)params->rate * (params->rate_per_proc ? params->procs : 1);

	if (!params->rate || leg->kind == LEG_LOAD)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "asked_per_s", result_number(plain * leg->factor),
			 "had_per_s", result_number((double)result->ops / result->seconds),
			 "late_ns", result_count(result->late_ns));
}

static json_t *phase_object(const struct params *params, uint32_t i, const struct trial *trial)
{
	const struct leg *leg = &params->legs[i];
	const struct leg_result *result = &trial->legs[i];
	struct params of = leg->kind == LEG_LOAD ? params_of_load(params) : *params;
	char name[64];

	leg_name(params, i, name, sizeof(name));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o}", "name", name, "seconds",
			 result_number(result->seconds), "ops", result_count(result->ops),
			 "ops_per_s", result_number((double)result->ops / result->seconds), "rate",
			 rate_object(params, leg, result), "latency", "service",
			 result_ops_object(&of, result->service, false), "response",
			 result_ops_object(&of, result->response, true), "wait",
			 trial->target || leg->kind == LEG_LOAD ?
				 json_null() :
				 result_latency_object(&result->wait, true));
}

json_t *result_phases_array(const struct params *params, const struct trial *trial)
{
	json_t *phases;
	int rc = 0;

	if (!trial->nr_legs)
		return json_null();
	phases = json_array();
	for (uint32_t i = 0; i < trial->nr_legs; i++)
		rc |= json_array_append_new(phases, phase_object(params, i, trial));
	if (rc) {
		json_decref(phases);
		return NULL;
	}
	return phases;
}

/* The i-th phase of each trial that is ok, by the name that the first has there. */
static json_t *phase_of_trials(const json_t *trials, size_t i, const char *name)
{
	json_t *parts = json_array();

	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);
		json_t *phase = json_array_get(json_object_get(trial, "phases"), i);
		const char *is = result_get_text(phase, "name");

		if (result_trial_is_ok(trial) && is && strcmp(is, name) == 0)
			json_array_append(parts, phase);
	}
	return parts;
}

/* Behind at the phase's end in half of the trials or more: the next one begins with it. */
static json_t *flags_of(const json_t *parts)
{
	json_t *flags = json_array();
	size_t behind = 0, nr = json_array_size(parts);

	for (size_t i = 0; i < nr; i++)
		behind += result_get_number(json_object_get(json_array_get(parts, i), "rate"),
					    "late_ns") > BEHIND_NS;
	if (nr && 2 * behind >= nr)
		json_array_append_new(flags, json_string("behind-at-end"));
	return flags;
}

static double median_of(const json_t *parts, const char *object, const char *key)
{
	size_t nr = 0, len = json_array_size(parts);
	double *values = calloc(len + 1, sizeof(*values));
	double median;

	if (!values)
		return NAN;
	for (size_t i = 0; i < len; i++) {
		const json_t *part = json_array_get(parts, i);

		values[nr] = result_get_number(object ? json_object_get(part, object) : part, key);
		nr += isfinite(values[nr]);
	}
	median = stats_median(values, nr);
	free(values);
	return median;
}

/* NULL: no trial has any. */
static const json_t *any_phases(const json_t *trials)
{
	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *trial = json_array_get(trials, k);
		const json_t *phases = json_object_get(trial, "phases");

		if (result_trial_is_ok(trial) && json_is_array(phases))
			return phases;
	}
	return NULL;
}

bool result_has_phases(const json_t *trials)
{
	return any_phases(trials);
}

json_t *result_phases_summary(const json_t *trials, unsigned int ops, bool open)
{
	const json_t *first = any_phases(trials);
	json_t *phases = json_array();
	int rc = 0;

	for (size_t i = 0; i < json_array_size(first); i++) {
		const char *name = result_get_text(json_array_get(first, i), "name");
		json_t *parts = phase_of_trials(trials, i, name ? name : ""), *summary;

		summary = result_summary_of(parts, parts, NULL, ops, open, flags_of(parts));
		rc |= json_object_set_new(summary, "name", result_string(name));
		rc |= json_object_set_new(summary, "seconds",
					  result_number(median_of(parts, NULL, "seconds")));
		rc |= json_object_set_new(summary, "asked_per_s",
					  result_number(median_of(parts, "rate", "asked_per_s")));
		rc |= json_array_append_new(phases, summary);
		json_decref(parts);
	}
	if (rc) {
		json_decref(phases);
		return NULL;
	}
	return phases;
}
