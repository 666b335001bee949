/* SPDX-License-Identifier: MIT */
/*
 * Writing results. A result is whole or not there: it is written to a
 * temporary name beside its place, made durable, and renamed.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result/result.h"
#include "result/result_internal.h"

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t done = write(fd, text, len);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		text += done;
		len -= (size_t)done;
	}
	return 0;
}

/* A device or a pipe (/dev/stdout, /dev/null) is written to, never replaced. */
static int write_in_place(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY), rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, len);
	if (close(fd) && !rc)
		rc = -errno;
	return rc;
}

/* A name of its own in path's folder: rename() does not cross file systems. */
static int open_temporary(const char *path, char temporary[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;

	for (unsigned int attempt = 0; attempt < 100; attempt++) {
		int len = snprintf(temporary, PATH_MAX, "%.*s.shmbench-%d-%u.tmp", dir_len, path,
				   (int)getpid(), attempt),
		    fd;

		if (len >= PATH_MAX)
			return -ENAMETOOLONG;
		fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* So that the new name survives a crash; some file systems cannot, and need not. */
static void sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int replace_file(const char *path, const char *text, size_t len)
{
	char temporary[PATH_MAX];
	int fd = open_temporary(path, temporary), rc;

	if (fd < 0)
		return fd;
	rc = write_all(fd, text, len);
	if (!rc && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (rc)
		unlink(temporary);
	else
		sync_folder(path);
	return rc;
}

/* Where path leads: a symbolic link to a file stays one. */
int result_write_text(const char *path, const char *text, size_t len)
{
	char resolved[PATH_MAX];
	struct stat st;

	if (stat(path, &st)) {
		if (errno != ENOENT)
			return -errno;
		return replace_file(path, text, len);
	}
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return write_in_place(path, text, len);
	return replace_file(realpath(path, resolved) ? resolved : path, text, len);
}

int result_can_write(const char *path)
{
	char temporary[PATH_MAX], resolved[PATH_MAX];
	struct stat st;
	int fd;

	if (stat(path, &st)) {
		if (errno != ENOENT)
			return -errno;
	} else if (S_ISDIR(st.st_mode)) {
		return -EISDIR;
	} else if (!S_ISREG(st.st_mode)) {
		/* Not opened: a pipe would wait for its reader here. */
		return access(path, W_OK) ? -errno : 0;
	} else if (realpath(path, resolved)) {
		path = resolved;
	}
	if (strlen(path) && path[strlen(path) - 1] == '/')
		return -EISDIR;
	/* What will be done in the end, and nothing else, says whether it can be. */
	fd = open_temporary(path, temporary);
	if (fd < 0)
		return fd;
	close(fd);
	unlink(temporary);
	return 0;
}

int result_write(const json_t *result, const char *path)
{
	/* 15 digits: as many as a double keeps of what people write. */
	char *text = json_dumps(result, JSON_INDENT(1) | JSON_REAL_PRECISION(15)), *longer;
	size_t len;
	int rc;

	if (!text)
		return -ENOMEM;
	len = strlen(text);
	longer = realloc(text, len + 2);
	if (!longer) {
		free(text);
		return -ENOMEM;
	}
	memcpy(longer + len, "\n", 2);
	rc = result_write_text(path, longer, len + 1);
	free(longer);
	return rc;
}

int result_default_path(const struct scenario *scenario, struct timespec started, char *buf,
			size_t size)
{
	char name[80] = "result", when[32] = "";
	struct stat st;
	struct tm tm;
	const char *folder = stat("results", &st) == 0 && S_ISDIR(st.st_mode) ? "./results" : ".";

	if (scenario->name && scenario->name[0])
		snprintf(name, sizeof(name), "%s", scenario->name);
	/* It becomes a file name: nothing that a shell or a folder would mind. */
	for (char *at = name; *at; at++)
		if (!isascii(*at) || (!isalnum((unsigned char)*at) && !strchr("_-.", *at)))
			*at = '_';
	if (gmtime_r(&started.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned int number = 1; number < 10000; number++) {
		char suffix[16] = "";
		int len;

		if (number > 1)
			snprintf(suffix, sizeof(suffix), "-%u", number);
		len = snprintf(buf, size, "%s/%s-%s%s.json", folder, name, when, suffix);
		if (len < 0 || (size_t)len >= size)
			return -ENAMETOOLONG;
		if (lstat(buf, &st))
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}
