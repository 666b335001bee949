/* SPDX-License-Identifier: MIT */
/*
 * The noise sentinel: what the host did to a measurement from outside. It sees
 * host signals alone, never the result, so that it cannot pick the results
 * that please: proc_stat(5) of the CPUs that this process may use, and the
 * wall clock against the monotonic one.
 */
#ifndef SHMBENCH_NOISE_H
#define SHMBENCH_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#define NOISE_CPUS_MAX 1024

/* The sentinel's rule. /proc/stat counts in ticks of 10 ms, so a share has to
 * be some ticks too. */
#define NOISE_STEAL_MAX 0.05   /* of the CPUs' time, taken by the hypervisor */
#define NOISE_FOREIGN_MAX 0.10 /* ... used by others than us */
#define NOISE_TICKS_MIN 3
#define NOISE_JUMP_MAX_S 0.001 /* wall clock against monotonic */

struct noise_mark {
	uint64_t steal, busy; /* ticks, all allowed CPUs together */
	uint64_t monotonic_ns, realtime_ns;
	double own_s; /* CPU time of this process */
	bool known;   /* /proc/stat could be read */
};

struct noise {
	bool known;		   /* else the shares are NaN */
	double steal, foreign;	   /* shares of the CPUs' time */
	double steal_s, foreign_s; /* the same in seconds of CPU time */
	double clock_jump_s;	   /* signed */
	bool disturbed;
	char why[96];
};

void noise_mark(struct noise_mark *ret);
/* Since the mark. workers_s: CPU time of the workers in it, seconds. */
void noise_since(const struct noise_mark *mark, double workers_s, struct noise *ret);
/* The rule alone: fills disturbed and why from the other members. ticks_s: a tick's length. */
void noise_judge(struct noise *noise, double tick_s);
/* One line of /proc/stat: "cpuN user nice system idle iowait irq softirq steal
 * guest guest_nice". False when it is no such line. */
bool noise_parse_cpu(const char *line, unsigned int *ret_cpu, uint64_t *ret_busy,
		     uint64_t *ret_steal);

#endif
