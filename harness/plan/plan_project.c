/* SPDX-License-Identifier: MIT */
#include "plan/plan_project.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/kernel.h"
#include "run/pin.h"
#include "run/progress.h"
#include "run/supervise.h"
#include "scenario/units.h"
#include "stats/stats.h"
#include "worker/rng.h"

#define TRIAL_NS 120000000u
#define WARMUP_NS 20000000u
#define LOOK_NS 100000u
#define TYPICAL 10 /* times the median: what is longer is no section of its own */
#define REFERENCE "ticket"

static const uint32_t checked_at[PROJECT_CHECKS] = { 1, 2, 3, 4, 6, 8 };

int project_parse(const char *text, uint32_t *ret)
{
	uint64_t cpus;

	if (strncmp(text, "CPUS=", 5) || units_parse_count(text + 5, &cpus) || cpus < 2 ||
	    cpus > HAND_WORKERS_MAX)
		return -EINVAL;
	*ret = (uint32_t)cpus;
	return 0;
}

/* ---- rows -------------------------------------------------------------- */

/* But for the number of processes, and where any is true, for the lock and what hangs on it. */
static bool same_load(const struct params *a, const struct params *b, bool any_lock)
{
	static const char *const of_lock[] = { "lock", "robust", "wait", "read" };
	char left[512], right[512];
	const char *key;

	for (unsigned int i = 0; params_text(a, i, &key, left, sizeof(left)); i++) {
		bool skip = strcmp(key, "procs") == 0 || strcmp(key, "trials") == 0;

		for (size_t k = 0; any_lock && k < 4; k++)
			skip |= strcmp(key, of_lock[k]) == 0;
		params_text(b, i, &key, right, sizeof(right));
		if (!skip && strcmp(left, right))
			return false;
	}
	return true;
}

static struct project_row *reference_of(const struct project *project,
					const struct project_row *row)
{
	for (uint32_t i = 0; i < project->nr; i++) {
		struct project_row *other = &project->rows[i];

		if (strcmp(other->params.lock, REFERENCE) == 0 && !*other->refused &&
		    same_load(&other->params, &row->params, true))
			return other;
	}
	return NULL;
}

static struct project_row *add_row(struct project *project, const struct point *point)
{
	struct project_row *row = &project->rows[project->nr++];

	*row = (struct project_row){ .point = point, .params = point->params };
	row->params.ops = 0;
	/* Short points, many of them; shorter where the scenario's are. */
	if (!row->params.duration_ns || row->params.duration_ns > TRIAL_NS)
		row->params.duration_ns = TRIAL_NS;
	if (row->params.warmup_ns > WARMUP_NS)
		row->params.warmup_ns = WARMUP_NS;
	row->params.nr_expect = 0;
	row->cpus = pin_cpus(&row->params);
	for (int i = 0; i < PROJECT_CHECKS; i++)
		row->cells[i] = (struct project_cell){ .procs = checked_at[i],
						       .hold_ns = row->params.hold_ns,
						       .model = NAN };
	return row;
}

static int find_rows(const struct scenario *scenario, struct project *project)
{
	/* Each may need a reference of its own. */
	project->rows = calloc(2 * scenario->nr_points + 1, sizeof(*project->rows));
	if (!project->rows)
		return -ENOMEM;
	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];
		uint32_t k = 0;

		project->open_loop += point->params.rate != 0;
		if (point->skip_reason || point->params.rate)
			continue;
		while (k < project->nr &&
		       !same_load(&project->rows[k].point->params, &point->params, false))
			k++;
		if (k == project->nr)
			project_model_of(&project->host, add_row(project, point));
	}
	for (uint32_t k = 0, own = project->nr; k < own; k++) {
		struct project_row *row = &project->rows[k];

		if (*row->refused || reference_of(project, row))
			continue;
		row = add_row(project, row->point);
		snprintf(row->params.lock, sizeof(row->params.lock), REFERENCE);
		row->params.robust = SHMHT_ROBUST_OFF;
		row->reference = true;
		project_model_of(&project->host, row);
	}
	return project->nr ? 0 : -ENODATA;
}

/* ---- measuring --------------------------------------------------------- */

static void take_locks(const struct trial *trial, struct project_cell *cell)
{
	double acquired = 1, contended = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		const struct shmht_lock_stats *lock = &trial->workers[w].lock;

		acquired += (double)lock->acquired;
		contended += (double)lock->contended;
		hist_merge(&cell->section, &trial->workers[w].held);
	}
	cell->contended[cell->nr] = contended / acquired;
	cell->looks += trial->looks;
	cell->looks_held += trial->looks_held;
}

static int measure(const struct project_row *row, struct project_cell *cell, uint32_t round,
		   struct progress *progress)
{
	struct point point = *row->point;
	struct trial trial = { 0 };

