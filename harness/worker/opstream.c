/* SPDX-License-Identifier: MIT */
/*
 * Making and hashing op streams.
 *
 * Three generators per stream, none of which knows of the others: what is
 * done (kind and value length), to which key, and which operations are timed.
 * Thus another mix keeps the keys (common random numbers, which take the
 * sampling noise out of a comparison; latest excepted, whose keys follow
 * the inserts), and another latency mode keeps the work. The hash leaves the
 * timed bit out for the same reason.
 *
 * The ring wraps: for latest and sequential a lap begins again where the
 * first one began.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "worker/keydist.h"
#include "worker/ops_trace.h"
#include "worker/opstream.h"
#include "worker/rng.h"

#define TIMED_BIT ((uint64_t)1 << 2)
#define MANY_BIT ((uint64_t)1 << 3)
#define LEN_SHIFT 4
#define LEN_BITS 20
#define KEY_SHIFT 24
#define KEYSPACE_MAX ((uint64_t)1 << 40)

/* The rest of the word that a value length is cut from decides the kind. */
#define KIND_BITS (64 - LEN_BITS)
#define KIND_ONE ((uint64_t)1 << KIND_BITS)

enum purpose { PURPOSE_WORK, PURPOSE_KEYS, PURPOSE_TIMED };

static void stream_rng(struct rng *rng, const struct params *params, uint32_t trial,
		       uint32_t worker, enum purpose purpose)
{
	_Static_assert(SHMHT_WORKERS_MAX <= 1u << 24, "worker and purpose share 32 bits");
	rng_seed(rng, params->seed, (uint64_t)trial << 32 | worker << 8 | purpose);
}

/* Of a mix's share, in draws: one of search_many brings `batch` operations. */
static double draws_of(const struct params *params, int kind)
{
	double share = params->mix[kind];

	return kind == OP_SEARCH_MANY && share > 0 ? share / params->batch : share;
}

/* below[k]: draws under it are of kind k or an earlier one. A kind of weight 0
 * gets no draw at all, nor does rounding leave one without a kind. */
static int kind_thresholds(const struct params *params, uint64_t below[OP_NR])
{
	const double *mix = params->mix;
	double sum = 0, share = 0, draws = 0;
	int last = -1;

	for (int k = 0; k < OP_NR; k++) {
		if (!(mix[k] >= 0 && mix[k] <= 1))
			return -EINVAL;
		sum += mix[k];
		draws += draws_of(params, k);
	}
	if (fabs(sum - 1) > 1e-6)
		return -EINVAL;
	if (mix[OP_SEARCH_MANY] <= 0)
		draws = 1; /* not a rounding error away from it */
	for (int k = 0; k < OP_NR; k++) {
		share += draws_of(params, k) / draws;
		below[k] = share < 1 ? (uint64_t)(share * (double)KIND_ONE + 0.5) : KIND_ONE;
		if (mix[k] > 0)
			last = k;
	}
	for (int k = last; k < OP_NR; k++)
		below[k] = KIND_ONE;
	return 0;
}

static int inputs_valid(const struct params *params, uint32_t worker)
{
	return params->keyspace && params->keyspace <= KEYSPACE_MAX && worker < params->procs &&
	       worker < SHMHT_WORKERS_MAX &&
	       (params->mix[OP_SEARCH_MANY] <= 0 ||
		(params->batch && params->batch <= SHMHT_MANY_MAX)) &&
	       (params->latency != LATENCY_SAMPLED || params->sample_every);
}

/* One in how many operations is timed; 0: none. */
static uint32_t timed_every(const struct params *params)
{
	switch (params->latency) {
	case LATENCY_EVERY:
		return 1;
	case LATENCY_SAMPLED:
		return params->sample_every;
	case LATENCY_OFF:
		break;
	}
	return 0;
}

static void fill(const struct params *params, uint32_t trial, uint32_t worker,
		 const uint64_t below[OP_NR], uint64_t *ring, uint32_t len)
{
	uint32_t every = timed_every(params);
	struct rng work, keys, timed;
	struct keydist dist;
	uint32_t run = 0; /* words left of the present call */
	uint64_t bits = 0;

	stream_rng(&work, params, trial, worker, PURPOSE_WORK);
	stream_rng(&keys, params, trial, worker, PURPOSE_KEYS);
	stream_rng(&timed, params, trial, worker, PURPOSE_TIMED);
	keydist_init(&dist, &params->keys, params->keyspace, params->preload, worker,
		     params->procs);
	for (uint32_t i = 0; i < len; i++) {
		uint64_t word = rng_next(&work), draw = word >> LEN_BITS, op;
		bool begins = !run;
		unsigned int kind = 0;

		if (begins) {
			while (draw >= below[kind])
				kind++;
			run = kind == OP_SEARCH_MANY ? params->batch : 1;
			bits = kind == OP_SEARCH_MANY ? OP_SEARCH | MANY_BIT : kind;
		}
		run--;
		op = keydist_draw(&dist, (enum op_kind)(bits & 3), &keys) << KEY_SHIFT |
		     (word & ((1u << LEN_BITS) - 1)) << LEN_SHIFT | bits;
		if (begins && every && rng_below(&timed, every) == 0)
			op |= TIMED_BIT;
		ring[i] = op;
	}
}

