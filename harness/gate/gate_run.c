/* SPDX-License-Identifier: MIT */
/* Running a gate: rounds, looks, and what comes of them. See gate.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "gate/gate.h"
#include "run/progress.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "stats/gate_stats.h"
#include "worker/rng.h"

#define SLICE_NS 50000000u
/* More turns in a round: a budget that has room for rounds enough is spent better so. */
#define SLICE_LONG_NS 100000000u
#define LONG_BUDGET_S 30
#define ROUNDS_MAX 500 /* more tells little: longer slices do, and cost less set-up */
#define POWER 0.9

uint32_t gate_rounds_of(double budget_s, double round_s)
{
	return round_s > 0 ? (uint32_t)fmin(fmax(budget_s / round_s, 0), ROUNDS_MAX) : 0;
}

static int plan_rounds(const struct gate_request *request, struct gate_suite *suite, double spent_s)
{
	double round_s = 0, rounds;
	size_t needed;
	char text[300];

	for (uint32_t i = 0; i < suite->nr_points; i++) {
		if (suite->points[i].state != GATE_MEASURED)
			continue;
		round_s += suite->points[i].pair_s;
		suite->nr_rows += suite->points[i].nr_metrics;
	}
	if (!suite->nr_rows)
		return 0;
	if (request->control)
		round_s *= 1.5;
	needed = gate_rounds_needed(&suite->rule, suite->nr_rows);
	rounds = (request->budget_s - spent_s) / round_s;
	suite->round_s = round_s;
	suite->needed_s = spent_s + (double)needed * round_s;
	if (rounds < (double)needed) {
		snprintf(text, sizeof(text),
			 "--budget: %.3g s is %d rounds of %u points, and even unanimous ones "
			 "reach the level only from %zu on: at least %.3g s",
			 request->budget_s, rounds > 0 ? (int)rounds : 0, suite->nr_points, needed,
			 ceil(1.2 * suite->needed_s));
		return gate_refuse(suite, EXIT_USAGE, text);
	}
	suite->planned = gate_rounds_of(request->budget_s - spent_s, round_s);
	return 0;
}

static int allocate_rounds(struct gate_suite *suite)
{
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		struct gate_point *point = &suite->points[i];

		point->rounds_max = suite->planned;
		point->rounds = calloc(suite->planned + 1, sizeof(*point->rounds));
		if (!point->rounds)
			return gate_refuse(suite, EXIT_NOT_MEASURED, strerror(ENOMEM));
	}
	return 0;
}

static int measure_pair(const struct gate_request *request, const struct gate_suite *suite,
			struct gate_point *point, struct gate_round *round,
			enum gate_side *ret_side, char *why, size_t size)
{
	int r = 0;

	if (point->turns)
		return gate_measure_turns(request, point, suite->slice_ns, point->nr_rounds, round,
					  ret_side, why, size);
	for (int half = 0; !r && half < 2; half++) {
		*ret_side = round->head_first == (half == 0) ? GATE_HEAD : GATE_BASE;
		gate_slice_free(&round->slices[*ret_side]);
		r = gate_measure(request, point, *ret_side, suite->slice_ns, point->nr_rounds,
				 &round->slices[*ret_side], why, size);
	}
	return r;
}

int gate_run_round(const struct gate_request *request, const struct gate_suite *suite,
		   struct gate_point *point, struct rng *coins)
{
	struct gate_round *round = &point->rounds[point->nr_rounds];
	const char *base = round->slices[GATE_BASE].hash, *head = round->slices[GATE_HEAD].hash;
	enum gate_side side = GATE_BASE;
	char why[600];
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < GATE_TRIES; i++) {
		round->head_first = rng_next(coins) >> 63;
		r = measure_pair(request, suite, point, round, &side, why, sizeof(why));
		point->repeated += r == -EBUSY;
	}
	if (!r && strcmp(base, head)) {
		snprintf(why, sizeof(why),
			 "op_stream_hash: base %s, head %s: they did not do the same work", base,
			 head);
		r = -EIO;
		side = GATE_BASE;
	}
	if (r && r != -EINTR)
		gate_set_aside(point, r, side, why);
	point->nr_rounds += !r;
	return r;
}

static bool pending(const struct gate_point *point)
{
	if (point->state != GATE_MEASURED)
		return false;
	for (uint32_t m = 0; m < point->nr_metrics; m++)
		if (point->rows[m].verdict == GATE_PENDING)
			return true;
	return false;
}

int gate_suite_judge(struct gate_suite *suite, unsigned int look)
{
	struct gate_row *rows = calloc(suite->nr_rows + 1, sizeof(*rows));
	size_t nr = 0;
	int r = rows ? 0 : -ENOMEM;

	for (uint32_t i = 0; !r && i < suite->nr_points; i++) {
		struct gate_point *point = &suite->points[i];

		if (point->state != GATE_MEASURED)
			continue;
		if (pending(point))
			r = gate_rows_fill(point);
		for (uint32_t m = 0; m < point->nr_metrics; m++)
			rows[nr++] = point->rows[m];
	}
	if (!r)
		r = gate_judge(&suite->rule, look, rows, nr);
	nr = 0;
	for (uint32_t i = 0; !r && i < suite->nr_points; i++)
		for (uint32_t m = 0;
		     suite->points[i].state == GATE_MEASURED && m < suite->points[i].nr_metrics;
		     m++)
			suite->points[i].rows[m] = rows[nr++];
	free(rows);
	suite->look = look;
	return r;
}

