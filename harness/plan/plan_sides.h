/* SPDX-License-Identifier: MIT */
/* What the processes do whose costs plan_costs.c measures; each waits for all of them. */
#ifndef SHMBENCH_PLAN_SIDES_H
#define SHMBENCH_PLAN_SIDES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shmht.h"

#define ROUNDS 2000
#define SIDES 4
#define LINES 32
#define LINE_ROUNDS 300
#define LINE_STEPS 7
#define BUSY_NS 100000000ull
#define SIDE_TABLE_KEYS 100000u

enum { STEP_TRANSFER = 1, STEP_UPGRADE = 2, STEP_INVALIDATE = 6 };

/* Some processes share it. */
struct shared {
	_Atomic uint32_t ready, done, nr;
	_Atomic uint32_t turn __attribute__((aligned(256)));
	/* A page and a line apart: no prefetcher goes from one to the next, and each has a set of
	 * the cache for itself. */
	struct {
		_Atomic uint32_t next;
		char rest[4096 + 64 - 4];
	} lines[LINES] __attribute__((aligned(64)));
	_Atomic uint32_t sink;
	double figures[SIDES][ROUNDS] __attribute__((aligned(256)));
	double steps[LINE_STEPS][LINE_ROUNDS];
	bool yields; /* side_work_in_turn: after each operation */
	double quantum[SIDES], lost[SIDES], gaps[SIDES];
};

/* For side_work_in_turn(): half of the keys below SIDE_TABLE_KEYS are there. */
extern struct shmht *side_table;

/* side: 0 or 1, or up to 3. Figures are in `figures` by side, if nothing else is said. */
typedef void side_fn(struct shared *shared, uint32_t side);
side_fn side_yield_in_turn, side_work_in_turn, side_call_in_vain;
side_fn side_wake_in_turn; /* of wake-up calls; side 1: of whole rounds */
side_fn side_pass_lines;   /* into steps */
side_fn side_compute;	   /* into quantum, lost, gaps */

void side_join(struct shared *shared);

#endif
