/* SPDX-License-Identifier: MIT */
#include "plan/plan_watch.h"

#include <math.h>
#include <string.h>

/* From so many blocks on a claim that would need this many times its longest is given up. */
#define FORETELL_BLOCKS 40u
#define FORETELL_TIMES 1.5
/* Of what a promise allows, a load may take so much in a look: with more, a claim fails. */
#define LOOK_PART 0.8
#define CHECK_RATIO 2.0 /* each check is so many times as late as the one before */

void plan_watch_add(struct plan_watch *watch, double over, double watched)
{
	if (watch->nr == PLAN_BLOCKS_MAX)
		return;
	watch->over[watch->nr] = over;
	watch->watched[watch->nr++] = watched;
}

static uint32_t blocks_in(const struct plan_watch *watch, double seconds)
{
	double nr = floor(seconds / watch->block_s + 1e-6);

	return nr < PLAN_BLOCKS_MAX ? (uint32_t)nr : PLAN_BLOCKS_MAX;
}

/* The first of a claim is at the least time for one; it has half of the error. */
static uint32_t nr_checks(const struct plan_watch *watch)
{
	uint32_t nr = 1;

	while (watch->least_s * pow(CHECK_RATIO, nr) <= watch->seconds * 1.0001)
		nr++;
	return nr;
}

static double level_of(const struct plan_watch *watch, uint32_t check)
{
	uint32_t nr = nr_checks(watch);

	if (nr == 1)
		return watch->alpha;
	return check == 0 ? watch->alpha / 2 : watch->alpha / 2 / (nr - 1);
}

static uint32_t blocks_at(const struct plan_watch *watch, uint32_t check)
{
	return blocks_in(watch, watch->least_s * pow(CHECK_RATIO, check));
}

/* The claim at a check, if the observation got there. */
static bool holds_at(const struct plan_watch *watch, uint32_t check, struct plan_claim *ret)
{
	uint32_t nr = blocks_at(watch, check);

	if (watch->nr < nr)
		return false;
	plan_claim_judge(watch->over, watch->watched, nr, watch->block_s, watch->quantile,
			 level_of(watch, check), ret);
	return ret->holds;
}

/* Not even if from now on nothing is over the bound. */
bool plan_watch_is_hopeless(const struct plan_watch *watch)
{
	uint32_t all = blocks_in(watch, watch->seconds);
	double watched;
	struct plan_watch best;
	struct plan_claim claim;

	if (!watch->nr || watch->over[watch->nr - 1] == 0)
		return false; /* it was not before either */
	best = *watch;
	watched = plan_mean(watch->watched, watch->nr);
	while (best.nr < all)
		plan_watch_add(&best, 0, watched);
	if (watch->alpha == 0)
		return plan_mean(best.over, best.nr) > LOOK_PART * (1 - watch->quantile) * watched;
	plan_claim_judge(watch->over, watch->watched, watch->nr, watch->block_s, watch->quantile,
			 level_of(watch, nr_checks(watch) - 1), &claim);
	if (watch->nr >= FORETELL_BLOCKS && !(claim.needs_s <= FORETELL_TIMES * watch->seconds))
		return true;
	return !holds_at(&best, nr_checks(watch) - 1, &claim);
}

bool plan_watch_holds(struct plan_watch *watch)
{
	struct plan_claim claim;

	while (watch->alpha > 0 && !watch->held && watch->checked < nr_checks(watch) &&
	       watch->nr >= blocks_at(watch, watch->checked))
		watch->held = holds_at(watch, watch->checked++, &claim);
	return watch->held;
}

enum plan_verdict plan_watch_judge(const struct plan_watch *watch, struct plan_claim *ret)
{
	for (uint32_t i = 0; watch->alpha > 0 && i < nr_checks(watch); i++)
		if (holds_at(watch, i, ret))
			return PLAN_MEETS;
	plan_claim_judge(watch->over, watch->watched, watch->nr, watch->block_s, watch->quantile,
			 watch->alpha > 0 ? level_of(watch, nr_checks(watch) - 1) : 0.05, ret);
	/* Of a claim that was cut off, or of no check: it may have had luck with its length. */
	ret->holds = false;
	if (!(ret->share <= 1 - watch->quantile))
		return PLAN_BREAKS;
	return watch->alpha > 0 || ret->share > LOOK_PART * (1 - watch->quantile) ? PLAN_UNPROVEN :
										    PLAN_MEETS;
}
