/* SPDX-License-Identifier: MIT */
/*
 * Key distributions against theory: Kolmogorov-Smirnov and chi-square over
 * fixed seeds, so that a run decides the same every time. The laws are summed
 * here term by term and share no code with the sampler.
 *
 * zipf:0.99 over 10^6 keys must pass at p > 0.01. The some forty fits beside it
 * share one level: each at 1e-4, so that a sound sampler fails one of them
 * with less than 0.5 % under any choice of seeds, while one
 * probability of 0.1 that is 3 % off gives p < 1e-9 at the full size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/keydist.h"

#define P_OF_MANY 1e-4

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SHMBENCH_SANITIZED)
#define NR_DRAWS 1000000u
#define TOP_TEN_ERROR 0.03 /* noise grows by sqrt(10) */
#else
#define NR_DRAWS 10000000u
#define TOP_TEN_ERROR 0.01
#endif

/* p-value of chi-square with df degrees (Wilson and Hilferty, 1931). */
static double chi_square_p(double chi2, double df)
{
	double z = (cbrt(chi2 / df) - (1 - 2 / (9 * df))) / sqrt(2 / (9 * df));

	return erfc(z / M_SQRT2) / 2;
}

/* p-value of the Kolmogorov-Smirnov distance of n draws; conservative on a
 * discrete law. */
static double ks_p(double distance, double n)
{
	double lambda = distance * (sqrt(n) + 0.12 + 0.11 / sqrt(n)), sum = 0;

	for (int k = 1; k <= 100; k++)
		sum += (k % 2 ? 2 : -2) * exp(-2 * k * k * lambda * lambda);
	return sum > 1 ? 1 : sum;
}

/* law[r] = P(rank r), r = 1..n: summed from the small end. */
static double *zipf_law(double theta, uint64_t n)
{
	double *law = malloc((n + 1) * sizeof(*law)), zeta = 0;

	assert_non_null(law);
	for (uint64_t r = n; r >= 1; r--)
		zeta += pow((double)r, -theta);
	law[0] = 0;
	for (uint64_t r = 1; r <= n; r++)
		law[r] = pow((double)r, -theta) / zeta;
	return law;
}

/* Chi-square over ranks, neighbours joined until 20 are expected. */
static double fit(const uint64_t *seen, const double *law, uint64_t n, uint64_t draws)
{
	double chi2 = 0, expected = 0, actual = 0;
	int cells = 0;

	for (uint64_t r = 1; r <= n; r++) {
		expected += law[r] * (double)draws;
		actual += (double)seen[r];
		if (expected < 20 && r < n)
			continue;
		if (expected < 1e-9 * (double)draws) {
			assert_true(actual == 0 || expected > 0);
			continue;
		}
		chi2 += (actual - expected) * (actual - expected) / expected;
		cells++;
		expected = actual = 0;
	}
	return cells > 1 ? chi_square_p(chi2, cells - 1) : 1;
}

static uint64_t *draw_ranks(double theta, uint64_t n, uint64_t draws, uint64_t seed)
{
	uint64_t *seen = calloc(n + 1, sizeof(*seen));
	struct zipf zipf;
	struct rng rng;

	assert_non_null(seen);
	rng_seed(&rng, seed, 0);
	zipf_init(&zipf, theta, n);
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t rank = zipf_draw(&zipf, &rng);

		assert_true(rank >= 1 && rank <= n);
		seen[rank]++;
	}
	return seen;
}

static void test_zipf_099_of_a_million(void **state)
{
	const uint64_t n = 1000000;
	uint64_t *seen = draw_ranks(0.99, n, NR_DRAWS, 1);
	double *law = zipf_law(0.99, n);
	double distance = 0, worst_top = 0, cdf = 0, p;
	uint64_t below = 0;

	(void)state;
	for (uint64_t r = 1; r <= n; r++) {
		cdf += law[r];
		below += seen[r];
		distance = fmax(distance, fabs((double)below / NR_DRAWS - cdf));
		if (r <= 10)
			worst_top = fmax(worst_top,
					 fabs((double)seen[r] / (law[r] * NR_DRAWS) - 1));
	}
	p = ks_p(distance, NR_DRAWS);
	print_message("zipf:0.99, n 1e6, %u draws: KS D %.2e, p %.3f; chi-square p %.3f; "
		      "worst of the top ten %.2f %%\n",
		      NR_DRAWS, distance, p, fit(seen, law, n, NR_DRAWS), 100 * worst_top);
	assert_true(p > 0.01);
	assert_true(fit(seen, law, n, NR_DRAWS) > 0.01);
	assert_true(worst_top <= TOP_TEN_ERROR);
	free(law);
	free(seen);
}

