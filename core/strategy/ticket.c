/* SPDX-License-Identifier: MIT */
/*
 * ticket: first come, first served by two counters in one word: the next ticket
 * in the low half; the ticket being served, and whether its owner has claimed
 * the lock, in the high half. A release is one addition there: it turns
 * "t claimed" into "t + 1 unclaimed", and its result tells whether anybody waits.
 *
 * Giving up: who has the last ticket takes it back, by compare-and-swap. Any
 * other marks his ticket in `gone`, and whoever releases claims on behalf of the
 * marked and moves on. Marking and serving can cross: each side does its own
 * write first and then looks at the other's (sequentially consistent); if both see
 * it, the claim decides who has the lock, and it names the ticket, so an old one
 * claims nothing. `gone` has a bit for TICKETS tickets: beyond that many,
 * newcomers wait for one.
 *
 * wait = park: waiters sleep on the serving half, told apart by a bit of the
 * ticket, so that a release wakes the one whose turn it is; without sleepers it
 * does not enter the kernel.
 *
 * Paper: J. Mellor-Crummey, M. Scott, "Algorithms for Scalable Synchronization
 * on Shared-Memory Multiprocessors", ACM TOCS 9(1), 1991, section 2.2 (ticket);
 * claiming is what a time-out adds.
 * Fairness: strict order of arrival (but for a free lock, which is just taken).
 * Dead holder: the lock stays taken; so it does when somebody dies in the queue.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#include "table.h"
#include "waiting.h"

#define TICKET_MASK 0x7fffffffu
#define TICKETS 256u
#define CLAIMED (1ull << 32)

struct lock {
	shm_word word;
	shm_word gone[TICKETS / 64];
	shm_half asleep;
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	for (unsigned int i = 0; i < TICKETS / 64; i++)
		st(&l->gone[i], 0);
	st(&l->asleep, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE uint32_t next_of(uint64_t word)
{
	return (uint32_t)word & TICKET_MASK;
}

INLINE uint64_t with_next(uint64_t word, uint32_t next)
{
	return (word & ~0xffffffffull) | (next & TICKET_MASK);
}

/* Serving t, and t's owner has not claimed it yet. */
INLINE bool is_turn(uint64_t word, uint32_t t)
{
	return word >> 32 == (uint64_t)t << 1;
}

/* What a sleeper waits on: the half that a release changes. */
INLINE shm_half *serving_half(struct lock *l)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "it is the second one");
	return (shm_half *)(uintptr_t)&l->word + 1;
}

INLINE bool word_swap(struct lock *l, uint64_t *from, uint64_t to)
{
	/* Acquire pairs with the release in lock_release(). */
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acquire,
						       memory_order_relaxed);
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t word = ld(&l->word);

	(void)ctx;
	return is_turn(word, next_of(word)) &&
	       word_swap(l, &word, with_next(word, next_of(word) + 1) | CLAIMED);
}

INLINE uint64_t serve_next(struct lock *l)
{
	return atomic_fetch_add(&l->word, CLAIMED);
}

INLINE uint32_t ticket_bit(uint32_t t)
{
	return 1u << (t & 31);
}

/* t is served and somebody waits: t's owner, or nobody if he has gone. */
static __attribute__((noinline)) void pass_on(struct lock *l, struct shmht_ctx *ctx, uint32_t t)
{
	uint64_t word, bit = 1ull << (t & 63);
	shm_word *gone = &l->gone[t % TICKETS / 64];

	while (atomic_load(gone) & bit) {
		word = ld(&l->word);
		do {
			if (!is_turn(word, t))
				return; /* he, or another releaser, was faster */
		} while (!word_swap(l, &word, word | CLAIMED));
		atomic_fetch_and(gone, ~bit);
		word = serve_next(l);
		t = (t + 1) & TICKET_MASK;
		if (next_of(word) == t)
			return;
		bit = 1ull << (t & 63);
		gone = &l->gone[t % TICKETS / 64];
	}
	if (atomic_load(&l->asleep)) {
		note_wake(ctx, l);
		futex_wake_bits(serving_half(l), ticket_bit(t));
	}
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire of whoever claims next. */
	uint64_t word = serve_next(l);
	uint32_t next = ((uint32_t)(word >> 33) + 1) & TICKET_MASK;

	if (unlikely(next_of(word) != next))
		pass_on(l, ctx, next);
}

/* True: the lock became ours in the last moment. */
static bool keep_or_leave(struct lock *l, uint32_t t)
{
	uint64_t word = ld(&l->word), bit = 1ull << (t & 63);
	shm_word *gone = &l->gone[t % TICKETS / 64];

	while (!is_turn(word, t) && next_of(word) == ((t + 1) & TICKET_MASK))
		if (word_swap(l, &word, with_next(word, t)))
			return false;
	atomic_fetch_or(gone, bit);
	word = atomic_load(&l->word);
	while (is_turn(word, t)) {
		if (word_swap(l, &word, word | CLAIMED)) {
			atomic_fetch_and(gone, ~bit);
			return true;
		}
	}
	return false;
}

/* Draws a ticket, if any can be had in time. */
static int draw(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks, uint32_t *ret_ticket)
{
	uint64_t word = ld(&l->word);

	for (uint32_t round = 0;; round++) {
		while (((next_of(word) - (uint32_t)(word >> 33)) & TICKET_MASK) < TICKETS - 1) {
			if (!word_swap(l, &word, with_next(word, next_of(word) + 1)))
				continue;
			*ret_ticket = next_of(word);
			return 0;
		}
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		wait_pause(ctx, round);
		word = ld(&l->word);
	}
}

static int park(struct lock *l, struct shmht_ctx *ctx, uint32_t t, uint32_t serving,
		const struct timespec *deadline)
{
	int r;

	/* Before the kernel compares the word: pairs with the load in pass_on(). */
	atomic_fetch_add(&l->asleep, 1);
	note_park(ctx, l);
	r = futex_wait_bits(serving_half(l), serving, deadline, ticket_bit(t));
	atomic_fetch_sub(&l->asleep, 1);
	return r;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	bool parks = ctx->wait == SHMHT_WAIT_PARK;
	struct timespec deadline;
	uint32_t t;
	int r = draw(l, ctx, start_ticks, &t);

	if (r)
		return r;
	if (parks)
		deadline = wait_deadline(ctx, start_ticks);
	for (uint32_t round = 0;; round++) {
		uint64_t word = ld(&l->word);

		if (is_turn(word, t)) {
			/* Nobody else claims t, which is not marked. Acquire pairs with the
			 * release in lock_release(). */
			atomic_fetch_or_explicit(&l->word, CLAIMED, memory_order_acquire);
			return 0;
		}
		if (r == -ETIMEDOUT || wait_expired(ctx, start_ticks))
			return keep_or_leave(l, t) ? 0 : -ETIMEDOUT;
		if (parks && round >= ROUNDS_BEFORE_PARK)
			r = park(l, ctx, t, (uint32_t)(word >> 32), &deadline);
		else
			wait_pause(ctx, round);
	}
}

#define LOCK_NAME "ticket"
#define LOCK_SUMMARY "ticket lock; who gives up is skipped by a later release"
#define LOCK_PAPER "Mellor-Crummey, Scott, ACM TOCS 9(1), 1991"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "strands 100% (98..100), waiter too"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_ticket
#include "table_body.inc.h"
