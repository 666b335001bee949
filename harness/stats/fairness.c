/* SPDX-License-Identifier: MIT */
/*
 * Run delay is known as a running total only. The mark before a wait may lie
 * some way before its beginning (the last long wait, or the last interval's
 * end), so that rather too much is taken off: a lock is not accused in doubt.
 * Throttling by a quota counts as run delay; being stopped does not, nor what happens
 * to the holder: those are seen from outside (run/standstill.h).
 */
#include "stats/fairness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shmht_clock.h"

bool gap_run_delay(const struct gap_watch *watch, uint64_t *ret_ns)
{
	unsigned long long on_cpu, waiting;
	char text[128];
	ssize_t n = watch->fd < 0 ? 0 : pread(watch->fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu", &on_cpu, &waiting) != 2)
		return false;
	*ret_ns = waiting;
	return true;
}

void gap_open(struct gap_watch *watch)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)gettid());
	*watch = (struct gap_watch){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
}

void gap_mark(struct gap_watch *watch)
{
	uint64_t ns;

	if (gap_run_delay(watch, &ns))
		watch->delay_ns = ns;
}

static uint64_t gap_of_wait(struct gap_watch *watch, uint64_t wait_ns)
{
	uint64_t before = watch->delay_ns, delay;

	if (wait_ns <= GAP_LONG_NS)
		return wait_ns;
	gap_mark(watch);
	delay = watch->delay_ns - before;
	return delay < wait_ns ? wait_ns - delay : 0;
}

void gap_take(struct gap_watch *watch, uint64_t wait_ns, struct gap *longest)
{
	uint64_t ns = gap_of_wait(watch, wait_ns);

	if (ns > longest->ns)
		*longest = (struct gap){
			.ns = ns,
			.wait_ns = wait_ns,
			.end_ticks = wait_ns > GAP_LONG_NS ? shmht_ticks() : 0,
		};
}

void gap_close(struct gap_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
}

static int by_length(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The lower median: of two workers the starved one does not count on both sides. */
enum starved fairness_judge(uint64_t *gaps, const uint64_t *whole, uint32_t nr)
{
	uint64_t longest_whole = 0, longest, median;

	if (nr < 2)
		return STARVED_NOT;
	for (uint32_t i = 0; i < nr; i++)
		longest_whole = whole[i] > longest_whole ? whole[i] : longest_whole;
	qsort(gaps, nr, sizeof(*gaps), by_length);
	longest = gaps[nr - 1];
	median = gaps[(nr - 1) / 2];
	if (longest > STARVED_NS && longest > STARVED_OVER_MEDIAN * median)
		return STARVED_BY_LOCK;
	return longest_whole > STARVED_NS ? STARVED_BY_SCHEDULER : STARVED_NOT;
}
