/* SPDX-License-Identifier: MIT */
/*
 * Key distributions.
 *
 * Zipf: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996. The density
 * h(x) = x^-theta is integrated once, H(x); a uniform point under H's hat
 * over [1, n] is inverted and rounded to a rank, and the rare point that
 * falls outside that rank's bar is drawn again. No table and no zeta(n), hence
 * nothing that could be left over from another n: that is how YCSB's
 * scrambled generator came to draw from a law that nobody asked for.
 *
 * Ranks become ids by id = multiplier * rank mod n, multiplier coprime to n
 * and near n / golden ratio, which scatters neighbours as evenly as one
 * multiplication can (Knuth, TAOCP 3, 6.4). Being a bijection, it keeps the law;
 * hashing ranks, as YCSB does, lets two of them fall on one key.
 *
 * latest: as in YCSB the newest keys are the hot ones. A stream may not depend
 * on what other workers do, so each assumes that all insert at its own rate:
 * its insert number c makes the id first_free + c * workers + worker, and the
 * newest key is first_free + c * workers - 1 after c of its own. Everything is
 * modulo n: an insert that comes round again finds its key in place.
 */
#include <math.h>

#include "worker/keydist.h"

#define GOLDEN_RATIO_INVERSE 0.61803398874989485

/* (e^t - 1) / t and ln(1 + t) / t, through t = 0, where theta = 1 lives. */
static double expm1_ratio(double t)
{
	return fabs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2;
}

static double log1p_ratio(double t)
{
	return fabs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2;
}

static double density(const struct zipf *zipf, double x)
{
	return exp(-zipf->theta * log(x));
}

/* H(x): the density from 1 to x, (x^(1-theta) - 1) / (1-theta); ln x at 1. */
static double integral(const struct zipf *zipf, double x)
{
	double log_x = log(x);

	return expm1_ratio((1 - zipf->theta) * log_x) * log_x;
}

static double integral_inverse(const struct zipf *zipf, double area)
{
	double t = area * (1 - zipf->theta);

	if (t < -1) /* rounding, at the far end of theta > 1 */
		t = -1;
	return exp(log1p_ratio(t) * area);
}

void zipf_init(struct zipf *zipf, double theta, uint64_t n)
{
	zipf->theta = theta;
	zipf->n = n;
	/* Rank 1 has its bar [0.5, 1.5) replaced by one of area h(1) = 1. */
	zipf->h_x1 = integral(zipf, 1.5) - 1;
	zipf->h_n = integral(zipf, (double)n + 0.5);
	/* From k - s on a point is inside the bar of k, whatever k: no logarithm. */
	zipf->s = 2 - integral_inverse(zipf, integral(zipf, 2.5) - density(zipf, 2));
}

uint64_t zipf_draw(const struct zipf *zipf, struct rng *rng)
{
	/* Ends with probability 1: 1.02 rounds a draw at the worst theta (3), counted. */
	for (;;) {
		double area = zipf->h_n + rng_unit(rng) * (zipf->h_x1 - zipf->h_n);
		double x = integral_inverse(zipf, area), rank = floor(x + 0.5);

		if (!(rank >= 1))
			rank = 1;
		else if (rank > (double)zipf->n)
			rank = (double)zipf->n;
		/* Put so that a theta that is no number ends the loop too. */
		if (!(rank - x > zipf->s &&
		      area < integral(zipf, rank + 0.5) - density(zipf, rank)))
			return (uint64_t)rank;
	}
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static uint64_t multiply_mod(uint64_t a, uint64_t b, uint64_t n)
{
	return (uint64_t)((__uint128_t)a * b % n);
}

/* Coprime to n and nearest below n / golden ratio; 1 is coprime to all. */
static uint64_t golden_multiplier(uint64_t n)
{
	uint64_t multiplier = (uint64_t)((double)n * GOLDEN_RATIO_INVERSE);

	while (multiplier > 1 && gcd(multiplier, n) != 1)
		multiplier--;
	return multiplier ? multiplier : 1;
}

void keydist_init(struct keydist *dist, const struct keydist_params *params, uint64_t n,
		  uint64_t first_free, uint32_t worker, uint32_t workers)
{
	double hot = round((double)n * params->hot_keys);

	*dist = (struct keydist){ .params = *params,
				  .n = n,
				  .worker = worker,
				  .workers = workers,
				  .multiplier = golden_multiplier(n) };
	switch (params->kind) {
	case KEYS_RECORDED: /* nothing is drawn */
	case KEYS_UNIFORM:
		break;
	case KEYS_ZIPF:
		zipf_init(&dist->zipf, params->theta, n);
		break;
	case KEYS_HOTSPOT:
		dist->hot = hot >= (double)n ? n : hot > 1 ? (uint64_t)hot : 1;
		break;
	case KEYS_LATEST:
		zipf_init(&dist->zipf, params->theta, n);
		dist->cursor = first_free % n;
		break;
	case KEYS_SEQUENTIAL:
		dist->cursor = (uint64_t)((__uint128_t)worker * n / workers);
		break;
	}
}

uint64_t keydist_rank_to_id(const struct keydist *dist, uint64_t rank)
{
	return multiply_mod(dist->multiplier, rank, dist->n);
}

/* Within each part every key is as likely as any other. */
static uint64_t hotspot_draw(const struct keydist *dist, struct rng *rng)
{
	uint64_t rank;

	if (rng_unit(rng) < dist->params.hot_ops || dist->hot == dist->n)
		rank = 1 + rng_below(rng, dist->hot);
	else
		rank = 1 + dist->hot + rng_below(rng, dist->n - dist->hot);
	return keydist_rank_to_id(dist, rank);
}

/* cursor: first_free + c * workers mod n after c inserts of this worker. */
static uint64_t latest_draw(struct keydist *dist, enum op_kind kind, struct rng *rng)
{
	uint64_t id, back;

	if (kind == OP_INSERT) {
		id = (dist->cursor + dist->worker) % dist->n;
		dist->cursor = (dist->cursor + dist->workers) % dist->n;
		return id;
	}
	back = zipf_draw(&dist->zipf, rng); /* 1: the newest */
	return dist->cursor >= back ? dist->cursor - back : dist->cursor + (dist->n - back);
}

uint64_t keydist_draw(struct keydist *dist, enum op_kind kind, struct rng *rng)
{
	uint64_t id;

	switch (dist->params.kind) {
	case KEYS_ZIPF:
		return keydist_rank_to_id(dist, zipf_draw(&dist->zipf, rng));
	case KEYS_HOTSPOT:
		return hotspot_draw(dist, rng);
	case KEYS_LATEST:
		return latest_draw(dist, kind, rng);
	case KEYS_SEQUENTIAL:
		id = dist->cursor;
		dist->cursor = id + 1 == dist->n ? 0 : id + 1;
		return id;
	case KEYS_RECORDED:
	case KEYS_UNIFORM:
		break;
	}
	return rng_below(rng, dist->n);
}
