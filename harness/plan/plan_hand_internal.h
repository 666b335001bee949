/* SPDX-License-Identifier: MIT */
/* The hand-off model's state, shared by its parts. */
#ifndef SHMBENCH_PLAN_HAND_INTERNAL_H
#define SHMBENCH_PLAN_HAND_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "plan/plan_hand.h"
#include "worker/rng.h"

#define NOBODY UINT32_MAX

enum state {
	OUTSIDE,
	DRAINS,	  /* waits for its last release to be seen */
	TRIES,	  /* the line is on its way, for an attempt at a lock not looked at */
	JOINS,	  /* ... to get into the queue */
	LOOKS,	  /* ... for a look */
	CLAIMS,	  /* ... for an attempt at a lock seen free, or granted */
	RELEASES, /* ... to let go */
	COUNTS,	  /* ... to be one more who is about to sleep */
	MARKS,	  /* ... to tell the holder */
	LEAVES,	  /* ... to be one less */
	BEGINS,	  /* to wait, with a look at the counter */
	INSIDE,
	SPINS,	  /* waits on its CPU, until the next look */
	QUEUED,	  /* the same without end: nothing changes until it is granted */
	YIELDED,  /* waits, and gave its CPU up while others want it */
	PREPARES, /* to go to sleep */
	SLEEPING, /* in the call that sleeps */
	COMPARES, /* the line is on its way, for the kernel to compare the word */
	RETURNS,  /* from that call: the word was another */
	ASLEEP,
	RETRIES, /* woken */
	WAKES,	 /* in the call that wakes another, after its release */
	STATES
};

struct worker {
	enum state state;
	bool granted; /* HAND_QUEUE: the lock is its own, once it runs and looks */
	bool cold;    /* another one had its CPU since its last section */
	bool on_way;  /* to the lock's line, which is elsewhere */
	bool found_free;
	bool storing;	/* its release is not seen yet */
	bool tried;	/* once, in vain */
	bool waited;	/* for the section that it is in, or is to enter */
	bool parking;	/* HAND_PARK: past its spinning */
	uint32_t timer; /* an event of another number is an old one */
	uint32_t cpu;
	uint32_t next; /* in the list it is in: run queue, lock queue or sleepers use their own */
	uint32_t behind;
	double left, ends; /* of the timed state: while off its CPU, while on it */
	double owed;	   /* of an access that has taken effect: before the next state */
	double used;	   /* CPU time, and what it gave up */
	double since;	   /* it waits */
	double budget;	   /* HAND_PARK: of spinning; HAND_TEST_SET: the next pause */
	uint32_t seen;	   /* HAND_PARK: the holder, when it last looked */
	uint64_t ops;
};

struct list {
	uint32_t first, last, nr;
};

struct cpu {
	uint32_t current, last;
	bool timed;	   /* a tick is awaited */
	bool switching;	   /* to the current one */
	double began;	   /* it, to be charged */
	double frozen;	   /* until then */
	uint64_t copy;	   /* of the lock's line: which version */
	struct list ready; /* by worker.next; last is not kept */
};

/* The lock's. */
struct line {
	uint32_t owner; /* CPU that wrote it last, or took it from who did */
	bool written;	/* and nobody has read it elsewhere */
	bool shared;	/* others have a copy, too */
	uint64_t version;
	double changed;			/* owner or copies did */
	double reads_from, writes_from; /* when the next one can be served */
};

enum what { STEP, TICK, READY, STORE, GAP };

struct event {
	double at;
	uint64_t order;
	uint32_t who, number;
	enum what what;
};

struct tally {
	uint64_t acquires, contended, reacquired, yields, sleeps;
};

struct sim {
	const struct hand_system *system;
	const struct hand_costs *costs;
	struct worker *workers;
	struct cpu *cpus;
	struct event *heap;
	size_t nr_events, max_events;
	uint64_t order;
	double now;
	struct line line;
	uint32_t holder, last;
	bool marked;	   /* HAND_PARK: the holder is to wake somebody */
	uint32_t going;	   /* HAND_PARK: asleep, or about to be */
	struct list queue; /* HAND_QUEUE: who waits; HAND_PARK: who sleeps; by worker.behind */
	struct tally tally;
	struct rng rng;
	bool failed; /* no memory */
};

/* Of the event numbered number for who, delay ns from now. */
void hand_post(struct sim *sim, double delay, enum what what, uint32_t who, uint32_t number);
struct event hand_take_event(struct sim *sim);
void hand_append(struct list *list, uint32_t who, uint32_t *link_of_last);

bool hand_runs(const struct sim *sim, uint32_t w);
/* A timed state: on its CPU, and for so long. */
void hand_enter(struct sim *sim, uint32_t w, enum state state, double ns);
void hand_start_timer(struct sim *sim, uint32_t w);
void hand_make_ready(struct sim *sim, uint32_t w);
/* It has been switched to. */
void hand_arrive(struct sim *sim, uint32_t w);
void hand_yield(struct sim *sim, uint32_t w);
/* The next one of the run queue, or nobody. */
void hand_dispatch(struct sim *sim, struct cpu *cpu, double cost);
void hand_tick(struct sim *sim, struct cpu *cpu);
void hand_interrupt(struct sim *sim, struct cpu *cpu);

/* plan_hand_line.c */
bool hand_is_access(enum state state); /* the line is on its way */
bool hand_is_free(const struct sim *sim);
/* HAND_QUEUE: of who waits on its CPU. Past its patience each look is a call that yields
 * to nobody. */
double hand_look_every(const struct sim *sim, const struct worker *worker, double at);
/* HAND_QUEUE: CPUs but this one whose worker waits there, and has looked since; most of
 * them are enough. A queue of local waiters lets only its first one look. */
uint32_t hand_polling(const struct sim *sim, uint32_t but, double since, uint32_t most);
/* What an access of CPU c costs as things stand; 0: nothing, it has the line. */
double hand_distance(const struct sim *sim, uint32_t c, bool writes);
/* The access of CPU c has got to where the line is. Until it has taken effect; negative:
 * until the line can be had at all. */
double hand_serve(struct sim *sim, uint32_t c, bool writes);
/* Enters the state with an access; half of it is the way there: what is read is what was
 * there then. */
void hand_reach_then(struct sim *sim, uint32_t w, enum state state);
void hand_arrive_there(struct sim *sim, uint32_t w);

/* plan_hand_lock.c: the timed state is over; it has its CPU again; a store of it
 * gets to the line, or is seen. */
void hand_step(struct sim *sim, uint32_t w);
void hand_resume(struct sim *sim, uint32_t w);
void hand_store(struct sim *sim, uint32_t w, uint32_t served);

#endif
