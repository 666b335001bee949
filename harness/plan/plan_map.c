/* SPDX-License-Identifier: MIT */
/*
 * The cross-over map. A cell's winner has the highest median; whoever cannot be told
 * from it (the 95 % interval of the ratio, by Mann-Whitney, has 1 in it) shares the
 * place. Regret is what a choice loses against the best of each cell: the price of
 * picking it once for all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_scale.h"
#include "result/result_internal.h"
#include "stats/stats.h"

#define CHOICES_MAX 64
#define LOADS_MAX 256
#define PROCS_MAX 64
#define TEXT_COLUMNS 44

struct map {
	const struct plan_sweep *sweep;
	const char *choices[CHOICES_MAX], *loads[LOADS_MAX];
	uint32_t procs[PROCS_MAX];
	size_t nr_choices, nr_loads, nr_procs;
};

struct regret {
	double sum, worst; /* of logarithms of best over this one; worst as a share lost */
	size_t cells, best;
	const char *worst_load;
	uint32_t worst_procs;
};

static size_t place_of(const char **list, size_t *nr, size_t max, const char *text)
{
	size_t i = 0;

	while (i < *nr && strcmp(list[i], text))
		i++;
	if (i == *nr && i < max)
		list[(*nr)++] = text;
	return i;
}

static void add_procs(struct map *map, uint32_t procs)
{
	size_t i = 0;

	while (i < map->nr_procs && map->procs[i] < procs)
		i++;
	if ((i < map->nr_procs && map->procs[i] == procs) || map->nr_procs == PROCS_MAX)
		return;
	memmove(map->procs + i + 1, map->procs + i, (map->nr_procs - i) * sizeof(*map->procs));
	map->procs[i] = procs;
	map->nr_procs++;
}

static void make_map(const struct plan_sweep *sweep, struct map *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sweep = sweep;
	for (size_t i = 0; i < sweep->nr; i++) {
		const struct plan_series *series = &sweep->series[i];

		place_of(ret->choices, &ret->nr_choices, CHOICES_MAX, series->choice);
		place_of(ret->loads, &ret->nr_loads, LOADS_MAX, series->load);
		for (size_t k = 0; k < series->nr; k++)
			add_procs(ret, series->cells[k].procs);
	}
}

static const struct plan_cell *cell_at(const struct map *map, const char *choice, const char *load,
				       uint32_t procs)
{
	for (size_t i = 0; i < map->sweep->nr; i++) {
		const struct plan_series *series = &map->sweep->series[i];

		if (!strcmp(series->choice, choice) && !strcmp(series->load, load))
			return plan_sweep_cell(series, procs);
	}
	return NULL;
}

/* Whether the two cannot be told apart, or too few trials say anything. */
static bool is_tied(const struct plan_cell *best, const struct plan_cell *other)
{
	struct interval ratio;

	stats_ratio_interval(best->ops, best->nr, other->ops, other->nr, &ratio);
	return !(ratio.high < 1);
}

/* places[] by choice: 0 not measured, 1 best, 2 tied with it, 3 worse. Returns the best, or
 * NULL where nothing was measured. */
static const struct plan_cell *judge_cell(const struct map *map, const char *load, uint32_t procs,
					  unsigned char places[CHOICES_MAX])
{
	const struct plan_cell *best = NULL;

	for (size_t i = 0; i < map->nr_choices; i++) {
		const struct plan_cell *cell = cell_at(map, map->choices[i], load, procs);

		if (cell && (!best || cell->median > best->median))
			best = cell;
	}
	for (size_t i = 0; i < map->nr_choices; i++) {
		const struct plan_cell *cell = cell_at(map, map->choices[i], load, procs);

		places[i] = !cell ? 0 : cell == best ? 1 : is_tied(best, cell) ? 2 : 3;
	}
	return best;
}

static void add_regrets(const struct map *map, struct regret regrets[CHOICES_MAX])
{
	unsigned char places[CHOICES_MAX];

	memset(regrets, 0, CHOICES_MAX * sizeof(*regrets));
	for (size_t l = 0; l < map->nr_loads; l++) {
		for (size_t p = 0; p < map->nr_procs; p++) {
			const char *load = map->loads[l];
			const struct plan_cell *best = judge_cell(map, load, map->procs[p], places);

			for (size_t i = 0; best && i < map->nr_choices; i++) {
				const struct plan_cell *cell = cell_at(map, map->choices[i], load,
								       map->procs[p]);
				struct regret *regret = &regrets[i];

				if (!cell)
					continue;
				regret->sum += log(best->median / cell->median);
				regret->cells++;
				regret->best += places[i] < 3;
				if (1 - cell->median / best->median >= regret->worst) {
					regret->worst = 1 - cell->median / best->median;
					regret->worst_load = load;
					regret->worst_procs = map->procs[p];
				}
			}
		}
	}
}

static double mean_loss(const struct regret *regret)
{
	return regret->cells ? 1 - exp(-regret->sum / (double)regret->cells) : NAN;
}

