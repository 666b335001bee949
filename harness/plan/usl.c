/* SPDX-License-Identifier: MIT */
/*
 * Fitting the Universal Scalability Law. Errors are relative: trials at 8 workers
 * scatter by a share of what 8 workers do, not of what one does.
 */
#include "plan/usl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/stats.h"
#include "worker/rng.h"

#define STEPS 1000
#define TOLERANCE 1e-14

double usl_at(const struct usl *usl, double n)
{
	return usl->lambda * n / (1 + usl->alpha * (n - 1) + usl->beta * n * (n - 1));
}

/* a x = b by Gauss with pivots; false: singular. Both are used up. */
static bool solve3(double a[3][3], double b[3], double x[3])
{
	for (int col = 0; col < 3; col++) {
		int pivot = col;

		for (int row = col + 1; row < 3; row++)
			if (fabs(a[row][col]) > fabs(a[pivot][col]))
				pivot = row;
		if (!(fabs(a[pivot][col]) > 1e-300))
			return false;
		for (int k = 0; k < 3; k++) {
			double value = a[col][k];

			a[col][k] = a[pivot][k];
			a[pivot][k] = value;
		}
		x[0] = b[col];
		b[col] = b[pivot];
		b[pivot] = x[0];
		for (int row = col + 1; row < 3; row++) {
			double factor = a[row][col] / a[col][col];

			for (int k = col; k < 3; k++)
				a[row][k] -= factor * a[col][k];
			b[row] -= factor * b[col];
		}
	}
	for (int row = 2; row >= 0; row--) {
		double sum = b[row];

		for (int k = row + 1; k < 3; k++)
			sum -= a[row][k] * x[k];
		x[row] = sum / a[row][row];
	}
	return true;
}

/*
 * n / X = a + b (n - 1) + c n (n - 1), with lambda = 1 / a, alpha = b / a, beta = c / a.
 * It is these three that are looked for: where no trial is near n = 1, lambda,
 * alpha and beta all grow together along a valley that no step gets down.
 */
struct line {
	double part[3];
};

static void terms_of(double n, double terms[3])
{
	terms[0] = 1;
	terms[1] = n - 1;
	terms[2] = n * (n - 1);
}

static double at_line(const struct line *line, double n)
{
	double terms[3];

	terms_of(n, terms);
	return n / (line->part[0] * terms[0] + line->part[1] * terms[1] + line->part[2] * terms[2]);
}

/* The linear problem's own solution, errors of n / X being relative, too. */
static bool start_at(const struct usl_data *data, size_t nr, struct line *ret)
{
	double a[3][3] = { { 0 } }, b[3] = { 0 };

	for (size_t i = 0; i < nr; i++) {
		double y = data[i].n / data[i].x, row[3];

		terms_of(data[i].n, row);
		for (int k = 0; k < 3; k++) {
			for (int m = 0; m < 3; m++)
				a[k][m] += row[k] * row[m] / (y * y);
			b[k] += row[k] / y;
		}
	}
	return solve3(a, b, ret->part);
}

/* Infinite where some throughput would not be positive. */
static double error_of(const struct usl_data *data, size_t nr, const struct line *line)
{
	double sum = 0;

	for (size_t i = 0; i < nr; i++) {
		double at = at_line(line, data[i].n), off = at / data[i].x - 1;

		sum += at > 0 ? off * off : INFINITY;
	}
	return sum;
}

/* Normal equations there, with the damping of Levenberg and Marquardt. */
static bool step_of(const struct usl_data *data, size_t nr, const struct line *line, double damping,
		    struct line *ret)
{
	double a[3][3] = { { 0 } }, b[3] = { 0 };

	for (size_t i = 0; i < nr; i++) {
		double n = data[i].n, at = at_line(line, n), row[3];

		terms_of(n, row);
		for (int k = 0; k < 3; k++)
			row[k] *= -at * at / n / data[i].x;
		for (int k = 0; k < 3; k++) {
			for (int m = 0; m < 3; m++)
				a[k][m] += row[k] * row[m];
			b[k] += row[k] * (1 - at / data[i].x);
		}
	}
	for (int k = 0; k < 3; k++)
		a[k][k] *= 1 + damping;
	return solve3(a, b, ret->part);
}

static size_t count_levels(const struct usl_data *data, size_t nr)
{
	size_t levels = 0;

	for (size_t i = 0; i < nr; i++) {
		size_t k = 0;

		while (k < i && data[k].n != data[i].n)
			k++;
		levels += k == i;
	}
	return levels;
}

