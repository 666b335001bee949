/* SPDX-License-Identifier: MIT */
/*
 * `gate --baseline`: head against the trials of a stored result, for a machine
 * that stays what it was. There are no coins here: base was measured at another
 * time, and whatever changed since is taken for head's. So one look, by the exact
 * Mann-Whitney interval, and no more than the host, the scenario and the layout
 * being the same is checked.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result.h"
#include "result/result_internal.h"
#include "shmht.h"
#include "shmht_clock.h"
#include "stats/stats.h"

static int refuse(struct gate_suite *suite, int code, const char *what, const char *base,
		  const char *head)
{
	suite->error = code;
	snprintf(suite->reason, sizeof(suite->reason), "%s: baseline %.120s, head %.120s", what,
		 base ? base : "none", head ? head : "none");
	return -1;
}

static const char *text_in(const json_t *document, const char *object, const char *key)
{
	return result_get_text(json_object_get(document, object), key);
}

static int check_same(const json_t *baseline, const json_t *head, struct gate_suite *suite)
{
	const struct {
		const char *what, *base, *head;
	} same[] = {
		{ "host fingerprint", text_in(baseline, "host", "fingerprint"),
		  result_get_text(head, "fingerprint") },
		{ "scenario sha256", text_in(baseline, "scenario", "sha256"),
		  result_get_text(head, "scenario_sha256") },
		{ "layout_hash", text_in(baseline, "tool", "layout_hash"),
		  text_in(head, "tool", "layout_hash") },
		{ "status", result_get_text(baseline, "status"), "complete" },
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (!same[i].base || !same[i].head || strcmp(same[i].base, same[i].head))
			return refuse(suite, EXIT_NOT_MEASURED, same[i].what, same[i].base,
				      same[i].head);
	return 0;
}

static bool lists(const json_t *list, const char *name)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(list, "points"), i, point)
	{
		const char *found = result_get_text(point, "name");

		if (found && !strcmp(found, name) && !result_get_text(point, "skip"))
			return true;
	}
	return false;
}

static void not_measured(struct gate_point *point, const char *why)
{
	point->state = GATE_NOT_MEASURED;
	snprintf(point->reason, sizeof(point->reason), "%.590s", why);
}

/* The trials of head that the baseline has, with the scenario's own times. */
static int measure_head(const struct gate_request *request, const json_t *trials,
			struct gate_point *point)
{
	const json_t *trial;
	char why[600];
	size_t k;

	json_array_foreach(trials, k, trial)
	{
		const char *wanted = result_get_text(trial, "op_stream_hash");
		struct gate_slice slice = { 0 };
		int r = gate_measure(request, point, GATE_HEAD, 0, (uint32_t)k, &slice, why,
				     sizeof(why));

		if (!r && (!wanted || strcmp(wanted, slice.hash))) {
			snprintf(why, sizeof(why),
				 "op_stream_hash of trial %zu: baseline %s, head %s", k,
				 wanted ? wanted : "none", slice.hash);
			r = -EIO;
		}
		if (!r)
			point->figures[0][point->nr_rounds++] = (double)slice.ops / slice.seconds;
		gate_slice_free(&slice);
		if (r == -EINTR)
			return r;
		if (r) {
			not_measured(point, why);
			point->state = r == -EBADMSG ? GATE_FAILED : GATE_NOT_MEASURED;
			return r;
		}
	}
	return 0;
}

static int measure_point(const struct gate_request *request, const json_t *stored,
			 const json_t *list, struct gate_point *point, double **ret_base)
{
	const json_t *trials = json_object_get(stored, "trials");
	size_t nr = json_array_size(trials), values;

	if (!lists(list, point->name)) {
		point->state = GATE_GONE;
		snprintf(point->reason, sizeof(point->reason),
			 "the baseline has it, head does not");
		return 0;
	}
	values = result_metric(trials, "ops_per_s", ret_base);
	for (size_t i = 0; i < values; i++)
		nr = (*ret_base)[i] > 0 ? nr : 0;
	if (!nr || values != nr) {
		not_measured(point, "the baseline lacks trials of it");
		return 0;
	}
	point->rounds_max = 0;
	point->figures[0] = calloc(nr, sizeof(double));
	return point->figures[0] ? measure_head(request, trials, point) : -ENOMEM;
}

/* Chance of the most extreme order of n against n, without a difference. */
static double least_chance(size_t n)
{
	return exp(2 * lgamma((double)n + 1) - lgamma(2 * (double)n + 1));
}

