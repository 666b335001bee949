/* SPDX-License-Identifier: MIT */
/*
 * Op streams: equal inputs give equal work and equal hashes, every input that
 * matters changes the hash and no other does, and the proportions are those
 * that were asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/opstream.h"

#define LEN 65536u
#define TIMED ((uint64_t)1 << 2)

_Static_assert((OPSTREAM_LEN & (OPSTREAM_LEN - 1)) == 0, "readers wrap by masking");

static uint64_t ring[OPSTREAM_LEN], other[OPSTREAM_LEN];

static const struct params base = {
	.lock = "futex",
	.stripes = 1,
	.procs = 4,
	.capacity = 100000,
	.key_size = 16,
	.value_min = 64,
	.value_max = 64,
	.preload = 50000,
	.keyspace = 100000,
	.keys = { .kind = KEYS_UNIFORM },
	.mix = { 0.9, 0.05, 0, 0.05 },
	.trials = 6,
	.latency = LATENCY_SAMPLED,
	.sample_every = 64,
	.seed = 1,
};

static uint64_t make(const struct params *params, uint32_t trial, uint32_t worker, uint64_t *ops)
{
	uint64_t hash = 0;

	assert_int_equal(opstream_make(params, trial, worker, ops, LEN, &hash), 0);
	return hash;
}

static void test_same_inputs_same_stream(void **state)
{
	enum keydist_kind kind;

	(void)state;
	for (kind = KEYS_UNIFORM; kind <= KEYS_SEQUENTIAL; kind++) {
		struct params params = base;

		params.keys = (struct keydist_params){ kind, 0.99, 0.2, 0.8 };
		memset(ring, 0, sizeof(ring));
		memset(other, 0xff, sizeof(other));
		assert_int_equal(make(&params, 3, 2, ring), make(&params, 3, 2, other));
		assert_memory_equal(ring, other, LEN * sizeof(ring[0]));
	}
}

/* A shorter ring is the beginning of a longer one. */
static void test_prefix(void **state)
{
	uint64_t hash[3];

	(void)state;
	assert_int_equal(opstream_make(&base, 0, 1, ring, LEN, &hash[0]), 0);
	assert_int_equal(opstream_make(&base, 0, 1, other, 1000, &hash[1]), 0);
	assert_memory_equal(ring, other, 1000 * sizeof(ring[0]));
	assert_int_not_equal(hash[0], hash[1]);
	assert_int_equal(opstream_make(&base, 0, 1, other, 0, &hash[2]), 0);
}

static void expect_hash(const struct params *params, uint32_t trial, uint32_t worker, int changed)
{
	uint64_t was = make(&base, 0, 0, ring), is = make(params, trial, worker, other);

	if (changed)
		assert_int_not_equal(was, is);
	else
		assert_int_equal(was, is);
}

static void test_inputs_that_change_the_hash(void **state)
{
	struct params params;

	(void)state;
	expect_hash(&base, 1, 0, 1);
	expect_hash(&base, 0, 1, 1);
#define CHANGED(assignment)                    \
	do {                                   \
		params = base;                 \
		assignment;                    \
		expect_hash(&params, 0, 0, 1); \
	} while (0)
	CHANGED(params.seed = 2);
	CHANGED(params.seed = 0);
	CHANGED(params.keyspace++);
	CHANGED(params.preload++);
	CHANGED(params.key_size++);
	CHANGED(params.value_min = 63);
	CHANGED(params.value_max = 65);
	CHANGED(params.mix[OP_SEARCH] = 0.89; params.mix[OP_UPDATE] = 0.01);
	CHANGED(params.mix[OP_INSERT] = 0.06; params.mix[OP_REMOVE] = 0.04);
	for (unsigned int k = KEYS_ZIPF; k <= KEYS_SEQUENTIAL; k++) {
		const struct keydist_params keys = { (enum keydist_kind)k, 0.99, 0.2, 0.8 };

		CHANGED(params.keys = keys);
	}
}

