/* SPDX-License-Identifier: MIT */
/*
 * futex with one thing wrong: included once for each mutant, with MUTANT its name.
 * Negative controls, test builds only; what must catch each is said beside its
 * test, in harness/tests/test_negative_controls.py.
 */
#include "table.h"
#include "waiting.h"

#ifdef SHMHT_MUTANT_LOST_WAKE
#define futex_wake(word, nr) ((void)(word))
#endif
#include "strategy/futex_lock.inc.h"

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	return park(l, ctx, start_ticks);
}

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define SYMBOL_OF(name) shmht_strategy_##name
#define SYMBOL(name) SYMBOL_OF(name)

#define LOCK_NAME TEXT(MUTANT)
#define LOCK_SUMMARY "futex with one thing wrong (negative control)"
#define LOCK_PAPER "-"
#define LOCK_FAIRNESS "-"
#define LOCK_DEAD_HOLDER "-"
#define LOCK_OVERSUBSCRIBED "-"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_TEST_ONLY)
#define LOCK_SYMBOL SYMBOL(MUTANT)
#include "table_body.inc.h"
