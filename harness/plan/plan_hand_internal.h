/* SPDX-License-Identifier: MIT */
/* The hand-off model's state, shared by its two parts. */
#ifndef SHMBENCH_PLAN_HAND_INTERNAL_H
#define SHMBENCH_PLAN_HAND_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "plan/plan_hand.h"
#include "worker/rng.h"

#define NOBODY UINT32_MAX

enum state {
	OUTSIDE,
	INSIDE,
	SPINS,	  /* waits on its CPU; a timer where its patience ends */
	YIELDED,  /* waits, and gave its CPU up while others want it */
	SLEEPING, /* in the call that sleeps, until the kernel compares the word */
	RETURNS,  /* from that call: the word was another */
	ASLEEP,
	RETRIES, /* woken */
	WAKES,	 /* in the call that wakes another, after its release */
};

struct worker {
	enum state state;
	bool granted;	/* HAND_QUEUE: the lock is its own, once it runs */
	uint32_t timer; /* an event of another number is an old one */
	uint32_t cpu;
	uint32_t next; /* in the list it is in: run queue, lock queue or sleepers use their own */
	uint32_t behind;
	double left, ends;    /* of the timed state: while off its CPU, while on it */
	double budget, since; /* HAND_TEST_SET: budget is the pause */
	uint64_t seen;	      /* releases when it began to go to sleep */
	uint64_t ops;
};

struct list {
	uint32_t first, last, nr;
};

struct cpu {
	uint32_t current;
	uint32_t slice; /* number of its slice timer */
	bool timed;
	double began;
	struct list ready; /* by worker.next */
};

enum what { STEP, SLICE, READY, NOTICE };

struct event {
	double at;
	uint64_t order;
	uint32_t who, number;
	enum what what;
};

struct sim {
	const struct hand_system *system;
	const struct hand_costs *costs;
	struct worker *workers;
	struct cpu *cpus;
	struct event *heap;
	size_t nr_events, max_events;
	uint64_t order, releases, acquires, contended;
	double now;
	uint32_t holder, last_cpu;
	bool looked;	   /* another CPU has read the line of the lock since it was written */
	bool wakes_due;	   /* HAND_PARK: somebody said that he sleeps or is about to */
	uint32_t going;	   /* HAND_PARK: asleep, or about to be */
	struct list queue; /* HAND_QUEUE: who waits; HAND_PARK: who sleeps; by worker.behind */
	struct rng rng;
	bool failed; /* no memory */
};

/* Of the event numbered number for who, delay ns from now. */
void hand_post(struct sim *sim, double delay, enum what what, uint32_t who, uint32_t number);
struct event hand_take_event(struct sim *sim);
void hand_append(struct list *list, uint32_t who, uint32_t *link_of_last);

bool hand_runs(const struct sim *sim, uint32_t w);
/* A timed state, or patience: on its CPU, and for so long. */
void hand_enter(struct sim *sim, uint32_t w, enum state state, double ns);
void hand_start_timer(struct sim *sim, uint32_t w);
void hand_make_ready(struct sim *sim, uint32_t w);
void hand_give_up_cpu(struct sim *sim, uint32_t w);
/* The next one of the run queue, or nobody. */
void hand_dispatch(struct sim *sim, struct cpu *cpu, double cost);
/* Its time slice is over. */
void hand_preempt(struct sim *sim, struct cpu *cpu);

/* plan_hand.c: it has its CPU again. */
void hand_resume(struct sim *sim, uint32_t w);

#endif
