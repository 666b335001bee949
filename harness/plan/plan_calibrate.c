/* SPDX-License-Identifier: MIT */
/*
 * From what was measured to the model's costs, and from the model to ranges.
 *
 * Of an operation's time alone, that within the lock is the share of looks from another
 * CPU that found it taken: what others see of a section is longer than what it takes by
 * itself, since much of what is done outside overlaps with it. What a section lasts longer
 * where others use the table, too, is the difference of sections timed with two processes
 * and with one, as a number of lines that come from another CPU (plan_project.c): more of
 * them where the lock came from there, too. Nothing is fitted to a throughput of more than
 * one.
 *
 * Each round has costs of its own, and each trial a line's way of its own: a virtual
 * machine's CPUs may be four times as far from each other as they were a second ago.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan_project.h"
#include "stats/stats.h"

/* Of core/waiting.h, core/context.c and the strategies: what each does while it waits. */
static const struct lock_model {
	const char *name;
	enum hand_family family;
	bool blind, local;
	double pauses, most_pauses;  /* from one look to the next; HAND_TEST_SET: first and last */
	double spin_ns, spin_pauses; /* HAND_PARK: before it sleeps */
} models[] = {
	{ "spin", HAND_TEST_SET, false, false, 4, 64, 0, 0 },
	{ "tas", HAND_TEST_SET, true, false, 1, 1, 0, 0 },
	{ "ticket", HAND_QUEUE, false, false, 8, 0, 0, 0 },
	{ "mcs", HAND_QUEUE, false, true, 8, 0, 0, 0 },
	{ "clh", HAND_QUEUE, false, true, 8, 0, 0, 0 },
	{ "futex", HAND_PARK, false, false, 1, 0, 0, 0 },
	{ "mutex", HAND_PARK, false, false, 1, 0, 0, 0 },
	{ "hybrid", HAND_PARK, false, false, 1, 0, 10000, 0 },
	{ "mutex-adaptive", HAND_PARK, false, false, 1, 0, 0, 100 },
};

#define FAR 4 /* a transfer to another socket, against one within: what is published is 2 to 4 */
#define LOOKS_BEFORE_YIELD 12 /* ROUNDS_BEFORE_YIELD of core/waiting.h */
/* Of each round, simulated. */
#define CHECK_S 0.14
#define NEAR_S 0.02
#define GAPS 35 /* of a CPU, that their mean comes out: on a loaded machine they are long */
#define PROJECT_S 0.01
#define LOOKS_MIN 100 /* of another CPU at the lock, that a share of them says something */
/* Of an exponential distribution of mean 1: from its median to its 90th percentile. */
#define EXPONENTIAL_P90_P50 1.609

static const struct lock_model *model_of(const char *name)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

static const char *why_not(const struct project_row *row)
{
	const struct params *params = &row->params;

	if (!model_of(params->lock))
		return "the model has queue, test-and-set and parking locks; this one is another";
	if (params->read != SHMHT_READ_LOCKED)
		return "searches take no lock here";
	if (params->stripes != 1)
		return "the model has one lock, not several stripes";
	if (params->wait != SHMHT_WAIT_OWN)
		return "the model knows each lock's own way of waiting only";
	if (params->pin == PIN_NONE)
		return "pin = none: the model's processes stay on their CPUs";
	if (row->cpus < 2)
		return "one CPU: there is no hand-off between CPUs to be measured";
	return NULL;
}

static void set_lines(struct hand_costs *costs, double transfer, double upgrade, double invalidate)
{
	costs->transfer = transfer;
	costs->invalidate = invalidate;
	costs->migrates = upgrade < invalidate / 2;
}

/* At the way that a line has in these costs. */
static void set_others(const struct project_row *row, struct hand_costs *costs)
{
	costs->handed = row->lines_handed * costs->transfer;
	costs->again = row->lines_again * costs->transfer;
}

