/* SPDX-License-Identifier: MIT */
#include "target/target_scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOT "/dev/shm"
#define PREFIX "shmbench-target-"

/* Not recursive: no target makes folders. Takes fd. */
static void empty(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
}

/*
 * The lock belongs to the open file, which the workers inherit: it is free only
 * when the supervisor and all of its workers are gone, whatever pid they had and
 * in whichever pid namespace.
 */
static void remove_if_stale(int root, const char *name)
{
	int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return; /* somebody else's */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return;
	}
	empty(dup(fd));
	unlinkat(root, name, AT_REMOVEDIR);
	close(fd); /* last: until here nobody else may take it for theirs */
}

static void sweep(void)
{
	DIR *root = opendir(ROOT);
	const struct dirent *entry;

	if (!root)
		return;
	while ((entry = readdir(root)))
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
			remove_if_stale(dirfd(root), entry->d_name);
	closedir(root);
}

static int make_locked(struct scratch *scratch)
{
	struct stat st;

	for (;;) {
		/* The pid is for who looks at the folder; the lock is what counts. */
		snprintf(scratch->path, sizeof(scratch->path), ROOT "/" PREFIX "%d-XXXXXX",
			 (int)getpid());
		if (!mkdtemp(scratch->path))
			return -errno;
		scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (scratch->fd >= 0 && !flock(scratch->fd, LOCK_EX) && !fstat(scratch->fd, &st) &&
		    st.st_nlink)
			return 0;
		/* Swept by another run between its name and its lock: another name. */
		if (scratch->fd < 0 && errno != ENOENT)
			return -errno;
		if (scratch->fd >= 0)
			close(scratch->fd);
	}
}

int scratch_make(uint64_t bytes, struct scratch *ret_scratch, struct shmht_error *err)
{
	struct statvfs fs;
	uint64_t room;
	int r;

	sweep();
	if (statvfs(ROOT, &fs)) {
		r = -errno;
		snprintf(err->text, sizeof(err->text), ROOT ": %s", strerror(-r));
		return r;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room < bytes) {
		snprintf(err->text, sizeof(err->text),
			 ROOT " has room for %llu MB, the target may need %llu: mount it larger, "
			      "or lower `capacity`",
			 (unsigned long long)(room / 1000000),
			 (unsigned long long)(bytes / 1000000));
		return -ENOSPC;
	}
	r = make_locked(ret_scratch);
	if (r)
		snprintf(err->text, sizeof(err->text), "no folder in " ROOT ": %s", strerror(-r));
	return r;
}

void scratch_remove(struct scratch *scratch)
{
	empty(dup(scratch->fd));
	rmdir(scratch->path);
	close(scratch->fd);
}

uint64_t scratch_estimate(const struct params *params, unsigned int times)
{
	/* A store's own pages, and what it keeps for each entry beside the bytes. */
	const uint64_t fixed = 8u << 20, beside = 64;

	return fixed + params->capacity * times * (params->key_size + params->value_max + beside);
}