static void test_zipf_other_thetas(void **state)
{
	static const double thetas[] = { 0.01, 0.5, 0.999999, 1.0, 1.0 + 1e-9, 1.2, 2, 5 };
	const uint64_t n = 10000;

	(void)state;
	for (size_t i = 0; i < sizeof(thetas) / sizeof(thetas[0]); i++) {
		uint64_t *seen = draw_ranks(thetas[i], n, NR_DRAWS / 5, 2);
		double *law = zipf_law(thetas[i], n);
		double p = fit(seen, law, n, NR_DRAWS / 5);

		print_message("zipf:%-10.9g n %lu: chi-square p %.3f\n", thetas[i],
			      (unsigned long)n, p);
		assert_true(p > P_OF_MANY);
		free(law);
		free(seen);
	}
}

/* YCSB's scrambled generator drew from the law of another n: small ones show it. */
static void test_zipf_small_n(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 3, 10 };
	static const double thetas[] = { 0.5, 0.99, 1, 2 };
	const uint64_t draws = NR_DRAWS / 10;

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		uint64_t n = sizes[i / 4];
		uint64_t *seen = draw_ranks(thetas[i % 4], n, draws, 3 + i);
		double *law = zipf_law(thetas[i % 4], n);

		assert_true(fit(seen, law, n, draws) > P_OF_MANY);
		if (n == 1)
			assert_int_equal(seen[1], draws);
		free(law);
		free(seen);
	}
}

/* 2^40 keys, the most that a packed operation holds: no table, no overflow. */
static void test_zipf_largest_n(void **state)
{
	const uint64_t n = (uint64_t)1 << 40, draws = NR_DRAWS / 10;
	uint64_t top_half = 0, first = 0;
	struct zipf zipf;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1, 0);
	zipf_init(&zipf, 0.5, n);
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t rank = zipf_draw(&zipf, &rng);

		assert_true(rank >= 1 && rank <= n);
		top_half += rank > n / 2;
	}
	/* H(n/2) / H(n) = sqrt(1/2); 4 standard deviations. */
	assert_true(fabs((double)top_half / (double)draws - (1 - M_SQRT1_2)) <
		    4 * 0.455 / sqrt((double)draws));

	zipf_init(&zipf, 1, n);
	for (uint64_t i = 0; i < draws; i++)
		first += zipf_draw(&zipf, &rng) == 1;
	/* zeta(n) at theta 1: ln n + Euler's constant. */
	assert_true(fabs((double)first / (double)draws * (40 * M_LN2 + 0.5772156649) - 1) < 0.03);
}

/* No theta hangs or leaves the range, not even one that no scenario may say. */
static void test_zipf_absurd_thetas(void **state)
{
	static const double thetas[] = { 0, 1e-300, 100, 1e6, 1e300, INFINITY, NAN };

	(void)state;
	for (size_t i = 0; i < sizeof(thetas) / sizeof(thetas[0]); i++) {
		free(draw_ranks(thetas[i], 1, 1000, i));
		free(draw_ranks(thetas[i], 1000, 1000, i));
	}
}

