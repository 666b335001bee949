/* SPDX-License-Identifier: MIT */
/* What a gate finds on this host, from rounds that had no difference: see gate.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "gate/gate.h"
#include "stats/gate_stats.h"
#include "stats/stats.h"
#include "worker/rng.h"

#define DRAWN_GATES 200
#define POWER 0.9

/*
 * The slowdown from which on a gate with these rounds cries REGRESSION: bounds move
 * with what is added to every round, so look k finds more than ignore - low_k, unless
 * an earlier look let it pass, which it does with less than detect - high.
 */
static int critical_shift(const struct gate_rule *rule, const double *rounds, size_t planned,
			  const size_t critical[GATE_LOOKS], double *ret_shift)
{
	double passes = -INFINITY, found = INFINITY, low, high;

	for (unsigned int look = 1; look <= GATE_LOOKS; look++) {
		int r = gate_limits(rounds, gate_look_rounds(planned, look), critical[look - 1],
				    &low, &high);

		if (r)
			return r;
		found = fmin(found, fmax(rule->ignore - low, passes));
		passes = fmax(passes, rule->detect - high);
	}
	*ret_shift = found;
	return 0;
}

int gate_smallest_found(const struct gate_rule *rule, const double *pool, size_t n, size_t planned,
			size_t nr_rows, uint64_t seed, double *ret_shift)
{
	size_t critical[GATE_LOOKS];
	double *shifts, *rounds;
	struct rng rng;
	int r = 0;

	if (!n || !planned || !nr_rows)
		return -EINVAL;
	shifts = malloc(DRAWN_GATES * sizeof(*shifts));
	rounds = malloc(planned * sizeof(*rounds));
	if (!shifts || !rounds)
		r = -ENOMEM;
	for (unsigned int look = 1; look <= GATE_LOOKS; look++)
		critical[look - 1] = gate_signed_rank_critical(gate_look_rounds(planned, look),
							       gate_look_level(rule, look) /
								       (double)nr_rows);
	rng_seed(&rng, seed, 0x706f77);
	for (size_t i = 0; !r && i < DRAWN_GATES; i++) {
		for (size_t k = 0; k < planned; k++) {
			double value = pool[rng_next(&rng) % n];

			/* Without a difference either sign was as likely. */
			rounds[k] = rng_next(&rng) >> 63 ? value : -value;
		}
		r = critical_shift(rule, rounds, planned, critical, &shifts[i]);
	}
	if (!r) {
		qsort(shifts, DRAWN_GATES, sizeof(*shifts), stats_ascending);
		*ret_shift = shifts[(size_t)(POWER * DRAWN_GATES)];
	}
	free(shifts);
	free(rounds);
	return r;
}
