/* SPDX-License-Identifier: MIT */
/*
 * One point over several results: its trials side by side, each with the host
 * and the run it came from, its summary anew from all of them. Of all hosts
 * together the trials become one, since a median over machines is none's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge/merge.h"
#include "result/result_internal.h"
#include "scenario/scenario.h"

struct pool {
	const json_t *first; /* the point as it first occurs */
	json_t *trials, *kernel_trials, *flags, *expect;
	unsigned int ops; /* bits by result_ops */
	bool open;
	bool uncounted; /* some input with trials counted no system calls in one of its own */
	const char *status, *reason, *path; /* of the worst */
};

/* What went wrong is never hidden by what went well elsewhere. */
static int rank_of(const char *status)
{
	static const char *const ranks[] = { "ok", "skipped", "not_measured", "failed" };

	for (int i = 3; i > 0; i--)
		if (status && strcmp(status, ranks[i]) == 0)
			return i;
	return 0;
}

/* Numbered anew, so that each is told apart; "from" says which it was. */
static int add_trials(json_t *pooled, const json_t *trials, const char *host, size_t run)
{
	int rc = 0;

	for (size_t k = 0; k < json_array_size(trials); k++) {
		json_t *trial = json_copy(json_array_get(trials, k));
		double was = result_get_number(trial, "trial");

		if (!json_is_object(trial)) {
			json_decref(trial);
			continue;
		}
		rc |= json_object_set_new(trial, "from",
					  json_pack("{s:o, s:I, s:o}", "host", result_string(host),
						    "run", (json_int_t)run, "trial",
						    result_number(was)));
		rc |= json_object_set_new(trial, "trial", result_count(json_array_size(pooled)));
		rc |= json_array_append_new(pooled, trial);
	}
	return rc;
}

/* There are a dozen flags and 16 expectations; whoever writes thousands gets the first. */
#define DISTINCT_MAX 64

static int add_distinct(json_t *list, const json_t *from, const char *key)
{
	for (size_t i = 0; i < json_array_size(from); i++) {
		json_t *one = json_array_get(from, i);
		const char *text = key ? result_get_text(one, key) : json_string_value(one);
		bool known = !text || json_array_size(list) >= DISTINCT_MAX;

		for (size_t k = 0; k < json_array_size(list) && !known; k++)
			known = strcmp(json_string_value(json_array_get(list, k)), text) == 0;
		if (!known && json_array_append_new(list, json_string(text)))
			return -1;
	}
	return 0;
}

/* Those that follow from the trials are raised anew; the others tell of a run's host. */
static int take_flags(json_t *flags, const json_t *trials)
{
	static const char *const anew[] = { "rate-missed", "unsteady", "disturbed", "drift" };

	for (size_t i = json_array_size(flags); i-- > 0;) {
		const char *flag = json_string_value(json_array_get(flags, i));

		for (size_t k = 0; k < sizeof(anew) / sizeof(anew[0]); k++) {
			if (strcmp(flag, anew[k]))
				continue;
			(void)json_array_remove(flags, i);
			break;
		}
	}
	return result_add_load_flags(flags, trials);
}

static int add_point(struct pool *pool, const json_t *point, const struct merge_input *input,
		     size_t run)
{
	const json_t *summary = json_object_get(point, "summary");
	const char *status = result_get_text(point, "status");
	const char *loop = result_get_text(summary, "loop");
	const char *reason = result_get_text(point, "reason");

	if (!pool->first)
		pool->first = point;
	if (!pool->status || rank_of(status) > rank_of(pool->status) ||
	    (rank_of(status) == rank_of(pool->status) && !pool->reason && reason)) {
		pool->status = status;
		pool->reason = reason;
		pool->path = input->path;
	}
	pool->uncounted |= result_ok_trials(json_object_get(point, "trials")) &&
			   !json_array_size(json_object_get(point, "kernel_trials"));
	pool->open |= loop && strcmp(loop, "open") == 0;
	for (size_t i = 0; i < RESULT_OPS; i++)
		if (json_is_object(json_object_get(summary, result_ops[i].name)))
			pool->ops |= 1u << i;
	return add_trials(pool->trials, json_object_get(point, "trials"), input->host, run) |
	       add_trials(pool->kernel_trials, json_object_get(point, "kernel_trials"), input->host,
			  run) |
	       add_distinct(pool->flags, json_object_get(summary, "flags"), NULL) |
	       add_distinct(pool->expect, json_object_get(point, "expect"), "text");
}

static void pool_free(struct pool *pool)
{
	json_decref(pool->trials);
	json_decref(pool->kernel_trials);
	json_decref(pool->flags);
	json_decref(pool->expect);
}

