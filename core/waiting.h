/* SPDX-License-Identifier: MIT */
/*
 * What every waiting loop needs: the pause, the deadline, the futex call.
 * Deadlines are ticks since the wait began; a time-out is checked often enough
 * that a pause never overshoots it by more than some microseconds.
 */
#ifndef SHMHT_WAITING_H
#define SHMHT_WAITING_H

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline bool wait_expired(const struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return shmht_ticks() - start_ticks >= ctx->timeout_ticks;
}

/* The wait's end on CLOCK_MONOTONIC, for calls that sleep. A wait that has used
 * part of its time gets the rest: ticks and nanoseconds agree to 0.1 %. */
struct timespec wait_deadline(const struct shmht_ctx *ctx, uint64_t start_ticks);

/* FUTEX_WAIT_BITSET: absolute CLOCK_MONOTONIC deadline. Process-shared. */
static inline int futex_wait(shm_half *word, uint32_t expected, const struct timespec *deadline)
{
	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, deadline, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ?
		       0 :
		       -errno;
}

static inline void futex_wake(shm_half *word, int nr)
{
	syscall(SYS_futex, word, FUTEX_WAKE, nr, NULL, NULL, 0);
}

#endif
