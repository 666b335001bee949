/* SPDX-License-Identifier: MIT */
/*
 * shmht: one hash table in memfd shared memory, guarded by a lock strategy
 * that is chosen by name.
 *
 * Typical use
 *
 *	struct shmht_config cfg = { .capacity = 100000, .key_size = 16,
 *				    .value_size = 64, .stripes = 1,
 *				    .strategy = "futex" };
 *	struct shmht *map;
 *	struct shmht_ctx *ctx;
 *
 *	shmht_create(&cfg, &map, &err);		one process
 *	shmht_attach(fd, NULL, &map, &err);	every other one, fd = shmht_fd()
 *	shmht_ctx_open(map, &ctx, &err);	one per thread
 *	shmht_insert(ctx, key, key_len, value, value_len);
 *
 * Conventions
 * - A call returns 0 or a negative errno. Outputs come last and are untouched
 *   on failure. struct shmht_error, where taken, may be NULL; it names what
 *   was found, what was expected and what to do.
 * - A map belongs to a process and may be used by all of its threads. A
 *   context belongs to one thread. After fork() the child opens a context of
 *   its own; the parent's answers -ESTALE there (its memory is wiped by the
 *   kernel on fork, MADV_WIPEONFORK).
 * - Any call that takes a lock may return -ETIMEDOUT; shmht_ctx_holder() then
 *   names the process that held it. A holder that is merely stopped is never
 *   robbed of its lock.
 * - -EUCLEAN means that a value in the shared region cannot be right (a
 *   hostile or broken peer); nothing outside the region was touched.
 * - Keys are compared bytewise. Keys have 1..key_size bytes, values
 *   0..value_size.
 */
#ifndef SHMHT_H
#define SHMHT_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define SHMHT_KEY_MAX 4095u		 /* bytes; 12 bits in a cell's header */
#define SHMHT_VALUE_MAX 1048575u	 /* bytes; 20 bits in a cell's header */
#define SHMHT_CAPACITY_MAX 4000000000ull /* entries; cells have 32-bit numbers */
#define SHMHT_STRIPES_MAX 65536u
#define SHMHT_WORKERS_MAX 4096u
#define SHMHT_NAME_MAX 32u    /* bytes of a strategy's name, with the 0 */
#define SHMHT_STRIPES_AUTO 0u /* see shmht_stripes_auto() */

#define SHMHT_MUST_CHECK __attribute__((warn_unused_result))

struct shmht;
struct shmht_ctx;

struct shmht_error {
	char text[384];
};

/*
 * How searches read; a property of the table. Values are stored in the region's
 * header: never renumber.
 *
 *	locked	under the stripe's lock.
 *	seqlock	no lock, no shared line written: copies out, then validates the
 *		bucket's sequence. Waits, up to the context's time-out, only while
 *		an operation is changing that very bucket. An insert, update or
 *		removal that finds nothing to do mostly takes no lock either.
 *	rcu	no lock, no wait for a key that is there: what a section can reach
 *		is not reused before its end. A key that is not found is looked for
 *		again only when the bucket was split meanwhile (a table that grows),
 *		which can happen as often as a stripe's number of buckets doubles.
 *	urcu	as rcu, but sections and grace periods are the caller's own (struct
 *		shmht_grace), such as liburcu's: threads of one process alone.
 */
enum shmht_read {
	SHMHT_READ_LOCKED = 0,
	SHMHT_READ_SEQLOCK = 1,
	SHMHT_READ_RCU = 2,
	SHMHT_READ_URCU = 3,
};
/* How a contended acquire waits, where the strategy has the choice. */
enum shmht_wait {
	SHMHT_WAIT_OWN = 0, /* as the strategy does by itself */
	SHMHT_WAIT_SPIN = 1,
	SHMHT_WAIT_YIELD = 2,
	SHMHT_WAIT_PARK = 3,
};
#define SHMHT_WAIT_NR 4u
/*
 * What becomes of a lock whose holder was killed, where the strategy recovers
 * (SHMHT_CAP_RECOVERS). On: the next one to wait takes it over and finishes or
 * undoes what the dead one had begun; every change notes first what it is about
 * to do. Off: waiters time out. Where the kernel itself hands the lock on
 * (mutex-robust, sysv) it is always on.
 */
