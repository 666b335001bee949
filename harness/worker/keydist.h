/* SPDX-License-Identifier: MIT */
/*
 * Key distributions over [0, n): each draw is the id of a key. zipf is the
 * bounded Zipf law p(rank r) ~ 1/r^theta, drawn by rejection-inversion
 * (Hörmann and Derflinger, 1996), exact for every theta > 0, 1 included, and
 * without a table. Ranks are spread over ids by a fixed bijection, so that
 * which keys are hot does not depend on which were loaded.
 */
#ifndef SHMBENCH_KEYDIST_H
#define SHMBENCH_KEYDIST_H

#include <stdint.h>

#include "scenario/params.h"
#include "worker/rng.h"

struct zipf {
	double theta;
	uint64_t n;
	double h_x1, h_n, s;
};

void zipf_init(struct zipf *zipf, double theta, uint64_t n);
/* A rank, 1..n. */
uint64_t zipf_draw(const struct zipf *zipf, struct rng *rng);

struct keydist {
	struct keydist_params params;
	uint64_t n;
	uint32_t worker, workers;
	uint64_t cursor;     /* sequential; latest: keys inserted so far */
	uint64_t multiplier; /* of the rank -> id bijection */
	uint64_t hot;	     /* hotspot: how many keys are hot */
	struct zipf zipf;
};

/* first_free: the first id that preloading did not insert (latest starts there). */
void keydist_init(struct keydist *dist, const struct keydist_params *params, uint64_t n,
		  uint64_t first_free, uint32_t worker, uint32_t workers);
/* kind matters to latest only, where an insert makes a new newest key. */
uint64_t keydist_draw(struct keydist *dist, enum op_kind kind, struct rng *rng);
/* The id of rank r (1..n): what tests invert. */
uint64_t keydist_rank_to_id(const struct keydist *dist, uint64_t rank);

#endif
