/* SPDX-License-Identifier: MIT */
/*
 * A process that is stopped after its k-th instruction, and killed there: the
 * tools of test_sweep.c. Single steps by ptrace, tracer and tracee on one CPU.
 */
#ifndef CORE_TESTS_SWEEP_H
#define CORE_TESTS_SWEEP_H

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* The last of the CPUs that this process may use, for it and its children. */
void stepper_pin(void);
/* Runs fn(arg) in a child up to where it calls stepper_start(). */
pid_t stepper_fork(void (*fn)(void *arg), void *arg);
void stepper_start(void); /* in the child: from here on it is stepped */
void stepper_end(void);	  /* in the child: to here */

enum step { STEPPED, STEP_ENDED, STEP_GONE };
enum step stepper_step(pid_t pid);
void stepper_kill(pid_t pid);

/* The bytes of a region, and what has been seen of it. */
struct images {
	unsigned char *base;
	size_t bytes;
	uint64_t *seen; /* hashes, open addressing */
	size_t nr_seen;
};
#define IMAGES_MAX (1u << 16)

void images_open(struct images *images, struct shmht *map);
void images_close(struct images *images);
uint64_t images_hash(const struct images *images);
/* True the first time. */
bool images_new(struct images *images, uint64_t hash);
void images_forget(struct images *images);

#endif
