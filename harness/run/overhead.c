/* SPDX-License-Identifier: MIT */
/*
 * Each part runs in a loop of its own with an operation's inputs: keys of 16
 * and values of 64 bytes. Repetitions of the parts take turns, so that a slow
 * moment falls on all; the median is reported with the quartiles.
 */
#include "run/overhead.h"

#include <stdlib.h>
#include <string.h>

#include "shmht_clock.h"
#include "stats/hist.h"
#include "stats/stats.h"
#include "verify/value.h"
#include "worker/opstream.h"

#define REPETITIONS 41
#define ROUNDS 4096u /* operations of one repetition */
#define KEY_BYTES 16
#define VALUE_BYTES 64

const char *const overhead_names[OVERHEAD_NR] = {
	[OVERHEAD_CLOCK_READ] = "clock_read",	[OVERHEAD_HIST_RECORD] = "hist_record",
	[OVERHEAD_OP_FETCH] = "op_fetch",	[OVERHEAD_VALUE_CHECK] = "value_check",
	[OVERHEAD_BETWEEN_OPS] = "between_ops", [OVERHEAD_EMPTY_LOOP] = "empty_loop",
};

struct bench {
	uint64_t ring[ROUNDS];
	struct hist hist;
	double scale; /* ns per tick */
	uint64_t key[KEY_BYTES / 8];
	unsigned char value[VALUE_BYTES];
};

/* What is computed must look used, and memory may have changed. */
#define KEEP(value) __asm__ volatile("" : : "r"(value) : "memory")

/* The parts of worker_chain.inc.h that are not the table's, in its order. */
static void run_between(struct bench *bench)
{
	uint64_t start = shmht_ticks_ordered();

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t op = bench->ring[i % ROUNDS], end;

		key_make(op_get_key(op), bench->key, KEY_BYTES);
		KEEP(op_get_kind(op));
		end = shmht_ticks_ordered();
		hist_record(&bench->hist, (uint64_t)((double)(end - start) * bench->scale + 0.5));
		start = end;
	}
}

static __attribute__((noinline)) void run_part(struct bench *bench, enum overhead_part part)
{
	switch (part) {
	case OVERHEAD_CLOCK_READ:
		for (uint32_t i = 0; i < ROUNDS; i++)
			KEEP(shmht_ticks_ordered());
		return;
	case OVERHEAD_HIST_RECORD:
		for (uint32_t i = 0; i < ROUNDS; i++) {
			hist_record(&bench->hist, 100 + (i & 255u));
			KEEP(i);
		}
		return;
	case OVERHEAD_OP_FETCH:
		for (uint32_t i = 0; i < ROUNDS; i++) {
			uint64_t op = bench->ring[i % ROUNDS];

			key_make(op_get_key(op), bench->key, KEY_BYTES);
			KEEP(op_get_kind(op));
		}
		return;
	case OVERHEAD_VALUE_CHECK:
		for (uint32_t i = 0; i < ROUNDS; i++)
			KEEP((int)value_is_of(bench->value, VALUE_BYTES, 7));
		return;
	case OVERHEAD_BETWEEN_OPS:
		run_between(bench);
		return;
	case OVERHEAD_EMPTY_LOOP:
		for (uint32_t i = 0; i < ROUNDS; i++)
			KEEP(i);
		return;
	case OVERHEAD_NR:
		return;
	}
}

void overhead_measure(struct overhead ret[OVERHEAD_NR])
{
	static double ns[OVERHEAD_NR][REPETITIONS];
	struct bench *bench = calloc(1, sizeof(*bench));
	double scale = shmht_ns_per_tick() / ROUNDS;

	memset(ret, 0, OVERHEAD_NR * sizeof(*ret));
	if (!bench)
		return;
	for (uint32_t i = 0; i < ROUNDS; i++)
		bench->ring[i] = (uint64_t)i << 24;
	value_fill(bench->value, VALUE_BYTES, 7, 1);
	bench->scale = shmht_ns_per_tick();
	for (int k = 0; k < REPETITIONS; k++) {
		for (int part = 0; part < OVERHEAD_NR; part++) {
			uint64_t start = shmht_ticks_ordered();

			run_part(bench, (enum overhead_part)part);
			ns[part][k] = (double)(shmht_ticks_ordered() - start) * scale;
		}
		for (int part = 0; part < OVERHEAD_EMPTY_LOOP; part++)
			ns[part][k] -= ns[OVERHEAD_EMPTY_LOOP][k];
		ns[OVERHEAD_BETWEEN_OPS][k] -= ns[OVERHEAD_CLOCK_READ][k];
	}
	for (int part = 0; part < OVERHEAD_NR; part++) {
		qsort(ns[part], REPETITIONS, sizeof(ns[part][0]), stats_ascending);
		ret[part].median_ns = ns[part][REPETITIONS / 2];
		ret[part].low_ns = ns[part][REPETITIONS / 4];
		ret[part].high_ns = ns[part][REPETITIONS * 3 / 4];
	}
	free(bench);
}
