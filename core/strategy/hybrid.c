/* SPDX-License-Identifier: MIT */
/*
 * hybrid: spins for as long as spinning has paid lately, then sleeps as futex
 * does. The budget is the context's own: no shared line is touched for it. A
 * wait that the spinning ended moves it towards twice what that took; one that
 * had to sleep all the same takes an eighth off. It stays between a 64th and
 * the whole of two context switches' cost, beyond which sleeping is cheaper
 * whatever comes (spinning that long at most doubles the best possible cost).
 *
 * Paper: A. Karlin, K. Li, M. Manasse, S. Owicki, "Empirical Studies of
 * Competitive Spinning for a Shared-Memory Multiprocessor", SOSP 1991.
 * Fairness: none; running threads barge in.
 * Dead holder: a waiter takes the word over, within some milliseconds.
 * More workers than CPUs: spinning stops paying, so it shrinks to almost nothing.
 */
#include "table.h"
#include "waiting.h"

#include "strategy/futex_lock.inc.h"

static bool spin(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	uint32_t budget = ctx->spin_ticks, low = ctx->spin_ticks_max / 64;
	uint64_t used;

	do {
		shmht_pause();
		ctx->stats.spins++;
		used = shmht_ticks() - start_ticks;
		if (!ld(&l->word) && lock_try(l, ctx)) {
			budget += (uint32_t)(2 * used / 8) - budget / 8;
			ctx->spin_ticks = budget < ctx->spin_ticks_max ? budget :
									 ctx->spin_ticks_max;
			return true;
		}
	} while (used < budget && used < ctx->timeout_ticks);
	budget -= budget / 8;
	ctx->spin_ticks = budget > low ? budget : low;
	return false;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return spin(l, ctx, start_ticks) ? 0 : park(l, ctx, start_ticks);
}

#define LOCK_NAME "hybrid"
#define LOCK_SUMMARY "futex mutex that spins first, as long as that has paid lately"
#define LOCK_PAPER "Karlin et al., Competitive Spinning, SOSP 1991"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "good: spins less"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_PARKS | SHMHT_CAP_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_hybrid
#include "table_body.inc.h"
