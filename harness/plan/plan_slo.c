/* SPDX-License-Identifier: MIT */
/*
 * The largest load that keeps its promises, per strategy. Points of a scenario
 * that differ in nothing but the rate, or where the rate is per process in
 * nothing but the number of processes, are one question.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "plan/plan_watch.h"
#include "result/result_internal.h"
#include "run/progress.h"
#include "run/supervise.h"
#include "worker/arrival.h"

#define ALPHA 0.05
#define BLOCK_NS 100000000ull
#define LOOK_S 0.6
/* A claim takes at least so long. p99 could be had in half of it where nothing is over the bound,
 * but a run that short has luck with stalls that are longer than PLAN_STALL_S: in simulated
 * searches near saturation up to twice as many answers were too high (test_plan_watch.c). */
#define CLAIM_S 6.0
#define CLAIM_RATE_S 9.0
/* A claim goes on for so many times that: a step down costs a process, but 2.5 % of a rate. */
#define CLAIM_TIMES 3
#define CLAIM_TIMES_RATE 8
#define RETRIES_RATE 1 /* one answer in eight is near by it; a process is not worth the time */
#define STEP 1.025
#define FLOOR_SHARE (1 / 256.0) /* of the ceiling: below it nothing is looked for */
#define BUDGET_S 100.0		/* per row, unless --budget says otherwise */
#define CAPACITY_S 0.3
#define REPEATS_MAX 1 /* of an observation that the host disturbed */
/* Started less of the plan, and late by more at the end: overload, whatever the
 * percentiles. Late alone is a stall that the window's end happened to cut. */
#define HAD_MIN 0.99
#define LATE_NS 50000000u

int plan_slo_parse(const char *text, struct plan_slo *ret, char *why, size_t size)
{
	static const struct {
		const char *name;
		double quantile;
	} figures[] = {
		{ "p50", 0.5 },	   { "p90", 0.9 },	{ "p99", 0.99 },
		{ "p999", 0.999 }, { "p9999", 0.9999 },
	};
	struct expectation expect;
	const char *op, *figure;

	if (scenario_parse_expectation(text, &expect, why, size))
		return -EINVAL;
	op = strncmp(expect.metric, "response.", 9) ? expect.metric : expect.metric + 9;
	figure = strrchr(op, '.');
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; figure && i < sizeof(figures) / sizeof(figures[0]); i++)
		if (strcmp(figure + 1, figures[i].name) == 0)
			ret->quantile = figures[i].quantile;
	if (expect.at_least || ret->quantile == 0 || strncmp(op, "service.", 8) == 0) {
		snprintf(why, size,
			 "'%s' is no promise that can be planned for; allowed: "
			 "[response.]OP.p50|p90|p99|p999|p9999<=TIME",
			 expect.text);
		return -EINVAL;
	}
	for (size_t i = 0; i < RESULT_OPS; i++)
		if (strlen(result_ops[i].name) == (size_t)(figure - op) &&
		    strncmp(result_ops[i].name, op, (size_t)(figure - op)) == 0)
			ret->classes = result_ops[i].classes;
	ret->bound_ns = (uint64_t)expect.bound;
	snprintf(ret->text, sizeof(ret->text), "%s", expect.text);
	snprintf(ret->figure, sizeof(ret->figure), "%s", figure + 1);
	return 0;
}

/* ---- observing --------------------------------------------------------- */

struct observer {
	const struct plan_request *request;
	struct plan_row *row;
	uint32_t k; /* trials so far: each has a stream of its own */
	struct progress *progress;
	bool proven;	/* a claim held */
	double least_s; /* for a claim */
	struct plan_watch watches[INTERVAL_WATCHES];
};

static double percentile_of(const struct trial *trial, const struct plan_slo *slo)
{
	struct hist *all = calloc(1, sizeof(*all));
	double ns = NAN;

	if (!all)
		return NAN;
	hist_reset(all);
	for (uint32_t w = 0; w < trial->nr_workers; w++)
		for (unsigned int c = 0; c < HIST_CLASSES; c++)
			if (slo->classes & 1u << c)
				hist_merge(all, &trial->workers[w].response[c]);
	if (all->count)
		ns = hist_percentile(all, slo->quantile);
	free(all);
	return ns;
}

static bool overloaded(const struct trial *trial)
{
	uint64_t ops = 0, planned = 0, late_ns = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		ops += trial->workers[w].ops;
		planned += trial->workers[w].planned;
		if (trial->workers[w].backlog_late_ns > late_ns)
			late_ns = trial->workers[w].backlog_late_ns;
	}
	return (double)ops < HAD_MIN * (double)planned && late_ns > LATE_NS;
}

static void begin_watch(struct observer *observer, double seconds, double alpha)
{
	const struct plan_request *request = observer->request;

	for (uint32_t i = 0; i < request->nr_slos; i++) {
		struct plan_watch *watch = &observer->watches[i];

		watch->nr = watch->checked = 0;
		watch->held = false;
		watch->quantile = request->slos[i].quantile;
		watch->seconds = seconds;
		watch->alpha = alpha / request->nr_slos;
		watch->least_s = observer->least_s;
	}
}