	point.params = row->params;
	point.params.procs = cell->procs;
	/* Up to two, sections are timed; of one, it is looked at from the idle CPU. */
	point.params.latency = cell->procs <= 2 ? LATENCY_SAMPLED : LATENCY_OFF;
	supervise_look_every_ns = cell->procs == 1 ? LOOK_NS : 0;
	progress_show(progress, point.name, 0);
	supervise_trial(&point, round, &trial);
	supervise_look_every_ns = 0;
	progress->done++;
	if (trial.status == TRIAL_OK && trial.seconds > 0 && trial.ops) {
		take_locks(&trial, cell);
		cell->values[cell->nr++] = (double)trial.ops / trial.seconds;
	}
	trial_free(&trial);
	return supervise_interrupted() ? -EINTR : 0;
}

/* Costs of the host, rows and numbers of processes in turn, so that a disturbance falls on
 * all of them. */
static int measure_all(struct project *project, bool quiet)
{
	struct host_costs hosts[PROJECT_ROUNDS];
	struct progress progress;
	int r = 0;

	progress_begin(&progress, !quiet, project->nr * PROJECT_ROUNDS * PROJECT_CHECKS);
	for (uint32_t round = 0; !r && round < PROJECT_ROUNDS; round++) {
		r = host_costs_measure(&hosts[round]);
		for (uint32_t k = 0; !r && k < project->nr; k++) {
			struct project_row *row = &project->rows[k];

			for (int i = 0; !r && i < (row->reference ? 2 : PROJECT_CHECKS); i++)
				r = *row->refused ? 0 :
						    measure(row, &row->cells[i], round, &progress);
		}
	}
	progress_end(&progress);
	if (!r)
		host_costs_median(hosts, PROJECT_ROUNDS, &project->host);
	return r;
}

/* Without those in which the CPU stood still. */
static double mean_section(const struct hist *hist, double median)
{
	double sum = 0, nr = 0;

	for (uint32_t i = 0; i < HIST_BUCKETS && hist_bucket_value(i) <= TYPICAL * median; i++) {
		sum += (double)hist->buckets[i] * hist_bucket_value(i);
		nr += (double)hist->buckets[i];
	}
	return nr > 0 ? sum / nr : NAN;
}

static void summarize(struct project_cell *cell)
{
	double half = hist_percentile(&cell->section, 0.5);
	struct interval interval;

	stats_median_interval(cell->values, cell->nr, &interval);
	cell->median = interval.median;
	cell->low = interval.low;
	cell->high = interval.high;
	stats_median_interval(cell->contended, cell->nr, &interval);
	cell->busy = interval.median;
	cell->section_ns = mean_section(&cell->section, half);
	cell->section_p90_p50_ns = hist_percentile(&cell->section, 0.9) - half;
}

/* ---- the model --------------------------------------------------------- */

static void check(struct project_row *row)
{
	for (int i = 0; i < PROJECT_CHECKS; i++) {
		struct project_cell *cell = &row->cells[i];
		double off;

		project_model(row, cell);
		off = fabs(log(cell->model / cell->median));
		if (exp(off) - 1 > row->off) {
			row->off = exp(off) - 1;
			row->off_procs = cell->procs;
		}
	}
}

static void compare_orders(struct project *project)
{
	for (uint32_t a = 0; a < project->nr; a++)
		for (uint32_t b = 0; b < a; b++) {
			const struct project_row *x = &project->rows[a], *y = &project->rows[b];

			if (*x->refused || *y->refused || x->reference || y->reference ||
			    !same_load(&x->params, &y->params, true))
				continue;
			for (int i = 0; i < PROJECT_CHECKS; i++) {
				const struct project_cell *p = &x->cells[i], *q = &y->cells[i];

				if (!(p->low > q->high) && !(p->high < q->low))
					continue;
				project->apart++;
				project->same_order += (p->median > q->median) ==
						       (p->model > q->model);
			}
		}
}

static void project_row(struct project_row *row, uint32_t target)
{
	for (uint32_t cpus = 2; cpus < target; cpus *= 2)
		row->ranges[row->nr_ranges++] = project_range_at(row, cpus);
	row->ranges[row->nr_ranges++] = project_range_at(row, target);
}

int project_run(const struct scenario *scenario, uint32_t target, bool quiet, struct project *ret)
{
	int r;

	*ret = (struct project){ .target = target };
	r = find_rows(scenario, ret);
	r = r ? r : measure_all(ret, quiet);
	if (r)
		return r;
	for (uint32_t k = 0; k < ret->nr; k++)
		for (int i = 0; i < PROJECT_CHECKS; i++)
			summarize(&ret->rows[k].cells[i]);
	for (uint32_t k = 0; k < ret->nr; k++) {
		struct project_row *row = &ret->rows[k];

		if (row->reference || !project_model_of(&ret->host, row))
			continue;
		if (!project_calibrate(reference_of(ret, row), row))
			continue;
		check(row);
		project_row(row, target);
	}
	compare_orders(ret);
	return 0;
}

void project_free(struct project *project)
{
	free(project->rows);
	memset(project, 0, sizeof(*project));
}
