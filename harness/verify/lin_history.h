/* SPDX-License-Identifier: MIT */
/*
 * The history of one key, and the two checks of it. Histories of a table whose
 * operations touch one key each are linearizable exactly when each key's is
 * (locality: Herlihy and Wing 1990; as P-compositionality: Horn and Kroening,
 * "Faster linearizability checking via P-compositionality", FORTE 2015).
 */
#ifndef SHMBENCH_LIN_HISTORY_H
#define SHMBENCH_LIN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/trial.h"
#include "scenario/params.h"

/* What an outcome says about the key. Those up to SEE_PRESENT change nothing. */
enum lin_act {
	LIN_READ,	 /* present, with this value */
	LIN_SEE_ABSENT,	 /* search, update or remove missed */
	LIN_SEE_PRESENT, /* insert found it there */
	LIN_ADD,	 /* absent, then present with this value */
	LIN_CHANGE,	 /* present, then with this value */
	LIN_TAKE,	 /* present, then absent */
};

#define LIN_FINAL UINT32_MAX /* lin_op.worker: the look at the table after the run */
#define LIN_NEVER UINT64_MAX /* lin_op.end: never came back, may have happened or not */

struct lin_op {
	uint64_t start, end; /* ticks */
	uint64_t nonce;	     /* READ, ADD, CHANGE: which value */
	uint32_t worker;
	uint32_t value; /* of nonce: a number within the history, from LIN_VALUE_FIRST */
	uint8_t act, kind, outcome;
};

/* States of a key. */
#define LIN_ABSENT 0u
#define LIN_INITIAL 1u /* present, with the value that it had before the history */
#define LIN_UNKNOWN 2u /* a value that nobody wrote */
#define LIN_VALUE_FIRST 3u

struct lin_pair {
	uint64_t at;
	uint32_t idx;
};

struct lin_history {
	struct lin_op *ops; /* by start, once prepared */
	uint32_t nr, room;
	bool present; /* before the first operation */
	uint64_t nonce;
	uint32_t *by_end;	/* [nr]: indices of ops, LIN_NEVER last */
	struct lin_pair *pairs; /* [2 * room]: scratch */
	uint64_t *scratch;	/* [2 * room] */
	uint32_t *writers;	/* [room]: op that wrote value LIN_VALUE_FIRST + i */
	uint32_t nr_values;
	uint32_t *table; /* of nonces: 2^table_bits values, 0: none */
	uint32_t table_bits;
};

static inline bool lin_is_write(const struct lin_op *op)
{
	return op->act == LIN_ADD || op->act == LIN_CHANGE;
}

/* False: this outcome says nothing about the key (time-out, table full). */
bool lin_act_of(enum op_kind kind, enum outcome outcome, enum lin_act *ret_act);

/* Room for that many operations; what was there is lost. 0 or -ENOMEM. */
int lin_history_reserve(struct lin_history *history, uint32_t room);
void lin_history_free(struct lin_history *history);
/* Sorts, and finds out who wrote what was read. ops, nr, present and nonce are given. */
void lin_history_prepare(struct lin_history *history);
/* By `at`, stably; tmp has room for as many. */
void lin_sort_pairs(struct lin_pair *pairs, struct lin_pair *tmp, uint32_t nr);

struct lin_violation {
	uint32_t op;	  /* index into ops: at whose end there was no order left */
	const char *what; /* a static text */
};

/*
 * The witness check: conditions that every linearizable history meets, found in
 * O(n log n). A value read was written by an operation that began before the
 * read ended, and not overwritten for certain before it began; what is missed may
 * have been absent, what is found may have been present; no more inserts than
 * removes allow, nor more removes. After Gibbons and Korach, "Testing shared
 * memories", SIAM J. Comput. 1997: values identify their writers. Returns
 * whether they hold.
 */
bool lin_witness(const struct lin_history *history, struct lin_violation *ret_violation);

enum lin_verdict { LIN_OK, LIN_VIOLATED, LIN_UNDECIDED, LIN_NO_MEMORY };

/* Scratch of the search, kept between keys. */
struct lin_search;
struct lin_search *lin_search_create(void);
void lin_search_free(struct lin_search *search);

/*
 * The black-box check: is there an order? Wing and Gong's search in Lowe's form
 * (just-in-time linearization, with memoisation: "Testing for linearizability",
 * CCPE 2017): a set of configurations (which of the pending operations have
 * taken effect, and the key's state) is carried from event to event. Read-only
 * operations take effect as soon as they can, which loses no order. Complete.
 * from: the states the history may begin in; spanning: its first that many
 * operations had begun before it, and may have taken effect already.
 * LIN_UNDECIDED: more than 64 at once, or more configurations than there is
 * room for.
 */
enum lin_verdict lin_search_run(struct lin_search *search, const struct lin_history *history,
				const uint32_t *from, uint32_t nr_from, uint32_t spanning,
				struct lin_violation *ret_violation);
/* From the state that the history says. */
enum lin_verdict lin_search_whole(struct lin_search *search, const struct lin_history *history,
				  struct lin_violation *ret_violation);

/*
 * The shortest run of operations up to the violation that no order explains,
 * whatever state it began in, without the read-only ones that it does not need.
 * As text, one line each; the caller frees it. NULL: no memory.
 */
char *lin_explain(struct lin_search *search, const struct lin_history *history, uint64_t key,
		  const struct lin_violation *violation, double ns_per_tick);

#endif
