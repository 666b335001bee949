/* SPDX-License-Identifier: MIT */
/*
 * The shared bytes: the one place with sizes and offsets. Every strategy uses
 * the same bytes; what a lock keeps is inside its slot.
 *
 *	header | worker slots | stripes, then the pool | buckets | cells
 *
 * Nothing here is a pointer: cells and buckets have numbers, cell 0 is "none".
 * Words that change are 8-byte atomics, so a peer can tear nothing and every
 * value is read exactly once before it is checked.
 */
#ifndef SHMHT_LAYOUT_H
#define SHMHT_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shmht.h"

#define LINE_BYTES 64
#define HEADER_BYTES 4096
#define LOCK_SLOT_BYTES 64
#define BUCKET_SLOTS 8
#define BUCKET_LOAD 5	/* entries per bucket at capacity, at most: 7 % of those overflow */
#define GROW_LOAD 4	/* entries per active bucket that make a stripe split one */
#define ACTIVE_FIRST 16 /* buckets in use in an empty stripe */
#define BATCH_MAX 32
#define LIMBO_MIN 4
#define LIMBO_MAX 256
#define CELL_ALIGN 32 /* 16 + 16 + 64 bytes fill exactly 96: two lines, whichever the cell */
#define HUGE_BYTES (2u << 20)

#define LAYOUT_MAGIC 0x31544848534d4853ull /* also tells a foreign byte order */
#define LAYOUT_VERSION 3u

typedef _Atomic uint64_t shm_word;
typedef _Atomic uint32_t shm_half;

/* Words of an intent that say that it counts: a change was begun and is not over. */
#define INTENT_SWAP 1
#define INTENT_ARMED 7 /* the others are table_intent.inc.h's */

enum intent_kind {
	INTENT_ADD = 1,
	INTENT_DROP = 3,
	INTENT_SPLIT = 4,
	INTENT_RESTORE = 5,  /* lists of one stripe: back to what they were */
	INTENT_TRANSFER = 6, /* lists of a stripe and of the pool: likewise */
};

enum region_state { REGION_READY = 1, REGION_CONVERTING = 2, REGION_DESTROYED = 3 };

struct shm_header {
	/* Written once, before the descriptor leaves its creator. */
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes;
	uint64_t layout_hash;
	uint64_t total_bytes;
	uint64_t capacity;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t stripes;
	uint32_t max_workers;
	uint32_t pages;	     /* wanted: it decides the rounding of total_bytes */
	uint16_t hash_keyed; /* 1: SipHash, by a key that is not here */
	uint16_t chain_max;
	uint64_t hash_seed;
	uint64_t hash_proof; /* of the hash function's results on fixed keys */
	uint64_t pid_namespace;
	uint64_t nr_buckets, nr_cells;
	uint64_t slots_off, stripes_off, buckets_off, cells_off;
	/* Changed by reopen, on a quiet table only. */
	shm_word state;		  /* enum region_state */
	shm_word generation;	  /* of the strategy: counts reopens */
	shm_word converter;	  /* tid of who converts */
	shm_word converter_start; /* and when that thread started */
	shm_word read_mode;
	shm_word lock_hash;
	shm_word strategy[SHMHT_NAME_MAX / 8];
	shm_word wait;	    /* enum shmht_wait */
	shm_word rcu_fence; /* 1: its creator had no membarrier(2), readers fence themselves */
	shm_word robust;    /* enum shmht_robust */
	unsigned char pad0[256 - 240];
	/* read = rcu. Lines of their own: read by every section, by every grace period. */
	shm_word rcu_epoch;
	shm_word pad1[7];
	shm_word slots_used; /* no slot from here on was ever claimed */
	unsigned char pad[HEADER_BYTES - 328];
};

/* One per context. The lines apart: life is watched, the others are hot. */
struct shm_slot {
	shm_half life; /* tid, 0 when free; the kernel sets FUTEX_OWNER_DIED: see life.c */
	shm_half generation;
	shm_word pid;
	shm_word start_time; /* /proc/TID/stat field 22; 0 while being claimed */
	/* An element of the owner's robust list, addresses in its own memory: for the
	 * kernel alone, nobody else follows them. */
	shm_word robust_prev, robust_next;
	shm_word robust_spare[3];
	unsigned char lock_local[LINE_BYTES]; /* a queue lock's node, or what its worker notes */
	shm_word reader[8];		      /* [0]: epoch of the read section; 0: in none */
	/* read = urcu: whose grace periods this context relies on. Compared, never followed. */
	shm_word grace_pid, grace_object;
	shm_word spare[6];
};

/*
 * A stripe is a lock and what it guards: a run of buckets and the free cells
 * it has at hand. Of its buckets only the first `active` are in use: linear
 * hashing (Litwin, VLDB 1980) adds one whenever there are GROW_LOAD entries for
 * each, so that what a nearly empty table touches fits the caches and the TLB,
 * however large its capacity is. Lists of free cells are (first cell, length) in one word.
 * The pool is one stripe more, after the last, with its own lock (order: a
 * stripe's lock, then the pool's).
 *
 * Locks are 256 bytes apart, and share their line with nothing. Measured on two
 * cores of an AMD EPYC that each take and free a lock of their own, median of 15
 * interleaved runs, in millions per second: 156 at 32 bytes apart (one line), 227
 * at 64, 223 at 128, 204 at 256; the ranges of the last three coincide (138 to
 * 259). So 64 would do here: no prefetched neighbour line is felt. Processors
 * that fetch lines in pairs want 128, and the stripe's other lines, which belong
 * to whoever holds the lock, give twice that for nothing.
 */
