/* SPDX-License-Identifier: MIT */
/*
 * From rounds to what the judge sees. A percentile moves by steps of a bucket and
 * by luck of few samples, so it has two figures: the log ratio of the percentile,
 * and the share of operations above the other side's pooled one.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"
#include "run/turns.h"
#include "scenario/scenario.h"
#include "stats/stats.h"

#define UNDISTURBED 0.75

int gate_metric_parse(const char *text, struct gate_metric *ret, char *why, size_t size)
{
	static const struct {
		const char *name;
		double quantile;
	} figures[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
	struct expectation expect;
	const char *figure;
	char whole[96];

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", text);
	if (strcmp(text, "ops_per_s") == 0)
		return 0;
	snprintf(whole, sizeof(whole), "%.60s<=1s", text);
	if (strlen(text) < sizeof(ret->name) &&
	    !scenario_parse_expectation(whole, &expect, why, size)) {
		figure = strrchr(text, '.');
		for (size_t i = 0; figure && i < sizeof(figures) / sizeof(figures[0]); i++)
			if (strcmp(figure + 1, figures[i].name) == 0)
				ret->quantile = figures[i].quantile;
	}
	if (ret->quantile > 0)
		return 0;
	snprintf(why, size,
		 "found '%.60s', allowed: ops_per_s, [service.|response.]OP.p50|p90|p99|p999",
		 text);
	return -EINVAL;
}

double gate_quantile(const struct hist *hist, double quantile)
{
	double rank = quantile * (double)hist->count, below = 0;

	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		double here = (double)hist->buckets[i];

		if (here > 0 && below + here >= rank) {
			double low = (double)hist_bucket_low(i);
			double width = (double)hist_bucket_high(i) + 1 - low;

			if (i == HIST_BUCKETS - 1)
				return low;
			return low + width * (rank - below) / here;
		}
		below += here;
	}
	return (double)hist->max_ns;
}

/* Share of the samples above a value; half a sample is added, so that none is not
 * minus infinity on the log scale. */
static double share_above(const struct hist *hist, double value)
{
	double above = 0;

	for (uint32_t i = hist_bucket(value < 0x1p36 ? (uint64_t)value : UINT64_MAX);
	     i < HIST_BUCKETS; i++) {
		double low = (double)hist_bucket_low(i);
		double width = i == HIST_BUCKETS - 1 ? 1 : (double)hist_bucket_high(i) + 1 - low;
		double part = low >= value ? 1 : fmax(0, (low + width - value) / width);

		above += part * (double)hist->buckets[i];
	}
	return (above + 0.5) / ((double)hist->count + 1);
}

/* Straight between the two turns that are next to it. */
static double quantile_of_turns(const struct gate_slice *slice, double quantile)
{
	double sorted[TURNS_MAX], at = quantile * (slice->nr_turns - 1);
	uint32_t below = (uint32_t)at;

	memcpy(sorted, slice->turns, slice->nr_turns * sizeof(*sorted));
	qsort(sorted, slice->nr_turns, sizeof(*sorted), stats_ascending);
	if (below + 1 == slice->nr_turns)
		return sorted[below];
	/* Of an empty turn there is no share. */
	if (isinf(sorted[below]))
		return sorted[below + 1];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

double gate_log_rate(const struct gate_slice *slice)
{
	return log((double)slice->ops) - log(slice->seconds);
}

static bool enough_turns(const struct gate_slice *slice)
{
	return slice->nr_turns && slice->empty_turns <= slice->nr_turns / 2;
}

double gate_log_slowdown(const struct gate_point *point, const struct gate_round *round)
{
	const struct gate_slice *base = &round->slices[GATE_BASE];
	const struct gate_slice *head = &round->slices[GATE_HEAD];

	/* A lone worker is disturbed from outside only, and then it is slower: the less
	 * disturbed turns tell more. Workers that share a lock disturb each other, which
	 * is what is measured: all their turns count. So they do, of both sides, where one
	 * had no time in most of its turns. */
	if (point->procs == 1 && enough_turns(base) && enough_turns(head))
		return quantile_of_turns(base, UNDISTURBED) - quantile_of_turns(head, UNDISTURBED);
	return gate_log_rate(base) - gate_log_rate(head);
}

static void fill_rate(struct gate_point *point, uint32_t m)
{
	double *slowdown = point->figures[m];

	for (uint32_t k = 0; k < point->nr_rounds; k++)
		slowdown[k] = gate_log_slowdown(point, &point->rounds[k]);
	point->rows[m].slowdown = slowdown;
}

static int fill_quantile(struct gate_point *point, uint32_t m)
{
	double quantile = point->metrics[m].quantile, at[GATE_SIDES];
	double *slowdown = point->figures[m], *worse = slowdown + point->rounds_max,
	       *better = worse + point->rounds_max;
	struct hist *pool = malloc(sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	for (int side = 0; side < GATE_SIDES; side++) {
		hist_reset(pool);
		for (uint32_t k = 0; k < point->nr_rounds; k++)
			hist_merge(pool, point->rounds[k].slices[side].hists[m]);
		at[side] = gate_quantile(pool, quantile);
	}
	free(pool);
	for (uint32_t k = 0; k < point->nr_rounds; k++) {
		const struct hist *base = point->rounds[k].slices[GATE_BASE].hists[m];
		const struct hist *head = point->rounds[k].slices[GATE_HEAD].hists[m];

		slowdown[k] = log(fmax(gate_quantile(head, quantile), 1)) -
			      log(fmax(gate_quantile(base, quantile), 1));
		worse[k] = log(share_above(head, at[GATE_BASE])) -
			   log(share_above(base, at[GATE_BASE]));
		better[k] = log(share_above(base, at[GATE_HEAD])) -
			    log(share_above(head, at[GATE_HEAD]));
	}
	point->rows[m].slowdown = slowdown;
	point->rows[m].worse = worse;
	point->rows[m].better = better;
	return 0;
}

int gate_rows_fill(struct gate_point *point)
{
	for (uint32_t m = 0; m < point->nr_metrics; m++) {
		if (!point->figures[m])
			point->figures[m] = calloc(3 * (size_t)point->rounds_max, sizeof(double));
		if (!point->figures[m])
			return -ENOMEM;
		if (point->metrics[m].quantile > 0) {
			int r = fill_quantile(point, m);

			if (r)
				return r;
		} else {
			fill_rate(point, m);
		}
		point->rows[m].n = point->nr_rounds;
	}
	return 0;
}
