/* SPDX-License-Identifier: MIT */
/*
 * Op streams, made before the clock starts: a ring of packed operations per
 * worker that wraps. A stream is a function of (seed, trial, worker, workload
 * keys) and of nothing else: not of lock, read mode, stripes, pages or pinning.
 */
#ifndef SHMBENCH_OPSTREAM_H
#define SHMBENCH_OPSTREAM_H

#include <stdint.h>

#include "scenario/params.h"

#define OPSTREAM_LEN (1u << 20)

/*
 * bits 0-1 kind, 2 timed, 3 many, 4-23 value-length draw, 24-63 key id. A
 * search_many call is a run of `batch` words, each a search with bit 3 set, the
 * first of which says whether the call is timed; at the ring's end it is cut.
 */
static inline enum op_kind op_get_kind(uint64_t op)
{
	return (enum op_kind)(op & 3u);
}
static inline int op_is_timed(uint64_t op)
{
	return (int)(op >> 2 & 1u);
}
static inline int op_is_many(uint64_t op)
{
	return (int)(op >> 3 & 1u);
}
/* Neither timed nor of a search_many. */
static inline int op_is_plain_search(uint64_t op)
{
	_Static_assert(OP_SEARCH == 0, "a kind of 0 is a search");
	return !(op & 15u);
}
/* Not of a search_many. */
static inline int op_is_timed_search(uint64_t op)
{
	return (op & 15u) == 4u;
}
static inline uint64_t op_get_key(uint64_t op)
{
	return op >> 24;
}
/* Uniform in [min, max], out of the 20-bit draw in the packed operation. */
static inline uint32_t op_value_len(uint64_t op, uint32_t min, uint32_t max)
{
	return min + (uint32_t)((op >> 4 & 0xfffffu) * (uint64_t)(max - min + 1u) >> 20);
}

/*
 * Fills ring[0..len) for one worker of one trial. *ret_hash covers the ring
 * (without the timed bits) and the inputs: equal hashes mean equal work,
 * whatever the latency mode. procs enters for latest and sequential only, which
 * share the keys out among the workers. latest takes it that preloading
 * inserted the ids 0..preload-1. With ops_file the ring is the recorded one, and the
 * hash is the recorded run's where the keys that are left are the same. -EINVAL: keyspace 0 or over
 * 2^40, worker not below procs, mix not normalised, sampled one in 0. Not a hot path, but a million
 * draws should take some 10 ms (zipf 50).
 */
int opstream_make(const struct params *params, uint32_t trial, uint32_t worker, uint64_t *ring,
		  uint32_t len, uint64_t *ret_hash);

/* Whether both draw the same operations for every trial and worker that both have. */
bool opstream_same_draws(const struct params *a, const struct params *b);

#endif
