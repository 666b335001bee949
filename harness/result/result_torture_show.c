/* SPDX-License-Identifier: MIT */
/*
 * What torture has to say beside the table: a paragraph for each point.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "result/result_internal.h"
#include "stats/stats.h"

static double figure(const json_t *recovery, const char *part, const char *key)
{
	return result_get_number(json_object_get(recovery, part), key);
}

/* Sums of counts and worst of times over a point's trials. */
struct sums {
	size_t trials;
	bool recovers, has_place, has_quota;
	double periods, throttled, held;
	double kills, at_place, stops, leaves, recoveries, strands, strands_of, done, undone;
	double timeouts, named_stopped, late_max, checked, errors;
	double recovery_p50, recovery_p99, recovery_max;
	double before_p99, before_max, storm_p99, storm_max;
	double ratio, ratio_low; /* of the worst trial */
	double fresh, fresh_low;
	const char *stuck;
};

static void add_trial(struct sums *sums, const json_t *trial, const json_t *recovery)
{
	const json_t *integrity = json_object_get(trial, "integrity");
	const json_t *throughput = json_object_get(recovery, "throughput");
	double ratio = result_get_number(throughput, "ratio");
	double fresh = figure(throughput, "to_fresh", "ratio");

	sums->trials++;
	sums->recovers = json_is_true(json_object_get(recovery, "recovers"));
	sums->kills += result_get_number(recovery, "kills");
	if (json_is_number(json_object_get(recovery, "kills_at_place"))) {
		sums->has_place = true;
		sums->at_place += result_get_number(recovery, "kills_at_place");
	}
	if (json_is_object(json_object_get(recovery, "quota"))) {
		sums->has_quota = true;
		sums->periods += figure(recovery, "quota", "periods");
		sums->throttled += figure(recovery, "quota", "throttled");
		sums->held += figure(recovery, "quota", "held_over_2ms");
	}
	sums->stops += result_get_number(recovery, "stops");
	sums->leaves += result_get_number(recovery, "leaves");
	sums->recoveries += result_get_number(recovery, "recoveries");
	sums->strands += figure(recovery, "strands", "count");
	sums->strands_of += figure(recovery, "strands", "of");
	sums->done += result_get_number(recovery, "cut_off_done");
	sums->undone += result_get_number(recovery, "cut_off_undone");
	sums->timeouts += figure(recovery, "timeouts", "count");
	sums->named_stopped += figure(recovery, "timeouts", "holder_stopped");
	sums->late_max = fmax(sums->late_max,
			      figure(json_object_get(recovery, "timeouts"), "late", "max_ns"));
	sums->checked += result_get_number(integrity, "checked");
	sums->errors += result_get_number(integrity, "errors");
	sums->recovery_p50 = fmax(sums->recovery_p50, figure(recovery, "recovery", "p50_ns"));
	sums->recovery_p99 = fmax(sums->recovery_p99, figure(recovery, "recovery", "p99_ns"));
	sums->recovery_max = fmax(sums->recovery_max, figure(recovery, "recovery", "max_ns"));
	sums->before_p99 = fmax(sums->before_p99, figure(recovery, "wait_before", "p99_ns"));
	sums->before_max = fmax(sums->before_max, figure(recovery, "wait_before", "max_ns"));
	sums->storm_p99 = fmax(sums->storm_p99, figure(recovery, "wait_storm", "p99_ns"));
	sums->storm_max = fmax(sums->storm_max, figure(recovery, "wait_storm", "max_ns"));
	if (isnan(sums->ratio) || ratio < sums->ratio) {
		sums->ratio = ratio;
		sums->ratio_low = result_get_number(throughput, "low");
	}
	if (isnan(sums->fresh) || fresh < sums->fresh) {
		sums->fresh = fresh;
		sums->fresh_low = figure(throughput, "to_fresh", "low");
	}
	if (!sums->stuck)
		sums->stuck = result_get_text(recovery, "stuck");
}

static struct sums sum_trials(const json_t *trials)
{
	struct sums sums = { .late_max = NAN,
			     .recovery_p50 = NAN,
			     .recovery_p99 = NAN,
			     .recovery_max = NAN,
			     .before_p99 = NAN,
			     .before_max = NAN,
			     .storm_p99 = NAN,
			     .storm_max = NAN,
			     .ratio = NAN,
			     .ratio_low = NAN,
			     .fresh = NAN,
			     .fresh_low = NAN };

	for (size_t i = 0; i < json_array_size(trials); i++) {
		const json_t *trial = json_array_get(trials, i);
		const json_t *recovery = json_object_get(trial, "recovery");

		if (json_is_object(recovery))
			add_trial(&sums, trial, recovery);
	}
	return sums;
}

