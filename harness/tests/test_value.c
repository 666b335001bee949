/* SPDX-License-Identifier: MIT */
/*
 * The verifier's own promises: ids give distinct keys, and a value that was
 * torn, corrupted or meant for another key is told from a whole one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "verify/value.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SHMBENCH_SANITIZED)
#define NR_KEYS 20000u
#define NR_IDS 300u
#else
#define NR_KEYS 200000u
#define NR_IDS 2000u
#endif

#define LEN_MAX 300u
#define KEY_MAX 64u
#define CANARY 0xa5u

static const uint64_t nonces[] = { 0, 1, 2, 0x100000000ull, 1ull << 44, 7ull << 44 | 12345 };
#define NR_NONCES (sizeof(nonces) / sizeof(nonces[0]))

/* ---- keys -------------------------------------------------------------- */

static size_t key_bytes; /* qsort has no argument for it */

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, key_bytes);
}

/* Neighbours at the bottom, and ids spread up to the highest that fits. */
static uint64_t some_id(uint64_t i, uint64_t nr, uint64_t highest)
{
	return i < nr / 2 || highest < nr ? i : highest - (i - nr / 2) * (highest / nr / 2);
}

static void check_distinct(size_t size)
{
	uint64_t highest = size < 5 ? ((uint64_t)1 << 8 * size) - 1 : ((uint64_t)1 << 40) - 1;
	uint64_t nr = highest < NR_KEYS ? highest + 1 : NR_KEYS;
	unsigned char *keys = malloc(nr * size);
	uint64_t key[KEY_MAX / 8 + 1];

	assert_non_null(keys);
	for (uint64_t i = 0; i < nr; i++) {
		memset(key, CANARY, sizeof(key));
		key_make(some_id(i, nr, highest), key, size);
		assert_int_equal(((unsigned char *)key)[(size + 7) / 8 * 8], CANARY);
		memcpy(keys + i * size, key, size);
	}
	key_bytes = size;
	qsort(keys, nr, size, compare_keys);
	for (uint64_t i = 1; i < nr; i++)
		if (memcmp(keys + (i - 1) * size, keys + i * size, size) == 0)
			fail_msg("key_size %zu: two ids have one key", size);
	free(keys);
}

static void test_distinct_ids_distinct_keys(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 63, 64 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_distinct(sizes[i]);
}

static void test_key_is_a_function_of_the_id(void **state)
{
	uint64_t a[KEY_MAX / 8], b[KEY_MAX / 8];

	(void)state;
	memset(a, 0, sizeof(a));
	memset(b, 0xff, sizeof(b));
	for (size_t size = 1; size <= KEY_MAX; size++) {
		key_make(4711, a, size);
		key_make(4711, b, size);
		assert_memory_equal(a, b, size);
	}
}

/* ---- values ------------------------------------------------------------ */

static void test_whole_values_pass(void **state)
{
	unsigned char value[LEN_MAX + 1];

	(void)state;
	for (size_t len = 0; len <= LEN_MAX; len++) {
		for (size_t n = 0; n < NR_NONCES; n++) {
			memset(value, CANARY, sizeof(value));
			value_fill(value, len, 99, nonces[n]);
			assert_true(value_is_of(value, len, 99));
			assert_int_equal(value[len], CANARY);
		}
	}
}

static void test_any_corrupted_byte(void **state)
{
	unsigned char value[LEN_MAX];

	(void)state;
	for (size_t len = 16; len <= LEN_MAX; len += len < 40 ? 1 : 37) {
		value_fill(value, len, 7, nonces[len % NR_NONCES]);
		for (size_t at = 0; at < len; at++) {
			for (unsigned int flip = 1; flip < 256; flip++) {
				value[at] ^= (unsigned char)flip;
				if (value_is_of(value, len, 7))
					fail_msg("length %zu: byte %zu ^ %#x unseen", len, at,
						 flip);
				value[at] ^= (unsigned char)flip;
			}
		}
		assert_true(value_is_of(value, len, 7));
	}
}

/* Bytes [from, to) of one write in the middle of another of the same key. */
static void check_torn(const unsigned char *a, const unsigned char *b, size_t len, size_t from,
		       size_t to)
{
	unsigned char torn[LEN_MAX];

	memcpy(torn, a, len);
	memcpy(torn + from, b + from, to - from);
	/* A tail of a byte or two may be the same in both: then nothing is torn. */
	if (memcmp(torn, a, len) == 0 || memcmp(torn, b, len) == 0)
		return;
	if (value_is_of(torn, len, 7))
		fail_msg("length %zu: bytes %zu to %zu of another write unseen", len, from, to);
}

static void test_torn_between_writes_of_one_key(void **state)
{
	unsigned char a[LEN_MAX], b[LEN_MAX];

	(void)state;
	for (size_t len = 16; len <= LEN_MAX; len++) {
		value_fill(a, len, 7, nonces[len % NR_NONCES]);
		value_fill(b, len, 7, nonces[(len + 1) % NR_NONCES]);
		for (size_t at = 0; at < len; at += 8) {
			size_t end = at + 8 < len ? at + 8 : len;

			/* One word swapped, then all from there on, then all before it. */
			if (end == at + 8)
				assert_memory_not_equal(a + at, b + at, 8);
			check_torn(a, b, len, at, end);
			check_torn(a, b, len, at, len);
			check_torn(b, a, len, at, end);
		}
		for (size_t at = 1; at < len; at++)
			check_torn(a, b, len, at, len);
	}
}

static void test_foreign_values(void **state)
{
	unsigned char value[LEN_MAX];
	static const size_t lens[] = { 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 64, LEN_MAX };

	(void)state;
	for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
		for (uint64_t id = 0; id < NR_IDS; id++) {
			value_fill(value, lens[l], id, nonces[id % NR_NONCES]);
			for (uint64_t other = 0; other < NR_IDS; other++)
				if (value_is_of(value, lens[l], other) != (other == id))
					fail_msg("length %zu: value of %llu, asked as of %llu",
						 lens[l], (unsigned long long)id,
						 (unsigned long long)other);
		}
	}
}

/* A value that was cut short, or is followed by what was there before. */
static void test_other_length(void **state)
{
	unsigned char value[LEN_MAX + 8];

	(void)state;
	for (size_t len = 16; len < LEN_MAX; len++) {
		memset(value, 0, sizeof(value));
		value_fill(value, len, 7, nonces[len % NR_NONCES]);
		for (size_t other = 16; other < LEN_MAX; other++)
			assert_int_equal(value_is_of(value, other, 7), other == len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distinct_ids_distinct_keys),
		cmocka_unit_test(test_key_is_a_function_of_the_id),
		cmocka_unit_test(test_whole_values_pass),
		cmocka_unit_test(test_any_corrupted_byte),
		cmocka_unit_test(test_torn_between_writes_of_one_key),
		cmocka_unit_test(test_foreign_values),
		cmocka_unit_test(test_other_length),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
