/* SPDX-License-Identifier: MIT */
/*
 * ticket: first come, first served by one word: who holds the lock (a holder_id, in
 * the low half), the ticket being served, and how many tickets there are, that one
 * included. A release is one addition: the next ticket is served, and nobody holds it
 * until its owner has claimed it by writing himself there.
 *
 * Giving up: who has the last ticket takes it back, by compare-and-swap. Any
 * other marks his ticket in `gone`, and whoever releases claims on behalf of the
 * marked and moves on. Marking and serving can cross: each side does its own
 * write first and then looks at the other's (sequentially consistent); if both see
 * it, the claim decides who has the lock, and it names the ticket, so an old one
 * claims nothing. `gone` has a bit for TICKETS tickets: beyond that many,
 * newcomers wait for one.
 *
 * Dying: before he draws a ticket, a waiter notes in his worker slot which ticket of
 * which lock he is about to draw; the draw is a compare-and-swap from just that next
 * ticket. So a ticket that is served, not claimed, and in no living worker's note has
 * no owner: a waiter claims it, as he takes the word from a dead holder, and releases
 * in his place. A note that its writer did not draw is put right in his next step; if
 * he is stopped there the dead one's ticket waits for him: nobody alive is passed over.
 * A free lock is drawn and claimed at once and needs no note.
 *
 * wait = park: waiters sleep on the half that a release changes, told apart by a bit of
 * the ticket, so that a release wakes the one whose turn it is; without sleepers it
 * does not enter the kernel.
 *
 * Paper: J. Mellor-Crummey, M. Scott, "Algorithms for Scalable Synchronization
 * on Shared-Memory Multiprocessors", ACM TOCS 9(1), 1991, section 2.2 (ticket);
 * claiming is what time-outs and deaths add.
 * Fairness: strict order of arrival (but for a free lock, which is just taken).
 * Dead holder, dead waiter: another waiter moves on for them, within some milliseconds
 * under every waiting policy; the order of the others stays.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#include "table.h"
#include "waiting.h"

#define LOCK_WORKER_BYTES 8
#define TICKETS 256u
#define TICKET_MASK 0xffffffu
#define SERVED_SHIFT 40
#define ONE_TICKET (1ull << 32)
#define ONE_SERVED (1ull << SERVED_SHIFT)
_Static_assert(!(HOLDER_MASK & ~0x7fffffffull), "a holder_id is below the tickets");

struct lock {
	shm_word word; /* 0-31 holder_id, 32-39 tickets, 40-63 the one being served */
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

INLINE uint32_t holder_of(uint64_t word)
{
	return (uint32_t)word;
}

INLINE uint32_t tickets_of(uint64_t word)
{
	return (uint32_t)(word >> 32) & (TICKETS - 1);
}

INLINE uint32_t served_of(uint64_t word)
{
	return (uint32_t)(word >> SERVED_SHIFT);
}

INLINE uint32_t next_of(uint64_t word)
{
	return (served_of(word) + tickets_of(word)) & TICKET_MASK;
}

/* Serving t, and t's owner has not claimed it yet. */
INLINE bool is_turn(uint64_t word, uint32_t t)
{
	return served_of(word) == t && !holder_of(word) && tickets_of(word);
}

INLINE bool is_queued(uint64_t word, uint32_t t)
{
	return ((t - served_of(word)) & TICKET_MASK) < tickets_of(word);
}

/* What a sleeper waits on: the half that a release changes. A draw does, too, which
 * makes a sleeper that was about to look again. */
INLINE shm_half *serving_half(struct lock *l)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "it is the second one");
	return (shm_half *)(uintptr_t)&l->word + 1;
}

INLINE bool word_swap(struct lock *l, uint64_t *from, uint64_t to)
{
	/* Acquire pairs with the release in lock_release(); release, of a draw, publishes
	 * the note and pairs with the acquire in lock_take(). */
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acq_rel,
						       memory_order_relaxed);
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t word = ld(&l->word);

	return !holder_of(word) && !tickets_of(word) &&
	       word_swap(l, &word, word + ONE_TICKET + ctx->holder_id);
}

/* The word before. */
INLINE uint64_t serve_next(struct lock *l, struct shmht_ctx *ctx)
{
	return atomic_fetch_add(&l->word, ONE_SERVED - ONE_TICKET - ctx->holder_id);
}

INLINE uint32_t ticket_bit(uint32_t t)
{
	return 1u << (t & 31);
}

