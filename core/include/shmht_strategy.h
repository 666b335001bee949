/* SPDX-License-Identifier: MIT */
/*
 * What a lock strategy is: its description and its set of operations, of those
 * built in (by name or number) and of those built elsewhere as shared objects.
 * shmht.h includes this; core/README.md says how to write one.
 */
#ifndef SHMHT_STRATEGY_H
#define SHMHT_STRATEGY_H

#include "shmht.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SHMHT_CAP_ONE_WORKER 1u /* refuses a second context */
#define SHMHT_CAP_SPINS 2u	/* burns CPU while waiting */
#define SHMHT_CAP_PARKS 4u	/* sleeps in the kernel while waiting */
#define SHMHT_CAP_FAIR 8u	/* first come, first served */
#define SHMHT_CAP_SHARED_READERS 16u
#define SHMHT_CAP_RECOVERS 32u	       /* a dead holder's lock is taken over */
#define SHMHT_CAP_YIELDS 128u	       /* gives up its CPU while waiting, but stays runnable */
#define SHMHT_CAP_KERNEL_RECOVERS 256u /* ... by the kernel: robust = off has no say */
#define SHMHT_CAP_TEST_ONLY 64u	       /* deliberately broken; test builds only */

#define SHMHT_STRATEGY_ABI 6u

struct shmht_strategy {
	uint32_t abi_version; /* SHMHT_STRATEGY_ABI */
	uint32_t size;	      /* sizeof(struct shmht_strategy) */
	const char *name;
	const char *summary;	    /* one line: what it is */
	const char *paper;	    /* paper or manual that it follows */
	const char *fairness;	    /* in words */
	const char *dead_holder;    /* what happens when the holder dies */
	const char *oversubscribed; /* worst case with more workers than CPUs */
	uint32_t caps;
	uint32_t waits;	       /* bit 1 << enum shmht_wait: a policy it can be given */
	uint32_t lock_bytes;   /* a stripe */
	uint32_t worker_bytes; /* of a worker's own line that the lock uses */
	uint64_t lock_hash;    /* of the lock's layout; kept in the header */
	uint64_t layout_hash;  /* of the region's, as compiled into the strategy */
	int (*lock_init)(void *lock_slot);
	/* Optional, for what the kernel keeps outside the region: called as a
	 * context opens, as it closes, and as a map is given up. */
	int (*ctx_enter)(struct shmht_ctx *, struct shmht_error *);
	void (*ctx_leave)(struct shmht_ctx *);
	void (*map_leave)(struct shmht *);
	struct shmht_ops ops;	       /* read = locked */
	struct shmht_ops ops_lockless; /* the others; searches and lookup are the core's */
	/* Notes in the context who holds stripe k's lock, for shmht_ctx_holder(). */
	void (*note_holder)(struct shmht_ctx *, uint32_t k);
	/* Where stripe k's holder is dead: takes the lock, repairs, lets go. */
	void (*recover)(struct shmht_ctx *, uint32_t k);
};

/*
 * A strategy built elsewhere as a shared object exports one of these, under the
 * name of its type; table_body.inc.h makes it. The first two never move.
 */
struct shmht_strategy_file {
	uint32_t abi_version;  /* SHMHT_STRATEGY_ABI */
	uint32_t size;	       /* sizeof(struct shmht_strategy_file) */
	uint64_t context_hash; /* of what the operations read in a process: shmht_ctx, shmht */
	uint32_t optimized;    /* 0: compiled without, so that its cost says nothing */
	const char *compiler;
	const struct shmht_strategy *strategy;
};

/*
 * Makes it findable in this process as "NAME@BUILD", the name that tables under it
 * bear: another build of the same lock cannot be taken for it. `file` has to stay.
 * -ENOSYS: made for another version; -EINVAL: incomplete, or its state does not fit;
 * -EEXIST; -ENOSPC. Before the process has a second thread.
 */
SHMHT_MUST_CHECK int shmht_strategy_add(const struct shmht_strategy_file *file, const char *build,
					const struct shmht_strategy **ret_strategy,
					struct shmht_error *err);

const struct shmht_strategy *shmht_strategy_find(const char *name); /* NULL: none */
/* Of those built in; NULL: past the end. */
const struct shmht_strategy *shmht_strategy_at(unsigned int idx);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
