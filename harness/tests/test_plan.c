/* SPDX-License-Identifier: MIT */
/* `plan` against systems whose answer is known: claims, searches, memory. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"
#include "plan/plan_memory.h"
#include "scenario_fixture.h"
#include "worker/rng.h"

/* Of 1000 claims at 5 %, 66 wrong ones are within chance (binomial, 1 %). */
#define RUNS 1000
#define WRONG_MAX 66

static void test_chi_squared(void **state)
{
	(void)state;
	/* R: qchisq(p, df) */
	assert_float_equal(plan_chi_squared_quantile(0.95, 2), 5.991464547, 1e-7);
	assert_float_equal(plan_chi_squared_quantile(0.975, 1), 5.023886187, 1e-7);
	assert_float_equal(plan_chi_squared_quantile(0.05, 10), 3.940299136, 1e-7);
	assert_float_equal(plan_chi_squared_quantile(0.95, 1000), 1074.679449, 1e-4);
}

/* Operations over the bound in one block: share p on average, independent. */
static double independent_block(struct rng *rng, double p, unsigned int n)
{
	unsigned int over = 0;

	for (unsigned int i = 0; i < n; i++)
		over += rng_unit(rng) < p;
	return over;
}

/* Two states: while it stalls, every operation is over the bound. */
struct stalls {
	double left_s; /* of the state it is in */
	bool stalled;
	double share; /* of the time, stalled */
};

static double stalled_block(struct rng *rng, struct stalls *stalls, double block_s, unsigned int n)
{
	double mean_s = 0.0055, over_s = 0, at = 0;

	while (at < block_s) {
		double here = fmin(stalls->left_s, block_s - at);

		over_s += stalls->stalled ? here : 0;
		at += here;
		stalls->left_s -= here;
		if (stalls->left_s > 1e-12)
			continue;
		stalls->stalled = !stalls->stalled;
		stalls->left_s = stalls->stalled ? 0.001 + 0.009 * rng_unit(rng) :
						   -log(1 - rng_unit(rng)) * mean_s *
							   (1 - stalls->share) / stalls->share;
	}
	return floor(over_s / block_s * n + rng_unit(rng));
}

/* How often a promise that is just not kept is claimed to be. */
static unsigned int wrong_claims(bool stall, double quantile, uint32_t blocks, uint64_t seed)
{
	double p = (1 - quantile) * 1.0001, over[512], watched[512];
	unsigned int wrong = 0;
	struct rng rng;

	rng_seed(&rng, seed, 0);
	for (int run = 0; run < RUNS; run++) {
		struct stalls stalls = { .share = p, .left_s = -log(1 - rng_unit(&rng)) * 0.5 };
		struct plan_claim claim;

		for (uint32_t b = 0; b < blocks; b++) {
			watched[b] = 1000;
			over[b] = stall ? stalled_block(&rng, &stalls, 0.1, 1000) :
					  independent_block(&rng, p, 1000);
		}
		plan_claim_judge(over, watched, blocks, 0.1, quantile, 0.05, &claim);
		wrong += claim.holds;
	}
	return wrong;
}

static void test_claims_are_wrong_rarely_enough(void **state)
{
	static const uint32_t blocks[] = { 20, 40, 80, 300 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (int stall = 0; stall < 2; stall++) {
			unsigned int wrong = wrong_claims(stall, 0.99, blocks[i], 7 + i);

			if (wrong > WRONG_MAX)
				fail_msg("%u of %d wrong claims over %u blocks, %s noise", wrong,
					 RUNS, blocks[i], stall ? "stall" : "independent");
		}
}

/* The negative control of the test above: who takes operations for independent
 * claims far too much under stalls. */
static void test_a_binomial_claim_would_be_wrong(void **state)
{
	unsigned int wrong = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3, 0);
	for (int run = 0; run < RUNS; run++) {
		struct stalls stalls = { .share = 0.0101, .left_s = 0.1 };
		double over = 0, n = 40 * 1000;

		for (int b = 0; b < 40; b++)
			over += stalled_block(&rng, &stalls, 0.1, 1000);
		wrong += over / n + 1.645 * sqrt(over / n / n) < 0.01;
	}
	assert_true(wrong > 3 * WRONG_MAX);
}

static void test_claims_are_made_where_they_are_due(void **state)
{
	double over[60], watched[60];
	struct plan_claim claim;

	(void)state;
	for (int b = 0; b < 60; b++) {
		over[b] = 3;
		watched[b] = 1000;
	}
	plan_claim_judge(over, watched, 60, 0.1, 0.99, 0.05, &claim);
	assert_true(claim.holds);
	assert_float_equal(claim.share, 0.003, 1e-12);
	/* Nothing seen in 2 s: one stall could still be out there. */
	memset(over, 0, sizeof(over));
	plan_claim_judge(over, watched, 20, 0.1, 0.99, 0.05, &claim);
	assert_false(claim.holds);
	assert_true(claim.needs_s > 2 && claim.needs_s < 4);
	plan_claim_judge(over, watched, 1, 0.1, 0.99, 0.05, &claim);
	assert_false(claim.holds);
}

