/* SPDX-License-Identifier: MIT */
/*
 * The futex mutex of core/strategy/futex_lock.inc.h (word, WAITERS bit, counted
 * sleepers), as it has to be when owners and waiters die, on a robust list of one's own: the
 * lock is named in list_op_pending from before an acquire until it is in the
 * list, and from before a release until its wake-up is sent; at death the kernel
 * marks a word whose owner died, and wakes one.
 *
 * 3 processes that take the lock once, 2 deaths, at any step (twice each was
 * searched to 30 M states, not to the end, and found nothing). Holds: nobody shares the lock, nobody
 * sleeps for ever (an invalid end state). Sequentially consistent: what x86 and
 * the acquire-release of the code add or drop is not looked at here.
 *
 * The WAITERS bit stays once it is set: a release leaves it in the free word, and
 * whoever takes the lock keeps it. (That costs a wake-up call per release; sleeping
 * for a bounded time and looking again is the other way, which needs no model.)
 * A release to 0, as the code has it, is right as long as nobody dies (spin -DDEATHS=0
 * -DRELEASE_ZERO): when it dies before its wake-up, one who had counted no
 * sleepers before may take the 0, the kernel sees an owner and sends nothing, and
 * that owner wakes nobody either. Sleepers then go on only when their time is up.
 * Mutants: RELEASE_ZERO; NO_PENDING, the list alone; OLD_KERNEL, which sends a
 * swallowed wake-up again only when the whole word is 0 (before Linux 6.1).
 */
#ifndef DEATHS
#define DEATHS 2
#endif
#ifdef RELEASE_ZERO
#define KEPT 0
#else
#define KEPT WAITERS
#endif
#define N 3
#define ROUNDS 1
#define OWNER 7
#define WAITERS 8
#define DIED 16

byte word, sleepers, deaths, inside;
bool asleep[N];

inline wake_one() {
	if
	:: asleep[0] -> asleep[0] = false
	:: asleep[1] -> asleep[1] = false
	:: asleep[2] -> asleep[2] = false
	:: else
	fi
}

#define MAY_DIE \
	if \
	:: true \
	:: atomic { deaths < DEATHS -> deaths++ }; goto dead \
	fi

active [N] proctype process() {
	byte w, seen, round, me = _pid + 1;
	bool pending, listed;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
#ifndef NO_PENDING
	pending = true;
#endif
	do
	:: w = word;
		MAY_DIE;
		if
		:: (w & OWNER) == 0 ->
			seen = sleepers;
			atomic {
				if
				:: word == w -> word = me | (w & KEPT) | (seen -> WAITERS : 0); inside++;
					assert(inside == 1); break
				:: else
				fi
			}
		:: else ->
			sleepers++;
			MAY_DIE;
			atomic {
				if
				:: w & WAITERS
				:: !(w & WAITERS) && word == w -> word = w | WAITERS; w = word
				:: else -> w = 255 /* changed: look again */
				fi
			};
			MAY_DIE;
			atomic {
				if
				:: w != 255 && word == w -> asleep[_pid] = true
				:: else
				fi
			};
			if
			:: !asleep[_pid]
			:: atomic { deaths < DEATHS -> deaths++ }; goto dead
			fi;
			MAY_DIE;
			sleepers--
		fi
	od;
	MAY_DIE;
	listed = true;
	pending = false;
	MAY_DIE;
#ifndef NO_PENDING
	pending = true;
#endif
	listed = false;
	MAY_DIE;
	atomic { w = word; word = w & KEPT; inside-- };
	MAY_DIE;
	if
	:: w & WAITERS -> atomic { wake_one() }
	:: else
	fi;
	MAY_DIE;
	pending = false;
	goto again;

dead:	/* what the kernel does with the list */
	atomic {
		asleep[_pid] = false;
		if
		:: (word & OWNER) == me -> inside--
		:: else
		fi;
		if
		:: (pending || listed) && (word & OWNER) == me ->
			w = word & WAITERS;
			word = w | DIED;
			if
			:: w -> wake_one()
			:: else
			fi
#ifdef OLD_KERNEL
		:: pending && word == 0 -> wake_one()
#else
		:: pending && (word & OWNER) == 0 -> wake_one()
#endif
		:: else
		fi
	};
done:	skip
}
