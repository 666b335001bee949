/* SPDX-License-Identifier: MIT */
/*
 * The ticket lock of core/strategy/ticket.c: who gives up takes the last ticket
 * back or marks his own, and whoever releases claims for the marked; who waits looks
 * whether the holder, or the one whose turn it is, has died, and claims and releases in
 * its place. 3 processes; 2 waits are given up and 2 processes die, at any step. Holds:
 * nobody shares the lock, nobody alive who has not marked his ticket is passed over, and
 * none waits for ever (an invalid end state). ROBUST_OFF, without deaths and looks,
 * holds as well.
 * Mutants: LOOK_FIRST, which looks whether it is its turn before it marks (robust = off:
 * else a look heals it); SKIP_UNCLAIMED, a release that moves past the marked without
 * claiming; DRAW_FIRST, which draws before it notes whose the ticket is; HOLDERS_ONLY,
 * where nobody looks at tickets that were not claimed; LEAVE_MARK, which takes over from
 * one that died marked and lets the mark stand.
 */
#ifdef LOOK_FIRST
#define ROBUST_OFF
#endif
#ifdef ROBUST_OFF
#define DEATHS 0
#else
#define DEATHS 2
#endif
#define N 3
#define ROUNDS 2
/* Bits in gone, and one more than can be drawn. */
#ifdef LEAVE_MARK
#define TICKETS 3 /* its bit comes again sooner */
#else
#define TICKETS 4
#endif
#define NOBODY N
#define NONE 255
#define BIT(t) gone[t % TICKETS] /* numbers do not come again: 2^24 are as many as needed */
#define TURN(t) (serving == t && holder == NOBODY && next != serving)

byte next, serving, holder = NOBODY, given_up, deaths, inside;
bool gone[TICKETS], dead[N];
byte note[N] = NONE;
byte has[N] = NONE; /* of the proof: a ticket, and its owner lives and waits */

/* Drawn, and nobody living has noted it. */
#define NOTED(p, t) (!dead[p] && note[p] == t)
#define NO_OWNER(t) (!NOTED(0, t) && !NOTED(1, t) && !NOTED(2, t))

#define PASSES(t) assert(has[0] != t && has[1] != t && has[2] != t)

#define DIES deaths++; dead[_pid] = true; has[_pid] = NONE
#define MAY_DIE :: atomic { deaths < DEATHS -> DIES; goto died }

active [N] proctype process() {
	byte t, s, round;
	bool mine;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
	atomic { /* lock_try() */
		if
		:: next == serving && holder == NOBODY -> next++; holder = _pid; t = serving;
			goto locked
		:: else
		fi
	};
draw:
	if
	:: t = next
	MAY_DIE
	fi;
#ifndef DRAW_FIRST
	note[_pid] = t;
#endif
	if
	:: atomic { next == t && next - serving < TICKETS - 1 -> next++; has[_pid] = t }
	:: atomic { next != t || next - serving == TICKETS - 1 -> goto draw }
	MAY_DIE
	fi;
#ifdef DRAW_FIRST
	note[_pid] = t;
#endif
wait:
	if
	:: atomic { TURN(t) -> holder = _pid; has[_pid] = NONE }; goto claimed
	:: atomic { given_up < 2 && !TURN(t) -> given_up++ }
#ifndef ROBUST_OFF
	/* lock_take() */
	:: atomic { holder != NOBODY && dead[holder] -> s = serving }; goto take_holder
#ifndef HOLDERS_ONLY
	:: atomic { TURN(serving) && serving != t && NO_OWNER(serving) -> s = serving }; goto take_ticket
#endif
#endif
	MAY_DIE
	fi;
	/* keep_or_leave() */
	atomic {
		if
		:: serving != t && next == t + 1 -> next = t; has[_pid] = NONE; goto left
		:: else
		fi
	};
#ifdef LOOK_FIRST
	mine = TURN(t);
#else
	atomic { BIT(t) = true; has[_pid] = NONE };
#endif
	if
	:: true
	MAY_DIE
	fi;
#ifdef LOOK_FIRST
	atomic { BIT(t) = true; has[_pid] = NONE };
#else
	mine = TURN(t);
#endif
	if
	:: mine ->
		atomic {
			if
			:: TURN(t) -> holder = _pid
			:: else -> mine = false
			fi
		};
		if
		:: mine ->
			if
			:: BIT(t) = false
			MAY_DIE
			fi;
			goto claimed
		:: else
		fi
	:: else
	fi;
left:	note[_pid] = NONE;
	goto again;

take_holder:
	atomic {
		if
		:: holder != NOBODY && serving == s && dead[holder] -> holder = _pid
		:: else -> goto wait
		fi
	};
	goto taken;
take_ticket:
	atomic {
		if
		:: TURN(s) -> holder = _pid; PASSES(s)
		:: else -> goto wait
		fi
	};
taken:
	if
#ifdef LEAVE_MARK
	:: skip
#else
	:: BIT(s) = false
#endif
	MAY_DIE
	fi;
	mine = true;
	goto release;

claimed:
	note[_pid] = NONE;
	mine = false;
locked:
	mine = false;
	atomic { inside++; assert(inside == 1 && holder == _pid) };
	if
	:: inside--
	:: atomic { deaths < DEATHS -> DIES; inside--; goto died }
	fi;
release:
	/* In s: who is served then. In place of a dead one (mine): back to the own wait. */
	atomic {
		assert(holder == _pid);
		serving++;
		holder = NOBODY;
		s = serving
	};
	do /* pass_on() */
	:: atomic { next == s || !BIT(s) -> break }
	:: atomic { next != s && BIT(s) -> skip };
#ifdef SKIP_UNCLAIMED
		BIT(s) = false;
		serving++;
#else
		atomic {
			if
			:: TURN(s) -> holder = _pid; PASSES(s)
			:: else -> break
			fi
		};
		if
		:: BIT(s) = false
		MAY_DIE
		fi;
		atomic { serving++; holder = NOBODY };
#endif
		s++
	MAY_DIE
	od;
	if
	:: mine -> goto wait
	:: else -> goto again
	fi;
died:	skip;
done:	skip
}
