/* SPDX-License-Identifier: MIT */
/*
 * Where a series of results changed: E-divisive (Matteson and James, "A
 * nonparametric approach for multiple change point analysis of multivariate
 * data", Journal of the American Statistical Association 109, 2014), which
 * assumes no distribution. Each time the split with the largest energy distance
 * between its two sides is looked for, and kept when fewer than `level` of the
 * permutations of the values within their segments hold as large a one.
 */
#ifndef SHMBENCH_DIVISIVE_H
#define SHMBENCH_DIVISIVE_H

#include <stddef.h>
#include <stdint.h>

#define DIVISIVE_MAX 200       /* values; the cost of a permutation is their square */
#define DIVISIVE_SEGMENT_MIN 3 /* fewer have no spread to speak of */
#define DIVISIVE_PERMUTATIONS 999

struct change_point {
	size_t at; /* first value after the change */
	double p;  /* of the permutation test */
};

/*
 * changes has room for n / DIVISIVE_SEGMENT_MIN, and is in the order of the series.
 * The same seed gives the same answer. In a series without a change one is found with
 * probability `level`, which 999 permutations can state down to 0.001. 0, -EINVAL (a value
 * that is not finite, more than DIVISIVE_MAX of them, a level outside 0..1) or -ENOMEM.
 */
int divisive_changes(const double *values, size_t n, double level, uint64_t seed,
		     struct change_point *changes, size_t *ret_nr);

#endif