/* Only what the stream's work depends on, so that equal work has equal hashes:
 * a theta that uniform keys never read does not count. */
static void hash_inputs(XXH3_state_t *state, const struct params *params, uint32_t trial,
			uint32_t worker)
{
	const struct keydist_params *keys = &params->keys;
	uint64_t whole[] = { params->seed,
			     trial,
			     worker,
			     params->keyspace,
			     params->preload,
			     params->key_size,
			     params->value_min,
			     params->value_max,
			     (uint64_t)keys->kind };
	int by_rank = keys->kind == KEYS_ZIPF || keys->kind == KEYS_LATEST;
	int by_worker = keys->kind == KEYS_LATEST || keys->kind == KEYS_SEQUENTIAL;

	XXH3_64bits_update(state, whole, sizeof(whole));
	/* search_many only where it is: the others keep the hashes they had before it. */
	XXH3_64bits_update(state, params->mix, OP_SEARCH_MANY * sizeof(params->mix[0]));
	if (params->mix[OP_SEARCH_MANY] > 0) {
		XXH3_64bits_update(state, &params->mix[OP_SEARCH_MANY], sizeof(params->mix[0]));
		XXH3_64bits_update(state, &params->batch, sizeof(params->batch));
	}
	if (by_rank)
		XXH3_64bits_update(state, &keys->theta, sizeof(keys->theta));
	if (keys->kind == KEYS_HOTSPOT) {
		XXH3_64bits_update(state, &keys->hot_keys, sizeof(keys->hot_keys));
		XXH3_64bits_update(state, &keys->hot_ops, sizeof(keys->hot_ops));
	}
	if (by_worker)
		XXH3_64bits_update(state, &params->procs, sizeof(params->procs));
}

static void hash_ring(XXH3_state_t *state, const uint64_t *ring, uint32_t len)
{
	uint64_t untimed[512];
	uint32_t nr = 0;

	for (uint32_t i = 0; i < len; i++) {
		untimed[nr++] = ring[i] & ~TIMED_BIT;
		if (nr < 512 && i + 1 < len)
			continue;
		XXH3_64bits_update(state, untimed, nr * sizeof(untimed[0]));
		nr = 0;
	}
}

/* Timed by the same draws as a stream that is made. */
static void time_ring(const struct params *params, uint32_t trial, uint32_t worker, uint64_t *ring,
		      uint32_t len)
{
	uint32_t every = timed_every(params);
	struct rng timed;

	stream_rng(&timed, params, trial, worker, PURPOSE_TIMED);
	for (uint32_t i = 0; every && i < len; i++)
		if (rng_below(&timed, every) == 0)
			ring[i] |= TIMED_BIT;
}

/* ops_file. drawn gets what the recorded one was drawn by: its hash is of that. */
static int replay(const struct params *params, uint32_t trial, uint32_t worker, uint64_t *ring,
		  uint32_t len, struct params *drawn)
{
	const struct ops_trace *trace;
	char why[OPS_TRACE_WHY_MAX];
	int r = ops_trace_get(params->ops_file, &trace, why, sizeof(why));

	if (!r)
		r = ops_trace_fill(trace, params, trial, worker, ring, len);
	if (r)
		return r;
	time_ring(params, trial, worker, ring, len);
	drawn->keys = trace->keys;
	memcpy(drawn->mix, trace->mix, sizeof(drawn->mix));
	return 0;
}

int opstream_make(const struct params *params, uint32_t trial, uint32_t worker, uint64_t *ring,
		  uint32_t len, uint64_t *ret_hash)
{
	struct params drawn = *params;
	uint64_t below[OP_NR];
	XXH3_state_t state;
	int rc;

	if (!inputs_valid(params, worker))
		return -EINVAL;
	if (params->ops_file[0])
		rc = replay(params, trial, worker, ring, len, &drawn);
	else
		rc = kind_thresholds(params, below);
	if (rc)
		return rc;
	if (!params->ops_file[0])
		fill(params, trial, worker, below, ring, len);
	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	hash_inputs(&state, &drawn, trial, worker);
	hash_ring(&state, ring, len);
	*ret_hash = XXH3_64bits_digest(&state);
	return 0;
}

bool opstream_same_draws(const struct params *a, const struct params *b)
{
	const struct keydist_params *x = &a->keys, *y = &b->keys;
	bool latest = x->kind == KEYS_LATEST, sequential = x->kind == KEYS_SEQUENTIAL;

	return strcmp(a->ops_file, b->ops_file) == 0 && a->seed == b->seed &&
	       a->keyspace == b->keyspace && a->trials == b->trials && x->kind == y->kind &&
	       x->theta == y->theta && x->hot_keys == y->hot_keys && x->hot_ops == y->hot_ops &&
	       memcmp(a->mix, b->mix, sizeof(a->mix)) == 0 &&
	       (!latest || a->preload == b->preload) &&
	       ((!latest && !sequential) || a->procs == b->procs);
}
