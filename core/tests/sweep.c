/* SPDX-License-Identifier: MIT */
/* Single steps and images of a region: see sweep.h. */
#include "sweep.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

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