static struct project_fit of_host(const struct host_costs *host, const struct lock_model *model)
{
	struct project_fit fit = { .change_of_four = host->change[1], .clock_ns = host->clock };

	fit.system = (struct hand_system){
		.family = model->family,
		.blind = model->blind,
		.local = model->local,
		.seed = 1,
		.costs = { .look = model->pauses * host->pause + host->tick,
			   .backoff = model->most_pauses * host->pause,
			   .spin_max = model->spin_ns + model->spin_pauses * host->pause,
			   /* Three looks at the counter, one at the clock: the deadline. */
			   .prepare = 3 * host->tick + host->stamp,
			   .atomic = host->atomic,
			   .tick = host->tick,
			   .yield = host->yield,
			   .wait_call = host->wait_call,
			   .wake_call = host->wake_call,
			   .wake = host->wake,
			   .wake_busy = host->wake_busy,
			   .latency = host->latency,
			   .change = host->change[0],
			   .cold = host->cold,
			   .quantum = host->quantum,
			   .skew = host->change[0],
			   .gap_every = host->gap_every,
			   .gap = host->gap },
	};
	set_lines(&fit.system.costs, host->transfer, host->upgrade, host->invalidate);
	fit.system.costs.patience = LOOKS_BEFORE_YIELD * fit.system.costs.look;
	return fit;
}

bool project_model_of(const struct host_costs *host, struct project_row *row)
{
	const char *why = why_not(row);

	snprintf(row->refused, sizeof(row->refused), "%s", why ? why : "");
	if (!why)
		row->fit = of_host(host, model_of(row->params.lock));
	return !why;
}

static double simulate(const struct project_fit *fit, const struct hand_costs *costs,
		       const struct project_cell *cell, uint32_t cpus, double seconds,
		       double *ret_busy)
{
	struct hand_system system = fit->system;
	struct hand_outcome outcome;
	uint32_t of_one = (cell->procs + cpus - 1) / cpus; /* processes of a CPU */

	system.workers = cell->procs;
	system.cpus = cpus;
	system.costs = *costs;
	system.costs.hold = (double)cell->hold_ns;
	if (of_one > 2)
		system.costs.change += (fit->change_of_four - costs->change) *
				       (of_one > 3 ? 1 : 0.5);
	if (hand_simulate(&system, seconds, &outcome))
		return NAN;
	*ret_busy = outcome.contended;
	return outcome.ops_per_s;
}

void project_model(const struct project_row *row, struct project_cell *cell, int round)
{
	struct project_figures *figures = &cell->rounds[round];
	struct project_fit fit = row->fits[round];
	struct hand_costs *costs = &fit.system.costs;
	double near = fmin(CHECK_S, fmax(NEAR_S, GAPS * 1e-9 * costs->gap_every));

	figures->model = figures->model_busy = NAN;
	if (!fit.apart || !(figures->ops_per_s > 0))
		return;
	/* Chance is another one in each round. */
	fit.system.seed = (uint64_t)round + 1;
	set_lines(costs, figures->transfer, figures->upgrade, figures->invalidate);
	set_others(row, costs);
	figures->model = simulate(&fit, costs, cell, row->cpus,
				  cell->procs > row->cpus ? CHECK_S : near, &figures->model_busy);
}

/* Without the time that the CPU stood still. */
static double alone_ns(const struct project_row *row, const struct hand_costs *costs, int round)
{
	double lost = costs->gap_every > 0 ? costs->gap / (costs->gap_every + costs->gap) : 0;

	return 1e9 / row->cells[0].rounds[round].ops_per_s * (1 - lost) -
	       (double)row->params.hold_ns;
}

/* Of all rounds: a share does not know the machine's speed. */
static double share_held(const struct project_cell *cell)
{
	uint64_t looks = 0, held = 0;

	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		looks += cell->rounds[k].looks;
		held += cell->rounds[k].looks_held;
	}
	return looks < LOOKS_MIN ? 0 : (double)held / (double)looks;
}

