/* SPDX-License-Identifier: MIT */
/*
 * mcs: waiters form a queue and each waits on a word of its own; the first of
 * them waits for the lock word. As in Linux's qspinlock, holding needs no node:
 * the word has a LOCKED bit beside the queue's tail, so a free lock costs one
 * compare-and-swap, and an operation that holds two locks still has one node.
 *
 * Two changes make every step wait-free for the one who goes away, so that the
 * death of a neighbour at any instruction leaves nobody in a loop:
 * - handing on swaps DONE into the node's link; a newcomer who has taken the
 *   tail but not linked himself yet finds it there, and knows it is his turn;
 * - giving up marks the node ABANDONED, by the same compare-and-swap by which a
 *   turn is given; who hands on passes over such nodes and frees them.
 *
 * Paper: J. Mellor-Crummey, M. Scott, ACM TOCS 9(1), 1991, section 2.4; M. Scott,
 * W. Scherer, "Scalable Queue-Based Spin Locks with Timeout", PPoPP 2001.
 * Fairness: order of arrival (but for a free lock without a queue).
 * Dead holder: the lock stays taken; so it does when somebody dies in the queue.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#include "queue_node.h"
#include "waiting.h"

#define LOCKED 1u
#define SLEEPS 2u /* the first of the queue does */
#define TAIL_SHIFT 8

enum { WAITING = NODE_FREE + 1, PARKED, FIRST, ABANDONED };
#define DONE UINT32_MAX /* in a link: it is the turn of whoever comes behind */

struct lock {
	shm_half word; /* bits, and above them the number of the last node + 1 */
	shm_half holder;
};
_Static_assert(SHMHT_WORKERS_MAX *QUEUE_NODES < 1u << (32 - TAIL_SHIFT), "a tail fits");

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE bool word_swap(struct lock *l, uint32_t *from, uint32_t to)
{
	/* Acquire pairs with the release in lock_release(); release publishes a node. */
	return atomic_compare_exchange_strong_explicit(&l->word, from, to, memory_order_acq_rel,
						       memory_order_relaxed);
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t free = 0;

	(void)ctx;
	return atomic_compare_exchange_strong_explicit(&l->word, &free, LOCKED,
						       memory_order_acquire, memory_order_relaxed);
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t word = atomic_fetch_and_explicit(&l->word, ~(LOCKED | SLEEPS),
						  memory_order_release);

	if (unlikely(word & SLEEPS)) {
		note_wake(ctx, l);
		futex_wake(&l->word, 1);
	}
}

/* True when he is there to take it. */
static bool give_turn(struct lock *l, struct shmht_ctx *ctx, struct queue_node *node)
{
	uint32_t state = ld(&node->state);

	while (state == WAITING || state == PARKED) {
		if (!atomic_compare_exchange_strong_explicit(&node->state, &state, FIRST,
							     memory_order_acq_rel,
							     memory_order_acquire))
			continue;
		if (state == PARKED) {
			note_wake(ctx, l);
			futex_wake(&node->state, 1);
		}
		return true;
	}
	return false;
}

/* The first of the queue leaves it, with the lock or without. A chain is no longer
 * than there are nodes, whatever a peer wrote. */
static void leave_queue(struct lock *l, struct shmht_ctx *ctx, uint32_t ref)
{
	uint64_t steps = (uint64_t)ctx->map->geo.max_workers * QUEUE_NODES;
	struct queue_node *node;

	for (; steps && (node = node_at(ctx, ref)); steps--) {
		uint32_t word = ld(&l->word), next;

		while (word >> TAIL_SHIFT == ref) {
			if (word_swap(l, &word, word & (LOCKED | SLEEPS))) {
				st_release(&node->state, NODE_FREE);
				return;
			}
		}
		next = atomic_exchange_explicit(&node->link, DONE, memory_order_acq_rel);
		if (!next)
			return; /* he who comes behind finds DONE, and frees the node */
		st_release(&node->state, NODE_FREE);
		node = node_at(ctx, next);
		if (!node || give_turn(l, ctx, node))
			return;
		ref = next; /* gone: on his behalf */
	}
}