static int fill_pool(const struct merge_input *inputs, size_t nr, const char *name,
		     const char *host, struct pool *pool)
{
	*pool = (struct pool){ .trials = json_array(),
			       .kernel_trials = json_array(),
			       .flags = json_array(),
			       .expect = json_array() };
	for (size_t i = 0; i < nr; i++) {
		const json_t *point = json_object_get(inputs[i].by_name, name);

		if (!point || (host && strcmp(inputs[i].host, host) != 0))
			continue;
		if (add_point(pool, point, &inputs[i], i))
			return -ENOMEM;
	}
	if (!pool->first)
		return -ENOENT;
	/* What some hosts counted is no figure of all of them. */
	if (!host && pool->uncounted)
		json_array_clear(pool->kernel_trials);
	return take_flags(pool->flags, pool->trials) ? -ENOMEM : 0;
}

/* Judged anew: over more trials a median may be another. */
static json_t *expectations(const struct pool *pool)
{
	const char *latency = result_get_text(json_object_get(pool->first, "params"), "latency");
	struct params *params = calloc(1, sizeof(*params));
	json_t *list;
	char why[200];

	if (!params)
		return NULL;
	params->rate = pool->open;
	params->latency = !latency			? LATENCY_SAMPLED :
			  strcmp(latency, "off") == 0	? LATENCY_OFF :
			  strcmp(latency, "every") == 0 ? LATENCY_EVERY :
							  LATENCY_SAMPLED;
	for (size_t i = 0; i < json_array_size(pool->expect); i++) {
		if (params->nr_expect == PARAMS_EXPECT_MAX)
			break;
		if (!scenario_parse_expectation(json_string_value(json_array_get(pool->expect, i)),
						&params->expect[params->nr_expect], why,
						sizeof(why)))
			params->nr_expect++;
	}
	list = result_expectations(params, pool->trials);
	free(params);
	return list;
}

static json_t *labelled_params(const struct pool *pool, const char *label)
{
	json_t *params = json_copy(json_object_get(pool->first, "params"));

	if (params && label && json_object_set_new(params, "host", result_string(label))) {
		json_decref(params);
		return NULL;
	}
	return params;
}

static json_t *labelled_name(const char *name, const char *label)
{
	return label ? json_pack("s+++", name, "/host=", label, "") : json_string(name);
}

/* all: what the samples of all trials are as one; the row of all hosts has it as its trial. */
static int make_point(struct pool *pool, const char *name, const char *label, json_t *all,
		      bool one_trial, json_t **ret_point)
{
	json_t *point = json_object(), *trials = pool->trials;
	char reason[1200];
	int rc = 0;

	snprintf(reason, sizeof(reason), "%.300s: %.800s", pool->path,
		 pool->reason ? pool->reason : "no reason was given");
	trials = one_trial ? json_pack("[O]", all) : json_incref(pool->trials);
	rc |= json_object_set_new(point, "name", labelled_name(name, label));
	rc |= json_object_set_new(point, "section",
				  result_string(result_get_text(pool->first, "section")));
	rc |= json_object_set_new(point, "params", labelled_params(pool, label));
	rc |= json_object_set_new(point, "status", json_string(pool->status));
	rc |= json_object_set_new(point, "reason",
				  result_string(pool->reason || rank_of(pool->status) ? reason :
											NULL));
	rc |= json_object_set_new(point, "summary",
				  result_summary_of(trials, pool->trials, pool->kernel_trials,
						    pool->ops, pool->open,
						    json_incref(pool->flags)));
	rc |= json_object_set_new(point, "expect", one_trial ? json_array() : expectations(pool));
	rc |= json_object_set_new(point, "merged",
				  json_pack("{s:O, s:O}", "latency",
					    json_object_get(all, "latency"), "wait",
					    json_object_get(all, "wait")));
	rc |= json_object_set_new(point, "trials", trials);
	rc |= json_object_set(point, "kernel_trials", pool->kernel_trials);
	if (rc) {
		json_decref(point);
		return -ENOMEM;
	}
	*ret_point = point;
	return 0;
}

int merge_point(const struct merge_input *inputs, size_t nr, const char *name, const char *host,
		bool label, json_t **ret_point)
{
	json_t *all = NULL;
	struct pool pool;
	int r = fill_pool(inputs, nr, name, host, &pool);

	if (!r)
		r = merge_trials(pool.trials, &all);
	if (!r)
		r = make_point(&pool, name,
			       !label ? NULL :
			       host   ? host :
					MERGE_ALL_HOSTS,
			       all, !host, ret_point);
	json_decref(all);
	pool_free(&pool);
	return r;
}
