/* SPDX-License-Identifier: MIT */
/*
 * A shmbench.result/1 document, from the first trial to the last: what ran,
 * where, and what became of every point that was asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"
#include "run/host.h"

struct built_point {
	json_t *trials, *kernel_trials;
	size_t lost; /* trials that there was no memory to record */
};

struct result_build {
	const struct scenario *scenario;
	struct timespec started;
	json_t *host, *tool, *overhead;
	struct result_cpus cpus;
	struct built_point *points; /* [scenario->nr_points] */
	char calls_reason[128];	    /* result_set_calls_reason() */
};

static void built_point_free(struct built_point *point)
{
	json_decref(point->trials);
	json_decref(point->kernel_trials);
}

static void build_free(struct result_build *build)
{
	if (!build)
		return;
	for (size_t i = 0; build->points && i < build->scenario->nr_points; i++)
		built_point_free(&build->points[i]);
	free(build->points);
	json_decref(build->host);
	json_decref(build->tool);
	json_decref(build->overhead);
	free(build);
}

struct result_build *result_begin(const struct scenario *scenario, struct timespec started)
{
	struct result_build *build = calloc(1, sizeof(*build));
	uint16_t *cpus = calloc(UINT16_MAX, sizeof(*cpus));

	if (!build || !cpus)
		goto out_free;
	build->scenario = scenario;
	build->started = started;
	build->host = host_describe();
	build->tool = tool_describe();
	build->cpus.allowed = host_cpus_allowed(cpus, UINT16_MAX);
	build->cpus.cores = host_cpus_one_per_core(cpus, UINT16_MAX);
	build->points = calloc(scenario->nr_points + 1, sizeof(*build->points));
	if (!build->host || !build->tool || !build->points)
		goto out_free;
	for (size_t i = 0; i < scenario->nr_points; i++) {
		build->points[i].trials = json_array();
		build->points[i].kernel_trials = json_array();
		if (!build->points[i].trials || !build->points[i].kernel_trials)
			goto out_free;
	}
	free(cpus);
	return build;

out_free:
	free(cpus);
	build_free(build);
	return NULL;
}

void result_set_overhead(struct result_build *build, const struct overhead parts[OVERHEAD_NR],
			 const struct jitter *jitter)
{
	json_t *object = json_object();
	int rc = 0;

	for (int i = 0; i < OVERHEAD_NR; i++)
		rc |= json_object_set_new(object, overhead_names[i],
					  json_pack("{s:o, s:o, s:o}", "median_ns",
						    result_number(parts[i].median_ns), "low_ns",
						    result_number(parts[i].low_ns), "high_ns",
						    result_number(parts[i].high_ns)));
	rc |= json_object_set_new(object, "jitter",
				  json_pack("{s:o, s:o, s:o}", "share",
					    result_number(jitter->share), "longest_ns",
					    result_number(jitter->longest_ns), "seconds",
					    result_number(jitter->seconds)));
	json_decref(build->overhead);
	build->overhead = object;
	if (rc) {
		json_decref(object);
		build->overhead = NULL;
	}
}

void result_add_trial(struct result_build *build, size_t point_idx, const struct trial *trial)
{
	struct built_point *point;

	if (point_idx >= build->scenario->nr_points)
		return;
	point = &build->points[point_idx];
	/* Without memory the point says so at the end, and the others are kept. */
	if (json_array_append_new(point->trials,
				  result_trial_object(&build->scenario->points[point_idx].params,
						      trial, build->calls_reason)))
		point->lost++;
}

void result_set_calls_reason(struct result_build *build, const char *reason)
{
	snprintf(build->calls_reason, sizeof(build->calls_reason), "%s", reason);
}

void result_add_kernel_trial(struct result_build *build, size_t point_idx,
			     const struct trial *trial)
{
	struct built_point *point;

	if (point_idx >= build->scenario->nr_points)
		return;
	point = &build->points[point_idx];
	/* Without memory the figure is missing, which is said where it would be. */
	(void)json_array_append_new(
		point->kernel_trials,
		result_kernel_trial_object(&build->scenario->points[point_idx].params, trial));
}

void result_supersede(struct result_build *build, uint32_t k)
{
	for (size_t i = 0; i < build->scenario->nr_points; i++) {
		const json_t *trials = build->points[i].trials;

		for (size_t t = 0; t < json_array_size(trials); t++) {
			json_t *trial = json_array_get(trials, t);

			if (json_integer_value(json_object_get(trial, "trial")) == k)
				json_object_set_new(trial, "superseded", json_true());
		}
	}
}

struct verdict {
	const char *status;
	char reason[640];
};

static const json_t *find_trial(const json_t *trials, const char *status, size_t *ret_position)
{
	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);
		const char *is = result_get_text(trial, "status");

		if (is && strcmp(is, status) == 0) {
			*ret_position = i;
			return trial;
		}
	}
	return NULL;
}

