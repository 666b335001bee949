/* SPDX-License-Identifier: MIT */
/*
 * The gate's statistics on numbers from stdin, one question a line, one line of
 * figures each: what test_gate_figures.py holds against SciPy's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"
#include "gate/gate_judge.h"
#include "stats/gate_stats.h"
#include "stats/stats.h"

static size_t values(char *text, double *out, size_t max)
{
	size_t n = 0;

	for (char *word = strtok(text, " \n"); word && n < max; word = strtok(NULL, " \n"))
		out[n++] = strtod(word, NULL);
	return n;
}

/* level, n of each, values: which rows the last look finds slower. */
static int print_holm(const double *x, size_t nr)
{
	static struct gate_row rows[64];
	/* The level that this look alone may spend is then the one asked for. */
	struct gate_rule rule = { .detect = 1e-9 };
	size_t n = (size_t)x[1], nr_rows = (nr - 2) / n;

	rule.level = 1;
	rule.level = x[0] / gate_look_level(&rule, GATE_LOOKS);
	memset(rows, 0, sizeof(rows));
	for (size_t i = 0; i < nr_rows; i++)
		rows[i] = (struct gate_row){ .slowdown = x + 2 + i * n, .n = n };
	if (gate_judge(&rule, GATE_LOOKS, rows, nr_rows))
		return 1;
	for (size_t i = 0; i < nr_rows; i++)
		printf("%d ", rows[i].verdict == GATE_REGRESSION);
	puts("");
	return 0;
}

/* ignore, detect, level, planned, rows, values of each: a whole gate's verdicts. */
static int print_verdicts(const double *x, size_t nr)
{
	static struct gate_row rows[64];
	struct gate_rule rule = { x[0], x[1], x[2] };
	size_t planned = (size_t)x[3], nr_rows = (size_t)x[4];

	if (!nr_rows || nr_rows > 64 || nr != 5 + planned * nr_rows)
		return 1;
	memset(rows, 0, sizeof(rows));
	for (unsigned int look = 1; look <= GATE_LOOKS; look++) {
		for (size_t i = 0; i < nr_rows; i++) {
			rows[i].slowdown = x + 5 + i * planned;
			if (rows[i].verdict == GATE_PENDING)
				rows[i].n = gate_look_rounds(planned, look);
		}
		if (gate_judge(&rule, look, rows, nr_rows))
			return 1;
	}
	for (size_t i = 0; i < nr_rows; i++)
		printf("%d ", (int)rows[i].verdict);
	puts("");
	return 0;
}

/* ignore, detect, level, planned, rows, seed, values: the slowdown found by nine of ten. */
static int print_smallest(const double *x, size_t nr)
{
	struct gate_rule rule = { x[0], x[1], x[2] };
	double smallest;

	if (gate_smallest_found(&rule, x + 6, nr - 6, (size_t)x[3], (size_t)x[4], (uint64_t)x[5],
				&smallest))
		return 1;
	printf("%.15g\n", smallest);
	return 0;
}

int main(void)
{
	static char line[1 << 20];
	static double x[4096];

	while (fgets(line, sizeof(line), stdin)) {
		char *what = line, *rest = strchr(line, ' ');
		size_t n;

		*rest++ = '\0';
		n = values(rest, x, 4096);
		if (!strcmp(what, "tail")) {
			printf("%.15g\n", gate_signed_rank_tail((size_t)x[0], (size_t)x[1]));
		} else if (!strcmp(what, "bounds")) {
			struct gate_bounds bounds;

			if (gate_bounds(x + 1, n - 1, x[0], &bounds))
				return 1;
			printf("%.15g %.15g %.15g\n", bounds.estimate, bounds.low, bounds.high);
		} else if (!strcmp(what, "holm")) {
			if (print_holm(x, n))
				return 1;
		} else if (!strcmp(what, "verdicts")) {
			if (print_verdicts(x, n))
				return 1;
		} else if (!strcmp(what, "smallest")) {
			if (print_smallest(x, n))
				return 1;
		} else if (!strcmp(what, "binomial")) {
			double low, high;

			gate_binomial_interval((size_t)x[0], (size_t)x[1], x[2], &low, &high);
			printf("%.15g %.15g\n", low, high);
		} else if (!strcmp(what, "normal")) {
			printf("%.15g\n", gate_normal_quantile(x[0]));
		} else if (!strcmp(what, "ratio")) {
			struct interval interval;
			size_t na = (size_t)x[0];

			stats_ratio_bounds(x + 2, na, x + 2 + na, n - 2 - na, x[1], &interval);
			printf("%.15g %.15g %.15g %.15g\n", interval.median, interval.low,
			       interval.high, interval.coverage);
		} else {
			return 2;
		}
	}
	return 0;
}
