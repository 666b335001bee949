/* SPDX-License-Identifier: MIT */
/* One worker: set-up, preload, start line, the measured loop. */
#ifndef SHMBENCH_WORKER_H
#define SHMBENCH_WORKER_H

#include "run/control.h"
#include "scenario/params.h"
#include "shmht.h"
#include "target/target.h"
#include "verify/lin.h"

struct worker_job {
	const struct params *params;
	struct control *control;
	struct lin *lin;	     /* verify = linearizable, else NULL */
	struct shmht *map;	     /* this process's mapping of the table; NULL: a target's */
	const struct target *target; /* with its table */
	struct target_table *table;
	uint32_t trial, worker;
	int cpu;	   /* -1: not pinned */
	bool sleepy;	   /* open loop: waits for planned starts asleep */
	bool counts_calls; /* a trial that is not timed */
	double ns_per_tick;
};

/* Runs to the end of the trial; everything it has to say is in its part of
 * the control region. Callable from a process of its own or from a thread. */
void worker_run(const struct worker_job *job);

#endif
