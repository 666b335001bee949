/* SPDX-License-Identifier: MIT */
/*
 * Is a thread alive, stopped or dead? From /proc/TID/stat: kill(tid, 0)
 * succeeds for zombies and for whoever has the number now, so the start time
 * is compared too.
 */
#include "context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* State letter and start time; false when there is no such thread. */
static bool read_stat(pid_t tid, char *ret_state, uint64_t *ret_start)
{
	char path[40], text[1024], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	/* The command may hold anything, parentheses included: the last one ends it. */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ' || !p[2])
		return false;
	*ret_state = p[2];
	p += 2;
	for (int field = 3; field < 22 && p; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	*ret_start = p ? strtoull(p, NULL, 10) : 0;
	return true;
}

uint64_t thread_start_time(pid_t tid)
{
	uint64_t start;
	char state;

	return read_stat(tid, &state, &start) ? start : 0;
}

/* start_time 0: not known (a slot being claimed), any thread of that number
 * counts. */
enum shmht_holder_state thread_state(pid_t tid, uint64_t start_time)
{
	uint64_t start;
	char state;

	if (!read_stat(tid, &state, &start))
		return SHMHT_HOLDER_DEAD;
	if (start_time && start != start_time)
		return SHMHT_HOLDER_DEAD;
	switch (state) {
	case 'Z':
	case 'X':
		return SHMHT_HOLDER_DEAD;
	case 'T':
	case 't':
		return SHMHT_HOLDER_STOPPED;
	default:
		return SHMHT_HOLDER_RUNNING;
	}
}
