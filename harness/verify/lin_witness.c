/* SPDX-License-Identifier: MIT */
/* The witness check of one key: sweeps over its operations by start and by end. */
#include "verify/lin_history.h"

static bool found(struct lin_violation *violation, uint32_t op, const char *what)
{
	*violation = (struct lin_violation){ op, what };
	return false;
}

static bool needs_present(const struct lin_op *op)
{
	return op->act != LIN_SEE_ABSENT && op->act != LIN_ADD;
}

/*
 * By start: what is certainly over when an operation begins. need[i] is what the
 * second sweep asks of i: the start of the last insert (remove) known to lie
 * before it, which a remove (insert) must then have undone.
 */
static bool sweep_starts(const struct lin_history *h, uint64_t *need,
			 struct lin_violation *violation)
{
	/* Stamps are never as small as these two. */
	uint64_t added = h->present ? 1 : 0, taken = h->present ? 0 : 1, wrote = 0;
	uint32_t over = 0;

	for (uint32_t i = 0; i < h->nr; i++) {
		const struct lin_op *op = &h->ops[i];

		for (; over < h->nr && h->ops[h->by_end[over]].end < op->start; over++) {
			const struct lin_op *past = &h->ops[h->by_end[over]];

			if (past->act == LIN_ADD && past->start > added)
				added = past->start;
			if (past->act == LIN_TAKE && past->start > taken)
				taken = past->start;
			if (past->act >= LIN_ADD && past->start > wrote)
				wrote = past->start;
		}
		need[i] = needs_present(op) ? taken : added;
		if (op->end == LIN_NEVER)
			need[i] = 0;
		if (op->act != LIN_READ)
			continue;
		if (op->value == LIN_UNKNOWN)
			return found(violation, i, "a value that nobody wrote");
		if (op->value == LIN_INITIAL) {
			if (wrote)
				return found(violation, i, "a value that was replaced before");
		} else {
			const struct lin_op *writer =
				&h->ops[h->writers[op->value - LIN_VALUE_FIRST]];

			if (writer->start > op->end)
				return found(violation, i, "a value before it was written");
			if (wrote > writer->end)
				return found(violation, i, "a value that was replaced before");
		}
	}
	return true;
}

/* By end: what may have happened until then. Also counts inserts against removes. */
static bool sweep_ends(const struct lin_history *h, const uint64_t *need,
		       struct lin_violation *violation)
{
	/* The latest end of what may have added (taken) so far. */
	uint64_t added = h->present ? 1 : 0, taken = h->present ? 0 : 1;
	int64_t begun_adds = 0, begun_takes = 0, done_adds = 0, done_takes = 0;
	int64_t initial = h->present;
	uint32_t begun = 0;

	for (uint32_t k = 0; k < h->nr; k++) {
		uint32_t i = h->by_end[k];
		const struct lin_op *op = &h->ops[i];

		if (op->end == LIN_NEVER)
			break;
		for (; begun < h->nr && h->ops[begun].start <= op->end; begun++) {
			const struct lin_op *other = &h->ops[begun];

			if (other->act == LIN_ADD) {
				begun_adds++;
				if (other->end > added)
					added = other->end;
			} else if (other->act == LIN_TAKE) {
				begun_takes++;
				if (other->end > taken)
					taken = other->end;
			}
		}
		if (needs_present(op) ? added < need[i] : taken < need[i])
			return found(violation, i,
				     needs_present(op) ? "found, though it was removed before" :
							 "not found, though it was there before");
		done_adds += op->act == LIN_ADD;
		done_takes += op->act == LIN_TAKE;
		if (initial + done_adds - begun_takes > 1)
			return found(violation, i, "inserted twice without a remove between");
		if (done_takes - begun_adds > initial)
			return found(violation, i, "removed twice without an insert between");
	}
	return true;
}

bool lin_witness(const struct lin_history *history, struct lin_violation *ret_violation)
{
	uint64_t *need = history->scratch;

	return sweep_starts(history, need, ret_violation) &&
	       sweep_ends(history, need, ret_violation);
}
