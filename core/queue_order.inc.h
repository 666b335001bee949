/* SPDX-License-Identifier: MIT */
/*
 * The order in queue locks whose word alone decides who has the lock, clh and mcs: a queue
 * by links backwards, which survives those who give up in it and those who die. How
 * somebody learns that his turn has come is the lock's own: tell_behind(), and what it does
 * between its looks at who is before.
 *
 * Giving up: the node becomes ABANDONED, with the one before in its link; who
 * comes behind goes on waiting for that one, and frees the node. If nobody is
 * behind, the node is taken off the tail: by its owner, or, when two leave
 * crossing each other, by whoever sees it (each writes its state first and looks
 * at the tail then).
 *
 * Dying: a link is written before the tail is changed, so a dead waiter is as good as an
 * abandoned one, whenever he died: who is behind looks at that node. The first of the
 * queue sees a dead holder, and takes the word from him.
 *
 * A node is named with how often it was freed, so that nobody takes its next use for
 * the one that he waits for: a node that is used anew is one that is over. A node in no
 * queue, whose owner died beside the queue, or that was about to be freed by one who died,
 * is found, when its slot's owner needs it, by that no link from its lock's tail leads there.
 */
#ifndef SHMHT_QUEUE_ORDER_INC_H
#define SHMHT_QUEUE_ORDER_INC_H

#include "queue_node.h"
#include "waiting.h"

#define SLEEPS (1ull << 31) /* the first of the queue does, on the word's low half */
#define TAIL_SHIFT 32
_Static_assert(!(HOLDER_MASK & SLEEPS), "a holder_id is below the bit");

/* WAITING: until its owner has the lock. PARKED: the same, and who is behind sleeps on it. */
enum { WAITING = NODE_FREE + 1, PARKED, DONE, ABANDONED };

struct lock {
	shm_word word; /* 0-30 holder_id, 31 SLEEPS, 32-63 the last node's name */
	shm_half holder;
};

static int lock_init(struct lock *l)
{
	st(&l->word, 0);
	st(&l->holder, 0);
	return 0;
}

INLINE uint32_t holder_of(uint64_t word)
{
	return (uint32_t)word & HOLDER_MASK;
}

INLINE uint32_t tail_of(uint64_t word)
{
	return (uint32_t)(word >> TAIL_SHIFT);
}

/* Sequentially consistent: pairs with the change of a node's state, see trim(). Acquire
 * pairs with the release of the lock; release, of a new tail, publishes its node. */
INLINE bool word_swap(struct lock *l, uint64_t *from, uint64_t to)
{
	return atomic_compare_exchange_strong(&l->word, from, to);
}

/* What the first of the queue sleeps on. */
INLINE shm_half *holder_half(struct lock *l)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "it is the first one");
	return (shm_half *)(uintptr_t)&l->word;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	/* Release pairs with the acquire in word_swap(). */
	uint64_t word = atomic_fetch_and(&l->word, ~(uint64_t)UINT32_MAX);

	if (unlikely(word & SLEEPS)) {
		note_wake(ctx, l);
		futex_wake(holder_half(l), INT_MAX);
	}
}

/* ---- names and links ------------------------------------------------------- */

/*
 * A node's name: its number, and the low bits of how often it was freed. A link is the
 * name of the node before, 0 at the front, and above it which lock's queue this is.
 */
#define NODE_ONCE (NODE_STATE + 1)
#define LINK_LOCK_SHIFT 32

INLINE uint32_t name_make(uint32_t ref, uint32_t state)
{
	return ref | state / NODE_ONCE << REF_BITS;
}

INLINE uint32_t ref_of(uint32_t name)
{
	return name & ((1u << REF_BITS) - 1);
}

INLINE uint64_t link_make(const struct shmht_ctx *ctx, const struct lock *l, uint32_t before)
{
	return (uint64_t)((const struct shm_stripe *)l - ctx->stripes) << LINK_LOCK_SHIFT | before;
}

INLINE uint32_t in_state(uint32_t word, uint32_t state)
{
	return (word & ~NODE_STATE) | state;
}