int usl_solve(const struct usl_data *data, size_t nr, struct usl *ret)
{
	double damping = 1e-3, error;
	struct line at;

	for (size_t i = 0; i < nr; i++)
		if (!(data[i].n >= 1) || !(data[i].x > 0) || !isfinite(data[i].x))
			return -EINVAL;
	if (count_levels(data, nr) < 3)
		return -EINVAL;
	if (!start_at(data, nr, &at))
		return -EDOM;
	error = error_of(data, nr, &at);
	for (int i = 0; i < STEPS && isfinite(error); i++) {
		struct line step, to;
		double next;

		if (!step_of(data, nr, &at, damping, &step))
			break;
		for (int k = 0; k < 3; k++)
			to.part[k] = at.part[k] + step.part[k];
		next = error_of(data, nr, &to);
		/* At the bottom, where only rounding goes up and down. Little gained by a step
		 * that was held back says nothing. */
		if (damping < 1e-3 && fabs(error - next) <= TOLERANCE * error)
			break;
		if (next <= error) {
			at = to;
			error = next;
			damping /= 10;
		} else if ((damping *= 10) > 1e12) {
			break;
		}
	}
	/* One worker that would do less than nothing: no such law. */
	if (!isfinite(error) || !(at.part[0] > 0))
		return -EDOM;
	*ret = (struct usl){ 1 / at.part[0], at.part[1] / at.part[0], at.part[2] / at.part[0] };
	return 0;
}

static int by_n(const void *a, const void *b)
{
	double one = ((const struct usl_data *)a)->n, two = ((const struct usl_data *)b)->n;

	return (one > two) - (one < two);
}

/* Each n in turn is predicted from the others. NaN: some fit was impossible. */
static double hold_out(const struct usl_data *data, size_t nr, struct usl_data *room)
{
	double sum = 0;
	size_t levels = 0;

	for (size_t from = 0, to; from < nr; from = to) {
		double mean = 0;
		struct usl usl;

		for (to = from; to < nr && data[to].n == data[from].n; to++)
			mean += data[to].x;
		mean /= (double)(to - from);
		memcpy(room, data, from * sizeof(*data));
		memcpy(room + from, data + to, (nr - to) * sizeof(*data));
		if (usl_solve(room, nr - (to - from), &usl))
			return NAN;
		sum += fabs(usl_at(&usl, data[from].n) / mean - 1);
		levels++;
	}
	return sum / (double)levels;
}

static double share_of(double *sorted, size_t nr, double share)
{
	double at = share * (double)(nr - 1);
	size_t below = (size_t)at;

	return below + 1 < nr ?
		       sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]) :
		       sorted[below];
}

static void interval_of(double *values, size_t nr, double *ret_low, double *ret_high)
{
	qsort(values, nr, sizeof(*values), stats_ascending);
	*ret_low = nr ? share_of(values, nr, 0.025) : NAN;
	*ret_high = nr ? share_of(values, nr, 0.975) : NAN;
}

/* Trials drawn with replacement within their n, so that every n stays there. */
static int bootstrap(const struct usl_data *data, size_t nr, uint64_t seed, struct usl_data *room,
		     struct usl_fit *ret)
{
	double *values = malloc(3 * USL_RESAMPLES * sizeof(*values));
	size_t got = 0;
	struct rng rng;

	if (!values)
		return -ENOMEM;
	rng_seed(&rng, seed, nr);
	for (int i = 0; i < USL_RESAMPLES; i++) {
		struct usl usl;

		for (size_t from = 0, to; from < nr; from = to) {
			for (to = from; to < nr && data[to].n == data[from].n; to++)
				;
			for (size_t k = from; k < to; k++)
				room[k] = data[from + rng_below(&rng, to - from)];
		}
		if (usl_solve(room, nr, &usl))
			continue;
		values[got] = usl.lambda;
		values[USL_RESAMPLES + got] = usl.alpha;
		values[2 * USL_RESAMPLES + got++] = usl.beta;
	}
	interval_of(values, got, &ret->low.lambda, &ret->high.lambda);
	interval_of(values + USL_RESAMPLES, got, &ret->low.alpha, &ret->high.alpha);
	interval_of(values + 2 * USL_RESAMPLES, got, &ret->low.beta, &ret->high.beta);
	free(values);
	return 0;
}

static enum usl_verdict verdict_of(const struct usl_fit *fit)
{
	/* A hair of room: a law without contention is fitted to either side of 0. */
	if (fit->high.alpha < -1e-9 || fit->low.alpha > 1 || fit->high.beta < -1e-9)
		return USL_OUT_OF_RANGE;
	return fit->hold_out <= USL_HOLD_OUT_MAX ? USL_FITS : USL_HOLD_OUT;
}

int usl_fit(struct usl_data *data, size_t nr, uint64_t seed, struct usl_fit *ret)
{
	struct usl_data *room;
	int r;

	memset(ret, 0, sizeof(*ret));
	qsort(data, nr, sizeof(*data), by_n);
	ret->levels = count_levels(data, nr);
	ret->verdict = USL_TOO_FEW;
	if (ret->levels < USL_LEVELS_MIN || ret->levels > USL_LEVELS_MAX)
		return 0;
	ret->verdict = USL_DIVERGED;
	if (usl_solve(data, nr, &ret->usl))
		return 0;
	room = malloc(nr * sizeof(*room));
	if (!room)
		return -ENOMEM;
	ret->hold_out = hold_out(data, nr, room);
	r = bootstrap(data, nr, seed, room, ret);
	free(room);
	if (r)
		return r;
	ret->peak = ret->usl.beta > 0 && ret->usl.alpha < 1 ?
			    sqrt((1 - ret->usl.alpha) / ret->usl.beta) :
			    INFINITY;
	ret->verdict = verdict_of(ret);
	return 0;
}
