/* SPDX-License-Identifier: MIT */
#include "plan/plan_search.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Looks are this many times as long, once they part loads that are close. */
#define LOOKS_GROW 1.5
/* Below the first load: how far what breaks lies from what keeps is not known then. */
#define LOOKS_DOWN 0.6

struct bracket {
	double keeps;  /* the largest look that met; 0: none yet */
	double breaks; /* the smallest that broke; infinity: none yet */
};

static int observe(const struct plan_system *system, struct plan_search *search, double load,
		   double seconds, double alpha, struct plan_look **ret_look)
{
	struct plan_look *look = &search->looks[search->nr_looks];
	int r;

	if (search->nr_looks == PLAN_LOOKS_MAX)
		return -E2BIG;
	*look = (struct plan_look){
		.load = load, .seconds = seconds, .needs_s = NAN, .claim = alpha > 0
	};
	r = system->observe(system->arg, alpha, look);
	if (r)
		return r;
	search->nr_looks++;
	search->spent_s += look->seconds;
	*ret_look = look;
	return 0;
}

/* As observe(); what only ended late is observed once more: overload is late again. */
static int observe_twice(const struct plan_system *system, struct plan_search *search, double load,
			 double seconds, struct plan_look **ret_look)
{
	int r = observe(system, search, load, seconds, 0, ret_look);

	if (r || (*ret_look)->verdict != PLAN_BREAKS || !(*ret_look)->late)
		return r;
	(*ret_look)->superseded = true;
	return observe(system, search, load, seconds, 0, ret_look);
}

static double clamp(const struct plan_system *system, double load)
{
	if (system->whole)
		load = floor(load);
	return fmin(fmax(load, system->floor), system->ceiling);
}

static double between(const struct plan_system *system, const struct bracket *bracket)
{
	if (system->whole)
		return floor((bracket->keeps + bracket->breaks) / 2);
	return sqrt(bracket->keeps * bracket->breaks);
}

static bool narrow_enough(const struct plan_system *system, const struct bracket *bracket)
{
	if (system->whole)
		return bracket->breaks - bracket->keeps <= 1;
	return bracket->breaks / bracket->keeps <= system->step;
}

/* The candidate: 0 when nothing met. */
static int bracket_it(const struct plan_system *system, struct plan_search *search,
		      struct bracket *bracket)
{
	double load = clamp(system, system->start), seconds = system->look_s;

	*bracket = (struct bracket){ 0, INFINITY };
	while (search->spent_s < system->budget_s) {
		struct plan_look *look;
		int r = observe_twice(system, search, load, seconds, &look);

		if (r)
			return r;
		if (look->verdict == PLAN_MEETS ||
		    (look->verdict == PLAN_UNPROVEN && load <= system->floor)) {
			bracket->keeps = fmax(bracket->keeps, load);
			if (load >= system->ceiling)
				return 0;
		} else {
			bracket->breaks = fmin(bracket->breaks, load);
			if (load <= system->floor)
				return 0;
		}
		if (bracket->keeps > 0 && bracket->breaks < INFINITY) {
			if (narrow_enough(system, bracket))
				return 0;
			load = between(system, bracket);
			seconds = fmin(seconds * LOOKS_GROW, system->claim_s);
		} else {
			load = clamp(system,
				     bracket->keeps > 0 ? load / LOOKS_DOWN : load * LOOKS_DOWN);
		}
	}
	return 0;
}

/* Two failures may be chance at loads close by; from there on each doubles the step, for looks
 * that were lucky can be far off. */
static double step_down(const struct plan_system *system, double load, unsigned int failed)
{
	double steps = failed < 2 ? 1 : pow(2, failed - 2);

	return clamp(system, system->whole ? load - steps : load / pow(system->step, steps));
}

/* Between the proven load and the lowest that a claim failed at; a step up where none failed. */
static double higher(const struct plan_system *system, const struct plan_search *search,
		     double breaks)
{
	const struct bracket bracket = { search->load, breaks };
	double next = system->whole ? search->load + 1 : search->load * system->step;

	return clamp(system, isinf(breaks) ? next : fmax(next, between(system, &bracket)));
}

/*
 * Up again from a load that is proven, halving what lies between it and the lowest that failed.
 * A claim that holds spends none of the error: each level is used until a claim fails at it, and
 * so for one load at most that breaks the promise, as in a fixed sequence of tests.
 */
