/* SPDX-License-Identifier: MIT */
/*
 * Two that claim a worker slot at the same time get two. All slots are dead ones'; one
 * process is stopped after each of its instructions from the claim on, another opens a
 * context meanwhile, and the first goes on: they must not have the same slot, for then
 * they would have one identity, and one's death would be the other's.
 *
 * Built once more over claims that leave the predecessor's start time there, beside
 * which the claimant looks dead (EXPECT_SHARED): that must be seen.
 */
#include <stdio.h>

#include "context.h"
#include "sweep.h"

#define SLOTS 2u
#define STEPS_MAX 20000u  /* to the claim */
#define STEPS_AFTER 200u  /* from it on: until the slot has all that it gets */
#define TICK_NS (20 * MS) /* longer than what start times are counted in */

struct claim {
	struct shmht *map;
	int *slot; /* of the one that is stepped; -1: none */
	atomic_int *ready;
};

static int own_slot_of(const struct shmht_ctx *ctx)
{
	return (int)(ctx->slot - slots_of(ctx->map));
}

static int die_there(void *arg)
{
	struct claim *claim = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(claim->map, &ctx, NULL))
		return 1;
	atomic_fetch_add(claim->ready, 1);
	step_wait(claim->ready, 100);
	return 2;
}

static void claim_stepped(void *arg)
{
	struct claim *claim = arg;
	struct shmht_ctx *ctx;

	stepper_start();
	*claim->slot = shmht_ctx_open(claim->map, &ctx, NULL) ? -1 : own_slot_of(ctx);
	stepper_end();
}

static void kill_all_owners(struct claim *claim)
{
	pid_t pid[SLOTS];

	atomic_store(claim->ready, 0);
	for (unsigned int i = 0; i < SLOTS; i++)
		pid[i] = child_start(die_there, claim);
	assert_true(step_wait(claim->ready, SLOTS));
	for (unsigned int i = 0; i < SLOTS; i++)
		child_kill(pid[i]);
}

static void step_to_claim(pid_t pid, const struct shm_slot *slot)
{
	struct shm_slot *first = (struct shm_slot *)(uintptr_t)slot;
	uint32_t dead = atomic_load(&first->life);

	for (unsigned int k = 0; atomic_load(&first->life) == dead; k++) {
		assert_true(k < STEPS_MAX);
		assert_int_equal(stepper_step(pid), STEPPED);
	}
}

/* After k steps more than the claim takes. True: one slot for both. */
static bool share_a_slot(struct claim *claim, unsigned int k)
{
	struct shmht_ctx *ctx;
	int mine, status;
	pid_t pid;

	kill_all_owners(claim);
	sleep_ns(TICK_NS);
	*claim->slot = -1;
	pid = stepper_fork(claim_stepped, claim);
	step_to_claim(pid, slots_of(claim->map));
	assert_int_equal(stepper_step_many(pid, k), STEPPED);
	ctx = context_open(claim->map);
	mine = own_slot_of(ctx);
	assert_false(ptrace(PTRACE_CONT, pid, NULL, NULL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2);
	assert_int_not_equal(*claim->slot, -1);
	stepper_kill(pid);
	shmht_ctx_close(ctx);
	return *claim->slot == mine;
}

static void each_has_its_own(const struct shmht_strategy *strategy)
{
	struct claim claim = { .slot = shared_memory(sizeof(int)),
			       .ready = shared_memory(sizeof(atomic_int)) };
	struct shmht_config cfg = small_config(strategy, 10);
	unsigned int shared = 0;

	cfg.max_workers = SLOTS;
	/* So that the kernel marks no slot, which would be used before one that is looked at. */
	cfg.robust = SHMHT_ROBUST_OFF;
	claim.map = table_create(&cfg);
	stepper_pin();
	alarm(300);
	for (unsigned int k = 0; k < STEPS_AFTER; k++)
		shared += share_a_slot(&claim, k);
	printf("stopped at %u instructions of a claim: %u times one slot for two\n", STEPS_AFTER,
	       shared);
#ifdef EXPECT_SHARED
	assert_true(shared > 0);
#else
	assert_int_equal(shared, 0);
#endif
	shmht_destroy(claim.map);
}

static const struct strategy_test tests[] = {
#ifdef EXPECT_SHARED
	{ "a slot that two have is seen", each_has_its_own, TEST_MANY | TEST_LOCKED | TEST_ONCE },
#else
	{ "each claimant has a slot of its own", each_has_its_own,
	  TEST_MANY | TEST_LOCKED | TEST_ONCE },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("claim", tests);
}