static size_t cells_of(const struct map *map)
{
	unsigned char places[CHOICES_MAX];
	size_t cells = 0;

	for (size_t l = 0; l < map->nr_loads; l++)
		for (size_t p = 0; p < map->nr_procs; p++)
			cells += judge_cell(map, map->loads[l], map->procs[p], places) != NULL;
	return cells;
}

static void put_cell(const struct map *map, const char *load, uint32_t procs, FILE *out)
{
	unsigned char places[CHOICES_MAX];
	const struct plan_cell *best = judge_cell(map, load, procs, places);
	const char *between = "";
	char rate[32];

	if (!best)
		return;
	result_format_rate(best->median, rate, sizeof(rate));
	fprintf(out, "    %4u  %8s  ", procs, rate);
	for (int place = 1; place <= 2; place++) {
		for (size_t i = 0; i < map->nr_choices; i++) {
			char name[200];

			if (places[i] != place)
				continue;
			fprintf(out, "%s%s", between,
				result_clean(map->choices[i], 90, name, sizeof(name)));
			between = " = ";
		}
	}
	fputc('\n', out);
}

static void put_regrets(const struct map *map, FILE *out)
{
	struct regret regrets[CHOICES_MAX];
	size_t cells = cells_of(map);
	int columns = 6;

	add_regrets(map, regrets);
	for (size_t i = 0; i < map->nr_choices; i++) {
		char name[2 * TEXT_COLUMNS + 8];
		int here = (int)result_columns(
			result_clean(map->choices[i], TEXT_COLUMNS, name, sizeof(name)));

		columns = here > columns ? here : columns;
	}
	fprintf(out,
		"\nregret: what is lost by picking one everywhere\n  %-*s  cells  best in  "
		"mean loss  worst loss\n",
		columns, "choice");
	for (size_t i = 0; i < map->nr_choices; i++) {
		char name[2 * TEXT_COLUMNS + 8], load[200];

		result_clean(map->choices[i], TEXT_COLUMNS, name, sizeof(name));
		fprintf(out, "  %s%*s  %2zu/%-2zu  %7zu  %8.1f%%  %9.1f%%", name,
			columns - (int)result_columns(name), "", regrets[i].cells, cells,
			regrets[i].best, 100 * mean_loss(&regrets[i]), 100 * regrets[i].worst);
		if (regrets[i].worst > 0)
			fprintf(out, " at %s, %u processes",
				result_clean(regrets[i].worst_load, 90, load, sizeof(load)),
				regrets[i].worst_procs);
		fputc('\n', out);
	}
}

void plan_map_print(const struct plan_sweep *sweep, FILE *out)
{
	struct map *map = malloc(sizeof(*map));

	if (!map)
		return;
	make_map(sweep, map);
	fprintf(out, "best choice by processes, closed loop (= cannot be told from it at 95 %%)\n");
	for (size_t l = 0; l < map->nr_loads; l++) {
		char load[300];

		fprintf(out, "  %s\n   procs     ops/s  best\n",
			result_clean(map->loads[l], 100, load, sizeof(load)));
		for (size_t p = 0; p < map->nr_procs; p++)
			put_cell(map, map->loads[l], map->procs[p], out);
	}
	if (map->nr_choices > 1)
		put_regrets(map, out);
	free(map);
}

static json_t *cells_json(const struct map *map)
{
	json_t *cells = json_array();

	for (size_t l = 0; l < map->nr_loads; l++) {
		for (size_t p = 0; p < map->nr_procs; p++) {
			unsigned char places[CHOICES_MAX];
			const struct plan_cell *best = judge_cell(map, map->loads[l], map->procs[p],
								  places);
			json_t *ties = json_array(), *winner = json_null();

			for (size_t i = 0; i < map->nr_choices; i++) {
				if (places[i] == 1)
					winner = json_string(map->choices[i]);
				else if (places[i] == 2)
					json_array_append_new(ties, json_string(map->choices[i]));
			}
			json_array_append_new(
				cells, json_pack("{s:s, s:I, s:o, s:o, s:o}", "load", map->loads[l],
						 "procs", (json_int_t)map->procs[p], "best", winner,
						 "no_difference", ties, "ops_per_s",
						 result_number(best ? best->median : NAN)));
		}
	}
	return cells;
}

json_t *plan_map_json(const struct plan_sweep *sweep)
{
	struct map *map = malloc(sizeof(*map));
	struct regret regrets[CHOICES_MAX];
	json_t *list = json_array(), *cells;

	if (!map)
		return list;
	make_map(sweep, map);
	add_regrets(map, regrets);
	for (size_t i = 0; i < map->nr_choices; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:I}", "choice",
					map->choices[i], "cells", (json_int_t)regrets[i].cells,
					"best_in", (json_int_t)regrets[i].best, "mean_loss",
					result_number(mean_loss(&regrets[i])), "worst_loss",
					result_number(regrets[i].worst), "worst_load",
					result_string(regrets[i].worst_load), "worst_procs",
					(json_int_t)regrets[i].worst_procs));
	cells = cells_json(map);
	free(map);
	return json_pack("{s:o, s:o}", "cells", cells, "regret", list);
}
