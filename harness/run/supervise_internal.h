/* SPDX-License-Identifier: MIT */
/* One trial under way: what supervise.c and supervise_children.c share. */
#ifndef SHMBENCH_SUPERVISE_INTERNAL_H
#define SHMBENCH_SUPERVISE_INTERNAL_H

#include "run/standstill.h"
#include "run/supervise.h"
#include "run/time_series.h"
#include "run/turns.h"
#include "target/target.h"
#include "worker/worker.h"

/* What is told ahead, so that no worker has passed it when it hears of it. */
#define PLAN_AHEAD_NS 2000000u

struct child {
	pid_t pid; /* 0: reaped */
	bool stopped;
	uint32_t first, nr; /* the workers that live in it */
};

struct run {
	const struct point *point;
	struct trial *trial;
	uint32_t k;
	struct control *control;
	size_t control_bytes;
	int control_fd;
	struct lin *lin; /* verify = linearizable */
	struct shmht *map;
	const struct target *target; /* instead of map */
	struct target_table *table;  /* NULL: it is made in the workers' process */
	struct child *children;
	uint32_t nr_children;
	uint64_t last_progress, last_look_ns, silent_ns;
	uint64_t t_start, t_end;      /* ticks of the measured window */
	uint64_t leg_start[LEGS_MAX]; /* of a closed loop, ticks */
	struct noise_mark mark;	      /* before it */
	struct time_series series;
	struct standstill still;
	struct turns *turns;	     /* NULL: one window */
	const struct trial_end *end; /* NULL: as long as the point says */
	bool counts_calls;	     /* and no other figure: supervise_kernel_trial() */
};

/* The signal that ends the run, or 0; without taking a pending one. */
extern volatile int run_interrupted;

/* Marks the trial, unless it was marked before: the first reason is the cause.
 * Returns -1. */
__attribute__((format(printf, 3, 4))) int run_give_up(struct run *run, enum trial_status status,
						      const char *fmt, ...);

/* supervise.c: a whole trial, into run->trial. */
void run_trial(struct run *run);
/* 0, or -1 once the trial was given up. */
void run_set_phase(struct run *run, enum phase phase);
int run_wait_stage(struct run *run, enum stage wanted);
int run_wait_until(struct run *run, uint64_t deadline_ns);
/* An open loop's plan ends now: nothing that is due later was ever planned. */
void run_end_plan(struct run *run);
/* supervise_legs.c: the same, in the order of a trial. */
int legs_run_load(struct run *run);
int legs_run_closed(struct run *run);
int legs_run_open(struct run *run, uint64_t begin_ns);
/* A drain that ended early ends the window. */
void legs_end_drain(struct run *run);
int legs_collect(struct run *run);

/* supervise_turns.c: the windows of a trial with turns, and what they come to together. */
int turns_run(struct run *run);
void turns_collect(const struct run *run);

/* The trial's workers: forked, each with the threads that live in it. 0 or -1. */
int run_start_children(struct run *run);
/* Takes those that ended; one that failed marks the trial. */
void run_reap(struct run *run);
bool run_children_left(const struct run *run);
/* All of them, and waits: nobody is left. */
void run_kill_children(struct run *run);

#endif
