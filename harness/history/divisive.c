/* SPDX-License-Identifier: MIT */
/*
 * E-divisive for one figure. Sums of distances over any two stretches come from a
 * table of sums over rectangles, so that a split costs a few additions; making
 * the table anew for each permutation is what costs.
 */
#include "history/divisive.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/rng.h"

#define ROW (DIVISIVE_MAX + 1)

struct work {
	double values[DIVISIVE_MAX];
	double sums[ROW * ROW]; /* [i * ROW + k]: distances of the first i to the first k */
	size_t bounds[DIVISIVE_MAX / DIVISIVE_SEGMENT_MIN + 2]; /* segments, ends included */
	size_t nr_bounds;
};

struct split {
	double statistic; /* negative: none possible */
	size_t at;
};

static void sum_distances(struct work *work, const double *values, size_t n)
{
	for (size_t k = 0; k <= n; k++)
		work->sums[k] = 0;
	for (size_t i = 0; i < n; i++) {
		const double *above = work->sums + i * ROW;
		double *here = work->sums + (i + 1) * ROW, row = 0;

		here[0] = 0;
		for (size_t k = 0; k < n; k++) {
			row += fabs(values[i] - values[k]);
			here[k + 1] = above[k + 1] + row;
		}
	}
}

static double pairs(size_t n)
{
	return (double)n * (double)(n - 1) / 2;
}

/*
 * Equation 5 of the paper, with distances to the first power: the energy distance of
 * [0, at) and [at, end), times their harmonic size.
 */
static double scaled_distance(const double *sums, size_t at, size_t end)
{
	double before = sums[at * ROW + at], across = sums[at * ROW + end] - before;
	double after = sums[end * ROW + end] - 2 * sums[at * ROW + end] + before;
	double n = (double)at, m = (double)(end - at);
	double energy = 2 * across / (n * m) - before / 2 / pairs(at) - after / 2 / pairs(end - at);

	return n * m / (n + m) * energy;
}

/* The best split of one segment. Its right side may end early, or a short excursion
 * would hide among what follows it. */
static struct split best_in(struct work *work, const double *values, size_t n)
{
	struct split best = { -1, 0 };

	if (n < 2 * DIVISIVE_SEGMENT_MIN)
		return best;
	sum_distances(work, values, n);
	for (size_t at = DIVISIVE_SEGMENT_MIN; at + DIVISIVE_SEGMENT_MIN <= n; at++) {
		for (size_t end = at + DIVISIVE_SEGMENT_MIN; end <= n; end++) {
			double statistic = scaled_distance(work->sums, at, end);

			if (statistic > best.statistic)
				best = (struct split){ statistic, at };
		}
	}
	return best;
}

static struct split best_of_all(struct work *work, const double *values)
{
	struct split best = { -1, 0 };

	for (size_t i = 0; i + 1 < work->nr_bounds; i++) {
		size_t from = work->bounds[i];
		struct split here = best_in(work, values + from, work->bounds[i + 1] - from);

		if (here.statistic > best.statistic)
			best = (struct split){ here.statistic, from + here.at };
	}
	return best;
}

static void shuffle_segments(const struct work *work, double *values, struct rng *rng)
{
	for (size_t i = 0; i + 1 < work->nr_bounds; i++) {
		double *segment = values + work->bounds[i];

		for (size_t left = work->bounds[i + 1] - work->bounds[i]; left > 1; left--) {
			size_t other = rng_below(rng, left);
			double value = segment[left - 1];

			segment[left - 1] = segment[other];
			segment[other] = value;
		}
	}
}

/* P(as large a statistic | no change), or 1 as soon as it is known to be over level. */
static double chance_of(struct work *work, double statistic, double level, struct rng *rng)
{
	size_t allowed = (size_t)(level * (DIVISIVE_PERMUTATIONS + 1)), as_large = 1;
	double shuffled[DIVISIVE_MAX];

	memcpy(shuffled, work->values, sizeof(shuffled));
	for (int i = 0; i < DIVISIVE_PERMUTATIONS; i++) {
		shuffle_segments(work, shuffled, rng);
		/* A hair less, or rounding tells apart what is the same split. */
		as_large += best_of_all(work, shuffled).statistic >= statistic * (1 - 1e-12);
		if (as_large > allowed)
			return 1;
	}
	return (double)as_large / (DIVISIVE_PERMUTATIONS + 1);
}

static void add_bound(struct work *work, struct change_point *changes, struct change_point new)
{
	size_t *bounds = work->bounds, nr = work->nr_bounds, i = 1;

	while (bounds[i] < new.at)
		i++;
	memmove(bounds + i + 1, bounds + i, (nr - i) * sizeof(*bounds));
	memmove(changes + i, changes + i - 1, (nr - 1 - i) * sizeof(*changes));
	bounds[i] = new.at;
	changes[i - 1] = new;
	work->nr_bounds++;
}

int divisive_changes(const double *values, size_t n, double level, uint64_t seed,
		     struct change_point *changes, size_t *ret_nr)
{
	struct work *work;
	struct rng rng;

	if (n > DIVISIVE_MAX || !(level >= 0 && level <= 1))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isfinite(values[i]))
			return -EINVAL;
	work = calloc(1, sizeof(*work));
	if (!work)
		return -ENOMEM;
	memcpy(work->values, values, n * sizeof(*values));
	work->bounds[1] = n;
	work->nr_bounds = 2;
	rng_seed(&rng, seed, n);
	for (;;) {
		struct split best = best_of_all(work, work->values);
		struct change_point new = { best.at, 1 };

		/* All values equal: 0, which every permutation has too. */
		if (best.statistic <= 0)
			break;
		new.p = chance_of(work, best.statistic, level, &rng);
		if (new.p > level)
			break;
		add_bound(work, changes, new);
	}
	*ret_nr = work->nr_bounds - 2;
	free(work);
	return 0;
}
