/* SPDX-License-Identifier: MIT */
/*
 * Run-level statistics: the unit is a trial, never an operation. No
 * assumption about the distribution of trials beyond independence.
 *
 * A value that is not finite (or, in a ratio, not positive) is never dropped
 * in silence: it makes the whole interval NaN, method says why, and n stays
 * the number of values passed. Whoever wants to go on without it drops it
 * and says so.
 */
#ifndef SHMBENCH_STATS_H
#define SHMBENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>

struct interval {
	double median;
	double low, high;   /* NaN when n is too small for the level */
	size_t n;	    /* values passed; of a ratio, both samples' together */
	double coverage;    /* exact, at least what was asked for, or NaN */
	const char *method; /* "order statistics", "none (n < 6)", ...: see stats.c */
};

/*
 * Median with the exact distribution-free 95 % interval between order
 * statistics (binomial; David and Nagaraja, Order Statistics, 7.1): min..max
 * at n = 6 (96.9 %). values is not changed. n 0 gives NaN throughout.
 */
void stats_median_interval(const double *values, size_t n, struct interval *ret_interval);

/* The same median alone. */
double stats_median(const double *values, size_t n);

/* For qsort() of doubles without NaN. */
int stats_ascending(const void *left, const void *right);

/*
 * Ratio b/a of two samples of positive values: Hodges-Lehmann estimate on logs
 * with the exact Mann-Whitney interval (Hollander, Wolfe and Chicken, 4.3).
 * low and high are NaN when na or nb cannot reach 95 %. Over 10,000 pairs the
 * law is approximated (method and coverage then say so, to the third digit);
 * over 4 million the answer is NaN.
 */
void stats_ratio_interval(const double *a, size_t na, const double *b, size_t nb,
			  struct interval *ret_interval);

/* The same with another probability left out on each side; 0 < tail < 0.5. */
void stats_ratio_bounds(const double *a, size_t na, const double *b, size_t nb, double tail,
			struct interval *ret_interval);

/* Clopper and Pearson's exact 95 % interval of a share, k of n; NaN for n 0. */
void stats_share_interval(size_t k, size_t n, double *ret_low, double *ret_high);

/* Jain's index: (sum x)^2 / (n sum x^2); 1 when all are equal (all 0 too);
 * NaN for n 0 and when a value is negative or not finite. */
double stats_jain(const double *values, size_t n);

#endif
