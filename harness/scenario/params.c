/* SPDX-License-Identifier: MIT */
/*
 * A point's parameters as text, key by key: what results hold. Each text is
 * also what a scenario line would say, so a result can be turned back into a
 * scenario; a test loads them again and compares.
 */
#include "scenario/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lock/grace.h"
#include "scenario/scenario_internal.h"
#include "scenario/units.h"

const char *const op_names[OP_NR] = { "search", "insert", "update", "remove", "search_many" };

/* Appends, and stays within size when the buffer is too small. */
__attribute__((format(printf, 3, 4))) static void append(char *buf, size_t size, const char *fmt,
							 ...)
{
	size_t len = strnlen(buf, size);
	va_list ap;

	if (len >= size)
		return;
	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
}

/* Fewest digits that read back as the same double. */
static void format_double(double value, char *buf, size_t size)
{
	double back;

	for (int digits = 0; digits < 18; digits++) {
		snprintf(buf, size, "%.*f", digits, value);
		if (units_parse_double(buf, &back) == 0 && back == value)
			return;
	}
}

/* fraction came from a percentage; which one is found again by trying the neighbours too. */
static void format_percent(double fraction, char *buf, size_t size)
{
	double middle = fraction * 100, back;
	const double tries[] = { middle, nextafter(middle, 0), nextafter(middle, 200) };

	for (int digits = 0; digits < 18; digits++) {
		for (size_t i = 0; i < 3; i++) {
			snprintf(buf, size, "%.*f%%", digits, tries[i]);
			if (units_parse_percent(buf, &back) == 0 && back == fraction)
				return;
		}
	}
}

void format_lock(const struct params *params, char *buf, size_t size)
{
	snprintf(buf, size, "%s", params->lock);
}

void format_stripes(const struct params *params, char *buf, size_t size)
{
	snprintf(buf, size, "%u", params->stripes);
}

void format_value_size(const struct params *params, char *buf, size_t size)
{
	char low[32], high[32];

	units_format_count(params->value_min, low, sizeof(low));
	units_format_count(params->value_max, high, sizeof(high));
	if (params->value_min == params->value_max)
		snprintf(buf, size, "%s", high);
	else
		snprintf(buf, size, "%s-%s", low, high);
}

void format_preload(const struct params *params, char *buf, size_t size)
{
	units_format_count(params->preload, buf, size);
}

void format_keyspace(const struct params *params, char *buf, size_t size)
{
	units_format_count(params->keyspace, buf, size);
}

void format_keys(const struct params *params, char *buf, size_t size)
{
	const struct keydist_params *keys = &params->keys;
	char a[40], b[40];

	switch (keys->kind) {
	case KEYS_ZIPF:
		format_double(keys->theta, a, sizeof(a));
		snprintf(buf, size, "zipf:%s", a);
		return;
	case KEYS_HOTSPOT:
		format_percent(keys->hot_keys, a, sizeof(a));
		format_percent(keys->hot_ops, b, sizeof(b));
		snprintf(buf, size, "hotspot:%s:%s", a, b);
		return;
	case KEYS_LATEST:
		snprintf(buf, size, "latest");
		return;
	case KEYS_SEQUENTIAL:
		snprintf(buf, size, "sequential");
		return;
	case KEYS_RECORDED:
		snprintf(buf, size, "recorded");
		return;
	case KEYS_UNIFORM:
		snprintf(buf, size, "uniform");
		return;
	}
}

/* In percent; ten digits, because a third has no end. */
void format_mix(const struct params *params, char *buf, size_t size)
{
	char weight[40], *end;

	if (size)
		buf[0] = '\0';
	for (unsigned int op = 0; op < OP_NR; op++) {
		if (params->mix[op] <= 0)
			continue;
		snprintf(weight, sizeof(weight), "%.10f", params->mix[op] * 100);
		for (end = weight + strlen(weight); end[-1] == '0'; end--)
			end[-1] = '\0';
		if (end[-1] == '.')
			end[-1] = '\0';
		append(buf, size, "%s%s:%s", size && buf[0] ? " " : "", op_names[op], weight);
	}
}

void format_latency(const struct params *params, char *buf, size_t size)
{
	if (params->latency == LATENCY_SAMPLED)
		snprintf(buf, size, "sampled:%u", params->sample_every);
	else
		snprintf(buf, size, "%s", params->latency == LATENCY_EVERY ? "every" : "off");
}

/* Runs of three and more as a range: "cpus:0+2-5". */
void format_pin(const struct params *params, char *buf, size_t size)
{
	static const char *const names[] = { "spread", "compact", "cores", "none" };
	const uint16_t *cpus = params->pin_cpus;
	uint32_t end;

	if (params->pin != PIN_CPUS) {
		snprintf(buf, size, "%s", names[params->pin]);
		return;
	}
	snprintf(buf, size, "cpus:");
	for (uint32_t i = 0; i < params->nr_pin_cpus; i = end) {
		end = i + 1;
		while (end < params->nr_pin_cpus && cpus[end] == cpus[end - 1] + 1)
			end++;
		if (end - i < 3)
			end = i + 1;
		append(buf, size, "%s%u", i ? "+" : "", cpus[i]);
		if (end - i >= 3)
			append(buf, size, "-%u", cpus[end - 1]);
	}
}

void format_mem(const struct params *params, char *buf, size_t size)
{
	if (params->mem == MEM_BIND)
		snprintf(buf, size, "bind:%u", params->mem_node);
	else
		snprintf(buf, size, "%s", params->mem == MEM_LOCAL ? "local" : "interleave");
}

void format_expect(const struct params *params, char *buf, size_t size)
{
	if (params->nr_expect == 0) {
		snprintf(buf, size, "none");
		return;
	}
	if (size)
		buf[0] = '\0';
	for (uint32_t i = 0; i < params->nr_expect; i++)
		append(buf, size, "%s%s", i ? ", " : "", params->expect[i].text);
}

bool params_text(const struct params *params, unsigned int idx, const char **ret_key, char *buf,
		 size_t size)
{
	/* include is the one key that belongs to files, not to points; it is the last. */
	if (idx >= KEY_INCLUDE)
		return false;
	*ret_key = scenario_keys[idx].name;
	key_format(&scenario_keys[idx], params, buf, size);
	return true;
}

struct shmht_config params_table(const struct params *params)
{
	const struct shmht_strategy *strategy = lock_strategy(params->lock);

	return (struct shmht_config){
		.capacity = params->capacity,
		.key_size = params->key_size,
		.value_size = params->value_max,
		.stripes = params->stripes,
		.max_workers = params->procs < 64 ? 64 : params->procs,
		.strategy = strategy ? strategy->name : params->lock,
		.read = read_mode(params->read),
		.grace = grace_of(params->read),
		.wait = params->wait,
		.robust = params->robust,
		.pages = params->pages,
		.hash_seed = params->seed,
	};
}
