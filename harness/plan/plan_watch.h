/* SPDX-License-Identifier: MIT */
/*
 * What an observation of a load says about a promise, block by block while it runs: so
 * that it ends once nothing can change what it says.
 *
 * A claim is judged at fixed times, each with its part of the error, so that it is right
 * whichever of them it holds at (Bonferroni). It ends early only to give up, which
 * cannot make it wrong more often.
 */
#ifndef SHMBENCH_PLAN_WATCH_H
#define SHMBENCH_PLAN_WATCH_H

#include "plan/plan_claim.h"
#include "plan/plan_search.h"

#define PLAN_BLOCKS_MAX 600u

/* Of one promise, the blocks so far. */
struct plan_watch {
	double quantile, block_s;
	double seconds;	  /* the observation's, at most */
	double alpha;	  /* of the claim; 0: a look */
	double least_s;	  /* of a claim: its first check */
	uint32_t checked; /* checks so far, */
	bool held;	  /* and whether one of them held */
	uint32_t nr;
	double over[PLAN_BLOCKS_MAX], watched[PLAN_BLOCKS_MAX];
};

/* A block more; what is beyond PLAN_BLOCKS_MAX is left out. */
void plan_watch_add(struct plan_watch *watch, double over, double watched);
/* Whatever is still to come: a look will have broken, a claim will not hold. Asked after
 * each block. */
bool plan_watch_is_hopeless(const struct plan_watch *watch);
/* A claim holds, at one of the checks so far. Each is made once: what waits for the answer may
 * share a CPU with what is observed. */
bool plan_watch_holds(struct plan_watch *watch);
/* Of all blocks: what is said, and the claim that it rests on. */
enum plan_verdict plan_watch_judge(const struct plan_watch *watch, struct plan_claim *ret);

#endif
