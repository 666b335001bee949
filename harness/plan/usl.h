/* SPDX-License-Identifier: MIT */
/*
 * The Universal Scalability Law (Gunther, Guerrilla Capacity Planning, 2007):
 *
 *   X(n) = lambda n / (1 + alpha (n - 1) + beta n (n - 1))
 *
 * lambda: what one worker does; alpha: the share of work that only one can do at a
 * time; beta: what keeping each two of them in agreement costs.
 */
#ifndef SHMBENCH_USL_H
#define SHMBENCH_USL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USL_LEVELS_MIN 4 /* different n: three coefficients, and one to judge them by */
#define USL_LEVELS_MAX 64
#define USL_RESAMPLES 400     /* bootstrap */
#define USL_HOLD_OUT_MAX 0.10 /* mean relative error beyond which the law is not valid here */

struct usl_data {
	double n, x; /* workers, operations per second of one trial */
};

struct usl {
	double lambda, alpha, beta;
};

enum usl_verdict {
	USL_FITS,
	USL_TOO_FEW,	  /* fewer than USL_LEVELS_MIN different n */
	USL_OUT_OF_RANGE, /* alpha or beta: its whole interval is outside */
	USL_HOLD_OUT,	  /* predicts what it was not shown worse than USL_HOLD_OUT_MAX */
	USL_DIVERGED,	  /* no minimum was reached */
};

struct usl_fit {
	struct usl usl;
	struct usl low, high; /* 95 %, percentile bootstrap over trials within each n */
	double hold_out;      /* mean relative error of leaving one n out, each in turn */
	double peak;	      /* n of the most throughput; infinite: it only levels off */
	size_t levels;
	enum usl_verdict verdict;
};

double usl_at(const struct usl *usl, double n);
/* Least squares of relative errors; Levenberg and Marquardt from the solution of the
 * linear form. 0, -EINVAL (fewer than 3 different n, a value not positive), -EDOM. */
int usl_solve(const struct usl_data *data, size_t nr, struct usl *ret);
/* data is sorted by n on return. The same seed gives the same intervals. 0 or -ENOMEM. */
int usl_fit(struct usl_data *data, size_t nr, uint64_t seed, struct usl_fit *ret);

#endif
