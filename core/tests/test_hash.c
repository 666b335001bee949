/* SPDX-License-Identifier: MIT */
/*
 * The hash: equal to the library's, mixed well enough for bucket and tag, and
 * a caller's own proven and called as promised.
 */
#include <math.h>

#include "hash.h"
#include "siphash.h"
#include "support.h"
#include "table.h"

/* The header-only hash takes a short way for the usual lengths. */
static void equals_xxh3(const struct shmht_strategy *strategy)
{
	static const uint64_t seeds[] = { 0, 1, 0x9e3779b97f4a7c15ull, UINT64_MAX };
	unsigned char key[SHMHT_KEY_MAX + 8];

	(void)strategy;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)mix64(i);
	for (size_t len = 1; len <= SHMHT_KEY_MAX; len += len < 300 ? 1 : 37)
		for (size_t s = 0; s < 4; s++)
			for (size_t shift = 0; shift < 3; shift++) {
				uint64_t want = XXH3_64bits_withSeed(key + shift, len, seeds[s]);

				assert_int_equal(hash_xxh3(key + shift, len, seeds[s]), want);
				assert_int_equal(hash_key(NULL, key + shift, len, seeds[s]), want);
			}
}

/* The paper's vectors: key 00..0f, messages 00, 01, ... of that length. */
static void equals_siphash(const struct shmht_strategy *strategy)
{
	static const struct {
		size_t len;
		uint64_t want;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31ull },
		{ 1, 0x74f839c593dc67fdull },
		{ 8, 0x93f5f5799a932462ull },
		{ 15, 0xa129ca6149be45e5ull },
	};
	const uint64_t key[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	unsigned char message[15];

	(void)strategy;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(siphash24(message, vectors[i].len, key), vectors[i].want);
	/* Each bit of the key counts. */
	for (unsigned int bit = 0; bit < 128; bit++) {
		const uint64_t other[2] = { key[0] ^ (bit < 64 ? 1ull << bit : 0),
					    key[1] ^ (bit < 64 ? 0 : 1ull << (bit - 64)) };

		assert_int_not_equal(siphash24(message, 15, key), siphash24(message, 15, other));
	}
}

static uint64_t poor_hash(const void *key, size_t len, uint64_t seed)
{
	uint64_t h = 0;

	memcpy(&h, key, len < 8 ? len : 8);
	return h + seed;
}

/* Chi-square over the parts that choose stripe, bucket and tag; the bound is
 * that of 6 standard deviations. */
static void assert_even(const uint32_t *bins, unsigned int nr, uint64_t total)
{
	double expected = (double)total / nr, chi = 0;

	for (unsigned int i = 0; i < nr; i++)
		chi += (bins[i] - expected) * (bins[i] - expected) / expected;
	if (fabs(chi - nr) > 6 * sqrt(2.0 * nr))
		fail_msg("chi-square is %.0f over %u bins", chi, nr);
}

static void poor_hashes_are_mixed(const struct shmht_strategy *strategy)
{
	static const unsigned int steps[] = { 1, 2, 64, 4096, 1u << 20 };

	(void)strategy;
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		uint32_t stripe[256] = { 0 }, low[256] = { 0 }, middle[256] = { 0 };
		uint32_t tag[256] = { 0 };

		for (uint64_t i = 0; i < 65536; i++) {
			uint64_t key = i * steps[s], h = hash_key(poor_hash, &key, 8, 0);

			stripe[h >> 56]++;
			middle[h >> 40 & 255]++;
			low[h >> 16 & 255]++;
			tag[tag_of_hash(h) >> 8]++;
		}
		assert_even(stripe, 256, 65536);
		assert_even(middle, 256, 65536);
		assert_even(low, 256, 65536);
		assert_even(tag, 256, 65536);
	}
}

static uint64_t length_blind(const void *key, size_t len, uint64_t seed)
{
	(void)len;
	return *(const unsigned char *)key + seed;
}

static uint64_t all_bytes(const void *key, size_t len, uint64_t seed)
{
	const unsigned char *bytes = key;
	uint64_t h = seed ^ len;

	while (len--)
		h = (h ^ *bytes++) * 0x100000001b3ull;
	return h;
}

/* Differs for 16-byte keys alone. */
static uint64_t all_but_16(const void *key, size_t len, uint64_t seed)
{
	return all_bytes(key, len, seed) + (len == 16);
}

