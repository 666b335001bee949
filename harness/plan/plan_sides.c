/* SPDX-License-Identifier: MIT */
#include "plan/plan_sides.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "run/jitter.h"
#include "shmht_clock.h"
#include "worker/rng.h"

struct shmht *side_table;

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

void side_join(struct shared *shared)
{
	atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < atomic_load(&shared->nr))
		sched_yield();
}

static bool all_done(struct shared *shared)
{
	return atomic_load(&shared->done) == atomic_load(&shared->nr);
}

/* Goes on until all have their figures, for it is the others' company. */
void side_yield_in_turn(struct shared *shared, uint32_t side)
{
	side_join(shared);
	for (int i = 0; !all_done(shared); i++) {
		uint64_t began = shmht_monotonic_ns();

		for (int k = 0; k < 10; k++)
			sched_yield();
		if (i < ROUNDS) /* each of them is a round through all */
			shared->figures[side][i] = (double)(shmht_monotonic_ns() - began) / 10 /
						   atomic_load(&shared->nr);
		if (i == ROUNDS - 1)
			atomic_fetch_add(&shared->done, 1);
	}
}

/* Side 0 wakes, side 1 would sleep: both at once, as a holder and who waits for him do. */
void side_call_in_vain(struct shared *shared, uint32_t side)
{
	side_join(shared);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t began;

		atomic_fetch_add(&shared->turn, 1);
		while (atomic_load(&shared->turn) < 2 * (i + 1))
			;
		began = shmht_monotonic_ns();
		futex(&shared->done, side ? FUTEX_WAIT : FUTEX_WAKE, 1);
		shared->figures[side][i] = (double)(shmht_monotonic_ns() - began);
	}
}

/* Each of LINES lines has the number of the next one to go to. One cycle through all (Sattolo,
 * 1986), another each time: prefetchers learn an order that comes again. */
static void write_lines(struct shared *shared, struct rng *rng)
{
	uint32_t order[LINES];

	for (uint32_t i = 0; i < LINES; i++)
		order[i] = i;
	for (uint32_t i = LINES - 1; i > 0; i--) {
		uint32_t k = (uint32_t)rng_below(rng, i), at = order[i];

		order[i] = order[k];
		order[k] = at;
	}
	for (uint32_t i = 0; i < LINES; i++)
		atomic_store(&shared->lines[i].next, order[i]);
}

static double touch_lines(struct shared *shared, bool writes)
{
	uint64_t began;
	uint32_t at = 0;

	/* Earlier stores have drained then; no fence, for ThreadSanitizer knows none. */
	atomic_exchange(&shared->sink, 0);
	began = shmht_ticks_ordered();
	for (int i = 0; i < LINES; i++)
		at = writes ? atomic_fetch_add(&shared->lines[at].next, 0) :
			      atomic_load_explicit(&shared->lines[at].next, memory_order_relaxed);
	atomic_store_explicit(&shared->sink, at, memory_order_relaxed);
	return (double)(shmht_ticks_ordered() - began) / LINES;
}

/* Who does what, in turn; a step is a row of figures. Anew: another order, which is not timed. */
static const struct {
	uint32_t side;
	bool writes, anew;
} line_steps[LINE_STEPS] = {
	/* Written there, read, written; written there, read, read there again, written. */
	{ 1, true, true },   { 0, false, false }, { 0, true, false }, { 1, true, true },
	{ 0, false, false }, { 1, false, false }, { 0, true, false },
};

void side_pass_lines(struct shared *shared, uint32_t side)
{
	struct rng rng;

	rng_seed(&rng, 1, side);
	side_join(shared);
	for (uint32_t i = 0; i < LINE_STEPS * LINE_ROUNDS; i++) {
		uint32_t step = i % LINE_STEPS;

		if (line_steps[step].side != side)
			continue;
		while (atomic_load(&shared->turn) != i)
			shmht_pause();
		if (line_steps[step].anew)
			write_lines(shared, &rng);
		else
			shared->steps[step][i / LINE_STEPS] = touch_lines(shared,
									  line_steps[step].writes);
		atomic_store(&shared->turn, i + 1);
	}
}

/* turn is whose it is; the other one sleeps on it. Figures: wake-up calls (side 0),
 * whole rounds (side 1). */
void side_wake_in_turn(struct shared *shared, uint32_t side)
{
	side_join(shared);
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

/* Next to each other on a CPU, an operation each. */
void side_work_in_turn(struct shared *shared, uint32_t side)
{
	struct shmht_error err;
	struct shmht_ctx *ctx;
	uint64_t key[2] = { 0 }, value[8], random = side + 1, began;
	size_t len;

	if (shmht_ctx_open(side_table, &ctx, &err) || shmht_populate(side_table))
		_exit(1);
	side_join(shared);
	for (int i = 0; !all_done(shared); i++) {
		began = shmht_monotonic_ns();
		for (int k = 0; k < 10; k++) {
			key[0] = rng_splitmix(&random) % SIDE_TABLE_KEYS;
			(void)!shmht_search(ctx, key, sizeof(key), value, sizeof(value), &len);
			if (shared->yields)
				sched_yield();
		}
		if (i < ROUNDS)
			shared->figures[side][i] = (double)(shmht_monotonic_ns() - began) / 10 /
						   atomic_load(&shared->nr);
		if (i == ROUNDS - 1)
			atomic_fetch_add(&shared->done, 1);
	}
}

void side_compute(struct shared *shared, uint32_t side)
{
	struct rusage before, after;
	struct jitter jitter;

	side_join(shared);
	getrusage(RUSAGE_SELF, &before);
	jitter_measure(BUSY_NS, &jitter);
	getrusage(RUSAGE_SELF, &after);
	shared->lost[side] = jitter.share * jitter.seconds * 1e9;
	shared->gaps[side] = (double)jitter.gaps;
	shared->quantum[side] = (cpu_ns(&after) - cpu_ns(&before)) /
				(double)(after.ru_nivcsw - before.ru_nivcsw + 1);
}
