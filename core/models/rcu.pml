/* SPDX-License-Identifier: MIT */
/*
 * Read sections and grace periods of core/rcu.c: a reader stores the epoch in its
 * word, reads, stores 0; a writer unlinks, advances the epoch, waits until no word
 * is from before, and only then reuses the cell. 2 readers and a writer, 2
 * deaths; a dead reader's word is buried. membarrier(2), or the reader's fence,
 * is what makes the sequential consistency that this model takes for granted.
 * Holds: no reader uses a reused cell; the writer is never stuck.
 * Mutants: NO_GRACE, reuse at once; LOOK_EARLY, readers looked at before the
 * unlinking; NO_BURY, a dead reader's word is waited for.
 */
#define CELLS 3
#define ROUNDS 3

byte epoch = 1, linked = 0, deaths, reader[2];
bool dead[2];
bool reused[CELLS];

#define WAIT(r) (reader[r] == 0 || reader[r] >= e || BURIED(r))
#ifdef NO_BURY
#define BURIED(r) false
#else
#define BURIED(r) dead[r]
#endif

active [2] proctype read_side() {
	byte e, cell, round;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
	e = epoch;
	reader[_pid] = e;
	cell = linked;
	if
	:: true
	:: atomic { deaths < 2 -> deaths++; dead[_pid] = true }; goto done
	fi;
	assert(!reused[cell]);
	reader[_pid] = 0;
	goto again;
done:	skip
}

active proctype write_side() {
	byte e, old, round;

	do
	:: round == CELLS - 1 -> break
	:: else ->
		old = linked;
#ifdef LOOK_EARLY
		epoch++;
		e = epoch;
		WAIT(0);
		WAIT(1);
#endif
		linked = old + 1;
#if !defined(LOOK_EARLY) && !defined(NO_GRACE)
		epoch++;
		e = epoch;
		WAIT(0);
		WAIT(1);
#endif
		reused[old] = true;
		round++
	od
}
