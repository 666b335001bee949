/* SPDX-License-Identifier: MIT */
/*
 * xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64, with
 * Lemire's unbiased bounded draw (2019). Not for secrets.
 */
#ifndef SHMBENCH_RNG_H
#define SHMBENCH_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

static inline uint64_t rng_splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Streams of different (seed, stream) pairs are independent for our purposes. */
static inline void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t state = seed;

	state = rng_splitmix(&state) ^ stream;
	for (int i = 0; i < 4; i++)
		rng->s[i] = rng_splitmix(&state);
}

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->s, result, t;

	result = s[1] * 5;
	result = (result << 7 | result >> 57) * 9;
	t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

/* Uniform in [0, n); n > 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	__uint128_t m = (__uint128_t)rng_next(rng) * n;

	if ((uint64_t)m < n) {
		uint64_t floor = -n % n;

		while ((uint64_t)m < floor)
			m = (__uint128_t)rng_next(rng) * n;
	}
	return (uint64_t)(m >> 64);
}

/* Uniform in [0, 1), 53 bits. */
static inline double rng_unit(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

#endif
