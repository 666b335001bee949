/* SPDX-License-Identifier: MIT */
/*
 * clh: a queue in which each waits for the one before, on that one's word; the first
 * waits for the lock's. Links point backwards and are the newcomer's own affair: there is
 * no moment at which a neighbour's link is missing, which is what makes it simple to
 * leave, and to survive: queue_order.inc.h. Holding needs no node: the lock's word has
 * its holder's holder_id beside the queue's tail, so a free lock costs one
 * compare-and-swap. The word alone decides who has the lock, the queue in which order.
 *
 * Papers: T. Craig, "Building FIFO and Priority-Queuing Spin Locks from Atomic
 * Swap", University of Washington TR 93-02-02, 1993; P. Magnusson, A. Landin,
 * E. Hagersten, IPPS 1994; M. Scott, "Non-blocking Timeout in Scalable
 * Queue-Based Spin Locks", PODC 2002.
 * Fairness: order of arrival (but for a free lock without a queue).
 * Dead holder, dead waiter: who is behind moves up, within some milliseconds under every
 * waiting policy; the order of the others stays.
 * More workers than CPUs: each hand-over waits until the next one is scheduled.
 */
#include "queue_order.inc.h"

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	uint64_t word = ld(&l->word);

	return !word && word_swap(l, &word, ctx->holder_id);
}

static void tell_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint32_t was)
{
	if ((was & NODE_STATE) == PARKED) {
		note_wake(ctx, l);
		futex_wake(&turn->node->state, INT_MAX);
	}
}

static bool line_up(struct lock *l, struct shmht_ctx *ctx, uint32_t ref, struct turn *turn)
{
	return join(l, ctx, ref, turn);
}

static bool look_before(struct lock *l, struct shmht_ctx *ctx, struct turn *turn, enum look look,
			uint32_t *round)
{
	(void)round;
	return move_up(l, ctx, turn, look);
}

/* On the word of the one before. */
static void park_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint64_t ticks)
{
	struct timespec end = wait_end(ticks);
	uint32_t state;
	struct queue_node *node = node_named(ctx, turn->before, &state);

	if (!node ||
	    ((state & NODE_STATE) != PARKED &&
	     ((state & NODE_STATE) != WAITING ||
	      !atomic_compare_exchange_strong(&node->state, &state, in_state(state, PARKED)))))
		return;
	note_park(ctx, l);
	futex_wait(&node->state, in_state(state, PARKED), &end);
}

#define LOCK_TAKES
#define LOCK_NAME "clh"
#define LOCK_SUMMARY "queue lock: each waits for the word of the one before"
#define LOCK_PAPER "Craig, UW TR 93-02-02, 1993; Scott, PODC 2002"
#define LOCK_FAIRNESS "fair: order of arrival"
#define LOCK_DEAD_HOLDER "recovers: who is behind moves up"
#define LOCK_OVERSUBSCRIBED "bad: next one has no CPU"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_YIELDS | SHMHT_CAP_FAIR | SHMHT_CAP_RECOVERS)
#define LOCK_WAITS (1u << SHMHT_WAIT_SPIN | 1u << SHMHT_WAIT_YIELD | 1u << SHMHT_WAIT_PARK)
#define LOCK_SYMBOL shmht_strategy_clh
#include "table_body.inc.h"
