/* SPDX-License-Identifier: MIT */
/*
 * A run's start line, found among its supervisor's descriptors and mapped
 * read-only. It is another process's memory: sizes are read once and checked against
 * the file's, and nothing in it is followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "top/top.h"

#define LINK "/memfd:" CONTROL_MEMFD
#define SLOTS_RECENT 10u
#define WANTED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static bool fits(struct top_run *run, size_t bytes)
{
	const struct control *control = run->control;
	size_t parts;

	if (control->shape != CONTROL_SHAPE)
		return false;
	run->nr_workers = *(const volatile uint32_t *)&control->nr_workers;
	run->nr_slots = *(const volatile uint32_t *)&control->nr_slots;
	run->slots_offset = *(const volatile size_t *)&control->slots_offset;
	parts = sizeof(*control) + (size_t)run->nr_workers * sizeof(control->workers[0]);
	return run->nr_workers && run->nr_workers <= SHMHT_WORKERS_MAX && run->nr_slots &&
	       run->nr_slots <= INTERVAL_SLOTS_MAX && run->slots_offset >= parts &&
	       run->slots_offset % _Alignof(struct interval_slot) == 0 &&
	       run->slots_offset <= bytes &&
	       (size_t)run->nr_workers * run->nr_slots * sizeof(struct interval_slot) <=
		       bytes - run->slots_offset;
}

static bool map_control(struct top_run *run, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd < 0)
		return false;
	/* Sealed: the file cannot shrink under the mapping. */
	if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof(struct control) &&
	    (fcntl(fd, F_GET_SEALS) & WANTED_SEALS) == WANTED_SEALS)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return false;
	run->control = map;
	run->bytes = (size_t)st.st_size;
	if (fits(run, run->bytes)) {
		run->progress = calloc(run->nr_workers, sizeof(*run->progress));
		run->ops_per_s = calloc(run->nr_workers, sizeof(*run->ops_per_s));
	}
	if (run->progress && run->ops_per_s)
		return true;
	top_run_close(run);
	return false;
}

void top_run_open(struct top_run *run, pid_t pid)
{
	char dir[64], path[400], link[64];
	struct dirent *entry;
	DIR *fds;

	*run = (struct top_run){ .total = NAN, .p50_ns = NAN, .p99_ns = NAN, .p999_ns = NAN };
	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	fds = opendir(dir);
	while (fds && !run->control && (entry = readdir(fds))) {
		ssize_t len;

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len >= (ssize_t)strlen(LINK) && strncmp(link, LINK, strlen(LINK)) == 0)
			map_control(run, path);
	}
	if (fds)
		closedir(fds);
}

void top_run_close(struct top_run *run)
{
	if (run->control)
		munmap((void *)(uintptr_t)run->control, run->bytes);
	free(run->progress);
	free(run->ops_per_s);
	*run = (struct top_run){ .control = NULL };
}

void top_run_begin(struct top_run *run)
{
	if (!run->control)
		return;
	for (uint32_t i = 0; i < run->nr_workers; i++)
		run->progress[i] = atomic_load_explicit(&run->control->workers[i].progress,
							memory_order_relaxed);
	run->seen_ns = shmht_monotonic_ns();
	run->word = atomic_load(&run->control->phase);
}

/* As series_tick() has it: an interval is whole once the one after it is over. */
static uint32_t slots_whole(const struct top_run *run, uint32_t word)
{
	uint32_t number = word >> PHASE_BITS;

	number = (word & PHASE_MASK) == PHASE_MEASURE && number ? number - 1 : 0;
	return number < run->nr_slots ? number : run->nr_slots;
}

static void percentiles(struct top_run *run, uint32_t word)
{
	uint32_t from = run->next_slot, to = slots_whole(run, word), nr = 0;
	const struct interval_slot **slots, *all;
	struct interval_figures figures;

	run->p50_ns = run->p99_ns = run->p999_ns = NAN;
	if (from >= to)
		return;
	/* At the first look: what is recent, not all since the window began. */
	if (!from && to > SLOTS_RECENT)
		from = to - SLOTS_RECENT;
	slots = calloc((size_t)(to - from) * run->nr_workers, sizeof(*slots));
	if (!slots)
		return;
	all = (const struct interval_slot *)((const char *)run->control + run->slots_offset);
	for (uint32_t i = 0; i < run->nr_workers; i++)
		for (uint32_t k = from; k < to; k++)
			slots[nr++] = all + (size_t)i * run->nr_slots + k;
	interval_merge(slots, nr, &figures);
	free(slots);
	run->next_slot = to;
	run->p50_ns = figures.p50_ns;
	run->p99_ns = figures.p99_ns;
	run->p999_ns = figures.p999_ns;
}

void top_run_end(struct top_run *run)
{
	uint32_t word, phase;
	double seconds;

	if (!run->control)
		return;
	word = atomic_load(&run->control->phase);
	phase = word & PHASE_MASK;
	run->phase = phase <= PHASE_STOP ? (enum phase)phase : PHASE_SETUP;
	seconds = (double)(shmht_monotonic_ns() - run->seen_ns) * 1e-9;
	run->total = 0;
	for (uint32_t i = 0; i < run->nr_workers; i++) {
		uint64_t now = atomic_load_explicit(&run->control->workers[i].progress,
						    memory_order_relaxed);

		/* A worker counts from 0 again where a phase begins. */
		run->ops_per_s[i] = phase == (run->word & PHASE_MASK) && now >= run->progress[i] &&
						    (phase == PHASE_WARMUP ||
						     phase == PHASE_MEASURE) ?
					    (double)(now - run->progress[i]) / seconds :
					    NAN;
		run->total += run->ops_per_s[i];
	}
	percentiles(run, word);
}

double top_run_worker(const struct top_run *run, pid_t tid)
{
	for (uint32_t i = 0; run->control && i < run->nr_workers; i++)
		if (*(const volatile pid_t *)&run->control->workers[i].result.tid == tid)
			return run->ops_per_s[i];
	return NAN;
}
