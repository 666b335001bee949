/* SPDX-License-Identifier: MIT */
/*
 * Running one trial of one point: region, workers, start line, watchdog,
 * collection, verification. Whatever happens to a worker, this returns, and
 * leaves no process behind.
 */
#ifndef SHMBENCH_SUPERVISE_H
#define SHMBENCH_SUPERVISE_H

#include <signal.h>

#include "run/trial.h"
#include "run/turns.h"
#include "scenario/scenario.h"

/*
 * Blocks the signals that end a run, and SIGCHLD: supervise_trial() takes them
 * with sigtimedwait(). Call once, before the first trial.
 */
void supervise_init(void);

/* The signal that asked the run to end; 0: none so far. Takes a pending one. */
int supervise_interrupted(void);

/* Until then, or a signal; SIGCHLD is only a reason to look. */
void supervise_sleep(uint64_t timeout_ns);

/* In a child, first of all: it dies with its parent, and leaves Ctrl-C to it. */
void supervise_child_begins(pid_t parent);

/* Called after each interval of the window with its figures; NULL: nobody looks. */
extern void (*supervise_on_interval)(const struct point *point, const struct interval_figures *);

/*
 * How often the supervisor looks, within a trial's window, whether somebody holds the lock
 * of the first stripe; 0, as at first: never. It wakes up for each look, on a CPU of the
 * workers' if they have all. Where the lock's word names no holder, nothing is counted.
 */
extern uint64_t supervise_look_every_ns;

/*
 * Trial k of a point. Always fills *ret_trial (status tells); the caller frees
 * it by trial_free(). Returns early, as not measured, once interrupted.
 */
void supervise_trial(const struct point *point, uint32_t k, struct trial *ret_trial);
/* The same in turns of the point's duration, where turns_possible(): ops and seconds are
 * those of all, turns->had has each. Locks, CPU time and waits are the last turn's. */
void supervise_trial_in_turns(const struct point *point, uint32_t k, struct turns *turns,
			      struct trial *ret_trial);

/*
 * Of an open loop without phases. After each interval of the window `enough` is asked, with the
 * figures of the one before it: by then every worker that runs has written those. True ends the
 * window then and there; what was planned after it was never planned.
 */
struct trial_end {
	bool (*enough)(void *arg, const struct interval_figures *figures);
	void *arg;
};
void supervise_trial_until(const struct point *point, uint32_t k, const struct trial_end *end,
			   struct trial *ret_trial);

/*
 * A trial in which the workers count their system calls (kernel.h), and no other figure
 * is one: the operations of trial 0, in a window that is as short as counting allows.
 */
void supervise_kernel_trial(const struct point *point, struct trial *ret_trial);
/* How long it takes, less its set-up; 0: as long as its operations do. */
uint64_t supervise_kernel_trial_ns(const struct params *params);

#endif
