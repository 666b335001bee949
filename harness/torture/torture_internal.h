/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the torture's supervisor share.
 *
 *	torture_run.c	 a trial: table, storm, collection
 *	torture_calm.c	 windows without faults, before the storm and after it
 *	torture_crew.c	 workers: fork, reap, replace
 *	torture_faults.c who is killed, stopped, sent away, and when
 *	torture_places.c ... and where, if the plan says so
 *	torture_quota.c	 less CPU for all
 *	torture_watch.c	 is anything stuck? what does it look like?
 *	torture_verify.c what is in the table against what must be
 *	torture_worker.c the other side
 */
#ifndef SHMBENCH_TORTURE_INTERNAL_H
#define SHMBENCH_TORTURE_INTERNAL_H

#include "torture/torture.h"
#include "worker/rng.h"

#define NS_PER_S 1000000000ull

struct crew_member {
	pid_t pid;	     /* 0: reaped */
	bool sentenced;	     /* its death is ours */
	bool aimed;	     /* to die at a place; counted when it has */
	uint64_t stopped_ns; /* SIGCONT is due then; 0: it runs */
	uint64_t ops_then;   /* part->ops when the last kill happened */
};

struct storm {
	const struct point *point;
	const struct params *params;
	struct trial *trial;
	struct torture_outcome *outcome;
	uint32_t k;
	struct torture_control *control;
	size_t control_bytes;
	struct shmht *map;
	struct shmht_ctx *ctx; /* the supervisor's own: it looks, and verifies */
	struct crew_member *crew;
	struct rng rng;
	struct places *places; /* NULL: the plan names none */
	struct quota *quota;   /* NULL: the plan has none */
	bool aim_next;	       /* the next one who is hired dies attaching */
	uint64_t kill_due_ns, stop_due_ns, leave_due_ns;
	uint64_t progress, progress_ns; /* of all; when it last changed */
};

/* Fails or ends the trial; the first reason stands. Returns -1. */
__attribute__((format(printf, 3, 4))) int torture_give_up(struct storm *storm,
							  enum trial_status status, const char *fmt,
							  ...);

int crew_start(struct storm *storm);
/* Reaps; replaces whoever is gone unless `replace` is false. -1: one died by himself. */
int crew_tend(struct storm *storm, bool replace);
/* Waits until every one has come this far. */
int crew_wait(struct storm *storm, enum stage stage);
void crew_kill_all(struct storm *storm);
/* Everybody runs again. */
void crew_continue(struct storm *storm);

/* The sites of a place in this program. -1: the trial is over, there are none. */
int places_open(struct storm *storm);
void places_close(struct storm *storm);
/* In a worker, first of all: whoever comes by an armed site kills himself there. */
void places_child_begins(void);
/* Arms every site of a place in a process, or disarms it. 0 or a negative errno. */
int places_arm(const struct places *places, enum fault_place place, pid_t pid, bool armed);
/* One kill at the plan's place. */
void places_kill(struct storm *storm, enum fault_place place);

/* Whom a plan means; procs: nobody. A holder is left stopped. */
uint32_t faults_choose(struct storm *storm, enum fault_who who);

/* Who of the crew has lock k at this moment; procs: nobody. */
uint32_t faults_ask_lock(struct storm *storm, uint32_t k);

/* The plan's control group, empty. -1: the trial is over, there can be none. */
int quota_open(struct storm *storm);
/* Nobody of the crew is left. */
void quota_close(struct storm *storm);
/* The crew goes in, and who is hired from then on; all of them leave it. */
int quota_begin(struct storm *storm);
int quota_hire(struct storm *storm, pid_t pid);
void quota_end(struct storm *storm);
/* Has somebody kept a lock since the last look, without getting on? */
void quota_look(struct storm *storm, uint64_t now);

void faults_begin(struct storm *storm);
/* What is due now. *ret_sleep_ns: until the next. *ret_done: the plan is at its end. */
int faults_tick(struct storm *storm, uint64_t *ret_sleep_ns, bool *ret_done);

/* Nobody gets on, or somebody waits for the dead: strands and what to do about them.
 * 0: all is well; 1: the table is stranded; -1: the trial is over. */
int watch_tick(struct storm *storm);
/* Is some lock taken for ever? By taking each, once. For strategies that strand. */
bool watch_stranded(struct storm *storm);
/* Owner, waiters, intent: to outcome->stuck. */
void watch_dump(struct storm *storm, const char *why);

/* What the crew and we share: who does what, and the account of each key. This and the next
 * give up with the reason, and return -1, where it cannot be had. */
int storm_control(struct storm *storm);
/* An empty table, with slots for the dead of one whole crew. */
int storm_table(struct storm *storm);
/* A new table and a new account, with everybody in it. */
int storm_restart(struct storm *storm);
/* The crew, its table and its account. */
void storm_free(struct storm *storm);

void torture_set_phase(struct storm *storm, enum torture_phase phase);
int calm_before(struct storm *storm);
int calm_after(struct storm *storm);

#endif
