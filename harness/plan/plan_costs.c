/* SPDX-License-Identifier: MIT */
#include "plan/plan_costs.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/plan_sides.h"
#include "run/host.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "stats/stats.h"

#define DEADLINE_NS 3000000000ull

const struct host_cost_name host_cost_names[HOST_COSTS_NR] = {
	{ "pause", "pause" },
	{ "look at the counter", "tick" },
	{ "between two ordered ones", "clock" },
	{ "look at the clock", "stamp" },
	{ "atomic", "atomic" },
	{ "reading another CPU's line", "transfer" },
	{ "then writing it", "upgrade" },
	{ "if that has read it again", "invalidate" },
	{ "yield to nobody", "yield" },
	{ "to the other process", "change" },
	{ "to the next of four", "change_of_four" },
	{ "first operation after it", "cold" },
	{ "futex wait in vain", "wait_call" },
	{ "futex wake in vain", "wake_call" },
	{ "wake-up of an idle CPU", "wake" },
	{ "wake-up of a busy one", "wake_busy" },
	{ "until it runs", "latency" },
	{ "time slice", "quantum" },
	{ "stands still every", "gap_every" },
	{ "for", "gap" },
};

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
	fn(shared, side);
	_exit(0);
}

/* Side k on the k-th CPU. */
static int run_sides(struct shared *shared, side_fn *fn, const uint16_t *cpus, uint32_t nr)
{
	bool yields = shared->yields;
	pid_t children[SIDES];
	uint64_t until = shmht_monotonic_ns() + DEADLINE_NS;
	int r = 0, status;

	memset(shared, 0, sizeof(*shared));
	shared->yields = yields;
	atomic_store(&shared->nr, nr);
	for (uint32_t i = 0; i < nr; i++)
		children[i] = start(shared, fn, i, cpus[i]);
	for (uint32_t i = 0; i < nr; i++) {
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

/* ---- each cost ----------------------------------------------------------- */

typedef void alone_fn(struct shared *shared);

static void pause_once(struct shared *shared)
{
	(void)shared;
	shmht_pause();
}

static void look_at_counter(struct shared *shared)
{
	(void)shared;
	shmht_ticks();
}

static void look_at_clock(struct shared *shared)
{
	(void)shared;
	shmht_monotonic_ns();
}

static void swap_word(struct shared *shared)
{
	uint32_t word = 0;

	atomic_compare_exchange_strong(&shared->turn, &word, 0);
}

static void yield_once(struct shared *shared)
{
	(void)shared;
	sched_yield();
}

static double cost_alone(struct shared *shared, alone_fn *fn)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = shmht_monotonic_ns();

		for (int k = 0; k < 20; k++)
			fn(shared);
		shared->figures[0][i] = (double)(shmht_monotonic_ns() - began) / 20;
	}
	return stats_median(shared->figures[0], ROUNDS);
}

static double empty_section(struct shared *shared)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t began = shmht_ticks_ordered();

		shared->figures[0][i] = (double)(shmht_ticks_ordered() - began);
	}
	return stats_median(shared->figures[0], ROUNDS) * shmht_ns_per_tick();
}

static void measure_alone(struct shared *shared, struct host_costs *ret)
{
	ret->pause = cost_alone(shared, pause_once);
	ret->tick = cost_alone(shared, look_at_counter);
	ret->stamp = cost_alone(shared, look_at_clock);
	ret->atomic = cost_alone(shared, swap_word);
	ret->yield = cost_alone(shared, yield_once);
	ret->clock = empty_section(shared);
}

static int make_table(void)
{
	struct shmht_config cfg = { .capacity = SIDE_TABLE_KEYS,
				    .key_size = 16,
				    .value_size = 64,
				    .stripes = 1,
				    .max_workers = 2 * SIDES,
				    .strategy = "futex",
				    .robust = SHMHT_ROBUST_OFF };
	uint64_t key[2] = { 0 }, value[8] = { 0 };
	struct shmht_error err;
	struct shmht_ctx *ctx;
	int r = shmht_create(&cfg, &side_table, &err);

	if (r)
		return r;
	r = shmht_ctx_open(side_table, &ctx, &err);
	for (; !r && key[0] < SIDE_TABLE_KEYS; key[0] += 2)
		r = shmht_insert(ctx, key, sizeof(key), value, sizeof(value));
	if (!r)
		shmht_ctx_close(ctx);
	return r;
}