static void add_block(struct observer *observer, const struct interval_figures *figures)
{
	for (uint32_t i = 0; i < observer->request->nr_slos; i++)
		plan_watch_add(&observer->watches[i], (double)figures->over[i],
			       (double)figures->watched[i]);
}

/* One promise that cannot hold is enough; that all of them do takes all. */
static bool enough(void *arg, const struct interval_figures *figures)
{
	struct observer *observer = arg;
	bool all = true;

	for (uint32_t i = 0; i < observer->request->nr_slos; i++)
		observer->watches[i].block_s = figures->seconds;
	add_block(observer, figures);
	for (uint32_t i = 0; i < observer->request->nr_slos; i++) {
		if (plan_watch_is_hopeless(&observer->watches[i]))
			return true;
		all = all && plan_watch_holds(&observer->watches[i]);
	}
	return all;
}

/* The whole window anew: a worker may have written a block late. */
static void take_blocks(struct observer *observer, const struct trial *trial)
{
	uint32_t nr = trial->nr_intervals;

	/* What is left of the last interval is no block, but is part of the time. */
	if (nr > 1 && trial->intervals[nr - 1].seconds < trial->intervals[0].seconds / 2)
		nr--;
	for (uint32_t i = 0; i < observer->request->nr_slos; i++) {
		observer->watches[i].nr = 0;
		observer->watches[i].block_s = BLOCK_NS * 1e-9 *
					       fmax(1, round(trial->intervals[0].seconds /
							     (BLOCK_NS * 1e-9)));
	}
	for (uint32_t i = 0; i < nr; i++)
		add_block(observer, &trial->intervals[i]);
}

static int run_trial(struct observer *observer, double load, double seconds, double alpha,
		     struct trial *trial)
{
	const struct plan_request *request = observer->request;
	const struct trial_end end = { enough, observer };
	struct point point = *observer->row->point;

	if (observer->row->by_procs) {
		point.params.procs = (uint32_t)load;
	} else {
		point.params.rate = (uint64_t)llround(load);
		point.params.rate_per_proc = false;
	}
	point.params.ops = 0;
	point.params.duration_ns = (uint64_t)llround(seconds * 1e9);
	point.params.interval_ns = BLOCK_NS;
	point.params.nr_watch = request->nr_slos;
	for (uint32_t i = 0; i < request->nr_slos; i++)
		point.params.watch[i] = (struct interval_watch){ request->slos[i].classes,
								 request->slos[i].bound_ns };
	begin_watch(observer, seconds, alpha);
	progress_show(observer->progress, point.name, load);
	supervise_trial_until(&point, observer->k++, &end, trial);
	observer->progress->done++;
	if (supervise_interrupted())
		return -EINTR;
	if (trial->status != TRIAL_OK) {
		snprintf(observer->row->reason, sizeof(observer->row->reason), "%.255s",
			 trial->reason);
		return -EIO;
	}
	take_blocks(observer, trial);
	return 0;
}

static int observe(void *arg, double alpha, struct plan_look *look)
{
	struct observer *observer = arg;
	const struct plan_request *request = observer->request;
	struct plan_row *row = observer->row;
	enum plan_verdict worst = PLAN_MEETS;
	struct plan_claim claims[INTERVAL_WATCHES];
	double *found_ns = row->look_ns[look - row->search.looks];
	struct trial trial = { 0 };
	int r = run_trial(observer, look->load, look->seconds, alpha, &trial);

	/* By the host's signals alone, so that what is thrown away was not chosen. */
	for (int again = 0; !r && trial.noise.disturbed && again < REPEATS_MAX; again++) {
		trial_free(&trial);
		row->disturbed++;
		r = run_trial(observer, look->load, look->seconds, alpha, &trial);
	}
	look->seconds = trial.seconds;
	look->needs_s = 0;
	for (uint32_t i = 0; !r && i < request->nr_slos; i++) {
		struct plan_claim claim;
		enum plan_verdict verdict = plan_watch_judge(&observer->watches[i], &claim);

		worst = verdict > worst ? verdict : worst;
		/* NaN: nothing would do; it stays. */
		look->needs_s = claim.needs_s > look->needs_s || isnan(claim.needs_s) ?
					claim.needs_s :
					look->needs_s;
		claims[i] = claim;
		found_ns[i] = percentile_of(&trial, &request->slos[i]);
	}
	if (!r && worst != PLAN_BREAKS && overloaded(&trial)) {
		worst = PLAN_BREAKS;
		look->late = true;
	}
	look->verdict = worst;
	/* A climb that failed says nothing of what is answered. */
	for (uint32_t i = 0; !r && alpha > 0 && i < request->nr_slos; i++)
		if (worst == PLAN_MEETS || !observer->proven) {
			row->claims[i] = claims[i];
			row->percentile_ns[i] = found_ns[i];
		}
	observer->proven |= !r && alpha > 0 && worst == PLAN_MEETS;
	if (!r && worst == PLAN_BREAKS)
		/* The last one that broke is the closest above what is found. */
		for (uint32_t i = 0; i < request->nr_slos; i++)
			row->breaks_ns[i] = found_ns[i];
	trial_free(&trial);
	return r;
}

