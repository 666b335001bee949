/* SPDX-License-Identifier: MIT */
/*
 * Locks built elsewhere: `lock = ./mine.so`. A value of `lock` with a slash in it
 * is a file; loading it runs its code, in this process and with its rights.
 */
#ifndef SHMBENCH_LOCK_FILE_H
#define SHMBENCH_LOCK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shmht.h"

#define LOCK_TEXT_MAX 256u /* bytes of a lock's value, a path included, with the 0 */

struct lock_file {
	char path[LOCK_TEXT_MAX]; /* as it was asked for */
	char sha256[65];
	const struct shmht_strategy *strategy; /* its name: "NAME@SHA256", cut */
	const struct shmht_strategy_file *file;
	char *flags; /* the compiler's; NULL: not recorded */
};

static inline bool lock_is_file(const char *lock)
{
	return __builtin_strchr(lock, '/') != NULL;
}

/*
 * Loads it, or finds it loaded: by its path, and by its content, so that two paths
 * of one file are one strategy. Files stay until the process ends. -EINVAL with why,
 * or another negative errno. Not while there are other threads.
 */
int lock_file_load(const char *path, const struct lock_file **ret_file, char *why, size_t size);

/* Of those loaded; NULL: none of that path. */
const struct lock_file *lock_file_find(const char *path);

/* Built in or loaded, by the text that a point's parameters have; NULL: neither. */
const struct shmht_strategy *lock_strategy(const char *lock);

/* NULL, or why the loader had better not see this file. Nothing in it is trusted. */
const char *lock_elf_defect(const unsigned char *bytes, size_t len);

/*
 * The command line that gcc or clang noted in an ELF file under
 * -frecord-gcc-switches, as a string to be freed. NULL: none there, or no memory.
 * Nothing in the file is trusted.
 */
char *lock_elf_flags(const unsigned char *bytes, size_t len);

#endif
