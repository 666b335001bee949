/* SPDX-License-Identifier: MIT */
/* A worker's own state: set up by worker_setup.c, used by the loops of worker.c. */
#ifndef SHMBENCH_WORKER_INTERNAL_H
#define SHMBENCH_WORKER_INTERNAL_H

#include <sys/resource.h>

#include "lock/grace.h"
#include "run/kernel.h"
#include "stats/fairness.h"
#include "target/target.h"
#include "worker/arrival.h"
#include "worker/worker.h"

struct worker {
	const struct worker_job *job;
	const struct params *params;
	struct worker_part *part;
	struct shmht_ctx *ctx;
	const struct shmht_lock_stats *stats;
	uint64_t *ring;
	uint64_t *key; /* little-endian words */
	unsigned char *value, *found;
	struct shmht_sought *sought; /* search_many in the mix: [batch], with room for all */
	unsigned char *many_room;    /* of keys and values */
	uint64_t nonce;
	struct lin_log *log;		   /* verify = linearizable */
	uint64_t waits_seen;		   /* of stats->contended */
	uint64_t sections_seen, timed_ops; /* of stats->timed; operations that were timed */
	bool split_asked;		   /* of the core, and perhaps not had yet */
	uint64_t ops;
	bool measuring;
	struct shmht_lock_stats stats_before;
	struct rusage usage_before;
	double run_delay_before;
	struct kernel_counters counters;
	struct gap_watch gaps;
	/* intervals */
	struct interval_slot *slots;
	struct interval_cut cut;
	uint64_t ops_before_window; /* for ops_ever */
	uint32_t seen;		    /* control->phase as last acted upon */
	/* phases */
	struct leg_part *legs, *leg; /* NULL: none; the leg under way */
	uint64_t leg_first_ops;	     /* w->ops when it began */
	uint64_t leg_end;	     /* ticks, of an open loop; UINT64_MAX: the last */
	/* open loop */
	struct arrival arrival;
	uint64_t planned; /* ticks */
	bool counted;	  /* it is in result.planned */
	bool was_free;	  /* before the planned start of the present operation */
};

#define WORKER_PROGRESS_EVERY 256u /* operations between two notes for the watchdog */

/* The first error of a part is the cause, and stays. */
/* Before a wait that no lock is the cause of: see shmht_ctx_rest(). */
static inline void worker_rest(const struct worker *w)
{
	if (__builtin_expect(w->params->read == READ_URCU_QSBR, 0))
		shmht_ctx_rest(w->ctx);
}

__attribute__((format(printf, 2, 3))) void worker_error(struct worker_part *part, const char *fmt,
							...);
/* Pinned, page tables filled, stream made, context open, its share preloaded.
 * 0 or a negative errno, with worker_error() said. */
int worker_set_up(struct worker *w);
/* The phase `load`: its share of the entries, by the clock. 0 or -EIO. */
int worker_load(struct worker *w);
/* The table's or the target's. */
void worker_close_context(struct worker *w);

#endif
