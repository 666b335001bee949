/* SPDX-License-Identifier: MIT */
/*
 * Recorded op streams: what is written is replayed operation by operation with the same
 * hash; what is broken is refused with the place, whatever it is that is broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "worker/ops_trace.h"
#include "worker/opstream.h"
#include "worker/rng.h"

#define TIMED ((uint64_t)1 << 2)
#define HEADER 96

static uint64_t ring[OPSTREAM_LEN], again[OPSTREAM_LEN];
static char why[OPS_TRACE_WHY_MAX];

static const struct params base = {
	.lock = "futex",
	.stripes = 1,
	.procs = 2,
	.capacity = 1000,
	.key_size = 16,
	.value_min = 16,
	.value_max = 200,
	.preload = 500,
	.keyspace = 1000,
	.keys = { .kind = KEYS_ZIPF, .theta = 0.99 },
	.mix = { 0.5, 0.25, 0, 0.25 },
	.trials = 2,
	.latency = LATENCY_SAMPLED,
	.sample_every = 64,
	.seed = 7,
};

static void path_of(char *path, size_t size)
{
	snprintf(path, size, "/tmp/shmbench-test-trace-%d", (int)getpid());
}

static void test_recorded_is_replayed(void **state)
{
	static const struct keydist_params draws[] = {
		{ .kind = KEYS_UNIFORM },
		{ .kind = KEYS_ZIPF, .theta = 0.99 },
		{ .kind = KEYS_HOTSPOT, .hot_keys = 0.2, .hot_ops = 0.8 },
		{ .kind = KEYS_LATEST, .theta = 0.99 },
		{ .kind = KEYS_SEQUENTIAL },
	};
	char path[64], one[80];

	(void)state;
	path_of(path, sizeof(path));
	for (size_t d = 0; d < sizeof(draws) / sizeof(draws[0]); d++) {
		struct params made = base, replayed = base;

		made.keys = draws[d];
		snprintf(one, sizeof(one), "%s-%zu", path, d); /* a path is read once */
		assert_int_equal(ops_trace_write(&made, one), 0);
		snprintf(replayed.ops_file, sizeof(replayed.ops_file), "%s", one);
		replayed.keys = (struct keydist_params){ .kind = KEYS_RECORDED };
		memset(replayed.mix, 0, sizeof(replayed.mix));
		for (uint32_t k = 0; k < 2; k++) {
			for (uint32_t w = 0; w < 2; w++) {
				uint64_t hash = 0, hash_again = 1;

				assert_int_equal(
					opstream_make(&made, k, w, ring, OPSTREAM_LEN, &hash), 0);
				assert_int_equal(opstream_make(&replayed, k, w, again, OPSTREAM_LEN,
							       &hash_again),
						 0);
				assert_int_equal(hash, hash_again);
				assert_memory_equal(ring, again, sizeof(ring));
			}
		}
		assert_int_equal(opstream_make(&replayed, 0, 2, again, OPSTREAM_LEN,
					       &(uint64_t){ 0 }),
				 -EINVAL);
		unlink(one);
	}
}

/* Another key that changes the work changes the hash. */
static void test_other_values_are_other_work(void **state)
{
	struct params made = base, replayed = base;
	uint64_t hash, hash_again;
	char path[64];

	(void)state;
	path_of(path, sizeof(path));
	assert_int_equal(ops_trace_write(&made, path), 0);
	snprintf(replayed.ops_file, sizeof(replayed.ops_file), "%s", path);
	replayed.value_max = 300;
	assert_int_equal(opstream_make(&made, 0, 0, ring, OPSTREAM_LEN, &hash), 0);
	assert_int_equal(opstream_make(&replayed, 0, 0, again, OPSTREAM_LEN, &hash_again), 0);
	assert_true(hash != hash_again);
	unlink(path);
}

static int parse(const char *text, struct ops_trace **trace)
{
	why[0] = '\0';
	return ops_trace_parse("x.csv", text, strlen(text), trace, why, sizeof(why));
}