/* Until it is our turn to be first. -ETIMEDOUT: the node stays behind, abandoned. */
static int wait_turn(struct lock *l, struct shmht_ctx *ctx, struct queue_node *node,
		     uint64_t start_ticks, const struct timespec *deadline)
{
	uint32_t state;
	int r = 0;

	for (uint32_t round = 0; (state = ld_acquire(&node->state)) != FIRST; round++) {
		if (r == -ETIMEDOUT || wait_expired(ctx, start_ticks)) {
			if (atomic_compare_exchange_strong_explicit(&node->state, &state, ABANDONED,
								    memory_order_acq_rel,
								    memory_order_acquire))
				return -ETIMEDOUT;
		} else if (!deadline || round < ROUNDS_BEFORE_PARK) {
			wait_pause(ctx, round);
		} else if (state == PARKED ||
			   atomic_compare_exchange_strong(&node->state, &state, PARKED)) {
			note_park(ctx, l);
			r = futex_wait(&node->state, PARKED, deadline);
		}
	}
	return 0;
}

/* As the first of the queue: the lock is the only thing left to wait for. */
static int wait_lock(struct lock *l, struct shmht_ctx *ctx, uint32_t ref, uint64_t start_ticks,
		     const struct timespec *deadline)
{
	int r = 0;

	for (uint32_t round = 0;; round++) {
		uint32_t word = ld(&l->word);

		while (!(word & LOCKED)) {
			bool last = word >> TAIL_SHIFT == ref;

			if (!word_swap(l, &word, last ? LOCKED : (word & ~SLEEPS) | LOCKED))
				continue;
			if (last)
				st_release(&own_node(ctx, ref)->state, NODE_FREE);
			else
				leave_queue(l, ctx, ref);
			return 0;
		}
		if (r == -ETIMEDOUT || wait_expired(ctx, start_ticks)) {
			leave_queue(l, ctx, ref);
			return -ETIMEDOUT;
		}
		if (!deadline || round < ROUNDS_BEFORE_PARK) {
			wait_pause(ctx, round);
		} else if (word & SLEEPS || word_swap(l, &word, word | SLEEPS)) {
			note_park(ctx, l);
			r = futex_wait(&l->word, word | SLEEPS, deadline);
		}
	}
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec deadline, *parks = NULL;
	struct queue_node *node, *before;
	uint32_t word, ref;

	for (uint32_t round = 0; !(ref = node_pick(ctx)); round++) {
		if (lock_try(l, ctx))
			return 0;
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		wait_pause(ctx, round);
	}
	if (ctx->wait == SHMHT_WAIT_PARK) {
		deadline = wait_deadline(ctx, start_ticks);
		parks = &deadline;
	}
	node = own_node(ctx, ref);
	st(&node->link, 0);
	st(&node->state, WAITING);
	word = ld(&l->word);
	while (!word_swap(l, &word, (word & (LOCKED | SLEEPS)) | ref << TAIL_SHIFT))
		;
	if (word >> TAIL_SHIFT) {
		before = node_at(ctx, word >> TAIL_SHIFT);
		if (!before)
			return -EUCLEAN;
		if (atomic_exchange_explicit(&before->link, ref, memory_order_acq_rel) == DONE)
			st_release(&before->state, NODE_FREE);
		else if (wait_turn(l, ctx, node, start_ticks, parks))
			return -ETIMEDOUT;
	}
	return wait_lock(l, ctx, ref, start_ticks, parks);
}

#define LOCK_NAME "mcs"
#define LOCK_SUMMARY "queue lock: each waits on a line of its own, the first on the lock"
#define LOCK_PAPER "Mellor-Crummey, Scott, ACM TOCS 9(1), 1991; Scott, Scherer, PPoPP 2001"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "strands 100% (98..100), waiter too"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_mcs
#include "table_body.inc.h"