enum shmht_robust { SHMHT_ROBUST_ON = 0, SHMHT_ROBUST_OFF = 1 };
enum shmht_pages { SHMHT_PAGES_4K = 0, SHMHT_PAGES_THP = 1, SHMHT_PAGES_2M = 2 };

/*
 * A caller's hash. Taken before the lock, and mixed again, so that a poor one
 * costs speed only through equal 64-bit results. It must be a pure function:
 * attach proves that a process has the same one by its results on fixed keys.
 */
typedef uint64_t (*shmht_hash_fn)(const void *key, size_t key_len, uint64_t seed);

#define SHMHT_HASH_KEY_BYTES 16u
#define SHMHT_CHAIN_MAX 65535u

/*
 * read = urcu: what protects readers, as the process has it. All contexts of a table
 * that are alive at a time bring the same one, and none may be of another process,
 * whose readers it does not see. The functions concern the calling thread; none
 * can fail. They are not called under a section but for read_end. The object has to
 * live as long as the maps that name it.
 */
struct shmht_grace {
	const char *name;
	/* A context opens, and closes, on this thread: as often as it has contexts. */
	void (*enter)(void);
	void (*leave)(void);
	/* Around what a reader may use; the core does not nest them. */
	void (*read_begin)(void);
	void (*read_end)(void);
	/* wait() returns once all sections that ran at start(), by any thread, have ended:
	 * true when it took a wait. It has no deadline, and is called under a stripe's lock. */
	uint64_t (*start)(void);
	bool (*wait)(uint64_t started);
	/* NULL, or where readers are waited for outside of sections, too (quiescent-state
	 * based): quiescent() says that the thread uses nothing just now; rest(), that it
	 * uses nothing until its next read_begin(). */
	void (*quiescent)(void);
	void (*rest)(void);
};

struct shmht_config {
	uint64_t capacity;    /* entries that always fit, whatever the keys */
	uint32_t key_size;    /* longest key, bytes, 1..SHMHT_KEY_MAX */
	uint32_t value_size;  /* longest value, bytes, 0..SHMHT_VALUE_MAX */
	uint32_t stripes;     /* locks: a power of two, or SHMHT_STRIPES_AUTO */
	uint32_t max_workers; /* contexts alive at a time; 0: 256 */
	const char *strategy; /* a name from shmht_strategy_at() */
	enum shmht_read read;
	enum shmht_wait wait;
	enum shmht_robust robust;
	enum shmht_pages pages; /* a wish; shmht_info() says what was had */
	shmht_hash_fn hash;	/* NULL: XXH3 with hash_seed */
	uint64_t hash_seed;
	/*
	 * For keys from outside: SHMHT_HASH_KEY_BYTES secret bytes, of getrandom(2),
	 * for SipHash-2-4 instead of both. Who chooses keys cannot choose such that
	 * share a bucket then. The key is not in the region: each process brings it, and
	 * attach compares a proof. It does not hide from those who may attach which keys
	 * share buckets, and keeps nobody from damaging what he can write. Costs some
	 * 25 ns an operation with keys of 16 bytes.
	 */
	const void *hash_key;
	/*
	 * How many entries may hang on a bucket whose 8 lanes are taken, at most
	 * SHMHT_CHAIN_MAX; 0: as many as come. An insert of one more is -EMLINK, and so
	 * `capacity` is no promise any more. Without hash_key, who chooses keys can so keep
	 * others out of a bucket; with it, 32 more on one bucket is what chance alone does
	 * not come to (buckets have 4 entries on average).
	 */
	uint32_t chain_max;
	const struct shmht_grace *grace; /* read = urcu: must be there; else not looked at */
};

