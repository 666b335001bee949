/* SPDX-License-Identifier: MIT */
/*
 * Single values of a result: how they are written, so that what was not
 * measured is null and every string is valid UTF-8; how they are read, so that
 * a wrong type is the same as an absent key; and metrics by name.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"

#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53 */

json_t *result_number(double value)
{
	if (!isfinite(value))
		return json_null();
	/* Whole numbers without ".0": most times and counts are, and are read by people too. */
	if (value == floor(value) && fabs(value) < EXACT_INTEGER_MAX)
		return json_integer((json_int_t)value);
	return json_real(value);
}

json_t *result_count(uint64_t count)
{
	return count <= INT64_MAX ? json_integer((json_int_t)count) : json_real((double)count);
}

json_t *result_hex(uint64_t hash)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, hash);
	return json_string(text);
}

json_t *result_string(const char *text)
{
	json_t *string;
	char *copy;

	if (!text)
		return json_null();
	string = json_string(text);
	if (string)
		return string;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *at = copy; *at; at++)
		if (*at & 0x80)
			*at = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

json_t *result_interval(const struct interval *interval)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:s}", "median", result_number(interval->median),
			 "low", result_number(interval->low), "high", result_number(interval->high),
			 "n", (json_int_t)interval->n, "method", interval->method);
}

json_t *result_time(struct timespec when)
{
	char text[40];
	struct tm tm;
	size_t len;

	if (!gmtime_r(&when.tv_sec, &tm))
		return json_null();
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, sizeof(text) - len, ".%03uZ",
		 (unsigned int)(when.tv_nsec / 1000000) % 1000u);
	return json_string(text);
}

json_t *result_scenario(const struct scenario *scenario)
{
	return json_pack("{s:o, s:o, s:o}", "path", result_string(scenario->path), "sha256",
			 result_string(scenario->sha256), "text", result_string(scenario->text));
}

json_t *result_params(const struct params *params)
{
	json_t *object = json_object();
	char value[8192]; /* a list of 1024 CPUs is the longest */
	const char *key;
	int rc = 0;

	for (unsigned int i = 0; params_text(params, i, &key, value, sizeof(value)); i++)
		rc |= json_object_set_new(object, key, result_string(value));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

const char *result_get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

double result_get_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_number(value) || !isfinite(json_number_value(value)))
		return NAN;
	return json_number_value(value);
}