struct shm_stripe {
	unsigned char lock[LOCK_SLOT_BYTES];
	shm_word intent[8]; /* table_intent.inc.h */
	shm_word count;
	shm_word last_stamp;
	shm_word loaded;    /* free cells in use; the pool: free chains */
	shm_word spare_mag; /* a second, whole batch; the pool: next cell never used */
	/* Removed cells that readers may still use, linked by their stamps: gathering;
	 * then, closed, waiting for all readers to have reached limbo_epoch. */
	shm_word limbo;
	shm_word limbo_closed;
	shm_word limbo_epoch;
	shm_word pad;
	shm_word active; /* low half: buckets in use; high half: their mask. Read by all */
	shm_word spare[7];
};

/*
 * One line. A non-zero 16-bit tag in lane i says that cells' lane i is valid:
 * the cell number is written first, the store of the tag word commits. What
 * finds no lane hangs on a list through the cells themselves.
 */
struct shm_bucket {
	shm_word head; /* low half: sequence; high half: first overflow cell */
	shm_word tags[2];
	shm_word cells[4];
	shm_word spare;
};

struct shm_cell {
	shm_word meta; /* bits 0-31 next cell, 32-43 key bytes, 44-63 value bytes */
	shm_word
		stamp; /* age; first cell of a free chain: next chain, its length; in limbo: next */
	shm_word words[]; /* key, zero-padded to 8 bytes; then value, likewise */
};

_Static_assert(sizeof(struct shm_header) == HEADER_BYTES, "one page");
_Static_assert(offsetof(struct shm_header, state) == 136, "golden");
_Static_assert(offsetof(struct shm_header, strategy) == 184, "golden");
_Static_assert(offsetof(struct shm_header, rcu_epoch) == 4 * LINE_BYTES, "own line");
_Static_assert(offsetof(struct shm_header, slots_used) == 5 * LINE_BYTES, "own line");
_Static_assert(sizeof(struct shm_slot) == 4 * LINE_BYTES, "no two contexts share a line");
_Static_assert(offsetof(struct shm_slot, robust_next) - offsetof(struct shm_slot, life) == 32,
	       "as in glibc's mutex on 64-bit machines: life.c");
_Static_assert(offsetof(struct shm_slot, lock_local) == LINE_BYTES, "own line");
_Static_assert(offsetof(struct shm_slot, reader) == 2 * LINE_BYTES, "own line");
_Static_assert(sizeof(struct shm_stripe) == 4 * LINE_BYTES, "no two stripes share a line");
_Static_assert(offsetof(struct shm_stripe, intent) == LINE_BYTES, "own line");
_Static_assert(offsetof(struct shm_stripe, count) == 2 * LINE_BYTES, "own line");
_Static_assert(offsetof(struct shm_stripe, active) == 3 * LINE_BYTES, "own line: rarely written");
_Static_assert(sizeof(struct shm_bucket) == LINE_BYTES, "a bucket is one line");
_Static_assert(offsetof(struct shm_bucket, tags) == 8, "golden");
_Static_assert(offsetof(struct shm_bucket, cells) == 24, "golden");
_Static_assert(sizeof(struct shm_cell) == 16, "golden");
_Static_assert(sizeof(shm_word) == 8 && sizeof(shm_half) == 4, "atomics add no lock");
_Static_assert(SHMHT_KEY_MAX < 1u << 12 && SHMHT_VALUE_MAX < 1u << 20, "fields of meta");

#define HASH_STEP(h, x) (((h) ^ (uint64_t)(x)) * 0x100000001b3ull)
#define LAYOUT_HASH                                                                                \
	HASH_STEP(HASH_STEP(HASH_STEP(HASH_STEP(HASH_STEP(HASH_STEP(0xcbf29ce484222325ull,         \
								    LAYOUT_VERSION),               \
							  sizeof(struct shm_header)),              \
						sizeof(struct shm_slot) << 8 | LOCK_SLOT_BYTES),   \
				      sizeof(struct shm_stripe) << 8 | sizeof(struct shm_bucket)), \
			    BUCKET_SLOTS << 24 | BUCKET_LOAD << 16 | GROW_LOAD << 8 | BATCH_MAX),  \
		  CELL_ALIGN << 8 | sizeof(struct shm_cell) | LIMBO_MIN << 16 |                    \
			  (uint64_t)LIMBO_MAX << 24)

/* Everything about a region that follows from its configuration. */
struct geometry {
	uint64_t capacity;
	uint32_t key_size, value_size, stripes, max_workers;
	enum shmht_pages pages;
	uint32_t stripe_bits; /* log2(stripes) */
	uint32_t batch;
	uint32_t limbo; /* cells per stripe that may wait for readers, in two halves */
	uint32_t cell_bytes;
	uint32_t value_word; /* index in words[] where the value starts */
	uint64_t nr_buckets;
	uint32_t bucket_bits; /* log2(buckets per stripe) */
	uint64_t nr_cells;    /* cell 0 included */
	uint64_t slots_off, stripes_off, buckets_off, cells_off, total_bytes;
};

/* -EINVAL with err filled; cfg->strategy, hash and read are not looked at. */
int geometry_compute(const struct shmht_config *cfg, struct geometry *ret_geometry,
		     struct shmht_error *err);

/* Each names its order; the partner of every release is said where it is used. */
#define ld(p) atomic_load_explicit((p), memory_order_relaxed)
#define ld_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define st(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define st_release(p, v) atomic_store_explicit((p), (v), memory_order_release)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

__attribute__((format(printf, 2, 3))) void error_set(struct shmht_error *err, const char *fmt, ...);

#endif
