/* SPDX-License-Identifier: MIT */
/*
 * The gate's statistics on numbers from stdin, one question a line, one line of
 * figures each: what test_gate_figures.py holds against SciPy's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_stats.h"
#include "stats.h"

static size_t values(char *text, double *out, size_t max)
{
	size_t n = 0;

	for (char *word = strtok(text, " \n"); word && n < max; word = strtok(NULL, " \n"))
		out[n++] = strtod(word, NULL);
	return n;
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
