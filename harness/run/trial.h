/* SPDX-License-Identifier: MIT */
/*
 * What one trial of one point brought home: plain data, copied out of shared
 * memory once its workers are gone. Nothing here points into shared memory.
 */
#ifndef SHMBENCH_TRIAL_H
#define SHMBENCH_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "run/kernel.h"
#include "run/noise.h"
#include "scenario/params.h"
#include "shmht.h"
#include "stats/fairness.h"
#include "stats/hist.h"
#include "stats/intervals.h"

/* Service-time histograms: search is split, the others are their operation. */
enum hist_class {
	HIST_SEARCH_HIT,
	HIST_SEARCH_MISS,
	HIST_INSERT,
	HIST_UPDATE,
	HIST_REMOVE,
	HIST_SEARCH_MANY, /* calls, not keys */
	HIST_CLASSES
};
extern const char *const hist_class_names[HIST_CLASSES]; /* "search.hit" ... */

enum outcome {
	OUTCOME_OK,
	OUTCOME_MISS,
	OUTCOME_EXISTS,
	OUTCOME_FULL,
	OUTCOME_TIMEOUT,
	OUTCOME_NR
};
extern const char *const outcome_names[OUTCOME_NR]; /* "ok" "miss" "exists" "full" "timeout" */

struct worker_result {
	pid_t pid, tid;
	int cpu; /* pinned to; -1: not pinned */
	uint64_t ops;
	double user_s, sys_s;
	uint64_t vol_ctx, invol_ctx;
	double run_delay_s; /* NaN: not known */
	uint64_t minor_faults;
	struct shmht_lock_stats lock; /* within the measured window; wait_ticks unused */
	struct gap longest_gap;	      /* what the lock made it wait: fairness.h */
	uint64_t longest_wait_ns;     /* by the wall */
	uint64_t stalled_ns;	      /* time in waits over 1 ms */
	uint64_t outcomes[OP_NR][OUTCOME_NR];
	struct hist service[HIST_CLASSES];
	struct hist wait; /* contended acquires, each timed */
	/* Sampled sections of the lock: held (and that, where this worker had it last, too), and
	 * waited for before. */
	struct hist held, held_again, held_wait;
	/* Open loop: from the planned start; every operation of the window. */
	struct hist response[HIST_CLASSES];
	struct hist start_lag;	  /* of operations that the worker was free to start in time */
	uint64_t planned;	  /* operations planned within the window ... */
	uint64_t backlog;	  /* ... and of those not started at its end */
	uint64_t backlog_late_ns; /* how late the first of them was by then */
	uint64_t pace_sleeps;	  /* waits that slept: each is a system call of the harness */
	uint64_t harness_calls;	  /* all system calls of the harness within the window */
	struct kernel_counts kernel;
};

/* What a phase of a trial had, all workers together: legs.h. */
struct leg_result {
	double seconds;
	uint64_t ops;	  /* started in it */
	uint64_t late_ns; /* at its end: since when the schedule's next one should have run */
	struct hist service[HIST_CLASSES], response[HIST_CLASSES], wait;
};

enum trial_status { TRIAL_OK, TRIAL_FAILED, TRIAL_NOT_MEASURED };

/* verify = linearizable: what was checked of the trial, and how. */
struct lin_summary {
	bool ran;
	uint64_t operations;	 /* recorded, and through the witness check */
	uint64_t searched;	 /* of these, through the black-box check to an answer */
	uint64_t keys;		 /* whose histories these are */
	uint64_t undecided_keys; /* too many orders to try them all */
	uint64_t violations;	 /* keys */
	uint64_t balanced_keys;	 /* whose inserts and removes were counted, all of them */
	double key_share;	 /* of the keys that are no hot ones; 1: every operation is here */
	bool cut_short; /* the hottest keys filled a log: the beginning of the trial only */
	double seconds; /* that checking took */
};

/* Of `shmbench torture`: what was done to the workers, and what came of it. */
struct torture_outcome {
	bool recovers;	/* the strategy says so: a strand is a failure then */
	bool has_place; /* the plan names one */
	double storm_s;
	uint64_t kills, stops, leaves, respawns;
	uint64_t kills_at_place; /* of the kills, where kill = ...@PLACE says */
	uint64_t aimed_missed;	 /* nobody held a lock: somebody was taken; or came by the place */
	uint64_t recovered;	 /* acquires from a holder that had died */
	uint64_t strands;	 /* kills after which a lock stayed taken for ever */
	uint64_t strands_of;	 /* ... out of so many */
	bool has_quota;		 /* ... and the crew had it in the storm */
	uint64_t quota_periods, quota_throttled; /* periods, and those in which it ran out */
	uint64_t quota_held; /* looks that found a lock kept by one operation for over 2 ms */
	uint64_t resolved_done, resolved_undone; /* last operations of the killed */
	uint64_t timeouts, timeouts_by_state[4]; /* enum shmht_holder_state */
	struct hist wait_before, wait_storm, recovery, late;
	/* Windows, operations per second; fresh: of a table without a storm, by turns with
	 * after, as many of them, or none. */
	uint32_t nr_before, nr_after, nr_fresh;
	double *before, *after, *fresh;
	char stuck[1024]; /* what the watchdog saw the last time */
};

struct trial {
	enum trial_status status;
	char reason[512];	  /* of a status other than ok; or of a note */
	uint32_t index;		  /* trial number k, from 0 */
	double seconds;		  /* measured window, all workers running */
	uint64_t ops;		  /* within it */
	uint64_t op_stream_hash;  /* all workers' combined */
	uint64_t checked, errors; /* integrity */
	struct lin_summary lin;
	char *history; /* the first violation, as lines; NULL: none */
	enum shmht_pages pages_had;
	char pages_reason[128];
	uint64_t region_bytes;
	bool target; /* no table of ours: of its memory, locks and waits nothing is known */
	uint32_t nr_workers;
	struct worker_result *workers; /* [nr_workers] */
	uint64_t looks, looks_held;    /* supervise_look_every_ns */
	double warmup_s;	       /* had */
	bool steady;		       /* reached within the cap; true when not asked for */
	bool paced_by_sleep;	       /* open loop: more workers than CPUs */
	struct noise noise;	       /* around the window */
	uint32_t nr_intervals;
	struct interval_figures *intervals; /* [nr_intervals] */
	uint32_t nr_legs;
	struct leg_result *legs;	 /* [nr_legs] */
	struct torture_outcome *torture; /* NULL: no torture */
};

void trial_free(struct trial *trial);

#endif
