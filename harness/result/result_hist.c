/* SPDX-License-Identifier: MIT */
/*
 * Histograms of a document that was read: found, decoded, and checked against
 * the figures that stand beside them. The encoded form keeps the counts of our
 * buckets exactly, but neither minimum, maximum nor sum: those come from the
 * document where they fit the counts.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/hdr.h"
#include "result/result_internal.h"
#include "stats/hist.h"

static const char *const clocks[] = { "service", "response" };

static uint32_t first_bucket(const struct hist *hist)
{
	uint32_t bucket = 0;

	while (bucket < HIST_BUCKETS - 1 && !hist->buckets[bucket])
		bucket++;
	return bucket;
}

static uint32_t last_bucket(const struct hist *hist)
{
	uint32_t bucket = HIST_BUCKETS - 1;

	while (bucket && !hist->buckets[bucket])
		bucket--;
	return bucket;
}

/* What the document says exactly, where it lies in the bucket that it must. */
static void take_extremes(const json_t *latency, struct hist *hist)
{
	double min = result_get_number(latency, "min_ns"), mean, sum;
	double max = result_get_number(latency, "max_sampled_ns");

	if (min >= 0 && min < 0x1p63 && hist_bucket((uint64_t)min) == first_bucket(hist))
		hist->min_ns = (uint64_t)min;
	if (max >= 0 && max < 0x1p63 && hist_bucket((uint64_t)max) == last_bucket(hist))
		hist->max_ns = (uint64_t)max;
	mean = result_get_number(latency, "mean_ns");
	sum = mean * (double)hist->count;
	if (mean >= (double)hist->min_ns && mean <= (double)hist->max_ns && sum < 0x1p63)
		hist->sum_ns = (uint64_t)(sum + 0.5);
}

int result_get_hist(const json_t *latency, struct hist *ret)
{
	double count = result_get_number(latency, "count");
	const char *text = result_get_text(latency, "hdr");
	struct hist *hist;
	int r;

	if (!(count > 0))
		return -ENOENT;
	if (!text)
		return -ENODATA;
	hist = malloc(sizeof(*hist));
	r = hist ? hdr_decode(text, hist) : -ENOMEM;
	if (!r && (double)hist->count != count)
		r = -ERANGE;
	if (!r) {
		take_extremes(latency, hist);
		*ret = *hist;
	}
	free(hist);
	return r;
}

int result_add_hist(const json_t *latency, struct hist *into)
{
	struct hist *one = malloc(sizeof(*one));
	uint64_t unused;
	int r = one ? result_get_hist(latency, one) : -ENOMEM;

	if (!r && (__builtin_add_overflow(into->count, one->count, &unused) ||
		   __builtin_add_overflow(into->sum_ns, one->sum_ns, &unused)))
		r = -EOVERFLOW;
	if (!r)
		hist_merge(into, one);
	free(one);
	return r;
}

int result_each_of_latency(const json_t *latency, struct result_latency *at, result_latency_fn *fn,
			   void *arg)
{
	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < RESULT_OPS; i++) {
			int r;

			at->clock = clocks[c];
			at->op = result_ops[i].name;
			at->latency = json_object_get(json_object_get(latency, at->clock), at->op);
			if (!(result_get_number(at->latency, "count") > 0))
				continue;
			r = fn(at, arg);
			if (r)
				return r;
		}
	}
	return 0;
}

int result_each_of_trial(const json_t *point, size_t point_idx, size_t trial_idx,
			 result_latency_fn *fn, void *arg)
{
	struct result_latency at = { .point = point,
				     .trial = json_array_get(json_object_get(point, "trials"),
							     trial_idx),
				     .point_idx = point_idx,
				     .trial_idx = trial_idx };

	if (!result_trial_is_ok(at.trial))
		return 0;
	return result_each_of_latency(json_object_get(at.trial, "latency"), &at, fn, arg);
}

int result_each_latency(const json_t *points, result_latency_fn *fn, void *arg)
{
	int r = 0;

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *point = json_array_get(points, p);
		size_t nr = json_array_size(json_object_get(point, "trials"));

		for (size_t k = 0; k < nr && !r; k++)
			r = result_each_of_trial(point, p, k, fn, arg);
	}
	return r;
}

/* One H that was promised; where it is, in the document's own words. */
static int check_hist(const json_t *latency, const char *path, const char *where,
		      struct hist *scratch, FILE *diag)
{
	int r = result_get_hist(latency, scratch);

	if (!r || r == -ENOENT)
		return 0;
	fprintf(diag, "%s: %s: key 'hdr': ", path, where);
	if (r == -ENODATA)
		fprintf(diag, "found no text");
	else if (r == -EINVAL)
		fprintf(diag, "found what is no HdrHistogram V2 text");
	else if (r == -ERANGE && !hdr_decode(result_get_text(latency, "hdr"), scratch))
		fprintf(diag, "found %llu samples", (unsigned long long)scratch->count);
	else
		fprintf(diag, "%s", strerror(-r));
	fprintf(diag, ", expected the histogram of %.0f samples; write it anew with run\n",
		result_get_number(latency, "count"));
	return r;
}

struct check {
	const char *path;
	FILE *diag;
	struct hist *scratch;
};

static int check_latency(const struct result_latency *at, void *arg)
{
	const struct check *check = arg;
	char where[120];

	snprintf(where, sizeof(where), "points[%zu].trials[%zu].latency.%s.%s", at->point_idx,
		 at->trial_idx, at->clock, at->op);
	return check_hist(at->latency, check->path, where, check->scratch, check->diag);
}

static int check_waits(const json_t *points, const struct check *check)
{
	int r = 0;

	for (size_t p = 0; p < json_array_size(points); p++) {
		const json_t *trials = json_object_get(json_array_get(points, p), "trials");

		for (size_t k = 0; k < json_array_size(trials) && !r; k++) {
			const json_t *trial = json_array_get(trials, k);
			char where[80];

			snprintf(where, sizeof(where), "points[%zu].trials[%zu].wait", p, k);
			if (result_trial_is_ok(trial))
				r = check_hist(json_object_get(trial, "wait"), check->path, where,
					       check->scratch, check->diag);
		}
	}
	return r;
}

int result_check_histograms(const json_t *result, const char *path, FILE *diag)
{
	const json_t *points = json_object_get(result, "points");
	struct check check = { path, diag, malloc(sizeof(struct hist)) };
	int r;

	if (!check.scratch)
		return -ENOMEM;
	r = result_each_latency(points, check_latency, &check);
	if (!r)
		r = check_waits(points, &check);
	free(check.scratch);
	return r;
}
