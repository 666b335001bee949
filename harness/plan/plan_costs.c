/* SPDX-License-Identifier: MIT */
#include "plan/plan_costs.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/host.h"
#include "run/supervise.h"
#include "shmht_clock.h"

#define ROUNDS 2000
#define BUSY_NS 150000000ull
#define DEADLINE_NS 3000000000ull

/* Two processes share it. */
struct shared {
	_Atomic uint32_t ready, turn;
	double figures[2][ROUNDS];
	double quantum[2];
};

static double cpu_ns(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e9 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e3;
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	static const struct timespec timeout = { 1, 0 };

	return syscall(SYS_futex, word, op, value, op == FUTEX_WAIT ? &timeout : NULL, NULL, 0);
}

/* ---- what the two do; side 0 or 1 -------------------------------------- */

typedef void side_fn(struct shared *shared, uint32_t side);

static void yield_in_turn(struct shared *shared, uint32_t side)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = shmht_monotonic_ns();

		for (int k = 0; k < 10; k++)
			sched_yield();
		shared->figures[side][i] = (double)(shmht_monotonic_ns() - began) /
					   20; /* there and back */
	}
}

/* turn is whose it is; the other one sleeps on it. Figures: wake-up calls (side 0),
 * whole rounds (side 1). */
static void wake_in_turn(struct shared *shared, uint32_t side)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = shmht_monotonic_ns(), woke;

		while (atomic_load(&shared->turn) != side)
			futex(&shared->turn, FUTEX_WAIT, !side);
		atomic_store(&shared->turn, !side);
		woke = shmht_monotonic_ns();
		futex(&shared->turn, FUTEX_WAKE, 1);
		shared->figures[side][i] = (double)(shmht_monotonic_ns() - (side ? began : woke));
	}
}

static void compute(struct shared *shared, uint32_t side)
{
	struct rusage before, after;
	uint64_t until = shmht_monotonic_ns() + BUSY_NS;

	getrusage(RUSAGE_SELF, &before);
	while (shmht_monotonic_ns() < until)
		;
	getrusage(RUSAGE_SELF, &after);
	shared->quantum[side] = (cpu_ns(&after) - cpu_ns(&before)) /
				(double)(after.ru_nivcsw - before.ru_nivcsw + 1);
}

/* ---- running them ------------------------------------------------------ */

static pid_t start(struct shared *shared, side_fn *fn, uint32_t side, uint16_t cpu)
{
	pid_t parent = getpid(), child = fork();
	cpu_set_t set;

	if (child)
		return child < 0 ? -errno : child;
	supervise_child_begins(parent);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < 2)
		sched_yield();
	fn(shared, side);
	_exit(0);
}

static int run_both(struct shared *shared, side_fn *fn, uint16_t cpu0, uint16_t cpu1)
{
	pid_t children[2];
	uint64_t until = shmht_monotonic_ns() + DEADLINE_NS;
	int r = 0, status;

	atomic_store(&shared->ready, 0);
	atomic_store(&shared->turn, 0);
	children[0] = start(shared, fn, 0, cpu0);
	children[1] = start(shared, fn, 1, cpu1);
	for (int i = 0; i < 2; i++) {
		if (children[i] < 0) {
			r = children[i];
			continue;
		}
		while (waitpid(children[i], &status, WNOHANG) == 0) {
			if (r || shmht_monotonic_ns() > until) {
				r = r ? r : -ETIME;
				kill(children[i], SIGKILL);
			}
			supervise_sleep(2000000);
		}
	}
	return supervise_interrupted() ? -EINTR : r;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double figures[ROUNDS])
{
	qsort(figures, ROUNDS, sizeof(double), ascending);
	return figures[ROUNDS / 2];
}

static void measure_alone(struct shared *shared, struct host_costs *ret)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = shmht_monotonic_ns();

		for (int k = 0; k < 10; k++)
			shmht_pause();
		shared->figures[0][i] = (double)(shmht_monotonic_ns() - began) / 10;
		began = shmht_monotonic_ns();
		for (int k = 0; k < 4; k++)
			futex(&shared->turn, FUTEX_WAKE, 1);
		shared->figures[1][i] = (double)(shmht_monotonic_ns() - began) / 4;
	}
	ret->pause = median(shared->figures[0]);
	ret->call = median(shared->figures[1]);
}

int host_costs_measure(struct host_costs *ret)
{
	uint16_t cpus[2] = { 0 };
	unsigned int nr = host_cpus_allowed(cpus, 2);
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (shared == MAP_FAILED)
		return -errno;
	if (nr < 2)
		cpus[1] = cpus[0];
	measure_alone(shared, ret);
	r = run_both(shared, yield_in_turn, cpus[0], cpus[0]);
	if (!r) {
		ret->change = median(shared->figures[0]);
		r = run_both(shared, wake_in_turn, cpus[0], cpus[1]);
	}
	if (!r) {
		ret->wake = median(shared->figures[0]);
		ret->latency = median(shared->figures[1]) / 2 - ret->wake;
		if (ret->latency < 0)
			ret->latency = 0;
		r = run_both(shared, wake_in_turn, cpus[0], cpus[0]);
	}
	if (!r) {
		ret->wake_busy = median(shared->figures[0]);
		r = run_both(shared, compute, cpus[0], cpus[0]);
	}
	if (!r)
		ret->quantum = shared->quantum[0];
	munmap(shared, sizeof(*shared));
	return r;
}