struct shmht_attach_options {
	const char *strategy; /* NULL: whatever the header names */
	int read;	      /* enum shmht_read, or -1: whatever the header says */
	shmht_hash_fn hash;   /* the hash given at creation, or NULL */
	uint32_t flags;
	const void *hash_key;		 /* the key given at creation, or NULL */
	const struct shmht_grace *grace; /* read = urcu: as at creation; not for observing */
};

#define SHMHT_ATTACH_VERIFY 1u /* run shmht_check() before returning */
/*
 * Maps read-only, also by a descriptor that was opened so: nothing is written, no
 * slot is taken, and no context can be opened (-EACCES). It keeps this process
 * from changing the table, not from reading it, and nobody else from anything: the
 * same user can open a memfd for writing through /proc unless its mode forbids.
 */
#define SHMHT_ATTACH_OBSERVE 2u

/* What a region is. Sizes in bytes. Filled from the process's private copy. */
struct shmht_info {
	uint64_t capacity, region_bytes, cells, buckets;
	uint32_t key_size, value_size, stripes, max_workers, cell_bytes, batch;
	uint64_t layout_hash;
	const char *strategy;
	enum shmht_read read;
	enum shmht_wait wait;
	enum shmht_robust robust;
	enum shmht_pages pages_wanted, pages_had;
	const char *pages_reason; /* why had differs from wanted, or "" */
	uint64_t huge_bytes;	  /* bytes that the kernel maps by 2 MiB pages */
	uint32_t limbo;		  /* cells per stripe that read = rcu may keep waiting */
	uint32_t chain_max;	  /* entries beyond a bucket's lanes; 0: no limit */
	bool hash_keyed;
};

/*
 * Memory for a configuration, before anything is created: exactly what
 * shmht_create() reserves with the pages in cfg->pages.
 * -EINVAL when a field is out of range (err says which).
 */
SHMHT_MUST_CHECK int shmht_region_bytes(const struct shmht_config *cfg, uint64_t *ret_bytes,
					struct shmht_error *err);

/*
 * The rule behind stripes = auto: 16 locks per CPU that this process may use,
 * rounded up to a power of two, but at least 64 entries per stripe.
 */
uint32_t shmht_stripes_auto(uint64_t capacity);

/*
 * Creates a sealed memfd, reserved in full (-ENOMEM here, never SIGBUS
 * later), and maps it. The file descriptor is close-on-exec.
 */
SHMHT_MUST_CHECK int shmht_create(const struct shmht_config *cfg, struct shmht **ret_map,
				  struct shmht_error *err);

/*
 * Maps the table behind fd (passed by fork or SCM_RIGHTS); fd itself stays
 * the caller's. -EPROTO: not such a table, or another version, layout, size
 * or seals; -EMEDIUMTYPE: another strategy, read mode or hash than asked for;
 * -ENOKEY, -EKEYREJECTED: its hash has a key, and none or another was given;
 * -EBUSY: being converted by shmht_reopen(); -ESTALE: destroyed; -ENOSYS: the
 * strategy it names is not in this build; -EINVAL: read = urcu, and no grace given.
 */
SHMHT_MUST_CHECK int shmht_attach(int fd, const struct shmht_attach_options *opt,
				  struct shmht **ret_map, struct shmht_error *err);

/*
 * Changes strategy and read mode of a quiet table (no context alive, else
 * -EBUSY); waiting is the new strategy's own then, robust stays what it was. Killed
 * in between, it is finished by the next shmht_reopen().
 */
SHMHT_MUST_CHECK int shmht_reopen(int fd, const char *strategy, enum shmht_read read,
				  struct shmht_error *err);

/* Unmaps. The region lives as long as some process maps it or holds its fd. */
void shmht_detach(struct shmht *map);
/* Refuses later attaches, then detaches. Attached processes go on unharmed. */
void shmht_destroy(struct shmht *map);

