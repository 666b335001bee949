/* SPDX-License-Identifier: MIT */
/*
 * A CPU quota for the crew while the storm lasts: a control group below ours (v1), or
 * beside it where ours has processes and may have no limited children (v2). When the
 * workers have used up their share of a period the scheduler stops them where they are,
 * with a lock in their hands or without, as it happens in containers.
 *
 * The group has our lock (flock), which the workers inherit: who finds a group that
 * nobody has locked removes it, so that nothing stays behind for longer than until the
 * next run with a quota, however this one ended.
 *
 * Manual: Linux, cgroup-v2.rst (cpu.max, cpu.stat), sched-bwc.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/host_limits.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "torture/torture_internal.h"

#define PREFIX "shmbench-quota-"
#define LOOK_NS 2000000u /* a section of an operation lasts some 100 ns */

struct quota {
	int home, group; /* folders; the latter has our lock */
	int parent;	 /* of group */
	bool v2, joined;
	char name[48];
	uint64_t periods, throttled; /* when the crew joined */
	/* The last look at who has a lock. */
	uint64_t looked_ns, ops;
	uint32_t stripe, member;
};

/* ---- files --------------------------------------------------------------- */

static int put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int put_number(int dir, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return put(dir, name, text);
}

/* Of cpu.stat, "KEY NUMBER" a line; 0 when it is not there. */
static uint64_t stat_of(int dir, const char *key)
{
	int fd = openat(dir, "cpu.stat", O_RDONLY | O_CLOEXEC);
	char text[1024], *line;
	ssize_t len;

	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ' ')
			return strtoull(line + strlen(key), NULL, 10);
	}
	return 0;
}

/* ---- the group ----------------------------------------------------------- */