static void judge(struct gate_suite *suite, double *const *bases)
{
	size_t slower = 0, before;

	/* Holm's procedure, as in gate_judge(). */
	do {
		before = slower;
		for (uint32_t i = 0; i < suite->nr_points; i++) {
			struct gate_point *point = &suite->points[i];
			struct gate_row *row = &point->rows[0];
			struct interval ratio;

			if (point->state != GATE_MEASURED || row->verdict == GATE_REGRESSION)
				continue;
			stats_ratio_bounds(point->figures[0], point->nr_rounds, bases[i],
					   point->nr_rounds,
					   suite->rule.level / (double)(suite->nr_rows - slower),
					   &ratio);
			row->estimate = log(ratio.median);
			row->low = isnan(ratio.low) ? -INFINITY : log(ratio.low);
			row->high = isnan(ratio.high) ? INFINITY : log(ratio.high);
			row->n = 2 * (size_t)point->nr_rounds;
			row->look = GATE_LOOKS;
			row->verdict = row->low > suite->rule.ignore   ? GATE_REGRESSION :
				       row->high < -suite->rule.ignore ? GATE_IMPROVEMENT :
				       row->high < suite->rule.detect  ? GATE_PASS :
									 GATE_PENDING;
			slower += row->verdict == GATE_REGRESSION;
		}
	} while (slower != before);
	suite->look = GATE_LOOKS;
}

static int check_reach(const json_t *points, struct gate_suite *suite)
{
	const json_t *stored;
	size_t i;

	json_array_foreach(points, i, stored)
	{
		size_t n = json_array_size(json_object_get(stored, "trials"));

		if (n && least_chance(n) > suite->rule.level / (double)json_array_size(points)) {
			suite->error = EXIT_USAGE;
			snprintf(suite->reason, sizeof(suite->reason),
				 "the baseline has %zu trials of %zu points: even unanimous ones "
				 "do not reach the level; run it with more trials",
				 n, json_array_size(points));
			return -1;
		}
	}
	return 0;
}

static int measure_all(const struct gate_request *request, const json_t *points,
		       struct gate_suite *suite, double **bases)
{
	const json_t *stored;
	size_t i;

	json_array_foreach(points, i, stored)
	{
		const char *name = result_get_text(stored, "name");
		const char *status = result_get_text(stored, "status");
		struct gate_point *point = &suite->points[suite->nr_points];

		/* What did not run there is no loss here. */
		if (!name || !status || !strcmp(status, "skipped"))
			continue;
		*point = (struct gate_point){ .name = strdup(name), .nr_metrics = 1 };
		strcpy(point->metrics[0].name, "ops_per_s");
		if (!point->name)
			return -ENOMEM;
		if (measure_point(request, stored, suite->identities[GATE_HEAD], point,
				  &bases[suite->nr_points++]) == -EINTR)
			return -EINTR;
		suite->nr_rows += point->state == GATE_MEASURED;
	}
	return 0;
}

void gate_run_baseline(const struct gate_request *request, struct gate_suite *suite)
{
	uint64_t started = shmht_monotonic_ns();
	json_t *baseline = NULL;
	const json_t *points;
	double **bases = NULL;
	char why[500] = "";
	int r;

	memset(suite, 0, sizeof(*suite));
	suite->rule.level = 0.01;
	if (result_read(request->baseline, stderr, &baseline)) {
		suite->error = EXIT_USAGE;
		snprintf(suite->reason, sizeof(suite->reason),
			 "--baseline %.500s: no result, see above", request->baseline);
		return;
	}
	points = json_object_get(baseline, "points");
	r = gate_list(request, GATE_HEAD, &suite->identities[GATE_HEAD], why, sizeof(why));
	if (r) {
		suite->error = EXIT_NOT_MEASURED;
		snprintf(suite->reason, sizeof(suite->reason), "head %.500s", why);
		goto out;
	}
	if (gate_calibration_apply(request, suite))
		goto out;
	if (check_same(baseline, suite->identities[GATE_HEAD], suite) || check_reach(points, suite))
		goto out;
	suite->points = calloc(json_array_size(points) + 1, sizeof(*suite->points));
	bases = calloc(json_array_size(points) + 1, sizeof(*bases));
	if (!suite->points || !bases)
		refuse(suite, EXIT_NOT_MEASURED, "memory", "none", "left");
	else if (!measure_all(request, points, suite, bases))
		judge(suite, bases);
out:
	for (uint32_t i = 0; bases && i < suite->nr_points; i++)
		free(bases[i]);
	free(bases);
	json_decref(baseline);
	suite->elapsed_s = (double)(shmht_monotonic_ns() - started) * 1e-9;
}
