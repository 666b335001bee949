/* SPDX-License-Identifier: MIT */
/*
 * Values with a grammar of their own. Each parser takes one item of a list,
 * trimmed and not empty, and either changes the draft or returns -EINVAL; what
 * is allowed stands in the table of keys, why says what is wrong beyond that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lock/lock_file.h"
#include "scenario/scenario_internal.h"
#include "scenario/units.h"
#include "target/target.h"

#define CPU_ID_MAX 8191u /* the most that a Linux kernel is built for */
#define NODE_ID_MAX 1023u
#define SAMPLE_EVERY_MAX (1u << 20)
#define ZIPF_THETA_MAX 10.0
#define MIX_WEIGHT_MAX 1e12

void why_not_number(const char *text, int rc, char *why, size_t size)
{
	double value;

	if (rc == -ERANGE)
		snprintf(why, size, "does not fit 64 bits");
	else if (*text == '-')
		snprintf(why, size, "negative");
	else if (*text < '0' || *text > '9')
		snprintf(why, size, "not a number");
	else if (units_parse_double(text, &value) == 0)
		snprintf(why, size, "not a whole number");
	else
		snprintf(why, size, "not a number with a known unit");
}

static int parse_range(const char *text, uint64_t min, uint64_t max, uint64_t *ret, char *why,
		       size_t size)
{
	uint64_t value;
	int rc = units_parse_count(text, &value);

	if (rc) {
		why_not_number(text, rc, why, size);
		return -EINVAL;
	}
	if (value < min || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* Copies at most a line's worth: every value longer than that was refused before. */
struct words {
	char text[256];
	char *rest;
};

static int words_begin(struct words *words, const char *text)
{
	if (strlen(text) >= sizeof(words->text))
		return -EINVAL;
	snprintf(words->text, sizeof(words->text), "%s", text);
	words->rest = words->text;
	return 0;
}

/* What follows "head:" in text, "" when text is head alone, else NULL. */
static const char *after_head(const char *text, const char *head)
{
	size_t len = strlen(head);

	if (strncmp(text, head, len) != 0 || (text[len] != ':' && text[len] != '\0'))
		return NULL;
	return text[len] ? text + len + 1 : text + len;
}

/* As an included file: relative to the file that names it; by --set, to where one is. */
static int value_lock_file(const char *text, struct draft *draft, char *why, size_t size)
{
	const char *slash = draft->file && *text != '/' ? strrchr(draft->file, '/') : NULL;
	int folder_len = slash ? (int)(slash - draft->file + 1) : 0;
	const struct lock_file *file;
	char path[LOCK_TEXT_MAX];

	if (draft->in_memory) {
		snprintf(why, size, "a text in memory names no files");
		return -EINVAL;
	}
	if (snprintf(path, sizeof(path), "%.*s%s", folder_len, folder_len ? draft->file : "",
		     text) >= (int)sizeof(path)) {
		snprintf(why, size, "with its folder the path is longer than %u bytes",
			 LOCK_TEXT_MAX - 1);
		return -EINVAL;
	}
	if (lock_file_load(path, &file, why, size))
		return -EINVAL;
	memcpy(draft->params.lock, path, sizeof(path));
	draft->lock_all = false;
	return 0;
}

int value_lock(const char *text, struct draft *draft, char *why, size_t size)
{
	if (lock_is_file(text))
		return value_lock_file(text, draft, why, size);
	if (strcmp(text, "all") == 0) {
		draft->lock_all = true;
		return 0;
	}
	if (strlen(text) >= sizeof(draft->params.lock) ||
	    (!shmht_strategy_find(text) && !target_find(text)))
		return -EINVAL;
	snprintf(draft->params.lock, sizeof(draft->params.lock), "%s", text);
	draft->lock_all = false;
	return 0;
}

int value_stripes(const char *text, struct draft *draft, char *why, size_t size)
{
	uint64_t stripes;

	draft->stripes_auto = strcmp(text, "auto") == 0;
	if (draft->stripes_auto)
		return 0;
	if (parse_range(text, 1, SHMHT_STRIPES_MAX, &stripes, why, size))
		return -EINVAL;
	if (stripes & (stripes - 1)) {
		snprintf(why, size, "not a power of two");
		return -EINVAL;
	}
	draft->params.stripes = (uint32_t)stripes;
	return 0;
}

int value_value_size(const char *text, struct draft *draft, char *why, size_t size)
{
	uint64_t low, high;
	struct words words;
	char *dash;

	if (words_begin(&words, text))
		return -EINVAL;
	dash = strchr(words.text + 1, '-');
	if (dash)
		*dash++ = '\0';
	if (parse_range(trim(words.text), 0, SHMHT_VALUE_MAX, &low, why, size))
		return -EINVAL;
	high = low;
	if (dash && parse_range(trim(dash), 0, SHMHT_VALUE_MAX, &high, why, size))
		return -EINVAL;
	if (low > high) {
		snprintf(why, size, "the range is reversed");
		return -EINVAL;
	}
	draft->params.value_min = (uint32_t)low;
	draft->params.value_max = (uint32_t)high;
	return 0;
}

int value_preload(const char *text, struct draft *draft, char *why, size_t size)
{
	uint64_t entries;
	double share;

	if (units_parse_percent(text, &share) == 0) {
		draft->preload_is_share = true;
		draft->preload_share = share;
		return 0;
	}
	if (strchr(text, '%')) {
		if (*text == '-')
			snprintf(why, size, "negative");
		return -EINVAL;
	}
	if (parse_range(text, 0, SHMHT_CAPACITY_MAX, &entries, why, size))
		return -EINVAL;
	draft->preload_is_share = false;
	draft->params.preload = entries;
	return 0;
}

int value_keyspace(const char *text, struct draft *draft, char *why, size_t size)
{
	draft->keyspace_is_capacity = strcmp(text, "capacity") == 0;
	if (draft->keyspace_is_capacity)
		return 0;
	return parse_range(text, 1, KEYSPACE_MAX, &draft->params.keyspace, why, size);
}

static int parse_hotspot(char *shares, struct keydist_params *keys, char *why, size_t size)
{
	char *ops = strchr(shares, ':');

	if (!ops) {
		snprintf(why, size, "needs two shares");
		return -EINVAL;
	}
	*ops++ = '\0';
	if (units_parse_percent(shares, &keys->hot_keys) ||
	    units_parse_percent(ops, &keys->hot_ops)) {
		snprintf(why, size, "a share is 0%% to 100%%");
		return -EINVAL;
	}
	if (keys->hot_keys <= 0) {
		snprintf(why, size, "no key would be hot");
		return -EINVAL;
	}
	return 0;
}

int value_keys(const char *text, struct draft *draft, char *why, size_t size)
{
	struct keydist_params keys = { .kind = KEYS_UNIFORM };
	const char *args;
	struct words words;

	if (strcmp(text, "uniform") == 0) {
		keys.kind = KEYS_UNIFORM;
	} else if (strcmp(text, "sequential") == 0) {
		keys.kind = KEYS_SEQUENTIAL;
	} else if (strcmp(text, "latest") == 0) {
		keys.kind = KEYS_LATEST;
		keys.theta = 0.99;
	} else if ((args = after_head(text, "zipf"))) {
		keys.kind = KEYS_ZIPF;
		if (units_parse_double(args, &keys.theta) || keys.theta <= 0 ||
		    keys.theta > ZIPF_THETA_MAX) {
			snprintf(why, size, "the exponent is above 0, at most %g", ZIPF_THETA_MAX);
			return -EINVAL;
		}
	} else if ((args = after_head(text, "hotspot"))) {
		keys.kind = KEYS_HOTSPOT;
		if (words_begin(&words, args) || parse_hotspot(words.text, &keys, why, size))
			return -EINVAL;
	} else {
		return -EINVAL;
	}
	draft->params.keys = keys;
	return 0;
}

static int mix_operation(const char *name, char *why, size_t size)
{
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (int op = 0; op < OP_NR; op++) {
		if (strcmp(op_names[op], name) == 0)
			return op;
		nearest_offer(&nearest, op_names[op]);
	}
	if (nearest.best)
		snprintf(why, size, "unknown operation '%s', did you mean '%s'?", name,
			 nearest.best);
	else
		snprintf(why, size, "unknown operation '%s'", name);
	return -1;
}

int value_mix(const char *text, struct draft *draft, char *why, size_t size)
{
	double mix[OP_NR] = { 0 }, sum = 0;
	bool seen[OP_NR] = { false };
	struct words words;
	char *part;
	int op;

	if (words_begin(&words, text))
		return -EINVAL;
	while ((part = strsep(&words.rest, " \t"))) {
		char *weight = strchr(part, ':');

		if (*part == '\0')
			continue;
		if (weight)
			*weight++ = '\0';
		op = mix_operation(part, why, size);
		if (op < 0)
			return -EINVAL;
		if (seen[op]) {
			snprintf(why, size, "'%s' stands twice", part);
			return -EINVAL;
		}
		seen[op] = true;
		if (!weight || units_parse_double(weight, &mix[op]) || mix[op] > MIX_WEIGHT_MAX) {
			snprintf(why, size, "the weight of '%s' is a number from 0 to %g", part,
				 MIX_WEIGHT_MAX);
			return -EINVAL;
		}
		sum += mix[op];
	}
	if (sum <= 0) {
		snprintf(why, size, "the weights sum to 0");
		return -EINVAL;
	}
	for (op = 0; op < OP_NR; op++)
		draft->params.mix[op] = mix[op] / sum;
	return 0;
}

int value_latency(const char *text, struct draft *draft, char *why, size_t size)
{
	const char *every = after_head(text, "sampled");
	uint64_t value;

	if (strcmp(text, "off") == 0) {
		draft->params.latency = LATENCY_OFF;
	} else if (strcmp(text, "every") == 0) {
		draft->params.latency = LATENCY_EVERY;
	} else if (every) {
		if (parse_range(every, 1, SAMPLE_EVERY_MAX, &value, why, size))
			return -EINVAL;
		draft->params.latency = LATENCY_SAMPLED;
		draft->params.sample_every = (uint32_t)value;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* Digits only: a CPU is not 1k. */
static int parse_id(const char *text, uint64_t max, uint64_t *ret, char *why, size_t size)
{
	if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) {
		snprintf(why, size, "'%s' is not a number", text);
		return -EINVAL;
	}
	if (units_parse_count(text, ret) || *ret > max) {
		snprintf(why, size, "'%s' is above %llu", text, (unsigned long long)max);
		return -EINVAL;
	}
	return 0;
}

static int add_cpus(struct params *params, uint64_t first, uint64_t last, char *why, size_t size)
{
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		for (uint32_t i = 0; i < params->nr_pin_cpus; i++) {
			if (params->pin_cpus[i] == cpu) {
				snprintf(why, size, "CPU %u stands twice", (unsigned int)cpu);
				return -EINVAL;
			}
		}
		if (params->nr_pin_cpus == PARAMS_CPUS_MAX) {
			snprintf(why, size, "more than %u CPUs", PARAMS_CPUS_MAX);
			return -EINVAL;
		}
		params->pin_cpus[params->nr_pin_cpus++] = (uint16_t)cpu;
	}
	return 0;
}

static int parse_cpus(const char *text, struct params *params, char *why, size_t size)
{
	struct words words;
	uint64_t first, last;
	char *part;

	params->nr_pin_cpus = 0;
	if (words_begin(&words, text))
		return -EINVAL;
	while ((part = strsep(&words.rest, "+"))) {
		char *dash = strchr(part, '-');

		if (dash)
			*dash++ = '\0';
		if (parse_id(part, CPU_ID_MAX, &first, why, size))
			return -EINVAL;
		last = first;
		if (dash && parse_id(dash, CPU_ID_MAX, &last, why, size))
			return -EINVAL;
		if (first > last) {
			snprintf(why, size, "the range is reversed");
			return -EINVAL;
		}
		if (add_cpus(params, first, last, why, size))
			return -EINVAL;
	}
	return 0;
}

int value_pin(const char *text, struct draft *draft, char *why, size_t size)
{
	static const char *const names[] = { "spread", "compact", "cores", "none" };
	const char *cpus = after_head(text, "cpus");

	for (unsigned int i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			draft->params.pin = (enum pin_mode)i;
			draft->params.nr_pin_cpus = 0;
			return 0;
		}
	}
	if (!cpus)
		return -EINVAL;
	draft->params.pin = PIN_CPUS;
	return parse_cpus(cpus, &draft->params, why, size);
}

int value_mem(const char *text, struct draft *draft, char *why, size_t size)
{
	const char *node_text = after_head(text, "bind");
	uint64_t node;

	draft->params.mem_node = 0;
	if (strcmp(text, "local") == 0) {
		draft->params.mem = MEM_LOCAL;
	} else if (strcmp(text, "interleave") == 0) {
		draft->params.mem = MEM_INTERLEAVE;
	} else if (node_text) {
		if (parse_id(node_text, NODE_ID_MAX, &node, why, size))
			return -EINVAL;
		draft->params.mem = MEM_BIND;
		draft->params.mem_node = (uint32_t)node;
	} else {
		return -EINVAL;
	}
	return 0;
}
