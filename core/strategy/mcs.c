/* SPDX-License-Identifier: MIT */
/*
 * mcs: waiters form a queue, and each waits on a word of its own; the first of them waits
 * for the lock's word. As in Linux's qspinlock, holding needs no node: the word has its
 * holder's holder_id beside the queue's tail, so a free lock costs one compare-and-swap.
 *
 * Links go both ways, as in the lock with time-outs of the second paper. Those backwards,
 * written before a place is taken, are the order: it is for the one before to be over that
 * each waits, and it is there that he sees it give up or die (queue_order.inc.h). The one
 * forwards says only whom to tell: whoever has taken the lock, or gives up, changes his
 * state and then tells the one behind to look at it. Whoever is behind writes himself there
 * first and looks at the state then, so one of the two sees the other.
 *
 * What somebody was told is a hint. Told too much, he looks and waits on; told nothing, for
 * who should have told him died, or had not heard of him yet because somebody in between
 * died, he looks by himself after some milliseconds.
 *
 * Papers: J. Mellor-Crummey, M. Scott, ACM TOCS 9(1), 1991, section 2.4; M. Scott,
 * W. Scherer, "Scalable Queue-Based Spin Locks with Timeout", PPoPP 2001.
 * Fairness: order of arrival (but for a free lock without a queue).
 * Dead holder, dead waiter: who is behind moves up, within some milliseconds under every
 * waiting policy; the order of the others stays.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#define QUEUE_NODES 3u /* the rest of the line: what a context has once, for it waits once */
#include "queue_order.inc.h"

/* What a waiter's told word says: TOLD to look, or SLEEPING there. */
enum { UNTOLD, TOLD, SLEEPING };

struct queue_line {
	struct queue_node nodes[QUEUE_NODES];
	shm_word next; /* 0-15 number of the node behind, 0: none; 32-63 name that it is behind */
	shm_half told;
	shm_half spare;
};
_Static_assert(sizeof(struct queue_line) == LINE_BYTES, "one line a slot");
#define NEXT_NAME_SHIFT 32

INLINE struct queue_line *own_line(const struct shmht_ctx *ctx)
{
	return (struct queue_line *)ctx->slot->lock_local;
}

/* Where that node is; NULL as in node_at(). */
INLINE struct queue_line *line_at(const struct shmht_ctx *ctx, uint32_t ref)
{
	uint32_t slot = (ref - 1) / QUEUE_NODES;

	if (unlikely(slot >= ctx->map->geo.max_workers))
		return NULL;
	return (struct queue_line *)slots_of(ctx->map)[slot].lock_local;
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t free = 0;

	return word_swap(l, &free, ctx->holder_id);
}

static void tell_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint32_t was)
{
	/* Sequentially consistent, as all here: pairs with write_behind(). */
	uint32_t ref = ref_of((uint32_t)atomic_load(&own_line(ctx)->next));
	struct queue_line *behind = ref ? line_at(ctx, ref) : NULL;

	(void)turn, (void)was;
	if (behind && atomic_exchange(&behind->told, TOLD) == SLEEPING) {
		note_wake(ctx, l);
		futex_wake(&behind->told, INT_MAX);
	}
}

/* The one before is to tell us. Over what one who is over by now had written there; and
 * not into that slot's next use, whose name is another. */
static void write_behind(const struct shmht_ctx *ctx, const struct turn *turn)
{
	struct queue_line *before = line_at(ctx, ref_of(turn->before));
	uint64_t mine = (uint64_t)turn->before << NEXT_NAME_SHIFT | ref_of(turn->name), next;

	if (!before)
		return;
	next = atomic_load(&before->next);
	while (next != mine && next >> NEXT_NAME_SHIFT == turn->before)
		if (atomic_compare_exchange_strong(&before->next, &next, mine))
			return;
}

/* False: all nodes are in queues. */
static bool line_up(struct lock *l, struct shmht_ctx *ctx, uint32_t ref, struct turn *turn)
{
	struct queue_line *own = own_line(ctx);
	uint32_t name;

	if (unlikely(!ref))
		return false;
	name = name_make(ref, ld(&own_node(ctx, ref)->state));
	/* Published by the new tail. TOLD: to begin with a look. */
	st(&own->next, (uint64_t)name << NEXT_NAME_SHIFT);
	st(&own->told, TOLD);
	return join(l, ctx, ref, turn);
}

/* When told, or to look for the dead: is the one before over? Then another is, or nobody. */
static bool look_before(struct lock *l, struct shmht_ctx *ctx, struct turn *turn, enum look look,
			uint32_t *round)
{
	shm_half *told = &own_line(ctx)->told;
	uint32_t before = turn->before;
	bool was_dead;

	if (!before || (!look && ld_acquire(told) != TOLD))
		return false;
	/* First this, then that we are there, and then the look: of what changes from here on
	 * we are told. */
	atomic_store(told, UNTOLD);
#ifdef SHMHT_MUTANT_WRITE_LATE /* a test's negative control: see core.ninja */
	was_dead = move_up(l, ctx, turn, look);
	write_behind(ctx, turn);
#else
	write_behind(ctx, turn);
	was_dead = move_up(l, ctx, turn, look);
#endif
	/* Another one: the same once more, with him. */
	if (turn->before && turn->before != before)
		atomic_store(told, TOLD);
	/* The lock was taken just now, or is about to be free. */
	if (!turn->before)
		*round = 0;
	return was_dead;
}

static void park_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint64_t ticks)
{
	struct timespec end = wait_end(ticks);
	uint32_t told = UNTOLD;

	(void)turn;
	if (!atomic_compare_exchange_strong(&own_line(ctx)->told, &told, SLEEPING))
		return;
	note_park(ctx, l);
	futex_wait(&own_line(ctx)->told, SLEEPING, &end);
	/* Not when told meanwhile. */
	told = SLEEPING;
	atomic_compare_exchange_strong(&own_line(ctx)->told, &told, UNTOLD);
}

#define LOCK_TAKES
#define LOCK_NAME "mcs"
#define LOCK_SUMMARY "queue lock: each waits on a line of its own, the first on the lock"
#define LOCK_PAPER "Mellor-Crummey, Scott, ACM TOCS 9(1), 1991; Scott, Scherer, PPoPP 2001"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "recovers: who is behind moves up"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_mcs
#include "table_body.inc.h"
