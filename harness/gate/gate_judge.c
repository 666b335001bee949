/* SPDX-License-Identifier: MIT */
/* See gate_judge.h. */
#include "gate/gate_judge.h"

#include <math.h>

#include "stats/gate_stats.h"

const char *const gate_verdict_names[] = { "inconclusive", "pass", "regression", "improvement" };

size_t gate_look_rounds(size_t planned, unsigned int look)
{
	return (planned * look + GATE_LOOKS - 1) / GATE_LOOKS;
}

double gate_look_level(const struct gate_rule *rule, unsigned int look)
{
	return rule->level *
	       (gate_spent((double)look / GATE_LOOKS) - gate_spent((look - 1.0) / GATE_LOOKS));
}

size_t gate_rounds_needed(const struct gate_rule *rule, size_t nr_rows)
{
	double level = gate_look_level(rule, GATE_LOOKS) / (double)nr_rows;
	size_t n = 1;

	while (scalbn(1, -(int)n) > level)
		n++;
	return n;
}

static size_t count(const struct gate_row *rows, size_t nr_rows, enum gate_verdict verdict)
{
	size_t nr = 0;

	for (size_t i = 0; i < nr_rows; i++)
		nr += rows[i].verdict == verdict;
	return nr;
}

/* Is the second figure above zero, too? */
static int agrees(const double *second, size_t n, double level, bool *ret_agrees)
{
	struct gate_bounds bounds;
	int r = second ? gate_bounds(second, n, level, &bounds) : 0;

	if (!r)
		*ret_agrees = !second || bounds.low > 0;
	return r;
}

/* slower, faster: what each direction's level is at this step of Holm's. */
static int judge_row(const struct gate_rule *rule, bool last, double slower, double faster,
		     struct gate_row *row)
{
	struct gate_bounds low, high;
	bool worse = false, better = false;
	int r = gate_bounds(row->slowdown, row->n, slower, &low);

	high = low;
	if (!r && faster != slower)
		r = gate_bounds(row->slowdown, row->n, faster, &high);
	if (!r)
		r = agrees(row->worse, row->n, slower, &worse);
	if (!r)
		r = agrees(row->better, row->n, faster, &better);
	if (r)
		return r;
	row->estimate = low.estimate;
	row->low = low.low;
	row->high = high.high;
	if (low.low > rule->ignore && worse)
		row->verdict = GATE_REGRESSION;
	else if (high.high < -rule->ignore && better)
		row->verdict = GATE_IMPROVEMENT;
	else if (high.high < rule->detect && (last || low.low > -rule->detect))
		/* Before the end only what is no difference either way: one that may
		 * be an improvement is measured on, so that a swap mirrors it. */
		row->verdict = GATE_PASS;
	else
		row->verdict = GATE_PENDING;
	return 0;
}

int gate_judge(const struct gate_rule *rule, unsigned int look, struct gate_row *rows,
	       size_t nr_rows)
{
	double level = gate_look_level(rule, look);
	size_t slower, faster;

	/* Each pass that finds a difference leaves a larger level to the others. */
	do {
		slower = count(rows, nr_rows, GATE_REGRESSION);
		faster = count(rows, nr_rows, GATE_IMPROVEMENT);
		for (size_t i = 0; i < nr_rows; i++) {
			bool passed = rows[i].verdict == GATE_PASS;
			int r;

			/* A pass of this very look may still turn into a difference. */
			if (rows[i].verdict != GATE_PENDING && !(passed && rows[i].look == look))
				continue;
			r = judge_row(rule, look == GATE_LOOKS, level / (double)(nr_rows - slower),
				      level / (double)(nr_rows - faster), &rows[i]);
			if (r)
				return r;
			rows[i].look = look;
		}
	} while (slower != count(rows, nr_rows, GATE_REGRESSION) ||
		 faster != count(rows, nr_rows, GATE_IMPROVEMENT));
	return 0;
}

double gate_budget_factor(const struct gate_rule *rule, const struct gate_row *row)
{
	double gap, reach;

	if (row->estimate > rule->ignore && row->estimate >= rule->detect) {
		gap = row->estimate - rule->ignore;
		reach = row->estimate - row->low;
	} else {
		gap = rule->detect - row->estimate;
		reach = row->high - row->estimate;
	}
	/* A bound out of reach says nothing about how far. */
	if (!(gap > 0) || !isfinite(reach))
		return NAN;
	return fmax(1, reach * reach / (gap * gap));
}
