/* SPDX-License-Identifier: MIT */
/*
 * Looking at a table without taking part in it: what a watchdog prints.
 */
#include <errno.h>

#include "context.h"

int shmht_observe(struct shmht *map, shmht_report_fn report, void *arg)
{
	struct shmht_ctx ctx = { .map = NULL };

	ctx_set_table(&ctx, map);
	return shmht_check(&ctx, report, arg);
}

uint64_t shmht_fingerprint(const struct shmht *map)
{
	uint64_t sum = 0xcbf29ce484222325ull;

	for (uint32_t k = 0; k <= map->geo.stripes; k++) {
		shm_word *words = (shm_word *)&stripes_of(map)[k];

		for (size_t i = 0; i < sizeof(struct shm_stripe) / sizeof(*words); i++)
			sum = HASH_STEP(sum, ld_acquire(&words[i]));
	}
	return sum;
}

int shmht_stripe_look(struct shmht_ctx *ctx, uint32_t k, struct shmht_stripe_state *ret_state)
{
	struct shmht_stripe_state state;
	struct shm_stripe *stripe;

	if (!ctx->map)
		return -ESTALE;
	if (k > ctx->map->geo.stripes)
		return -EINVAL;
	stripe = ctx->stripes + k;
	ctx->map->strategy->note_holder(ctx, k);
	ctx->stats.timeouts--; /* nobody timed out */
	shmht_ctx_holder(ctx, &state.holder);
	state.count = ld(&stripe->count);
	for (unsigned int i = 0; i < 8; i++)
		state.intent[i] = ld(&stripe->intent[i]);
	state.unfinished = state.intent[INTENT_ARMED] || state.intent[INTENT_SWAP];
	*ret_state = state;
	return 0;
}