INLINE shm_word *gone_word(struct lock *l, uint32_t t)
{
	return &l->gone[t % TICKETS / 64];
}

INLINE uint64_t gone_bit(uint32_t t)
{
	return 1ull << (t & 63);
}

/* t is served and somebody waits: t's owner, or nobody if he has gone. */
static __attribute__((noinline)) void pass_on(struct lock *l, struct shmht_ctx *ctx, uint32_t t)
{
	uint64_t word;

	while (atomic_load(gone_word(l, t)) & gone_bit(t)) {
		word = ld(&l->word);
		do {
			if (!is_turn(word, t))
				return; /* he, or another releaser, was faster */
		} while (!word_swap(l, &word, word | ctx->holder_id));
		atomic_fetch_and(gone_word(l, t), ~gone_bit(t));
		word = serve_next(l, ctx);
		t = (t + 1) & TICKET_MASK;
		if (tickets_of(word) == 1)
			return;
	}
	if (atomic_load(&l->asleep)) {
		note_wake(ctx, l);
		futex_wake_bits(serving_half(l), ticket_bit(t));
	}
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire of whoever claims next. */
	uint64_t word = serve_next(l, ctx);

	if (unlikely(tickets_of(word) != 1))
		pass_on(l, ctx, (served_of(word) + 1) & TICKET_MASK);
}

/* ---- notes, and what is left of the dead ---------------------------------- */

#define NOTE_LOCK_SHIFT 24
#define NOTE_WHO_SHIFT 41
_Static_assert(SHMHT_STRIPES_MAX + 1 < 1u << (NOTE_WHO_SHIFT - NOTE_LOCK_SHIFT), "0 is no lock");

INLINE shm_word *note_of(struct shm_slot *slot)
{
	return (shm_word *)slot->lock_local;
}

INLINE uint64_t note_make(const struct shmht_ctx *ctx, const struct lock *l, uint32_t t)
{
	return (uint64_t)((const struct shm_stripe *)l - ctx->stripes + 1) << NOTE_LOCK_SHIFT | t;
}

/* Before the draw, and released by it. The slot's generation with it: what a dead
 * predecessor left there is not his successor's. */
INLINE void note_draw(struct shmht_ctx *ctx, struct lock *l, uint32_t t)
{
	if (ctx->robust)
		st(note_of(ctx->slot),
		   note_make(ctx, l, t) | (uint64_t)(ctx->holder_id >> HOLDER_SLOT_BITS)
						  << NOTE_WHO_SHIFT);
}

/* After the claim, or giving up. Release pairs with the acquire in owner_of(): who
 * misses the note finds the claim. */
INLINE void note_clear(struct shmht_ctx *ctx)
{
	if (ctx->robust)
		st_release(note_of(ctx->slot), 0);
}

/* A living worker whose note has ticket t; 0: it has no owner. */
static uint32_t owner_of(struct lock *l, struct shmht_ctx *ctx, uint32_t t, bool thoroughly)
{
	struct shm_slot *slots = slots_of(ctx->map);
	uint32_t end = slots_ever(ctx->map);
	uint64_t noted = note_make(ctx, l, t);

	for (uint32_t i = 0; i < end; i++) {
		uint64_t note = ld_acquire(note_of(slots + i));
		uint32_t id = holder_make(i, (uint32_t)(note >> NOTE_WHO_SHIFT));

		if ((note & ((1ull << NOTE_WHO_SHIFT) - 1)) == noted &&
		    !holder_dead(ctx, id, thoroughly))
			return id;
	}
	return 0;
}

/* Who has the lock, or its turn to claim it. */
static uint32_t lock_owner(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t word = ld_acquire(&l->word);

	if (holder_of(word) || !tickets_of(word))
		return holder_of(word);
	return owner_of(l, ctx, served_of(word), false);
}

/* True: the ticket being served was a dead one's, and is ours now. A bit of it in
 * `gone`, his or set for him, is cleared by who holds it, before another can have it. */
static bool lock_take(struct lock *l, struct shmht_ctx *ctx, bool thoroughly)
{
	/* Acquire pairs with the release of the draw: the ticket's note is seen. */
	uint64_t word = ld_acquire(&l->word);
	uint32_t holder = holder_of(word), t = served_of(word);

#ifdef SHMHT_MUTANT_HOLDERS_ONLY /* a test's negative control: see core.ninja */
	if (!holder)
		return false;
#endif
	if (holder ? !holder_dead(ctx, holder, thoroughly) :
		     !tickets_of(word) || owner_of(l, ctx, t, thoroughly))
		return false;
	while (holder_of(word) == holder && served_of(word) == t) {
		if (!word_swap(l, &word, word - holder + ctx->holder_id))
			continue;
		atomic_fetch_and(gone_word(l, t), ~gone_bit(t));
		note_recovered(ctx, l);
		return true;
	}
	return false;
}

