/* SPDX-License-Identifier: MIT */
/*
 * The semaphore of core/strategy/sem.c, and the owner's word beside it: a token is what
 * is waited for, the word decides. Who finds an owner drops his token; who waited a
 * slice in vain takes the word from a dead owner, or from nobody. 3 processes; 2 of them
 * die, at any step. Holds: nobody shares the lock, none waits for ever (an invalid end
 * state), and there is no token more than were taken over without one. As long as nobody
 * has died, 2 slices end at a moment when nobody owns, by mere chance, and no more: so
 * tokens do not get lost among the living, whatever the looks do. ROBUST_OFF, where a
 * token is the lock and nobody dies or looks, holds as well.
 * Mutants: TOKEN_OWNS, which writes the word without looking who is there; TIMEOUT_POSTS,
 * where a token is the lock and a slice that ends in vain posts another; OWNED_ONLY, which
 * takes over from the dead, not from nobody; POST_FIRST, a release that posts before it
 * clears the word.
 */
#define N 3
#define ROUNDS 2
#define NOBODY N
#ifdef ROBUST_OFF
#define DEATHS 0
#else
#define DEATHS 2
#endif
#define CHANCES 2
#if defined(ROBUST_OFF) || defined(TOKEN_OWNS) || defined(TIMEOUT_POSTS)
#define UNLOOKED
#endif

byte value = 1, owner = NOBODY, deaths, chances, unposted, inside;
bool dead[N];

#define MAY_DIE :: atomic { deaths < DEATHS -> deaths++; dead[_pid] = true; goto died }

#define CLEAR atomic { owner = NOBODY }
#define POST atomic { value++; assert(value <= 1 + unposted) }

active [N] proctype process() {
	byte round;

again:
	if
	:: round == ROUNDS -> goto done
	:: else -> round++
	fi;
wait:
	if
	:: atomic { value > 0 -> value-- } /* sem_trywait(), sem_clockwait() */
#ifndef ROBUST_OFF
	/* take_word(): from a dead owner, then from nobody */
	:: atomic { owner != NOBODY && dead[owner] -> owner = _pid }; goto locked
#ifdef TIMEOUT_POSTS
	:: atomic { value == 0 && (deaths > 0 || chances < CHANCES) ->
		value++; unposted++; chances = chances + (deaths == 0) }; goto wait
#elif !defined(OWNED_ONLY)
	:: atomic { owner == NOBODY && (deaths > 0 || chances < CHANCES) ->
		owner = _pid; unposted++; chances = chances + (deaths == 0) }; goto locked
#endif
#endif
	MAY_DIE
	fi;
	/* own() */
	if
#ifdef UNLOOKED
	:: owner = _pid
#else
	:: atomic { owner == NOBODY -> owner = _pid }
	:: atomic { owner != NOBODY -> goto wait }
#endif
	MAY_DIE
	fi;

locked:
	atomic { inside++; assert(inside == 1 && owner == _pid) };
	if
	:: inside--
	:: atomic { deaths < DEATHS -> deaths++; dead[_pid] = true; inside--; goto died }
	fi;

	/* lock_release() */
#ifdef POST_FIRST
	POST;
	if
	:: CLEAR
	MAY_DIE
	fi;
#else
	CLEAR;
	if
	:: POST
	MAY_DIE
	fi;
#endif
	goto again;
died:	skip;
done:	skip
}
