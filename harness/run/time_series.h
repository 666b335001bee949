/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of intervals: it moves the interval number in the phase
 * word on, so that workers who look at that word anyway cut there; judges
 * whether warm-up is over; and puts the series together at the end.
 *
 * Steady: over the last STEADY_WINDOWS intervals of warm-up the least-squares
 * slope of the rate is less than the share asked for, of their mean, per
 * interval. Warm-up takes STEADY_CAP times `warmup` at most.
 */
#ifndef SHMBENCH_TIME_SERIES_H
#define SHMBENCH_TIME_SERIES_H

#include "run/control.h"
#include "scenario/scenario.h"

#define STEADY_WINDOWS 5u
#define STEADY_CAP 10u

struct time_series {
	struct control *control;
	const struct point *point;
	uint64_t interval_ns;
	bool hidden;				/* nobody is shown its intervals */
	uint32_t word;				/* as stored in control->phase */
	uint64_t begin_ns;			/* of the phase */
	uint64_t edges[INTERVAL_SLOTS_MAX + 1]; /* ticks: ends of the window's intervals */
	/* warm-up: all workers' operations at the ends of the last intervals */
	uint64_t seen_ops[STEADY_WINDOWS + 1], seen_ticks[STEADY_WINDOWS + 1];
	uint32_t nr_seen;
};

void series_set_phase(struct time_series *series, enum phase phase);
/* After a turn (turns.h). Who has not heard of the next one when the one after it is over
 * has still to see that: so the word bears the turn's number. */
void series_park(struct time_series *series, uint32_t turn);
/* The next leg of the window begins. */
void series_set_leg(struct time_series *series, uint32_t leg);
/* When the present interval ends, CLOCK_MONOTONIC. */
uint64_t series_next_ns(const struct time_series *series);
/* Begins the next interval if it is time. */
void series_tick(struct time_series *series);
/* The figures of an interval of the window; false: it, or the one after it, is not over. */
bool series_previous(const struct time_series *series, uint32_t number,
		     struct interval_figures *ret);
bool series_is_steady(const struct time_series *series, double slope);
/* 0 or -ENOMEM. The last interval is partial: it has its real length. */
int series_collect(struct time_series *series, uint64_t t_start, uint64_t t_end,
		   struct trial *trial);

#endif