static int open_folder(const struct cgroup *cgroup)
{
	char path[sizeof(cgroup->mount) + sizeof(cgroup->path) + 16];
	const char *below = strcmp(cgroup->path, "/") ? cgroup->path : "";
	int fd = -1;

	/* Beside v1 hierarchies v2 has a mount of its own. */
	if (cgroup->version == 2) {
		snprintf(path, sizeof(path), "%s/unified%s", cgroup->mount, below);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s%s", cgroup->mount, below);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* Groups of runs that could not remove them. */
static void remove_stale(int parent)
{
	int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		fd = openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			unlinkat(parent, entry->d_name, AT_REMOVEDIR);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static int limit(const struct quota *quota, const struct quota_plan *plan)
{
	char text[48];
	int r;

	if (quota->v2) {
		snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, plan->cpu_ns / 1000,
			 plan->period_ns / 1000);
		r = put(quota->group, "cpu.max", text);
		if (r != -ENOENT)
			return r;
		/* The controller is not handed down here yet. */
		put(quota->parent, "cgroup.subtree_control", "+cpu");
		return put(quota->group, "cpu.max", text);
	}
	r = put_number(quota->group, "cpu.cfs_period_us", plan->period_ns / 1000);
	return r ? r : put_number(quota->group, "cpu.cfs_quota_us", plan->cpu_ns / 1000);
}

static void remove_group(struct quota *quota)
{
	int r = -1;

	/* Who has just been reaped may be counted for a moment more. */
	for (int i = 0; r && i < 200; i++) {
		r = unlinkat(quota->parent, quota->name, AT_REMOVEDIR);
		if (r && errno != EBUSY)
			break;
		if (r)
			usleep(1000);
	}
	if (quota->group >= 0)
		close(quota->group);
	close(quota->parent);
	quota->group = quota->parent = -1;
}

/* Takes the folder `parent`, whatever comes of it. */
static int make_group(struct quota *quota, int parent, const struct quota_plan *plan)
{
	struct stat st;
	int r;

	remove_stale(parent);
	quota->parent = parent;
	quota->group = -1;
	if (mkdirat(parent, quota->name, 0755)) {
		r = -errno;
		close(parent);
		return r;
	}
	quota->group = openat(parent, quota->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (quota->group < 0 || flock(quota->group, LOCK_EX | LOCK_NB) ||
	    fstatat(parent, quota->name, &st, 0))
		r = -EAGAIN; /* another run took it for one that was left behind */
	else
		r = limit(quota, plan);
	if (r)
		remove_group(quota);
	return r;
}

int quota_open(struct storm *storm)
{
	const struct quota_plan *plan = &storm->params->quota;
	struct quota *quota;
	struct cgroup cgroup;
	int r = -ENOENT;

	if (!plan->cpu_ns)
		return 0;
	if (!host_cgroup_find("", "cpu", &cgroup))
		return torture_give_up(storm, TRIAL_NOT_MEASURED,
				       "quota: no control group has the cpu controller here; see "
				       "/proc/self/cgroup");
	quota = storm->quota = calloc(1, sizeof(*quota));
	if (!quota)
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "no memory");
	quota->group = quota->parent = -1;
	quota->v2 = cgroup.version == 2;
	quota->home = open_folder(&cgroup);
	snprintf(quota->name, sizeof(quota->name), PREFIX "%d", (int)getpid());
	do {
		int parent = open_folder(&cgroup);

		r = parent < 0 ? parent : make_group(quota, parent, plan);
	} while (r && quota->v2 && host_cgroup_up(&cgroup));
	if (r)
		return torture_give_up(storm, TRIAL_NOT_MEASURED,
				       "quota: no control group with a CPU limit can be made in "
				       "%s%s: %s; as root, or in a group that is delegated, with "
				       "its cpu controller, it can",
				       cgroup.mount, cgroup.path, strerror(-r));
	storm->outcome->has_quota = true;
	return 0;
}

void quota_close(struct storm *storm)
{
	struct quota *quota = storm->quota;

	if (!quota)
		return;
	if (quota->parent >= 0)
		remove_group(quota);
	if (quota->home >= 0)
		close(quota->home);
	free(quota);
	storm->quota = NULL;
}

/* ---- the crew ------------------------------------------------------------ */

int quota_hire(struct storm *storm, pid_t pid)
{
	int r;

	if (!storm->quota || !storm->quota->joined)
		return 0;
	r = put_number(storm->quota->group, "cgroup.procs", (uint64_t)pid);
	if (!r || r == -ESRCH) /* it has died already */
		return 0;
	return torture_give_up(storm, TRIAL_NOT_MEASURED, "quota: pid %d cannot be put into %s: %s",
			       (int)pid, storm->quota->name, strerror(-r));
}

int quota_begin(struct storm *storm)
{
	struct quota *quota = storm->quota;
	int r = 0;

	if (!quota)
		return 0;
	quota->periods = stat_of(quota->group, "nr_periods");
	quota->throttled = stat_of(quota->group, "nr_throttled");
	quota->joined = true;
	quota->member = storm->params->procs;
	for (uint32_t i = 0; i < storm->params->procs && !r; i++)
		if (storm->crew[i].pid)
			r = quota_hire(storm, storm->crew[i].pid);
	return r;
}

void quota_end(struct storm *storm)
{
	struct torture_outcome *outcome = storm->outcome;
	struct quota *quota = storm->quota;

	if (!quota || !quota->joined)
		return;
	quota->joined = false;
	for (uint32_t i = 0; i < storm->params->procs; i++) {
		pid_t pid = storm->crew[i].pid;
		int r = pid ? put_number(quota->home, "cgroup.procs", (uint64_t)pid) : 0;

		if (r && r != -ESRCH)
			torture_give_up(storm, TRIAL_NOT_MEASURED,
					"quota: pid %d cannot be taken out of %s: %s", (int)pid,
					quota->name, strerror(-r));
	}
	outcome->quota_periods += stat_of(quota->group, "nr_periods") - quota->periods;
	outcome->quota_throttled += stat_of(quota->group, "nr_throttled") - quota->throttled;
}

void quota_look(struct storm *storm, uint64_t now)
{
	struct quota *quota = storm->quota;
	uint32_t i;

	if (!quota || now - quota->looked_ns < LOOK_NS)
		return;
	shmht_ctx_set_timeout(storm->ctx, 0);
	i = faults_ask_lock(storm, quota->stripe);
	if (i == storm->params->procs) {
		quota->stripe = (quota->stripe + 1) % storm->params->stripes;
	} else {
		uint64_t ops = atomic_load(&storm->control->parts[i].ops);

		/* It is still in the operation in which it was seen the last time. */
		storm->outcome->quota_held += i == quota->member && ops == quota->ops;
		quota->ops = ops;
	}
	quota->member = i;
	quota->looked_ns = now;
}
