/* SPDX-License-Identifier: MIT */
/*
 * Jitter of a CPU, how much of its time it stands still: interrupts, another program, and on a
 * virtual machine whatever the host does meanwhile, which neither steal time nor run delay need
 * show. Who looks at the clock all the time sees it (as sysjitter and hwlatdetect do).
 * What is planned meanwhile starts late, by no fault of what is measured.
 */
#ifndef SHMBENCH_JITTER_H
#define SHMBENCH_JITTER_H

#include <stdint.h>

#define JITTER_GAP_NS 1000u /* between two looks: longer than a look takes on any machine */

struct jitter {
	double share;	   /* of the time watched, in gaps: 0 to 1 */
	double longest_ns; /* gap; 0: none */
	uint64_t gaps;
	double seconds; /* watched */
};

/* Keeps this thread's CPU busy for so long. Any number of threads at a time. */
void jitter_measure(uint64_t ns, struct jitter *ret);

#endif