/* A coin of a point is a stream of its own: what others do does not move it. */
static int run_looks(const struct gate_request *request, struct gate_suite *suite,
		     struct progress *progress)
{
	struct rng *coins = calloc(suite->nr_points + 1, sizeof(*coins));
	uint32_t round = 0, left = 1;
	int r = coins ? 0 : -ENOMEM;

	for (uint32_t i = 0; !r && i < suite->nr_points; i++)
		rng_seed(&coins[i], request->seed, 0x67617465 + i);
	for (unsigned int look = 1; !r && left && look <= GATE_LOOKS; look++) {
		for (; !r && round < gate_look_rounds(suite->planned, look); round++) {
			for (uint32_t i = 0; i < suite->nr_points; i++) {
				struct gate_point *point = &suite->points[i];

				if (!pending(point))
					continue;
				progress_show(progress, point->name, 0);
				r = gate_run_round(request, suite, point, &coins[i]);
				if (!r)
					r = gate_control_round(request, suite, point, round,
							       &coins[i]);
				if (r == -EINTR)
					break;
				r = 0;
			}
			progress->done++;
		}
		if (!r)
			r = gate_suite_judge(suite, look);
		left = 0;
		for (uint32_t i = 0; i < suite->nr_points; i++)
			left += pending(&suite->points[i]);
	}
	free(coins);
	return r;
}

static void announce(const struct gate_request *request, const struct gate_suite *suite)
{
	double level = gate_look_level(&suite->rule, GATE_LOOKS) / suite->nr_rows;

	if (request->quiet || !suite->nr_rows)
		return;
	printf("gate: %u rounds of %.3g ms slices, looks after %zu, %zu, %zu, %u; seed %llu\n",
	       suite->planned, (double)suite->slice_ns * 1e-6, gate_look_rounds(suite->planned, 1),
	       gate_look_rounds(suite->planned, 2), gate_look_rounds(suite->planned, 3),
	       suite->planned, (unsigned long long)request->seed);
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		if (point->state == GATE_MEASURED)
			printf("  %s: smallest slowdown that this budget can find (90 %% power), "
			       "judging by %d pilot %s: %.1f %%\n",
			       point->name, GATE_PILOT_SLICES,
			       point->turns ? "rounds in turns" : "slices",
			       100 * expm1(suite->rule.ignore + gate_smallest_shift(point->spread,
										    suite->planned,
										    level, POWER)));
	}
	fflush(stdout);
}

void gate_run(const struct gate_request *request, struct gate_suite *suite)
{
	uint64_t started = shmht_monotonic_ns();
	struct progress progress;
	int r;

	memset(suite, 0, sizeof(*suite));
	suite->rule.level = 0.01;
	suite->slice_ns = request->slice_ns		     ? request->slice_ns :
			  request->budget_s >= LONG_BUDGET_S ? SLICE_LONG_NS :
							       SLICE_NS;
	if (gate_match_points(request, suite))
		goto out;
	if (gate_calibration_apply(request, suite))
		goto out;
	if (request->instructions && gate_count_instructions(request, suite))
		goto out;
	started = shmht_monotonic_ns();
	if (gate_run_pilots(request, suite) ||
	    plan_rounds(request, suite, (double)(shmht_monotonic_ns() - started) * 1e-9) ||
	    allocate_rounds(suite) || gate_controls_begin(request, suite))
		goto out;
	announce(request, suite);
	progress_begin(&progress, !request->quiet, suite->planned);
	r = run_looks(request, suite, &progress);
	progress_end(&progress);
	if (!r)
		r = gate_controls_end(suite);
	if (r && r != -EINTR)
		gate_refuse(suite, EXIT_NOT_MEASURED, strerror(-r));
out:
	suite->elapsed_s = (double)(shmht_monotonic_ns() - started) * 1e-9;
}

static void free_point(struct gate_point *point)
{
	for (uint32_t k = 0; point->rounds && k < point->rounds_max; k++)
		for (int side = 0; side < GATE_SIDES; side++)
			gate_slice_free(&point->rounds[k].slices[side]);
	for (uint32_t m = 0; m < GATE_METRICS_MAX; m++)
		free(point->figures[m]);
	free(point->rounds);
	free(point->name);
}

void gate_suite_free(struct gate_suite *suite)
{
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		if (suite->points[i].control)
			free_point(suite->points[i].control);
		free(suite->points[i].control);
		free_point(&suite->points[i]);
	}
	free(suite->points);
	json_decref(suite->identities[GATE_BASE]);
	json_decref(suite->identities[GATE_HEAD]);
}

/* Worst first, as the contract orders them: 2, 1, 3, 4, 0. */
int gate_exit_code(const struct gate_request *request, const struct gate_suite *suite)
{
	bool no = false, missing = suite->nr_points == 0, unsure = false;

	if (suite->error)
		return suite->error;
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		no |= point->state == GATE_FAILED;
		missing |= point->state == GATE_GONE || point->state == GATE_SKIPPED ||
			   point->state == GATE_NOT_MEASURED;
		for (uint32_t m = 0;
		     point->state == GATE_MEASURED && m < point->nr_metrics + point->nr_counted;
		     m++) {
			no |= point->rows[m].verdict == GATE_REGRESSION;
			unsure |= point->rows[m].verdict == GATE_PENDING;
		}
	}
	return no				      ? EXIT_NO :
	       missing				      ? EXIT_NOT_MEASURED :
	       unsure && !request->allow_inconclusive ? EXIT_INCONCLUSIVE :
							EXIT_YES;
}
