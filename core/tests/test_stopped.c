/* SPDX-License-Identifier: MIT */
/*
 * Who is stopped in a queue keeps his place: a waiter is stopped after each of its
 * instructions, the holder lets go, and somebody else asks for the lock. From the first
 * instruction on that changes the lock's bytes, which gives the waiter its place, he must
 * not get it before the waiter, who goes on afterwards and does. For locks in order of
 * arrival that recover by themselves: their waiters decide who is dead. (Where the
 * kernel does, a waiter sleeps there, and cannot be stepped.)
 *
 * Built once more over a ticket lock that draws first and notes whose it is afterwards
 * (EXPECT_PASSED_OVER): that must be seen.
 */
#include <stdio.h>

#include "context.h"
#include "sweep.h"

#define ASKS_NS (15 * MS) /* longer than until the last, thorough look at the stopped one */
#define STEPS_MAX 3000u
#define STEPS_AFTER 150u /* the place taken: until it has looked and waited some rounds */

struct queue {
	const struct shmht_strategy *strategy;
	struct shmht *map;
	int *result; /* of the waiter */
};

static void wait_in_queue(void *arg)
{
	struct queue *queue = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(queue->map, &ctx, NULL))
		_exit(1);
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	stepper_start();
	*queue->result = queue->strategy->ops.lock(ctx, 0);
	if (!*queue->result)
		queue->strategy->ops.unlock(ctx, 0);
	stepper_end();
}

/* Goes on at full speed, to its end. */
static bool run_to_end(pid_t pid)
{
	int status;

	return !ptrace(PTRACE_CONT, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2;
}

/* After k steps. What the other one got; *placed: the waiter had its place. */
static int ask_behind(struct queue *queue, struct table *t, unsigned int k, bool *placed)
{
	unsigned char *lock = t->map->base + t->map->geo.stripes_off, before[LOCK_SLOT_BYTES];
	pid_t pid;
	int r;

	*queue->result = 1;
	assert_rc(queue->strategy->ops.lock(t->ctx, 0), 0);
	memcpy(before, lock, sizeof(before));
	pid = stepper_fork(wait_in_queue, queue);
	assert_int_equal(stepper_step_many(pid, k), STEPPED);
	*placed = memcmp(before, lock, sizeof(before)) != 0;
	queue->strategy->ops.unlock(t->ctx, 0);
	shmht_ctx_set_timeout(t->ctx, ASKS_NS);
	r = queue->strategy->ops.lock(t->ctx, 0);
	if (!r)
		queue->strategy->ops.unlock(t->ctx, 0);
	assert_true(run_to_end(pid));
	assert_rc(*queue->result, 0);
	stepper_kill(pid);
	return r;
}

static void keeps_its_place(const struct shmht_strategy *strategy)
{
	struct queue queue = { .strategy = strategy, .result = shared_memory(sizeof(int)) };
	unsigned int after = 0, passed_over = 0, k;
	struct table t;

	if (!(strategy->caps & SHMHT_CAP_FAIR) || !(strategy->caps & SHMHT_CAP_RECOVERS) ||
	    strategy->caps & (SHMHT_CAP_KERNEL_RECOVERS | SHMHT_CAP_TEST_ONLY))
		return;
	stepper_pin();
	alarm(300);
	t = table_small(strategy, 10);
	queue.map = t.map;
	for (k = 0; k < STEPS_MAX && after < STEPS_AFTER; k++) {
		bool placed;
		int r = ask_behind(&queue, &t, k, &placed);

		if (placed || after) {
			after++;
			passed_over += r == 0;
			assert_true(!r || r == -ETIMEDOUT);
		} else {
			assert_rc(r, 0);
		}
	}
	assert_int_equal(after, STEPS_AFTER);
	printf("stopped %s: at %u instructions, at %u of them with a place; passed over %u times\n",
	       strategy->name, k, after, passed_over);
#ifdef EXPECT_PASSED_OVER
	assert_true(passed_over > 0);
#else
	assert_int_equal(passed_over, 0);
#endif
	table_close(&t);
}

static const struct strategy_test tests[] = {
#ifdef EXPECT_PASSED_OVER
	{ "one passed over is seen", keeps_its_place, TEST_MANY | TEST_LOCKED },
#else
	{ "who is stopped keeps his place", keeps_its_place, TEST_MANY | TEST_LOCKED },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("stopped", tests);
}
