/* SPDX-License-Identifier: MIT */
/* The projection's rounds: costs of the host, and every row at each number of processes. */
#include <errno.h>
#include <math.h>

#include "plan/plan_project.h"
#include "run/progress.h"
#include "run/supervise.h"
#include "stats/hist.h"

#define LOOK_NS 100000u
#define TYPICAL 10 /* times the median: what is longer is no section of its own */

/* Without those in which the CPU stood still; but: not of these. */
static double mean_section(const struct hist *hist, const struct hist *but, double median,
			   double *ret_nr)
{
	double sum = 0;

	*ret_nr = 0;
	for (uint32_t i = 0; i < HIST_BUCKETS && hist_bucket_value(i) <= TYPICAL * median; i++) {
		double nr = (double)hist->buckets[i] - (but ? (double)but->buckets[i] : 0);

		sum += nr * hist_bucket_value(i);
		*ret_nr += nr;
	}
	return *ret_nr > 0 ? sum / *ret_nr : NAN;
}

static void take_locks(const struct trial *trial, struct project_figures *figures)
{
	static struct hist section, again;
	double acquired = 1, contended = 0, half, nr;

	hist_reset(&section);
	hist_reset(&again);
	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		const struct shmht_lock_stats *lock = &trial->workers[w].lock;

		acquired += (double)lock->acquired;
		contended += (double)lock->contended;
		hist_merge(&section, &trial->workers[w].held);
		hist_merge(&again, &trial->workers[w].held_again);
	}
	half = hist_percentile(&section, 0.5);
	figures->contended = contended / acquired;
	figures->looks = trial->looks;
	figures->looks_held = trial->looks_held;
	figures->section_ns = mean_section(&section, NULL, half, &nr);
	figures->again_ns = mean_section(&again, NULL, half, &figures->again_nr);
	figures->handed_ns = mean_section(&section, &again, half, &figures->handed_nr);
	figures->section_p90_p50_ns = hist_percentile(&section, 0.9) - half;
}

static void run_trial(const struct project_row *row, uint32_t procs, uint32_t round,
		      struct project_figures *ret)
{
	struct point point = *row->point;
	struct trial trial = { 0 };

	point.params = row->params;
	point.params.procs = procs;
	/* Sections are timed, which costs all alike; of one, it is looked at from the idle CPU. */
	point.params.latency = LATENCY_SAMPLED;
	supervise_look_every_ns = procs == 1 ? LOOK_NS : 0;
	supervise_trial(&point, round, &trial);
	supervise_look_every_ns = 0;
	*ret = (struct project_figures){ .model = NAN, .disturbed = trial.noise.disturbed };
	if (trial.status == TRIAL_OK && trial.seconds > 0 && trial.ops) {
		take_locks(&trial, ret);
		ret->ops_per_s = (double)trial.ops / trial.seconds;
	}
	trial_free(&trial);
}

/* Rounds under way. lines: as they were at the end of the last trial. */
struct series {
	struct project *project;
	struct progress progress;
	struct host_costs lines;
	uint32_t more; /* trials that this round may do again */
};

static bool lines_changed(const struct host_costs *a, const struct host_costs *b)
{
	return fabs(log(a->transfer / b->transfer)) > log(PROJECT_STEADY);
}

/* A trial between two looks at the lines. */
static int measure(struct series *series, const struct project_row *row, uint32_t procs,
		   uint32_t round, struct project_figures *ret)
{
	struct host_costs before = series->lines;
	int r;

	run_trial(row, procs, round, ret);
	if (supervise_interrupted())
		return -EINTR;
	r = host_costs_measure_lines(&series->lines);
	ret->transfer = (before.transfer + series->lines.transfer) / 2;
	ret->upgrade = (before.upgrade + series->lines.upgrade) / 2;
	ret->invalidate = (before.invalidate + series->lines.invalidate) / 2;
	ret->disturbed |= lines_changed(&before, &series->lines);
	return r;
}

/* Done again, if need be, by what the host says alone, never by a figure; one that is
 * disturbed again is no better than the first. */
static int measure_cell(struct series *series, const struct project_row *row,
			struct project_cell *cell, uint32_t round)
{
	struct project_figures again, *figures = &cell->rounds[round];
	int r;

	progress_show(&series->progress, row->point->name, 0);
	r = measure(series, row, cell->procs, round, figures);
	series->progress.done++;
	if (r || !figures->disturbed || !series->more)
		return r;
	series->more--;
	series->project->more++;
	r = measure(series, row, cell->procs, round, &again);
	if (!r && !again.disturbed)
		*figures = again;
	return r;
}

/* Of a reference, what it says of the load is enough. */
static int cells_of(const struct project_row *row)
{
	return *row->refused ? 0 : row->reference ? 2 : PROJECT_CHECKS;
}

static uint32_t trials_of_round(const struct project *project)
{
	uint32_t nr = 0;

	for (uint32_t k = 0; k < project->nr; k++)
		nr += (uint32_t)cells_of(&project->rows[k]);
	return nr;
}

/* Rows and numbers of processes in turn, so that a disturbance falls on all of them. */
static int run_round(struct series *series, uint32_t round)
{
	struct project *project = series->project;
	int r = 0;

	series->more = trials_of_round(project) / 2;
	for (uint32_t k = 0; !r && k < project->nr; k++) {
		struct project_row *row = &project->rows[k];

		for (int i = 0; !r && i < cells_of(row); i++)
			r = measure_cell(series, row, &row->cells[i], round);
	}
	return r;
}

static void mean_costs(const struct host_costs *a, const struct host_costs *b,
		       struct host_costs *ret)
{
	for (size_t k = 0; k < HOST_COSTS_NR; k++)
		((double *)ret)[k] = (((const double *)a)[k] + ((const double *)b)[k]) / 2;
}

int project_measure(struct project *project, bool quiet)
{
	struct series series = { .project = project };
	struct host_costs before, after;
	int r;

	progress_begin(&series.progress, !quiet, trials_of_round(project) * PROJECT_ROUNDS);
	r = host_costs_measure(&before);
	for (uint32_t round = 0; !r && round < PROJECT_ROUNDS; round++) {
		series.lines = before;
		r = run_round(&series, round);
		r = r ? r : host_costs_measure(&after);
		if (r)
			break;
		mean_costs(&before, &after, &project->hosts[round]);
		before = after;
	}
	progress_end(&series.progress);
	return r;
}
