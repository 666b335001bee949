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
/* Every of-th place from nr on is this process's to see to: SHMBENCH_SWEEP_PART. */
struct part {
	unsigned int nr, of;
};
struct part stepper_part(void);
/* Runs fn(arg) in a child up to where it calls stepper_start(). */
pid_t stepper_fork(void (*fn)(void *arg), void *arg);
void stepper_start(void); /* in the child: from here on it is stepped */
void stepper_end(void);	  /* in the child: to here */

enum step { STEPPED, STEP_ENDED, STEP_GONE };
enum step stepper_step(pid_t pid);
enum step stepper_step_many(pid_t pid, unsigned int k);

/*
 * The way a child went, so that the next one is brought to where it was after k
 * steps at full speed: to a breakpoint, and by steps from there.
 */
struct trace {
	unsigned int nr;     /* places noted; [i] is after i steps */
	uint64_t *at;	     /* the address of the next instruction */
	unsigned int *round; /* how often it had been the next one before */
	unsigned int *from;  /* the place whose breakpoint is the cheapest way here */
	struct {
		uint64_t at;
		unsigned int rounds;
	} * met; /* open addressing */
};
#define TRACE_MAX 100000u

void trace_open(struct trace *trace);
void trace_close(struct trace *trace);
/* Where it is now: once before the first step, and after each. */
void trace_note(struct trace *trace, pid_t pid);
/*
 * What the kernel knows of a stopped child and acts on when it dies, as a hash: the head
 * of its robust list. 0 when it is about to ask the kernel to do something.
 */
uint64_t stepper_kernel_state(pid_t pid);
/* As k steps. STEP_ENDED: it did not come by, it went another way. */
enum step stepper_run_to(pid_t pid, const struct trace *trace, unsigned int k);
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
