/* SPDX-License-Identifier: MIT */
/*
 * Median and ratio with exact, distribution-free intervals, and Jain's index.
 *
 * Everything is by rank, so one slow trial moves a bound by one place and
 * never by its size. Ties make the intervals wider than promised, never
 * narrower.
 *
 * A value that is not finite (a trial whose percentile had too few samples,
 * say) is never dropped: which trials lack a figure is seldom chance, and the
 * rest would look better than they were. It makes the result NaN, n stays
 * what was passed, and method says why.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stats/gate_stats.h"
#include "stats/stats.h"

#define TAIL 0.025 /* probability left out on each side */

/* Above that, the exact Mann-Whitney table (cost ~ pairs^2 / 2) gives way to
 * its normal approximation, which is then right to the third digit. */
#define EXACT_PAIRS_MAX 10000u
/* Above that, sorting all pairs takes too much memory to be polite. */
#define PAIRS_MAX (4u << 20)

static void interval_none(struct interval *ret_interval, size_t n, const char *method)
{
	*ret_interval = (struct interval){
		.median = NAN, .low = NAN, .high = NAN, .n = n, .coverage = NAN, .method = method
	};
}

int stats_ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double sorted_median(const double *sorted, size_t n)
{
	/* Halved first: two values near DBL_MAX must not overflow. */
	return n % 2 ? sorted[n / 2] : sorted[n / 2 - 1] / 2 + sorted[n / 2] / 2;
}

/*
 * Largest k for which [x(k), x(n+1-k)] covers the median with at least 95 %:
 * 1 - 2 P(Bin(n, 1/2) < k). 0 when not even min..max does (n < 6).
 * sum and term are binomial coefficients times 2^-scale, so that no n
 * overflows; for n up to 57 or so they are exact.
 */
static size_t order_statistics_rank(size_t n, double *ret_coverage)
{
	double term = 1, sum = 1, coverage;
	long scale = 0;
	size_t k = 0;

	while (k < n / 2) {
		coverage = 1 - 2 * scalbln(sum, scale - (long)n);
		if (coverage < 1 - 2 * TAIL)
			break;
		*ret_coverage = coverage;
		k++;
		term = term * (double)(n - k + 1) / (double)k;
		sum += term;
		if (sum > 0x1p500) {
			sum *= 0x1p-500;
			term *= 0x1p-500;
			scale += 500;
		}
	}
	return k;
}

void stats_median_interval(const double *values, size_t n, struct interval *ret_interval)
{
	double *sorted, coverage = NAN;
	size_t k;

	if (n == 0) {
		interval_none(ret_interval, 0, "none (n < 6)");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!isfinite(values[i])) {
			interval_none(ret_interval, n, "none (a value is not finite)");
			return;
		}
	}
	sorted = malloc(n * sizeof(*sorted));
	if (!sorted) {
		interval_none(ret_interval, n, "none (no memory)");
		return;
	}
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), stats_ascending);
	k = order_statistics_rank(n, &coverage);
	*ret_interval = (struct interval){
		.median = sorted_median(sorted, n),
		.low = k ? sorted[k - 1] : NAN,
		.high = k ? sorted[n - k] : NAN,
		.n = n,
		.coverage = coverage,
		.method = k ? "order statistics" : "none (n < 6)",
	};
	free(sorted);
}

double stats_median(const double *values, size_t n)
{
	struct interval interval;

	stats_median_interval(values, n, &interval);
	return interval.median;
}

/*
 * P(U = u) for u below cells, U being Mann and Whitney's statistic of samples
 * of na and nb: the largest of the na + nb is one of a's with probability
 * na / (na + nb), and then beats all nb of b's. Sums of positive terms only, so
 * no digit is lost. rows: (nb + 1) * cells doubles; row nb holds the answer.
 */
static void mann_whitney_table(size_t na, size_t nb, size_t cells, double *rows)
{
	memset(rows, 0, (nb + 1) * cells * sizeof(*rows));
	for (size_t j = 0; j <= nb; j++)
		rows[j * cells] = 1; /* na = 0: U is 0 */
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			double *row = rows + j * cells;
			const double *fewer_b = row - cells;
			double share = (double)i / (double)(i + j);

			/* Downwards: row[u - j] must still be that of i - 1. */
			for (size_t u = cells; u-- > 0;)
				row[u] = (u >= j ? share * row[u - j] : 0) +
					 (1 - share) * fewer_b[u];
		}
	}
}

static size_t table_doubles(size_t na, size_t nb)
{
	return ((na < nb ? na : nb) + 1) * (na * nb / 2 + 1);
}

/* Largest k with P(U < k) <= tail; 0: none. rows: table_doubles() of them. */
static size_t mann_whitney_rank(size_t na, size_t nb, double tail, double *rows,
				double *ret_coverage)
{
	size_t fewer = na < nb ? na : nb, more = na < nb ? nb : na;
	size_t cells = na * nb / 2 + 1, k = 0;
	const double *pmf = rows + fewer * cells;
	double below = 0;

	/* The law of U does not change when the samples change places. */
	mann_whitney_table(more, fewer, cells, rows);
	/* The tolerance is for a tail of exactly 1/40, which rounding may exceed. */
	while (k < cells && below + pmf[k] <= tail * (1 + 1e-12))
		below += pmf[k++];
	if (k)
		*ret_coverage = 1 - 2 * below;
	return k;
}

