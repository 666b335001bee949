/* SPDX-License-Identifier: MIT */
/*
 * The nodes of queue locks: up to four in the line that each worker slot keeps for
 * them, named by number, never by pointer. A context waits for one lock at a time. The
 * other nodes are for what a time-out left behind in some queue until a neighbour
 * passes over it; with all of them there, a wait has to do without a place in the queue.
 *
 * State lives in the shared slot: whoever claims a slot later finds its nodes as
 * they are, and uses the free ones. 0 is "free", so a zeroed slot is right. A node counts
 * how often it was freed: see queue_order.inc.h.
 */
#ifndef SHMHT_QUEUE_NODE_H
#define SHMHT_QUEUE_NODE_H

#include "table.h"

#define LOCK_WORKER_BYTES LINE_BYTES

#ifndef QUEUE_NODES /* fewer: the rest of the line is the lock's own */
#define QUEUE_NODES 4u
#endif
#define NODE_FREE 0u
#define NODE_STATE 7u /* queue_order.inc.h's; above it the count */
#define REF_BITS 16
_Static_assert(SHMHT_WORKERS_MAX *QUEUE_NODES < 1u << REF_BITS, "a node's number + 1 fits");

struct queue_node {
	shm_half state;
	shm_half who;  /* holder_id of who uses it */
	shm_word link; /* the node before, and which lock's queue this is */
};
_Static_assert(sizeof(struct queue_node) * QUEUE_NODES <= LINE_BYTES, "one line a slot");

INLINE uint32_t own_slot(const struct shmht_ctx *ctx)
{
	return (ctx->holder_id & ((1u << HOLDER_SLOT_BITS) - 1)) - 1;
}

INLINE struct queue_node *own_node(const struct shmht_ctx *ctx, uint32_t ref)
{
	return (struct queue_node *)ctx->slot->lock_local + (ref - 1) % QUEUE_NODES;
}

/* NULL when no such node can be: a hostile or broken peer wrote the number. */
INLINE struct queue_node *node_at(const struct shmht_ctx *ctx, uint32_t ref)
{
	uint32_t slot = (ref - 1) / QUEUE_NODES;

	if (unlikely(slot >= ctx->map->geo.max_workers))
		return NULL;
	return (struct queue_node *)slots_of(ctx->map)[slot].lock_local + (ref - 1) % QUEUE_NODES;
}

/* A free node of ours, as its number; 0: all are in use. Acquire pairs with
 * the release of whoever passed over it. */
INLINE uint32_t node_pick(const struct shmht_ctx *ctx)
{
	struct queue_node *nodes = (struct queue_node *)ctx->slot->lock_local;

	for (uint32_t i = 0; i < QUEUE_NODES; i++)
		if (likely((ld_acquire(&nodes[i].state) & NODE_STATE) == NODE_FREE))
			return own_slot(ctx) * QUEUE_NODES + i + 1;
	return 0;
}

#endif
