/* SPDX-License-Identifier: MIT */
/*
 * Asking a build for slices. It may be old, broken or gone: what it says is
 * checked in full, and anything odd makes the point "not measured".
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "gate/gate.h"
#include "gate/gate_ask.h"
#include "result/hdr.h"
#include "run/turns.h"
#include "result/result_internal.h"
#include "shmht.h"
#include "shmht_clock.h"

#define LIST_TIMEOUT_S 20
#define PROFILE_TIMEOUT_S 300
/* A window that the supervisor sleeps through may end late, but not early. */
#define WINDOW_EARLY 0.5

const char *const gate_side_names[] = { "base", "head" };

int gate_list(const struct gate_request *request, enum gate_side side, json_t **ret_list, char *why,
	      size_t size)
{
	struct gate_arguments args = { .nr = 0 };
	int r;

	gate_begin(request, side, &args);
	gate_add(&args, "--list", request->scenario);
	r = gate_ask(&args, LIST_TIMEOUT_S, ret_list, NULL, why, size);
	if (r)
		return r;
	if (json_array_size(json_object_get(*ret_list, "points")) == 0) {
		snprintf(why, size, "%s: it lists no points", request->builds[side].binary);
		json_decref(*ret_list);
		*ret_list = NULL;
		return -EIO;
	}
	return 0;
}

static int complain(char *why, size_t size, const char *what, double found, const char *expected)
{
	snprintf(why, size, "%s: found %g, expected %s", what, found, expected);
	return -EIO;
}

static int parse_hists(const json_t *raw, const struct gate_point *point, struct gate_slice *ret,
		       char *why, size_t size)
{
	for (uint32_t i = 0; i < point->nr_metrics; i++) {
		const struct gate_metric *metric = &point->metrics[i];
		const char *text = result_get_text(json_object_get(raw, "hist"), metric->name);
		uint64_t above;

		if (!(metric->quantile > 0))
			continue;
		ret->hists[i] = malloc(sizeof(struct hist));
		if (!ret->hists[i])
			return -ENOMEM;
		if (!text || hdr_decode(text, ret->hists[i])) {
			snprintf(why, size, "%s: no histogram was sent", metric->name);
			return -EIO;
		}
		above = hist_samples_above(ret->hists[i], metric->quantile);
		if (above < GATE_SAMPLES_ABOVE) {
			snprintf(why, size,
				 "%s: found %llu samples above it in a slice, expected %d: "
				 "longer slices (--slice) or latency = every",
				 metric->name, (unsigned long long)above, GATE_SAMPLES_ABOVE);
			return -EAGAIN;
		}
	}
	return 0;
}

/* Log rates of its turns, where it had any; they must make up the whole. */
static int parse_turns(const json_t *raw, struct gate_slice *ret, char *why, size_t size)
{
	const json_t *list = json_object_get(raw, "turns");
	size_t nr = json_array_size(list);
	double all = 0;

	if (!nr)
		return 0;
	if (nr > TURNS_MAX)
		return complain(why, size, "turns", (double)nr, "at most 1000");
	ret->turns = calloc(nr, sizeof(*ret->turns));
	if (!ret->turns)
		return complain(why, size, "turns", (double)nr, "as many as there is memory for");
	for (size_t k = 0; k < nr; k++) {
		const json_t *turn = json_array_get(list, k);
		double ops = json_number_value(json_array_get(turn, 0));
		double seconds = json_number_value(json_array_get(turn, 1));

		if (!json_is_number(json_array_get(turn, 0)) || ops < 0)
			return complain(why, size, "operations of a turn", ops, "0 or more");
		if (ops > 0 && !(seconds > 0))
			return complain(why, size, "a turn's seconds", seconds, "more than 0");
		ret->turns[k] = ops > 0 ? log(ops) - log(seconds) : -INFINITY;
		ret->empty_turns += ops == 0;
		all += ops;
	}
	if (all != (double)ret->ops)
		return complain(why, size, "operations of all turns", all, "the slice's");
	ret->nr_turns = (uint32_t)nr;
	return 0;
}

