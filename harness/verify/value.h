/* SPDX-License-Identifier: MIT */
/*
 * Keys from ids, and values that tell on whoever tears or swaps them. A value
 * of 16 bytes or more carries its writer's nonce in the first word; every other
 * byte follows from (key id, nonce, length). Shorter ones follow from the key
 * id and length alone: a foreign value is seen, an old one is not. Both are
 * cheap, a word costs an addition: they run between timed operations.
 */
#ifndef SHMBENCH_VALUE_H
#define SHMBENCH_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scenario/params.h"

#define VALUE_STEP 0x9e3779b97f4a7c15ull

static inline uint64_t value_mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

/*
 * Distinct ids give distinct keys as long as they fit key_size bytes: an odd
 * multiplier is a bijection on 64 bits; short keys are the id itself. Writes
 * whole words: key has room for key_size rounded up to 8.
 */
static inline void key_make(uint64_t id, uint64_t *key, size_t key_size)
{
	uint64_t word = id * VALUE_STEP;

	if (__builtin_expect(key_size == 16, 1)) {
		/* The usual size without the loop, which costs 15 instructions. */
		key[0] = word;
		key[1] = word + VALUE_STEP;
		return;
	}
	key[0] = key_size < 8 ? id : word;
	for (size_t i = 1; i < (key_size + 7) / 8; i++)
		key[i] = word += VALUE_STEP;
}

/* The inverse of VALUE_STEP modulo 2^64. */
#define VALUE_STEP_INVERSE 0xf1de83e19937733dull
_Static_assert(VALUE_STEP *VALUE_STEP_INVERSE == 1, "undoes the multiplication");

/* The id that key_make() made this key of; of less than 8 bytes, its words are
 * zero-padded. */
static inline uint64_t key_id(const void *key, size_t key_size)
{
	uint64_t word = 0;

	if (__builtin_expect(key_size < 8, 0)) {
		memcpy(&word, key, key_size);
		return word;
	}
	memcpy(&word, key, 8);
	return word * VALUE_STEP_INVERSE;
}

static inline uint64_t value_base(uint64_t id, uint64_t nonce, size_t len)
{
	return value_mix(id * VALUE_STEP ^ nonce ^ (uint64_t)len << 48);
}

static inline void value_fill(unsigned char *value, size_t len, uint64_t id, uint64_t nonce)
{
	size_t i = 0;
	uint64_t word;

	if (len >= VALUE_NAMES_WRITER) {
		memcpy(value, &nonce, 8);
		i = 8;
	} else {
		nonce = 0;
	}
	word = value_base(id, nonce, len);
	for (; i + 8 <= len; i += 8) {
		memcpy(value + i, &word, 8);
		word += VALUE_STEP;
	}
	if (i < len)
		memcpy(value + i, &word, len - i);
}

static inline bool value_is_of(const unsigned char *value, size_t len, uint64_t id)
{
	uint64_t nonce = 0, word, found;
	size_t i = 0;

	if (len >= VALUE_NAMES_WRITER) {
		memcpy(&nonce, value, 8);
		i = 8;
	}
	word = value_base(id, nonce, len);
	for (; i + 8 <= len; i += 8) {
		memcpy(&found, value + i, 8);
		if (found != word)
			return false;
		word += VALUE_STEP;
	}
	return i == len || memcmp(value + i, &word, len - i) == 0;
}

#endif
