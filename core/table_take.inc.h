/* SPDX-License-Identifier: MIT */
/*
 * Taking a lock from the dead. Part of table_body.inc.h. The lock's word bears
 * its owner's holder_id, slot and generation, so that "dead" is for good: the
 * next user of the slot has another one. One compare-and-swap from that very
 * value to our own makes one of the waiters the new holder.
 *
 * A wait is cut into slices (waiting.h). After each the owner's life word is looked at,
 * which the kernel marks (life.c), and /proc once the wait has lasted SLOW_LOOK_NS. A
 * lock that keeps its waiters' places looks itself, and brings its own lock_take().
 */

#ifdef LOCK_TAKES_FREE
#define FREE_IS_TAKEN true
#else
#define FREE_IS_TAKEN false
#endif

/* True: the word was a dead one's, and is ours now. */
static bool take_word(struct lock *l, struct shmht_ctx *ctx, bool thoroughly)
{
#if defined(LOCK_OWNER)
	uint32_t word = ld(LOCK_OWNER(l)), owner = word & ~LOCK_OWNER_KEEP;

	if (!intents_on(ctx) || !(owner ? holder_dead(ctx, owner, thoroughly) : FREE_IS_TAKEN))
		return false;
	/* Fails when another was faster. Acquire: the dead one's stores are seen, for
	 * its end went through the kernel; pairs with other takers' releases. */
	while ((word & ~LOCK_OWNER_KEEP) == owner)
		if (atomic_compare_exchange_strong_explicit(
			    LOCK_OWNER(l), &word, ctx->holder_id | (word & LOCK_OWNER_KEEP),
			    memory_order_acquire, memory_order_relaxed)) {
			if (owner)
				note_recovered(ctx, l);
			return true;
		}
#elif defined(LOCK_TAKES)
	return intents_on(ctx) && lock_take(l, ctx, thoroughly);
#endif
	(void)l, (void)ctx, (void)thoroughly;
	return false;
}

#ifndef LOCK_DRAINS
#define lock_drain(l, ctx, start_ticks) 0
#endif

/* As take_word(), and whoever shared the lock is out. */
static bool take_over(struct lock *l, struct shmht_ctx *ctx, bool thoroughly)
{
	return take_word(l, ctx, thoroughly) && !lock_drain(l, ctx, shmht_ticks());
}

#if defined(LOCK_OWNER)
INLINE int wait_as(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks, bool shared)
{
	return shared ? lock_wait_shared(l, ctx, start_ticks) : lock_wait(l, ctx, start_ticks);
}

/* Who was killed dies once he gets a CPU, and a waiter that spins may have his. */
INLINE void give_up_cpu(struct shmht_ctx *ctx)
{
	if (!(LOCK_CAPS & SHMHT_CAP_SPINS) || LOCK_CAPS & SHMHT_CAP_PARKS)
		return;
	ctx->stats.yields++;
	sched_yield();
}

static int wait_in_slices(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks, bool shared)
{
	const uint64_t ticks = ctx->timeout_ticks, ns = ctx->timeout_ns;
	uint64_t slice_ns = SLICE_FIRST_NS, used_ns = 0, slow_ns = SLOW_LOOK_NS;
	double ns_per_tick = shmht_ns_per_tick();
	int r;

	if (!intents_on(ctx))
		return wait_as(l, ctx, start_ticks, shared);
	do {
		uint64_t now = shmht_ticks(), left = ticks - (now - start_ticks);
		bool thoroughly;

		ctx->timeout_ns = ns - used_ns < slice_ns ? ns - used_ns : slice_ns;
		ctx->timeout_ticks = (uint64_t)((double)ctx->timeout_ns / ns_per_tick) + 1;
		if (ctx->timeout_ticks > left)
			ctx->timeout_ticks = left;
		r = wait_as(l, ctx, now, shared);
		used_ns = (uint64_t)((double)(shmht_ticks() - start_ticks) * ns_per_tick);
		if (r != -ETIMEDOUT)
			break;
		give_up_cpu(ctx);
		/* The last look is a thorough one, too. */
		thoroughly = used_ns >= slow_ns || used_ns >= ns;
		if (thoroughly)
			slow_ns = used_ns + SLOW_LOOK_NS;
		if (take_word(l, ctx, thoroughly)) {
			if (!shared) {
				r = 0;
				break;
			}
			/* What is left to repair is seen by all who come in. */
			lock_release(l, ctx);
		}
		if (slice_ns < SLICE_LAST_NS)
			slice_ns *= 2;
	} while (used_ns < ns && shmht_ticks() - start_ticks < ticks);
	ctx->timeout_ticks = ticks;
	ctx->timeout_ns = ns;
	return r;
}

/* Readers are waited for until the wait's own end, not a slice's: a writer who let go
 * of the word in between would let new ones in. */
static int wait_or_take(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks, bool shared)
{
	int r = wait_in_slices(l, ctx, start_ticks, shared);

	return r || shared ? r : lock_drain(l, ctx, start_ticks);
}
#else
INLINE int wait_or_take(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks, bool shared)
{
	return shared ? lock_wait_shared(l, ctx, start_ticks) : lock_wait(l, ctx, start_ticks);
}
#endif