/* ---- the questions of a scenario --------------------------------------- */

/* What the search asks beyond: it varies rate, or processes. */
static bool same_question(const struct params *a, const struct params *b)
{
	char left[512], right[512];
	const char *key;

	if ((a->rate && a->rate_per_proc) != (b->rate && b->rate_per_proc))
		return false;
	for (unsigned int i = 0; params_text(a, i, &key, left, sizeof(left)); i++) {
		params_text(b, i, &key, right, sizeof(right));
		if (strcmp(key, a->rate && a->rate_per_proc ? "procs" : "rate") == 0)
			continue;
		if (strcmp(left, right))
			return false;
	}
	return true;
}

/* What the point does when it may: no rate beyond it makes sense. */
static int closed_loop_rate(struct observer *observer, double *ret_rate)
{
	struct point point = *observer->row->point;
	struct trial trial = { 0 };
	int r = 0;

	point.params.rate = 0;
	point.params.ops = 0;
	point.params.duration_ns = (uint64_t)(CAPACITY_S * 1e9);
	progress_show(observer->progress, point.name, 0);
	supervise_trial(&point, observer->k++, &trial);
	observer->progress->done++;
	if (supervise_interrupted())
		r = -EINTR;
	else if (trial.status != TRIAL_OK || trial.seconds <= 0)
		r = -EIO;
	if (r == -EIO)
		snprintf(observer->row->reason, sizeof(observer->row->reason), "%.255s",
			 trial.reason);
	*ret_rate = r ? 0 : (double)trial.ops / trial.seconds;
	trial_free(&trial);
	return r;
}

static int answer_row(struct observer *observer, double budget_s)
{
	struct plan_row *row = observer->row;
	struct plan_system system = {
		.step = STEP,
		.whole = row->by_procs,
		.look_s = LOOK_S,
		.claim_s = row->by_procs ? CLAIM_S : CLAIM_RATE_S,
		.retries = row->by_procs ? 0 : RETRIES_RATE,
		.budget_s = budget_s,
		.alpha = ALPHA,
		.observe = observe,
		.arg = observer,
	};

	for (uint32_t i = 0; i < observer->request->nr_slos; i++)
		row->percentile_ns[i] = row->breaks_ns[i] = NAN;
	if (!row->by_procs && row->ceiling == 0) {
		int r = closed_loop_rate(observer, &row->ceiling);

		if (r) {
			row->search.answer = PLAN_ERROR;
			row->search.error = r;
			return r;
		}
		system.budget_s -= CAPACITY_S;
	}
	system.ceiling = row->by_procs ? row->ceiling : fmin(row->ceiling, 1e9);
	system.floor = row->by_procs ? 1 : fmax(1, system.ceiling * FLOOR_SHARE);
	system.start = row->by_procs ? system.ceiling : system.ceiling / 2;
	/* A higher percentile needs longer: what a share of zero would take. */
	for (uint32_t i = 0; i < observer->request->nr_slos; i++) {
		double needs = 3.2 * PLAN_STALL_S / (1 - observer->request->slos[i].quantile);

		system.claim_s = fmax(system.claim_s, 1.4 * needs);
		system.look_s = fmax(system.look_s, fmin(needs / 5, 5));
	}
	system.claim_max_s = system.claim_s * (row->by_procs ? CLAIM_TIMES : CLAIM_TIMES_RATE);
	observer->least_s = system.claim_s;
	plan_search(&system, &row->search);
	return row->search.error;
}

int plan_slo_run(const struct plan_request *request, struct plan_row **ret_rows)
{
	const struct scenario *scenario = request->scenario;
	struct plan_row *rows = calloc(scenario->nr_points, sizeof(*rows));
	struct progress progress;
	int nr = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < scenario->nr_points; i++) {
		struct point *point = &scenario->points[i];
		bool by_procs = point->params.rate && point->params.rate_per_proc;
		double load = by_procs ? point->params.procs : (double)point->params.rate;
		int k = 0;

		if (point->skip_reason)
			continue;
		while (k < nr && !same_question(&rows[k].point->params, &point->params))
			k++;
		if (k == nr)
			rows[nr++] = (struct plan_row){ .point = point, .by_procs = by_procs };
		rows[k].ceiling = fmax(rows[k].ceiling, load);
	}
	progress_begin(&progress, !request->quiet, 0);
	for (int k = 0; k < nr; k++) {
		struct observer observer = { .request = request,
					     .row = &rows[k],
					     .progress = &progress };
		double budget = request->budget_s > 0 ? request->budget_s / nr : BUDGET_S;

		if (answer_row(&observer, budget) == -EINTR)
			break;
	}
	progress_end(&progress);
	*ret_rows = rows;
	return nr;
}