static bool is_continuation(char byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t result_columns(const char *utf8)
{
	size_t columns = 0;

	for (; *utf8; utf8++)
		columns += !is_continuation(*utf8);
	return columns;
}

const char *result_clean(const char *text, size_t max_columns, char *buf, size_t size)
{
	size_t columns = result_columns(text), used = 0;

	if (columns > max_columns) {
		for (columns -= max_columns - 2; columns; text++)
			columns -= !is_continuation(text[1]);
		used = (size_t)snprintf(buf, size, "..");
	}
	for (; *text && used + 1 < size; text++) {
		unsigned char byte = (unsigned char)*text;
		/* A terminal obeys C0 and, as U+0080 to U+009F, C1. */
		bool c1 = byte == 0xc2 && (unsigned char)text[1] < 0xa0;

		buf[used++] = byte < 0x20 || byte == 0x7f || c1 ? '?' : *text;
		text += c1;
	}
	/* Never ends inside a character: the next byte would have continued it. */
	if (*text && is_continuation(*text)) {
		while (used && is_continuation(buf[used - 1]))
			used--;
		used -= used > 0;
	}
	buf[used] = '\0';
	return buf;
}

#define ALL_OPS ((1u << OP_NR) - 1)
#define ALL_CLASSES ((1u << HIST_CLASSES) - 1)

const struct result_op result_ops[RESULT_OPS] = {
	{ "all", ALL_OPS, ALL_CLASSES },
	{ "search", 1u << OP_SEARCH, 1u << HIST_SEARCH_HIT | 1u << HIST_SEARCH_MISS },
	{ "search.hit", 1u << OP_SEARCH, 1u << HIST_SEARCH_HIT },
	{ "search.miss", 1u << OP_SEARCH, 1u << HIST_SEARCH_MISS },
	{ "insert", 1u << OP_INSERT, 1u << HIST_INSERT },
	{ "update", 1u << OP_UPDATE, 1u << HIST_UPDATE },
	{ "remove", 1u << OP_REMOVE, 1u << HIST_REMOVE },
	{ "search_many", 1u << OP_SEARCH_MANY, 1u << HIST_SEARCH_MANY },
};

bool result_op_in_mix(const struct result_op *op, const struct params *params)
{
	for (int kind = 0; kind < OP_NR; kind++)
		if (op->ops >> kind & 1u && params->mix[kind] > 0)
			return true;
	return false;
}

static const struct {
	const char *name, *key;
} figures[] = {
	{ "min", "min_ns" },	{ "mean", "mean_ns" },	 { "p50", "p50_ns" },
	{ "p90", "p90_ns" },	{ "p99", "p99_ns" },	 { "p999", "p999_ns" },
	{ "p99.9", "p999_ns" }, { "p9999", "p9999_ns" }, { "p99.99", "p9999_ns" },
	{ "max", "max_ns" },
};

/* "search.hit.p99" -> "search.hit", "p99_ns"; NULL when it is no such metric. */
static const char *split_metric(const char *metric, const char **ret_op)
{
	for (size_t i = 0; i < RESULT_OPS; i++) {
		size_t len = strlen(result_ops[i].name);

		if (strncmp(metric, result_ops[i].name, len) != 0 || metric[len] != '.')
			continue;
		for (size_t k = 0; k < sizeof(figures) / sizeof(figures[0]); k++) {
			if (strcmp(metric + len + 1, figures[k].name) == 0) {
				*ret_op = result_ops[i].name;
				return figures[k].key;
			}
		}
	}
	return NULL;
}

bool result_trial_is_ok(const json_t *trial)
{
	const char *status = result_get_text(trial, "status");

	if (!json_is_object(trial))
		return false;
	if (json_is_true(json_object_get(trial, "superseded")))
		return false;
	/* The contract does not ask other writers for a status in each trial. */
	return status ? strcmp(status, "ok") == 0 : !json_object_get(trial, "status");
}

size_t result_ok_trials(const json_t *trials)
{
	size_t ok = 0;

	for (size_t i = 0; i < json_array_size(trials); i++)
		ok += result_trial_is_ok(json_array_get(trials, i));
	return ok;
}

/* clock NULL: response where there is one, which is in an open loop. */
static const json_t *latency_of(const json_t *trial, const char *clock)
{
	const json_t *latency = json_object_get(trial, "latency");
	const json_t *response = json_object_get(latency, "response");

	if (clock)
		return json_object_get(latency, clock);
	return json_is_object(response) ? response : json_object_get(latency, "service");
}

/* What is left of "service." or "response.", which *ret_clock then is; else NULL. */
static const char *split_clock(const char *metric, const char **ret_clock)
{
	static const char *const clocks[] = { "service", "response" };

	*ret_clock = NULL;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(clocks[i]);

		if (strncmp(metric, clocks[i], len) == 0 && metric[len] == '.') {
			*ret_clock = clocks[i];
			return metric + len + 1;
		}
	}
	return metric;
}

bool result_metric_exists(const char *metric)
{
	const char *clock, *op;

	return strcmp(metric, "ops_per_s") == 0 || strcmp(metric, "stalled") == 0 ||
	       split_metric(split_clock(metric, &clock), &op);
}

size_t result_metric(const json_t *trials, const char *metric, double **ret_values)
{
	const char *clock = NULL, *op = NULL, *key = metric;
	size_t len = json_array_size(trials), found = 0;
	double *values = NULL;

	*ret_values = NULL;
	if (strcmp(metric, "ops_per_s") != 0 && strcmp(metric, "stalled") != 0) {
		key = split_metric(split_clock(metric, &clock), &op);
	}
	if (key && len)
		values = malloc(len * sizeof(*values));
	if (!values)
		return 0;
	for (size_t i = 0; i < len; i++) {
		const json_t *trial = json_array_get(trials, i), *from = trial;

		if (!result_trial_is_ok(trial))
			continue;
		if (op)
			from = json_object_get(latency_of(trial, clock), op);
		values[found] = result_get_number(from, key);
		found += values[found] >= 0; /* false for NaN too */
	}
	if (!found) {
		free(values);
		return 0;
	}
	*ret_values = values;
	return found;
}
