/* SPDX-License-Identifier: MIT */
/* What the hand-off model has to know of this machine beside the lock: measured here, in
 * about half a second, by processes of its own. */
#ifndef SHMBENCH_PLAN_COSTS_H
#define SHMBENCH_PLAN_COSTS_H

#include <stddef.h>

struct host_costs {	   /* ns */
	double pause;	   /* one pause of a waiting loop */
	double tick;	   /* a look at the counter */
	double clock;	   /* what an empty section between two ordered looks would show */
	double stamp;	   /* a look at CLOCK_MONOTONIC */
	double atomic;	   /* a compare-and-swap of a line that this CPU has */
	double transfer;   /* reading a cache line that another CPU has written */
	double upgrade;	   /* then writing it ... */
	double invalidate; /* ... and if that CPU has read it again meanwhile */
	double yield;	   /* sched_yield(2) to nobody */
	double change[2];  /* from one process to another on a CPU, by it: of two, of four */
	double cold;	   /* more for an operation after it, than for one of many */
	double wait_call;  /* a futex(2) call that finds the word changed, while another CPU makes
			    * the next one */
	double wake_call;  /* one that finds nobody to wake, while another CPU makes the last one */
	double wake;	   /* one that wakes a sleeper on another CPU (on this one, if it is the
			    * only one) */
	double wake_busy;  /* one that wakes a sleeper of a CPU that runs: no interrupt */
	double latency;	   /* from the end of that call until the sleeper runs */
	double quantum;	   /* CPU time that a process gets before another has its turn */
	double gap_every;  /* a CPU that nobody else wants stands still so often ... */
	double gap;	   /* ... and for so long */
};
#define HOST_COSTS_NR (sizeof(struct host_costs) / sizeof(double))

/* Their names, in their order, as they are printed, and as keys. */
extern const struct host_cost_name {
	const char *text, *key;
} host_cost_names[HOST_COSTS_NR];

/* 0 or a negative errno: -ETIME when the machine does not let the processes run. */
int host_costs_measure(struct host_costs *ret_costs);
/* The cost of a line's way alone (transfer, upgrade, invalidate; all 0 on one CPU) into
 * costs, in about 20 ms: a virtual machine's CPUs may be near to each other now and far apart
 * a second later. Errors as above. */
int host_costs_measure_lines(struct host_costs *costs);
/* Each cost's median. */
void host_costs_median(const struct host_costs *costs, size_t nr, struct host_costs *ret_costs);

#endif
