/* SPDX-License-Identifier: MIT */
/* The black-box check of one key. */
#include <stdlib.h>
#include <string.h>

#include "verify/lin_history.h"

#define SLOTS 64u	       /* operations under way at once: bits of a mask */
#define CONFIGS_MAX (1u << 16) /* at once */
#define SEEN_BITS 18u
#define WORK_PER_OP 4096u /* expansions on average, before a key is given up */

struct config {
	uint64_t done; /* slots of pending operations that have taken effect */
	uint32_t state;
};

struct seen {
	struct config config;
	uint32_t round; /* of the search that put it there */
};

struct lin_search {
	const struct lin_history *h;
	struct config *now, *next, *stack; /* [CONFIGS_MAX] each */
	uint32_t nr_now, nr_next, nr_stack;
	uint64_t busy, readers; /* slots in use; by read-only operations */
	uint32_t op_at[SLOTS];
	uint32_t *slot_of; /* [room]: of each operation */
	uint32_t room;
	struct seen *seen; /* 2^SEEN_BITS */
	uint32_t round, nr_seen;
	uint64_t work;
};

struct lin_search *lin_search_create(void)
{
	struct lin_search *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->now = malloc(CONFIGS_MAX * sizeof(*s->now));
	s->next = malloc(CONFIGS_MAX * sizeof(*s->next));
	s->stack = malloc(CONFIGS_MAX * sizeof(*s->stack));
	s->seen = calloc(1u << SEEN_BITS, sizeof(*s->seen));
	if (s->now && s->next && s->stack && s->seen)
		return s;
	lin_search_free(s);
	return NULL;
}

void lin_search_free(struct lin_search *s)
{
	if (!s)
		return;
	free(s->now);
	free(s->next);
	free(s->stack);
	free(s->seen);
	free(s->slot_of);
	free(s);
}

/* Whether op may take effect in this state; *ret_state is the one after it. */
static inline bool applies(const struct lin_op *op, uint32_t state, uint32_t *ret_state)
{
	*ret_state = state;
	switch ((enum lin_act)op->act) {
	case LIN_READ:
		return state == op->value;
	case LIN_SEE_ABSENT:
		return state == LIN_ABSENT;
	case LIN_SEE_PRESENT:
		return state != LIN_ABSENT;
	case LIN_ADD:
		*ret_state = op->value;
		return state == LIN_ABSENT;
	case LIN_CHANGE:
		*ret_state = op->value;
		return state != LIN_ABSENT;
	case LIN_TAKE:
		*ret_state = LIN_ABSENT;
		return state != LIN_ABSENT;
	}
	return false;
}

/* The pending reads that this state explains: taken at once, since they leave
 * it as it is. */
static inline uint64_t explained(const struct lin_search *s, const struct config *config)
{
	uint64_t left = s->readers & ~config->done, bits = 0;
	uint32_t state;

	for (; left; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (applies(&s->h->ops[s->op_at[slot]], config->state, &state))
			bits |= 1ull << slot;
	}
	return bits;
}

static void forget_seen(struct lin_search *s)
{
	s->nr_seen = 0;
	if (++s->round)
		return;
	memset(s->seen, 0, sizeof(*s->seen) << SEEN_BITS); /* wrapped */
	s->round = 1;
}

/* 1: new; 0: was there; -1: no room. */
static int see(struct lin_search *s, const struct config *config)
{
	uint64_t hash = (config->done ^ (uint64_t)config->state << 40 ^ config->state) *
			0x9e3779b97f4a7c15ull;
	uint32_t at = (uint32_t)(hash >> (64 - SEEN_BITS));

	while (s->seen[at].round == s->round) {
		if (s->seen[at].config.done == config->done &&
		    s->seen[at].config.state == config->state)
			return 0;
		at = (at + 1) & ((1u << SEEN_BITS) - 1);
	}
	if (s->nr_seen == 1u << (SEEN_BITS - 1))
		return -1;
	s->nr_seen++;
	s->seen[at] = (struct seen){ *config, s->round };
	return 1;
}

static enum lin_verdict begin(struct lin_search *s, uint32_t i)
{
	const struct lin_op *op = &s->h->ops[i];
	uint32_t slot, state;

	if (!~s->busy)
		return LIN_UNDECIDED;
	slot = (uint32_t)__builtin_ctzll(~s->busy);
	s->busy |= 1ull << slot;
	s->op_at[slot] = i;
	s->slot_of[i] = slot;
	if (op->act > LIN_SEE_PRESENT)
		return LIN_OK;
	s->readers |= 1ull << slot;
	for (uint32_t k = 0; k < s->nr_now; k++)
		if (applies(op, s->now[k].state, &state))
			s->now[k].done |= 1ull << slot;
	return LIN_OK;
}

/* Every configuration that lets the operation in `slot` take effect next, after
 * any order of other pending ones. */
