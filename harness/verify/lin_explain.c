/* SPDX-License-Identifier: MIT */
/*
 * From a violation to the few operations that show it. A run of operations that
 * ends with the violation is tried from every state that it can have begun in;
 * the operations that began before it may have taken effect already. What no
 * order explains even so is a proof by itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/lin_history.h"

#define LINES_MAX 24u
#define THINNED_MAX 2048u /* operations from which needless reads are taken out one by one */
#define STATES_MAX 512u

struct excerpt {
	struct lin_search *search;
	const struct lin_history *whole;
	struct lin_history part;
	uint32_t *chosen; /* indices into whole, in order: what part is made of */
	uint32_t nr, spanning;
	uint64_t begin; /* the part's first stamp */
};

static bool state_listed(const uint32_t *states, uint32_t nr, uint32_t state)
{
	for (uint32_t i = 0; i < nr; i++)
		if (states[i] == state)
			return true;
	return false;
}

/*
 * The states a part can begin in: absent, present with a value that nobody in it
 * reads, and each value it reads that was written before. Values keep the
 * numbers of the whole history. 0: too many to try.
 */
static uint32_t beginnings(const struct excerpt *x, uint32_t states[STATES_MAX])
{
	uint32_t nr = 0;

	states[nr++] = LIN_ABSENT;
	states[nr++] = LIN_VALUE_FIRST + x->whole->nr_values; /* some other value */
	for (uint32_t i = 0; i < x->part.nr; i++) {
		const struct lin_op *op = &x->part.ops[i];

		if (op->act != LIN_READ || op->value == LIN_UNKNOWN ||
		    state_listed(states, nr, op->value))
			continue;
		if (op->value >= LIN_VALUE_FIRST &&
		    x->whole->ops[x->whole->writers[op->value - LIN_VALUE_FIRST]].start >= x->begin)
			continue;
		if (nr == STATES_MAX)
			return 0;
		states[nr++] = op->value;
	}
	return nr;
}

/* part = the chosen ones. Starts are in order already, and values numbered. */
static void make_part(struct excerpt *x)
{
	struct lin_history *part = &x->part;
	struct lin_pair *pairs = part->pairs;

	part->nr = x->nr;
	x->spanning = 0;
	for (uint32_t i = 0; i < x->nr; i++) {
		part->ops[i] = x->whole->ops[x->chosen[i]];
		x->spanning += part->ops[i].start < x->begin;
		pairs[i] = (struct lin_pair){ part->ops[i].end, i };
	}
	lin_sort_pairs(pairs, pairs + part->room, x->nr);
	for (uint32_t i = 0; i < x->nr; i++)
		part->by_end[i] = pairs[i].idx;
}

static bool shows(struct excerpt *x)
{
	uint32_t states[STATES_MAX], nr;
	struct lin_violation violation;

	make_part(x);
	nr = beginnings(x, states);
	return nr && lin_search_run(x->search, &x->part, states, nr, x->spanning, &violation) ==
			     LIN_VIOLATED;
}

/* The operations that reach into [start of op first, end of op last]. */
static void choose(struct excerpt *x, uint32_t first, uint32_t last)
{
	const struct lin_op *ops = x->whole->ops;
	uint64_t until = ops[last].end;

	x->begin = ops[first].start;
	x->nr = 0;
	for (uint32_t i = 0; i < x->whole->nr && ops[i].start <= until; i++)
		if (ops[i].end >= x->begin)
			x->chosen[x->nr++] = i;
}

/* Doubles the run until it shows the violation, then halves what is too much. */
static bool shorten(struct excerpt *x, uint32_t last)
{
	uint32_t bad = last, good;

	for (uint32_t back = 0;; back = back ? back * 2 : 1) {
		good = back < last ? last - back : 0;
		choose(x, good, last);
		if (shows(x))
			break;
		if (!good)
			return false;
		bad = good;
	}
	while (bad > good + 1) {
		uint32_t mid = good + (bad - good) / 2;

		choose(x, mid, last);
		if (shows(x))
			good = mid;
		else
			bad = mid;
	}
	choose(x, good, last);
	return true;
}

/* A history stays linearizable when a read-only operation is taken out of it; so
 * what shows the violation without one shows it. Whole stretches first. */
