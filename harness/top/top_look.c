/* SPDX-License-Identifier: MIT */
/*
 * One look at a table: its stripes by the shared bytes; its users by /proc. Who
 * sleeps for a lock is asleep in futex(2), at an address that lies in the table: that
 * works for whatever strategy, and for a table that was made by anybody. Who spins
 * cannot be told from who works.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "top/top.h"

#define LOOKS_BUDGET 4096u /* stripes and users, per interval */

static void release(struct top *top)
{
	free(top->stripes);
	free(top->users);
	top->stripes = NULL;
	top->users = NULL;
}

int top_open(struct top *top, struct shmht *map, pid_t pid, int fd)
{
	uint32_t things;
	struct stat st;

	*top = (struct top){ .map = map, .pid = pid, .fd = fd };
	shmht_info(map, &top->info);
	if (!fstat(shmht_fd(map), &st)) {
		top->device = st.st_dev;
		top->inode = st.st_ino;
	}
	/* The pool is one stripe more. */
	top->nr_stripes = top->info.stripes + 1 < TOP_STRIPES_MAX ? top->info.stripes + 1 :
								    TOP_STRIPES_MAX;
	things = top->nr_stripes + top->info.max_workers / 16 + 1;
	top->max_looks = LOOKS_BUDGET / things < TOP_LOOKS_MAX ? LOOKS_BUDGET / things + 1 :
								 TOP_LOOKS_MAX;
	top->stripes = calloc(top->nr_stripes, sizeof(*top->stripes));
	top->users = calloc(top->info.max_workers, sizeof(*top->users));
	if (!top->stripes || !top->users) {
		release(top);
		return -ENOMEM;
	}
	top_run_open(&top->run, pid);
	return 0;
}

void top_close(struct top *top)
{
	if (!top->map)
		return;
	release(top);
	top_run_close(&top->run);
	shmht_detach(top->map);
	top->map = NULL;
}

bool top_is_there(const struct top *top)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)top->pid, top->fd);
	return stat(path, &st) == 0 && st.st_dev == top->device && st.st_ino == top->inode;
}

/* A line of a file of /proc about a thread; false when it cannot be read. */
static bool read_line(const struct shmht_user *user, const char *name, char *buf, size_t size)
{
	char path[80];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)user->pid, (int)user->tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Where in the table an address of another process is; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct top *top, pid_t pid, uint64_t address)
{
	unsigned long long from, to, at, inode;
	uint64_t offset = UINT64_MAX;
	unsigned int major, minor;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return UINT64_MAX;
	while (offset == UINT64_MAX && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %*s %llx %x:%x %llu", &from, &to, &at, &major, &minor,
			   &inode) == 6 &&
		    inode == top->inode && makedev(major, minor) == top->device &&
		    address >= from && address < to)
			offset = address - from + at;
	}
	fclose(f);
	return offset;
}

static enum top_wait wait_at(const struct top *top, uint64_t offset, uint32_t *ret_stripe)
{
	struct shmht_place place;

	if (offset == UINT64_MAX || shmht_observe_place(top->map, offset, &place))
		return TOP_WAIT_NONE;
	if (strcmp(place.field, "lock") == 0) {
		*ret_stripe = strcmp(place.part, "pool") == 0 ? top->info.stripes :
								(uint32_t)place.nr;
		return *ret_stripe == top->info.stripes ? TOP_WAIT_POOL : TOP_WAIT_STRIPE;
	}
	return strcmp(place.field, "lock_local") == 0 ? TOP_WAIT_QUEUE : TOP_WAIT_NONE;
}