int shmht_fd(const struct shmht *map);
/*
 * Hands a table's descriptor to another process over a connected Unix socket
 * (SCM_RIGHTS), and takes one: the caller owns *ret_fd, which is close-on-exec
 * and still has to pass shmht_attach(). -EPROTO: something else arrived;
 * -ENOTCONN: the other side is gone. Both may block, as the socket does.
 */
SHMHT_MUST_CHECK int shmht_send_fd(int sock, int fd);
SHMHT_MUST_CHECK int shmht_recv_fd(int sock, int *ret_fd);
void shmht_info(const struct shmht *map, struct shmht_info *ret_info);

/*
 * Fills this process's page tables for the whole region, so that no operation
 * takes a page fault under the lock. A fork does not inherit them.
 */
SHMHT_MUST_CHECK int shmht_populate(const struct shmht *map);

/* -EUSERS: max_workers contexts are alive, or the strategy allows fewer. -EXDEV: read =
 * urcu, and a context of another process, or with another grace, is alive. */
SHMHT_MUST_CHECK int shmht_ctx_open(struct shmht *map, struct shmht_ctx **ret_ctx,
				    struct shmht_error *err);
void shmht_ctx_close(struct shmht_ctx *ctx);

/*
 * Nothing will be asked of this context for a while. With read = urcu and a grace that
 * waits for idle threads, too, changes by others wait for ever without it; else, and
 * within a read section, it does nothing. The next operation ends the rest.
 */
void shmht_ctx_rest(struct shmht_ctx *ctx);

/* How long an operation waits for a lock. Default 1 s; 0: try once. */
void shmht_ctx_set_timeout(struct shmht_ctx *ctx, uint64_t timeout_ns);

/* Busy time added inside each operation's critical section, for experiments. */
void shmht_ctx_set_hold(struct shmht_ctx *ctx, uint64_t hold_ns);

/*
 * Times the next critical section under a stripe's lock, and no other (false: not even
 * that one): how long the lock was waited for and held, in the context's statistics. It
 * costs that section two reads of the clock; the others two instructions each, and
 * searches of keys and values of the usual sizes none.
 */
void shmht_ctx_time_section(struct shmht_ctx *ctx, bool next);

enum shmht_holder_state {
	SHMHT_HOLDER_UNKNOWN = 0, /* gone again, or not known to the strategy */
	SHMHT_HOLDER_RUNNING,
	SHMHT_HOLDER_STOPPED,
	SHMHT_HOLDER_DEAD,
};

struct shmht_holder {
	pid_t pid; /* process; 0 when unknown */
	pid_t tid;
	enum shmht_holder_state state;
};

/* Who held the lock when this context's last call returned -ETIMEDOUT. */
void shmht_ctx_holder(const struct shmht_ctx *ctx, struct shmht_holder *ret_holder);

/* A stripe as it looks right now, without its lock: for whoever asks why it is stuck. */
struct shmht_stripe_state {
	struct shmht_holder holder; /* who acquired last; may have released since */
	uint64_t count;
	bool unfinished;    /* a mutation is under way, or was cut off */
	uint64_t intent[8]; /* what it noted; see core/table_intent.inc.h */
	/* The lock's own word names the holder: taken at this moment. False: free, or
	 * of a strategy whose word bears no name (`names_holder` says which). */
	bool held;
	bool names_holder;
	/* What the intent is about, in words: "nothing", or "an insert: cell 7". */
	char under_way[64];
};

/* Stripe k; k = stripes is the pool of free cells. -EINVAL beyond. Changes what
 * shmht_ctx_holder() says. */
int shmht_stripe_look(struct shmht_ctx *ctx, uint32_t k, struct shmht_stripe_state *ret_state);

#define SHMHT_WAIT_RING 16u /* a power of two, more than the locks of one operation */

/*
 * Single writer: the context's thread. wait_ticks[] is a ring indexed by
 * contended: after each operation a reader takes the new ones (ticks of
 * shmht/clock.h, first failed attempt to acquisition; a time-out counts too).
 */