static void proof_tells_apart(const struct shmht_strategy *strategy)
{
	static const shmht_hash_fn fns[] = { NULL, poor_hash, length_blind, all_bytes, all_but_16 };
	uint64_t proofs[64];
	size_t nr = 0;

	(void)strategy;
	for (size_t f = 0; f < 5; f++)
		for (uint64_t seed = 0; seed < 3; seed++)
			proofs[nr++] = hash_proof(fns[f], 16, seed);
	proofs[nr++] = hash_proof(NULL, 17, 0);
	for (size_t i = 0; i < nr; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(proofs[i], proofs[j]);
	assert_int_equal(hash_proof(all_bytes, 16, 1), hash_proof(all_bytes, 16, 1));
	assert_int_equal(hash_proof(all_bytes, 15, 1), hash_proof(all_but_16, 15, 1));
}

/* ---- how a caller's hash is called --------------------------------------- */

static struct {
	const void *key;
	size_t len;
	uint64_t seed;
	unsigned int calls;
} last;

static uint64_t recording_hash(const void *key, size_t len, uint64_t seed)
{
	last.key = key;
	last.len = len;
	last.seed = seed;
	last.calls++;
	return all_bytes(key, len, seed);
}

/* Once an operation, with the caller's key, its length and the seed. */
static void called_with_key_and_length(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	char key[16] = "0123456789abcde", value[64];
	struct table t;
	size_t got;

	cfg.hash = recording_hash;
	cfg.hash_seed = 4711;
	t = table_open(&cfg);
	for (size_t len = 1; len <= 16; len++)
		for (int op = 0; op < 5; op++) {
			int r;

			last.calls = 0;
			if (op == 0)
				r = shmht_insert(t.ctx, key, len, "v", 1);
			else if (op == 1)
				r = shmht_update(t.ctx, key, len, "w", 1);
			else if (op == 2)
				r = shmht_upsert(t.ctx, key, len, "x", 1);
			else if (op == 3)
				r = shmht_search(t.ctx, key, len, value, sizeof(value), &got);
			else
				r = shmht_remove(t.ctx, key, len);
			assert_rc(r, 0);
			assert_int_equal(last.calls, 1);
			assert_ptr_equal(last.key, key);
			assert_int_equal(last.len, len);
			assert_int_equal(last.seed, 4711);
		}
	/* Not for what is refused before it could matter. */
	last.calls = 0;
	assert_rc(shmht_insert(t.ctx, key, 0, "v", 1), -EINVAL);
	assert_rc(shmht_insert(t.ctx, key, 17, "v", 1), -E2BIG);
	assert_rc(shmht_insert(t.ctx, key, 16, value, 65), -E2BIG);
	assert_int_equal(last.calls, 0);
	table_close(&t);
}

/* Equal tags and buckets, different keys: the bytes decide. */
static void collisions_are_told_apart(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 300);
	struct table t;

	cfg.hash = length_blind;
	t = table_open(&cfg);
	for (uint64_t k = 0; k < 300; k++)
		assert_rc(put_number(t.ctx, k << 8 | 7), 0);
	for (uint64_t k = 0; k < 300; k += 2)
		assert_rc(remove_number(t.ctx, k << 8 | 7), 0);
	for (uint64_t k = 0; k < 300; k++)
		assert_int_equal(has_number(t.ctx, k << 8 | 7), k & 1);
	table_close(&t);
}

/* With one hash for all, length alone tells a key from the same with zeros
 * behind it: in the region both are padded to the same words. */
static void padding_is_not_part_of_a_key(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 20);
	char key[16] = "k";
	size_t value, got;
	struct table t;

	cfg.hash = length_blind;
	t = table_open(&cfg);
	for (size_t len = 1; len <= 16; len++)
		assert_rc(shmht_insert(t.ctx, key, len, &len, sizeof(len)), 0);
	for (size_t len = 1; len <= 16; len++) {
		assert_rc(shmht_search(t.ctx, key, len, &value, sizeof(value), &got), 0);
		assert_int_equal(value, len);
		assert_rc(shmht_remove(t.ctx, key, len), 0);
		assert_rc(shmht_search(t.ctx, key, len, &value, sizeof(value), &got), -ENOENT);
		assert_count(t.ctx, 16 - len);
	}
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "hash: equals XXH3 for every length", equals_xxh3, TEST_ONCE },
	{ "hash: SipHash as its paper has it", equals_siphash, TEST_ONCE },
	{ "hash: poor ones are mixed", poor_hashes_are_mixed, TEST_ONCE },
	{ "hash: the proof tells functions apart", proof_tells_apart, TEST_ONCE },
	{ "hash: called once, with key, length and seed", called_with_key_and_length, 0 },
	{ "hash: collisions are told apart by the bytes", collisions_are_told_apart, 0 },
	{ "hash: collisions are told apart by the length", padding_is_not_part_of_a_key, 0 },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("hash", tests);
}
