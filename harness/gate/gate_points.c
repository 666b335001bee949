/* SPDX-License-Identifier: MIT */
/* The points of a gate: what base and head list, matched by name. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result_internal.h"

const char *const gate_state_names[] = { "measured", "new",	     "gone",
					 "skipped",  "not_measured", "failed" };

void gate_set_aside(struct gate_point *point, int r, enum gate_side side, const char *why)
{
	point->state = r == -EBADMSG && side == GATE_HEAD ? GATE_FAILED : GATE_NOT_MEASURED;
	snprintf(point->reason, sizeof(point->reason), "%.590s", why);
}

const json_t *gate_listed(const json_t *list, const char *name)
{
	const json_t *points = json_object_get(list, "points"), *point;
	size_t i;

	json_array_foreach(points, i, point)
	{
		const char *found = result_get_text(point, "name");

		if (found && !strcmp(found, name))
			return point;
	}
	return NULL;
}

static void take_metrics(const struct gate_request *request, struct gate_point *point)
{
	char why[128];

	point->nr_metrics = request->nr_metrics;
	memcpy(point->metrics, request->metrics, sizeof(point->metrics));
	if (point->nr_metrics)
		return;
	/* An open loop's rate is given: what it can lose is its response time. */
	point->nr_metrics = 1;
	(void)gate_metric_parse(point->open_loop ? "all.p99" : "ops_per_s", &point->metrics[0], why,
				sizeof(why));
}

static int add_point(const struct gate_request *request, struct gate_suite *suite, const char *name)
{
	const json_t *here[GATE_SIDES];
	struct gate_point *point;

	for (int side = 0; side < GATE_SIDES; side++)
		here[side] = suite->identities[side] ? gate_listed(suite->identities[side], name) :
						       NULL;
	point = realloc(suite->points, (suite->nr_points + 1) * sizeof(*point));
	if (!point)
		return -ENOMEM;
	suite->points = point;
	point += suite->nr_points;
	*point = (struct gate_point){ .name = strdup(name), .spread = NAN };
	if (!point->name)
		return -ENOMEM;
	suite->nr_points++;
	for (int side = 0; side < GATE_SIDES; side++) {
		const char *skip = here[side] ? result_get_text(here[side], "skip") : NULL;

		point->has[side] = here[side] && !skip;
		if (skip)
			snprintf(point->reason, sizeof(point->reason), "%s: %.500s",
				 gate_side_names[side], skip);
	}
	point->turns = here[GATE_BASE] && here[GATE_HEAD] &&
		       json_is_true(json_object_get(here[GATE_BASE], "turns")) &&
		       json_is_true(json_object_get(here[GATE_HEAD], "turns"));
	point->procs = (uint32_t)json_integer_value(
		json_object_get(here[here[GATE_HEAD] ? GATE_HEAD : GATE_BASE], "procs"));
	point->open_loop = json_is_true(
		json_object_get(here[here[GATE_HEAD] ? GATE_HEAD : GATE_BASE], "open_loop"));
	point->state = point->has[GATE_HEAD] && point->has[GATE_BASE] ? GATE_MEASURED :
		       point->has[GATE_HEAD]			      ? GATE_NEW :
		       here[GATE_HEAD]				      ? GATE_SKIPPED :
									GATE_GONE;
	if (point->state == GATE_GONE)
		snprintf(point->reason, sizeof(point->reason), "base has it, head does not");
	take_metrics(request, point);
	return 0;
}

int gate_refuse(struct gate_suite *suite, int code, const char *text)
{
	suite->error = code;
	snprintf(suite->reason, sizeof(suite->reason), "%s", text);
	return -1;
}

int gate_match_points(const struct gate_request *request, struct gate_suite *suite)
{
	char why[500] = "";
	const json_t *point;
	size_t i;

	for (int side = GATE_HEAD; side >= GATE_BASE; side--) {
		int r = gate_list(request, side, &suite->identities[side], why, sizeof(why));
		char text[600];

		if (r == -EINTR)
			return -1;
		if (!r || (side == GATE_BASE && request->bootstrap))
			continue;
		snprintf(text, sizeof(text), "%s %s%s", gate_side_names[side], why,
			 side == GATE_BASE ? "; a base that has no gate yet: --bootstrap" : "");
		return gate_refuse(suite, EXIT_NOT_MEASURED, text);
	}
	for (int side = GATE_HEAD; side >= GATE_BASE; side--) {
		json_array_foreach(json_object_get(suite->identities[side], "points"), i, point)
		{
			const char *name = result_get_text(point, "name");

			if (!name)
				return gate_refuse(suite, EXIT_NOT_MEASURED,
						   "a build lists a point without a name");
			if (side == GATE_BASE && gate_listed(suite->identities[GATE_HEAD], name))
				continue;
			if (add_point(request, suite, name))
				return gate_refuse(suite, EXIT_NOT_MEASURED, strerror(ENOMEM));
		}
	}
	return 0;
}
