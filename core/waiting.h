/* SPDX-License-Identifier: MIT */
/*
 * What every waiting loop needs: the pause, the deadline, the futex call.
 * Deadlines are ticks since the wait began; a time-out is checked often enough
 * that a pause never overshoots it by more than some microseconds.
 */
#ifndef SHMHT_WAITING_H
#define SHMHT_WAITING_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"
#include "probes.h"

/* Of a context's statistics, what only a strategy knows. */
static inline void note_park(struct shmht_ctx *ctx, const void *lock)
{
	ctx->stats.parks++;
	PROBE(park, lock, ctx);
}

static inline void note_wake(struct shmht_ctx *ctx, const void *lock)
{
	ctx->stats.wakes++;
	PROBE(wake, lock, ctx);
}

static inline void note_recovered(struct shmht_ctx *ctx, const void *lock)
{
	ctx->stats.recovered++;
	PROBE(recover, lock, ctx);
}

static inline uint64_t wait_ticks(uint64_t ns)
{
	return (uint64_t)((double)ns / shmht_ns_per_tick());
}

static inline bool wait_expired(const struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return shmht_ticks() - start_ticks >= ctx->timeout_ticks;
}

/* The wait's end on CLOCK_MONOTONIC, for calls that sleep. A wait that has used
 * part of its time gets the rest: ticks and nanoseconds agree to 0.1 %. */
struct timespec wait_deadline(const struct shmht_ctx *ctx, uint64_t start_ticks);

/* Absolute CLOCK_MONOTONIC deadline. Process-shared. Woken by a wake-up that has
 * one of the bits. */
static inline int futex_wait_bits(shm_half *word, uint32_t expected,
				  const struct timespec *deadline, uint32_t bits)
{
	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline, NULL, bits) == 0 ?
		       0 :
		       -errno;
}

static inline int futex_wait(shm_half *word, uint32_t expected, const struct timespec *deadline)
{
	return futex_wait_bits(word, expected, deadline, FUTEX_BITSET_MATCH_ANY);
}

static inline void futex_wake(shm_half *word, int nr)
{
	syscall(SYS_futex, word, FUTEX_WAKE, nr, NULL, NULL, 0);
}

static inline void futex_wake_bits(shm_half *word, uint32_t bits)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, bits);
}

/* So many ticks from now, on CLOCK_MONOTONIC. */
static inline struct timespec wait_end(uint64_t ticks)
{
	uint64_t end = shmht_monotonic_ns() + (uint64_t)((double)ticks * shmht_ns_per_tick());

	return (struct timespec){ .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };
}

/*
 * When a waiter looks whether who is before it has died: after slices of a wait that
 * get longer, and thoroughly, asking /proc, more rarely. The slices also end the sleep
 * of a waiter whose wake-up went to one that died with it, or was never sent because
 * the releaser died before it could.
 */
#define SLICE_FIRST_NS 500000u
#define SLICE_LAST_NS 4000000u
#define SLOW_LOOK_NS 10000000u

/* For a lock that keeps its own time; all in ticks since the wait began. */
struct looks {
	uint64_t next, slice, slow;
};

static inline struct looks looks_begin(bool wanted)
{
	struct looks looks = { UINT64_MAX, wait_ticks(SLICE_FIRST_NS), wait_ticks(SLOW_LOOK_NS) };

	if (wanted)
		looks.next = looks.slice;
	return looks;
}

/* It is time for one: thoroughly? Sets the next one's. */
static inline bool looks_thoroughly(struct looks *looks, uint64_t waited)
{
	bool thoroughly = waited >= looks->slow;

	if (thoroughly)
		looks->slow = waited + wait_ticks(SLOW_LOOK_NS);
	if (looks->slice < wait_ticks(SLICE_LAST_NS))
		looks->slice *= 2;
	looks->next = waited + looks->slice;
	return thoroughly;
}

#define PAUSES_PER_ROUND 8u
#define ROUNDS_BEFORE_PARK 4u	/* where `wait = park`: a short section ends sooner */
#define ROUNDS_BEFORE_YIELD 12u /* about 100 pauses: longer than a hand-over between CPUs */

/* round: how often this wait has paused. Policy OWN: spins first, then yields, the
 * best that a first-come-first-served lock can do without knowing who runs. */
static inline void wait_pause(struct shmht_ctx *ctx, uint32_t round)
{
	if (ctx->wait == SHMHT_WAIT_YIELD ||
	    (ctx->wait == SHMHT_WAIT_OWN && round >= ROUNDS_BEFORE_YIELD)) {
		ctx->stats.yields++;
		sched_yield();
		return;
	}
	for (uint32_t i = 0; i < PAUSES_PER_ROUND; i++)
		shmht_pause();
	ctx->stats.spins += PAUSES_PER_ROUND;
}

#endif
