/* SPDX-License-Identifier: MIT */
/* Observations of `plan` that end early, and whole searches over systems that are drawn: how
 * often they claim what is not so, how far below the truth they stay, how long they take. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_watch.h"
#include "scenario_fixture.h"
#include "worker/rng.h"

#define BLOCK_S 0.1
#define OPS 1000.0 /* of a block */
#define QUANTILE 0.99
/* of a claim, as plan_slo.c has them */
#define LEAST_S 9.0
#define LEAST_PROCS_S 6.0

/* ---- a system --------------------------------------------------------------- */

/*
 * Two worlds. SHORT: what is over the bound comes in stretches of 1 to 10 ms, of which there are
 * more the higher the load: what a claim assumes (PLAN_STALL_S). RECOVERY: the CPU stalls for a
 * time of exponential law, and who was late has caught up after that over what the load leaves:
 * near saturation such a stretch is many times as long as its stall, and longer than a claim
 * assumes.
 */
enum world { SHORT, RECOVERY };

struct machine {
	enum world world;
	double limit; /* SHORT: the load that just keeps the promise */
	double capacity, stalls_per_s, stall_s, bound_s;
	bool whole;
	struct rng rng;
	/* of the observation */
	double load, busy, late_s, next_s;
	/* of the search */
	unsigned int trials;
};

static double exponential(struct rng *rng)
{
	return -log(1 - rng_unit(rng));
}

/* SHORT: d ln(share) / d ln(load), as an M/M/1 queue has it at 1 % and four fifths of its
 * capacity: ln(100) * 0.8 / 0.2, about. Beyond some load all is over the bound. */
#define STEEP 20.0
#define STRETCH_S 0.0055 /* mean */

static double next_stall(struct machine *machine)
{
	double per_s = machine->stalls_per_s;

	if (machine->world == SHORT)
		per_s = fmin((1 - QUANTILE) / STRETCH_S *
				     pow(machine->load / machine->limit, STEEP),
			     1 / STRETCH_S);
	return exponential(&machine->rng) / per_s;
}

static void begin(struct machine *machine, double load)
{
	machine->load = load;
	machine->busy = load / machine->capacity;
	machine->late_s = 0;
	machine->next_s = next_stall(machine);
}

/* late_s: SHORT: of the stretch that is left; else how late an operation is. */
static double over_in_block(struct machine *machine)
{
	bool brief = machine->world == SHORT;
	double left = BLOCK_S, over_s = 0, gains = brief ? 1 : 1 - machine->busy;

	while (left > 1e-12) {
		double step = fmin(left, machine->next_s);
		double excess = machine->late_s - (brief ? 0 : machine->bound_s);

		if (excess > 0)
			over_s += gains > 0 ? fmin(step, excess / gains) : step;
		machine->late_s = fmax(0, machine->late_s - gains * step);
		left -= step;
		machine->next_s -= step;
		if (machine->next_s < 1e-12) {
			machine->late_s += brief ? 0.001 + 0.009 * rng_unit(&machine->rng) :
						   machine->stall_s * exponential(&machine->rng);
			machine->next_s = next_stall(machine);
		}
	}
	return floor(over_s / BLOCK_S * OPS + rng_unit(&machine->rng));
}

/*
 * The largest load that keeps the promise. RECOVERY: lateness is the work waiting in an M/M/1
 * queue, of which stalls use r and whose server gains 1 - busy a second:
 * P(late > b) = r exp(-b (1 - r) / m).
 */
static double truth_of(const struct machine *machine)
{
	double keeps = 0, breaks = 1, load = machine->limit;

	while (machine->world == RECOVERY && breaks - keeps > 1e-9) {
		double r = (keeps + breaks) / 2;
		double late = r * exp(-machine->bound_s * (1 - r) / machine->stall_s);

		*(late <= 1 - QUANTILE ? &keeps : &breaks) = r;
		load = machine->capacity * (1 - machine->stalls_per_s * machine->stall_s / r);
	}
	return machine->whole ? floor(load) : load;
}

static void watch_begin(struct plan_watch *watch, double seconds, double alpha)
{
	memset(watch, 0, sizeof(*watch));
	watch->quantile = QUANTILE;
	watch->block_s = BLOCK_S;
	watch->seconds = seconds;
	watch->alpha = alpha;
	watch->least_s = LEAST_S;
}

