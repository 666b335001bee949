/* SPDX-License-Identifier: MIT */
/*
 * One clock for stamps, waits and latencies: the CPU's counter where it is
 * invariant and the kernel itself trusts it as clock source, else
 * CLOCK_MONOTONIC in nanoseconds. Ticks and nanoseconds never share a type
 * in an interface: _ticks and _ns are in the names.
 */
#ifndef SHMHT_CLOCK_H
#define SHMHT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#pragma GCC visibility push(default)

/* Decided once per process, before its first thread or fork. */
extern bool shmht_clock_is_counter;

static inline uint64_t shmht_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t shmht_counter(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
#else
	return shmht_monotonic_ns();
#endif
}

/* Not ordered against the loads around it: for waits, which are long. */
static inline uint64_t shmht_ticks(void)
{
	return __builtin_expect(shmht_clock_is_counter, 1) ? shmht_counter() : shmht_monotonic_ns();
}

/* Taken only after everything before it has completed. */
static inline uint64_t shmht_ticks_ordered(void)
{
#if defined(__x86_64__)
	__asm__ volatile("lfence" : : : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("isb" : : : "memory");
#endif
	return shmht_ticks();
}

/* Between two looks at a clock or a lock word: the core's other thread runs meanwhile,
 * and the loop's end costs no mis-speculated loads. */
static inline void shmht_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Nanoseconds per tick: measured against CLOCK_MONOTONIC at the first call
 * (which takes 20 ms); 1.0 without a counter. Not thread-safe at that call. */
double shmht_ns_per_tick(void);
/* "tsc", "cntvct" or "clock_gettime", and why. */
const char *shmht_clock_name(void);

#pragma GCC visibility pop

#endif
