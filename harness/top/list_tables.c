/* SPDX-License-Identifier: MIT */
/*
 * `shmbench list tables`: the descriptors of all processes that are tables, found
 * by the name of their memfd and then attached read-only; each table once.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "shmht.h"

#define MEMFD_LINK "/memfd:shmht"
#define TABLES_MAX 1024

struct seen {
	uint64_t device, inode;
};

struct search {
	struct seen tables[TABLES_MAX];
	size_t nr;
	size_t hidden; /* processes that we may not look at */
};

static bool is_new(struct search *search, const struct stat *st)
{
	for (size_t i = 0; i < search->nr; i++)
		if (search->tables[i].device == st->st_dev && search->tables[i].inode == st->st_ino)
			return false;
	if (search->nr == TABLES_MAX)
		return false;
	search->tables[search->nr++] = (struct seen){ st->st_dev, st->st_ino };
	return true;
}

/* The process's name, fit for a terminal. */
static void read_name(const char *pid, char *buf, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(buf, (int)size, f))
		snprintf(buf, size, "?");
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	for (char *p = buf; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
}

static void show(const char *pid, const char *fd, const char *path)
{
	static const struct shmht_attach_options observe = { .read = -1,
							     .flags = SHMHT_ATTACH_OBSERVE };
	struct shmht_error err = { "" };
	int own = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	struct shmht_info info;
	struct shmht *map;
	char name[32];

	read_name(pid, name, sizeof(name));
	r = own < 0 ? -errno : shmht_attach(own, &observe, &map, &err);
	if (own >= 0)
		close(own);
	if (r) {
		printf("%-8s %-4s %-16s %s\n", pid, fd, name, *err.text ? err.text : strerror(-r));
		return;
	}
	shmht_info(map, &info);
	printf("%-8s %-4s %-16s %-15s %-8s %8u %12llu %14llu\n", pid, fd, name, info.strategy,
	       shmht_read_name(info.read), info.stripes, (unsigned long long)info.capacity,
	       (unsigned long long)info.region_bytes);
	shmht_detach(map);
}

static void look_at(struct search *search, const char *pid)
{
	char dir[64], path[128], link[64];
	struct dirent *entry;
	struct stat st;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%.16s/fd", pid);
	fds = opendir(dir);
	if (!fds) {
		search->hidden += errno == EACCES || errno == EPERM;
		return;
	}
	while ((entry = readdir(fds))) {
		ssize_t len;

		snprintf(path, sizeof(path), "%s/%.16s", dir, entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < (ssize_t)strlen(MEMFD_LINK) ||
		    strncmp(link, MEMFD_LINK, strlen(MEMFD_LINK)) != 0)
			continue;
		if (stat(path, &st) == 0 && is_new(search, &st))
			show(pid, entry->d_name, path);
	}
	closedir(fds);
}

int list_tables(void)
{
	struct search *search = calloc(1, sizeof(*search));
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!search || !proc) {
		fprintf(stderr, "shmbench list: /proc cannot be read: %s\n", strerror(errno));
		free(search);
		return EXIT_NOT_MEASURED;
	}
	printf("%-8s %-4s %-16s %-15s %-8s %8s %12s %14s\n", "pid", "fd", "process", "lock", "read",
	       "stripes", "capacity", "bytes");
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			look_at(search, entry->d_name);
	closedir(proc);
	if (!search->nr)
		printf("no table is open in any process%s\n",
		       search->hidden ? " we may look at" : "");
	if (search->hidden)
		printf("%zu processes of other users were not looked at\n", search->hidden);
	free(search);
	return EXIT_YES;
}
