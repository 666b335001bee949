/* SPDX-License-Identifier: MIT */
/*
 * A discrete-event model of one lock handed from worker to worker: CPUs with a
 * round-robin scheduler each, workers pinned to them in turn, each in a loop of
 * work outside the lock and work inside it. Three families of locks; the steps of
 * each, up to every access of the lock's cache line and every system call, are
 * followed one by one, and what a step costs is given.
 *
 * The line is with one CPU that has written it, or with several that have read it.
 * Whoever has it not waits for it; a write waits for who else is being served, and for
 * its own way to him.
 *
 * Left out: other memory traffic, several locks, movement between CPUs, shared
 * readers, interrupts. Deterministic by seed.
 */
#ifndef SHMBENCH_PLAN_HAND_H
#define SHMBENCH_PLAN_HAND_H

#include <stdbool.h>
#include <stdint.h>

#define HAND_WORKERS_MAX 1024u

enum hand_family {
	HAND_QUEUE,    /* first come, first served; spins, then yields */
	HAND_TEST_SET, /* spins to the end of its time slice; whoever is fastest wins */
	HAND_PARK,     /* may spin for a while, then sleeps in the kernel; barging */
};

struct hand_costs {		/* ns */
	double outside, inside; /* an operation of one worker alone is their sum */
	double spread;		/* standard deviation of inside over its mean, 0 to 1 */
	double hold;		/* further time inside: the scenario's */
	/* Further time inside where other CPUs work, too, on average: after one of them had the
	 * lock, and after this one had it. It comes in whole transfers. */
	double handed, again;
	double cold;		/* further time inside, after another worker had the CPU */
	double atomic;		/* an attempt in vain, or a step into a queue or to sleep */
	double tick;		/* a look at the counter, at either end of a wait */
	double transfer;	/* of the lock's line from the CPU that wrote it to another */
	double invalidate;	/* writing it where others have only read it since */
	bool migrates;		/* a reader gets it from its writer to write it, too */
	double crowd;		/* share of a transfer that each further reader adds: 0 to 1 */
	double look;		/* waiting, from one look at the lock to the next */
	double patience;	/* HAND_QUEUE: spinning before the first yield */
	double backoff;		/* HAND_TEST_SET: the longest, each being twice the one before */
	double spin_max;	/* HAND_PARK: most that a wait spins, 0: none */
	double prepare;		/* HAND_PARK: before it goes to sleep */
	double yield;		/* of a call that yields to nobody */
	double wait_call;	/* of one that would sleep and finds the word changed */
	double wake_call;	/* of one that would wake and finds nobody */
	double wake, wake_busy; /* of one that wakes somebody, whose CPU idles, or not */
	double latency;		/* from the wake-up call until the sleeper runs */
	double change;		/* from one worker to another on a CPU */
	double quantum;		/* time slice where others are runnable */
	double skew;		/* between the slices' ends on two CPUs */
	double gap_every, gap;	/* how often a CPU stands still, 0: never, and for how long */
};

struct hand_system {
	enum hand_family family;
	bool blind;		/* HAND_TEST_SET: each look is an attempt */
	bool local;		/* HAND_QUEUE: only the first in it looks at the lock's line */
	uint32_t workers, cpus; /* 1..HAND_WORKERS_MAX; > 0 */
	struct hand_costs costs;
	uint64_t seed;
};

struct hand_outcome {
	double ops_per_s;
	double min_over_max; /* operations, the worker with fewest over the one with most */
	/* Of all acquires: found it taken; had it last, too. */
	double contended, reacquired;
	double yields, sleeps; /* calls per acquire; in vain or not */
	uint64_t ops;
};

/* Lets seconds pass, or fewer where very much happens in them; the first fifth does not
 * count. 0, -EINVAL (no such system, or nothing in it takes time) or -ENOMEM. */
int hand_simulate(const struct hand_system *system, double seconds,
		  struct hand_outcome *ret_outcome);

#endif
