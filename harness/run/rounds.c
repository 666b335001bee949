/* SPDX-License-Identifier: MIT */
#include "run/rounds.h"

#include <signal.h>
#include <stdlib.h>

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
