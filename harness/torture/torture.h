/* SPDX-License-Identifier: MIT */
/*
 * Torture: workers that are killed, stopped and replaced while they change a
 * table, and an account of what must be in it all the same.
 *
 * Every key has one worker that changes it (id modulo procs), so what it must
 * hold is known exactly, however the locks are contended. The account lives in
 * shared memory apart from the table: `committed` has a word per key, and each
 * worker writes down what it is about to do before it does it. A killed
 * worker's last operation may have happened or not; whoever takes its place
 * looks which, and from then on that is the truth.
 */
#ifndef SHMBENCH_TORTURE_H
#define SHMBENCH_TORTURE_H

#include <stdatomic.h>

#include "run/control.h"
#include "run/trial.h"
#include "scenario/scenario.h"

enum torture_phase {
	TORTURE_SETUP,
	TORTURE_BEFORE,
	TORTURE_STORM,
	TORTURE_AFTER,
	TORTURE_REST, /* between operations: it is another table's turn */
	TORTURE_STOP,
};

/* A key's state: how often it was changed, and whether it is there now. */
static inline uint64_t key_state(uint64_t version, bool present)
{
	return version << 1 | present;
}

/* One writer: the worker in this place. It survives the worker. */
struct torture_part {
	_Alignas(64) _Atomic uint32_t stage;	    /* enum stage */
	_Atomic uint32_t leave;			    /* written by the supervisor: end in order */
	_Atomic uint32_t stops;			    /* likewise: how often it was stopped */
	_Atomic uint32_t preloaded;		    /* its share of this table is in */
	_Alignas(64) _Atomic uint64_t ops, changes; /* so far, all who were here */
	/* The operation under way; armed last, disarmed first. */
	_Atomic uint32_t armed;
	_Atomic uint32_t kind; /* enum op_kind */
	_Atomic uint64_t id, after;
	/* What it waits for since when (0: for nothing), and whom it was told. */
	_Atomic uint64_t waits_since_ns, waits_id;
	_Atomic uint32_t waits_kind; /* enum op_kind */
	struct shmht_holder told;
	_Atomic uint32_t dead_named; /* time-outs in a row that named a dead holder */
	uint64_t incarnation;
	uint64_t checked, errors;
	uint64_t recovered, timeouts, timeouts_by_state[4]; /* enum shmht_holder_state */
	uint64_t resolved_done, resolved_undone;
	uint64_t before_ops, before_stalled_ns; /* in TORTURE_BEFORE */
	uint64_t outcomes[OP_NR][OUTCOME_NR];	/* in TORTURE_BEFORE */
	char error[256];
	/* Contended acquires: before the storm, in it; those that took over from a dead
	 * holder; how late time-outs came. */
	struct hist wait_before, wait_storm, recovery, late;
};

struct torture_control {
	_Alignas(64) _Atomic uint32_t phase;
	_Atomic uint64_t last_kill; /* ticks, before the signal */
	uint32_t procs;
	_Atomic uint64_t *committed; /* [keyspace], behind the parts */
	struct torture_part parts[];
};

struct torture_job {
	const struct params *params;
	struct torture_control *control;
	int fd;
	uint32_t trial, worker;
	int cpu;
};

/* How long an operation may go on timing out before it counts as stuck. */
uint64_t torture_patience_ns(const struct params *params);

/* A worker's life, from attach to leaving in order. Returns its exit status. */
int torture_worker(const struct torture_job *job);

/* What key id must hold, and what it may hold instead while an operation on it
 * is open (equal when none is). */
void torture_expected(const struct torture_control *control, uint64_t id, uint64_t *ret_committed,
		      uint64_t *ret_open);
/* Does a search that gave r (0 or -ENOENT) and value show this state of the key? */
bool torture_shows(uint64_t state, uint64_t id, int r, const unsigned char *value, size_t len);

/* As supervise_trial(); ret_trial->torture says what became of it. */
void torture_trial(const struct point *point, uint32_t k, struct trial *ret_trial);

/* After the storm: every key against the account, the count, the structure.
 * Adds to trial->checked and errors, and fails the trial. */
void torture_verify(struct shmht *map, const struct params *params,
		    const struct torture_control *control, struct trial *trial);

#endif
