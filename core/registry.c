/* SPDX-License-Identifier: MIT */
/*
 * The list of strategies: strategies.def, in test builds the broken ones, and
 * those that the process added from shared objects. The latter are found by name
 * but not listed: what "all strategies" are does not depend on what was loaded.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "context.h"

#define STRATEGY(name) extern const struct shmht_strategy shmht_strategy_##name;
#include "strategies.def"
#undef STRATEGY

static const struct shmht_strategy *const strategies[] = {
#define STRATEGY(name) &shmht_strategy_##name,
#include "strategies.def"
#undef STRATEGY
};

#define ADDED_MAX 64u
static struct shmht_strategy added[ADDED_MAX];
static char added_names[ADDED_MAX][SHMHT_NAME_MAX];
static unsigned int nr_added;

const struct shmht_strategy *shmht_strategy_at(unsigned int idx)
{
	return idx < sizeof(strategies) / sizeof(strategies[0]) ? strategies[idx] : NULL;
}

const struct shmht_strategy *shmht_strategy_find(const char *name)
{
	const struct shmht_strategy *strategy;

	for (unsigned int i = 0; (strategy = shmht_strategy_at(i)); i++)
		if (strcmp(strategy->name, name) == 0)
			return strategy;
	for (unsigned int i = 0; i < nr_added; i++)
		if (strcmp(added[i].name, name) == 0)
			return added + i;
	return NULL;
}

/* Of another version? Then nothing beyond the first two words can be relied on. */
static int check_version(const struct shmht_strategy_file *file, struct shmht_error *err)
{
	if (file->abi_version != SHMHT_STRATEGY_ABI || file->size != sizeof(*file)) {
		error_set(
			err,
			"made for strategy ABI %u (%u bytes), this is ABI %u (%zu bytes): build it "
			"against this program's headers",
			file->abi_version, file->size, SHMHT_STRATEGY_ABI, sizeof(*file));
		return -ENOSYS;
	}
	if (file->context_hash != CONTEXT_HASH || !file->strategy ||
	    file->strategy->abi_version != SHMHT_STRATEGY_ABI ||
	    file->strategy->size != sizeof(*file->strategy) ||
	    file->strategy->layout_hash != LAYOUT_HASH) {
		error_set(err,
			  "made for layout %016llx, this is layout %016llx: build it against this "
			  "program's headers",
			  (unsigned long long)file->context_hash, (unsigned long long)CONTEXT_HASH);
		return -ENOSYS;
	}
	return 0;
}

static int check_contents(const struct shmht_strategy_file *file, struct shmht_error *err)
{
	const struct shmht_strategy *strategy = file->strategy;

	if (!strategy->name || !*strategy->name || !strategy->lock_init || !strategy->ops.lock ||
	    !strategy->ops_lockless.lock || !strategy->note_holder || !strategy->recover) {
		error_set(err, "it lacks a name or an operation; end the lock's file with "
			       "#include \"table_body.inc.h\"");
		return -EINVAL;
	}
	if (strategy->lock_bytes > LOCK_SLOT_BYTES || strategy->worker_bytes > LINE_BYTES) {
		error_set(
			err,
			"its state is %u bytes a stripe and %u a worker; there is room for %u and "
			"%u",
			strategy->lock_bytes, strategy->worker_bytes, LOCK_SLOT_BYTES, LINE_BYTES);
		return -EINVAL;
	}
	return 0;
}

int shmht_strategy_add(const struct shmht_strategy_file *file, const char *build,
		       const struct shmht_strategy **ret_strategy, struct shmht_error *err)
{
	char name[SHMHT_NAME_MAX];
	int r = check_version(file, err);

	if (!r)
		r = check_contents(file, err);
	if (r)
		return r;
	if ((size_t)snprintf(name, sizeof(name), "%s@%s", file->strategy->name, build) >=
	    sizeof(name)) {
		error_set(err, "name '%.64s' is too long: %zu bytes at most", file->strategy->name,
			  sizeof(name) - 2 - strlen(build));
		return -EINVAL;
	}
	if (shmht_strategy_find(name)) {
		error_set(err, "strategy '%s' is there already", name);
		return -EEXIST;
	}
	if (nr_added == ADDED_MAX) {
		error_set(err, "%u strategies were added; there is no room for more", nr_added);
		return -ENOSPC;
	}
	memcpy(added_names[nr_added], name, sizeof(name));
	added[nr_added] = *file->strategy;
	added[nr_added].name = added_names[nr_added];
	*ret_strategy = &added[nr_added++];
	return 0;
}

const char *shmht_read_name(enum shmht_read read)
{
	static const char *const names[] = { "locked", "seqlock", "rcu", "urcu" };

	return (unsigned int)read < sizeof(names) / sizeof(names[0]) ? names[read] : NULL;
}

const char *shmht_wait_name(enum shmht_wait wait)
{
	static const char *const names[SHMHT_WAIT_NR] = { "own", "spin", "yield", "park" };

	return (unsigned int)wait < SHMHT_WAIT_NR ? names[wait] : NULL;
}
