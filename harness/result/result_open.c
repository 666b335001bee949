/* SPDX-License-Identifier: MIT */
/*
 * What the schedule of an open loop became, the time series, and the flags that
 * both raise.
 *
 *	rate-missed	half of the trials or more started fewer operations in their
 *			window than 99 % of what was planned for it
 *	unsteady	steady = slope:... was not reached before its cap in half of
 *			the trials or more
 *	disturbed	the host disturbed half of the trials or more (noise.h)
 *	drift		over trials of at least 4 whole intervals each, the rate's
 *			least-squares change over the window has a median of 5 %
 *			or more and a 95 % interval that excludes 0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "result/result_internal.h"
#include "run/legs.h"
#include "stats/stats.h"
#include "worker/arrival.h"

#define HAD_MIN 0.99
#define DRIFT_INTERVALS_MIN 4
#define DRIFT_MIN 0.05

/* A drain that ended early makes the window shorter than the plan. */
static double asked_rate(const struct params *params, const struct trial *trial)
{
	double rate = arrival_rate(params);

	return params->nr_legs ? rate * (double)legs_window_ns(params) * 1e-9 / trial->seconds :
				 rate;
}

json_t *result_rate_object(const struct params *params, const struct trial *trial)
{
	uint64_t planned = 0, backlog = 0, late_ns = 0, sleeps = 0, ops = 0;
	struct hist *lag;
	json_t *object;
	double had;

	if (!params->rate)
		return json_null();
	lag = calloc(1, sizeof(*lag));
	if (!lag)
		return NULL;
	hist_reset(lag);
	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		const struct worker_result *worker = &trial->workers[w];

		ops += worker->ops;
		planned += worker->planned;
		backlog += worker->backlog;
		sleeps += worker->pace_sleeps;
		late_ns = worker->backlog_late_ns > late_ns ? worker->backlog_late_ns : late_ns;
		hist_merge(lag, &worker->start_lag);
	}
	had = (double)ops / trial->seconds;
	object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:b, s:b}",
			   "asked_per_s", result_number(asked_rate(params, trial)), "planned_per_s",
			   result_number((double)planned / trial->seconds), "had_per_s",
			   result_number(had), "planned", result_count(planned), "backlog",
			   result_count(backlog), "backlog_late_ns", result_count(late_ns),
			   /* started late because the worker was busy: the rest of them */
			   "started_behind", result_count(ops - lag->count), "paced_by",
			   trial->paced_by_sleep ? "sleep" : "spin", "pace_sleeps",
			   result_count(sleeps), "start_lag", result_latency_object(lag, true),
			   "missed", (int)((double)ops < HAD_MIN * (double)planned), "ramp",
			   (int)(params->arrival == ARRIVAL_RAMP));
	free(lag);
	return object;
}

json_t *result_intervals_array(const struct params *params, const struct trial *trial)
{
	bool timed = params->rate || params->latency != LATENCY_OFF;
	json_t *intervals = json_array();
	int rc = 0;

	for (uint32_t i = 0; i < trial->nr_intervals; i++) {
		const struct interval_figures *figures = &trial->intervals[i];

		rc |= json_array_append_new(
			intervals,
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "start_s",
				  result_number(figures->start_s), "seconds",
				  result_number(figures->seconds), "ops",
				  result_count(figures->ops), "ops_per_s",
				  result_number((double)figures->ops / figures->seconds), "samples",
				  timed ? result_count(figures->samples) : json_null(), "p50_ns",
				  result_number(figures->p50_ns), "p99_ns",
				  result_number(figures->p99_ns), "p999_ns",
				  result_number(figures->p999_ns)));
	}
	if (rc) {
		json_decref(intervals);
		return NULL;
	}
	return intervals;
}