/* The worst that happened to the point, and why. */
static void judge_point(const struct point *point, const struct built_point *built,
			bool interrupted, struct verdict *ret)
{
	static const char *const bad[] = { "failed", "not_measured" };
	size_t nr = json_array_size(built->trials), at = 0;
	const json_t *broken = find_trial(built->kernel_trials, "failed", &at);

	ret->reason[0] = '\0';
	for (size_t i = 0; i < 2; i++) {
		const json_t *trial = find_trial(built->trials, bad[i], &at);
		const char *why = result_get_text(trial, "reason");

		if (!trial)
			continue;
		ret->status = bad[i];
		snprintf(ret->reason, sizeof(ret->reason), "trial %zu of %u: %s", at + 1,
			 point->params.trials, why ? why : "no reason was given");
		return;
	}
	ret->status = "ok";
	/* One that was not measured costs no more than its figure. */
	if (broken) {
		const char *why = result_get_text(broken, "reason");

		ret->status = "failed";
		snprintf(ret->reason, sizeof(ret->reason),
			 "the trial in which system calls are counted: %s",
			 why ? why : "no reason was given");
	} else if (built->lost) {
		ret->status = "not_measured";
		snprintf(ret->reason, sizeof(ret->reason), "no memory to record %zu of %u trials",
			 built->lost, point->params.trials);
	} else if (nr == 0 && point->skip_reason) {
		ret->status = "skipped";
		snprintf(ret->reason, sizeof(ret->reason), "%s", point->skip_reason);
	} else if (nr == 0) {
		ret->status = "not_measured";
		snprintf(ret->reason, sizeof(ret->reason), "%s",
			 interrupted ? "interrupted before its first trial" : "no trial was run");
	} else if (nr < point->params.trials) {
		ret->status = interrupted ? "ok" : "not_measured";
		snprintf(ret->reason, sizeof(ret->reason), "%s %zu of %u trials",
			 interrupted ? "interrupted after" : "the run ended after", nr,
			 point->params.trials);
	}
}

/* Where the lock came from; null: built in. */
static json_t *lock_file_object(const struct params *params)
{
	const struct lock_file *file = lock_file_find(params->lock);

	if (!file)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "path", result_string(file->path),
			 "name", result_string(file->strategy->name), "sha256",
			 result_string(file->sha256), "compiler",
			 result_string(file->file->compiler), "cflags", result_string(file->flags),
			 "optimized", file->file->optimized != 0);
}

bool result_is_measured(const struct result_build *build, size_t point_idx)
{
	size_t at;

	return find_trial(build->points[point_idx].trials, "ok", &at);
}

static json_t *point_object(const struct result_build *build, size_t idx, bool interrupted)
{
	const struct point *point = &build->scenario->points[idx];
	const struct built_point *built = &build->points[idx];
	json_t *object = json_object();
	struct verdict verdict;
	int rc = 0;

	judge_point(point, built, interrupted, &verdict);
	rc |= json_object_set_new(object, "name", result_string(point->name));
	rc |= json_object_set_new(object, "section", result_string(point->section));
	rc |= json_object_set_new(object, "params", result_params(&point->params));
	rc |= json_object_set_new(object, "lock_file", lock_file_object(&point->params));
	rc |= json_object_set_new(object, "status", json_string(verdict.status));
	rc |= json_object_set_new(object, "reason",
				  result_string(verdict.reason[0] ? verdict.reason : NULL));
	rc |= json_object_set_new(object, "summary",
				  result_summary(&point->params, built->trials,
						 built->kernel_trials, &build->cpus));
	rc |= json_object_set_new(object, "expect",
				  result_expectations(&point->params, built->trials));
	rc |= json_object_set(object, "trials", built->trials);
	rc |= json_object_set(object, "kernel_trials", built->kernel_trials);
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *points_array(const struct result_build *build, bool interrupted, bool *ret_failed)
{
	json_t *points = json_array();
	int rc = 0;

	for (size_t i = 0; i < build->scenario->nr_points && !rc; i++) {
		json_t *point = point_object(build, i, interrupted);
		const char *status = result_get_text(point, "status");

		*ret_failed |= status && strcmp(status, "failed") == 0;
		rc |= json_array_append_new(points, point);
	}
	if (rc) {
		json_decref(points);
		return NULL;
	}
	return points;
}

json_t *result_finish(struct result_build *build, bool interrupted)
{
	json_t *result = json_object(), *points;
	struct timespec finished = build->started;
	bool failed = false;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &finished);
	points = points_array(build, interrupted, &failed);
	rc |= json_object_set_new(result, "schema", json_string(RESULT_SCHEMA));
	rc |= json_object_set(result, "tool", build->tool);
	rc |= json_object_set(result, "host", build->host);
	rc |= json_object_set_new(result, "scenario", result_scenario(build->scenario));
	rc |= json_object_set_new(result, "status",
				  json_string(interrupted ? "partial" :
					      failed	  ? "failed" :
							    "complete"));
	rc |= json_object_set_new(result, "started", result_time(build->started));
	rc |= json_object_set_new(result, "finished", result_time(finished));
	rc |= json_object_set_new(result, "overhead",
				  build->overhead ? json_incref(build->overhead) : json_null());
	rc |= json_object_set_new(result, "points", points);
	build_free(build);
	if (rc) {
		json_decref(result);
		return NULL;
	}
	return result;
}

static bool is_not_measured(const char *status)
{
	return !status || strcmp(status, "skipped") == 0 || strcmp(status, "not_measured") == 0;
}

int result_exit_code(const json_t *result)
{
	const json_t *points = json_object_get(result, "points");
	bool no = false, missing = json_array_size(points) == 0;

	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		const json_t *expect = json_object_get(point, "expect");
		const char *status = result_get_text(point, "status");

		no |= status && strcmp(status, "failed") == 0;
		missing |= is_not_measured(status);
		for (size_t k = 0; k < json_array_size(expect); k++) {
			const json_t *one = json_array_get(expect, k);
			bool measured = json_is_number(json_object_get(one, "value"));

			if (json_is_true(json_object_get(one, "met")))
				continue;
			no |= measured;
			missing |= !measured;
		}
	}
	return no ? 1 : missing ? 3 : 0;
}
