/* SPDX-License-Identifier: MIT */
/*
 * Looking at a table without taking part in it: what a watchdog prints.
 */
#include <errno.h>

#include "context.h"

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
	*ret_state = state;
	return 0;
}
