/* SPDX-License-Identifier: MIT */
/*
 * Loading locks built elsewhere. The file is read first: its hash names the
 * strategy, so that a table says which build of a lock it was made under.
 *
 * SHA-256 is libmd's, which hashes scenarios already: a BSD licence, and no
 * further package on a bare machine, where the kernel's AF_ALG may be missing.
 */
#include "lock/lock_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)
#define FILES_MAX 64u	/* paths, in one process */
#define BUILD_DIGITS 8u /* of the hash, in a strategy's name */
#define DESCRIPTOR "shmht_strategy_file"
#define HOW_TO_BUILD \
	"build it with cc $(pkg-config --cflags shmht-strategy) -O2 -fPIC -shared mine.c -o mine.so"

static struct lock_file *files[FILES_MAX];
static unsigned int nr_files;

static int read_all(const char *path, unsigned char **ret_bytes, size_t *ret_len, char *why,
		    size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	unsigned char *bytes = NULL;
	struct stat st;
	ssize_t got = 0;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st)) {
		r = -errno;
		snprintf(why, size, "%s", strerror(-r));
		goto out_close;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX) {
		snprintf(why, size, "not a file of 1 byte to 64 MiB");
		r = -EINVAL;
		goto out_close;
	}
	bytes = malloc((size_t)st.st_size);
	while (bytes && len < (size_t)st.st_size &&
	       (got = read(fd, bytes + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)got;
	if (!bytes || len < (size_t)st.st_size) {
		r = !bytes ? -ENOMEM : got < 0 ? -errno : -EIO;
		snprintf(why, size, "%s", strerror(-r));
		free(bytes);
		goto out_close;
	}
	*ret_bytes = bytes;
	*ret_len = len;
out_close:
	if (fd >= 0)
		close(fd);
	return r;
}

/* dlerror() begins with the path, which the caller names anyway. */
static int loader_says(const char *path, char *why, size_t size)
{
	const char *text = dlerror();
	size_t len = strlen(path);

	if (text && strncmp(text, path, len) == 0 && text[len] == ':')
		text += len + 1 + (text[len + 1] == ' ');
	snprintf(why, size, "%s; " HOW_TO_BUILD, text ? text : "cannot be loaded");
	return -EINVAL;
}

/*
 * Twice: with functions bound late first, so that a file of another version is
 * told its version, and not the function that it calls and is no longer there.
 */
static int open_object(const char *path, const char *build, struct lock_file *file, char *why,
		       size_t size)
{
	const struct shmht_strategy_file *found;
	struct shmht_error err = { "" };
	void *handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	int r;

	if (!handle)
		return loader_says(path, why, size);
	found = dlsym(handle, DESCRIPTOR);
	if (!found) {
		snprintf(why, size, "no symbol " DESCRIPTOR "; " HOW_TO_BUILD);
		dlclose(handle);
		return -EINVAL;
	}
	if (found->abi_version == SHMHT_STRATEGY_ABI) {
		dlclose(handle);
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		found = handle ? dlsym(handle, DESCRIPTOR) : NULL;
		if (!found)
			return loader_says(path, why, size);
	}
	r = shmht_strategy_add(found, build, &file->strategy, &err);
	if (r) {
		snprintf(why, size, "%s", err.text);
		dlclose(handle);
	}
	file->file = found;
	return r;
}

static const struct lock_file *same_content(const char *sha256)
{
	for (unsigned int i = 0; i < nr_files; i++)
		if (strcmp(files[i]->sha256, sha256) == 0)
			return files[i];
	return NULL;
}

static int load(struct lock_file *file, char *why, size_t size)
{
	const struct lock_file *same;
	char build[BUILD_DIGITS + 1];
	const char *defect;
	unsigned char *bytes = NULL;
	size_t len = 0;
	int r = read_all(file->path, &bytes, &len, why, size);

	if (r)
		return r;
	defect = lock_elf_defect(bytes, len);
	SHA256Data(bytes, len, file->sha256);
	same = same_content(file->sha256);
	if (same) {
		file->strategy = same->strategy;
		file->file = same->file;
		file->flags = same->flags ? strdup(same->flags) : NULL;
	} else if (defect) {
		snprintf(why, size, "%s; " HOW_TO_BUILD, defect);
		r = -EINVAL;
	} else {
		memcpy(build, file->sha256, BUILD_DIGITS);
		build[BUILD_DIGITS] = '\0';
		r = open_object(file->path, build, file, why, size);
		if (!r)
			file->flags = lock_elf_flags(bytes, len);
	}
	free(bytes);
	return r;
}

int lock_file_load(const char *path, const struct lock_file **ret_file, char *why, size_t size)
{
	const struct lock_file *loaded = lock_file_find(path);
	struct lock_file *file;
	int r;

	if (loaded) {
		*ret_file = loaded;
		return 0;
	}
	if (strlen(path) >= LOCK_TEXT_MAX || nr_files == FILES_MAX) {
		snprintf(why, size, "a path has %u bytes at most, and there are %u files at most",
			 LOCK_TEXT_MAX - 1, FILES_MAX);
		return -EINVAL;
	}
	file = calloc(1, sizeof(*file));
	if (!file) {
		snprintf(why, size, "no memory");
		return -ENOMEM;
	}
	snprintf(file->path, sizeof(file->path), "%s", path);
	r = load(file, why, size);
	if (r) {
		free(file);
		return r;
	}
	files[nr_files++] = file;
	*ret_file = file;
	return 0;
}

const struct lock_file *lock_file_find(const char *path)
{
	for (unsigned int i = 0; i < nr_files; i++)
		if (strcmp(files[i]->path, path) == 0)
			return files[i];
	return NULL;
}

const struct shmht_strategy *lock_strategy(const char *lock)
{
	const struct lock_file *file = lock_file_find(lock);

	return file ? file->strategy : shmht_strategy_find(lock);
}
