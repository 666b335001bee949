/* SPDX-License-Identifier: MIT */
/* The list of targets, in the order of reports. */
#include "target.h"

#include <string.h>

#include "target_list.h"

static const struct target *const targets[] = {
	&target_limit,
	&target_urcu_lfht,
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
