/* SPDX-License-Identifier: MIT */
/*
 * Which part of a worker's wait nobody could help: a worker was stopped, or was ready to
 * run and did not, and meanwhile no other one ran. A holder that is kept off the CPU
 * makes all wait; that is no choice of the lock's, whoever has waited the longest. Seen
 * from outside, some times a second, so that workers pay nothing for it.
 */
#ifndef SHMBENCH_STANDSTILL_H
#define SHMBENCH_STANDSTILL_H

#include <stdbool.h>
#include <stdint.h>

#include "run/control.h"

/* What a worker has had so far: /proc/PID/task/TID/schedstat. */
struct standstill_account {
	uint64_t ran_ns, delayed_ns;
};

/* Ticks; of a stop that lasts, to is UINT64_MAX. */
struct standstill_stop {
	uint64_t from, to;
};

struct standstill {
	uint32_t nr_workers, nr_looks, nr_stops, nr_stopped;
	int *fds;			     /* [nr_workers]; NULL: nobody looks */
	uint64_t *at_ticks;		     /* [nr_looks] */
	struct standstill_account *accounts; /* [nr_looks][nr_workers] */
	struct standstill_stop *stops;	     /* no two at once */
	uint64_t next_ns, period_ns;
};

/* Once workers have said who they are. Of too many, or without memory, it sees nothing. */
void standstill_open(struct standstill *still, const struct control *control);
/* When it is time, or now. */
void standstill_look(struct standstill *still, bool now);
/* When a look is due; UINT64_MAX: never. */
uint64_t standstill_next_ns(const struct standstill *still);
/* A worker was stopped, or goes on. */
void standstill_stopped(struct standstill *still, bool stopped);
/* Of from..to (ticks), in which this worker waited: how much of it, in ticks. */
uint64_t standstill_within(const struct standstill *still, uint32_t worker, uint64_t from,
			   uint64_t to);
void standstill_close(struct standstill *still);

#endif
