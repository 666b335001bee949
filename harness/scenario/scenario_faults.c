/* SPDX-License-Identifier: MIT */
/*
 * The keys of fault plans: kill, stop, churn, quota. Reading and writing stand side by
 * side here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scenario/scenario_internal.h"
#include "scenario/units.h"

#define FAULTS_MAX 10000000ull
#define FAULT_RATE_MAX 10000ull /* a fork and an attach take some 0.1 ms each */

const char *const fault_who_names[3] = { "none", "random", "holder" };

const char *const fault_place_names[PLACE_NR] = {
	"any place",	"before-acquire", "after-acquire", "mid-insert", "before-commit",
	"after-commit", "before-release", "in-repair",	   "in-attach",
};

/* Cuts "@PLACE" off the end, into text[size]. */
static int parse_place(const char *whole, char *text, size_t text_size, enum fault_place *ret,
		       char *why, size_t size)
{
	const char *at = strchr(whole, '@');
	size_t len = at ? (size_t)(at - whole) : strlen(whole);

	snprintf(text, text_size, "%.*s", (int)len, whole);
	*ret = PLACE_ANY;
	if (!at)
		return 0;
	for (int place = PLACE_ANY + 1; place < PLACE_NR; place++)
		if (strcmp(at + 1, fault_place_names[place]) == 0)
			*ret = (enum fault_place)place;
	if (*ret)
		return 0;
	snprintf(why, size, "there is no place '%s'", at + 1);
	return -EINVAL;
}

/* Cuts "WHO:" off the front. NULL when there is none. */
static const char *parse_who(const char *text, enum fault_who *ret_who)
{
	for (int who = WHO_RANDOM; who <= WHO_HOLDER; who++) {
		size_t len = strlen(fault_who_names[who]);

		if (strncmp(text, fault_who_names[who], len) == 0 && text[len] == ':') {
			*ret_who = (enum fault_who)who;
			return text + len + 1;
		}
	}
	return NULL;
}

