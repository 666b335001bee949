/* SPDX-License-Identifier: MIT */
/* The key `phases`: reading, writing, and what its legs ask of other keys. */
#include "run/legs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"
#include "scenario/units.h"

#define FACTOR_MAX 1000.0

static const char *const kind_names[] = {
	[LEG_LOAD] = "load",
	[LEG_STEADY] = "steady",
	[LEG_SPIKE] = "spike",
	[LEG_DRAIN] = "drain",
};
#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

/* "2x", "0.5x" */
static int parse_factor(const char *text, double *ret)
{
	char number[32];
	size_t len = strlen(text);

	if (len < 2 || len > sizeof(number) || text[len - 1] != 'x')
		return -EINVAL;
	snprintf(number, sizeof(number), "%.*s", (int)len - 1, text);
	return units_parse_double(number, ret) || *ret <= 0 || *ret > FACTOR_MAX ? -EINVAL : 0;
}

static int leg_error(char *why, size_t size, const char *leg, const char *what)
{
	snprintf(why, size, "phase '%.40s': %s", leg, what);
	return -EINVAL;
}

/* "steady", "steady:2s", "spike:2x", "spike:2x:5s" */
static int parse_leg(const char *whole, char *text, struct leg *leg, char *why, size_t size)
{
	char *word = strsep(&text, ":"), *time;
	uint32_t kind = 0;

	while (kind < KINDS && strcmp(kind_names[kind], word) != 0)
		kind++;
	if (kind == KINDS)
		return leg_error(why, size, whole, "found no load, steady, spike or drain");
	*leg = (struct leg){ .kind = (enum leg_kind)kind,
			     .factor = kind == LEG_STEADY || kind == LEG_SPIKE };
	if (kind == LEG_SPIKE && (!text || parse_factor(strsep(&text, ":"), &leg->factor)))
		return leg_error(why, size, whole,
				 "how many times the rate, above 0x, at most 1000x: spike:2x");
	time = text;
	if (!time)
		return 0;
	if (kind == LEG_LOAD)
		return leg_error(why, size, whole, "ends when `preload` entries are in");
	if (units_parse_time(time, &leg->ns) || leg->ns < 1000000 || leg->ns > TIME_MAX_NS)
		return leg_error(why, size, whole, "a time of 1ms to 1000h may follow");
	return 0;
}

int value_phases(const char *text, struct draft *draft, char *why, size_t size)
{
	struct params *params = &draft->params;
	char *copy, *rest, *item;
	int r = 0;

	params->nr_legs = 0;
	if (strcmp(text, "none") == 0)
		return 0;
	rest = copy = scenario_strdup(text, strlen(text));
	while (!r && (item = strsep(&rest, ","))) {
		char whole[64];

		item = trim(item);
		snprintf(whole, sizeof(whole), "%s", item);
		if (params->nr_legs == LEGS_MAX) {
			snprintf(why, size, "more than %u phases", LEGS_MAX);
			r = -EINVAL;
		} else {
			r = parse_leg(whole, item, &params->legs[params->nr_legs], why, size);
		}
		if (!r && params->legs[params->nr_legs].kind == LEG_LOAD && params->nr_legs)
			r = leg_error(why, size, whole, "can only be the first");
		params->nr_legs++;
	}
	free(copy);
	if (r)
		params->nr_legs = 0;
	return r;
}

/* Without its time. */
static void leg_word(const struct leg *leg, char *buf, size_t size)
{
	char number[32];
	double back;

	snprintf(buf, size, "%s", kind_names[leg->kind]);
	if (leg->kind != LEG_SPIKE)
		return;
	for (int digits = 0; digits < 18; digits++) {
		snprintf(number, sizeof(number), "%.*f", digits, leg->factor);
		if (units_parse_double(number, &back) == 0 && back == leg->factor)
			break;
	}
	snprintf(buf, size, "spike:%sx", number);
}

void format_phases(const struct params *params, char *buf, size_t size)
{
	size_t used = 0;

	snprintf(buf, size, "none");
	for (uint32_t i = 0; i < params->nr_legs && used < size; i++) {
		const struct leg *leg = &params->legs[i];
		char word[48], time[32] = "";

		leg_word(leg, word, sizeof(word));
		if (leg->ns)
			units_format_time(leg->ns, time, sizeof(time));
		used += (size_t)snprintf(buf + used, size - used, "%s%s%s%s", i ? ", " : "", word,
					 leg->ns ? ":" : "", time);
	}
}

void leg_name(const struct params *params, uint32_t leg, char *buf, size_t size)
{
	char other[48], word[48];
	unsigned int nth = 1;

	leg_word(&params->legs[leg], word, sizeof(word));
	for (uint32_t i = 0; i < leg; i++) {
		leg_word(&params->legs[i], other, sizeof(other));
		nth += strcmp(other, word) == 0;
	}
	if (nth > 1)
		snprintf(buf, size, "%s#%u", word, nth);
	else
		snprintf(buf, size, "%s", word);
}

bool legs_resolve(struct params *params, char *why, size_t size)
{
	bool measures = false;

	if (params->nr_legs && params->ops) {
		snprintf(why, size,
			 "phases are told apart by time: allowed with duration, not ops");
		return false;
	}
	if (params->nr_legs && params->arrival == ARRIVAL_RAMP) {
		snprintf(why, size, "phases change the rate themselves: not allowed with a ramp");
		return false;
	}
	for (uint32_t i = 0; i < params->nr_legs; i++) {
		struct leg *leg = &params->legs[i];
		char name[64];

		leg_name(params, i, name, sizeof(name));
		if ((leg->kind == LEG_SPIKE || leg->kind == LEG_DRAIN) && !params->rate) {
			snprintf(why, size,
				 "phase '%s' needs an open loop, for example rate = 100k: with "
				 "rate = max workers are as fast as they can, and nothing waits",
				 name);
			return false;
		}
		measures |= leg->kind == LEG_STEADY || leg->kind == LEG_SPIKE;
		if (leg->kind != LEG_LOAD && !leg->ns)
			leg->ns = params->duration_ns;
	}
	if (params->nr_legs && !measures)
		snprintf(why, size, "a steady or a spike phase is missing: nothing is measured");
	return measures || !params->nr_legs;
}

uint64_t legs_window_ns(const struct params *params)
{
	uint64_t ns = 0;

	if (!params->nr_legs)
		return params->duration_ns;
	for (uint32_t i = 0; i < params->nr_legs; i++)
		ns += params->legs[i].ns;
	return ns;
}

uint64_t legs_plan_ns(const struct params *params)
{
	uint64_t ns = legs_window_ns(params);

	return legs_drain_last(params) ? ns - params->legs[params->nr_legs - 1].ns : ns;
}

double legs_mean_factor(const struct params *params)
{
	double planned = 0;

	if (!params->nr_legs)
		return 1;
	for (uint32_t i = 0; i < params->nr_legs; i++)
		planned += params->legs[i].factor * (double)params->legs[i].ns;
	return planned / (double)legs_window_ns(params);
}
