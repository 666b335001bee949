/* SPDX-License-Identifier: MIT */
/*
 * Entering a stripe to read it, where the strategy lets readers in together.
 * Part of table_body.inc.h. The last reader to come in is noted as holder:
 * among several, one to name at a time-out.
 */
static __attribute__((noinline)) int enter_shared_contended(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t start = shmht_ticks();
	int r = ctx->timeout_ticks ? lock_wait_shared(l, ctx, start) : -ETIMEDOUT;

	ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() - start;
	if (unlikely(r))
		note_holder(l, ctx);
	return r;
}

INLINE int enter_shared(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	struct lock *l = lock_of(stripe);

	if (unlikely(!lock_try_shared(l, ctx))) {
		int r = enter_shared_contended(l, ctx);

		if (unlikely(r))
			return r;
	}
	ctx->stats.acquired++;
	if (ld(&l->holder) == ctx->holder_id)
		ctx->stats.reacquired++;
	else
		st(&l->holder, ctx->holder_id);
#if defined(__SANITIZE_THREAD__)
	(void)*(volatile uint64_t *)(uintptr_t)&stripe->spare[6];
#endif
	return 0;
}

INLINE void leave_shared(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	if (unlikely(ctx->hold_ticks))
		hold_busy(ctx);
	lock_release_shared(lock_of(stripe), ctx);
}
