/* SPDX-License-Identifier: MIT */
/* The projection for people and as JSON. */
#include <math.h>

#include "plan/plan_project.h"
#include "result/result_internal.h"

static const char *const families[] = {
	[HAND_QUEUE] = "queue",
	[HAND_TEST_SET] = "test-and-set",
	[HAND_PARK] = "parking",
};

static void put_host(const struct project *project, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	const double *costs = (const double *)&project->host;

	fputs("  measured here:", out);
	for (size_t i = 0; i < HOST_COSTS_NR; i++) {
		char ns[32];

		result_format_ns(costs[i], &glyphs, ns, sizeof(ns));
		fprintf(out, "%s%s %s %s", i ? "," : "", i % 4 == 0 ? "\n   " : "",
			host_cost_names[i].text, *ns ? ns : "-");
	}
	fputc('\n', out);
}

static void put_checks(const struct project_row *row, FILE *out)
{
	fputs("                                                             contended\n"
	      "    processes  measured (95 %)          model     off by      measured  model\n",
	      out);
	for (int i = 0; i < PROJECT_CHECKS; i++) {
		const struct project_cell *cell = &row->cells[i];
		char median[32], low[32], high[32], model[32], range[80] = "";

		result_format_rate(cell->median, median, sizeof(median));
		result_format_rate(cell->low, low, sizeof(low));
		result_format_rate(cell->high, high, sizeof(high));
		result_format_rate(cell->model, model, sizeof(model));
		if (*low && *high)
			snprintf(range, sizeof(range), "(%s..%s)", low, high);
		if (cell->nr)
			fprintf(out,
				"    %-9u  %-6s %-16s  %-8s  %+4.0f %%       %4.1f %%   %5.1f %%\n",
				cell->procs, median, range, model, cell->off * 100,
				cell->busy * 100, cell->model_busy * 100);
		else
			fprintf(out, "    %-9u  not measured\n", cell->procs);
	}
}

static void put_ranges(const struct project_row *row, FILE *out)
{
	fputs("    CPUs       range\n", out);
	for (uint32_t i = 0; i < row->nr_ranges; i++) {
		const struct project_range *range = &row->ranges[i];
		char low[32], high[32];

		result_format_rate(range->low, low, sizeof(low));
		result_format_rate(range->high, high, sizeof(high));
		fprintf(out, "    %-9u  %s..%s/s%s\n", range->cpus, low, high,
			range->extrapolated ? "  EXTRAPOLATED" : "");
	}
}

static void put_row(const struct project_row *row, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	const struct hand_costs *costs = &row->fit.system.costs;
	char name[256], outside[32], inside[32], handed[32], again[32];

	result_clean(row->point->name, 70, name, sizeof(name));
	fprintf(out, "\n  %s\n", name);
	if (*row->refused) {
		fprintf(out, "    not projected: %s\n", row->refused);
		return;
	}
	result_format_ns(costs->outside, &glyphs, outside, sizeof(outside));
	result_format_ns(costs->inside, &glyphs, inside, sizeof(inside));
	result_format_ns(costs->handed, &glyphs, handed, sizeof(handed));
	result_format_ns(costs->again, &glyphs, again, sizeof(again));
	fprintf(out,
		"    %s lock: %s outside, %s inside; where others work %s more after a hand-over, "
		"else %s\n",
		families[row->fit.system.family], outside, inside, *handed ? handed : "0",
		*again ? again : "0");
	put_checks(row, out);
	put_ranges(row, out);
	if (row->off > 0.25)
		fprintf(out,
			"    the model is %.0f %% off at %u processes, more than the 25 %% that it "
			"is meant for\n",
			row->off * 100, row->off_procs);
}

