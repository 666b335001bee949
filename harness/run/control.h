/* SPDX-License-Identifier: MIT */
/*
 * The start line: shared memory between the supervisor and its workers, apart
 * from the table. One writer per word: the supervisor writes phase, a worker
 * its own part. A worker that is killed leaves its part readable.
 */
#ifndef SHMBENCH_CONTROL_H
#define SHMBENCH_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

#include "run/trial.h"
#include "stats/intervals.h"

/* Parked: between two turns (turns.h). */
enum phase { PHASE_SETUP, PHASE_LOAD, PHASE_WARMUP, PHASE_MEASURE, PHASE_STOP, PHASE_PARKED };
/* The word of control->phase: the phase, the leg of a closed loop's window (legs.h), and
 * above them the interval's number. */
#define PHASE_BITS 8u
#define PHASE_MASK 7u
#define PHASE_LEG_SHIFT 3u
_Static_assert(PHASE_PARKED <= PHASE_MASK && LEGS_MAX <= 1u << (PHASE_BITS - PHASE_LEG_SHIFT),
	       "they share a word");

enum stage { STAGE_STARTING, STAGE_READY, STAGE_LOADED, STAGE_DONE, STAGE_FAILED };

struct worker_part {
	_Alignas(64) _Atomic uint32_t stage;
	_Alignas(64) _Atomic uint64_t progress; /* operations so far: the watchdog looks */
	_Alignas(64) int64_t net; /* entries added less removed, preload and warm-up too */
	uint64_t checked, errors;
	uint64_t stream_hash;
	uint64_t start_ticks, end_ticks;
	uint64_t last_end_ticks; /* of the last operation; where a drain ends the run */
	uint64_t ops_at_all_started, ops_at_first_done; /* ops = N only */
	_Atomic uint64_t ops_ever; /* as of the last interval's end, warm-up included */
	_Atomic uint32_t parked;   /* so many times: after each turn, its figures written */
	bool counted;		   /* a target's entries were, in its own process */
	char error[256];	   /* the first failed check, or why the worker gave up */
	struct worker_result result;
};

/* A worker's part of a leg, its own line: one writer. */
struct leg_part {
	_Alignas(64) uint64_t ops;
	uint64_t start_ticks, end_ticks; /* LEG_LOAD only: the others' are the run's */
	uint64_t late_ns;
	struct hist service[HIST_CLASSES], response[HIST_CLASSES], wait;
};

struct control {
	_Alignas(64) _Atomic uint32_t phase; /* read by all after every operation ... */
	_Atomic uint32_t first_done;	     /* ... so what changes once lives beside it */
	_Atomic uint32_t nr_started;	     /* ops = N only */
	_Atomic uint64_t first_done_ticks;
	/* An open loop's window is one of planned starts. Ticks; measure and stop
	 * are UINT64_MAX until they are known. */
	_Atomic uint64_t plan_origin, plan_measure, plan_stop;
	uint32_t nr_workers;
	uint32_t nr_slots; /* intervals that each worker has room for */
	size_t slots_offset;
	/* For `shmbench top`, which maps this read-only and believes nothing else of it. */
	uint64_t shape; /* CONTROL_SHAPE: what the file is, and that both builds agree on it */
	uint64_t interval_ns;
	uint32_t trial;
	char point[128];
	/* Phases: legs.h. Nothing is planned from plan_last on, which is at most plan_stop. */
	_Atomic uint64_t plan_last;
	size_t legs_offset;
	struct worker_part workers[];
};

#define CONTROL_MEMFD "shmbench-control"
#define CONTROL_SHAPE                                                   \
	(0x73686d63ull << 32 ^ (uint64_t)sizeof(struct control) << 20 ^ \
	 (uint64_t)sizeof(struct worker_part) ^ (uint64_t)INTERVAL_BUCKETS << 8)

/*
 * A memfd, sealed against truncation (whoever looks would get a SIGBUS), named so that
 * `top` finds it among the supervisor's descriptors. bytes are zero, and reserved only
 * where they are touched. NULL without memory; *ret_fd lives as long as the mapping.
 */
struct control *control_create(size_t bytes, int *ret_fd);
void control_destroy(struct control *control, size_t bytes, int fd);

/* A worker's slots, behind all workers' parts. */
static inline struct interval_slot *control_slots(struct control *control, uint32_t worker)
{
	return (struct interval_slot *)((char *)control + control->slots_offset) +
	       (size_t)worker * control->nr_slots;
}

/* A worker's legs, behind all workers' slots. */
static inline struct leg_part *control_legs(struct control *control, uint32_t worker,
					    uint32_t nr_legs)
{
	return (struct leg_part *)((char *)control + control->legs_offset) +
	       (size_t)worker * nr_legs;
}

#endif
