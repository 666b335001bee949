/* SPDX-License-Identifier: MIT */
/*
 * A trial cut into turns: a short window, then its workers sleep until the next one is
 * asked for. Two trials that take turns on the same CPUs see the same minutes of the
 * machine, down to milliseconds, where two whole trials see one half each. Who gives the
 * turns is at the other end of a socket (gate_turns.c).
 */
#ifndef SHMBENCH_TURNS_H
#define SHMBENCH_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#define TURNS_MAX 1000
/* Over the socket, one byte each: a turn is given; it is over (and at first: all is set up). */
#define TURN_GIVEN 'g'
#define TURN_OVER 'o'

struct params;

struct turns {
	uint32_t nr;
	int fd;		    /* of the socket */
	uint64_t settle_ns; /* before each window: caches are the other's still */
	struct {
		uint64_t ops;
		double seconds;
	} had[TURNS_MAX];
};

/* A closed loop, ended by the clock, with a CPU for every worker: others want their time
 * in one piece. */
bool turns_possible(const struct params *params);

#endif
