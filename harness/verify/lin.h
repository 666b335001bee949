/* SPDX-License-Identifier: MIT */
/*
 * verify = linearizable: what is recorded of an operation, and where.
 *
 * Each worker has a log of its own in memory shared with the supervisor: one
 * writer, no line shared with another worker while it runs. A log that is full
 * makes room by forgetting keys: it halves the share of the key hashes that it
 * keeps. So what is known of a key is always everything or nothing, the keys
 * that all logs still have are the sample, and the hottest keys are never
 * forgotten. When they alone fill a log, it is closed: then the sample ends at
 * that moment, and what reached beyond it may or may not have happened.
 *
 * Beside the log, and for all operations, the log has each key's inserts less
 * removes.
 */
#ifndef SHMBENCH_LIN_H
#define SHMBENCH_LIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "run/trial.h"
#include "scenario/params.h"
#include "shmht_clock.h"

/* Of all workers together: 256 MiB. */
#define LIN_RECORDS_MAX (8u << 20)
#define LIN_HOT_KEYS 64u
#define LIN_HOT_BITS 4096u
/* Per-key counters beyond this much are not kept, and the result says so. */
#define LIN_NET_BYTES_MAX (256ull << 20)

struct lin_record {
	uint64_t start, end; /* ticks; end 0: never came back */
	uint64_t what;	     /* bits 0-1 kind, 2-4 outcome, 24-63 key id */
	uint64_t nonce;	     /* of the value written or read */
};

static inline uint64_t lin_what(enum op_kind kind, enum outcome outcome, uint64_t id)
{
	return (uint64_t)kind | (uint64_t)outcome << 2 | id << 24;
}
static inline enum op_kind lin_kind(const struct lin_record *record)
{
	return (enum op_kind)(record->what & 3);
}
static inline enum outcome lin_outcome(const struct lin_record *record)
{
	return (enum outcome)(record->what >> 2 & 7);
}
static inline uint64_t lin_key(const struct lin_record *record)
{
	return record->what >> 24;
}

struct lin_log {
	_Alignas(64) uint64_t nr; /* records; [nr] is the one under way, if start is not 0 */
	uint64_t room;
	uint64_t threshold; /* keys whose hash is below it are kept; 2^32: all */
	uint64_t closed;    /* ticks: nothing that began then or later is here; 0: open */
	uint64_t moving;    /* 1: records are being moved; whoever dies here leaves no log */
	struct lin_record *records; /* [room + 1] */
	int32_t *net;		    /* [keyspace], or NULL */
};

/* Shared by supervisor and workers, mapped before the fork. */
struct lin {
	size_t bytes;
	uint32_t nr_logs;
	uint64_t hot[LIN_HOT_BITS / 64]; /* hashes of the hottest keys, by their top bits */
	struct lin_log logs[];
};

/* NULL: no memory. */
struct lin *lin_create(const struct params *params);
void lin_destroy(struct lin *lin);
/* Forgets keys, or closes the log at the stamp of what could not be kept. */
void lin_make_room(const struct lin *lin, struct lin_log *log, uint64_t start);

static inline uint32_t lin_hash(uint64_t id)
{
	uint64_t x = (id ^ id >> 29) * 0xbf58476d1ce4e5b9ull;

	return (uint32_t)((x ^ x >> 32) * 0x94d049bb133111ebull >> 32);
}

static inline bool lin_in_sample(const struct lin *lin, uint64_t threshold, uint64_t id)
{
	uint32_t hash = lin_hash(id);

	return hash < threshold || lin->hot[hash >> 20 >> 6] >> (hash >> 20 & 63) & 1;
}

/*
 * The stamps. A precedes B when A's end is below B's start, on whatever CPUs:
 * the counter is one that the kernel itself takes time from, hence invariant
 * and the same on all CPUs (shmht_clock_is_counter; else CLOCK_MONOTONIC, which
 * is monotone across CPUs). An interval must cover its operation:
 * - begin: nothing of the operation runs before the counter is read. rdtsc does
 *   not hold back what follows it; the second fence does (Intel SDM, RDTSC).
 * - end: the operation's stores are visible to others before the counter is
 *   read. lfence waits for loads only; a store may still be in the CPU's store
 *   buffer, and another CPU's later stamp would precede its effect. Programs do
 *   not notice that (whatever tells them of the end is stored after it), a
 *   comparison of clocks would.
 */
static inline uint64_t lin_stamp_begin(void)
{
	uint64_t ticks = shmht_ticks_ordered();

#if defined(__x86_64__)
	__asm__ volatile("lfence" : : : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("isb" : : : "memory");
#endif
	return ticks;
}

static inline uint64_t lin_stamp_end(void)
{
	__sync_synchronize(); /* the full fence; gcc has no TSan form of the C11 one */
	return shmht_ticks_ordered();
}

/* Before the operation, so that one that is killed leaves a trace. */
static inline void lin_begin(struct lin_log *log, uint64_t start, enum op_kind kind, uint64_t id,
			     uint64_t nonce)
{
	struct lin_record *record = &log->records[log->nr];

	record->what = lin_what(kind, OUTCOME_OK, id);
	record->nonce = nonce;
	record->end = 0;
	/* The compiler's order is enough: a killed thread's stores all arrive. */
	atomic_signal_fence(memory_order_seq_cst);
	record->start = start;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void lin_end(const struct lin *lin, struct lin_log *log, uint64_t end,
			   enum outcome outcome, uint64_t nonce)
{
	struct lin_record *record = &log->records[log->nr];
	uint64_t id = lin_key(record);
	enum op_kind kind = lin_kind(record);

	if (log->net && outcome == OUTCOME_OK && (kind == OP_INSERT || kind == OP_REMOVE))
		log->net[id] += kind == OP_INSERT ? 1 : -1;
	record->what = lin_what(kind, outcome, id);
	record->nonce = nonce;
	record->end = end;
	if (!log->closed && lin_in_sample(lin, log->threshold, id)) {
		if (__builtin_expect(log->nr + 1 >= log->room, 0))
			lin_make_room(lin, log, record->start);
		else
			log->nr++;
	}
	/* Nothing under way. */
	log->records[log->nr].start = 0;
}

#endif
