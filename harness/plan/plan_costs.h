/* SPDX-License-Identifier: MIT */
/* What the hand-off model has to know of this machine beside the lock: measured here, in
 * about half a second, by processes of its own. */
#ifndef SHMBENCH_PLAN_COSTS_H
#define SHMBENCH_PLAN_COSTS_H

struct host_costs {	  /* ns */
	double pause;	  /* one pause of a waiting loop */
	double change;	  /* from one process to another on a CPU, by sched_yield(2) */
	double call;	  /* a futex(2) call that finds nothing to do */
	double wake;	  /* one that wakes a sleeper on another CPU (on this one, if it is the
			   * only one) */
	double wake_busy; /* one that wakes a sleeper of a CPU that runs: no interrupt */
	double latency;	  /* from the end of that call until the sleeper runs */
	double quantum;	  /* CPU time that a process gets before another has its turn */
};

/* 0 or a negative errno: -ETIME when the machine does not let the processes run. */
int host_costs_measure(struct host_costs *ret_costs);

#endif
