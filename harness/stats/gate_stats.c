/* SPDX-License-Identifier: MIT */
/* See gate_stats.h. No state, no randomness: the same rounds, the same answer. */
#include "stats/gate_stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Hoare's selection: afterwards values[at] is what sorting would put there. A gate wants
 * four order statistics of n * n / 2 averages, and a calibration hundreds of gates. */
static double select_at(double *values, size_t n, size_t at)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		double pivot = values[low + (high - low) / 2];
		size_t i = low, j = high;

		for (;;) {
			double moved;

			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i >= j)
				break;
			moved = values[i];
			values[i++] = values[j];
			values[j--] = moved;
		}
		/* Both parts lose an element, as the pivot is one of the values. */
		if (at <= j)
			high = j;
		else
			low = j + 1;
	}
	return values[at];
}

double gate_normal_quantile(double p)
{
	double low = -40, high = 40;

	while (high - low > 1e-13) {
		double mid = (low + high) / 2;

		if (erfc(-mid / M_SQRT2) / 2 < p)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

static double signed_rank_sd(double n)
{
	return sqrt(n * (n + 1) * (2 * n + 1) / 24);
}

/* P(T = t) for t < cells: rank i is positive, or not, with even odds. */
static double *signed_rank_law(size_t n, size_t cells)
{
	double *pmf = calloc(cells, sizeof(*pmf));

	if (!pmf)
		return NULL;
	pmf[0] = 1;
	for (size_t i = 1; i <= n; i++)
		/* Downwards: pmf[t - i] must still be that of i - 1. */
		for (size_t t = cells; t-- > 0;)
			pmf[t] = (pmf[t] + (t >= i ? pmf[t - i] : 0)) / 2;
	return pmf;
}

double gate_signed_rank_tail(size_t n, size_t t)
{
	size_t all = n * (n + 1) / 2;
	double *pmf, tail = 0;

	if (t == 0)
		return 1;
	if (t > all)
		return 0;
	if (n > GATE_EXACT_MAX)
		return erfc(((double)t - 0.5 - (double)all / 2) / signed_rank_sd((double)n) /
			    M_SQRT2) /
		       2;
	/* The law is symmetric: P(T >= t) = P(T <= all - t). */
	pmf = signed_rank_law(n, all - t + 1);
	if (!pmf)
		return 1;
	for (size_t i = 0; i <= all - t; i++)
		tail += pmf[i];
	free(pmf);
	return tail;
}

size_t gate_signed_rank_critical(size_t n, double level)
{
	size_t all = n * (n + 1) / 2, cells = all / 2 + 1, k = 0;
	double *pmf, below = 0;

	if (n > GATE_EXACT_MAX) {
		double at = (double)all / 2 + 0.5 +
			    signed_rank_sd((double)n) * gate_normal_quantile(level);

		return at < 1 ? 0 : (size_t)at;
	}
	if (n < 1024 && level < scalbn(1, -(int)n))
		return 0;
	pmf = signed_rank_law(n, cells);
	if (!pmf)
		return 0;
	while (k < cells && below + pmf[k] <= level)
		below += pmf[k++];
	free(pmf);
	return k;
}

/* All averages of two values, one with itself included: NULL without memory. */
static double *walsh_averages(const double *values, size_t n)
{
	double *walsh = malloc(n * (n + 1) / 2 * sizeof(*walsh));
	size_t at = 0;

	for (size_t i = 0; walsh && i < n; i++)
		for (size_t j = i; j < n; j++)
			walsh[at++] = values[i] / 2 + values[j] / 2;
	return walsh;
}

int gate_limits(const double *values, size_t n, size_t critical, double *ret_low, double *ret_high)
{
	size_t all = n * (n + 1) / 2;
	double *walsh = walsh_averages(values, n);

	if (!walsh)
		return -ENOMEM;
	*ret_low = critical ? select_at(walsh, all, critical - 1) : -INFINITY;
	*ret_high = critical ? select_at(walsh, all, all - critical) : INFINITY;
	free(walsh);
	return 0;
}

int gate_bounds(const double *values, size_t n, double level, struct gate_bounds *ret_bounds)
{
	size_t all = n * (n + 1) / 2;
	double *walsh;
	int r;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]))
			return -EINVAL;
	r = gate_limits(values, n, gate_signed_rank_critical(n, level), &ret_bounds->low,
			&ret_bounds->high);
	walsh = r ? NULL : walsh_averages(values, n);
	if (!walsh)
		return -ENOMEM;
	ret_bounds->estimate = select_at(walsh, all, (all - 1) / 2) / 2 +
			       select_at(walsh, all, all / 2) / 2;
	free(walsh);
	return 0;
}

double gate_spent(double share)
{
	return share >= 1 ? 1 : share <= 0 ? 0 : share * share * share;
}

/* P(X >= k) of n draws with probability p. */
static double binomial_upper(size_t k, size_t n, double p)
{
	double sum = 0;

	if (p <= 0 || p >= 1)
		return p >= 1 || k == 0;
	for (size_t i = k; i <= n; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) -
			   lgamma((double)(n - i) + 1) + (double)i * log(p) +
			   (double)(n - i) * log1p(-p));
	return sum;
}

/* p at which at least k of n has this probability. */
static double binomial_inverse(size_t k, size_t n, double probability)
{
	double low = 0, high = 1;

	for (int i = 0; i < 60; i++) {
		double mid = (low + high) / 2;

		if (binomial_upper(k, n, mid) < probability)
			low = mid;
		else
			high = mid;
	}
	return (low + high) / 2;
}

void gate_binomial_interval(size_t k, size_t n, double tail, double *ret_low, double *ret_high)
{
	*ret_low = k ? binomial_inverse(k, n, tail) : 0;
	*ret_high = k < n ? binomial_inverse(k + 1, n, 1 - tail) : 1;
}

double gate_smallest_shift(double sd, size_t n, double level, double power)
{
	if (n == 0 || (n <= GATE_EXACT_MAX && level < scalbn(1, -(int)n)))
		return INFINITY;
	return (gate_normal_quantile(1 - level) + gate_normal_quantile(power)) * sd *
	       sqrt(M_PI / 3 / (double)n);
}