/* An operation right after a switch, against one of many. */
static int measure_cold(struct shared *shared, const uint16_t *cpus, struct host_costs *ret)
{
	int r = make_table();
	double alone;

	shared->yields = false;
	r = r ? r : run_sides(shared, side_work_in_turn, cpus, 1);
	alone = stats_median(shared->figures[0], ROUNDS);
	shared->yields = true;
	r = r ? r : run_sides(shared, side_work_in_turn, cpus, 2);
	ret->cold = stats_median(shared->figures[0], ROUNDS) - alone - ret->change[0];
	if (!(ret->cold > 0))
		ret->cold = 0;
	if (side_table)
		shmht_destroy(side_table);
	side_table = NULL;
	return r;
}

/* What happens on one CPU. */
static int measure_one(struct shared *shared, uint16_t cpu, struct host_costs *ret)
{
	const uint16_t same[SIDES] = { cpu, cpu, cpu, cpu };
	int r = run_sides(shared, side_compute, same, 2);

	if (r)
		return r;
	ret->quantum = shared->quantum[0];
	for (uint32_t k = 0; k < 2; k++) {
		r = run_sides(shared, side_yield_in_turn, same, 2 + 2 * k);
		if (r)
			return r;
		ret->change[k] = stats_median(shared->figures[0], ROUNDS);
	}
	r = measure_cold(shared, same, ret);
	r = r ? r : run_sides(shared, side_wake_in_turn, same, 2);
	ret->wake_busy = stats_median(shared->figures[0], ROUNDS);
	return r;
}

static double step_cost(struct shared *shared, int step, double less)
{
	double ns = stats_median(shared->steps[step], LINE_ROUNDS) * shmht_ns_per_tick() - less;

	return ns > 0 ? ns : 0;
}

static int measure_lines(struct shared *shared, const uint16_t *cpus, struct host_costs *ret)
{
	int r = run_sides(shared, side_pass_lines, cpus, 2);

	ret->transfer = step_cost(shared, STEP_TRANSFER, 0);
	ret->upgrade = step_cost(shared, STEP_UPGRADE, ret->atomic);
	ret->invalidate = step_cost(shared, STEP_INVALIDATE, ret->atomic);
	return r;
}

/* What happens between two, or twice on the only one. */
static int measure_two(struct shared *shared, const uint16_t *cpus, struct host_costs *ret)
{
	int r = run_sides(shared, side_compute, cpus, 2);

	if (r)
		return r;
	ret->gap_every = 2 * (double)BUSY_NS / (shared->gaps[0] + shared->gaps[1] + 1);
	ret->gap = (shared->lost[0] + shared->lost[1]) / (shared->gaps[0] + shared->gaps[1] + 1);
	r = run_sides(shared, side_call_in_vain, cpus, 2);
	if (r)
		return r;
	ret->wake_call = fmax(0, stats_median(shared->figures[0], ROUNDS) - ret->stamp);
	ret->wait_call = fmax(0, stats_median(shared->figures[1], ROUNDS) - ret->stamp);
	r = run_sides(shared, side_wake_in_turn, cpus, 2);
	if (r)
		return r;
	ret->wake = stats_median(shared->figures[0], ROUNDS);
	ret->latency = stats_median(shared->figures[1], ROUNDS) / 2 - ret->wake;
	if (ret->latency < 0)
		ret->latency = 0;
	if (cpus[0] == cpus[1])
		return 0;
	return measure_lines(shared, cpus, ret);
}

static struct shared *map_shared(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return shared == MAP_FAILED ? NULL : shared;
}

int host_costs_measure(struct host_costs *ret)
{
	uint16_t cpus[2] = { 0 };
	unsigned int nr = host_cpus_allowed(cpus, 2);
	struct shared *shared = map_shared();
	int r;

	if (!shared)
		return -ENOMEM;
	*ret = (struct host_costs){ 0 };
	if (nr < 2)
		cpus[1] = cpus[0];
	measure_alone(shared, ret);
	r = measure_one(shared, cpus[0], ret);
	r = r ? r : measure_two(shared, cpus, ret);
	munmap(shared, sizeof(*shared));
	return r;
}

int host_costs_measure_lines(struct host_costs *costs)
{
	struct shared *shared;
	uint16_t cpus[2];
	int r;

	costs->transfer = costs->upgrade = costs->invalidate = 0;
	if (host_cpus_allowed(cpus, 2) < 2)
		return 0;
	shared = map_shared();
	if (!shared)
		return -ENOMEM;
	costs->atomic = cost_alone(shared, swap_word);
	r = measure_lines(shared, cpus, costs);
	munmap(shared, sizeof(*shared));
	return r;
}

void host_costs_median(const struct host_costs *costs, size_t nr, struct host_costs *ret)
{
	double values[ROUNDS];

	for (size_t k = 0; k < HOST_COSTS_NR; k++) {
		for (size_t i = 0; i < nr && i < ROUNDS; i++)
			values[i] = ((const double *)&costs[i])[k];
		((double *)ret)[k] = stats_median(values, nr < ROUNDS ? nr : ROUNDS);
	}
}