/* As plan_slo.c does it, who hears of each block a block late. */
static int observe(void *arg, double alpha, struct plan_look *look)
{
	static struct plan_watch watch;
	struct machine *machine = arg;
	struct plan_claim claim;
	bool enough = false, last = false;

	watch_begin(&watch, look->seconds, alpha);
	watch.least_s = machine->whole ? LEAST_PROCS_S : LEAST_S;
	begin(machine, look->load);
	while (!last && watch.nr < (uint32_t)(look->seconds / BLOCK_S + 1e-6)) {
		last = enough;
		plan_watch_add(&watch, over_in_block(machine), OPS);
		enough = plan_watch_is_hopeless(&watch) || plan_watch_holds(&watch);
	}
	look->verdict = plan_watch_judge(&watch, &claim);
	look->seconds = watch.nr * BLOCK_S;
	look->needs_s = claim.needs_s;
	machine->trials++;
	return 0;
}

/* ---- one observation --------------------------------------------------------- */

/* Blocks of a random share, over a range around what is allowed. */
static void fill(struct plan_watch *watch, struct rng *rng, uint32_t nr, double share)
{
	for (uint32_t i = 0; i < nr; i++) {
		bool stall = rng_unit(rng) < 0.1;

		plan_watch_add(watch, stall ? floor(share * 10 * OPS * 2 * rng_unit(rng)) : 0, OPS);
	}
}

/* What is given up: never a look that would have met, and few claims that would have held. */
static void test_what_is_cut_short(void **state)
{
	static struct plan_watch whole, part;
	unsigned int cut = 0, held = 0, lost = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5, 0);
	for (int run = 0; run < 500; run++) {
		double alpha = run % 2 ? 0.025 : 0, share = 0.001 * (1 + run % 10);
		struct plan_claim claim;
		enum plan_verdict verdict;
		uint32_t i;

		watch_begin(&whole, 18, alpha);
		fill(&whole, &rng, 180, share);
		verdict = plan_watch_judge(&whole, &claim);
		watch_begin(&part, 18, alpha);
		for (i = 0; i < 180 && !plan_watch_is_hopeless(&part) && !plan_watch_holds(&part);
		     i++)
			plan_watch_add(&part, whole.over[i], whole.watched[i]);
		held += verdict == PLAN_MEETS;
		if (i == 180 || plan_watch_holds(&part))
			continue;
		cut++;
		assert_true(plan_watch_judge(&part, &claim) != PLAN_MEETS);
		assert_true(alpha > 0 || verdict != PLAN_MEETS);
		lost += verdict == PLAN_MEETS;
	}
	print_message("%u of 500 cut, %u met, %u lost\n", cut, held, lost);
	assert_true(cut > 100 && held > 100 && lost <= held / 10);
}

static void test_what_is_over_the_bound_is_seen_at_once(void **state)
{
	static struct plan_watch watch;

	(void)state;
	for (int claim = 0; claim < 2; claim++) {
		watch_begin(&watch, 18, claim ? 0.025 : 0);
		assert_false(plan_watch_is_hopeless(&watch));
		plan_watch_add(&watch, OPS, OPS);
		plan_watch_add(&watch, OPS, OPS);
		assert_true(plan_watch_is_hopeless(&watch));
	}
	/* Without one: the claim holds at the first check that has time for it. */
	watch_begin(&watch, 18, 0.025);
	for (int i = 0; i < 180 && !plan_watch_holds(&watch); i++)
		plan_watch_add(&watch, 0, OPS);
	assert_true(watch.nr == 90);
}

/* All checks together at the level, where stalls take what is just allowed. */
static void test_checks_share_the_error(void **state)
{
	unsigned int wrong = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 9, 0);
	for (int run = 0; run < 1000; run++) {
		static struct plan_watch watch;
		double left_s = exponential(&rng) * 0.5445;
		bool stalled = false;

		watch_begin(&watch, 36, 0.05);
		while (watch.nr < 360) {
			double at = 0, over_s = 0;

			while (at < BLOCK_S) {
				double step = fmin(left_s, BLOCK_S - at);

				over_s += stalled ? step : 0;
				at += step;
				left_s -= step;
				if (left_s > 1e-12)
					continue;
				stalled = !stalled;
				/* 1 to 10 ms of it, and 99 times as long without */
				left_s = stalled ? 0.001 + 0.009 * rng_unit(&rng) :
						   exponential(&rng) * 0.5444;
			}
			plan_watch_add(&watch, floor(over_s / BLOCK_S * OPS + rng_unit(&rng)), OPS);
		}
		wrong += plan_watch_holds(&watch);
	}
	if (wrong > 66)
		fail_msg("%u of 1000 wrong claims", wrong);
}

/* ---- whole searches ------------------------------------------------------------ */

struct tally {
	unsigned int runs, found, wrong, near;
	double spent_s, trials;
};