/* ---- waiting --------------------------------------------------------------- */

/* True: the lock became ours in the last moment. */
static bool keep_or_leave(struct lock *l, struct shmht_ctx *ctx, uint32_t t)
{
	uint64_t word = ld(&l->word);

	while (is_queued(word, t) && served_of(word) != t &&
	       next_of(word) == ((t + 1) & TICKET_MASK))
		if (word_swap(l, &word, word - ONE_TICKET))
			return false;
	if (!is_queued(word, t))
		return false;
	atomic_fetch_or(gone_word(l, t), gone_bit(t));
	word = atomic_load(&l->word);
	while (is_turn(word, t)) {
		if (word_swap(l, &word, word | ctx->holder_id)) {
			atomic_fetch_and(gone_word(l, t), ~gone_bit(t));
			return true;
		}
	}
	return false;
}

/* False: there are as many as there can be. */
static bool draw(struct lock *l, struct shmht_ctx *ctx, uint64_t *word, uint32_t *ret_ticket)
{
	while (tickets_of(*word) < TICKETS - 1) {
		uint32_t t = next_of(*word);

#ifndef SHMHT_MUTANT_DRAW_FIRST /* a test's negative control: see core.ninja */
		note_draw(ctx, l, t);
#endif
		if (!word_swap(l, word, *word + ONE_TICKET))
			continue;
#ifdef SHMHT_MUTANT_DRAW_FIRST
		note_draw(ctx, l, t);
#endif
		*word += ONE_TICKET;
		*ret_ticket = t;
		return true;
	}
	return false;
}

static void park(struct lock *l, struct shmht_ctx *ctx, uint32_t t, uint64_t word, uint64_t ticks)
{
	struct timespec end = wait_end(ticks);

	/* Before the kernel compares the half: pairs with the load in pass_on(). */
	atomic_fetch_add(&l->asleep, 1);
	note_park(ctx, l);
	futex_wait_bits(serving_half(l), (uint32_t)(word >> 32), &end, ticket_bit(t));
	atomic_fetch_sub(&l->asleep, 1);
}

/* For the dead at the head of the queue. They are let go in order: ours comes. */
static void move_on(struct lock *l, struct shmht_ctx *ctx, bool thoroughly)
{
	while (lock_take(l, ctx, thoroughly))
		lock_release(l, ctx);
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	bool parks = ctx->wait == SHMHT_WAIT_PARK, drawn = false;
	struct looks looks = looks_begin(ctx->robust);
	uint32_t t = 0;

	for (uint32_t round = 0;; round++) {
		uint64_t word = ld(&l->word), waited, left;

		/* Passed over: no peer that keeps to the rules does that within the 2^24
		 * tickets after which their numbers come again. A new one, then. */
		if (!drawn || unlikely(!is_queued(word, t)))
			drawn = draw(l, ctx, &word, &t);
		while (drawn && is_turn(word, t))
			if (word_swap(l, &word, word | ctx->holder_id)) {
				note_clear(ctx);
				return 0;
			}
		waited = shmht_ticks() - start_ticks;
		if (waited >= ctx->timeout_ticks) {
			bool kept = drawn && keep_or_leave(l, ctx, t);

			note_clear(ctx);
			return kept || (ctx->robust && lock_take(l, ctx, true)) ? 0 : -ETIMEDOUT;
		}
		if (waited >= looks.next) {
			move_on(l, ctx, looks_thoroughly(&looks, waited));
			continue;
		}
		left = looks.next < ctx->timeout_ticks ? looks.next : ctx->timeout_ticks;
		if (parks && drawn && round >= ROUNDS_BEFORE_PARK)
			park(l, ctx, t, word, left - waited);
		else
			wait_pause(ctx, round);
	}
}

#define LOCK_TAKES
#define LOCK_NAME "ticket"
#define LOCK_SUMMARY "ticket lock; who gives up or dies is skipped"
#define LOCK_PAPER "Mellor-Crummey, Scott, ACM TOCS 9(1), 1991"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "recovers: a waiter moves on"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_ticket
#include "table_body.inc.h"
