/* SPDX-License-Identifier: MIT */
/*
 * rwlock: searches share it, changes have it alone. A reader writes no shared line: it
 * notes the stripe in the line of its own worker slot. A writer takes a futex mutex,
 * which keeps new readers out, and then looks at every worker's note:
 *
 *	a reader	note the stripe; mutex free? in. Otherwise unnote, and sleep
 *	a writer	take the mutex; wait until no note names the stripe
 *
 * Each of the two stores comes before the other's load in one total order, so either
 * the reader sees the mutex taken or the writer sees the note. What a search saves, a
 * change pays, by one line for each worker there ever was.
 *
 * Why not pthread_rwlock_t: glibc's timed waits go round past their deadline, for ever,
 * when a process was killed that owed them a hand-over. And a note says who reads,
 * where a count of readers keeps the dead in it: a dead reader's note is removed.
 *
 * Papers: P. Courtois, F. Heymans, D. Parnas, "Concurrent Control with Readers and
 * Writers", CACM 14(10), 1971; W. Hsieh, W. Weihl, "Scalable Reader-Writer Locks for
 * Parallel Systems", IPPS 1992 (a place for each processor).
 * Fairness: writers before readers; among each kind none.
 * Dead holder: a writer's word is taken over, a reader's note removed, within
 * some milliseconds.
 * More workers than CPUs: waiters sleep; who waits for readers naps.
 */
#include "table.h"
#include "waiting.h"

#define LOCK_HAS_SHARED
#define LOCK_WORKER_BYTES 8
#include "strategy/futex_lock.inc.h"

#define PAUSES_BEFORE_NAP 128u /* a section of a reader who runs ends sooner */
#define NAP_NS 50000u

/* holder_id above, the stripe's number + 1 below; 0: reads nothing. */
INLINE shm_word *note_of(struct shm_slot *slot)
{
	return (shm_word *)slot->lock_local;
}

INLINE uint32_t note_stripe(const struct shmht_ctx *ctx, const struct lock *l)
{
	return (uint32_t)((const struct shm_stripe *)l - ctx->stripes) + 1;
}

/* The first worker from *idx on who reads here. Acquire pairs with the release in
 * lock_release_shared(): what was read in that section was read before. */
static bool find_reader(struct lock *l, struct shmht_ctx *ctx, uint32_t *idx, uint64_t *ret_note)
{
	struct shm_slot *slots = slots_of(ctx->map);
	uint32_t end = slots_ever(ctx->map), stripe = note_stripe(ctx, l);

#ifdef SHMHT_MUTANT_BLIND_WRITER /* a test's negative control: see core.ninja */
	end = 0;
#endif
	for (; *idx < end; ++*idx) {
		*ret_note = atomic_load(note_of(slots + *idx));
		if (unlikely((uint32_t)*ret_note == stripe))
			return true;
	}
	return false;
}

/* For who waited in vain: 0 when nobody reads. */
static uint32_t lock_reader(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t idx = 0;
	uint64_t note = 0;

	return find_reader(l, ctx, &idx, &note) ? (uint32_t)(note >> 32) : 0;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0, idx = 0;
	uint64_t note = 0;

	/* Sequentially consistent, as the loads of the notes are; their partner is
	 * lock_try_shared(). */
	if (!atomic_compare_exchange_strong(&l->word, &free, ctx->holder_id))
		return false;
	if (likely(!find_reader(l, ctx, &idx, &note)))
		return true;
	lock_release(l, ctx);
	return false;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return park(l, ctx, start_ticks);
}

/* True when it is gone. It names a dead context for good: a successor in the slot has
 * another id, and the swap fails if that one has noted something meanwhile. */
static bool bury(struct shmht_ctx *ctx, uint32_t idx, uint64_t note, bool thoroughly)
{
	if (!ctx->robust || !holder_dead(ctx, (uint32_t)(note >> 32), thoroughly))
		return false;
	if (atomic_compare_exchange_strong(note_of(slots_of(ctx->map) + idx), &note, 0))
		note_recovered(ctx, slots_of(ctx->map) + idx);
	return true;
}

/* The mutex is ours. New readers find it taken: the ones inside are waited for, each
 * at most once. */
static int lock_drain(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	uint64_t look = wait_ticks(SLOW_LOOK_NS), next = look, note = 0;
	uint32_t idx = 0;

	/* park() took the word by less than a sequentially consistent store. */
	__sync_synchronize();
	for (uint32_t n = 0; find_reader(l, ctx, &idx, &note); n++) {
		uint64_t waited = shmht_ticks() - start_ticks;
		struct timespec nap = { .tv_nsec = NAP_NS };
		bool over = waited >= ctx->timeout_ticks;

		if (n < PAUSES_BEFORE_NAP && !over) {
			shmht_pause();
			ctx->stats.spins++;
			continue;
		}
		if (bury(ctx, idx, note, over || waited >= next))
			continue;
		if (over) {
			lock_release(l, ctx);
			return -ETIMEDOUT;
		}
		if (waited >= next)
			next = waited + look;
		note_park(ctx, l);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return 0;
}

INLINE bool lock_try_shared(struct lock *l, struct shmht_ctx *ctx)
{
	shm_word *note = note_of(ctx->slot);

	/* See lock_try(). That a section's loads follow is the acquire's doing, which
	 * pairs with the release in lock_release(). */
	atomic_store(note, (uint64_t)ctx->holder_id << 32 | note_stripe(ctx, l));
	if (likely(!atomic_load(&l->word)))
		return true;
	st_release(note, 0);
	return false;
}

/* Of the sleepers a release wakes one. If that is a reader, the others may come in
 * with him: each wakes the next. */
static int lock_wait_shared(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline = wait_deadline(ctx, start_ticks);
	bool slept = false;
	int r = 0;

	for (;;) {
		uint32_t word = ld_acquire(&l->word);

		if (!word && lock_try_shared(l, ctx))
			break;
		if (!word)
			continue;
		if (r == -ETIMEDOUT)
			return r;
		r = word_sleep(l, ctx, word, &deadline);
		slept = true;
	}
	if (slept && ld(&l->sleepers)) {
		note_wake(ctx, l);
		futex_wake(&l->word, 1);
	}
	return 0;
}

INLINE void lock_release_shared(struct lock *l, struct shmht_ctx *ctx)
{
	(void)l;
	st_release(note_of(ctx->slot), 0);
}

#define LOCK_DRAINS
#define LOCK_NAME "rwlock"
#define LOCK_SUMMARY "read-write lock; a reader notes itself in its own line, writers look at all"
#define LOCK_PAPER "Courtois et al., CACM 14(10), 1971; Hsieh and Weihl, IPPS 1992"
#define LOCK_FAIRNESS "unfair: writers first; a stream of them starves readers"
#define LOCK_DEAD_HOLDER "recovers: a waiter takes over"
#define LOCK_OVERSUBSCRIBED "good, but writers first"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_SHARED_READERS | SHMHT_CAP_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_rwlock
#include "table_body.inc.h"
