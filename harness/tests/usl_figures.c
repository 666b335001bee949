/* SPDX-License-Identifier: MIT */
/* The scalability law's fit of pairs "n x n x ..." from stdin, a line each: what
 * test_usl_figures.py holds against SciPy's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/usl.h"

int main(void)
{
	static char line[1 << 16];
	static struct usl_data data[1024];

	while (fgets(line, sizeof(line), stdin)) {
		struct usl usl;
		size_t nr = 0;
		int r;

		for (char *word = strtok(line, " \n"); word && nr < 2048;
		     word = strtok(NULL, " \n")) {
			double value = strtod(word, NULL);

			*(nr % 2 ? &data[nr / 2].x : &data[nr / 2].n) = value;
			nr++;
		}
		r = usl_solve(data, nr / 2, &usl);
		if (r)
			printf("error %d\n", r);
		else
			printf("%.15g %.15g %.15g\n", usl.lambda, usl.alpha, usl.beta);
	}
	return 0;
}
