/* SPDX-License-Identifier: MIT */
/*
 * A discrete-event model of one lock handed from worker to worker: CPUs with a
 * round-robin scheduler each, workers pinned to them in turn, each in a loop of
 * work outside the lock and work inside it. Three families of locks; what they do
 * while they wait is followed step by step, what a step costs is given.
 *
 * Left out: other memory traffic, several locks, movement between CPUs, shared
 * readers, interrupts. Deterministic by seed.
 */
#ifndef SHMBENCH_PLAN_HAND_H
#define SHMBENCH_PLAN_HAND_H

#include <stdint.h>

#define HAND_WORKERS_MAX 1024u

enum hand_family {
	HAND_QUEUE,    /* first come, first served; spins, then yields */
	HAND_TEST_SET, /* spins to the end of its time slice; whoever is fastest wins */
	HAND_PARK,     /* may spin for a while, then sleeps in the kernel; barging */
};

struct hand_costs {		/* ns */
	double outside, inside; /* an operation of one worker alone is their sum */
	double hold;		/* further time inside: the scenario's */
	double handoff;		/* more for an acquire after another CPU's */
	double crowd;		/* further handoffs for each other CPU that polls the lock */
	double patience;	/* HAND_QUEUE: spinning before the first yield; HAND_TEST_SET:
				 * the first pause between two looks */
	double look;		/* HAND_QUEUE: between two looks at whose turn it is; 0: always */
	double backoff;		/* HAND_TEST_SET: the longest, each being twice the one before */
	double spin_max;	/* HAND_PARK: most that a wait spins, 0: none */
	double call;		/* CPU time of a system call that finds nothing to do */
	double wake, wake_busy; /* of one that wakes somebody, whose CPU idles, or not */
	double latency;		/* from the wake-up call until the sleeper runs */
	double change;		/* from one worker to another on a CPU */
	double quantum;		/* time slice where others are runnable */
};

struct hand_system {
	enum hand_family family;
	uint32_t workers, cpus; /* 1..HAND_WORKERS_MAX; > 0 */
	struct hand_costs costs;
	uint64_t seed;
};

struct hand_outcome {
	double ops_per_s;
	double min_over_max; /* operations, the worker with fewest over the one with most */
	double contended;    /* share of acquires that found it taken */
	uint64_t ops;
};

/* Lets seconds pass; the first fifth does not count. 0, -EINVAL (no such system, or
 * nothing in it takes time) or -ENOMEM. */
int hand_simulate(const struct hand_system *system, double seconds,
		  struct hand_outcome *ret_outcome);

#endif