static void test_csv(void **state)
{
	static const char text[] = "worker,op,key,size\r\n"
				   "# a comment\n\n"
				   " 0 , search , 17 \r\n"
				   "1,insert,4,64\n"
				   "0,update,1099511627775,1048575\n"
				   "0,remove,5,\n"
				   "1,insert,6"; /* no newline at the end */
	struct params params = base;
	struct ops_trace *trace;

	(void)state;
	params.value_max = SHMHT_VALUE_MAX;
	assert_int_equal(parse(text, &trace), 0);
	assert_int_equal(trace->nr_workers, 2);
	assert_int_equal(trace->keyspace, 1ull << 40);
	assert_int_equal(trace->shortest.bytes, 64);
	assert_int_equal(trace->shortest.line, 5);
	assert_int_equal(trace->longest.line, 6);
	assert_float_equal(trace->mix[OP_INSERT], 2.0 / 5, 1e-12);
	assert_int_equal(ops_trace_fill(trace, &params, 9, 0, ring, 4), 0);
	assert_int_equal(op_get_kind(ring[0]), OP_SEARCH);
	assert_int_equal(op_get_key(ring[0]), 17);
	assert_int_equal(op_get_key(ring[1]), (1ull << 40) - 1);
	assert_int_equal(op_value_len(ring[1], 16, SHMHT_VALUE_MAX), SHMHT_VALUE_MAX);
	assert_int_equal(op_get_kind(ring[2]), OP_REMOVE);
	assert_int_equal(ring[3], ring[0]); /* shorter than the ring: repeated */
	assert_int_equal(ops_trace_fill(trace, &params, 0, 1, ring, 2), 0);
	assert_int_equal(op_value_len(ring[0], 16, SHMHT_VALUE_MAX), 64);
	assert_int_equal(op_value_len(ring[1], 16, SHMHT_VALUE_MAX), SHMHT_VALUE_MAX);
	ops_trace_free(trace);
}

/* Every length of every range comes back as it was named. */
static void test_csv_value_sizes(void **state)
{
	static const uint32_t ranges[][2] = {
		{ 0, 0 }, { 0, 1 }, { 16, 64 }, { 1, 1000 }, { 0, SHMHT_VALUE_MAX }
	};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct params params = base;
		uint32_t low = ranges[i][0], high = ranges[i][1], step = (high - low) / 700 + 1;

		params.value_min = low;
		params.value_max = high;
		for (uint32_t len = low; len <= high; len += step) {
			struct ops_trace *trace;

			snprintf(line, sizeof(line), "0,insert,1,%u\n", len);
			assert_int_equal(parse(line, &trace), 0);
			assert_int_equal(ops_trace_fill(trace, &params, 0, 0, ring, 1), 0);
			assert_int_equal(op_value_len(ring[0], low, high), len);
			ops_trace_free(trace);
		}
	}
}

static void test_csv_refused(void **state)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{ "", "found no operation" },
		{ "worker,op,key\n", "found no operation" },
		{ "0,search\n", "line 1: found '0,search'" },
		{ "0,search,1,2,3\n", "line 1" },
		{ "0,search,1\n0,serch,1\n", "line 2: found 'serch', expected search" },
		{ "0,search,1\nworker,op,key\n", "line 2: found 'worker'" },
		{ "-1,search,1\n", "found '-1'" },
		{ "4096,search,1\n", "found '4096'" },
		{ "0,search,1099511627776\n", "below 2^40" },
		{ "0,search,99999999999999999999\n", "below 2^40" },
		{ "0,search,0x10\n", "found '0x10'" },
		{ "0,search,\n", "found ''" },
		{ "0,search,1,64\n", "only insert and update" },
		{ "0,insert,1,1048576\n", "found '1048576'" },
		{ "1,search,1\n", "no line of worker 0" },
		{ "0,search,1\n2,search,1\n", "no line of worker 1" },
		{ "\033[2J,search,1\n", "found '?[2J'" },
		{ "SHMBOPS2", "line 1" },
	};
	struct ops_trace *trace;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(cases[i].text, &trace) != -EINVAL || !strstr(why, cases[i].found))
			fail_msg("'%s': said '%s'", cases[i].text, why);
		assert_non_null(strstr(why, "x.csv"));
	}
}

static void test_csv_longest_stream(void **state)
{
	static const char line[] = "0,search,1\n";
	size_t len = sizeof(line) - 1, nr = OPSTREAM_LEN;
	char *text = malloc((nr + 1) * len);
	struct ops_trace *trace;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i <= nr; i++)
		memcpy(text + i * len, line, len);
	assert_int_equal(ops_trace_parse("x", text, nr * len, &trace, why, sizeof(why)), 0);
	ops_trace_free(trace);
	assert_int_equal(ops_trace_parse("x", text, (nr + 1) * len, &trace, why, sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, "line 1048577"));
	free(text);
}

/* One trial, two workers, four operations each; its hash made good. */
static size_t small_trace(unsigned char *bytes)
{
	const uint32_t counts[] = { 1, 2, 4, KEYS_UNIFORM };
	const uint64_t keyspace = 10;
	const double shares[7] = { 0, 0, 0, 0.5, 0.5, 0, 0 };
	uint64_t ops[8], hash;

	for (size_t i = 0; i < 8; i++)
		ops[i] = (uint64_t)i << 24 | (i & 1);
	memcpy(bytes, "SHMBOPS1", 8);
	memcpy(bytes + 8, counts, 16);
	memcpy(bytes + 24, &keyspace, 8);
	memcpy(bytes + 32, shares, 56);
	memcpy(bytes + HEADER, ops, sizeof(ops));
	hash = XXH3_64bits(ops, sizeof(ops));
	memcpy(bytes + 88, &hash, 8);
	return HEADER + sizeof(ops);
}

