/* SPDX-License-Identifier: MIT */
/*
 * The tests behind a gate's verdict. The unit is a round: base and head side by
 * side, which of them first being the toss of a coin. Where the two do not
 * differ, a round's difference had the other sign had the coin fallen the other
 * way, whatever the noise looked like; so signs are fair coins, and nothing else
 * is assumed (Fisher, The Design of Experiments, 1935, chapter 3).
 */
#ifndef SHMBENCH_GATE_STATS_H
#define SHMBENCH_GATE_STATS_H

#include <stddef.h>

/*
 * The sign-flip test with Wilcoxon's statistic: T, the sum of the ranks of what
 * is positive. Exact up to GATE_EXACT_MAX rounds; beyond, the normal
 * approximation, whose tails are the heavier ones.
 */
#define GATE_EXACT_MAX 256

/* P(T >= t) of n rounds without a difference. */
double gate_signed_rank_tail(size_t n, size_t t);
/* Largest k with P(T < k) <= level; 0: not even unanimous rounds reach it. */
size_t gate_signed_rank_critical(size_t n, double level);

struct gate_bounds {
	double estimate;  /* Hodges and Lehmann: median of the Walsh averages */
	double low, high; /* each one-sided, at the level; infinite where out of reach */
};

/*
 * All shifts that the test does not reject (Hollander, Wolfe and Chicken, 3.3):
 * low > x exactly where "at most x" is rejected. Ties, zeros too, make it wider.
 * 0, -EINVAL (no values, or one not finite) or -ENOMEM.
 */
int gate_bounds(const double *values, size_t n, double level, struct gate_bounds *ret_bounds);

/* low and high alone, of finite values, for who has gate_signed_rank_critical() already:
 * of many rows of one length that is most of the work. 0 or -ENOMEM. */
int gate_limits(const double *values, size_t n, size_t critical, double *ret_low, double *ret_high);

/*
 * Alpha spending (Kim and DeMets, Biometrika 74, 1987, rho = 3): the share of
 * the level that is spent when share of the budget is.
 */
double gate_spent(double share);

/* Clopper and Pearson's exact interval at 1 - 2 tail for k of n. */
void gate_binomial_interval(size_t k, size_t n, double tail, double *ret_low, double *ret_high);

double gate_normal_quantile(double p);
/*
 * The shift that n rounds find with the power asked for, one-sided at level,
 * their differences having this standard deviation (normal theory, times the
 * sqrt(pi / 3) that ranks cost). Infinite where n cannot reach the level.
 */
double gate_smallest_shift(double sd, size_t n, double level, double power);

#endif
