/* SPDX-License-Identifier: MIT */
/*
 * The kernel's share of an operation: system calls by tracepoint, hardware
 * counters where the machine has them. Each worker counts itself. While a
 * tracepoint is open, every system call of the machine is slower by some 0.3 us:
 * calls are counted in trials of their own (rounds.h), which nobody times.
 */
#ifndef SHMBENCH_KERNEL_H
#define SHMBENCH_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_event {
	KERNEL_SYSCALLS,
	KERNEL_FUTEX, /* of those: futex, futex_wait, futex_wake, ... */
	KERNEL_CYCLES,
	KERNEL_INSTRUCTIONS,
	KERNEL_CACHE_MISSES,
	KERNEL_DTLB_MISSES,
	KERNEL_EVENTS
};

/* Within one worker's measured window. */
struct kernel_counts {
	uint64_t count[KERNEL_EVENTS];
	bool known[KERNEL_EVENTS];
	char calls_reason[128];	   /* why system calls are not known, else "" */
	char hardware_reason[128]; /* of the first hardware event that is not */
};

#define KERNEL_FUTEX_CALLS 5

struct kernel_counters {
	int calls[1 + KERNEL_FUTEX_CALLS]; /* one group, its leader first; -1: none */
	unsigned int nr_calls;
	int hardware[KERNEL_EVENTS];
};

/*
 * Counts the calling thread from here on; calls: system calls, too. Never fails: what
 * cannot be counted is not known, and counts says why, unless nobody asked.
 */
void kernel_open(struct kernel_counters *counters, struct kernel_counts *counts, bool calls);
/* Whether system calls can be counted here; if not, *why_not says why. */
bool kernel_counts_calls(char *why_not, size_t size);
/* The last of what begins a window, and the first of what ends it: no call that
 * these make themselves is counted, nor one before or after. */
void kernel_begin(struct kernel_counters *counters, struct kernel_counts *counts);
void kernel_end(struct kernel_counters *counters, struct kernel_counts *counts);
void kernel_close(struct kernel_counters *counters);

#endif