static int climb(const struct plan_system *system, struct plan_search *search,
		 const struct bracket *bracket, double left)
{
	double breaks = bracket->breaks, alpha = left / 2;
	unsigned int retries = system->retries;

	while (search->spent_s + system->claim_s <= system->budget_s) {
		double load = higher(system, search, breaks);
		struct plan_look *look;
		int r;

		if (load >= breaks * (system->whole ? 1 : 0.999) && retries > 0) {
			retries--;
			load = higher(system, search, breaks = INFINITY);
		}
		if (load <= search->load || load >= breaks * (system->whole ? 1 : 0.999))
			break;
		r = observe(system, search, load,
			    fmin(system->claim_max_s, system->budget_s - search->spent_s), alpha,
			    &look);
		if (r)
			return r;
		if (look->verdict == PLAN_MEETS) {
			search->load = load;
			search->alpha = alpha;
			if (load >= system->ceiling)
				search->answer = PLAN_CEILING;
		} else {
			breaks = load;
			left -= alpha;
			alpha = left / 2;
		}
	}
	return 0;
}

/* Claims from the candidate down. Each gets a part of the error that is left. */
static int confirm(const struct plan_system *system, struct plan_search *search,
		   struct bracket *bracket)
{
	double load = bracket->keeps;
	double seconds = system->claim_max_s, left = system->alpha, alpha;
	bool repeated = false;
	unsigned int failed = 0;

	/* Looks parted them by little data: only a claim that failed says no here. */
	bracket->breaks = INFINITY;

	for (;; left -= alpha) {
		struct plan_look *look;
		int r;

		alpha = left / 2;
		search->load = load;
		if (search->spent_s + system->claim_s > system->budget_s) {
			search->answer = PLAN_OPEN;
			search->needs_s = system->claim_s;
			return 0;
		}
		r = observe(system, search, load, fmin(seconds, system->budget_s - search->spent_s),
			    alpha, &look);
		if (r)
			return r;
		if (look->verdict == PLAN_MEETS) {
			search->alpha = alpha;
			search->answer = load >= system->ceiling ? PLAN_CEILING : PLAN_FOUND;
			return climb(system, search, bracket, left);
		}
		if (look->verdict == PLAN_UNPROVEN && isfinite(look->needs_s) &&
		    load <= system->floor &&
		    search->spent_s + look->needs_s * 1.2 <= system->budget_s &&
		    look->needs_s > seconds) {
			/* Longer at the same load: cheaper than to give load away. */
			seconds = look->needs_s * 1.2;
			continue;
		}
		if (look->verdict == PLAN_BREAKS && look->late && !repeated &&
		    search->spent_s + seconds <= system->budget_s) {
			look->superseded = repeated = true;
			continue;
		}
		bracket->breaks = fmin(bracket->breaks, load);
		if (load <= system->floor) {
			search->answer = look->verdict == PLAN_BREAKS ? PLAN_NONE : PLAN_OPEN;
			search->needs_s = look->needs_s;
			return 0;
		}
		load = step_down(system, load, ++failed);
		repeated = false;
	}
}

static bool broke(const struct plan_look *look)
{
	return look->verdict == PLAN_BREAKS && !look->superseded;
}

static bool in_disorder(const struct plan_search *search)
{
	for (uint32_t i = 0; i < search->nr_looks; i++)
		for (uint32_t k = 0; k < search->nr_looks; k++)
			if (broke(&search->looks[i]) && search->looks[k].verdict == PLAN_MEETS &&
			    search->looks[i].load < search->looks[k].load)
				return true;
	return false;
}

void plan_search(const struct plan_system *system, struct plan_search *ret)
{
	struct bracket bracket;

	memset(ret, 0, sizeof(*ret));
	ret->breaks = ret->needs_s = NAN;
	ret->error = bracket_it(system, ret, &bracket);
	if (!ret->error && bracket.keeps > 0)
		ret->error = confirm(system, ret, &bracket);
	else if (!ret->error)
		ret->answer = bracket.breaks <= system->floor ? PLAN_NONE : PLAN_OPEN;
	if (ret->error)
		ret->answer = PLAN_ERROR;
	if (ret->answer == PLAN_OPEN && isnan(ret->needs_s))
		ret->needs_s = system->claim_s; /* not one claim was tried */
	if (ret->answer == PLAN_NONE)
		ret->load = system->floor;
	for (uint32_t i = 0; i < ret->nr_looks; i++)
		if (broke(&ret->looks[i]) && ret->looks[i].load > ret->load)
			ret->breaks = fmin(isnan(ret->breaks) ? INFINITY : ret->breaks,
					   ret->looks[i].load);
	ret->disorder = in_disorder(ret);
}