/* The rate's change over one trial, as a share of its mean; NaN: too short. */
static double drift_of(const json_t *trial)
{
	const json_t *intervals = json_object_get(trial, "intervals");
	size_t nr = json_array_size(intervals);
	double *rates, change;

	/* The last one is partial, or as good as whole: then its rate is no worse. */
	if (nr < DRIFT_INTERVALS_MIN)
		return NAN;
	rates = malloc(nr * sizeof(*rates));
	if (!rates)
		return NAN;
	for (size_t i = 0; i < nr; i++)
		rates[i] = result_get_number(json_array_get(intervals, i), "ops_per_s");
	if (result_get_number(json_array_get(intervals, nr - 1), "seconds") <
	    result_get_number(json_array_get(intervals, 0), "seconds") / 2)
		nr--;
	change = nr < DRIFT_INTERVALS_MIN ? NAN :
					    interval_slope(rates, (uint32_t)nr) * ((double)nr - 1);
	free(rates);
	return change;
}

static bool has_drift(const json_t *trials)
{
	size_t nr = 0, len = json_array_size(trials);
	double *changes = calloc(len + 1, sizeof(*changes));
	struct interval interval;

	if (!changes)
		return false;
	for (size_t i = 0; i < len; i++) {
		changes[nr] = drift_of(json_array_get(trials, i));
		nr += isfinite(changes[nr]) != 0;
	}
	stats_median_interval(changes, nr, &interval);
	free(changes);
	return fabs(interval.median) >= DRIFT_MIN && (interval.low > 0 || interval.high < 0);
}

/* Whether it holds for half of the ok trials or more. */
static bool mostly(const json_t *trials, bool (*holds)(const json_t *trial))
{
	size_t nr = 0, ok = 0;

	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);

		if (!result_trial_is_ok(trial))
			continue;
		ok++;
		nr += holds(trial);
	}
	return ok && 2 * nr >= ok;
}

static bool rate_missed(const json_t *trial)
{
	return json_is_true(json_object_get(json_object_get(trial, "rate"), "missed"));
}

static bool not_steady(const json_t *trial)
{
	return json_is_false(json_object_get(trial, "steady"));
}

/* A ramp or a spike drifts because it was asked to. */
static bool may_drift(const json_t *trials)
{
	const json_t *rate = json_object_get(json_array_get(trials, 0), "rate");

	return json_is_true(json_object_get(rate, "ramp")) || result_has_phases(trials);
}

static bool is_disturbed(const json_t *trial)
{
	return json_is_true(json_object_get(json_object_get(trial, "noise"), "disturbed"));
}

int result_add_load_flags(json_t *flags, const json_t *trials)
{
	int rc = 0;

	if (mostly(trials, rate_missed))
		rc |= json_array_append_new(flags, json_string("rate-missed"));
	if (mostly(trials, not_steady))
		rc |= json_array_append_new(flags, json_string("unsteady"));
	if (mostly(trials, is_disturbed))
		rc |= json_array_append_new(flags, json_string("disturbed"));
	if (!may_drift(trials) && has_drift(trials))
		rc |= json_array_append_new(flags, json_string("drift"));
	return rc;
}

void result_rate_note(const json_t *trials, char *buf, size_t size)
{
	const json_t *worst = NULL;
	char asked[32], had[32], late[32];
	double least = INFINITY;

	buf[0] = '\0';
	if (!mostly(trials, rate_missed))
		return;
	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *rate = json_object_get(json_array_get(trials, i), "rate");

		if (!(result_get_number(rate, "had_per_s") < least))
			continue;
		least = result_get_number(rate, "had_per_s");
		worst = rate;
	}
	if (!worst)
		return;
	result_format_rate(result_get_number(worst, "asked_per_s"), asked, sizeof(asked));
	result_format_rate(least, had, sizeof(had));
	result_format_ns(result_get_number(worst, "backlog_late_ns"),
			 &(struct result_glyphs){ "+-", "u" }, late, sizeof(late));
	snprintf(buf, size,
		 "rate missed: asked %s/s, had %s/s; at the end %.0f operations waited, the first "
		 "for %s: its response times are the backlog's",
		 asked, had, result_get_number(worst, "backlog"), late);
}
