/* SPDX-License-Identifier: MIT */
/* The list of strategies: strategies.def, and in test builds the broken ones. */
#include <string.h>

#include "shmht.h"

#define STRATEGY(name) extern const struct shmht_strategy shmht_strategy_##name;
#include "strategies.def"
#undef STRATEGY

static const struct shmht_strategy *const strategies[] = {
#define STRATEGY(name) &shmht_strategy_##name,
#include "strategies.def"
#undef STRATEGY
};

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
	return NULL;
}

const char *shmht_wait_name(enum shmht_wait wait)
{
	static const char *const names[SHMHT_WAIT_NR] = { "own", "spin", "yield", "park" };

	return (unsigned int)wait < SHMHT_WAIT_NR ? names[wait] : NULL;
}