static int parse_number(const char *text, size_t len, uint64_t max, uint64_t *ret, char *why,
			size_t size)
{
	char number[32];
	uint64_t value;
	int rc;

	snprintf(number, sizeof(number), "%.*s", (int)len, text);
	rc = len < sizeof(number) ? units_parse_count(number, &value) : -EINVAL;
	if (rc) {
		why_not_number(number, rc, why, size);
		return -EINVAL;
	}
	if (value < 1 || value > max) {
		snprintf(why, size, "%s is not in 1 to %llu", number, (unsigned long long)max);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

/* "20/s" */
static int parse_rate(const char *text, uint64_t *ret, char *why, size_t size)
{
	size_t len = strlen(text);

	if (len < 3 || strcmp(text + len - 2, "/s") != 0) {
		snprintf(why, size, "a rate ends in /s");
		return -EINVAL;
	}
	return parse_number(text, len - 2, FAULT_RATE_MAX, ret, why, size);
}

int value_kill(const char *whole, struct draft *draft, char *why, size_t size)
{
	struct kill_plan plan = { WHO_NONE, 0, 0, PLACE_ANY };
	const char *rest, *colon;
	char text[80];

	if (parse_place(whole, text, sizeof(text), &plan.place, why, size))
		return -EINVAL;
	if (strcmp(text, "none") == 0 && !plan.place) {
		draft->params.kill = plan;
		return 0;
	}
	rest = parse_who(text, &plan.who);
	if (!rest)
		return -EINVAL;
	colon = strchr(rest, ':');
	if (!strchr(rest, '/') || colon) {
		size_t len = colon ? (size_t)(colon - rest) : strlen(rest);

		if (parse_number(rest, len, FAULTS_MAX, &plan.count, why, size))
			return -EINVAL;
		rest = colon ? colon + 1 : "";
	}
	if ((*rest || colon) && parse_rate(rest, &plan.rate, why, size))
		return -EINVAL;
	if (!plan.count && !plan.rate) {
		snprintf(why, size, "a count or a rate is missing");
		return -EINVAL;
	}
	draft->params.kill = plan;
	return 0;
}

void format_kill(const struct params *params, char *buf, size_t size)
{
	const struct kill_plan *plan = &params->kill;
	char count[32] = "", rate[32] = "";

	if (plan->who == WHO_NONE) {
		snprintf(buf, size, "none");
		return;
	}
	if (plan->count)
		units_format_count(plan->count, count, sizeof(count));
	if (plan->rate)
		units_format_count(plan->rate, rate, sizeof(rate));
	snprintf(buf, size, "%s:%s%s%s%s%s%s", fault_who_names[plan->who], count,
		 plan->count && plan->rate ? ":" : "", rate, plan->rate ? "/s" : "",
		 plan->place ? "@" : "", plan->place ? fault_place_names[plan->place] : "");
}

/* "TIME/TIME" */
static int parse_times(const char *text, uint64_t *ret_first, uint64_t *ret_second, char *why,
		       size_t size)
{
	const char *slash = strchr(text, '/');
	char first[32];

	if (!slash || slash - text >= (ptrdiff_t)sizeof(first))
		return -EINVAL;
	snprintf(first, sizeof(first), "%.*s", (int)(slash - text), text);
	if (!units_parse_time(first, ret_first) && !units_parse_time(slash + 1, ret_second))
		return 0;
	snprintf(why, size, "two times are wanted, each with its unit");
	return -EINVAL;
}

int value_stop(const char *text, struct draft *draft, char *why, size_t size)
{
	struct stop_plan plan = { WHO_NONE, 0, 0 };
	const char *rest;

	if (strcmp(text, "none") == 0) {
		draft->params.stop = plan;
		return 0;
	}
	plan.who = WHO_RANDOM;
	rest = parse_who(text, &plan.who);
	rest = rest ? rest : text;
	if (parse_times(rest, &plan.down_ns, &plan.every_ns, why, size))
		return -EINVAL;
	if (plan.down_ns < 100000 || plan.every_ns <= plan.down_ns || plan.every_ns > TIME_MAX_NS) {
		snprintf(why, size, "the first is at least 100us, the second longer");
		return -EINVAL;
	}
	draft->params.stop = plan;
	return 0;
}

void format_stop(const struct params *params, char *buf, size_t size)
{
	const struct stop_plan *plan = &params->stop;
	char down[32], every[32];

	if (plan->who == WHO_NONE) {
		snprintf(buf, size, "none");
		return;
	}
	units_format_time(plan->down_ns, down, sizeof(down));
	units_format_time(plan->every_ns, every, sizeof(every));
	snprintf(buf, size, "%s:%s/%s", fault_who_names[plan->who], down, every);
}

int value_churn(const char *text, struct draft *draft, char *why, size_t size)
{
	if (strcmp(text, "none") == 0) {
		draft->params.churn_rate = 0;
		return 0;
	}
	return parse_rate(text, &draft->params.churn_rate, why, size);
}

void format_churn(const struct params *params, char *buf, size_t size)
{
	char rate[32];

	units_format_count(params->churn_rate, rate, sizeof(rate));
	snprintf(buf, size, "%s%s", params->churn_rate ? rate : "none",
		 params->churn_rate ? "/s" : "");
}

/* The kernel's bounds: cpu.max, and cpu.cfs_quota_us of v1. */
int value_quota(const char *text, struct draft *draft, char *why, size_t size)
{
	struct quota_plan plan = { 0, 0 };

	if (strcmp(text, "none") != 0) {
		if (parse_times(text, &plan.cpu_ns, &plan.period_ns, why, size))
			return -EINVAL;
		if (plan.cpu_ns < 1000000 || plan.period_ns < 1000000 ||
		    plan.period_ns > 1000000000 || plan.cpu_ns > TIME_MAX_NS) {
			snprintf(why, size, "the first is at least 1ms, the second 1ms to 1s");
			return -EINVAL;
		}
	}
	draft->params.quota = plan;
	return 0;
}

void format_quota(const struct params *params, char *buf, size_t size)
{
	const struct quota_plan *plan = &params->quota;
	char cpu[32], period[32];

	if (!plan->cpu_ns) {
		snprintf(buf, size, "none");
		return;
	}
	units_format_time(plan->cpu_ns, cpu, sizeof(cpu));
	units_format_time(plan->period_ns, period, sizeof(period));
	snprintf(buf, size, "%s/%s", cpu, period);
}
