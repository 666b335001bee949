/* SPDX-License-Identifier: MIT */
/*
 * The optimistic read of core/lockfree.c: the sequence is odd while a writer
 * changes the two words of a value; a reader's copy counts when the sequence was
 * even and is still the same. 2 writers under a lock that the dead lose, 1
 * reader, 2 deaths anywhere in a change; the next writer finds the sequence odd,
 * sets both words from the record of intent, and makes it even. Holds: no copy
 * that counts is torn, and who asks again is answered (a reader that finds the
 * sequence odd may time out). Sequentially consistent.
 * Mutants: TORN, no second look at the sequence; NO_REPAIR, a writer that adds
 * one to an odd sequence and goes on.
 */
#define ROUNDS 2

byte seq, a, b, intent, deaths;
bool locked;

#define MAY_DIE \
	if \
	:: true \
	:: atomic { deaths < 2 -> deaths++; locked = false }; goto done \
	fi

active [2] proctype write_side() {
	byte round, value;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
	atomic { !locked -> locked = true };
#ifndef NO_REPAIR
	if
	:: seq % 2 ->
		a = intent;
		MAY_DIE;
		b = intent;
		MAY_DIE;
		seq++
	:: else
	fi;
#endif
	value = _pid * ROUNDS + round;
	intent = value;
	MAY_DIE;
	seq++;
	MAY_DIE;
	a = value;
	MAY_DIE;
	b = value;
	MAY_DIE;
	seq++;
	locked = false;
	goto again;
done:	skip
}

active proctype read_side() {
	byte s, x, y, round;

	do
	:: round == 3 -> break
	:: else ->
		round++;
		s = seq;
		if
		:: s % 2 /* time-out */
		:: else ->
			x = a;
			y = b;
#ifndef TORN
			if
			:: seq == s -> assert(x == y)
			:: else
			fi
#else
			assert(x == y)
#endif
		fi
	od
}