static enum lin_verdict expand(struct lin_search *s, uint32_t slot)
{
	uint64_t bit = 1ull << slot;

	s->nr_next = s->nr_stack = 0;
	forget_seen(s);
	for (uint32_t k = 0; k < s->nr_now; k++)
		if (see(s, &s->now[k]) > 0)
			s->stack[s->nr_stack++] = s->now[k];
	while (s->nr_stack) {
		struct config config = s->stack[--s->nr_stack];

		if (config.done & bit) {
			if (s->nr_next == CONFIGS_MAX)
				return LIN_UNDECIDED;
			config.done &= ~bit;
			s->next[s->nr_next++] = config;
			continue;
		}
		for (uint64_t left = s->busy & ~config.done & ~s->readers; left; left &= left - 1) {
			uint32_t other = (uint32_t)__builtin_ctzll(left);
			struct config after = { config.done | 1ull << other, 0 };
			int fresh;

			s->work++;
			if (!applies(&s->h->ops[s->op_at[other]], config.state, &after.state))
				continue;
			after.done |= explained(s, &after);
			fresh = see(s, &after);
			if (fresh < 0 || s->nr_stack == CONFIGS_MAX)
				return LIN_UNDECIDED;
			if (fresh)
				s->stack[s->nr_stack++] = after;
		}
	}
	return s->nr_next ? LIN_OK : LIN_VIOLATED;
}

static enum lin_verdict end(struct lin_search *s, uint32_t i)
{
	uint32_t slot = s->slot_of[i];
	uint64_t bit = 1ull << slot;
	enum lin_verdict verdict;
	struct config *swap;

	if (s->nr_now == 1 && s->now[0].done & bit) {
		s->now[0].done &= ~bit;
	} else if (s->nr_now == 1 && s->busy == bit) { /* nobody else: no choice */
		if (!applies(&s->h->ops[i], s->now[0].state, &s->now[0].state))
			return LIN_VIOLATED;
	} else {
		verdict = expand(s, slot);
		if (verdict != LIN_OK)
			return verdict;
		swap = s->now;
		s->now = s->next;
		s->next = swap;
		s->nr_now = s->nr_next;
	}
	s->busy &= ~bit;
	s->readers &= ~bit;
	return LIN_OK;
}

/* All subsets of the spanning operations may lie before the history. */
static enum lin_verdict set_out(struct lin_search *s, const uint32_t *from, uint32_t nr_from,
				uint32_t spanning)
{
	s->busy = s->readers = 0;
	s->nr_now = 0;
	for (uint32_t i = 0; i < spanning; i++)
		if (begin(s, i) != LIN_OK)
			return LIN_UNDECIDED;
	if (spanning >= 12 || (uint64_t)nr_from << spanning > CONFIGS_MAX)
		return LIN_UNDECIDED;
	for (uint32_t k = 0; k < nr_from; k++)
		for (uint64_t subset = 0; subset < 1ull << spanning; subset++) {
			struct config config = { subset, from[k] };

			config.done |= explained(s, &config);
			s->now[s->nr_now++] = config;
		}
	return LIN_OK;
}

enum lin_verdict lin_search_run(struct lin_search *s, const struct lin_history *h,
				const uint32_t *from, uint32_t nr_from, uint32_t spanning,
				struct lin_violation *ret_violation)
{
	uint32_t begun = spanning;
	enum lin_verdict verdict;

	if (h->nr > s->room) {
		uint32_t *longer = realloc(s->slot_of, h->nr * sizeof(*longer));

		if (!longer)
			return LIN_NO_MEMORY;
		s->slot_of = longer;
		s->room = h->nr;
	}
	s->h = h;
	s->work = 0;
	verdict = set_out(s, from, nr_from, spanning);
	for (uint32_t k = 0; k < h->nr && verdict == LIN_OK; k++) {
		uint32_t i = h->by_end[k];

		if (h->ops[i].end == LIN_NEVER)
			break; /* and all that follow: nothing has to be explained any more */
		/* At one stamp beginnings come first: those operations overlap. */
		for (; begun < h->nr && h->ops[begun].start <= h->ops[i].end; begun++) {
			verdict = begin(s, begun);
			if (verdict != LIN_OK)
				return verdict;
		}
		verdict = end(s, i);
		if (verdict == LIN_VIOLATED)
			*ret_violation = (struct lin_violation){ i, "no order explains it" };
		else if (s->work > (uint64_t)WORK_PER_OP * (h->nr + 256))
			verdict = LIN_UNDECIDED;
	}
	return verdict;
}

enum lin_verdict lin_search_whole(struct lin_search *s, const struct lin_history *h,
				  struct lin_violation *ret_violation)
{
	uint32_t from = h->present ? LIN_INITIAL : LIN_ABSENT;

	return lin_search_run(s, h, &from, 1, 0, ret_violation);
}
