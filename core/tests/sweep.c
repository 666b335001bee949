/* SPDX-License-Identifier: MIT */
/* Single steps and images of a region: see sweep.h. */
#include "sweep.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/user.h>

pid_t stepper_fork(void (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		fn(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	return pid;
}

void stepper_start(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(99);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
}

void stepper_end(void)
{
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
}

enum step stepper_step(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		return STEP_GONE;
	if (!WIFSTOPPED(status))
		return STEP_GONE;
	return WSTOPSIG(status) == SIGUSR2 ? STEP_ENDED : STEPPED;
}

enum step stepper_step_many(pid_t pid, unsigned int k)
{
	enum step step = STEPPED;

	while (k-- > 0 && step == STEPPED)
		step = stepper_step(pid);
	return step;
}

#if defined(__x86_64__)
#define IP_OFFSET offsetof(struct user, regs.rip)
#define PASS_COST 4 /* a breakpoint passed takes as many calls, a step one */

static uint64_t where(pid_t pid)
{
	return (uint64_t)ptrace(PTRACE_PEEKUSER, pid, IP_OFFSET, NULL);
}

static enum step run_to_trap(pid_t pid, uint64_t at)
{
	int status;

	if (ptrace(PTRACE_CONT, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid ||
	    !WIFSTOPPED(status))
		return STEP_GONE;
	if (WSTOPSIG(status) == SIGUSR2)
		return STEP_ENDED;
	/* Behind the int3. */
	return WSTOPSIG(status) == SIGTRAP && where(pid) == at + 1 ? STEPPED : STEP_GONE;
}

/* A breakpoint at an instruction, passed so many times before it stops there. */
static enum step run_to_round(pid_t pid, uint64_t at, unsigned int round)
{
	long code = ptrace(PTRACE_PEEKTEXT, pid, at, NULL);
	enum step step;

	/* It stands there already, once. */
	if (where(pid) == at && (!round-- || stepper_step(pid) != STEPPED))
		return round == -1u ? STEPPED : STEP_GONE;
	for (;; round--) {
		if (ptrace(PTRACE_POKETEXT, pid, at, (code & ~0xffl) | 0xcc))
			return STEP_GONE;
		step = run_to_trap(pid, at);
		if (step != STEPPED)
			return step;
		if (ptrace(PTRACE_POKETEXT, pid, at, code) ||
		    ptrace(PTRACE_POKEUSER, pid, IP_OFFSET, at))
			return STEP_GONE;
		if (!round)
			return STEPPED;
		if (stepper_step(pid) != STEPPED)
			return STEP_GONE;
	}
}

#define SYSCALL 0x050fl /* the two bytes of the instruction */

uint64_t stepper_kernel_state(pid_t pid)
{
	struct robust_list_head *head;
	uint64_t next, pending;
	size_t len;

	if ((ptrace(PTRACE_PEEKTEXT, pid, where(pid), NULL) & 0xffffl) == SYSCALL ||
	    syscall(SYS_get_robust_list, pid, &head, &len))
		return 0;
	next = (uint64_t)ptrace(PTRACE_PEEKDATA, pid, &head->list.next, NULL);
	pending = (uint64_t)ptrace(PTRACE_PEEKDATA, pid, &head->list_op_pending, NULL);
	return (mix64(next) ^ pending) | 1;
}
#else
#define PASS_COST TRACE_MAX

uint64_t stepper_kernel_state(pid_t pid)
{
	(void)pid;
	return 0;
}

static uint64_t where(pid_t pid)
{
	(void)pid;
	return 0;
}

static enum step run_to_round(pid_t pid, uint64_t at, unsigned int round)
{
	(void)pid, (void)at, (void)round;
	return STEP_GONE;
}
#endif

#define MET_MAX (1u << 18)
_Static_assert(MET_MAX > 2 * TRACE_MAX, "places are found");

void trace_open(struct trace *trace)
{
	trace->nr = 0;
	trace->at = calloc(TRACE_MAX + 1, sizeof(*trace->at));
	trace->round = calloc(TRACE_MAX + 1, sizeof(*trace->round));
	trace->from = calloc(TRACE_MAX + 1, sizeof(*trace->from));
	trace->met = calloc(MET_MAX, sizeof(*trace->met));
	assert_true(trace->at && trace->round && trace->from && trace->met);
}

void trace_close(struct trace *trace)
{
	free(trace->at);
	free(trace->round);
	free(trace->from);
	free(trace->met);
}

/* Calls that bring a child from its start to place `from` and on to place k. */
static uint64_t trace_cost(const struct trace *trace, unsigned int from, unsigned int k)
{
	return from ? (uint64_t)PASS_COST * (trace->round[from] + 1) + (k - from) : k;
}

void trace_note(struct trace *trace, pid_t pid)
{
	unsigned int k = trace->nr++, from = k ? trace->from[k - 1] : 0;
	size_t i;

	assert_true(k <= TRACE_MAX);
	trace->at[k] = where(pid);
	i = trace->at[k] * 0x9e3779b97f4a7c15ull >> 46;
	while (trace->met[i].rounds && trace->met[i].at != trace->at[k])
		i = (i + 1) % MET_MAX;
	trace->met[i].at = trace->at[k];
	trace->round[k] = trace->met[i].rounds++;
	trace->from[k] = trace_cost(trace, k, k) < trace_cost(trace, from, k) ? k : from;
}

enum step stepper_run_to(pid_t pid, const struct trace *trace, unsigned int k)
{
	unsigned int from = trace->from[k];
	enum step step = STEPPED;

	if (from)
		step = run_to_round(pid, trace->at[from], trace->round[from]);
	return step == STEPPED ? stepper_step_many(pid, k - from) : step;
}

void stepper_kill(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
}

void images_open(struct images *images, struct shmht *map)
{
	struct shmht_info info;

	shmht_info(map, &info);
	images->bytes = info.region_bytes;
	images->base = mmap(NULL, images->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, shmht_fd(map),
			    0);
	assert_true(images->base != MAP_FAILED);
	images->seen = calloc(IMAGES_MAX, sizeof(*images->seen));
	assert_non_null(images->seen);
	images->nr_seen = 0;
}

void images_close(struct images *images)
{
	munmap(images->base, images->bytes);
	free(images->seen);
}

uint64_t images_hash(const struct images *images)
{
	const uint64_t *words = (const uint64_t *)(const void *)images->base;
	uint64_t a = 1, b = 2;

	for (size_t i = 0; i + 1 < images->bytes / 8; i += 2) {
		a = (a ^ words[i]) * 0x9e3779b97f4a7c15ull;
		b = (b ^ words[i + 1]) * 0xc2b2ae3d27d4eb4full;
		a ^= a >> 29;
		b ^= b >> 31;
	}
	return (a ^ (b << 1 | b >> 63)) | 1;
}

bool images_new(struct images *images, uint64_t hash)
{
	size_t i = hash >> 1 & (IMAGES_MAX - 1);

	for (; images->seen[i]; i = (i + 1) & (IMAGES_MAX - 1))
		if (images->seen[i] == hash)
			return false;
	assert_true(++images->nr_seen < IMAGES_MAX / 2);
	images->seen[i] = hash;
	return true;
}

void images_forget(struct images *images)
{
	memset(images->seen, 0, IMAGES_MAX * sizeof(*images->seen));
	images->nr_seen = 0;
}

void stepper_pin(void)
{
	cpu_set_t set, one;

	CPU_ZERO(&set);
	CPU_ZERO(&one);
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = CPU_SETSIZE; cpu-- > 0;)
		if (CPU_ISSET(cpu, &set)) {
			CPU_SET(cpu, &one);
			break;
		}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

struct part stepper_part(void)
{
	const char *wanted = getenv("SHMBENCH_SWEEP_PART");
	struct part part = { 0, 1 };

	if (wanted && (sscanf(wanted, "%u/%u", &part.nr, &part.of) != 2 || part.nr >= part.of))
		fail_msg("SHMBENCH_SWEEP_PART is '%s', must be I/N with I from 0 to N-1", wanted);
	return part;
}
