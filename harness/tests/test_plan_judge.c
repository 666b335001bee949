/* SPDX-License-Identifier: MIT */
/* The projection's judgement on figures that are given: its costs, and how far it is off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "plan/plan_project.h"

static void assert_near(double got, double wanted, double share)
{
	if (!(fabs(got / wanted - 1) <= share))
		fail_msg("%g, wanted %g within %g %%", got, wanted, share * 100);
}

/* At that speed: everything takes so many times as long. */
static struct host_costs host_at(double slow, bool gaps)
{
	return (struct host_costs){ .pause = 30 * slow,
				    .tick = 10 * slow,
				    .clock = 20 * slow,
				    .stamp = 30 * slow,
				    .atomic = 10 * slow,
				    .transfer = 60 * slow,
				    .invalidate = 60 * slow,
				    .yield = 300 * slow,
				    .change = { 800 * slow, 900 * slow },
				    .cold = 500 * slow,
				    .wait_call = 400 * slow,
				    .wake_call = 400 * slow,
				    .wake = 2000 * slow,
				    .wake_busy = 1000 * slow,
				    .latency = 3000 * slow,
				    .quantum = 3e6 * slow,
				    .gap_every = gaps ? 50000 * slow : 0,
				    .gap = gaps ? 5000 * slow : 0 };
}

/* The lines of that host; what else is measured with one process and with two. */
static void set_figures(struct project_figures *figures, double slow, uint32_t procs)
{
	*figures = (struct project_figures){ .ops_per_s = 2e6 / slow,
					     .looks = procs == 1 ? 1000 : 0,
					     .looks_held = procs == 1 ? 300 : 0,
					     .section_ns = (procs == 1 ? 150 : 170) * slow,
					     .handed_ns = 180 * slow,
					     .handed_nr = procs == 1 ? 0 : 500,
					     .again_ns = 165 * slow,
					     .again_nr = procs == 1 ? 0 : 500,
					     .section_p90_p50_ns = 40 * slow,
					     .transfer = 60 * slow,
					     .invalidate = 60 * slow };
}

static struct project_row row_of(const char *lock)
{
	static const uint32_t procs[PROJECT_CHECKS] = { 1, 2, 3, 4, 6, 8 };
	struct project_row row = { .params = { .stripes = 1, .read = SHMHT_READ_LOCKED },
				   .cpus = 2,
				   .lines_handed = 0.5,
				   .lines_again = 0.25 };

	snprintf(row.params.lock, sizeof(row.params.lock), "%s", lock);
	for (int i = 0; i < PROJECT_CHECKS; i++)
		row.cells[i].procs = procs[i];
	return row;
}

/* What was split into its costs comes out of the model as it was: one process meets nobody,
 * and where its CPU stands still at times, that is taken out and put in again. */
static void test_one_process_is_replayed_from_its_costs(void **state)
{
	static const char *const locks[] = { "spin", "tas", "ticket", "mcs", "futex", "hybrid" };

	(void)state;
	for (int gaps = 0; gaps < 2; gaps++)
		for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
			struct project_row row = row_of(locks[i]);
			struct project_cell *one = &row.cells[0];
			struct host_costs hosts[PROJECT_ROUNDS];
			const struct hand_costs *costs = &row.fit.system.costs;
			double models = 0;

			for (int k = 0; k < PROJECT_ROUNDS; k++) {
				hosts[k] = host_at(1, gaps);
				set_figures(&one->rounds[k], 1, 1);
				set_figures(&row.cells[1].rounds[k], 1, 2);
			}
			assert_true(project_model_of(&hosts[0], &row));
			assert_true(project_calibrate(hosts, &row, &row));
			assert_near(costs->inside, 0.3 * 500 / (gaps ? 1.1 : 1), 1e-9);
			assert_near(costs->handed, 30, 1e-9);
			assert_near(costs->again, 15, 1e-9);
			for (int k = 0; k < PROJECT_ROUNDS; k++) {
				project_model(&row, one, k);
				models += one->rounds[k].model / PROJECT_ROUNDS;
			}
			assert_near(models, 2e6, gaps ? 0.01 : 0.005);
		}
}

