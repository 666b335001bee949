/* SPDX-License-Identifier: MIT */
/*
 * The two process-local lives: struct shmht, a mapping of the region in one
 * process, and struct shmht_ctx, one thread's use of it. Only these hold
 * pointers.
 */
#ifndef SHMHT_CONTEXT_H
#define SHMHT_CONTEXT_H

#include <stdbool.h>

#include "layout.h"
#include "shmht_clock.h"

struct shmht {
	unsigned char *base;
	int fd;
	struct geometry geo; /* derived here, never read back from the region */
	const struct shmht_strategy *strategy;
	enum shmht_read read;
	const struct shmht_grace *grace; /* read = urcu, unless an observer */
	enum shmht_wait wait;
	bool observer; /* mapped read-only */
	enum shmht_robust robust;
	uint64_t generation; /* header's, when this mapping was made */
	shmht_hash_fn hash;
	uint64_t hash_seed;
	uint64_t hash_key[2]; /* wiped when the map goes */
	bool hash_keyed;
	uint32_t chain_max;
	enum shmht_pages pages_had;
	uint64_t huge_bytes;
	char pages_reason[128];
};

/*
 * In a mapping of its own with MADV_WIPEONFORK: a child of fork finds zeros,
 * so the parent's context cannot be used there by mistake. The first lines are
 * what every operation reads.
 */
struct shmht_ctx {
	struct shmht_ctx_head head;
	struct shm_bucket *buckets;
	unsigned char *cells;
	struct shm_stripe *stripes;
	/* As factors and in bytes: a shift by a variable number costs three of the
	 * processor's operations, and a register of its own. */
	uint64_t nr_stripes;
	uint64_t stripe_bytes; /* of a stripe's buckets */
	uint64_t cell_bytes;
	uint64_t value_off;    /* of the value in its cell */
	uint64_t cells_usable; /* nr_cells without cell 0 */
	uint32_t bucket_mask;
	uint32_t bucket_bits;
	uint64_t hash_seed;
	shmht_hash_fn hash;
	uint64_t nr_cells;
	uint32_t stripe_bits;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t batch;
	uint32_t read;	     /* enum shmht_read of the table */
	uint32_t limbo_half; /* cells that close a limbo list */
	uint32_t chain_max;  /* 0: no limit */
	uint32_t holder_id;  /* what a lock's words say of us: holder_make() */
	uint32_t robust;     /* intents are written, and a dead holder's lock is taken over */
	uint32_t tid;
	/* Keys of 16 bytes and values of 64 are allowed, the hash is XXH3, no hold: a
	 * search may take its short way, see op_search(); none is timed either. */
	bool plain;
	bool timed;	  /* the next critical section is: shmht_ctx_time_section() */
	bool leaves_late; /* there is something to do before a stripe's lock is released */
	bool announces;	  /* such as to say that this thread is quiescent: read = urcu */
	uint64_t hold_ticks;
	uint64_t entered_ticks, entered_wait; /* of the section that is timed */
	bool entered_again;
	/* stats.contended and stats.reacquired when it was asked for */
	uint64_t contended_before, reacquired_before;
	uint64_t timeout_ticks;
	uint64_t timeout_ns;
	enum shmht_wait wait;
	uint32_t spin_ticks, spin_ticks_max; /* hybrid: what a wait may spin, adapted */
	struct shmht_lock_stats stats;
	/* Who held the lock at the last time-out: a holder_id, or a tid. */
	uint32_t holder_seen;
	uint32_t holder_tid;
	bool holder_named; /* the lock's own word said so: it is of that moment */
	struct shmht *map;
	struct shm_slot *slot;
	int kernel_object; /* what ctx_enter() of the strategy took; 0: nothing */
	/* read = seqlock: where a value waits for its validation, so that an output
	 * is untouched when there is none. NULL: it fits the stack. */
	uint64_t *bounce;
	struct shmht_ops own_ops; /* unless locked: the strategy's, with the mode's search */
};

/* What a strategy built elsewhere has to agree on beside the region's layout. */
#define CONTEXT_HASH                                                                          \
	HASH_STEP(HASH_STEP(HASH_STEP(HASH_STEP(HASH_STEP(LAYOUT_HASH, sizeof(struct shmht)), \
						sizeof(struct shmht_ctx)),                    \
				      offsetof(struct shmht_ctx, hold_ticks)),                \
			    offsetof(struct shmht_ctx, stats)),                               \
		  offsetof(struct shmht_ctx, own_ops))

static inline struct shm_header *header_of(const struct shmht *map)
{
	return (struct shm_header *)map->base;
}

static inline struct shm_slot *slots_of(const struct shmht *map)
{
	return (struct shm_slot *)(map->base + map->geo.slots_off);
}

