/* SPDX-License-Identifier: MIT */
/*
 * Expectations: "search.p99<=50us, ops_per_s>=1M, stalled<=5%". Checked for
 * sense here, so that a run of minutes does not end in "no such metric".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"
#include "scenario/units.h"

static const char *const op_metrics[] = { "search",	 "search.hit", "search.miss",
					  "insert",	 "update",     "remove",
					  "search_many", "all",	       NULL };
static const char *const figures[] = { "p50", "p90", "p99", "p999", "p9999", "max", "mean", NULL };

static bool is_one_of(const char *text, size_t len, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == len && strncmp(*names, text, len) == 0)
			return true;
	return false;
}

/* OP.FIGURE, where OP itself may have a dot. */
static int check_latency_metric(const char *metric, char *why, size_t size)
{
	const char *op = metric, *dot;

	/* Whether the point has response times is known when its rate is. */
	if (strncmp(op, "response.", 9) == 0)
		op += 9;
	else if (strncmp(op, "service.", 8) == 0)
		op += 8;
	dot = strrchr(op, '.');
	if (!dot || !is_one_of(op, (size_t)(dot - op), op_metrics)) {
		snprintf(why, size, "'%s' is no metric", metric);
		return -EINVAL;
	}
	if (!is_one_of(dot + 1, strlen(dot + 1), figures)) {
		snprintf(why, size, "'%s' is no figure", dot + 1);
		return -EINVAL;
	}
	return 0;
}

static int parse_bound(const char *metric, const char *value, double *ret, char *why, size_t size)
{
	uint64_t whole;

	if (strcmp(metric, "ops_per_s") == 0) {
		if (units_parse_count(value, &whole)) {
			snprintf(why, size, "'%s' is no rate such as 1M", value);
			return -EINVAL;
		}
		*ret = (double)whole;
		return 0;
	}
	if (strcmp(metric, "stalled") == 0) {
		if (units_parse_percent(value, ret)) {
			snprintf(why, size, "'%s' is no share from 0%% to 100%%", value);
			return -EINVAL;
		}
		return 0;
	}
	if (check_latency_metric(metric, why, size))
		return -EINVAL;
	if (units_parse_time(value, &whole)) {
		snprintf(why, size, "'%s' is no time with a unit, such as 50us", value);
		return -EINVAL;
	}
	*ret = (double)whole;
	return 0;
}

static int parse_one(char *text, struct expectation *expect, char *why, size_t size)
{
	char *relation = strpbrk(text, "<>="), *metric, *value;

	if (strlen(text) >= sizeof(expect->text)) {
		snprintf(why, size, "longer than %zu characters", sizeof(expect->text) - 1);
		return -EINVAL;
	}
	if (!relation || *relation == '=' || relation[1] != '=') {
		snprintf(why, size, "'%s' has neither <= nor >=", text);
		return -EINVAL;
	}
	expect->at_least = *relation == '>';
	*relation = '\0';
	metric = trim(text);
	value = trim(relation + 2);
	if (strlen(metric) >= sizeof(expect->metric)) {
		snprintf(why, size, "'%s' is no metric", metric);
		return -EINVAL;
	}
	if (parse_bound(metric, value, &expect->bound, why, size))
		return -EINVAL;
	snprintf(expect->metric, sizeof(expect->metric), "%s", metric);
	/* Both are parts of text, which fits. */
	strcpy(expect->text, metric);
	strcat(expect->text, expect->at_least ? ">=" : "<=");
	strcat(expect->text, value);
	return 0;
}

int scenario_parse_expectation(const char *text, struct expectation *ret, char *why, size_t size)
{
	char copy[sizeof(ret->text)];

	if (strlen(text) >= sizeof(copy)) {
		snprintf(why, size, "longer than %zu characters", sizeof(copy) - 1);
		return -EINVAL;
	}
	strcpy(copy, text);
	return parse_one(trim(copy), ret, why, size);
}

int value_expect(const char *text, struct draft *draft, char *why, size_t size)
{
	struct params *params = &draft->params;
	char *copy, *rest, *part;
	int rc = 0;

	params->nr_expect = 0;
	if (strcmp(text, "none") == 0)
		return 0;
	copy = rest = scenario_strdup(text, strlen(text));
	while (!rc && (part = strsep(&rest, ","))) {
		part = trim(part);
		if (*part == '\0') {
			snprintf(why, size, "empty item in the list");
			rc = -EINVAL;
		} else if (params->nr_expect == PARAMS_EXPECT_MAX) {
			snprintf(why, size, "more than %d expectations", PARAMS_EXPECT_MAX);
			rc = -EINVAL;
		} else {
			rc = parse_one(part, &params->expect[params->nr_expect], why, size);
			params->nr_expect += rc == 0;
		}
	}
	free(copy);
	return rc;
}
