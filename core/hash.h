/* SPDX-License-Identifier: MIT */
/*
 * The table's hash, alone, so that it can be held constant: XXH3 (header-only
 * libxxhash) or the caller's own, mixed.
 */
#ifndef SHMHT_HASH_H
#define SHMHT_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shmht.h"

/* The top bits choose the stripe and bucket, the low 16 the tag: a caller's
 * hash that is poor in either is made good in both (MurmurHash3's finalizer). */
static inline uint64_t hash_mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

/*
 * XXH3_64bits_withSeed() is too large to be inlined for its many lengths; the
 * usual ones of 9 to 16 bytes are taken straight to their branch (a test holds
 * the two equal). 10 instructions and a call less in each operation.
 */
static inline uint64_t hash_xxh3(const void *key, size_t len, uint64_t seed)
{
#if XXH_VERSION_NUMBER < 900
	if (__builtin_expect(len - 9 < 8, 1))
		return XXH3_len_9to16_64b(key, len, XXH3_kSecret, seed);
#endif
	return XXH3_64bits_withSeed(key, len, seed);
}

static inline uint64_t hash_key(shmht_hash_fn fn, const void *key, size_t len, uint64_t seed)
{
	if (__builtin_expect(!fn, 1))
		return hash_xxh3(key, len, seed);
	return hash_mix(fn(key, len, seed));
}

/* Results on fixed keys of every length up to key_size (64 at most), folded:
 * two functions that agree on these are taken for the same. */
static inline uint64_t hash_proof(shmht_hash_fn fn, uint32_t key_size, uint64_t seed)
{
	unsigned char key[64];
	uint64_t proof = 0;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)(i * 37 + 11);
	for (size_t len = 1; len <= sizeof(key) && len <= key_size; len++)
		proof = hash_mix(proof ^ hash_key(fn, key, len, seed));
	return proof;
}

#endif