void result_dead_holder(const json_t *trials, char *buf, size_t size)
{
	struct sums sums = sum_trials(trials);
	struct result_glyphs glyphs = result_glyphs();
	char worst[32];
	double low, high;

	buf[0] = '\0';
	if (!sums.trials || !(sums.kills > 0))
		return;
	if (sums.recovers) {
		result_format_ns(sums.recovery_max, &glyphs, worst, sizeof(worst));
		snprintf(buf, size, "recovers%s%s", worst[0] ? " " : "", worst);
		return;
	}
	if (!(sums.strands_of > 0) || sums.strands > sums.strands_of)
		return;
	stats_share_interval((size_t)sums.strands, (size_t)sums.strands_of, &low, &high);
	snprintf(buf, size, "strands %.0f%% (%.0f..%.0f)", 100 * sums.strands / sums.strands_of,
		 100 * low, 100 * high);
}

static void put_ns(FILE *out, const char *before, double ns)
{
	struct result_glyphs glyphs = result_glyphs();
	char text[32];

	result_format_ns(ns, &glyphs, text, sizeof(text));
	fprintf(out, "%s%s", before, text[0] ? text : "-");
}

static void put_ratio(FILE *out, const char *over, double ratio, double low)
{
	if (isnan(ratio))
		return;
	fprintf(out, "  ops/s after the storm over %s: %.3f", over, ratio);
	if (isnan(low))
		fprintf(out, " (no bound: too few windows of `interval` in `calm`)\n");
	else
		fprintf(out, " (at least %.3f at 95%%)\n", low);
}

static void put_point(const struct sums *sums, FILE *out)
{
	double low, high;

	fprintf(out,
		"  %.0f kills, %.0f stops, %.0f left in order; cut-off operations: %.0f done, "
		"%.0f undone; %.0f results checked, %.0f wrong\n",
		sums->kills, sums->stops, sums->leaves, sums->done, sums->undone, sums->checked,
		sums->errors);
	if (sums->has_place)
		fprintf(out, "  killed at the place that was asked for: %.0f\n", sums->at_place);
	if (sums->has_quota)
		fprintf(out,
			"  out of CPU quota in %.0f of %.0f periods; found %.0f times with a lock "
			"kept for over 2 ms\n",
			sums->throttled, sums->periods, sums->held);
	if (sums->kills > 0 && (sums->recovers || sums->recoveries > 0)) {
		fprintf(out, "  locks taken over from the dead: %.0f", sums->recoveries);
		put_ns(out, ", waited for p50 ", sums->recovery_p50);
		put_ns(out, ", p99 ", sums->recovery_p99);
		put_ns(out, ", worst ", sums->recovery_max);
		fputc('\n', out);
	}
	if (sums->strands_of > 0 && sums->strands <= sums->strands_of) {
		stats_share_interval((size_t)sums->strands, (size_t)sums->strands_of, &low, &high);
		fprintf(out, "  stranded by a kill: %.0f of %.0f, %.3g%% (95%%: %.3g..%.3g%%)\n",
			sums->strands, sums->strands_of, 100 * sums->strands / sums->strands_of,
			100 * low, 100 * high);
	}
	put_ns(out, "  waits before the storm: p99 ", sums->before_p99);
	put_ns(out, ", worst ", sums->before_max);
	put_ns(out, "; in it: p99 ", sums->storm_p99);
	put_ns(out, ", worst ", sums->storm_max);
	fputc('\n', out);
	if (sums->timeouts > 0) {
		fprintf(out, "  time-outs: %.0f, %.0f of them named a stopped holder",
			sums->timeouts, sums->named_stopped);
		put_ns(out, "; the latest came late by ", sums->late_max);
		fputc('\n', out);
	}
	put_ratio(out, "before", sums->ratio, sums->ratio_low);
	put_ratio(out, "a new table's by turns", sums->fresh, sums->fresh_low);
}

/* "WHY; THE STRIPE; A WORKER; ..." as a line each. */
static void put_stuck(const char *stuck, FILE *out)
{
	char text[4200], *rest = text, *part;

	result_clean(stuck, 1024, text, sizeof(text));
	fprintf(out, "  last stuck: ");
	while ((part = strsep(&rest, ";")))
		fprintf(out, "%s%s\n", part == text ? "" : "   ", part);
}

void result_show_torture(const json_t *points, FILE *out)
{
	char name[400];

	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		struct sums sums = sum_trials(json_object_get(point, "trials"));

		if (!sums.trials)
			continue;
		fprintf(out, "%s\n",
			result_clean(result_get_text(point, "name") ?
					     result_get_text(point, "name") :
					     "(no name)",
				     96, name, sizeof(name)));
		put_point(&sums, out);
		if (sums.stuck)
			put_stuck(sums.stuck, out);
		fputc('\n', out);
	}
}