static inline struct shm_stripe *stripes_of(const struct shmht *map)
{
	return (struct shm_stripe *)(map->base + map->geo.stripes_off);
}

/* How many slots a look at all workers has to see: none from there on was ever
 * claimed. No more than there are, whatever a peer wrote. */
static inline uint32_t slots_ever(const struct shmht *map)
{
	uint64_t used = atomic_load(&header_of(map)->slots_used);

	return used < map->geo.max_workers ? (uint32_t)used : map->geo.max_workers;
}

/*
 * A slot's number and the low bits of its generation: when a dead holder's slot
 * has been claimed by somebody else, that one is not named in its place.
 */
#define HOLDER_SLOT_BITS 13
#define HOLDER_MASK 0x7fffffffu /* leaves a lock's word one bit of its own */
_Static_assert(SHMHT_WORKERS_MAX < 1u << HOLDER_SLOT_BITS, "slot number + 1 fits");

static inline uint32_t holder_make(uint32_t slot, uint32_t generation)
{
	return ((slot + 1) | generation << HOLDER_SLOT_BITS) & HOLDER_MASK;
}

#define SEARCH_STACK_BYTES 64u /* longer values wait for their validation in ctx->bounce */

/* lockfree.c: the searches of the read modes without a lock. */
int search_seqlock(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		   size_t *ret_len);
int search_rcu(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
	       size_t *ret_len);
int lookup_rcu(struct shmht_ctx *ctx, const void *key, size_t key_len, const void **ret_value,
	       size_t *ret_len);
int search_many_seqlock(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr);
int search_many_rcu(struct shmht_ctx *ctx, struct shmht_sought *sought, unsigned int nr);
int lookup_unsupported(struct shmht_ctx *ctx, const void *key, size_t key_len,
		       const void **ret_value, size_t *ret_len);

/* rcu.c: read sections and grace periods across processes. */
/* Can this process order the readers of others by membarrier(2)? */
bool rcu_membarrier_usable(void);
int rcu_ctx_open(struct shmht_ctx *ctx, struct shmht_error *err);
/* The epoch that readers must have reached, or be in no section, before what was
 * unlinked until now may be reused. */
int rcu_epoch_advance(struct shmht_ctx *ctx, uint64_t *ret_epoch);
/* 0 once they have; -ETIMEDOUT, with the holder noted; -EBUSY instead of a wait. */
int rcu_epoch_wait(struct shmht_ctx *ctx, uint64_t epoch, bool may_wait);

/* grace.c: rcu's own grace periods, or those of the caller (read = urcu). */
static inline bool reads_in_sections(uint32_t read)
{
	return read >= SHMHT_READ_RCU;
}

/* -EINVAL when read = urcu and it is missing or not whole. */
int grace_check(enum shmht_read read, const struct shmht_grace *grace, struct shmht_error *err);
int grace_ctx_open(struct shmht_ctx *ctx, struct shmht_error *err);
void grace_ctx_close(struct shmht_ctx *ctx);
/* What was unlinked until now may be reused once grace_wait() of this returned 0. */
int grace_start(struct shmht_ctx *ctx, uint64_t *ret_started);
int grace_wait(struct shmht_ctx *ctx, uint64_t started);
/* This thread uses nothing just now; nothing, until its next section. */
void grace_quiescent(struct shmht_ctx *ctx);
void grace_rest(struct shmht_ctx *ctx);

/* A timed section's beginning and, its lock still held, its end. */
void section_begins(struct shmht_ctx *ctx);
void section_ends(struct shmht_ctx *ctx);

/* Where things are in this map: what walking a table needs. */
void ctx_set_table(struct shmht_ctx *ctx, struct shmht *map);

/* Every operation answers -EDEADLK: what a foreach callback finds. */
extern const struct shmht_ops shmht_ops_deadlock;

/* ceil(capacity * percent / 100), percent being in 0..100. */
uint64_t eviction_target(const struct shmht_ctx *ctx, double percent);

/* True when some context may be alive; the slots of dead threads are freed. */
bool contexts_alive(const struct shmht *map);

/*
 * Is the context gone that holder_make() gave this id? What the kernel marks is
 * seen at once, by two loads; `thoroughly` asks /proc too, for those that could
 * not be marked. Never true of one that is stopped; true for good.
 */
bool holder_dead(const struct shmht_ctx *ctx, uint32_t id, bool thoroughly);
/* life.c: a life word that the kernel marks when its thread dies. */
bool life_claim(struct shm_slot *slot, uint32_t life, uint32_t tid);
void life_release(struct shm_slot *slot);
/* What a life word says: the thread it belongs to, 0 when none is left. */
uint32_t life_tid(uint32_t life);

/* liveness.c */
enum shmht_holder_state thread_state(pid_t tid, uint64_t start_time);
/* 0 when there is no such thread. */
uint64_t thread_start_time(pid_t tid);

#endif