/* Its owner has neither the lock yet nor given up. */
INLINE bool is_waiting(uint32_t state)
{
	return (state & NODE_STATE) == WAITING || (state & NODE_STATE) == PARKED;
}

/* NULL: no such node, or it is used anew, so this use of it is over. Acquire pairs with
 * the release of whoever changed the state. */
INLINE struct queue_node *node_named(const struct shmht_ctx *ctx, uint32_t name, uint32_t *state)
{
	struct queue_node *node = ref_of(name) ? node_at(ctx, ref_of(name)) : NULL;

	if (!node)
		return NULL;
	*state = atomic_load(&node->state);
	return name_make(ref_of(name), *state) == name ? node : NULL;
}

/* By whoever took it out of its queue. Release pairs with the acquire in node_pick(). */
INLINE bool node_free(struct queue_node *node, uint32_t state)
{
	return atomic_compare_exchange_strong_explicit(&node->state, &state,
						       in_state(state + NODE_ONCE, NODE_FREE),
						       memory_order_release, memory_order_relaxed);
}

enum look { NO_LOOK, LOOK, LOOK_THOROUGHLY };

INLINE bool is_dead(const struct shmht_ctx *ctx, uint32_t id, enum look look)
{
	return look != NO_LOOK && holder_dead(ctx, id, look == LOOK_THOROUGHLY);
}

/*
 * Does nobody wait there any more? Then *before is who was before him, 0: nobody; and
 * *node and *state what is to be freed, NULL: nothing.
 */
static bool is_over(struct lock *l, const struct shmht_ctx *ctx, uint32_t name, enum look look,
		    struct queue_node **node, uint32_t *state, uint32_t *before)
{
	uint64_t link;

	*before = 0;
	*node = node_named(ctx, name, state);
	if (!*node)
		return true;
	if (is_waiting(*state)) {
#ifdef SHMHT_MUTANT_HOLDERS_ONLY /* a test's negative control: see core.ninja */
		return false;
#endif
		if (!is_dead(ctx, ld(&(*node)->who), look))
			return false;
		/* Looked at again: how he left it. */
		*node = node_named(ctx, name, state);
		if (!*node)
			return true;
	}
	if (!is_waiting(*state) && (*state & NODE_STATE) != ABANDONED)
		return true;
	link = ld_acquire(&(*node)->link);
	/* What was read is this use's if that is not over by now. */
	if (!node_named(ctx, name, state))
		*node = NULL;
	else if (link >> LINK_LOCK_SHIFT == link_make(ctx, l, 0) >> LINK_LOCK_SHIFT)
		*before = (uint32_t)link;
	return true;
}

/* No chain is longer, whatever a peer wrote. */
INLINE uint64_t steps_max(const struct shmht_ctx *ctx)
{
	return (uint64_t)ctx->map->geo.max_workers * QUEUE_NODES;
}

/* Takes finished nodes off the tail, and, if looked for, those of the dead. Nobody frees
 * a node there but by changing the tail, so what was read of it is right if that
 * succeeds. */
static void trim(struct lock *l, struct shmht_ctx *ctx, enum look look)
{
	uint64_t word = atomic_load(&l->word);
	struct queue_node *node;
	uint32_t state, before;

	for (uint64_t steps = steps_max(ctx); steps && tail_of(word); steps--) {
		uint32_t last = tail_of(word);
		bool off = false;

		if (!is_over(l, ctx, last, look, &node, &state, &before))
			return;
		while (!off && tail_of(word) == last)
			off = word_swap(l, &word, (uint32_t)word | (uint64_t)before << TAIL_SHIFT);
		if (off && node)
			node_free(node, state);
		word = atomic_load(&l->word);
	}
}

/*
 * From the tail to the front, along links. True: this node is in the queue, or that
 * cannot be said, so fast does it change. *first: who is at the front, 0: nobody.
 */