static int parse_changed(size_t offset, const void *to, size_t width, bool rehash)
{
	unsigned char bytes[HEADER + 64] __attribute__((aligned(8)));
	size_t len = small_trace(bytes);
	struct ops_trace *trace = NULL;
	uint64_t hash;
	int r;

	memcpy(bytes + offset, to, width);
	if (rehash) {
		hash = XXH3_64bits(bytes + HEADER, len - HEADER);
		memcpy(bytes + 88, &hash, 8);
	}
	why[0] = '\0';
	r = ops_trace_parse("x.ops", bytes, len, &trace, why, sizeof(why));
	ops_trace_free(trace);
	return r;
}

static void test_binary_refused(void **state)
{
	const uint32_t none = 0, many = UINT32_MAX, one = 1;
	const uint64_t wide = 1ull << 41, timed = TIMED, key = 10ull << 24, removal = 3;
	const double nan = __builtin_nan(""), half = 0.25;
	const struct {
		size_t offset;
		const void *to;
		size_t width;
		const char *said;
	} cases[] = {
		{ 8, &none, 4, "offset 8: found 0 trials" },
		{ 8, &many, 4, "offset 8: found 4294967295 trials" },
		{ 12, &none, 4, "offset 12: found 0 workers" },
		{ 12, &one, 4, "found 160 bytes, expected 128" },
		{ 16, &many, 4, "offset 16" },
		{ 20, &many, 4, "offset 20" },
		{ 24, &none, 4, "offset 24: found 0 distinct keys" },
		{ 24, &wide, 8, "offset 24" },
		{ 32, &nan, 8, "offset 32" },
		{ 40, &nan, 8, "offset 32" },
		{ 56, &nan, 8, "offset 56" },
		{ 56, &half, 8, "sum is 0.75" },
		{ HEADER, &timed, 8, "offset 96: found bits 2 and 3 as 1" },
		{ HEADER + 8, &key, 8, "offset 104: found key 10, expected one below 10" },
		{ HEADER + 16, &removal, 8, "offset 112: found remove" },
	};

	(void)state;
	assert_int_equal(parse_changed(0, "S", 1, true), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (parse_changed(cases[i].offset, cases[i].to, cases[i].width, true) != -EINVAL ||
		    !strstr(why, cases[i].said))
			fail_msg("case %zu said '%s', expected '%s'", i, why, cases[i].said);
	/* Any one changed bit of the operations is found without being a wrong one. */
	assert_int_equal(parse_changed(HEADER + 8, &key, 1, false), -EINVAL);
	assert_non_null(strstr(why, "changed or cut"));
}

static void test_cut_anywhere(void **state)
{
	unsigned char bytes[HEADER + 64] __attribute__((aligned(8)));
	size_t len = small_trace(bytes);
	struct ops_trace *trace;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		/* Of its own size, so that a sanitizer sees a read behind it. */
		unsigned char *part = malloc(cut ? cut : 1);

		assert_non_null(part);
		memcpy(part, bytes, cut);
		assert_int_equal(ops_trace_parse("x", part, cut, &trace, why, sizeof(why)),
				 -EINVAL);
		free(part);
	}
}

/* Both forms, bytes changed at random: refused or whole, never anything else. */
static void test_random_damage(void **state)
{
	static const char csv[] = "worker,op,key,size\n0,search,17\n1,insert,4,64\n0,remove,5\n";
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1, 2);
	for (unsigned int i = 0; i < 100000; i++) {
		unsigned char bytes[HEADER + 64] __attribute__((aligned(8)));
		size_t len = sizeof(csv) - 1;
		struct ops_trace *trace = NULL;

		if (i & 1)
			len = small_trace(bytes);
		else
			memcpy(bytes, csv, len);
		for (uint64_t n = 1 + rng_below(&rng, 4); n; n--)
			bytes[rng_below(&rng, len)] = (unsigned char)rng_next(&rng);
		why[0] = '\0';
		if (ops_trace_parse("x", bytes, len, &trace, why, sizeof(why))) {
			assert_true(why[0] != '\0');
			assert_null(trace);
			continue;
		}
		for (uint32_t w = 0; w < trace->nr_workers; w++) {
			assert_int_equal(ops_trace_fill(trace, &base, 0, w, ring, 16), 0);
			for (size_t k = 0; k < 16; k++)
				assert_true(op_get_key(ring[k]) < trace->keyspace);
		}
		ops_trace_free(trace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_is_replayed),
		cmocka_unit_test(test_other_values_are_other_work),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_value_sizes),
		cmocka_unit_test(test_csv_refused),
		cmocka_unit_test(test_csv_longest_stream),
		cmocka_unit_test(test_binary_refused),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
