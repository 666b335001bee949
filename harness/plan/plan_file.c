/* SPDX-License-Identifier: MIT */
/* The head of a plan's file, and its frame when it is read back. */
#include <string.h>
#include <time.h>

#include "plan/plan_file.h"
#include "result/result_internal.h"
#include "run/host.h"

#define PLAN_SCHEMA "shmbench.plan/1"

static const char *const answers[] = { "rows", "map", "scalability", "projection", "memory" };

json_t *plan_file_begin(const struct scenario *scenario, struct timespec started)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "schema", PLAN_SCHEMA, "tool",
			 tool_describe(), "host", host_describe(), "scenario",
			 result_scenario(scenario), "started", result_time(started));
}

json_t *plan_file_of_result(const json_t *result)
{
	return json_pack("{s:s, s:O?, s:O?, s:O?, s:O?}", "schema", PLAN_SCHEMA, "tool",
			 json_object_get(result, "tool"), "host", json_object_get(result, "host"),
			 "scenario", json_object_get(result, "scenario"), "started",
			 json_object_get(result, "started"));
}

bool plan_file_is_one(const json_t *document)
{
	const char *schema = result_get_text(document, "schema");

	return schema && strcmp(schema, PLAN_SCHEMA) == 0;
}

bool plan_file_check(const json_t *document, const char *path, FILE *diag)
{
	bool any = false;

	if (!json_is_object(json_object_get(document, "scenario"))) {
		fprintf(diag,
			"%s: key 'scenario': expected an object; write it anew with plan --out\n",
			path);
		return false;
	}
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const json_t *value = json_object_get(document, answers[i]);

		any |= json_is_object(value) || json_is_array(value);
	}
	if (!any)
		fprintf(diag,
			"%s: has no answers, expected one of: rows map scalability projection "
			"memory\n",
			path);
	return any;
}
