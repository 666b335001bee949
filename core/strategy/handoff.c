/* SPDX-License-Identifier: MIT */
/*
 * handoff: a futex mutex in which nobody starves. As long as waits are short it is
 * `futex`: who comes by takes a free lock. Who has waited PATIENCE_NS reserves it, and
 * then a free lock is his alone, so that what others take before him is at most the
 * section that is under way. There is one reservation at a time; it lapses after
 * LAPSE_NS, unless renewed, for its owner may be stopped, or killed: no dead waiter
 * keeps others out, and a dead holder's word is taken over.
 *
 * Paper: the idea is that of Linux's mutex (W. Long, MUTEX_FLAG_HANDOFF, 2016) and of
 * Go's (D. Vyukov, sync.Mutex, 2017), which pass the lock itself to one who sleeps; a
 * lapse is what processes that can die at any instruction add.
 * Fairness: no order, but nobody waits long: about PATIENCE_NS a waiter.
 * Dead holder: a waiter takes the word over, within some milliseconds.
 * More workers than CPUs: waiters sleep, the holder gets its time; a reservation costs
 * a wake-up during which the lock is idle, some thousand times a second at most.
 */
#include "table.h"
#include "waiting.h"

#define WAITERS 0x80000000u
_Static_assert(!(WAITERS & HOLDER_MASK), "a bit that no holder_id has");

#define PATIENCE_NS 250000u
#define LAPSE_NS 4000000u
#define TIME_SHIFT 10 /* of ticks: some 0.4 us, which 32 bits count for half an hour */

/* Whom a wake-up is for. */
#define EVERYBODY 1u
#define RESERVER 2u

struct lock {
	shm_half word; /* 0, or the owner's holder_id, with WAITERS: somebody sleeps */
	shm_half sleepers;
	shm_word reserved; /* 0; or for whom, a holder_id, and above it until when */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	st(&l->sleepers, 0);
	st(&l->reserved, 0);
	st(&l->holder, 0);
	return 0;
}

/* Acquire pairs with the release in lock_release(); release publishes `sleepers`. */
INLINE bool word_swap(struct lock *l, uint32_t *from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acq_rel,
						       memory_order_acquire);
}

/* Both words are on one line, which is wanted anyway. */
INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	return !ld(&l->reserved) && word_swap(l, &free, ctx->holder_id);
}

/* Sequentially consistent, as the exchange of the word and the look at `reserved` in
 * lock_release() are, and the kernel's look at the word before a sleep: either the
 * releaser sees the reservation, or its owner the free word. */
static bool reserved_swap(struct lock *l, uint64_t from, uint64_t to)
{
	return atomic_compare_exchange_strong(&l->reserved, &from, to);
}

INLINE uint32_t time_of(uint64_t ticks)
{
	return (uint32_t)(ticks >> TIME_SHIFT);
}

/* In units of time_of(); 0: lapsed, or of another half an hour. */
static uint32_t time_left(uint64_t reserved, uint64_t now)
{
	uint32_t left = (uint32_t)(reserved >> 32) - time_of(now);

	return left <= time_of(wait_ticks(LAPSE_NS)) ? left : 0;
}

/* Puts ours there, or renews it, where that is wanted and there is room; theirs away
 * when it is over. What stands there then. */
static uint64_t reserve(struct lock *l, struct shmht_ctx *ctx, uint64_t now, bool wanted)
{
	uint64_t reserved = ld(&l->reserved), to = 0;
	bool ours = (uint32_t)reserved == ctx->holder_id;

	if (reserved && (ours ? !wanted : time_left(reserved, now) != 0))
		return reserved;
	if (wanted)
		to = (uint64_t)time_of(now + wait_ticks(LAPSE_NS)) << 32 | ctx->holder_id;
	if (to != reserved)
		reserved_swap(l, reserved, to);
	return ld(&l->reserved);
}

/* As long as the word is free it is taken, whatever the time says. */
static bool word_take(struct lock *l, struct shmht_ctx *ctx, uint32_t *word)
{
	while (!*word)
		if (word_swap(l, word,
			      ld(&l->sleepers) ? ctx->holder_id | WAITERS : ctx->holder_id))
			return true;
	return false;
}

/* Those who found the word free, and slept because it was not for them. */
static void withdraw(struct lock *l, struct shmht_ctx *ctx, uint64_t reserved)
{
	reserved_swap(l, reserved, 0);
	if (!ld(&l->word) && ld(&l->sleepers)) {
		note_wake(ctx, l);
		futex_wake(&l->word, 1);
	}
}

/* Until the word changes, at most `ticks`: nobody sleeps longer than a lapse, so that
 * a wake-up that went astray costs no more than that. */
static void sleep_a_while(struct lock *l, struct shmht_ctx *ctx, uint32_t word, uint64_t ticks,
			  uint32_t who)
{
	struct timespec deadline = wait_end(ticks);

	atomic_fetch_add(&l->sleepers, 1);
	if (!word || word & WAITERS || word_swap(l, &word, word | WAITERS)) {
		note_park(ctx, l);
		futex_wait_bits(&l->word, word ? word | WAITERS : 0, &deadline, who);
	}
	atomic_fetch_sub(&l->sleepers, 1);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	const uint64_t patience = wait_ticks(PATIENCE_NS), lapse = wait_ticks(LAPSE_NS);

	for (;;) {
		uint64_t waited = shmht_ticks() - start_ticks, left = lapse;
		bool patient = waited < patience, over = waited >= ctx->timeout_ticks;
		uint64_t reserved = reserve(l, ctx, start_ticks + waited, !patient && !over);
		bool ours = (uint32_t)reserved == ctx->holder_id;
		uint32_t word = ld_acquire(&l->word);

		if ((ours || !reserved) && word_take(l, ctx, &word)) {
			if (ours)
				reserved_swap(l, reserved, 0);
			return 0;
		}
		if (over) {
			if (ours)
				withdraw(l, ctx, reserved);
			return -ETIMEDOUT;
		}
		if (reserved && !ours)
			left = (uint64_t)time_left(reserved, start_ticks + waited) << TIME_SHIFT;
		else if (patient)
			left = patience - waited;
		if (left > ctx->timeout_ticks - waited)
			left = ctx->timeout_ticks - waited;
		sleep_a_while(l, ctx, word, left, ours ? RESERVER : EVERYBODY);
	}
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire in word_swap(); see reserved_swap(). */
	uint32_t word = atomic_exchange(&l->word, 0);

	if (unlikely(word & WAITERS)) {
		note_wake(ctx, l);
		if (atomic_load(&l->reserved))
			futex_wake_bits(&l->word, RESERVER);
		else
			futex_wake(&l->word, 1);
	}
}

#define LOCK_OWNER(l) (&(l)->word)
#define LOCK_OWNER_KEEP WAITERS
#define LOCK_NAME "handoff"
#define LOCK_SUMMARY "futex mutex; who has waited 250 us reserves it, and is next"
#define LOCK_PAPER "W. Long, Linux mutex handoff, 2016; D. Vyukov, Go sync.Mutex, 2017"
#define LOCK_FAIRNESS "bounded: who has waited 250 us is next"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_handoff
#include "table_body.inc.h"
