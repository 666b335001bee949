/* SPDX-License-Identifier: MIT */
/*
 * "p99 <= X", claimed at a level: is the share of operations over X below 1 %?
 * Operations are not independent, a stall delays all of them at once; so the
 * unit is a block of time, longer than the noise is correlated.
 */
#ifndef SHMBENCH_PLAN_CLAIM_H
#define SHMBENCH_PLAN_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_BLOCKS_MIN 20u
/* A stretch over the bound that no block has shown yet may take this long; see plan_claim.c.
 * Near saturation, where it takes long to catch up, it may take longer: then claims are wrong
 * more often than they say, and searches by more; test_plan_watch.c has the figures,
 * and what it cost to divide this by the share of the time that a load leaves. */
#define PLAN_STALL_S 0.01

struct plan_claim {
	double share;	  /* of operations over the bound */
	double upper;	  /* bound on the true share at the level; NaN: too few blocks */
	double inflation; /* variance of the share over that of independent operations */
	uint64_t samples;
	uint32_t blocks; /* that the judgement rests on, after merging neighbours */
	double block_s;
	bool holds;
	double needs_s; /* observation in all that would do, if the share stays; NaN: none would */
};

/*
 * over[], watched[]: operations over the bound and all, per block of block_s
 * seconds, nr of them, in time. quantile: 0.99 for p99. alpha: the chance of a
 * claim that is wrong.
 */
void plan_claim_judge(const double *over, const double *watched, uint32_t nr, double block_s,
		      double quantile, double alpha, struct plan_claim *ret);

/* 0 of none. */
double plan_mean(const double *x, uint32_t nr);

/* Quantile of the chi-squared distribution, df > 0 degrees of freedom, 0 < p < 1;
 * to 1e-10 relative (DLMF 8.7, 8.9, and bisection). */
double plan_chi_squared_quantile(double p, double df);

#endif
