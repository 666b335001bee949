/* SPDX-License-Identifier: MIT */
/*
 * clh: a queue in which each waits for the one before to finish, on that one's
 * word. Links point backwards and are the newcomer's own affair: there is no
 * moment at which a neighbour's link is missing, which is what makes it simpler
 * than mcs to leave, and what it teaches. The holder keeps his node; its number
 * is in the lock.
 *
 * Giving up: the node becomes ABANDONED, with the one before in its link; who
 * comes behind goes on waiting for that one, and frees the node. If nobody is
 * behind, the node is taken off the tail: by its owner, or, when two leave
 * crossing each other, by whoever sees it (each writes its state first and looks
 * at the tail then). The tail counts its changes, so that a node which came back
 * there in between is not taken for the same.
 *
 * Papers: T. Craig, "Building FIFO and Priority-Queuing Spin Locks from Atomic
 * Swap", University of Washington TR 93-02-02, 1993; P. Magnusson, A. Landin,
 * E. Hagersten, IPPS 1994; M. Scott, "Non-blocking Timeout in Scalable
 * Queue-Based Spin Locks", PODC 2002.
 * Fairness: order of arrival.
 * Dead holder: the lock stays taken; so it does when somebody dies in the queue.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#include "queue_node.h"
#include "waiting.h"

/* BUSY: waits or holds. PARKED: the same, and who is behind sleeps on it. */
enum { BUSY = NODE_FREE + 1, PARKED, DONE, ABANDONED };

struct lock {
	shm_word tail; /* low half: number of the last node + 1; high half: changes */
	shm_half node; /* the holder's */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->tail, 0);
	st(&l->node, 0);
	st(&l->holder, 0);
	return 0;
}

/* Sequentially consistent: pairs with the change of a node's state, see trim(). */
INLINE bool tail_swap(struct lock *l, uint64_t *from, uint32_t ref)
{
	return atomic_compare_exchange_strong(&l->tail, from, ((*from >> 32) + 1) << 32 | ref);
}

/* Takes finished nodes off the tail. Nobody frees a node there but by changing
 * the tail, so what was read of it is right if the swap succeeds. */
static void trim(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t tail = atomic_load(&l->tail);

	while ((uint32_t)tail) {
		struct queue_node *node = node_at(ctx, (uint32_t)tail);
		uint32_t state = node ? atomic_load(&node->state) : BUSY;

		if (state != DONE && state != ABANDONED)
			return;
		if (!tail_swap(l, &tail, state == DONE ? 0 : ld(&node->link)))
			continue;
		st_release(&node->state, NODE_FREE);
		tail = atomic_load(&l->tail);
	}
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t tail = ld(&l->tail);
	struct queue_node *node;
	uint32_t ref;

	if ((uint32_t)tail)
		return false;
	ref = node_pick(ctx);
	if (unlikely(!ref))
		return false;
	node = own_node(ctx, ref);
	st(&node->state, BUSY);
	if (unlikely(!tail_swap(l, &tail, ref))) {
		st(&node->state, NODE_FREE);
		return false;
	}
	st(&l->node, ref);
	return true;
}

/* A state that ends a node's part: whoever sleeps on it is to look again. */
static void finish(struct lock *l, struct shmht_ctx *ctx, struct queue_node *node, uint32_t state)
{
	if (atomic_exchange(&node->state, state) == PARKED) {
		note_wake(ctx, l);
		futex_wake(&node->state, 1);
	}
	trim(l, ctx);
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t ref = ld(&l->node);
	struct queue_node *node = own_node(ctx, ref);
	uint64_t tail = ld(&l->tail);

	if (likely((uint32_t)tail == ref && tail_swap(l, &tail, 0)))
		st(&node->state, NODE_FREE);
	else
		finish(l, ctx, node, DONE);
}

/* Until the one before has finished, and the one before him if he gave up. */
static int wait_before(struct lock *l, struct shmht_ctx *ctx, struct queue_node *node,
		       uint32_t before, uint64_t start_ticks)
{
	bool parks = ctx->wait == SHMHT_WAIT_PARK;
	struct timespec deadline;
	int r = 0;

	if (parks)
		deadline = wait_deadline(ctx, start_ticks);
	for (uint32_t round = 0; before; round++) {
		struct queue_node *other = node_at(ctx, before);
		/* Acquire pairs with the exchange in finish(). */
		uint32_t state = other ? ld_acquire(&other->state) : ABANDONED;

		if (!other)
			return -EUCLEAN;
		if (state == DONE || state == ABANDONED) {
			before = state == DONE ? 0 : ld(&other->link);
			st_release(&other->state, NODE_FREE);
		} else if (r == -ETIMEDOUT || wait_expired(ctx, start_ticks)) {
			st(&node->link, before);
			finish(l, ctx, node, ABANDONED);
			return -ETIMEDOUT;
		} else if (!parks || round < ROUNDS_BEFORE_PARK) {
			wait_pause(ctx, round);
		} else if (state == PARKED ||
			   atomic_compare_exchange_strong(&other->state, &state, PARKED)) {
			note_park(ctx, l);
			r = futex_wait(&other->state, PARKED, &deadline);
		}
	}
	return 0;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct queue_node *node;
	uint64_t tail;
	uint32_t ref;
	int r;

	for (uint32_t round = 0; !(ref = node_pick(ctx)); round++) {
		trim(l, ctx);
		if (wait_expired(ctx, start_ticks))
			return -ETIMEDOUT;
		wait_pause(ctx, round);
	}
	node = own_node(ctx, ref);
	st(&node->state, BUSY);
	tail = ld(&l->tail);
	while (!tail_swap(l, &tail, ref))
		;
	r = wait_before(l, ctx, node, (uint32_t)tail, start_ticks);
	if (!r)
		st(&l->node, ref);
	return r;
}

#define LOCK_NAME "clh"
#define LOCK_SUMMARY "queue lock: each waits for the word of the one before"
#define LOCK_PAPER "Craig, UW TR 93-02-02, 1993; Scott, PODC 2002"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "strands 100% (98..100), waiter too"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_clh
#include "table_body.inc.h"
