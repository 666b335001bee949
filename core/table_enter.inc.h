/* SPDX-License-Identifier: MIT */
/* Included by table_body.inc.h: into a stripe and out again, whoever held it before. */

INLINE struct lock *lock_of(struct shm_stripe *stripe)
{
	return (struct lock *)stripe->lock;
}

static __attribute__((noinline, cold)) void note_holder(struct lock *l, struct shmht_ctx *ctx)
{
	ctx->stats.timeouts++;
	ctx->holder_seen = ld(&l->holder);
	ctx->holder_tid = 0;
	ctx->holder_named = false;
#if defined(LOCK_HAS_OWNER_TID)
	ctx->holder_named = true;
	ctx->holder_tid = lock_owner_tid(l);
#elif defined(LOCK_OWNER)
	ctx->holder_named = true;
	ctx->holder_seen = ld(LOCK_OWNER(l)) & ~LOCK_OWNER_KEEP;
#elif defined(LOCK_TAKES)
	ctx->holder_named = true;
	ctx->holder_seen = lock_owner(l, ctx);
#endif
#if defined(LOCK_DRAINS)
	if (!ctx->holder_seen)
		ctx->holder_seen = lock_reader(l, ctx);
#endif
}

#ifdef LOCK_HAS_SHARED
#define LOCK_SHARES true
#else
#define LOCK_SHARES false /* readers come in like everybody else */
#define lock_try_shared lock_try
#define lock_wait_shared lock_wait
#define lock_release_shared lock_release
#endif

#include "table_intent.inc.h"
#include "table_take.inc.h"

/* Contended: waiting anyway, so every one is timed. */
static __attribute__((noinline)) int enter_contended(struct lock *l, struct shmht_ctx *ctx,
						     bool shared)
{
	uint64_t start = shmht_ticks();
	int r;

	PROBE(contended, l, ctx);
	/* The holder may be waiting for this thread's quiescence: see grace.c. */
	if (ctx->announces)
		grace_rest(ctx);
	if (!ctx->timeout_ticks)
		r = !shared && take_over(l, ctx, false) ? 0 : -ETIMEDOUT;
	else
		r = wait_or_take(l, ctx, start, shared);
	ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() - start;
	if (unlikely(r))
		note_holder(l, ctx);
	return r;
}

/*
 * ThreadSanitizer accepts any order of atomics, and everything shared is
 * atomic: without a plain word in each critical section it could not see a
 * lock that fails to exclude or to order. Readers who come in together only
 * read it.
 */
INLINE void tsan_witness(struct shm_stripe *stripe, bool shared)
{
#if defined(__SANITIZE_THREAD__)
	uint64_t *word = (uint64_t *)(uintptr_t)&stripe->spare[6];

	if (shared)
		(void)*(volatile uint64_t *)word;
	else
		++*word;
#endif
	(void)stripe, (void)shared;
}

/*
 * shared: only to read, together with others where the strategy lets them. The
 * last one to come in is noted as holder: among several readers, one to name
 * at a time-out.
 */
INLINE void entered(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	ctx->stats.acquired++;
	if (ld(&l->holder) == ctx->holder_id)
		ctx->stats.reacquired++;
	else
		st(&l->holder, ctx->holder_id);
	tsan_witness(stripe, shared);
	PROBE(acquire, l, ctx);
}

INLINE void leave_free(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	PROBE(release, stripe, ctx);
	if (shared)
		lock_release_shared(lock_of(stripe), ctx);
	else
		lock_release(lock_of(stripe), ctx);
}

/* Somebody died in here. Looked at on every acquire, whatever the lock says of its
 * last holder: who took it over may have died in its turn. */
INLINE bool is_broken(struct shm_stripe *stripe)
{
	return unlikely(ld(&stripe->intent[INTENT_ARMED]) | ld(&stripe->intent[INTENT_SWAP]));
}

/* By one try. False, too, where there is something to repair: enter_late() does. */
INLINE bool enter_free(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	PLACE(enter);
	shared &= LOCK_SHARES;
	if (unlikely(shared ? !lock_try_shared(l, ctx) : !lock_try(l, ctx)))
		return false;
	if (is_broken(stripe)) {
		leave_free(ctx, stripe, shared);
		return false;
	}
	entered(ctx, stripe, shared);
	return true;
}

/* One context at a time: nothing can have happened since it was opened. */
#define LOCK_ALONE (LOCK_CAPS & SHMHT_CAP_ONE_WORKER)

/* For a search, where alone_enter() has left nothing to look at. */
INLINE void enter_alone(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	ctx->stats.acquired++;
	ctx->stats.reacquired++;
	PROBE(acquire, lock_of(stripe), ctx);
	tsan_witness(stripe, true);
}

/* Broken or not. */
INLINE int enter_any(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	struct lock *l = lock_of(stripe);

	if (shared ? !lock_try_shared(l, ctx) : !lock_try(l, ctx)) {
		int r = enter_contended(l, ctx, shared);

		if (unlikely(r))
			return r;
	}
	entered(ctx, stripe, shared);
	return 0;
}

static int repair(struct shmht_ctx *ctx, struct shm_stripe *stripe);

/* The lock is held. Among readers nobody may repair. */
static __attribute__((noinline)) int enter_broken(struct shmht_ctx *ctx, struct shm_stripe *stripe,
						  bool shared)
{
	int r = 0;

	if (shared) {
		leave_free(ctx, stripe, true);
		r = enter_any(ctx, stripe, false);
		if (r)
			return r;
	}
	/* Looked at anew: another may have been here in between. */
	if (is_broken(stripe))
		r = repair(ctx, stripe);
	if (r || shared)
		leave_free(ctx, stripe, false);
	return r || !shared ? r : enter_any(ctx, stripe, true);
}

/* After enter_free() said no. */
INLINE int enter_late(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	int r;

	shared &= LOCK_SHARES;
	r = enter_any(ctx, stripe, shared);
	if (likely(!r) && is_broken(stripe))
		r = enter_broken(ctx, stripe, shared);
	return r;
}

INLINE int enter_as(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	int r = likely(enter_free(ctx, stripe, shared)) ? 0 : enter_late(ctx, stripe, shared);

	/* Two instructions; a plain search is not timed and does not come by here. */
	if (unlikely(ctx->timed) && !r)
		section_begins(ctx);
	return r;
}

/*
 * Not cold: gcc 12 then counts the copy before it in `none`, which has nothing
 * else in between, as cold too, and makes it a rep movs that costs 10 ns.
 */
static __attribute__((noinline)) void leave_late(struct shmht_ctx *ctx)
{
	if (ctx->hold_ticks) {
		uint64_t start = shmht_ticks();

		while (shmht_ticks() - start < ctx->hold_ticks)
			shmht_pause();
	}
	if (ctx->timed)
		section_ends(ctx);
	if (ctx->announces)
		grace_quiescent(ctx);
}

/* With the time that shmht_ctx_set_hold() asks for spent inside the section, and the
 * section timed where that was asked for. */
INLINE void leave_as(struct shmht_ctx *ctx, struct shm_stripe *stripe, bool shared)
{
	if (unlikely(ctx->leaves_late))
		leave_late(ctx);
	leave_free(ctx, stripe, shared);
}

INLINE int enter(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	return enter_as(ctx, stripe, false);
}

INLINE void leave(struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	leave_as(ctx, stripe, false);
}