int gate_slice_parse(json_t *raw, const struct gate_point *point, uint64_t expected_ns,
		     double elapsed_s, struct gate_slice *ret, char *why, size_t size)
{
	const char *status = result_get_text(raw, "status"), *name = result_get_text(raw, "point");
	const char *hash = result_get_text(raw, "op_stream_hash");
	const char *reason = result_get_text(raw, "reason");
	double ops = result_get_number(raw, "ops"), seconds = result_get_number(raw, "seconds");
	int r;

	ret->raw = json_incref(raw);
	if (!status || strcmp(status, "ok")) {
		snprintf(why, size, "%s: %s", status ? status : "no status",
			 reason ? reason : "no reason given");
		return status && !strcmp(status, "failed") ? -EBADMSG : -EIO;
	}
	if (!name || strcmp(name, point->name)) {
		snprintf(why, size, "point found '%s', expected '%s'", name ? name : "none",
			 point->name);
		return -EIO;
	}
	if (ops == 0) {
		complain(why, size, "operations", ops, "at least 1");
		return -EBUSY;
	}
	if (!(ops >= 1) || ops > 0x1p53)
		return complain(why, size, "operations", ops, "at least 1");
	if (!(seconds > 0))
		return complain(why, size, "seconds", seconds, "more than 0");
	/* Two clocks, ours and its: they can be wrong apart, hardly together. */
	if (seconds > elapsed_s)
		return complain(why, size, "seconds measured", seconds,
				"no more than went by here");
	if (expected_ns && json_is_true(json_object_get(raw, "by_time")) &&
	    seconds < WINDOW_EARLY * (double)expected_ns * 1e-9)
		return complain(why, size, "seconds measured", seconds, "what was asked for");
	if (!hash || strlen(hash) >= sizeof(ret->hash)) {
		snprintf(why, size, "no op_stream_hash was sent");
		return -EIO;
	}
	ret->seconds = seconds;
	ret->elapsed_s = elapsed_s;
	ret->ops = (uint64_t)ops;
	snprintf(ret->hash, sizeof(ret->hash), "%s", hash);
	r = parse_turns(raw, ret, why, size);
	return r ? r : parse_hists(raw, point, ret, why, size);
}

int gate_measure(const struct gate_request *request, const struct gate_point *point,
		 enum gate_side side, uint64_t slice_ns, uint32_t trial, struct gate_slice *ret,
		 char *why, size_t size)
{
	char duration[32], warmup[32], k[16], every[16], text[480] = "";
	uint64_t started = shmht_monotonic_ns();
	struct gate_arguments args = { .nr = 0 };
	json_t *line;
	int r;

	memset(ret, 0, sizeof(*ret));
	gate_begin(request, side, &args);
	snprintf(duration, sizeof(duration), "%lluns", (unsigned long long)slice_ns);
	snprintf(warmup, sizeof(warmup), "%uns", GATE_WARMUP_NS);
	snprintf(k, sizeof(k), "%u", trial);
	snprintf(every, sizeof(every), "%u", point->sample_every);
	gate_add(&args, "--point", point->name);
	gate_add(&args, "--trial", k);
	if (slice_ns) {
		gate_add(&args, "--duration", duration);
		gate_add(&args, "--warmup", warmup);
	}
	if (point->sample_every)
		gate_add(&args, "--sample-every", every);
	for (uint32_t i = 0; i < point->nr_metrics; i++)
		gate_add(&args, "--metric", point->metrics[i].name);
	gate_add(&args, request->scenario, NULL);
	r = gate_ask(&args, GATE_SLICE_TIMEOUT_S + (double)slice_ns * 2e-9, &line, NULL, text,
		     sizeof(text));
	if (!r) {
		double elapsed_s = (double)(shmht_monotonic_ns() - started) * 1e-9;

		r = gate_slice_parse(line, point, slice_ns, elapsed_s, ret, text, sizeof(text));
		json_decref(line);
	}
	if (r)
		snprintf(why, size, "%s, slice %u: %s", gate_side_names[side], trial, text);
	return r;
}

int gate_profile(const struct gate_request *request, const struct gate_point *point,
		 enum gate_side side, uint64_t ops, const char *folder, pid_t *ret_pid, char *why,
		 size_t size)
{
	struct gate_arguments args = { .nr = 0 };
	struct gate_slice slice = { 0 };
	char file[500], number[40], text[480] = "";
	json_t *line;
	int r;

	snprintf(file, sizeof(file), "--callgrind-out-file=%.400s/" GATE_PROFILE "%%p", folder);
	snprintf(number, sizeof(number), "ops=%llu", (unsigned long long)ops);
	gate_add(&args, "valgrind", "--tool=callgrind");
	gate_add(&args, file, NULL);
	gate_begin(request, side, &args);
	/* No clock may decide what is done: neither when it ends, nor intervals. */
	gate_add(&args, "--set", "duration=0ns");
	gate_add(&args, "--set", number);
	gate_add(&args, "--set", "interval=1h");
	gate_add(&args, "--set", "timeout=1m");
	gate_add(&args, "--point", point->name);
	gate_add(&args, "--trial", "0");
	gate_add(&args, request->scenario, NULL);
	r = gate_ask(&args, PROFILE_TIMEOUT_S, &line, ret_pid, text, sizeof(text));
	if (!r) {
		struct gate_point counted = { .name = point->name };

		r = gate_slice_parse(line, &counted, 0, INFINITY, &slice, text, sizeof(text));
		if (!r && slice.ops != ops) {
			complain(text, sizeof(text), "operations", (double)slice.ops, number);
			r = -EIO;
		}
		gate_slice_free(&slice);
		json_decref(line);
	}
	if (r)
		snprintf(why, size, "%s, instructions: %s", gate_side_names[side], text);
	return r;
}

void gate_slice_free(struct gate_slice *slice)
{
	json_decref(slice->raw);
	free(slice->turns);
	for (uint32_t i = 0; i < GATE_METRICS_MAX; i++)
		free(slice->hists[i]);
	memset(slice, 0, sizeof(*slice));
}
