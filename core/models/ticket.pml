/* SPDX-License-Identifier: MIT */
/*
 * The ticket lock of core/strategy/ticket.c: who gives up takes the last ticket
 * back or marks his own, and whoever releases claims for the marked. 3
 * processes; 3 of their waits are given up, at any step (a wait that is given up
 * is what a waiter's death becomes once somebody marks for him; that somebody is
 * not part of the lock as it is). Holds: nobody shares the lock, and nobody who
 * goes on waiting is passed over for ever (an invalid end state).
 * Mutants: LOOK_FIRST, which looks whether it is its turn before it marks;
 * SKIP_UNCLAIMED, a release that moves past the marked without claiming.
 */
#define N 3
#define ROUNDS 2
#define TICKETS 8
#define NEXT(t) ((t + 1) % TICKETS)

byte next, serving, given_up, inside;
bool claimed;
bool gone[TICKETS];

active [N] proctype process() {
	byte t, round;
	bool mine;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
	atomic { /* lock_try(), or draw() */
		t = next;
		next = NEXT(next);
		if
		:: serving == t && !claimed -> claimed = true; goto locked
		:: else
		fi
	};
	if
	:: atomic { serving == t && !claimed -> claimed = true }; goto locked
	:: atomic { given_up < 3 -> given_up++ }
	fi;
	/* keep_or_leave() */
	atomic {
		if
		:: !(serving == t && !claimed) && next == NEXT(t) -> next = t; goto again
		:: else
		fi
	};
#ifdef LOOK_FIRST
	mine = (serving == t && !claimed);
	gone[t] = true;
#else
	gone[t] = true;
	mine = (serving == t && !claimed);
#endif
	if
	:: mine ->
		atomic {
			if
			:: serving == t && !claimed -> claimed = true
			:: else -> goto again
			fi
		};
		gone[t] = false
	:: else -> goto again
	fi;
locked:
	atomic { inside++; assert(inside == 1) };
	atomic { inside--; serving = NEXT(serving); claimed = false; t = serving; mine = (next != t) };
	do
	:: !mine -> break
	:: mine && !gone[t] -> break
	:: mine && gone[t] ->
#ifdef SKIP_UNCLAIMED
		gone[t] = false;
		serving = NEXT(serving);
#else
		atomic {
			if
			:: serving == t && !claimed -> claimed = true
			:: else -> break
			fi
		};
		gone[t] = false;
		atomic { serving = NEXT(serving); claimed = false };
#endif
		t = NEXT(t);
		mine = (next != t)
	od;
	goto again;
done:	skip
}
