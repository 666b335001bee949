/* SPDX-License-Identifier: MIT */
/* The list of targets, in the order of reports. */
#include "target/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/target_list.h"

static const struct target *const targets[] = {
	&target_limit, &target_urcu_lfht, &target_ck, &target_tdb, &target_lmdb, &target_redis,
};

const struct target *target_at(unsigned int idx)
{
	return idx < sizeof(targets) / sizeof(targets[0]) ? targets[idx] : NULL;
}

const struct target *target_find(const char *lock)
{
	const size_t prefix = strlen(TARGET_PREFIX);
	const struct target *target;

	if (strncmp(lock, TARGET_PREFIX, prefix) != 0)
		return NULL;
	for (unsigned int i = 0; (target = target_at(i)); i++)
		if (strcmp(target->name, lock + prefix) == 0)
			return target;
	return NULL;
}

static bool in_path(const char *program)
{
	const char *dir = getenv("PATH"), *end;
	char path[4096];

	for (; dir && *dir; dir = *end ? end + 1 : end) {
		end = strchrnul(dir, ':');
		snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dir), dir, program);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

const char *target_missing(const struct target *target, char *buf, size_t size)
{
	if (target->missing || !target->program || in_path(target->program))
		return target->missing;
	snprintf(buf, size, "%s is not in PATH: apt-get install %s", target->program,
		 target->program);
	return buf;
}