static enum top_wait find_wait(const struct top *top, const struct shmht_user *user,
			       uint32_t *ret_stripe)
{
	unsigned long long address;
	char text[256];
	long number;

	if (user->state == SHMHT_HOLDER_DEAD)
		return TOP_WAIT_NONE;
	if (!read_line(user, "syscall", text, sizeof(text)))
		return TOP_WAIT_UNKNOWN;
	if (sscanf(text, "%ld %llx", &number, &address) != 2)
		return TOP_WAIT_NONE; /* "running" */
	if (number == SYS_futex)
		return wait_at(top, offset_of(top, user->pid, address), ret_stripe);
#ifdef SYS_semop
	if (number == SYS_semop)
		return TOP_WAIT_SEMAPHORE;
#endif
	return number == SYS_semtimedop ? TOP_WAIT_SEMAPHORE : TOP_WAIT_NONE;
}

static bool read_times(const struct shmht_user *user, uint64_t *ret_run_ns, uint64_t *ret_delay_ns)
{
	unsigned long long run_ns, delay_ns;
	char text[128];

	if (!read_line(user, "schedstat", text, sizeof(text)) ||
	    sscanf(text, "%llu %llu", &run_ns, &delay_ns) != 2)
		return false;
	*ret_run_ns = run_ns;
	*ret_delay_ns = delay_ns;
	return true;
}

void top_begin(struct top *top)
{
	top->looks = 0;
	top->sleepers_known = true;
	for (uint32_t k = 0; k < top->nr_stripes; k++)
		top->stripes[k] = (struct top_stripe){ .nr = k };
	for (uint32_t i = 0; i < top->info.max_workers; i++) {
		struct top_user *user = &top->users[i];

		user->there = !shmht_observe_user(top->map, i, &user->user);
		user->seen_ns = 0;
		if (user->there && read_times(&user->user, &user->run_ns, &user->delay_ns))
			user->seen_ns = shmht_monotonic_ns();
	}
	top_run_begin(&top->run);
}

static void look_at_user(struct top *top, uint32_t i)
{
	struct top_user *user = &top->users[i];
	pid_t before = user->there ? user->user.tid : 0;

	user->there = !shmht_observe_user(top->map, i, &user->user);
	if (!user->there)
		return;
	if (user->user.tid != before)
		user->seen_ns = 0; /* somebody else's times */
	user->wait = find_wait(top, &user->user, &user->stripe);
	top->sleepers_known &= user->wait != TOP_WAIT_UNKNOWN;
	if ((user->wait == TOP_WAIT_STRIPE || user->wait == TOP_WAIT_POOL) &&
	    user->stripe < top->nr_stripes)
		top->stripes[user->stripe].asleep++;
}

void top_look(struct top *top)
{
	for (uint32_t k = 0; k < top->nr_stripes; k++) {
		struct top_stripe *stripe = &top->stripes[k];
		struct shmht_holder before = stripe->state.holder;

		if (shmht_observe_stripe(top->map, k, &stripe->state))
			continue;
		stripe->held += stripe->state.held;
		/* Free now: who was seen to have it last is more than nobody. */
		if (!stripe->state.holder.tid)
			stripe->state.holder = before;
	}
	for (uint32_t i = 0; i < top->info.max_workers; i++)
		look_at_user(top, i);
	top->looks++;
}

void top_end(struct top *top)
{
	top_run_end(&top->run);
	if (shmht_observe_count(top->map, &top->count))
		top->count = UINT64_MAX;
	for (uint32_t i = 0; i < top->info.max_workers; i++) {
		struct top_user *user = &top->users[i];
		uint64_t run_ns, delay_ns, now = shmht_monotonic_ns();

		user->cpu = user->delay = NAN;
		user->ops_per_s = top_run_worker(&top->run, user->user.tid);
		if (!user->there || !user->seen_ns || now == user->seen_ns ||
		    !read_times(&user->user, &run_ns, &delay_ns) || run_ns < user->run_ns)
			continue;
		user->cpu = (double)(run_ns - user->run_ns) / (double)(now - user->seen_ns);
		user->delay = (double)(delay_ns - user->delay_ns) / (double)(now - user->seen_ns);
	}
}