static void search_one(struct machine *machine, double truth, struct tally *tally)
{
	struct plan_system system = {
		.floor = machine->whole ? 1 : 1 / 256.0,
		.ceiling = machine->whole ? 16 : 1,
		.start = machine->whole ? 16 : 0.5,
		.step = 1.025,
		.whole = machine->whole,
		.look_s = 0.6,
		.claim_s = machine->whole ? LEAST_PROCS_S : LEAST_S,
		.claim_max_s = machine->whole ? 18 : 72,
		.retries = machine->whole ? 0 : 1,
		.budget_s = 100,
		.alpha = 0.05,
		.observe = observe,
		.arg = machine,
	};
	struct plan_search found;

	machine->trials = 0;
	plan_search(&system, &found);
	assert_int_equal(found.error, 0);
	tally->runs++;
	tally->spent_s += found.spent_s;
	tally->trials += machine->trials;
	if (found.answer != PLAN_FOUND && found.answer != PLAN_CEILING)
		return;
	tally->found++;
	tally->wrong += found.load > truth;
	tally->near += machine->whole ? fabs(found.load - truth) <= 1 :
					fabs(log(found.load / truth)) <= log(1.05);
}

static struct tally search_many(enum world world, bool whole, unsigned int systems)
{
	struct tally tally = { 0 };
	struct rng rng;

	rng_seed(&rng, 21, 2 * world + whole);
	for (unsigned int i = 0; i < systems; i++) {
		struct machine machine = {
			.world = world,
			.limit = whole ? 2 + 13 * rng_unit(&rng) : 0.1 + 0.8 * rng_unit(&rng),
			.whole = whole,
			.capacity = whole ? 4 + 12 * rng_unit(&rng) : 0.3 + 0.65 * rng_unit(&rng),
			.stalls_per_s = 0.5 + 2 * rng_unit(&rng),
			.stall_s = 0.001 + 0.002 * rng_unit(&rng),
			.bound_s = 0.001 + 0.004 * rng_unit(&rng),
		};
		double truth = truth_of(&machine);

		if (truth < (whole ? 2 : 0.02))
			continue; /* next to nothing keeps it */
		rng_seed(&machine.rng, i, whole);
		for (int k = 0; k < 5; k++)
			search_one(&machine, truth, &tally);
	}
	print_message("%s, %s: %u of %u found, %u near, %u wrong; %.1f s in %.1f trials\n",
		      world == SHORT ? "short" : "recovery", whole ? "processes" : "rates",
		      tally.found, tally.runs, tally.near, tally.wrong, tally.spent_s / tally.runs,
		      tally.trials / tally.runs);
	return tally;
}

/*
 * With SHMBENCH_TESTS=all some 1000 searches of each kind, else a part. That a claim is wrong as
 * rarely as it says is asked in the world that it assumes.
 *
 * In the other one whole searches answer too much more often. What was measured there: of 1000
 * searches the answers that were too high, those near the truth, seconds of a search.
 *                                                rates              processes
 *   a claim takes at least 4.5 s             218, 384, 51 s       110, 671, 21 s
 *   at least 9 s                             132, 371, 54 s        56, 693, 24 s
 *   9 s, for processes 6 s, and up again
 *   by halves; rates: what failed once more  171, 413, 62 s        94, 705, 20 s
 *   4.5 s, both that and PLAN_STALL_S
 *   over 1 - min(busy, 0.8)                   29, 175, 82 s         0, 106, 50 s
 * The last one would be right, but nearly all of its answers are low: to prove a load takes 15 s
 * or more, and the time is over before there are enough claims. plan does the one before it.
 */
static void test_searches(void **state)
{
	const char *wanted = getenv("SHMBENCH_TESTS");
	unsigned int systems = wanted && strcmp(wanted, "all") == 0 ? 200 : 20;
	const double least_near[] = { 0.75, 0.9, 0.3, 0.6 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		enum world world = i < 2 ? SHORT : RECOVERY;
		bool whole = i % 2;
		struct tally tally = search_many(world, whole, systems);

		/* 5 %, and what chance adds to it at 1 % (binomial); in the other world 20 %. */
		double wrong = world == SHORT ? 0.05 : 0.2;

		assert_true(tally.wrong <=
			    wrong * tally.runs + 2.33 * sqrt(wrong * (1 - wrong) * tally.runs));
		assert_true(tally.found >= 0.9 * tally.runs);
		assert_true(tally.near >= least_near[i] * tally.runs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_cut_short),
		cmocka_unit_test(test_what_is_over_the_bound_is_seen_at_once),
		cmocka_unit_test(test_checks_share_the_error),
		cmocka_unit_test(test_searches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