void project_print(const struct project *project, const char *name, FILE *out)
{
	fprintf(out,
		"%s: to %u CPUs, one process on each, closed loop, by a model of lock "
		"hand-off\n\n",
		name, project->target);
	put_host(project, out);
	for (uint32_t k = 0; k < project->nr; k++)
		if (!project->rows[k].reference)
			put_row(&project->rows[k], out);
	if (project->apart)
		fprintf(out,
			"\n  order of locks: as measured in %u of the %u pairs whose intervals "
			"are apart\n",
			project->same_order, project->apart);
	fputs("\nWhat it rests on: the costs above, of each round by itself, and the way of a line "
	      "around each trial;\nan operation alone, and how often another CPU then finds the lock "
	      "taken; what a section takes longer\nwith two processes, after a hand-over and else. "
	      "Off by: the median of the rounds, each with the costs\nof its own time. Upper end: "
	      "every transfer of a line costs as much as here, whoever else wants it.\nLower end: "
	      "four times as much (another socket), and where all who wait look at one line, they\n"
	      "get it one after the other. Both ends are widened by what the model was off here. "
	      "EXTRAPOLATED:\nbeyond four times the CPUs that were measured on. Memory bandwidth, "
	      "sibling threads and clock rates of\nanother machine are not in it.\n",
	      out);
	if (project->open_loop)
		fprintf(out, "Left out, being an open loop: %u points.\n", project->open_loop);
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *costs_json(const struct project_row *row)
{
	const struct hand_costs *costs = &row->fit.system.costs;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "lines_handed",
			 result_number(row->lines_handed), "lines_again",
			 result_number(row->lines_again), "outside_ns",
			 result_number(costs->outside), "inside_ns", result_number(costs->inside),
			 "handed_ns", result_number(costs->handed), "again_ns",
			 result_number(costs->again), "spread", result_number(costs->spread));
}

/* Of the rounds in which the cell was measured. */
static json_t *cell_rounds_json(const struct project_cell *cell)
{
	json_t *rounds = json_array();

	for (int k = 0; k < PROJECT_ROUNDS; k++) {
		const struct project_figures *figures = &cell->rounds[k];

		if (figures->ops_per_s > 0)
			json_array_append_new(
				rounds, json_pack("{s:i, s:o, s:o, s:o, s:b}", "round", k,
						  "ops_per_s", result_number(figures->ops_per_s),
						  "model", result_number(figures->model),
						  "transfer_ns", result_number(figures->transfer),
						  "disturbed", (int)figures->disturbed));
	}
	return rounds;
}

static json_t *check_json(const struct project_cell *cell)
{
	return json_pack("{s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:{s:o, s:o}, s:o}", "procs",
			 result_count(cell->procs), "ops_per_s", "median",
			 result_number(cell->median), "low", result_number(cell->low), "high",
			 result_number(cell->high), "n", result_count(cell->nr), "model",
			 result_number(cell->model), "off", result_number(cell->off), "contended",
			 "measured", result_number(cell->busy), "model",
			 result_number(cell->model_busy), "rounds", cell_rounds_json(cell));
}

static json_t *row_json(const struct project_row *row)
{
	json_t *checks = json_array(), *ranges = json_array();

	for (int i = 0; !*row->refused && i < PROJECT_CHECKS; i++)
		json_array_append_new(checks, check_json(&row->cells[i]));
	for (uint32_t i = 0; i < row->nr_ranges; i++)
		json_array_append_new(ranges,
				      json_pack("{s:o, s:o, s:o, s:b}", "cpus",
						result_count(row->ranges[i].cpus), "low",
						result_number(row->ranges[i].low), "high",
						result_number(row->ranges[i].high), "extrapolated",
						(int)row->ranges[i].extrapolated));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", row->point->name,
			 "lock", row->params.lock, "params", result_params(&row->params),
			 "not_projected", *row->refused ? json_string(row->refused) : json_null(),
			 "family",
			 *row->refused ? json_null() :
					 json_string(families[row->fit.system.family]),
			 "costs", *row->refused ? json_null() : costs_json(row), "checks", checks,
			 "off", result_number(*row->refused ? NAN : row->off), "ranges", ranges);
}

static json_t *host_json(const struct host_costs *host)
{
	json_t *object = json_object();

	for (size_t i = 0; i < HOST_COSTS_NR; i++)
		json_object_set_new(object, host_cost_names[i].key,
				    result_number(((const double *)host)[i]));
	return object;
}

json_t *project_json(const struct project *project)
{
	json_t *rows = json_array(), *hosts = json_array();

	for (uint32_t k = 0; k < project->nr; k++)
		if (!project->rows[k].reference)
			json_array_append_new(rows, row_json(&project->rows[k]));
	for (int k = 0; k < PROJECT_ROUNDS; k++)
		json_array_append_new(hosts, host_json(&project->hosts[k]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpus",
			 result_count(project->target), "host_ns", host_json(&project->host),
			 "host_ns_by_round", hosts, "trials_redone", result_count(project->more),
			 "rows", rows, "pairs_apart", result_count(project->apart),
			 "pairs_in_order", result_count(project->same_order));
}
