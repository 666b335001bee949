/* SPDX-License-Identifier: MIT */
/* One key's operations in order, and whose value each read. */
#include "verify/lin_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool lin_act_of(enum op_kind kind, enum outcome outcome, enum lin_act *ret_act)
{
	static const uint8_t done[OP_NR] = { LIN_READ, LIN_ADD, LIN_CHANGE, LIN_TAKE };

	switch (outcome) {
	case OUTCOME_OK:
		*ret_act = (enum lin_act)done[kind];
		return true;
	case OUTCOME_MISS:
		*ret_act = LIN_SEE_ABSENT;
		return true;
	case OUTCOME_EXISTS:
		*ret_act = LIN_SEE_PRESENT;
		return true;
	case OUTCOME_FULL: /* says something about all keys together */
	case OUTCOME_TIMEOUT:
	case OUTCOME_NR:
		break;
	}
	return false;
}

void lin_history_free(struct lin_history *history)
{
	free(history->ops);
	free(history->by_end);
	free(history->pairs);
	free(history->scratch);
	free(history->writers);
	free(history->table);
	memset(history, 0, sizeof(*history));
}

int lin_history_reserve(struct lin_history *history, uint32_t room)
{
	if (room <= history->room)
		return 0;
	lin_history_free(history);
	if (room < 1024)
		room = 1024;
	history->table_bits = 1;
	while (1u << history->table_bits < 2 * room)
		history->table_bits++;
	history->ops = malloc(room * sizeof(*history->ops));
	history->by_end = malloc(room * sizeof(*history->by_end));
	history->pairs = malloc(2 * (size_t)room * sizeof(*history->pairs));
	history->scratch = malloc(2 * (size_t)room * sizeof(*history->scratch));
	history->writers = malloc(room * sizeof(*history->writers));
	history->table = malloc(sizeof(*history->table) << history->table_bits);
	if (!history->ops || !history->by_end || !history->pairs || !history->scratch ||
	    !history->writers || !history->table) {
		lin_history_free(history);
		return -ENOMEM;
	}
	history->room = room;
	return 0;
}

#define SORT_BLOCK 16u

static void insertion_sort(struct lin_pair *pairs, uint32_t nr)
{
	for (uint32_t i = 1; i < nr; i++) {
		struct lin_pair pair = pairs[i];
		uint32_t k = i;

		for (; k > 0 && pairs[k - 1].at > pair.at; k--)
			pairs[k] = pairs[k - 1];
		pairs[k] = pair;
	}
}

static void merge(struct lin_pair *pairs, struct lin_pair *tmp, uint32_t mid, uint32_t nr)
{
	uint32_t a = 0, b = mid, to = 0;

	/* The rule, not the exception: logs are nearly in order. */
	if (pairs[mid - 1].at <= pairs[mid].at)
		return;
	memcpy(tmp, pairs, mid * sizeof(*pairs));
	while (a < mid && b < nr)
		pairs[to++] = pairs[b].at < tmp[a].at ? pairs[b++] : tmp[a++];
	memcpy(pairs + to, tmp + a, (mid - a) * sizeof(*pairs));
}

void lin_sort_pairs(struct lin_pair *pairs, struct lin_pair *tmp, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i += SORT_BLOCK)
		insertion_sort(pairs + i, nr - i < SORT_BLOCK ? nr - i : SORT_BLOCK);
	for (uint64_t width = SORT_BLOCK; width < nr; width *= 2)
		for (uint64_t i = 0; i + width < nr; i += 2 * width)
			merge(pairs + i, tmp, (uint32_t)width,
			      (uint32_t)(nr - i < 2 * width ? nr - i : 2 * width));
}

static void sort_ops(struct lin_history *history)
{
	struct lin_pair *pairs = history->pairs, *tmp = pairs + history->room;
	struct lin_op *ops = history->ops;
	uint32_t nr = history->nr;
	bool sorted = true;

	for (uint32_t i = 0; i < nr; i++) {
		pairs[i] = (struct lin_pair){ ops[i].start, i };
		sorted &= i == 0 || ops[i - 1].start <= ops[i].start;
	}
	if (!sorted) {
		lin_sort_pairs(pairs, tmp, nr);
		/* The permutation, cycle by cycle. */
		for (uint32_t i = 0; i < nr; i++) {
			struct lin_op moved = ops[i];
			uint32_t to = i;

			while (pairs[to].idx != i) {
				uint32_t from = pairs[to].idx;

				ops[to] = ops[from];
				pairs[to].idx = to;
				to = from;
			}
			ops[to] = moved;
			pairs[to].idx = to;
		}
	}
	for (uint32_t i = 0; i < nr; i++)
		pairs[i] = (struct lin_pair){ ops[i].end, i };
	lin_sort_pairs(pairs, tmp, nr);
	for (uint32_t i = 0; i < nr; i++)
		history->by_end[i] = pairs[i].idx;
}

/* Where nonce is, or would be, in the table. */
static uint32_t *find(const struct lin_history *history, uint32_t bits, uint64_t nonce)
{
	uint32_t mask = (1u << bits) - 1;
	uint32_t at = (uint32_t)(nonce * 0x9e3779b97f4a7c15ull >> (64 - bits));

	while (history->table[at]) {
		uint32_t writer = history->writers[history->table[at] - LIN_VALUE_FIRST];

		if (history->ops[writer].nonce == nonce)
			break;
		at = (at + 1) & mask;
	}
	return &history->table[at];
}

/* Which value each operation wrote or read. A nonce written twice keeps its
 * first writer: the second write is then a value of its own. */
static void number_values(struct lin_history *history)
{
	uint32_t bits = 4;

	while (1u << bits < 2 * history->nr)
		bits++;
	memset(history->table, 0, sizeof(*history->table) << bits);
	history->nr_values = 0;
	for (uint32_t i = 0; i < history->nr; i++) {
		struct lin_op *op = &history->ops[i];
		uint32_t *slot;

		if (!lin_is_write(op))
			continue;
		slot = find(history, bits, op->nonce);
		op->value = LIN_VALUE_FIRST + history->nr_values;
		history->writers[history->nr_values++] = i;
		if (!*slot)
			*slot = op->value;
	}
	for (uint32_t i = 0; i < history->nr; i++) {
		struct lin_op *op = &history->ops[i];

		if (op->act != LIN_READ)
			continue;
		op->value = *find(history, bits, op->nonce);
		if (!op->value)
			op->value = history->present && op->nonce == history->nonce ? LIN_INITIAL :
										      LIN_UNKNOWN;
	}
}

void lin_history_prepare(struct lin_history *history)
{
	sort_ops(history);
	number_values(history);
}
