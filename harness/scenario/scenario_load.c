/* SPDX-License-Identifier: MIT */
/*
 * The keys of the load: when operations are planned (rate, arrival) and when
 * warm-up is over (steady); and a recorded one (ops_file). Reading and writing stand side by side
 * here.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "scenario/scenario_internal.h"
#include "scenario/units.h"

#define RATE_MAX 1000000000ull /* a nanosecond each: no clock tells more apart */
#define BURST_MAX 1000000u
#define SHARE_MAX 1000.0 /* 100000% */

static int parse_rate(const char *text, uint64_t min, uint64_t *ret, char *why, size_t size)
{
	uint64_t value;
	int rc = units_parse_count(text, &value);

	if (rc) {
		why_not_number(text, rc, why, size);
		return -EINVAL;
	}
	if (value < min || value > RATE_MAX) {
		snprintf(why, size, "a rate is %llu to 1G operations per second",
			 (unsigned long long)min);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

/* "150%", which may be above 100. */
static int parse_share(const char *text, double *ret)
{
	char number[32];
	size_t len = strlen(text);

	if (len < 2 || len > sizeof(number) || text[len - 1] != '%')
		return -EINVAL;
	snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
	if (units_parse_double(number, ret) || *ret < 0 || *ret > SHARE_MAX * 100)
		return -EINVAL;
	*ret /= 100;
	return 0;
}

int value_rate(const char *text, struct draft *draft, char *why, size_t size)
{
	const char *slash = strchr(text, '/');
	char number[32];
	uint64_t rate;

	if (strcmp(text, "max") == 0) {
		draft->params.rate = 0;
		draft->params.rate_per_proc = false;
		return 0;
	}
	if (slash && strcmp(slash, "/proc") != 0) {
		snprintf(why, size, "only /proc may follow the number");
		return -EINVAL;
	}
	snprintf(number, sizeof(number), "%.*s", slash ? (int)(slash - text) : (int)strlen(text),
		 text);
	if (parse_rate(number, 1, &rate, why, size))
		return -EINVAL;
	draft->params.rate = rate;
	draft->params.rate_per_proc = slash;
	return 0;
}

void format_rate(const struct params *params, char *buf, size_t size)
{
	char number[32];

	units_format_count(params->rate, number, sizeof(number));
	snprintf(buf, size, "%s%s", params->rate ? number : "max",
		 params->rate && params->rate_per_proc ? "/proc" : "");
}

static int parse_burst(const char *text, struct params *params, char *why, size_t size)
{
	uint64_t burst;
	int rc = units_parse_count(text, &burst);

	if (rc) {
		why_not_number(text, rc, why, size);
		return -EINVAL;
	}
	if (burst < 1 || burst > BURST_MAX) {
		snprintf(why, size, "a burst has 1 to 1M operations");
		return -EINVAL;
	}
	params->arrival = ARRIVAL_BURST;
	params->burst = (uint32_t)burst;
	return 0;
}

static int parse_ramp(const char *text, struct params *params, char *why, size_t size)
{
	char from[40];
	const char *colon = strchr(text, ':');
	uint64_t low, high;

	if (!colon || colon - text >= (ptrdiff_t)sizeof(from)) {
		snprintf(why, size, "a ramp needs two rates");
		return -EINVAL;
	}
	snprintf(from, sizeof(from), "%.*s", (int)(colon - text), text);
	params->ramp_relative = strchr(text, '%');
	if (params->ramp_relative) {
		if (parse_share(from, &params->ramp_from) ||
		    parse_share(colon + 1, &params->ramp_to)) {
			snprintf(why, size, "both are rates or both are %% of rate");
			return -EINVAL;
		}
	} else {
		if (parse_rate(from, 0, &low, why, size) ||
		    parse_rate(colon + 1, 0, &high, why, size))
			return -EINVAL;
		params->ramp_from = (double)low;
		params->ramp_to = (double)high;
	}
	if (params->ramp_from + params->ramp_to <= 0) {
		snprintf(why, size, "a ramp from 0 to 0 plans no operation");
		return -EINVAL;
	}
	params->arrival = ARRIVAL_RAMP;
	return 0;
}

int value_arrival(const char *text, struct draft *draft, char *why, size_t size)
{
	struct params *params = &draft->params;

	params->burst = 0;
	params->ramp_from = params->ramp_to = 0;
	params->ramp_relative = false;
	if (strcmp(text, "poisson") == 0)
		params->arrival = ARRIVAL_POISSON;
	else if (strcmp(text, "constant") == 0)
		params->arrival = ARRIVAL_CONSTANT;
	else if (strncmp(text, "burst:", 6) == 0)
		return parse_burst(text + 6, params, why, size);
	else if (strncmp(text, "ramp:", 5) == 0)
		return parse_ramp(text + 5, params, why, size);
	else
		return -EINVAL;
	return 0;
}

/* Digits that read back as the same share: nobody writes more than 15. */
static void format_share(double share, char *buf, size_t size)
{
	double back;

	for (int digits = 1; digits < 18; digits++) {
		snprintf(buf, size, "%.*g%%", digits, share * 100);
		if (!strchr(buf, 'e') && parse_share(buf, &back) == 0 && back == share)
			return;
	}
}

void format_arrival(const struct params *params, char *buf, size_t size)
{
	char from[40], to[40];

	switch (params->arrival) {
	case ARRIVAL_POISSON:
		snprintf(buf, size, "poisson");
		return;
	case ARRIVAL_CONSTANT:
		snprintf(buf, size, "constant");
		return;
	case ARRIVAL_BURST:
		units_format_count(params->burst, from, sizeof(from));
		snprintf(buf, size, "burst:%s", from);
		return;
	case ARRIVAL_RAMP:
		break;
	}
	if (params->ramp_relative) {
		format_share(params->ramp_from, from, sizeof(from));
		format_share(params->ramp_to, to, sizeof(to));
	} else {
		units_format_count((uint64_t)params->ramp_from, from, sizeof(from));
		units_format_count((uint64_t)params->ramp_to, to, sizeof(to));
	}
	snprintf(buf, size, "ramp:%s:%s", from, to);
}

int value_steady(const char *text, struct draft *draft, char *why, size_t size)
{
	double slope;

	if (strcmp(text, "off") == 0) {
		draft->params.steady_slope = 0;
		return 0;
	}
	if (strncmp(text, "slope:", 6) != 0)
		return -EINVAL;
	if (parse_share(text + 6, &slope) || slope <= 0 || slope > 1) {
		snprintf(why, size, "a slope is above 0%%, at most 100%%");
		return -EINVAL;
	}
	draft->params.steady_slope = slope;
	return 0;
}

void format_steady(const struct params *params, char *buf, size_t size)
{
	char slope[40];

	format_share(params->steady_slope, slope, sizeof(slope));
	snprintf(buf, size, params->steady_slope > 0 ? "slope:%s" : "off", slope);
}

int value_ops_file(const char *text, struct draft *draft, char *why, size_t size)
{
	char *path = draft->params.ops_file;

	if (strlen(text) >= sizeof(draft->params.ops_file)) {
		snprintf(why, size, "longer than %zu bytes", sizeof(draft->params.ops_file) - 1);
		return -EINVAL;
	}
	snprintf(path, sizeof(draft->params.ops_file), "%s", strcmp(text, "none") ? text : "");
	return 0;
}

void format_ops_file(const struct params *params, char *buf, size_t size)
{
	snprintf(buf, size, "%s", params->ops_file[0] ? params->ops_file : "none");
}