static void test_related_blocks_are_merged(void **state)
{
	double over[80], watched[80];
	struct plan_claim claim;

	(void)state;
	for (int b = 0; b < 80; b++) {
		over[b] = b / 8 % 2 ? 12 : 2;
		watched[b] = 1000;
	}
	plan_claim_judge(over, watched, 80, 0.1, 0.99, 0.05, &claim);
	assert_int_equal(claim.blocks, 20);
	assert_float_equal(claim.block_s, 0.4, 1e-9);
}

/* ---- search ------------------------------------------------------------ */

struct fake {
	double limit; /* loads above break */
	double noise; /* a look errs within this ratio around the limit */
	struct rng rng;
	int error;
	unsigned int claims;
	unsigned int observations, stalls_at; /* that one ends late, whatever the load */
	bool late;			      /* what breaks does so by being late */
};

static int fake_observe(void *arg, double alpha, struct plan_look *look)
{
	struct fake *fake = arg;
	double limit = fake->limit;

	if (fake->error)
		return fake->error;
	if (alpha == 0)
		limit *= exp(fake->noise * (rng_unit(&fake->rng) * 2 - 1));
	fake->claims += alpha > 0;
	look->verdict = look->load > limit ? PLAN_BREAKS : PLAN_MEETS;
	look->late = look->verdict == PLAN_BREAKS && fake->late;
	if (++fake->observations == fake->stalls_at) {
		look->late = look->verdict != PLAN_BREAKS || fake->late;
		look->verdict = PLAN_BREAKS;
	}
	look->needs_s = look->seconds;
	return 0;
}

static struct plan_system system_of(struct fake *fake, double floor, double ceiling, bool whole)
{
	rng_seed(&fake->rng, 1, 0);
	return (struct plan_system){ .floor = floor,
				     .ceiling = ceiling,
				     .start = whole ? ceiling : ceiling / 2,
				     .step = 1.025,
				     .whole = whole,
				     .look_s = 0.5,
				     .claim_s = 4,
				     .claim_max_s = 4,
				     .budget_s = 60,
				     .alpha = 0.05,
				     .observe = fake_observe,
				     .arg = fake };
}

static void test_finds_rates(void **state)
{
	(void)state;
	for (double limit = 5e3; limit < 9e5; limit *= 1.37) {
		struct fake fake = { .limit = limit };
		struct plan_system system = system_of(&fake, 4e3, 1e6, false);
		struct plan_search found;

		plan_search(&system, &found);
		assert_int_equal(found.answer, PLAN_FOUND);
		assert_true(found.load <= limit && found.load > limit / 1.05);
		assert_true(found.breaks > limit && found.breaks < limit * 1.06);
		assert_true(found.spent_s < 24);
	}
}

static void test_lucky_looks_are_stepped_down(void **state)
{
	struct fake fake = { .limit = 2e5, .noise = 0.2 };
	struct plan_system system = system_of(&fake, 4e3, 1e6, false);
	struct plan_search found;

	(void)state;
	plan_search(&system, &found);
	assert_int_equal(found.answer, PLAN_FOUND);
	assert_true(found.load <= 2e5 && found.load > 1e5);
}

static void test_finds_processes(void **state)
{
	(void)state;
	for (int limit = 1; limit <= 16; limit++) {
		struct fake fake = { .limit = limit };
		struct plan_system system = system_of(&fake, 1, 16, true);
		struct plan_search found;

		plan_search(&system, &found);
		assert_int_equal(found.answer, limit == 16 ? PLAN_CEILING : PLAN_FOUND);
		assert_int_equal((int)found.load, limit);
	}
}

/* One stall, in whichever observation it falls, does not settle the answer; being late
 * every time does. */
static void test_one_stall_settles_nothing(void **state)
{
	(void)state;
	for (unsigned int at = 1; at <= 8; at++) {
		struct fake fake = { .limit = 3, .stalls_at = at };
		struct plan_system system = system_of(&fake, 1, 8, true);
		struct plan_search found;

		plan_search(&system, &found);
		assert_int_equal(found.answer, PLAN_FOUND);
		assert_int_equal((int)found.load, 3);
		assert_int_equal((int)found.breaks, 4);
		assert_false(found.disorder);
	}
	for (int limit = 1; limit <= 8; limit++) {
		struct fake fake = { .limit = limit, .late = true };
		struct plan_system system = system_of(&fake, 1, 8, true);
		struct plan_search found;

		plan_search(&system, &found);
		assert_int_equal((int)found.load, limit);
		for (uint32_t i = 0; i < found.nr_looks; i++)
			if (found.looks[i].superseded)
				assert_true(found.looks[i + 1].load == found.looks[i].load);
	}
}