struct shmht_lock_stats {
	uint64_t acquired;
	uint64_t contended;
	uint64_t spins;	     /* pauses while waiting */
	uint64_t yields;     /* CPU given up while waiting, runnable */
	uint64_t parks;	     /* waits in the kernel */
	uint64_t wakes;	     /* wake-up calls issued */
	uint64_t reacquired; /* acquired when this context was the last holder too */
	uint64_t timeouts;
	uint64_t recovered; /* acquired from one that had died with it, or in his turn */
	uint64_t wait_ticks[SHMHT_WAIT_RING];
	/* Sections that shmht_ctx_time_section() asked for: the wait for the lock, 0 when it
	 * was free, from there to its release, and whether this context was the last holder. */
	uint64_t timed;
	uint64_t timed_wait[SHMHT_WAIT_RING], timed_hold[SHMHT_WAIT_RING];
	bool timed_again[SHMHT_WAIT_RING];
};

const struct shmht_lock_stats *shmht_ctx_stats(const struct shmht_ctx *ctx);

#define SHMHT_MANY_MAX 32u

/* One key of shmht_search_many(): what is asked, and what came of it. */
struct shmht_sought {
	const void *key;
	size_t key_len;
	void *value; /* room for `size` bytes */
	size_t size;
	size_t len; /* out, as shmht_search() sets *ret_len */
	int result; /* out: what shmht_search() would have returned */
};

typedef int (*shmht_foreach_fn)(const void *key, size_t key_len, const void *value,
				size_t value_len, void *arg);
typedef void (*shmht_report_fn)(const char *broken_invariant, void *arg);

/* One set per strategy and read mode; every lock is compiled into its own. */
struct shmht_ops {
	int (*insert)(struct shmht_ctx *, const void *, size_t, const void *, size_t);
	int (*update)(struct shmht_ctx *, const void *, size_t, const void *, size_t);
	int (*upsert)(struct shmht_ctx *, const void *, size_t, const void *, size_t);
	int (*search)(struct shmht_ctx *, const void *, size_t, void *, size_t, size_t *);
	int (*remove)(struct shmht_ctx *, const void *, size_t);
	int (*flush)(struct shmht_ctx *);
	int (*foreach)(struct shmht_ctx *, shmht_foreach_fn, void *);
	int (*remove_oldest)(struct shmht_ctx *, double, uint64_t *);
	/* Stripe k's lock alone, for measuring it: no operation needs these. */
	int (*lock)(struct shmht_ctx *, uint32_t);
	void (*unlock)(struct shmht_ctx *, uint32_t);
	int (*lookup)(struct shmht_ctx *, const void *, size_t, const void **, size_t *);
	int (*search_many)(struct shmht_ctx *, struct shmht_sought *, unsigned int);
};

/* The visible head of a context: one indirect call per operation, no more. */
struct shmht_ctx_head {
	const struct shmht_ops *ops; /* NULL in a child of fork: wiped */
	uint64_t *reader;	     /* this context's word for read sections; NULL: none */
	const uint64_t *epoch;
	uint32_t depth;			 /* of nested read sections */
	uint32_t fence;			 /* no membarrier(2) here: sections order themselves */
	const struct shmht_grace *grace; /* read = urcu; reader is NULL then */
};

