/* SPDX-License-Identifier: MIT */
/*
 * `gate --aa`: what a gate is worth on this host. One build against itself, again
 * and again: how often does it cry wolf, and how much must a change cost to be
 * found? Then the same source linked in other orders: what does a commit cost that
 * changes nothing? See gate.h; stored by gate_calibration.c.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result_internal.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "stats/gate_stats.h"

/* A gate that is refused for its time names what it needs; machines get slower. */
#define NEED_MARGIN 1.3
#define UNMEASURED_MAX 3 /* from the start on */
#define AA_RUNS 20	 /* that the budget is shared among; more where they end early */

static struct gate_aa_row *find_row(struct gate_aa *aa, const char *name, const char *metric)
{
	struct gate_aa_row *row;

	for (uint32_t i = 0; i < aa->nr_rows; i++)
		if (!strcmp(aa->rows[i].name, name) && !strcmp(aa->rows[i].metric, metric))
			return &aa->rows[i];
	row = realloc(aa->rows, (aa->nr_rows + 1) * sizeof(*row));
	if (!row)
		return NULL;
	aa->rows = row;
	row += aa->nr_rows;
	*row = (struct gate_aa_row){ .name = strdup(name), .self = NAN, .relink = NAN };
	snprintf(row->metric, sizeof(row->metric), "%s", metric);
	for (int i = 0; i < GATE_BUDGETS; i++)
		row->smallest[i] = NAN;
	if (!row->name)
		return NULL;
	aa->nr_rows++;
	return row;
}

static int keep_rounds(struct gate_aa_row *kept, const struct gate_row *row)
{
	double *values = realloc(kept->values, (kept->n + row->n + 1) * sizeof(*values));

	if (!values)
		return -ENOMEM;
	kept->values = values;
	memcpy(values + kept->n, row->slowdown, row->n * sizeof(*values));
	kept->n += row->n;
	kept->two_figures = row->worse != NULL;
	return 0;
}

#define ONE_SD 0.1587 /* tail of a normal law beyond one standard deviation */

static int keep_deviation(struct gate_aa_row *kept, const struct gate_row *row)
{
	struct gate_bounds bounds;
	double error;
	int r = gate_bounds(row->slowdown, row->n, ONE_SD, &bounds);

	if (r)
		return r;
	error = (bounds.high - bounds.low) / 2;
	kept->relink = fmax(kept->relink, fabs(row->estimate)); /* NaN: takes the other */
	kept->relink_squares += row->estimate * row->estimate;
	kept->noise_squares += error * error;
	kept->nr_relinked++;
	return 0;
}

/* What a gate adds: its rounds, and how far off it was. */
static int take_suite(struct gate_aa *aa, const struct gate_suite *suite, bool relinked)
{
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		for (uint32_t m = 0; point->state == GATE_MEASURED && m < point->nr_metrics; m++) {
			const struct gate_row *row = &point->rows[m];
			struct gate_aa_row *kept = find_row(aa, point->name,
							    point->metrics[m].name);

			if (!kept ||
			    (relinked ? keep_deviation(kept, row) : keep_rounds(kept, row)))
				return -ENOMEM;
			if (!relinked)
				kept->self = fmax(kept->self, fabs(row->estimate));
		}
	}
	return 0;
}

static int keep_run(struct gate_aa *aa, const char *link, uint64_t seed, int code,
		    const struct gate_suite *suite)
{
	char summary[700];

	gate_summary(suite, code, summary, sizeof(summary));
	return json_array_append_new(
		aa->log, json_pack("{s:o, s:o, s:i, s:i, s:o}", "seed", result_count(seed), "link",
				   result_string(link), "exit_code", code, "rounds",
				   (int)suite->planned, "summary", result_string(summary)));
}

/* Of the suite, or of its first point that was not measured. */
static void keep_reason(struct gate_aa *aa, int code, const struct gate_suite *suite)
{
	gate_summary(suite, code, aa->reason, sizeof(aa->reason));
	for (uint32_t i = 0; !suite->error && i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		if (point->state == GATE_MEASURED || point->state == GATE_NEW)
			continue;
		snprintf(aa->reason, sizeof(aa->reason), "%.90s: %s", point->name, point->reason);
		break;
	}
}

/* 0, -EINTR, -ENOMEM, or -ETIME: each_s is too little for a gate; needed_s says more. */
static int run_one(const struct gate_request *request, const char *head, uint64_t seed,
		   double each_s, struct gate_aa *aa)
{
	struct gate_request one = *request;
	struct gate_suite suite;
	bool relinked = head != NULL;
	int code, r = 0;

	one.quiet = true;
	one.seed = seed;
	one.budget_s = each_s;
	one.builds[GATE_HEAD] = one.builds[GATE_BASE];
	if (relinked)
		one.builds[GATE_HEAD].binary = head;
	gate_run(&one, &suite);
	code = gate_exit_code(&one, &suite);
	aa->needed_s = suite.needed_s;
	if (!aa->identity)
		aa->identity = json_incref(suite.identities[GATE_BASE]);
	if (supervise_interrupted()) {
		r = -EINTR;
	} else if (suite.needed_s > each_s) {
		r = -ETIME;
	} else if (keep_run(aa, head, seed, code, &suite)) {
		r = -ENOMEM;
	} else if (code == EXIT_USAGE || code == EXIT_NOT_MEASURED) {
		aa->unmeasured++;
		keep_reason(aa, code, &suite);
	} else {
		r = take_suite(aa, &suite, relinked);
		aa->links += relinked;
		aa->runs += !relinked;
		aa->alarms += !relinked && code == EXIT_NO;
		aa->undecided += !relinked && code == EXIT_INCONCLUSIVE;
		aa->rule = suite.rule;
		aa->round_s = suite.round_s;
		aa->nr_judged = suite.nr_rows;
	}
	gate_suite_free(&suite);
	return r;
}