static void test_edges_of_a_search(void **state)
{
	struct fake fake = { .limit = 1e9 };
	struct plan_system system = system_of(&fake, 4e3, 1e6, false);
	struct plan_search found;

	(void)state;
	plan_search(&system, &found);
	assert_int_equal(found.answer, PLAN_CEILING);
	assert_true(found.load == 1e6);
	fake.limit = 1e3;
	plan_search(&system, &found);
	assert_int_equal(found.answer, PLAN_NONE);
	fake.limit = 2e5;
	system.budget_s = 3;
	plan_search(&system, &found);
	assert_int_equal(found.answer, PLAN_OPEN);
	assert_true(found.needs_s > 0);
	system.budget_s = 60;
	fake.error = -EIO;
	plan_search(&system, &found);
	assert_int_equal(found.answer, PLAN_ERROR);
}

/* ---- promises, memory -------------------------------------------------- */

static void test_promises(void **state)
{
	static const char *const bad[] = { "",
					   "search",
					   "search.p99>=5us",
					   "search.max<=5us",
					   "service.search.p99<=5us",
					   "ops_per_s<=5",
					   "x.p99<=5us",
					   "search.p99<=5" };
	struct plan_slo slo;
	char why[256];

	(void)state;
	assert_int_equal(plan_slo_parse("search.p99<=20us", &slo, why, sizeof(why)), 0);
	assert_int_equal(slo.bound_ns, 20000);
	assert_int_equal(slo.classes, 1u << HIST_SEARCH_HIT | 1u << HIST_SEARCH_MISS);
	assert_int_equal(plan_slo_parse("response.insert.p999 <= 1ms", &slo, why, sizeof(why)), 0);
	assert_float_equal(slo.quantile, 0.999, 1e-12);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*why = '\0';
		assert_int_equal(plan_slo_parse(bad[i], &slo, why, sizeof(why)), -EINVAL);
		assert_true(*why);
	}
}

/* Byte for byte what create() takes, over geometries of all kinds. */
static void test_memory_is_what_create_takes(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11, 0);
	for (int i = 0; i < 1000; i++) {
		struct params params = { .lock = "futex",
					 .procs = 1 + (uint32_t)rng_below(&rng, 8) };
		struct plan_memory memory;
		struct shmht_config cfg;
		struct shmht_error err;
		struct shmht_info info;
		struct shmht *map;

		params.capacity = 1 + rng_below(&rng, 1u << rng_below(&rng, 16));
		params.key_size = 1 + (uint32_t)rng_below(&rng, 200);
		params.value_max = (uint32_t)rng_below(&rng, 1u << rng_below(&rng, 11));
		params.stripes = 1u << rng_below(&rng, 8);
		assert_int_equal(plan_memory_of(&params, &memory, &err), 0);
		cfg = params_table(&params);
		if (shmht_create(&cfg, &map, &err))
			fail_msg("%s", err.text);
		shmht_info(map, &info);
		assert_true(info.region_bytes == memory.region_bytes);
		shmht_destroy(map);
	}
}

static void test_memory_that_fits(void **state)
{
	struct params params = { .lock = "futex",
				 .procs = 2,
				 .capacity = 1,
				 .key_size = 16,
				 .value_max = 64,
				 .stripes = 1 };
	struct plan_memory memory;

	(void)state;
	params.capacity = plan_memory_fits(&params, 100u << 20);
	assert_true(params.capacity > 500000);
	assert_int_equal(plan_memory_of(&params, &memory, NULL), 0);
	assert_true(memory.total_bytes <= 100u << 20);
	params.capacity++;
	assert_int_equal(plan_memory_of(&params, &memory, NULL), 0);
	assert_true(memory.total_bytes > 100u << 20);
	assert_int_equal(plan_memory_fits(&params, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chi_squared),
		cmocka_unit_test(test_claims_are_wrong_rarely_enough),
		cmocka_unit_test(test_a_binomial_claim_would_be_wrong),
		cmocka_unit_test(test_claims_are_made_where_they_are_due),
		cmocka_unit_test(test_related_blocks_are_merged),
		cmocka_unit_test(test_finds_rates),
		cmocka_unit_test(test_lucky_looks_are_stepped_down),
		cmocka_unit_test(test_finds_processes),
		cmocka_unit_test(test_one_stall_settles_nothing),
		cmocka_unit_test(test_edges_of_a_search),
		cmocka_unit_test(test_promises),
		cmocka_unit_test(test_memory_is_what_create_takes),
		cmocka_unit_test(test_memory_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