static size_t mann_whitney_rank_normal(size_t na, size_t nb, double tail, double *ret_coverage)
{
	double pairs = (double)na * (double)nb;
	double sd = sqrt(pairs * (double)(na + nb + 1) / 12);
	double k = floor(pairs / 2 - 0.5 + gate_normal_quantile(tail) * sd) + 1;

	if (k < 1)
		return 0;
	*ret_coverage = erf((pairs / 2 + 0.5 - k) / sd / sqrt(2));
	return (size_t)k;
}

static int log_differences(const double *a, size_t na, const double *b, size_t nb, double *diffs)
{
	for (size_t i = 0; i < na; i++) {
		for (size_t j = 0; j < nb; j++) {
			if (!isfinite(a[i]) || !isfinite(b[j]) || a[i] <= 0 || b[j] <= 0)
				return -1;
			diffs[i * nb + j] = log(b[j]) - log(a[i]);
		}
	}
	return 0;
}

static void ratio_from_differences(const double *diffs, size_t na, size_t nb, double tail,
				   double *rows, struct interval *ret_interval)
{
	double coverage = NAN;
	size_t pairs = na * nb;
	size_t k = rows ? mann_whitney_rank(na, nb, tail, rows, &coverage) :
			  mann_whitney_rank_normal(na, nb, tail, &coverage);

	*ret_interval = (struct interval){
		.median = exp(sorted_median(diffs, pairs)),
		.low = k ? exp(diffs[k - 1]) : NAN,
		.high = k ? exp(diffs[pairs - k]) : NAN,
		.n = na + nb,
		.coverage = coverage,
		.method = !k   ? "none (too few values)" :
			  rows ? "Hodges-Lehmann, exact Mann-Whitney" :
				 "Hodges-Lehmann, Mann-Whitney by normal approximation",
	};
}

void stats_ratio_interval(const double *a, size_t na, const double *b, size_t nb,
			  struct interval *ret_interval)
{
	stats_ratio_bounds(a, na, b, nb, TAIL, ret_interval);
}

void stats_ratio_bounds(const double *a, size_t na, const double *b, size_t nb, double tail,
			struct interval *ret_interval)
{
	double *diffs = NULL, *rows = NULL;
	size_t pairs;

	if (na == 0 || nb == 0) {
		interval_none(ret_interval, na + nb, "none (too few values)");
		return;
	}
	if (__builtin_mul_overflow(na, nb, &pairs) || pairs > PAIRS_MAX) {
		interval_none(ret_interval, na + nb, "none (too many values)");
		return;
	}
	diffs = malloc(pairs * sizeof(*diffs));
	if (pairs <= EXACT_PAIRS_MAX)
		rows = malloc(table_doubles(na, nb) * sizeof(*rows));
	if (!diffs || (pairs <= EXACT_PAIRS_MAX && !rows)) {
		interval_none(ret_interval, na + nb, "none (no memory)");
		goto out;
	}
	if (log_differences(a, na, b, nb, diffs)) {
		interval_none(ret_interval, na + nb, "none (a value is not positive and finite)");
		goto out;
	}
	qsort(diffs, pairs, sizeof(*diffs), stats_ascending);
	ratio_from_differences(diffs, na, nb, tail, rows, ret_interval);
out:
	free(rows);
	free(diffs);
}

/* P(X <= k) of a binomial with n tries of p, by the logarithms of its terms. */
static double binomial_at_most(size_t k, size_t n, double p)
{
	double sum = 0;

	for (size_t i = 0; i <= k; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) -
			   lgamma((double)(n - i) + 1) + (double)i * log(p) +
			   (double)(n - i) * log1p(-p));
	return sum;
}

/* The p in (0, 1) at which at most k of n has this probability: it falls with p. */
static double share_at(size_t k, size_t n, double probability)
{
	double low = 0, high = 1;

	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (binomial_at_most(k, n, middle) > probability)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

void stats_share_interval(size_t k, size_t n, double *ret_low, double *ret_high)
{
	*ret_low = *ret_high = NAN;
	if (n == 0 || k > n)
		return;
	*ret_low = k == 0 ? 0 : share_at(k - 1, n, 0.975);
	*ret_high = k == n ? 1 : share_at(k, n, 0.025);
}

double stats_jain(const double *values, size_t n)
{
	double largest = 0, sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(values[i]) || values[i] < 0)
			return NAN;
		if (values[i] > largest)
			largest = values[i];
	}
	if (n == 0)
		return NAN;
	if (largest == 0)
		return 1; /* all equal, though all got nothing */
	for (size_t i = 0; i < n; i++) {
		/* Scaled: squares of large rates must not overflow. */
		double share = values[i] / largest;

		sum += share;
		squares += share * share;
	}
	return sum * sum / ((double)n * squares);
}
