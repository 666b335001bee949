/* SPDX-License-Identifier: MIT */
/*
 * The upper bound is the one of Fay and Feuer (Statistics in Medicine 16, 1997)
 * for a weighted sum of Poisson counts, with a block's share as weight: few
 * stalls, each hitting many operations, are far from normal, and a t interval
 * over blocks is too short for them. The variance is the blocks' own, and the
 * largest weight is at least that of one stall of PLAN_STALL_S: a run that has
 * seen none cannot exclude one. So a bound near zero costs time: p99 at 95 %
 * takes 3 s without a single operation over the bound, p999 30 s.
 */
#include "plan/plan_claim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Regularised lower incomplete gamma function P(a, x). */
static double gamma_p(double a, double x)
{
	double front, term, sum;

	if (x <= 0)
		return 0;
	front = exp(a * log(x) - x - lgamma(a));
	if (x < a + 1) {
		term = sum = 1 / a;
		for (double k = a + 1; fabs(term) > 1e-17 * sum; k++)
			sum += term *= x / k;
		return front * sum;
	}
	/* Lentz's evaluation of the continued fraction of Q. */
	double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;

	for (double k = 1; k < 10000; k++) {
		double an = -k * (k - a), step;

		b += 2;
		d = 1 / (an * d + b);
		c = b + an / c;
		step = d * c;
		h *= step;
		if (fabs(step - 1) < 1e-16)
			break;
	}
	return 1 - front * h;
}

double plan_chi_squared_quantile(double p, double df)
{
	double low = 0, high = df + 10;

	while (gamma_p(df / 2, high / 2) < p)
		high *= 2;
	while (high - low > 1e-12 * high) {
		double mid = (low + high) / 2;

		if (gamma_p(df / 2, mid / 2) < p)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

double plan_mean(const double *x, uint32_t nr)
{
	double sum = 0;

	for (uint32_t i = 0; i < nr; i++)
		sum += x[i];
	return nr ? sum / nr : 0;
}

/* sum over i of (x[i] - mean)(x[i + lag] - mean) */
static double covariance_sum(const double *x, uint32_t n, uint32_t lag)
{
	double mean = plan_mean(x, n), sum = 0;

	for (uint32_t i = 0; i + lag < n; i++)
		sum += (x[i] - mean) * (x[i + lag] - mean);
	return sum;
}

/* Neighbours are related: one-sided, 5 %, normal law of the lag-1 coefficient. */
static bool correlated(const double *x, uint32_t n)
{
	double own = covariance_sum(x, n, 0);

	return own > 0 && covariance_sum(x, n, 1) / own > 1.645 / sqrt(n);
}

static uint32_t merge_pairs(double *x, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++)
		x[i] = (x[2 * i] + x[2 * i + 1]) / 2;
	return n / 2;
}

static double upper_bound(double mean, double variance, double weight, double alpha)
{
	double m = mean + weight, v = variance + weight * weight;

	return v / (2 * m) * plan_chi_squared_quantile(1 - alpha, 2 * m * m / v);
}

/* How many times the observation would have to last, in steps of a tenth; bounded search. */
static double times_needed(double mean, double variance, double weight, double allowed,
			   double alpha)
{
	int low = -1, high = 97; /* 1.1^97 is some 1e4 */

	if (mean >= allowed)
		return NAN;
	while (high - low > 1) {
		int mid = (low + high) / 2;
		double times = pow(1.1, mid);

		if (upper_bound(mean, variance / times, weight / times, alpha) <= allowed)
			high = mid;
		else
			low = mid;
	}
	return high < 97 ? pow(1.1, high) : NAN;
}

void plan_claim_judge(const double *over, const double *watched, uint32_t nr, double block_s,
		      double quantile, double alpha, struct plan_claim *ret)
{
	double *x = malloc((nr + 1) * sizeof(*x)), total = 0, all_over = 0;
	double variance, weight, largest = 0, allowed = 1 - quantile;
	uint32_t n = nr;

	*ret = (struct plan_claim){ .share = NAN, .upper = NAN, .inflation = NAN, .needs_s = NAN };
	for (uint32_t i = 0; i < nr; i++) {
		total += watched[i];
		all_over += over[i];
	}
	ret->samples = (uint64_t)total;
	ret->blocks = nr;
	ret->block_s = block_s;
	if (!x || nr < 2 || total == 0) {
		free(x);
		return;
	}
	ret->share = all_over / total;
	for (uint32_t i = 0; i < nr; i++)
		x[i] = over[i] / (total / nr);
	while (n / 2 >= PLAN_BLOCKS_MIN && correlated(x, n)) {
		n = merge_pairs(x, n);
		ret->block_s *= 2;
	}
	ret->blocks = n;
	for (uint32_t i = 0; i < n; i++)
		largest = fmax(largest, x[i]);
	variance = covariance_sum(x, n, 0) / (n - 1.0) / n;
	weight = fmax(largest, PLAN_STALL_S / ret->block_s) / n;
	if (ret->share > 0 && ret->share < 1)
		ret->inflation = variance / (ret->share * (1 - ret->share) / total);
	if (n >= PLAN_BLOCKS_MIN)
		ret->upper = upper_bound(ret->share, variance, weight, alpha);
	ret->holds = ret->upper <= allowed;
	ret->needs_s = times_needed(ret->share, variance, weight, allowed, alpha) * nr * block_s;
	if (ret->needs_s < PLAN_BLOCKS_MIN * block_s)
		ret->needs_s = PLAN_BLOCKS_MIN * block_s;
	free(x);
}