static void test_rank_to_id_is_a_bijection(void **state)
{
	static const uint64_t sizes[] = { 1,  2,   3,	 4,	6,	10,    12,
					  97, 210, 1000, 65536, 100000, 510510 };
	struct keydist_params params = { .kind = KEYS_ZIPF, .theta = 0.99 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t n = sizes[i], loaded = 0;
		unsigned char *taken = calloc(n, 1);
		struct keydist dist;

		assert_non_null(taken);
		keydist_init(&dist, &params, n, 0, 0, 1);
		for (uint64_t r = 1; r <= n; r++) {
			uint64_t id = keydist_rank_to_id(&dist, r);

			assert_true(id < n);
			assert_false(taken[id]);
			taken[id] = 1;
			loaded += r <= 100 && id < n / 2;
		}
		/* Of the hundred hottest, half lie in the half that is preloaded. */
		if (n >= 1000)
			assert_true(loaded >= 48 && loaded <= 52);
		free(taken);
	}
}

/* draws by id, turned into ranks again: the law survives the bijection. */
static void test_zipf_keys(void **state)
{
	struct keydist_params params = { .kind = KEYS_ZIPF, .theta = 0.99 };
	const uint64_t n = 1000, draws = NR_DRAWS / 10;
	uint64_t seen[1001] = { 0 }, by_rank[1001] = { 0 };
	double *law = zipf_law(0.99, n);
	struct keydist dist;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4, 0);
	keydist_init(&dist, &params, n, 500, 0, 1);
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t id = keydist_draw(&dist, (enum op_kind)(i % OP_NR), &rng);

		assert_true(id < n);
		seen[id]++;
	}
	for (uint64_t r = 1; r <= n; r++)
		by_rank[r] = seen[keydist_rank_to_id(&dist, r)];
	assert_true(fit(by_rank, law, n, draws) > P_OF_MANY);
	free(law);
}

static void test_uniform(void **state)
{
	struct keydist_params params = { .kind = KEYS_UNIFORM };
	const uint64_t n = 1000, draws = NR_DRAWS / 10;
	uint64_t seen[1001] = { 0 };
	double law[1001] = { 0 };
	struct keydist dist;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5, 0);
	keydist_init(&dist, &params, n, 0, 0, 1);
	for (uint64_t r = 1; r <= n; r++)
		law[r] = 1.0 / (double)n;
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t id = keydist_draw(&dist, OP_SEARCH, &rng);

		assert_true(id < n);
		seen[id + 1]++;
	}
	assert_true(fit(seen, law, n, draws) > P_OF_MANY);
}

static void check_hotspot(uint64_t n, double hot_keys, double hot_ops, uint64_t hot)
{
	struct keydist_params params = { .kind = KEYS_HOTSPOT,
					 .hot_keys = hot_keys,
					 .hot_ops = hot_ops };
	const uint64_t draws = NR_DRAWS / 10;
	uint64_t seen[1001] = { 0 }, by_rank[1001] = { 0 };
	double law[1001] = { 0 };
	struct keydist dist;
	struct rng rng;

	assert_true(n <= 1000);
	rng_seed(&rng, 6, n);
	keydist_init(&dist, &params, n, 0, 0, 1);
	assert_int_equal(dist.hot, hot);
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t id = keydist_draw(&dist, OP_SEARCH, &rng);

		assert_true(id < n);
		seen[id]++;
	}
	for (uint64_t r = 1; r <= n; r++) {
		by_rank[r] = seen[keydist_rank_to_id(&dist, r)];
		law[r] = hot == n ? 1.0 / (double)n :
			 r <= hot ? hot_ops / (double)hot :
				    (1 - hot_ops) / (double)(n - hot);
		if (law[r] == 0)
			assert_int_equal(by_rank[r], 0);
	}
	assert_true(fit(by_rank, law, n, draws) > P_OF_MANY);
}

static void test_hotspot(void **state)
{
	(void)state;
	check_hotspot(1000, 0.2, 0.8, 200);
	check_hotspot(1000, 0.001, 0.5, 1);
	check_hotspot(10, 0.2, 1, 2);
	check_hotspot(10, 0.5, 0, 5);
	check_hotspot(10, 1, 0.8, 10);
	check_hotspot(3, 0.01, 0.9, 1); /* less than a key is one key */
	check_hotspot(1, 0.2, 0.8, 1);
}