static void thin(struct excerpt *x, uint32_t *spare)
{
	for (uint32_t stretch = x->nr > THINNED_MAX ? 0 : x->nr; stretch; stretch /= 2) {
		for (uint32_t at = 0; at < x->nr;) {
			uint32_t before = x->nr, kept = 0;

			memcpy(spare, x->chosen, before * sizeof(*spare));
			for (uint32_t i = 0; i < before; i++)
				if (i < at || i >= at + stretch ||
				    x->whole->ops[spare[i]].act > LIN_SEE_PRESENT)
					x->chosen[kept++] = spare[i];
			x->nr = kept;
			if (kept < before && shows(x))
				continue;
			memcpy(x->chosen, spare, before * sizeof(*spare));
			x->nr = before;
			at += stretch;
		}
	}
	make_part(x);
}

static const char *outcome_words(const struct lin_op *op)
{
	return op->end == LIN_NEVER ? "never came back" : outcome_names[op->outcome];
}

static void put_op(FILE *out, const struct lin_op *op, uint64_t zero, double ns_per_tick)
{
	double start = ((double)op->start - (double)zero) * ns_per_tick;
	double end = ((double)op->end - (double)zero) * ns_per_tick;

	if (op->worker == LIN_FINAL) {
		fprintf(out, "  after the run        the table");
	} else if (op->end == LIN_NEVER) {
		fprintf(out, "  %9.0f ..        ns  worker %" PRIu32, start, op->worker);
	} else {
		fprintf(out, "  %9.0f .. %6.0f ns  worker %" PRIu32, start, end, op->worker);
	}
	fprintf(out, "  %-6s %s", op_names[op->kind], outcome_words(op));
	/* A nonce is its writer's number and a count: worker.h. */
	if (op->act == LIN_READ || lin_is_write(op))
		fprintf(out, "  value %" PRIu64 ".%" PRIu64, op->nonce >> 44,
			op->nonce & 0xffffffffu);
	fputc('\n', out);
}

static void put_excerpt(FILE *out, const struct excerpt *x, double ns_per_tick)
{
	uint32_t left_out = x->nr > LINES_MAX ? x->nr - LINES_MAX : 0;

	for (uint32_t i = 0; i < x->nr; i++) {
		const struct lin_op *op = &x->whole->ops[x->chosen[i]];

		if (i == 0 && left_out)
			fprintf(out, "  (%u more before these)\n", left_out);
		if (i >= left_out)
			put_op(out, op, x->begin, ns_per_tick);
	}
}

/* A value of nobody's is shown by its reader, one from the future by two. */
static bool choose_by_hand(struct excerpt *x, const struct lin_violation *violation)
{
	const struct lin_op *op = &x->whole->ops[violation->op], *writer;
	uint32_t i;

	if (op->act != LIN_READ || op->value == LIN_INITIAL)
		return false;
	x->begin = op->start;
	x->nr = 0;
	x->chosen[x->nr++] = violation->op;
	if (op->value == LIN_UNKNOWN)
		return true;
	i = x->whole->writers[op->value - LIN_VALUE_FIRST];
	writer = &x->whole->ops[i];
	x->chosen[x->nr++] = i;
	return writer->start > op->end;
}

char *lin_explain(struct lin_search *search, const struct lin_history *history, uint64_t key,
		  const struct lin_violation *violation, double ns_per_tick)
{
	struct excerpt x = { .search = search, .whole = history };
	uint32_t *spare = malloc(((size_t)history->nr + 1) * sizeof(*spare));
	bool shown;
	char *text = NULL;
	size_t len;
	FILE *out;

	x.chosen = malloc(((size_t)history->nr + 1) * sizeof(*x.chosen));
	if (!spare || !x.chosen || lin_history_reserve(&x.part, history->nr) ||
	    !(out = open_memstream(&text, &len)))
		goto out_free;
	shown = choose_by_hand(&x, violation);
	if (!shown) {
		shown = shorten(&x, violation->op);
		if (shown)
			thin(&x, spare);
		else /* the state it began in matters: from the first operation on */
			choose(&x, 0, violation->op);
	}
	fprintf(out, "key %" PRIu64 ": %s; %s, %u of %u operations on it:\n", key, violation->what,
		shown ? "the shortest history that shows it" : "its history up to there", x.nr,
		history->nr);
	if (!shown)
		fprintf(out, "  at first             %s\n",
			history->present ? "present" : "absent");
	put_excerpt(out, &x, ns_per_tick);
	if (fclose(out)) {
		free(text);
		text = NULL;
	}
out_free:
	free(spare);
	free(x.chosen);
	lin_history_free(&x.part);
	return text;
}