static bool find_queued(struct lock *l, const struct shmht_ctx *ctx, uint32_t ref, uint32_t *first)
{
	uint64_t steps = 4 * steps_max(ctx);

	for (int tries = 0; tries < 8; tries++) {
		uint32_t name = tail_of(atomic_load(&l->word)), state;

		*first = 0;
		while (ref_of(name)) {
			struct queue_node *node = node_named(ctx, name, &state);
			uint64_t link;

			if (ref_of(name) == ref || !steps--)
				return true;
			if (!node)
				break;
			link = ld_acquire(&node->link);
			if (is_waiting(state))
				*first = ld(&node->who);
			else if ((state & NODE_STATE) != ABANDONED)
				link = 0;
			if (!node_named(ctx, name, &state))
				break;
			name = (uint32_t)link;
		}
		if (!ref_of(name))
			return false;
	}
	return true;
}

/* A node of ours, or of who had our slot, that is in no queue; 0: all are. */
static uint32_t node_reclaim(struct shmht_ctx *ctx)
{
	for (uint32_t i = 0; i < QUEUE_NODES; i++) {
		uint32_t ref = own_slot(ctx) * QUEUE_NODES + i + 1, first;
		struct queue_node *node = own_node(ctx, ref);
		uint32_t state = atomic_load(&node->state);
		uint64_t k = ld_acquire(&node->link) >> LINK_LOCK_SHIFT;

		if (k <= ctx->nr_stripes &&
		    find_queued((struct lock *)ctx->stripes[k].lock, ctx, ref, &first))
			continue;
		if (!node_free(node, state))
			continue;
		/* A queue that changed too fast may have hidden it. */
		futex_wake(&node->state, INT_MAX);
		return ref;
	}
	return 0;
}

/* ---- waiting --------------------------------------------------------------- */

struct turn {
	struct queue_node *node;
	uint32_t name, before;
};

/* Whoever waits for this one alone is to look again: its state is another, was is the
 * old one. */
static void tell_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint32_t was);
/* join(), and what the lock keeps of its own for who has a place. */
static bool line_up(struct lock *l, struct shmht_ctx *ctx, uint32_t ref, struct turn *turn);
/* A round of waiting in the queue: move_up(), when it is time to. *round: 0 begins anew. */
static bool look_before(struct lock *l, struct shmht_ctx *ctx, struct turn *turn, enum look look,
			uint32_t *round);
/* Sleeps until the one before tells, or so many ticks. */
static void park_behind(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
			uint64_t ticks);

/* A state that ends a node's part: whoever sleeps on it is to look again. */
static void finish(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn, uint32_t state)
{
	uint32_t was = atomic_exchange(&turn->node->state, in_state(ld(&turn->node->state), state));

	tell_behind(l, ctx, turn, was);
	if (tail_of(atomic_load(&l->word)) == turn->name)
		trim(l, ctx, NO_LOOK);
}

/* False: all nodes are in queues. */
static bool join(struct lock *l, struct shmht_ctx *ctx, uint32_t ref, struct turn *turn)
{
	uint64_t word = ld(&l->word);
	uint32_t state;

	if (unlikely(!ref))
		return false;
	turn->node = own_node(ctx, ref);
	state = ld(&turn->node->state);
	turn->name = name_make(ref, state);
	st(&turn->node->who, ctx->holder_id);
	st(&turn->node->state, in_state(state, WAITING));
	do {
		turn->before = tail_of(word);
#ifndef SHMHT_MUTANT_LINK_LATE /* a test's negative control: see core.ninja */
		st(&turn->node->link, link_make(ctx, l, turn->before));
#endif
	} while (!word_swap(l, &word, (uint32_t)word | (uint64_t)turn->name << TAIL_SHIFT));
#ifdef SHMHT_MUTANT_LINK_LATE
	st(&turn->node->link, link_make(ctx, l, turn->before));
#endif
	return true;
}

/* Over those before who have finished, gave up, or died: true, if one had died. Our own link
 * first: should we die, who is behind goes on from there. */
static bool move_up(struct lock *l, struct shmht_ctx *ctx, struct turn *turn, enum look look)
{
	struct queue_node *node;
	uint32_t state, before;
	bool was_dead = false;

	for (uint64_t steps = steps_max(ctx); steps && turn->before; steps--) {
		if (!is_over(l, ctx, turn->before, look, &node, &state, &before))
			break;
		st_release(&turn->node->link, link_make(ctx, l, before));
		turn->before = before;
		if (!node)
			continue;
		was_dead |= is_waiting(state);
		node_free(node, state);
	}
	return was_dead;
}

