/* SPDX-License-Identifier: MIT */
/*
 * A mixed load by several workers whose values verify themselves: each byte
 * follows from key and serial number, so a torn value, or one of another key,
 * is told from a right one.
 */
#ifndef CORE_TESTS_LOAD_H
#define CORE_TESTS_LOAD_H

#include "support.h"

#define LOAD_KEYS 200u	 /* inserted, updated, removed, searched */
#define LOAD_UPSERTS 24u /* further keys: upserted and searched, never removed */
#define LOAD_WORKERS_MAX 8u

struct load_counts {
	uint64_t operations, hits, inserted, removed, upserted; /* upserted: a bit a key */
	uint64_t wrong_values, wrong_results;
	int first_wrong_result;
};

struct load {
	struct shmht *map;
	uint64_t duration_ns;
	uint64_t operations; /* at most, each worker */
	unsigned int workers;
	atomic_uint next_worker;
	atomic_int start;
	struct load_counts counts[LOAD_WORKERS_MAX];
};

/* The value of a key and serial number; returns its length. */
size_t load_value(uint64_t key, uint64_t serial, unsigned char value[64]);

struct load_verdict {
	uint64_t operations, hits, errors;
	char text[256];
};

/* What is wrong afterwards, in words; 0 errors when nothing is. The last is
 * asked of a fresh context, with everybody gone. */
struct load_verdict load_judge(const struct load *load, struct shmht_ctx *ctx);
/* workers processes, or threads. Returns when all have ended. */
void load_by_processes(struct load *load);
void load_by_threads(struct load *load);
/* Processes that are killed in the middle of it. */
void load_by_killed_processes(struct load *load, uint64_t after_ns);

#endif
