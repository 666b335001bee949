/* SPDX-License-Identifier: MIT */
/*
 * `shmbench top`: a table in use, looked at from outside. Three sources: the shared
 * bytes (entries, holders, contexts), /proc (what a context's thread is doing), and,
 * of a shmbench run, the start line's memory (rates, percentiles). Each may be
 * missing: what is not known is NaN, or said to be unknown, never 0.
 *
 * Holders and sleepers are of a moment, and locks are held for less than a
 * microsecond: an interval is looked at several times, and shares are printed.
 */
#ifndef SHMBENCH_TOP_H
#define SHMBENCH_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "run/control.h"
#include "shmht.h"

#define TOP_STRIPES_MAX 1024u /* looked at one by one */
#define TOP_LOOKS_MAX 20u     /* per interval */

struct top_stripe {
	struct shmht_stripe_state state; /* at the last look; the holder: seen last */
	uint32_t nr;
	uint32_t held, asleep; /* looks that found it so; sleepers, over all looks */
};

enum top_wait {
	TOP_WAIT_NONE, /* asleep for something else, or running, which may be spinning */
	TOP_WAIT_STRIPE,
	TOP_WAIT_POOL,
	TOP_WAIT_QUEUE, /* on its own node of a queue lock */
	TOP_WAIT_SEMAPHORE,
	TOP_WAIT_UNKNOWN, /* /proc does not let us look */
};

struct top_user {
	struct shmht_user user;
	bool there;
	enum top_wait wait; /* at the last look */
	uint32_t stripe;
	uint64_t run_ns, delay_ns, seen_ns; /* as of the interval's begin; seen_ns 0: unknown */
	double cpu, delay;		    /* shares of the interval; NaN: not known */
	double ops_per_s;		    /* of a shmbench run */
};

/* Of the run that the table belongs to. */
struct top_run {
	const struct control *control; /* NULL: none was found */
	size_t bytes, slots_offset;
	uint32_t nr_workers, nr_slots;
	uint64_t *progress, seen_ns; /* [nr_workers], as of the interval's begin */
	double *ops_per_s;	     /* [nr_workers] */
	uint32_t word, next_slot;
	enum phase phase;
	double total, p50_ns, p99_ns, p999_ns;
};

struct top {
	pid_t pid;
	int fd;
	uint64_t device, inode; /* of the table's memfd */
	struct shmht *map;
	struct shmht_info info;
	uint64_t count;
	uint32_t nr_stripes; /* looked at; the last is the pool */
	struct top_stripe *stripes;
	struct top_user *users; /* [info.max_workers], by slot */
	uint32_t looks, max_looks;
	bool sleepers_known;
	struct top_run run;
};

/* map becomes the top's. 0 or -ENOMEM. */
int top_open(struct top *top, struct shmht *map, pid_t pid, int fd);
void top_close(struct top *top);
void top_begin(struct top *top); /* of an interval */
void top_look(struct top *top);
void top_end(struct top *top);
/* The process has it at this descriptor still. */
bool top_is_there(const struct top *top);

/* The start line of pid's run, if it has one that this build can read. */
void top_run_open(struct top_run *run, pid_t pid);
void top_run_close(struct top_run *run);
void top_run_begin(struct top_run *run);
void top_run_end(struct top_run *run);
/* NaN: not a worker of the run, or not known. */
double top_run_worker(const struct top_run *run, pid_t tid);

/* rows: of each list, at most; eol ends each line. */
void top_show(const struct top *top, uint32_t rows, const char *eol, FILE *out);

#endif
