/* SPDX-License-Identifier: MIT */
#include "plan/plan_project.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/pin.h"
#include "scenario/units.h"
#include "stats/stats.h"

#define TRIAL_NS 120000000u
#define WARMUP_NS 20000000u
#define REFERENCE "ticket"
#define SECTIONS_MIN 100 /* timed, of a lock's own */

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

/* ---- the model --------------------------------------------------------- */

/* Of sections that are longer where two processes use the table, over what a line's way was
 * then: least squares through the origin, for the far ones say most. */
struct lines {
	double product, square, nr;
};

static void add_lines(const struct project_row *row, bool handed, struct lines *lines)
{
	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		const struct project_figures *one = &row->cells[0].rounds[k];
		const struct project_figures *two = &row->cells[1].rounds[k];
		double longer = (handed ? two->handed_ns : two->again_ns) - one->section_ns;
		double nr = handed ? two->handed_nr : two->again_nr;

		if (!(one->ops_per_s > 0) || !(two->ops_per_s > 0) || !(nr > 0) || isnan(longer))
			continue;
		lines->product += nr * longer * two->transfer;
		lines->square += nr * two->transfer * two->transfer;
		lines->nr += nr;
	}
}

/* Who has the lock for long at a time changes more before it is handed over, so they are the
 * lock's own; of which it has too few, those of all locks under this load. */
static double lines_of(const struct project *project, const struct project_row *row, bool handed)
{
	struct lines lines = { 0 };
	bool few;

	add_lines(row, handed, &lines);
	few = lines.nr < SECTIONS_MIN;
	for (uint32_t i = 0; few && i < project->nr; i++)
		if (&project->rows[i] != row && !*project->rows[i].refused &&
		    same_load(&project->rows[i].params, &row->params, true))
			add_lines(&project->rows[i], handed, &lines);
	return lines.square > 0 ? fmax(0, lines.product / lines.square) : NAN;
}

static void summarize(struct project_cell *cell)
{
	double rates[PROJECT_ROUNDS], busy[PROJECT_ROUNDS];
	struct interval interval;

	cell->nr = 0;
	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		const struct project_figures *figures = &cell->rounds[k];

		if (!(figures->ops_per_s > 0))
			continue;
		rates[cell->nr] = figures->ops_per_s;
		busy[cell->nr++] = figures->contended;
	}
	stats_median_interval(rates, cell->nr, &interval);
	cell->median = interval.median;
	cell->low = interval.low;
	cell->high = interval.high;
	cell->busy = stats_median(busy, cell->nr);
}

/* A machine that changes its speed from round to round does so for model and measurement
 * alike: they are compared within each. */
static void check_cell(const struct project_row *row, struct project_cell *cell)
{
	double models[PROJECT_ROUNDS], busy[PROJECT_ROUNDS], logs[PROJECT_ROUNDS];
	size_t nr = 0;

	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		struct project_figures *figures = &cell->rounds[k];

		project_model(row, cell, k);
		if (!(figures->model > 0))
			continue;
		models[nr] = figures->model;
		busy[nr] = figures->model_busy;
		logs[nr++] = log(figures->model / figures->ops_per_s);
	}
	cell->model = stats_median(models, nr);
	cell->model_busy = stats_median(busy, nr);
	cell->off = exp(stats_median(logs, nr)) - 1;
}

static void check(struct project_row *row)
{
	for (int i = 0; i < PROJECT_CHECKS; i++) {
		struct project_cell *cell = &row->cells[i];
		double off;

		check_cell(row, cell);
		off = exp(fabs(log(cell->off + 1))) - 1;
		if (off > row->off) {
			row->off = off;
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

void project_judge(struct project *project)
{
	host_costs_median(project->hosts, PROJECT_ROUNDS, &project->host);
	for (uint32_t k = 0; k < project->nr; k++)
		for (int i = 0; i < PROJECT_CHECKS; i++)
			summarize(&project->rows[k].cells[i]);
	for (uint32_t k = 0; k < project->nr; k++) {
		struct project_row *row = &project->rows[k];

		if (row->reference || !project_model_of(&project->host, row))
			continue;
		row->lines_handed = lines_of(project, row, true);
		row->lines_again = lines_of(project, row, false);
		if (!project_calibrate(project->hosts, reference_of(project, row), row))
			continue;
		check(row);
		project_row(row, project->target);
	}
	compare_orders(project);
}

int project_run(const struct scenario *scenario, uint32_t target, bool quiet, struct project *ret)
{
	int r;

	*ret = (struct project){ .target = target };
	r = find_rows(scenario, ret);
	r = r ? r : project_measure(ret, quiet);
	if (!r)
		project_judge(ret);
	return r;
}

void project_free(struct project *project)
{
	free(project->rows);
	memset(project, 0, sizeof(*project));
}
