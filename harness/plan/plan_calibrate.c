/* SPDX-License-Identifier: MIT */
/*
 * From what was measured to the model's costs, and from the model to ranges.
 *
 * The reference is a ticket lock on the same load, with two processes. With a section
 * that is long beside all else they take strict turns: what a turn takes beside the
 * section is an operation's own time inside and one hand-off. With much time between two
 * operations, how often one meets the other inside says how long that is. The pair of
 * costs that is nearest to both, and to the load as it is, is taken. Everything else is
 * prediction.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan_project.h"

/* Of core/waiting.h, core/context.c and the strategies: what each does while it waits. */
static const struct lock_model {
	const char *name;
	enum hand_family family;
	double first_pauses, most_pauses; /* HAND_TEST_SET: 4 to 64; HAND_QUEUE: until it yields */
	double spin_ns, spin_pauses;	  /* HAND_PARK: before it sleeps */
	bool polls_one_line;		  /* all who wait read what the holder writes */
} models[] = {
	{ "spin", HAND_TEST_SET, 4, 64, 0, 0, true },
	{ "tas", HAND_TEST_SET, 1, 1, 0, 0, true },
	{ "ticket", HAND_QUEUE, 96, 0, 0, 0, true },
	{ "mcs", HAND_QUEUE, 96, 0, 0, 0, false },
	{ "clh", HAND_QUEUE, 96, 0, 0, 0, false },
	{ "futex", HAND_PARK, 0, 0, 0, 0, false },
	{ "mutex", HAND_PARK, 0, 0, 0, 0, false },
	{ "hybrid", HAND_PARK, 0, 0, 10000, 0, true },
	{ "mutex-adaptive", HAND_PARK, 0, 0, 0, 100, true },
};

#define FAR 4 /* a hand-off to another socket, against one within: what is published is 2 to 4 */
#define LOOK_PAUSES 8 /* PAUSES_PER_ROUND of core/waiting.h */
#define CHECK_S 0.12
#define PROJECT_S 0.01
#define CALIBRATE_S 0.0015
#define SPLITS 20

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

bool project_model_of(const struct host_costs *host, struct project_row *row)
{
	const struct lock_model *model = model_of(row->params.lock);
	const char *why = why_not(row);

	snprintf(row->refused, sizeof(row->refused), "%s", why ? why : "");
	if (why)
		return false;
	row->system = (struct hand_system){
		.family = model->family,
		.seed = 1,
		.costs = { .patience = model->first_pauses * host->pause,
			   .look = model->family == HAND_QUEUE ? LOOK_PAUSES * host->pause : 0,
			   .backoff = model->family == HAND_PARK ? host->pause :
								   model->most_pauses * host->pause,
			   .spin_max = model->spin_ns + model->spin_pauses * host->pause,
			   .call = host->call,
			   .wake = host->wake,
			   .wake_busy = host->wake_busy,
			   .latency = host->latency,
			   .change = host->change,
			   .quantum = host->quantum },
	};
	return true;
}

static double simulate(const struct project_row *row, const struct hand_costs *costs,
		       uint32_t procs, uint32_t cpus, double seconds)
{
	struct hand_system system = row->system;
	struct hand_outcome outcome;

	system.workers = procs;
	system.cpus = cpus;
	system.costs = *costs;
	return hand_simulate(&system, seconds, &outcome) ? NAN : outcome.ops_per_s;
}

double project_model(const struct project_row *row, uint32_t procs, double hold_ns)
{
	struct hand_costs costs = row->system.costs;

	if (*row->refused)
		return NAN;
	costs.hold = hold_ns;
	return simulate(row, &costs, procs, row->cpus, procs > row->cpus ? CHECK_S : PROJECT_S);
}

static double alone_ns(const struct project_row *row)
{
	return 1e9 / row->cells[0].median - (double)row->params.hold_ns;
}

static double square(double x)
{
	return x * x;
}

/* How far the model is from the three runs of two processes: the throughput of short
 * sections, what long ones take beside the section, and how often one is met. */
static double misfit(const struct project_row *row, const struct hand_costs *costs)
{
	const struct project_cell *two = &row->cells[1], *held = &row->held;
	struct hand_system system = row->system;
	struct hand_outcome outcome;
	double sum = 0, turn;

	system.workers = system.cpus = 2;
	system.costs = *costs;
	system.costs.hold = (double)two->hold_ns;
	if (hand_simulate(&system, CALIBRATE_S, &outcome))
		return INFINITY;
	sum += square(log(outcome.ops_per_s / two->median));
	system.costs.outside += (double)(row->spaced.think_ns - two->think_ns);
	if (hand_simulate(&system, 4 * CALIBRATE_S, &outcome))
		return INFINITY;
	sum += square(log(outcome.contended / row->spaced.busy));
	system.costs = *costs;
	system.costs.hold = (double)held->hold_ns;
	if (hand_simulate(&system, CALIBRATE_S, &outcome))
		return INFINITY;
	turn = 1e9 / held->median - system.costs.hold;
	sum += square((1e9 / outcome.ops_per_s - system.costs.hold) / turn - 1);
	return isnan(sum) ? INFINITY : sum;
}

void project_calibrate(struct project_row *row)
{
	double alone = alone_ns(row), best = INFINITY;
	double turn = 1e9 / row->held.median - (double)row->held.hold_ns;
	struct hand_costs chosen = row->system.costs;

	if (!(alone > 0) || !(turn > 0) || !(row->cells[1].median > 0) || !(row->spaced.busy > 0)) {
		snprintf(row->refused, sizeof(row->refused),
			 "its costs could not be told apart: %.3g ns alone, %.3g ns a turn", alone,
			 turn);
		return;
	}
	for (int i = 1; i < SPLITS; i++)
		for (int h = 0; h <= 2 * SPLITS; h++) {
			struct hand_costs costs = row->system.costs;
			double off;

			costs.inside = alone * i / SPLITS;
			costs.outside = alone - costs.inside;
			costs.handoff = turn * h / (2 * SPLITS);
			off = misfit(row, &costs);
			if (off < best) {
				best = off;
				chosen = costs;
			}
		}
	row->system.costs = chosen;
}

void project_adopt(const struct project_row *reference, struct project_row *row)
{
	const struct hand_costs *from = &reference->system.costs;
	double alone = alone_ns(row);

	if (*reference->refused) {
		snprintf(row->refused, sizeof(row->refused), "%s", reference->refused);
		return;
	}
	if (!(alone > 0)) {
		snprintf(row->refused, sizeof(row->refused), "not measured with one process");
		return;
	}
	row->system.costs.inside = fmin(from->inside, alone);
	row->system.costs.outside = fmax(alone - from->inside, 0.1);
	row->system.costs.handoff = from->handoff;
}

struct project_range project_range_at(const struct project_row *row, uint32_t cpus)
{
	struct project_range range = { cpus, INFINITY, 0, cpus > PROJECT_NEAR * row->cpus };
	const struct lock_model *model = model_of(row->params.lock);

	for (int dear = 0; dear < 2; dear++)
		for (int crowd = 0; crowd <= model->polls_one_line; crowd++) {
			struct hand_costs costs = row->system.costs;
			double rate;

			costs.hold = (double)row->params.hold_ns;
			costs.handoff *= dear ? FAR : 1;
			costs.crowd = crowd;
			rate = simulate(row, &costs, cpus, cpus, PROJECT_S);
			range.low = fmin(range.low, rate);
			range.high = fmax(range.high, rate);
		}
	/* No surer than it was here. */
	range.low /= 1 + row->off;
	range.high *= 1 + row->off;
	return range;
}