/* fit: the host's part of the same round. */
static bool tell_apart(const struct project_row *reference, const struct project_row *row,
		       int round, struct project_fit *fit)
{
	const struct project_figures *one = &reference->cells[0].rounds[round];
	const struct project_figures *own = &row->cells[0].rounds[round];
	struct hand_costs *costs = &fit->system.costs;
	double share = share_held(&row->cells[0]), hold = (double)row->params.hold_ns;
	double section = one->section_ns - fit->clock_ns, alone;

	if (!(one->ops_per_s > 0) || !(own->ops_per_s > 0))
		return false;
	alone = alone_ns(row, costs, round);
	/* Some locks do not name their holders: as long as the reference's section. */
	costs->inside = share > 0 ? share * (alone + hold) - hold :
				    share_held(&reference->cells[0]) *
					    alone_ns(reference, costs, round);
	set_others(row, costs);
	if (!(alone > 0) || !(costs->inside > 0) || !(section > 0) ||
	    isnan(costs->handed + costs->again))
		return false;
	costs->inside = fmin(costs->inside, alone);
	costs->outside = fmax(alone - costs->inside, 0.1);
	costs->spread = fmin(1, fmax(0, one->section_p90_p50_ns / EXPONENTIAL_P90_P50 / section));
	return true;
}

static double median_cost(const struct project_row *row, size_t offset)
{
	double values[PROJECT_ROUNDS];
	size_t nr = 0;

	for (int k = 0; k < PROJECT_ROUNDS; k++)
		if (row->fits[k].apart)
			values[nr++] = *(const double *)((const char *)&row->fits[k].system.costs +
							 offset);
	return stats_median(values, nr);
}

bool project_calibrate(const struct host_costs *hosts, const struct project_row *reference,
		       struct project_row *row)
{
	static const size_t of_lock[] = { offsetof(struct hand_costs, inside),
					  offsetof(struct hand_costs, outside),
					  offsetof(struct hand_costs, handed),
					  offsetof(struct hand_costs, again),
					  offsetof(struct hand_costs, spread) };
	int nr = 0;

	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		row->fits[k] = of_host(&hosts[k], model_of(row->params.lock));
		row->fits[k].apart = tell_apart(reference, row, k, &row->fits[k]);
		nr += row->fits[k].apart;
	}
	row->fit.apart = 2 * nr >= PROJECT_ROUNDS;
	for (size_t i = 0; i < sizeof(of_lock) / sizeof(of_lock[0]); i++)
		*(double *)((char *)&row->fit.system.costs + of_lock[i]) = median_cost(row,
										       of_lock[i]);
	if (!row->fit.apart)
		snprintf(row->refused, sizeof(row->refused),
			 "its costs could not be told apart in %d of %d rounds",
			 PROJECT_ROUNDS - nr, PROJECT_ROUNDS);
	return row->fit.apart;
}

struct project_range project_range_at(const struct project_row *row, uint32_t cpus)
{
	struct project_range range = { cpus, INFINITY, 0, cpus > PROJECT_NEAR * row->cpus };
	struct project_cell cell = { .procs = cpus, .hold_ns = row->params.hold_ns };
	const struct lock_model *model = model_of(row->params.lock);

	for (int dear = 0; dear < 2; dear++)
		for (int crowd = 0; crowd <= !model->local; crowd++) {
			struct hand_costs costs = row->fit.system.costs;
			double rate, busy;

			costs.transfer *= dear ? FAR : 1;
			costs.invalidate *= dear ? FAR : 1;
			costs.handed *= dear ? FAR : 1;
			costs.again *= dear ? FAR : 1;
			costs.crowd = crowd;
			rate = simulate(&row->fit, &costs, &cell, cpus, PROJECT_S, &busy);
			range.low = fmin(range.low, rate);
			range.high = fmax(range.high, rate);
		}
	/* No surer than it was here. */
	range.low /= 1 + row->off;
	range.high *= 1 + row->off;
	return range;
}