static int too_short(const struct gate_request *request, struct gate_aa *aa)
{
	snprintf(aa->reason, sizeof(aa->reason),
		 "--budget: %.3g s for %u relinked builds and a gate of the build against itself, "
		 "each %.0f s at least: expected %.0f s or more",
		 request->budget_s, request->nr_relinked, ceil(aa->needed_s),
		 ceil(NEED_MARGIN * aa->needed_s * (request->nr_relinked + 1)));
	return -ETIME;
}

/* One gate, with more time if it says that it needs that, as far as there is more. */
static int run_with_time(const struct gate_request *request, const char *head, uint64_t seed,
			 struct gate_aa *aa)
{
	double most = request->budget_s / (request->nr_relinked + 1);
	int r = run_one(request, head, seed, aa->each_s, aa);

	for (int i = 0; r == -ETIME && i < 3 && aa->needed_s < most; i++) {
		aa->each_s = fmin(NEED_MARGIN * aa->needed_s, most);
		r = run_one(request, head, seed, aa->each_s, aa);
	}
	if (r != -ETIME)
		return r;
	too_short(request, aa);
	aa->unmeasured++;
	/* Later it is the machine that became slower: what was had stays. */
	return aa->runs + aa->links ? 0 : r;
}

/* Under the rule by which this calibration's gates will judge. */
static int find_smallest(const struct gate_request *request, struct gate_aa *aa)
{
	static const double budgets[GATE_BUDGETS] = GATE_BUDGETS_S;
	size_t before = 0;
	int r = 0;

	gate_rule_default(request, gate_aa_relink_spread(aa), &aa->rule);
	for (uint32_t i = 0; i < aa->nr_rows; i++) {
		struct gate_aa_row *row = &aa->rows[i];

		for (int b = 0; !r && b < GATE_BUDGETS; b++) {
			size_t planned = gate_rounds_of(budgets[b], aa->round_s);

			/* Of a percentile's two figures the shift of one says too little. */
			if (b && planned == before)
				row->smallest[b] = row->smallest[b - 1];
			else if (row->n >= GATE_POOL_MIN && !row->two_figures && planned)
				r = gate_smallest_found(&aa->rule, row->values, row->n, planned,
							aa->nr_judged, request->seed,
							&row->smallest[b]);
			before = planned;
		}
	}
	return r;
}

int gate_aa(const struct gate_request *request, struct gate_aa *aa)
{
	uint64_t started = shmht_monotonic_ns();
	uint32_t runs = request->aa_runs ? request->aa_runs : UINT32_MAX;
	struct progress progress;
	int r = 0;

	memset(aa, 0, sizeof(*aa));
	aa->each_s = request->budget_s /
		     ((request->aa_runs ? request->aa_runs : AA_RUNS) + request->nr_relinked);
	aa->log = json_array();
	if (!aa->log)
		return -ENOMEM;
	progress_begin(&progress, !request->quiet,
		       request->aa_runs ? request->aa_runs + request->nr_relinked : 0);
	for (uint32_t k = 0; !r && k < request->nr_relinked; k++, progress.done++) {
		progress_show(&progress, request->relinked[k], 0);
		r = run_with_time(request, request->relinked[k], request->seed + k, aa);
	}
	for (uint32_t k = 0; !r && k < runs; k++, progress.done++) {
		double gone = (double)(shmht_monotonic_ns() - started) * 1e-9;

		/* The first is had in any case: without it there is nothing to say. What
		 * cannot be measured fails at once, and would for the whole budget. */
		if ((k && gone + aa->each_s > request->budget_s) ||
		    (k >= UNMEASURED_MAX && !aa->runs))
			break;
		progress_show(&progress, "against itself", 0);
		r = run_with_time(request, NULL, request->seed + request->nr_relinked + k, aa);
	}
	progress_end(&progress);
	return r ? r : find_smallest(request, aa);
}

double gate_aa_relink_spread(const struct gate_aa *aa)
{
	double spread = NAN;

	for (uint32_t i = 0; i < aa->nr_rows; i++) {
		const struct gate_aa_row *row = &aa->rows[i];

		if (row->nr_relinked >= GATE_LINKS_MIN)
			spread = fmax(spread,
				      2 * sqrt(fmax(0, row->relink_squares - row->noise_squares) /
					       row->nr_relinked));
	}
	return spread;
}

void gate_aa_free(struct gate_aa *aa)
{
	for (uint32_t i = 0; i < aa->nr_rows; i++) {
		free(aa->rows[i].name);
		free(aa->rows[i].values);
	}
	free(aa->rows);
	json_decref(aa->log);
	json_decref(aa->identity);
}
