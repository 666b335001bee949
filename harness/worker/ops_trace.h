/* SPDX-License-Identifier: MIT */
/*
 * Recorded op streams: `ops_file` replays one, `run --record` writes one.
 *
 * Binary (little-endian, what --record writes):
 *
 *	 0  char[8]  "SHMBOPS1"
 *	 8  u32      trials		12  u32  workers
 *	16  u32      operations per stream, 1 to 2^20
 *	20  u32      how keys were drawn: enum keydist_kind
 *	24  u64      distinct keys, 1 to 2^40
 *	32  f64[3]   of zipf or latest the exponent; of hotspot both shares
 *	56  f64[4]   shares of search, insert, update, remove; their sum is 1
 *	88  u64      XXH3 of all that follows
 *	96  u64[]    trial by trial, in it worker by worker: operations as opstream.h packs
 *		     them, the timed and the many bit 0
 *
 * CSV (what others write): one operation a line, WORKER,OPERATION,KEY[,VALUE_SIZE], for
 * example 0,search,17 or 1,insert,4,64. OPERATION is a name, KEY a number below 2^40,
 * VALUE_SIZE bytes (insert and update; the longest without it). A worker's lines are its
 * stream, in their order, at most 2^20. Empty lines, lines that begin with '#' and a first
 * line that names the columns are passed over. All trials replay the same.
 *
 * Trial k replays trial k modulo trials. A stream that is shorter than the ring is repeated.
 */
#ifndef SHMBENCH_OPS_TRACE_H
#define SHMBENCH_OPS_TRACE_H

#include <stddef.h>
#include <stdio.h>

#include "scenario/params.h"

#define OPS_TRACE_WORKERS_MAX SHMHT_WORKERS_MAX
#define OPS_TRACE_WHY_MAX 4608
/* Kinds that a trace has: calls of several keys are not recorded. */
#define OPS_TRACE_KINDS OP_SEARCH_MANY

struct ops_stream {
	uint64_t *ops; /* packed */
	uint32_t nr, max;
};

struct ops_trace {
	uint32_t nr_trials, nr_workers;
	struct ops_stream *streams; /* [trial * nr_workers + worker] */
	uint64_t keyspace;
	struct keydist_params keys; /* as drawn; of CSV KEYS_RECORDED */
	double mix[OP_NR];	    /* as asked for; of CSV as counted */
	bool sizes;		    /* CSV: the value draw's bits are bytes */
	struct ops_size {
		uint32_t bytes;
		uint64_t line; /* 0: none is named */
	} shortest, longest;
};

/* Whole and checked, or a negative errno with why: "FILE: line 3: found ..., expected ...". */
int ops_trace_read(const char *path, struct ops_trace **ret_trace, char *why, size_t size);
/* The same of a text or bytes at hand: tests and the fuzzer. */
int ops_trace_parse(const char *name, const void *bytes, size_t len, struct ops_trace **ret_trace,
		    char *why, size_t size);
void ops_trace_free(struct ops_trace *trace);

/*
 * Read once per process and path, and kept: what a scenario was checked with is what its
 * workers, forked later, replay. Not thread-safe at a path's first call.
 */
int ops_trace_get(const char *path, const struct ops_trace **ret_trace, char *why, size_t size);

/* Fills ring[0..len) with one worker's stream, timed bits 0. -EINVAL: no such worker. */
int ops_trace_fill(const struct ops_trace *trace, const struct params *params, uint32_t trial,
		   uint32_t worker, uint64_t *ring, uint32_t len);

/* Writes the streams of params, trials x procs of them, whole or not at all. 0 or a
 * negative errno; -ENOTSUP: search_many is in the mix. */
int ops_trace_write(const struct params *params, const char *path);

#endif