/* Rounds of another speed, and in every other of them a machine whose CPUs are far from each
 * other in trials of more than one process, of which the costs measured around the round do
 * not know. */
static void measure_on_a_changing_machine(struct project *project)
{
	for (uint32_t k = 0; k < PROJECT_ROUNDS; k++) {
		double slow = k % 3 ? 1.5 : 1, far = k < 4 ? 4 : 1;

		project->hosts[k] = host_at(slow, false);
		for (uint32_t i = 0; i < project->nr; i++)
			for (int c = 0; c < PROJECT_CHECKS; c++) {
				struct project_figures *figures =
					&project->rows[i].cells[c].rounds[k];

				set_figures(figures, slow, c ? 2 : 1);
				figures->transfer *= c ? far : 1;
				figures->invalidate *= c ? far : 1;
				figures->section_ns = 150 * slow + (c ? figures->transfer / 3 : 0);
				figures->handed_ns = 150 * slow + figures->transfer / 2;
				figures->again_ns = 150 * slow + figures->transfer / 4;
			}
	}
}

/* By costs that are medians over all rounds, against a median over all rounds. */
static double off_by_medians(const struct project_row *row, const struct project_cell *cell)
{
	struct hand_system system = row->fit.system;
	struct hand_outcome outcome;

	system.workers = cell->procs;
	system.cpus = row->cpus;
	assert_int_equal(hand_simulate(&system, 0.1, &outcome), 0);
	return outcome.ops_per_s / cell->median - 1;
}

/* A machine that does just what the model says, changing between rounds and trials: model and
 * measurement agree trial by trial, and not by their medians. */
static void test_each_trial_has_the_costs_of_its_time(void **state)
{
	static const char *const locks[] = { "ticket", "hybrid" };
	struct project_row rows[2];
	struct project project = { .target = 2, .rows = rows, .nr = 2 };
	double worst = 0;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		rows[i] = row_of(locks[i]);
	measure_on_a_changing_machine(&project);
	project_judge(&project);
	for (uint32_t i = 0; i < 2; i++) {
		assert_near(rows[i].lines_handed, 0.5, 1e-9);
		assert_near(rows[i].lines_again, 0.25, 1e-9);
		for (int c = 1; c < PROJECT_CHECKS; c++)
			for (int k = 0; k < PROJECT_ROUNDS; k++) {
				struct project_figures *figures = &rows[i].cells[c].rounds[k];

				figures->ops_per_s = figures->model;
			}
		rows[i].off = 0;
		rows[i].nr_ranges = 0;
	}
	project_judge(&project);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(rows[i].off < 0.005);
		for (int c = 1; c < PROJECT_CHECKS; c++)
			assert_true(fabs(rows[i].cells[c].off) < 1e-9);
		worst = fmax(worst, fabs(off_by_medians(&rows[i], &rows[i].cells[1])));
	}
	if (!(worst > 0.25))
		fail_msg("by medians it is off by %g, too: the machine does not change", worst);
}

/* A lock that hardly ever has its sections again says little of them: all locks under its load do,
 * each section counting as one. */
static void test_few_sections_are_those_of_all_locks(void **state)
{
	struct project_row rows[2];
	struct project project = { .target = 2, .rows = rows, .nr = 2 };

	(void)state;
	rows[0] = row_of("ticket");
	rows[1] = row_of("hybrid");
	measure_on_a_changing_machine(&project);
	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		rows[0].cells[1].rounds[k].again_nr = 10;
		rows[0].cells[1].rounds[k].again_ns += 10 * rows[0].cells[1].rounds[k].transfer;
	}
	project_judge(&project);
	assert_near(rows[0].lines_again, 0.25 + 10 * 60. / (60 + 3000), 1e-9);
	assert_near(rows[1].lines_again, 0.25, 1e-9);
	assert_near(rows[0].lines_handed, 0.5, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_process_is_replayed_from_its_costs),
		cmocka_unit_test(test_few_sections_are_those_of_all_locks),
		cmocka_unit_test(test_each_trial_has_the_costs_of_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