/* Without inserts: Zipf counted back from the last preloaded key. */
static void test_latest_counts_back(void **state)
{
	struct keydist_params params = { .kind = KEYS_LATEST, .theta = 0.99 };
	const uint64_t n = 1000, first_free = 400, draws = NR_DRAWS / 10;
	uint64_t by_rank[1001] = { 0 };
	double *law = zipf_law(0.99, n);
	struct keydist dist;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7, 0);
	keydist_init(&dist, &params, n, first_free, 1, 4);
	for (uint64_t i = 0; i < draws; i++) {
		uint64_t id = keydist_draw(&dist, OP_SEARCH, &rng);

		assert_true(id < n);
		by_rank[(first_free + n - id - 1) % n + 1]++;
	}
	assert_true(fit(by_rank, law, n, draws) > P_OF_MANY);
	free(law);
}

/* Four workers that insert in turn make every id once, in order, and each
 * draws from what is there by then; a worker alone draws the same. */
static void test_latest_workers_share_the_ids(void **state)
{
	struct keydist_params params = { .kind = KEYS_LATEST, .theta = 2 };
	const uint64_t n = 1003, first_free = 900;
	struct keydist dist[4], alone;
	struct rng rng[4], rng_alone;
	uint64_t next = first_free;

	(void)state;
	for (uint32_t w = 0; w < 4; w++) {
		keydist_init(&dist[w], &params, n, first_free, w, 4);
		rng_seed(&rng[w], 8, w);
	}
	alone = dist[2];
	rng_alone = rng[2];
	for (int round = 0; round < 1000; round++) {
		unsigned int newest = 0;

		for (uint32_t w = 0; w < 4; w++) {
			uint64_t id = keydist_draw(&dist[w], OP_INSERT, &rng[w]);

			assert_int_equal(id, next);
			next = (next + 1) % n;
			if (w == 2)
				assert_int_equal(keydist_draw(&alone, OP_INSERT, &rng_alone), id);
		}
		for (int i = 0; i < 40; i++) {
			enum op_kind kind = i % 2 ? OP_UPDATE : OP_REMOVE;
			uint64_t id = keydist_draw(&dist[2], kind, &rng[2]);

			assert_int_equal(keydist_draw(&alone, kind, &rng_alone), id);
			newest += id == (next + n - 1) % n;
		}
		assert_in_range(newest, 8, 40); /* 61 % of 40 on average */
	}
}

static void test_sequential(void **state)
{
	struct keydist_params params = { .kind = KEYS_SEQUENTIAL };
	const uint64_t n = 10;
	static const uint64_t starts[] = { 0, 3, 6 };
	struct keydist dist;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 9, 0);
	for (uint32_t w = 0; w < 3; w++) {
		keydist_init(&dist, &params, n, 5, w, 3);
		for (uint64_t i = 0; i < 25; i++)
			assert_int_equal(keydist_draw(&dist, OP_INSERT, &rng), (starts[w] + i) % n);
	}
	/* More workers than keys, and the last start of the largest keyspace. */
	keydist_init(&dist, &params, 1, 0, 4095, 4096);
	assert_int_equal(keydist_draw(&dist, OP_SEARCH, &rng), 0);
	assert_int_equal(keydist_draw(&dist, OP_SEARCH, &rng), 0);
	keydist_init(&dist, &params, (uint64_t)1 << 40, 0, 4095, 4096);
	assert_int_equal(keydist_draw(&dist, OP_SEARCH, &rng), (uint64_t)4095 << 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zipf_099_of_a_million),
		cmocka_unit_test(test_zipf_other_thetas),
		cmocka_unit_test(test_zipf_small_n),
		cmocka_unit_test(test_zipf_largest_n),
		cmocka_unit_test(test_zipf_absurd_thetas),
		cmocka_unit_test(test_rank_to_id_is_a_bijection),
		cmocka_unit_test(test_zipf_keys),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_hotspot),
		cmocka_unit_test(test_latest_counts_back),
		cmocka_unit_test(test_latest_workers_share_the_ids),
		cmocka_unit_test(test_sequential),
	};

	return cmocka_run_group_tests_name("keydist", tests, NULL, NULL);
}