#define SHMHT_CALL(ctx, op, ...)                                             \
	(__builtin_expect(!((const struct shmht_ctx_head *)(ctx))->ops, 0) ? \
		 -116 /* -ESTALE */                                          \
		 :                                                           \
		 ((const struct shmht_ctx_head *)(ctx))->ops->op((ctx), ##__VA_ARGS__))

/* Adds. -EEXIST when present; -ENOSPC only at count >= capacity; -E2BIG,
 * -EINVAL (empty key); -EMLINK: its bucket holds all that chain_max allows. */
static inline int shmht_insert(struct shmht_ctx *ctx, const void *key, size_t key_len,
			       const void *value, size_t value_len)
{
	return SHMHT_CALL(ctx, insert, key, key_len, value, value_len);
}

/* Replaces the value; the entry keeps its age. -ENOENT; never -ENOSPC. */
static inline int shmht_update(struct shmht_ctx *ctx, const void *key, size_t key_len,
			       const void *value, size_t value_len)
{
	return SHMHT_CALL(ctx, update, key, key_len, value, value_len);
}

/* Replaces or adds. */
static inline int shmht_upsert(struct shmht_ctx *ctx, const void *key, size_t key_len,
			       const void *value, size_t value_len)
{
	return SHMHT_CALL(ctx, upsert, key, key_len, value, value_len);
}

/* Copies the value out. -ENOENT; -ERANGE when size is too small: *ret_len is
 * then the size that is needed (the one output set on failure). */
static inline int shmht_search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value,
			       size_t size, size_t *ret_len)
{
	return SHMHT_CALL(ctx, search, key, key_len, value, size, ret_len);
}

/*
 * Searches for up to SHMHT_MANY_MAX keys whose cache misses overlap: faster than
 * one by one where the table is larger than the caches. Each answer stands in its
 * key's result, and is right as of some moment of the call, not all of one. Locks
 * are taken one after the other, each once. 0; -ETIMEDOUT when a key timed out (the
 * others have their answers; after the first wait no other is waited for);
 * -EINVAL when nr is too large, with nothing written.
 */
static inline int shmht_search_many(struct shmht_ctx *ctx, struct shmht_sought *sought,
				    unsigned int nr)
{
	return SHMHT_CALL(ctx, search_many, sought, nr);
}

/*
 * A read section (read = rcu, urcu): what shmht_lookup() returned stays as it is until
 * the section ends, whatever others do meanwhile. Wait-free, and writes one line
 * that is this context's own. Sections nest. Only searches and look-ups are
 * allowed inside: whatever takes a lock answers -EDEADLK there, because its
 * holder may be waiting for this very section to end. Keep sections short:
 * while one lasts, what others remove piles up, and when the room for that is
 * used up they get -ETIMEDOUT, with this context named as the holder; with urcu
 * they wait until it ends.
 * -EOPNOTSUPP when the table's read mode has no sections.
 */
SHMHT_MUST_CHECK static inline int shmht_read_begin(struct shmht_ctx *ctx)
{
	struct shmht_ctx_head *head = (struct shmht_ctx_head *)ctx;

	if (__builtin_expect(!head->reader, 0)) {
		if (!head->grace)
			return head->ops ? -95 /* -EOPNOTSUPP */ : -116 /* -ESTALE */;
		if (!head->depth++)
			head->grace->read_begin();
		return 0;
	}
	/* Constants are stored where they can be: a counter in memory that each
	 * section changes twice would be a chain of store-to-load forwards. */
	if (__builtin_expect(head->depth != 0, 0)) {
		head->depth++;
	} else {
		head->depth = 1;
		/* The acquire pairs with the increment of the epoch in core/rcu.c, the
		 * release with the look at this word there. */
		__atomic_store_n(head->reader, __atomic_load_n(head->epoch, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
		/* The store comes before every load of the section: either by the
		 * writers' membarrier(2), and here only the compiler is told, or
		 * by a fence. */
		if (__builtin_expect(head->fence, 0))
			__sync_synchronize();
		else
			__asm__ volatile("" ::: "memory");
	}
	return 0;
}

static inline void shmht_read_end(struct shmht_ctx *ctx)
{
	struct shmht_ctx_head *head = (struct shmht_ctx_head *)ctx;

	if (__builtin_expect(head->depth == 1, 1)) {
		head->depth = 0;
		if (__builtin_expect(!head->reader, 0)) {
			head->grace->read_end();
			return;
		}
		/* The release pairs with the look at this word in core/rcu.c. */
		__atomic_store_n(head->reader, (uint64_t)0, __ATOMIC_RELEASE);
	} else if (head->depth) {
		head->depth--;
	}
}

/* Where the value is, in the table itself: no copy. Inside a read section only
 * (-EINVAL), read = rcu or urcu only (-EOPNOTSUPP). 8-byte aligned. -ENOENT. */
static inline int shmht_lookup(struct shmht_ctx *ctx, const void *key, size_t key_len,
			       const void **ret_value, size_t *ret_len)
{
	return SHMHT_CALL(ctx, lookup, key, key_len, ret_value, ret_len);
}

static inline int shmht_remove(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	return SHMHT_CALL(ctx, remove, key, key_len);
}

/* Removes everything, a few buckets per lock hold: each entry goes by itself. */
static inline int shmht_flush(struct shmht_ctx *ctx)
{
	return SHMHT_CALL(ctx, flush);
}

/* Each stripe is seen as of one moment, under its lock. The callback may not
 * call into the table with this context (-EDEADLK); a non-zero return ends
 * the walk and is returned. */
static inline int shmht_foreach(struct shmht_ctx *ctx, shmht_foreach_fn fn, void *arg)
{
	return SHMHT_CALL(ctx, foreach, fn, arg);
}

/* Removes the min(count, ceil(capacity * percent / 100)) oldest entries;
 * exact when quiet. -EINVAL for percent outside 0..100. */
static inline int shmht_remove_oldest(struct shmht_ctx *ctx, double percent, uint64_t *ret_removed)
{
	return SHMHT_CALL(ctx, remove_oldest, percent, ret_removed);
}

/* Sum of the stripes' counts; exact when quiet. Takes no lock. */
int shmht_count(struct shmht_ctx *ctx, uint64_t *ret_count);

/*
 * Takes each lock once, so that whatever a dead holder left is repaired now and
 * not when somebody comes by: before a check of a table in which processes were
 * killed. -ETIMEDOUT when a lock cannot be had; see shmht_ctx_holder().
 */
SHMHT_MUST_CHECK int shmht_recover(struct shmht_ctx *ctx);

/*
 * Walks everything without a lock and returns the number of broken
 * invariants, each named through report (may be NULL), or a negative errno.
 * Meaningful on a quiet table; harmless on any, a hostile one included.
 */
int shmht_check(struct shmht_ctx *ctx, shmht_report_fn report, void *arg);

/* shmht_check() through a map alone, one to observe included. */
int shmht_observe(struct shmht *map, shmht_report_fn report, void *arg);

/* The same of a single stripe: shmht_stripe_look() without a context. */
int shmht_observe_stripe(struct shmht *map, uint32_t k, struct shmht_stripe_state *ret_state);

/* shmht_count() without a context. */
int shmht_observe_count(struct shmht *map, uint64_t *ret_count);

/* A context of the table, as the shared bytes and /proc have it. */
struct shmht_user {
	pid_t pid, tid;
	enum shmht_holder_state state;
	bool reading; /* in a read section; of read = urcu it is not known */
};

/* Of slot i, below the table's max_workers. -ENOENT: nobody's, -EINVAL: no such slot. */
int shmht_observe_user(const struct shmht *map, uint32_t i, struct shmht_user *ret_user);

/* What lies at a place of the region: for whoever has an address, from a tracer or the
 * kernel, and wants to know whose it is. */
struct shmht_place {
	const char *part;  /* "header", "slot", "stripe", "pool", "bucket", "cell", "padding" */
	const char *field; /* of that part: "lock", "count", ... */
	uint64_t nr;	   /* which one; 0 where there is but one */
};

/* offset: bytes from the region's start. -EINVAL: beyond its end. */
int shmht_observe_place(const struct shmht *map, uint64_t offset, struct shmht_place *ret_place);

/* Of all locks and counters: equal before and after something, and nobody changed
 * the table meanwhile, nor took one of its locks for long. */
uint64_t shmht_fingerprint(const struct shmht *map);

uint64_t shmht_layout_hash(void);
/* "own", "spin", "yield", "park"; NULL past the last. */
const char *shmht_wait_name(enum shmht_wait wait);
/* "locked", "seqlock", "rcu", "urcu"; NULL past the last. */
const char *shmht_read_name(enum shmht_read read);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#include "shmht_strategy.h" /* what there is to choose from */
#endif
