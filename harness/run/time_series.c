/* SPDX-License-Identifier: MIT */
#include "run/time_series.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/legs.h"
#include "run/supervise.h"
#include "shmht_clock.h"

void series_set_phase(struct time_series *series, enum phase phase)
{
	series->begin_ns = shmht_monotonic_ns();
	series->word = phase;
	if (phase == PHASE_MEASURE && legs_load(&series->point->params))
		series->word |= 1u << PHASE_LEG_SHIFT;
	series->nr_seen = 0;
	atomic_store(&series->control->phase, series->word);
}

void series_park(struct time_series *series, uint32_t turn)
{
	series->word = PHASE_PARKED | turn << PHASE_BITS;
	atomic_store(&series->control->phase, series->word);
}

void series_set_leg(struct time_series *series, uint32_t leg)
{
	uint32_t legs = ((1u << PHASE_BITS) - 1) & ~PHASE_MASK;

	series->word = (series->word & ~legs) | leg << PHASE_LEG_SHIFT;
	atomic_store(&series->control->phase, series->word);
}

uint64_t series_next_ns(const struct time_series *series)
{
	uint32_t number = series->word >> PHASE_BITS;
	uint64_t next = series->begin_ns + (number + 1) * series->interval_ns;
	uint64_t duration_ns = legs_window_ns(&series->point->params);

	if ((series->word & PHASE_MASK) != PHASE_MEASURE)
		return next;
	/* The last slot takes the rest; an edge at the very end would cut off nothing. */
	if (number + 1 >= series->control->nr_slots ||
	    (duration_ns && next + series->interval_ns / 50 >= series->begin_ns + duration_ns))
		return UINT64_MAX;
	return next;
}

static int merge_interval(const struct time_series *series, uint32_t number,
			  struct interval_figures *ret)
{
	uint32_t nr = series->control->nr_workers;
	const struct interval_slot **slots = malloc(nr * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++)
		slots[i] = control_slots(series->control, i) + number;
	interval_merge(slots, nr, ret);
	free(slots);
	return 0;
}

/* One interval late: by now every worker that runs has cut it. */
bool series_previous(const struct time_series *series, uint32_t number,
		     struct interval_figures *ret)
{
	if ((series->word & PHASE_MASK) != PHASE_MEASURE ||
	    (series->word >> PHASE_BITS) < number + 2)
		return false;
	*ret = (struct interval_figures){ .seconds = (double)series->interval_ns * 1e-9 };
	ret->start_s = ret->seconds * number;
	return merge_interval(series, number, ret) == 0;
}

static void show_previous(const struct time_series *series)
{
	uint32_t over = series->word >> PHASE_BITS;
	struct interval_figures figures;

	if (supervise_on_interval && !series->hidden && over >= 2 &&
	    series_previous(series, over - 2, &figures))
		supervise_on_interval(series->point, &figures);
}

static void note_ops(struct time_series *series)
{
	uint64_t ops = 0;

	if (series->nr_seen == STEADY_WINDOWS + 1) {
		series->nr_seen--;
		memmove(series->seen_ops, series->seen_ops + 1,
			STEADY_WINDOWS * sizeof(series->seen_ops[0]));
		memmove(series->seen_ticks, series->seen_ticks + 1,
			STEADY_WINDOWS * sizeof(series->seen_ticks[0]));
	}
	for (uint32_t i = 0; i < series->control->nr_workers; i++)
		ops += atomic_load_explicit(&series->control->workers[i].ops_ever,
					    memory_order_relaxed);
	series->seen_ops[series->nr_seen] = ops;
	series->seen_ticks[series->nr_seen++] = shmht_ticks();
}

void series_tick(struct time_series *series)
{
	uint32_t phase = series->word & PHASE_MASK, number = series->word >> PHASE_BITS;

	if ((phase != PHASE_WARMUP && phase != PHASE_MEASURE) ||
	    shmht_monotonic_ns() < series_next_ns(series))
		return;
	/* What workers wrote at the end before this one. */
	if (phase == PHASE_WARMUP)
		note_ops(series);
	else
		series->edges[number] = shmht_ticks();
	series->word += 1u << PHASE_BITS;
	atomic_store(&series->control->phase, series->word);
	if (phase == PHASE_MEASURE)
		show_previous(series);
}

bool series_is_steady(const struct time_series *series, double slope)
{
	double rates[STEADY_WINDOWS];

	if (series->nr_seen <= STEADY_WINDOWS)
		return false;
	for (uint32_t i = 0; i < STEADY_WINDOWS; i++)
		rates[i] = (double)(series->seen_ops[i + 1] - series->seen_ops[i]) /
			   (double)(series->seen_ticks[i + 1] - series->seen_ticks[i]);
	return fabs(interval_slope(rates, STEADY_WINDOWS)) < slope;
}

int series_collect(struct time_series *series, uint64_t t_start, uint64_t t_end,
		   struct trial *trial)
{
	double scale = shmht_ns_per_tick() * 1e-9;
	uint32_t nr = 0;
	uint64_t from = t_start;

	/* Edges that the window has, and its end. */
	while (nr < series->control->nr_slots - 1 && series->edges[nr] && series->edges[nr] < t_end)
		nr++;
	trial->nr_intervals = 0;
	trial->intervals = calloc(nr + 1, sizeof(*trial->intervals));
	if (!trial->intervals)
		return -ENOMEM;
	for (uint32_t i = 0; i <= nr; i++) {
		struct interval_figures *figures = &trial->intervals[i];
		uint64_t to = i < nr ? series->edges[i] : t_end;

		/* By operations the window begins when the last worker does. */
		to = to > from ? to : from;
		figures->start_s = (double)(from - t_start) * scale;
		figures->seconds = (double)(to - from) * scale;
		if (merge_interval(series, i, figures))
			return -ENOMEM;
		from = to;
	}
	trial->nr_intervals = nr + 1;
	return 0;
}
