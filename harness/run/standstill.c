/* SPDX-License-Identifier: MIT */
#include "run/standstill.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shmht_clock.h"

#define LOOK_NS 25000000u
#define LOOKS_AT_ONCE 64u	/* workers; where there are more, looks are rarer */
#define WORKERS_MAX 256u	/* a descriptor each, and others want some too */
#define ACCOUNTS_MAX (1u << 18) /* 4 MiB; nobody looks any more then */
#define STOPS_MAX 4096u
#define RAN_WEIGHT 2 /* others that ran for half of the time got on */

static int open_schedstat(const struct worker_result *worker)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)worker->pid,
		 (int)worker->tid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void standstill_open(struct standstill *still, const struct control *control)
{
	uint32_t nr = control->nr_workers;

	*still = (struct standstill){
		.nr_workers = nr,
		.period_ns = (uint64_t)LOOK_NS * (1 + (nr - 1) / LOOKS_AT_ONCE),
		.fds = nr <= WORKERS_MAX ? malloc(nr * sizeof(*still->fds)) : NULL,
	};
	for (uint32_t i = 0; still->fds && i < nr; i++)
		still->fds[i] = open_schedstat(&control->workers[i].result);
}

/* A power of two of them, grown when it is full. */
static void *grown(void *array, uint32_t nr, size_t size)
{
	return nr & (nr - 1) ? array : realloc(array, (nr ? 2 * (size_t)nr : 1) * size);
}

static bool make_room(struct standstill *still)
{
	size_t row = still->nr_workers * sizeof(*still->accounts);
	void *accounts, *at_ticks;

	if (((size_t)still->nr_looks + 1) * still->nr_workers > ACCOUNTS_MAX)
		return false;
	accounts = grown(still->accounts, still->nr_looks, row);
	still->accounts = accounts ? accounts : still->accounts;
	at_ticks = grown(still->at_ticks, still->nr_looks, sizeof(*still->at_ticks));
	still->at_ticks = at_ticks ? at_ticks : still->at_ticks;
	return accounts && at_ticks;
}

static bool read_account(int fd, struct standstill_account *ret)
{
	unsigned long long ran, delayed;
	char text[128];
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu", &ran, &delayed) != 2)
		return false;
	*ret = (struct standstill_account){ ran, delayed };
	return true;
}

static const struct standstill_account *account(const struct standstill *still, uint32_t look,
						uint32_t worker)
{
	return &still->accounts[(size_t)look * still->nr_workers + worker];
}

void standstill_look(struct standstill *still, bool now)
{
	uint64_t now_ns = shmht_monotonic_ns(), elapsed = 0;
	uint32_t look = still->nr_looks;

	if (!still->fds || (!now && now_ns < still->next_ns))
		return;
	still->next_ns = now_ns + still->period_ns;
	if (!make_room(still)) {
		still->next_ns = UINT64_MAX;
		return;
	}
	still->at_ticks[look] = shmht_ticks();
	if (look)
		elapsed = (uint64_t)((double)(still->at_ticks[look] - still->at_ticks[look - 1]) *
				     shmht_ns_per_tick());
	for (uint32_t i = 0; i < still->nr_workers; i++) {
		struct standstill_account *mine =
			&still->accounts[(size_t)look * still->nr_workers + i];

		if (read_account(still->fds[i], mine))
			continue;
		/* It has ended, or cannot be seen: nobody is excused because of it. */
		*mine = look ? *account(still, look - 1, i) : (struct standstill_account){ 0 };
		mine->ran_ns += elapsed;
	}
	still->nr_looks++;
}

uint64_t standstill_next_ns(const struct standstill *still)
{
	return still->fds ? still->next_ns : UINT64_MAX;
}

void standstill_stopped(struct standstill *still, bool stopped)
{
	struct standstill_stop *stops;

	if (!stopped) {
		if (still->nr_stopped && !--still->nr_stopped && still->nr_stops)
			still->stops[still->nr_stops - 1].to = shmht_ticks();
		return;
	}
	if (still->nr_stopped++ || still->nr_stops == STOPS_MAX)
		return;
	stops = grown(still->stops, still->nr_stops, sizeof(*stops));
	if (!stops)
		return;
	still->stops = stops;
	stops[still->nr_stops++] = (struct standstill_stop){ shmht_ticks(), UINT64_MAX };
}

/* ---- what it comes to --------------------------------------------------- */

static uint64_t overlap(uint64_t from, uint64_t to, uint64_t begin, uint64_t end)
{
	begin = begin > from ? begin : from;
	end = end < to ? end : to;
	return begin < end ? end - begin : 0;
}

static uint64_t stopped_within(const struct standstill *still, uint64_t from, uint64_t to)
{
	uint64_t ticks = 0;

	for (uint32_t i = 0; i < still->nr_stops; i++)
		ticks += overlap(from, to, still->stops[i].from, still->stops[i].to);
	return ticks;
}

/* Between this look and the one before; of the others than worker. */
static struct standstill_account others(const struct standstill *still, uint32_t look,
					uint32_t worker)
{
	struct standstill_account sum = { 0 };

	for (uint32_t i = 0; i < still->nr_workers; i++) {
		const struct standstill_account *before = account(still, look - 1, i);
		const struct standstill_account *after = account(still, look, i);

		if (i == worker)
			continue;
		sum.ran_ns += after->ran_ns - before->ran_ns;
		sum.delayed_ns += after->delayed_ns - before->delayed_ns;
	}
	return sum;
}

uint64_t standstill_within(const struct standstill *still, uint32_t worker, uint64_t from,
			   uint64_t to)
{
	double ns_per_tick = shmht_ns_per_tick(), delayed = 0, ticks = 0;

	for (uint32_t k = 1; k < still->nr_looks; k++) {
		uint64_t begin = still->at_ticks[k - 1], end = still->at_ticks[k];
		double ns = (double)(end - begin) * ns_per_tick, idle;
		struct standstill_account had;

		if (!overlap(from, to, begin, end))
			continue;
		had = others(still, k, worker);
		delayed += (double)had.delayed_ns;
		begin = begin > from ? begin : from;
		end = end < to ? end : to;
		idle = 1 - RAN_WEIGHT * (double)had.ran_ns / ns;
		if (idle > 0)
			ticks += idle * (double)(end - begin - stopped_within(still, begin, end));
	}
	/* A delay is booked when it is over, with the look after it; who asked for the lock
	 * in vain while nobody wanted the CPU was kept waiting by the lock. */
	if (ticks * ns_per_tick > delayed)
		ticks = delayed / ns_per_tick;
	return (uint64_t)ticks + stopped_within(still, from, to);
}

void standstill_close(struct standstill *still)
{
	for (uint32_t i = 0; still->fds && i < still->nr_workers; i++)
		if (still->fds[i] >= 0)
			close(still->fds[i]);
	free(still->fds);
	free(still->accounts);
	free(still->at_ticks);
	free(still->stops);
}