/* What each distribution reads, and what it does not. */
static void test_inputs_of_each_distribution(void **state)
{
	static const struct {
		enum keydist_kind kind;
		int theta, hot_keys, hot_ops, procs;
	} reads[] = {
		{ KEYS_UNIFORM, 0, 0, 0, 0 },	 { KEYS_ZIPF, 1, 0, 0, 0 },
		{ KEYS_HOTSPOT, 0, 1, 1, 0 },	 { KEYS_LATEST, 1, 0, 0, 1 },
		{ KEYS_SEQUENTIAL, 0, 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct params params = base;
		uint64_t hash;

		params.keys = (struct keydist_params){ reads[i].kind, 0.99, 0.2, 0.8 };
		hash = make(&params, 0, 1, ring);
		params.keys.theta = 1;
		assert_int_equal(make(&params, 0, 1, ring) != hash, reads[i].theta);
		params.keys.theta = 0.99;
		params.keys.hot_keys = 0.3;
		assert_int_equal(make(&params, 0, 1, ring) != hash, reads[i].hot_keys);
		params.keys.hot_keys = 0.2;
		params.keys.hot_ops = 0.9;
		assert_int_equal(make(&params, 0, 1, ring) != hash, reads[i].hot_ops);
		params.keys.hot_ops = 0.8;
		params.procs = 8;
		assert_int_equal(make(&params, 0, 1, ring) != hash, reads[i].procs);
	}
}

static void test_inputs_that_do_not(void **state)
{
	struct params params;

	(void)state;
#define UNCHANGED(assignment)                                                  \
	do {                                                                   \
		params = base;                                                 \
		assignment;                                                    \
		expect_hash(&params, 0, 0, 0);                                 \
		for (uint32_t i = 0; i < LEN; i++)                             \
			assert_int_equal(ring[i] & ~TIMED, other[i] & ~TIMED); \
	} while (0)
	UNCHANGED(strcpy(params.lock, "spin"));
	UNCHANGED(params.read = SHMHT_READ_RCU);
	UNCHANGED(params.stripes = 64);
	UNCHANGED(params.workers = WORKERS_THREAD);
	UNCHANGED(params.capacity = 10000000);
	UNCHANGED(params.pages = SHMHT_PAGES_2M);
	UNCHANGED(params.pin = PIN_COMPACT);
	UNCHANGED(params.mem = MEM_INTERLEAVE);
	UNCHANGED(params.trials = 12);
	UNCHANGED(params.duration_ns = 1);
	UNCHANGED(params.verify = VERIFY_OFF);
	UNCHANGED(params.latency = LATENCY_OFF);
	UNCHANGED(params.latency = LATENCY_EVERY);
	UNCHANGED(params.sample_every = 3);
	UNCHANGED(params.keys.theta = 7); /* not read by uniform */
}

static void check_share(uint64_t count, double expected)
{
	double n = OPSTREAM_LEN, sd = sqrt(n * expected * (1 - expected));

	assert_true(fabs((double)count - n * expected) <= 4 * sd);
}

static void test_proportions(void **state)
{
	static const double mixes[][OP_NR] = {
		{ 0.9, 0.05, 0, 0.05 },
		{ 1, 0, 0, 0 },
		{ 0, 0, 0, 1 },
		{ 0, 0.5, 0, 0.5 },
		{ 0.25, 0.25, 0.25, 0.25 },
		{ 0, 0.999, 0.001, 0 },
		{ 1.0 / 3, 1.0 / 3, 1.0 / 3, 0 },
	};
	uint64_t hash;

	(void)state;
	for (size_t m = 0; m < sizeof(mixes) / sizeof(mixes[0]); m++) {
		uint64_t kinds[OP_NR] = { 0 }, timed = 0, low_keys = 0, short_values = 0;
		struct params params = base;

		memcpy(params.mix, mixes[m], sizeof(params.mix));
		assert_int_equal(opstream_make(&params, 0, 0, ring, OPSTREAM_LEN, &hash), 0);
		for (uint32_t i = 0; i < OPSTREAM_LEN; i++) {
			kinds[op_get_kind(ring[i])]++;
			timed += (uint64_t)op_is_timed(ring[i]);
			low_keys += op_get_key(ring[i]) < 25000;
			short_values += op_value_len(ring[i], 0, 9) == 0;
			assert_true(op_get_key(ring[i]) < params.keyspace);
			assert_int_equal(ring[i] & 8, 0);
		}
		for (int k = 0; k < OP_NR; k++)
			check_share(kinds[k], mixes[m][k]);
		check_share(timed, 1.0 / 64);
		check_share(low_keys, 0.25);
		check_share(short_values, 0.1);
	}
}

/* Runs of whole calls, whose keys are the mix's share of all, and whose first
 * word alone says whether the call is timed. */
static void test_calls_of_many(void **state)
{
	uint64_t hash, many = 0, calls = 0, timed = 0;
	struct params params = base;

	(void)state;
	memcpy(params.mix, (double[OP_NR]){ 0.3, 0.1, 0, 0.1, 0.5 }, sizeof(params.mix));
	params.batch = 13;
	assert_int_equal(opstream_make(&params, 0, 0, ring, OPSTREAM_LEN, &hash), 0);
	for (uint32_t i = 0, left = 0; i < OPSTREAM_LEN; i++) {
		if (!left && op_is_many(ring[i])) {
			left = params.batch;
			calls++;
			timed += (uint64_t)op_is_timed(ring[i]);
		} else if (left) {
			assert_true(op_is_many(ring[i]));
			assert_false(op_is_timed(ring[i]));
		}
		if (left) {
			assert_int_equal(op_get_kind(ring[i]), OP_SEARCH);
			left--;
			many++;
		}
	}
	/* Calls are independent draws: their number varies as that of so many. */
	assert_true(fabs((double)calls * 13 - 0.5 * OPSTREAM_LEN) <= 4 * 13 * sqrt((double)calls));
	assert_true(many > (calls - 1) * params.batch && many <= calls * params.batch);
	assert_true(fabs((double)timed - (double)calls / 64) <= 4 * sqrt((double)calls / 64));
}

/* Only where there are any. */
static void test_batch_in_the_hash(void **state)
{
	struct params params = base;
	uint64_t before;

	(void)state;
	params.batch = 32;
	before = make(&params, 0, 0, ring);
	assert_int_equal(before, make(&base, 0, 0, ring));
	memcpy(params.mix, (double[OP_NR]){ [OP_SEARCH_MANY] = 1 }, sizeof(params.mix));
	before = make(&params, 0, 0, ring);
	params.batch = 16; /* all are searches: the ring's words are the same */
	assert_int_not_equal(before, make(&params, 0, 0, ring));
}

static void test_timed_bit(void **state)
{
	struct params params = base;

	(void)state;
	params.latency = LATENCY_EVERY;
	make(&params, 0, 0, ring);
	for (uint32_t i = 0; i < LEN; i++)
		assert_true(op_is_timed(ring[i]));
	params.latency = LATENCY_OFF;
	make(&params, 0, 0, ring);
	for (uint32_t i = 0; i < LEN; i++)
		assert_false(op_is_timed(ring[i]));
	params.latency = LATENCY_SAMPLED;
	params.sample_every = 1;
	make(&params, 0, 0, ring);
	for (uint32_t i = 0; i < LEN; i++)
		assert_true(op_is_timed(ring[i]));
}

/* Timed at random: as often among inserts as among searches, and not every
 * 64th operation, which would beat with anything periodic. */
static void test_timed_at_random(void **state)
{
	uint64_t inserts = 0, timed_inserts = 0, regular = 0, hash;
	struct params params = base;
	uint32_t last = 0;

	(void)state;
	params.mix[OP_SEARCH] = params.mix[OP_INSERT] = 0.5;
	params.mix[OP_REMOVE] = 0;
	assert_int_equal(opstream_make(&params, 0, 0, ring, OPSTREAM_LEN, &hash), 0);
	for (uint32_t i = 0; i < OPSTREAM_LEN; i++) {
		int insert = op_get_kind(ring[i]) == OP_INSERT;

		inserts += (uint64_t)insert;
		if (!op_is_timed(ring[i]))
			continue;
		timed_inserts += (uint64_t)insert;
		regular += i - last == 64;
		last = i;
	}
	check_share(timed_inserts, 0.5 / 64);
	check_share(inserts, 0.5);
	assert_true(regular < OPSTREAM_LEN / 64 / 50); /* geometric: 0.6 % of the gaps */
}

/* Another mix over the same keys: only what is done changes. */
static void test_mix_keeps_the_keys(void **state)
{
	struct params params = base;

	(void)state;
	make(&base, 0, 0, ring);
	params.mix[OP_SEARCH] = 0.5;
	params.mix[OP_UPDATE] = 0.4;
	make(&params, 0, 0, other);
	for (uint32_t i = 0; i < LEN; i++)
		assert_int_equal(op_get_key(ring[i]), op_get_key(other[i]));
}

/* Streams of different workers, trials and seeds have no more in common than chance. */
static void test_streams_differ(void **state)
{
	struct params params = base;

	(void)state;
	make(&base, 0, 0, ring);
	params.procs = SHMHT_WORKERS_MAX;
	for (uint32_t i = 1; i < 30; i++) {
		uint32_t equal = 0;

		params.seed = i % 3 == 0 ? 1 + i : 1;
		make(&params, i % 3 == 1 ? i : 0, i % 3 == 2 ? i : 0, other);
		for (uint32_t j = 0; j < LEN; j++)
			equal += op_get_key(ring[j]) == op_get_key(other[j]);
		assert_true(equal < 10); /* 0.7 expected */
	}
}

static void test_largest_keyspace(void **state)
{
	struct params params = base;
	uint64_t hash = 77, largest = 0;

	(void)state;
	params.keyspace = (uint64_t)1 << 40;
	make(&params, 0, 0, ring);
	for (uint32_t i = 0; i < LEN; i++) {
		assert_true(op_get_key(ring[i]) < params.keyspace);
		if (op_get_key(ring[i]) > largest)
			largest = op_get_key(ring[i]);
	}
	assert_true(largest > params.keyspace / 1000 * 998);
	params.keyspace++;
	assert_int_equal(opstream_make(&params, 0, 0, ring, LEN, &hash), -EINVAL);
	assert_int_equal(hash, 77);
}

static void test_refusals(void **state)
{
	struct params params;
	uint64_t hash;

	(void)state;
#define REFUSED(worker, assignment)                                                             \
	do {                                                                                    \
		params = base;                                                                  \
		assignment;                                                                     \
		assert_int_equal(opstream_make(&params, 0, worker, ring, LEN, &hash), -EINVAL); \
	} while (0)
	REFUSED(0, params.keyspace = 0);
	REFUSED(4, (void)0);
	REFUSED(0, params.procs = 0);
	REFUSED(0, params.sample_every = 0);
	REFUSED(0, params.mix[OP_SEARCH] = NAN);
	REFUSED(0, params.mix[OP_SEARCH] = -0.1);
	REFUSED(0, params.mix[OP_SEARCH] = 0);
	REFUSED(0, params.mix[OP_UPDATE] = 0.5);
	REFUSED(0, (params.mix[OP_SEARCH] = 0, params.mix[OP_SEARCH_MANY] = 0.9));
	REFUSED(0,
		(params.mix[OP_SEARCH] = 0, params.mix[OP_SEARCH_MANY] = 0.9, params.batch = 33));
}

static void test_value_lengths(void **state)
{
	uint64_t seen[11] = { 0 };

	(void)state;
	make(&base, 0, 0, ring);
	for (uint32_t i = 0; i < LEN; i++) {
		uint32_t len = op_value_len(ring[i], 5, 15);

		assert_in_range(len, 5, 15);
		seen[len - 5]++;
		assert_int_equal(op_value_len(ring[i], 64, 64), 64);
		assert_true(op_value_len(ring[i], 0, SHMHT_VALUE_MAX) <= SHMHT_VALUE_MAX);
	}
	for (int i = 0; i < 11; i++)
		assert_in_range(seen[i], LEN / 11 - 300, LEN / 11 + 300); /* 4 sd */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_inputs_same_stream),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_inputs_that_change_the_hash),
		cmocka_unit_test(test_inputs_of_each_distribution),
		cmocka_unit_test(test_inputs_that_do_not),
		cmocka_unit_test(test_proportions),
		cmocka_unit_test(test_calls_of_many),
		cmocka_unit_test(test_batch_in_the_hash),
		cmocka_unit_test(test_timed_bit),
		cmocka_unit_test(test_timed_at_random),
		cmocka_unit_test(test_mix_keeps_the_keys),
		cmocka_unit_test(test_streams_differ),
		cmocka_unit_test(test_largest_keyspace),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_value_lengths),
	};

	return cmocka_run_group_tests_name("opstream", tests, NULL, NULL);
}