/* The lock, from nobody or, if looked for, from a dead holder. NULL: without a place.
 * was_dead: so was he whose turn it was. */
static bool take_lock(struct lock *l, struct shmht_ctx *ctx, const struct turn *turn,
		      enum look look, bool was_dead)
{
	uint64_t word = atomic_load(&l->word), mine;
	bool last;

	do {
		uint32_t holder = holder_of(word);

		if (holder ? !is_dead(ctx, holder, look) : !turn && tail_of(word))
			return false;
		last = turn && tail_of(word) == turn->name;
		mine = (last ? 0 : word & ~(uint64_t)UINT32_MAX) | ctx->holder_id;
		/* A dead holder woke nobody. */
		if (holder)
			mine |= word & SLEEPS;
	} while (!word_swap(l, &word, mine));
	if (holder_of(word) || was_dead)
		note_recovered(ctx, l);
	if (last)
		node_free(turn->node, ld(&turn->node->state));
	else if (turn)
		finish(l, ctx, turn, DONE);
	return true;
}

/* For who asks without waiting. */
static bool lock_take(struct lock *l, struct shmht_ctx *ctx, bool thoroughly)
{
	enum look look = thoroughly ? LOOK_THOROUGHLY : LOOK;

	if (!holder_of(ld(&l->word)))
		trim(l, ctx, look);
	return take_lock(l, ctx, NULL, look, false);
}

/* A holder_id. Nobody has it: the one whose turn it is. */
static uint32_t lock_owner(struct lock *l, struct shmht_ctx *ctx)
{
	uint32_t holder = holder_of(ld_acquire(&l->word)), first = 0;

	if (!holder)
		find_queued(l, ctx, 0, &first);
	return holder ? holder : first;
}

/* As the first, on the lock's word. */
static void park_first(struct lock *l, struct shmht_ctx *ctx, uint64_t ticks)
{
	struct timespec end = wait_end(ticks);
	uint64_t word = ld(&l->word);

	if (holder_of(word) && (word & SLEEPS || word_swap(l, &word, word | SLEEPS))) {
		note_park(ctx, l);
		futex_wait(holder_half(l), (uint32_t)(word | SLEEPS), &end);
	}
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct turn turn, *queued = line_up(l, ctx, node_pick(ctx), &turn) ? &turn : NULL;
	struct looks looks = looks_begin(ctx->robust);
	bool parks = ctx->wait == SHMHT_WAIT_PARK;

	for (uint32_t round = 0;; round++) {
		uint64_t waited = shmht_ticks() - start_ticks, left;
		bool expired = waited >= ctx->timeout_ticks;
		enum look look = NO_LOOK;
		bool was_dead = false;

		if (waited >= looks.next || (expired && ctx->robust))
			look = looks_thoroughly(&looks, waited) || expired ? LOOK_THOROUGHLY : LOOK;
		if (!queued &&
		    line_up(l, ctx, round % 64 ? node_pick(ctx) : node_reclaim(ctx), &turn))
			queued = &turn;
		if (queued)
			was_dead = look_before(l, ctx, &turn, look, &round);
		else
			trim(l, ctx, look); /* it may be nodes of ours that nobody is behind */
		if ((!queued || !turn.before) && take_lock(l, ctx, queued, look, was_dead))
			return 0;
		if (expired) {
			if (queued)
				finish(l, ctx, &turn, ABANDONED);
			return -ETIMEDOUT;
		}
		left = looks.next < ctx->timeout_ticks ? looks.next : ctx->timeout_ticks;
		if (!parks || !queued || round < ROUNDS_BEFORE_PARK || left <= waited)
			wait_pause(ctx, round);
		else if (turn.before)
			park_behind(l, ctx, &turn, left - waited);
		else
			park_first(l, ctx, left - waited);
	}
}

#endif
