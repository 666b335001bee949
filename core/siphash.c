/* SPDX-License-Identifier: MIT */
/*
 * A keyed hash for keys that come from outside: who does not know the secret cannot
 * choose keys that all fall into one bucket. XXH3, the default, is faster, and its
 * seed is no protection: keys that collide under any seed are known.
 *
 * Paper: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF",
 * INDOCRYPT 2012; SipHash-2-4.
 */
#include "siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned int by)
{
	return x << by | x >> (64 - by);
}

static void rounds(struct state *s, unsigned int nr)
{
	while (nr--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

/* Little-endian, whatever the machine; n <= 8. */
static uint64_t load(const unsigned char *p, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)p[i] << 8 * i;
	return word;
}

static void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

uint64_t siphash24(const void *data, size_t len, const uint64_t key[2])
{
	const unsigned char *p = data;
	struct state s = { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			   key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };
	size_t left = len;

	for (; left >= 8; p += 8, left -= 8)
		absorb(&s, load(p, 8));
	absorb(&s, load(p, left) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void siphash_key(uint64_t key[2], const void *bytes)
{
	key[0] = load(bytes, 8);
	key[1] = load((const unsigned char *)bytes + 8, 8);
}

uint64_t siphash_keyed(const void *data, size_t len, uint64_t key)
{
	return siphash24(data, len, (const uint64_t *)(uintptr_t)key);
}
