/* SPDX-License-Identifier: MIT */
#include "run/rounds.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/perf_control.h"
#include "run/progress.h"
#include "run/supervise.h"
#include "worker/rng.h"

struct rounds {
	rounds_trial_fn trial;
	const struct scenario *scenario;
	struct result_build *build;
	size_t *order;
	struct progress progress;
	struct rng rng;
	double last; /* ops per second of the trial before */
};

static void shuffle(size_t *order, size_t n, struct rng *rng)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_below(rng, i), swap = order[i - 1];

		order[i - 1] = order[k];
		order[k] = swap;
	}
}

/* Round k; its trials are numbered index. Returns whether the host disturbed one. */
static bool run_round(struct rounds *rounds, uint32_t k, uint32_t index)
{
	const struct scenario *scenario = rounds->scenario;
	bool disturbed = false;

	shuffle(rounds->order, scenario->nr_points, &rounds->rng);
	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[rounds->order[i]];
		struct trial trial;

		if (point->skip_reason || k >= point->params.trials)
			continue;
		if (supervise_interrupted())
			break;
		progress_show(&rounds->progress, point->name, rounds->last);
		rounds->trial(point, index, &trial);
		rounds->last = trial.seconds > 0 ? (double)trial.ops / trial.seconds : 0;
		disturbed |= trial.noise.disturbed;
		/* One that the user cut short is no result of the point. */
		if (!supervise_interrupted())
			result_add_trial(rounds->build, rounds->order[i], &trial);
		trial_free(&trial);
		rounds->progress.done++;
	}
	return disturbed;
}

static void redo(struct rounds *rounds, const bool *disturbed, uint32_t nr)
{
	uint32_t index = nr, most = nr + nr / 2;

	for (uint32_t k = 0; k < nr; k++) {
		while (disturbed[k] && index < most && !supervise_interrupted()) {
			if (run_round(rounds, k, index++) || supervise_interrupted())
				continue;
			result_supersede(rounds->build, k);
			break;
		}
	}
}

int rounds_run(rounds_trial_fn trial, const struct scenario *scenario, struct result_build *build,
	       bool quiet, bool redo_disturbed)
{
	struct rounds rounds = { .trial = trial, .scenario = scenario, .build = build };
	uint32_t nr = 0, total = 0;
	bool *disturbed;

	rounds.order = malloc(scenario->nr_points * sizeof(*rounds.order));
	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];

		if (rounds.order)
			rounds.order[i] = i;
		if (point->skip_reason)
			continue;
		total += point->params.trials;
		if (point->params.trials > nr)
			nr = point->params.trials;
	}
	disturbed = calloc(nr + 1, sizeof(*disturbed));
	if (rounds.order && disturbed) {
		rng_seed(&rounds.rng, scenario->points[0].params.seed, 0x6f72646572);
		progress_begin(&rounds.progress, !quiet, total);
		for (uint32_t k = 0; k < nr && !supervise_interrupted(); k++)
			disturbed[k] = run_round(&rounds, k, k);
		if (redo_disturbed)
			redo(&rounds, disturbed, nr);
		progress_end(&rounds.progress);
	}
	nr = rounds.order && disturbed ? 0 : SIGTERM;
	free(rounds.order);
	free(disturbed);
	return supervise_interrupted() ? supervise_interrupted() : (int)nr;
}

/* ---- counting system calls --------------------------------------------- */

static bool can_count(char *why_not, size_t size)
{
	const char *perf = getenv(PERF_CONTROL_ENV);

	if (!perf || !*perf)
		return kernel_counts_calls(why_not, size);
	snprintf(why_not, size, "%s is set: a perf counts around the trials", PERF_CONTROL_ENV);
	return false;
}

void rounds_say_who_counts(struct result_build *build)
{
	char why_not[128];

	result_set_calls_reason(build, can_count(why_not, sizeof(why_not)) ?
					       "counted in a trial of its own: kernel_trials" :
					       why_not);
}

int rounds_count_calls(const struct scenario *scenario, struct result_build *build, bool quiet)
{
	struct progress progress;
	uint32_t total = 0;
	char why_not[128];

	if (!can_count(why_not, sizeof(why_not)))
		return 0;
	/* Of one that could not be measured there is nothing to add to. */
	for (size_t i = 0; i < scenario->nr_points; i++)
		total += result_is_measured(build, i);
	progress_begin(&progress, !quiet, total);
	for (size_t i = 0; i < scenario->nr_points && !supervise_interrupted(); i++) {
		const struct point *point = &scenario->points[i];
		char label[256];
		struct trial trial;

		if (!result_is_measured(build, i))
			continue;
		snprintf(label, sizeof(label), "counting calls: %s", point->name);
		progress_show(&progress, label, 0);
		supervise_kernel_trial(point, &trial);
		if (!supervise_interrupted())
			result_add_kernel_trial(build, i, &trial);
		trial_free(&trial);
		progress.done++;
	}
	progress_end(&progress);
	return supervise_interrupted();
}

double rounds_counting_s(const struct scenario *scenario)
{
	char why_not[128];
	uint64_t ns = 0;

	if (!can_count(why_not, sizeof(why_not)))
		return 0;
	for (size_t i = 0; i < scenario->nr_points; i++)
		if (!scenario->points[i].skip_reason)
			ns += supervise_kernel_trial_ns(&scenario->points[i].params);
	return (double)ns * 1e-9;
}
