/* SPDX-License-Identifier: MIT */
/*
 * Who is stopped in a queue keeps his place: a waiter is stopped after each of its
 * instructions, the holder lets go, and somebody else asks for the lock. From the first
 * instruction on that changes the lock's bytes, which gives the waiter its place, he must
 * not get it before the waiter, who goes on afterwards and does. For locks in order of
 * arrival that recover by themselves: their waiters decide who is dead. (Where the
 * kernel does, a waiter sleeps there, and cannot be stepped.)
 *
 * And when another one behind him is killed, after each of its instructions from there on,
 * whoever asks next is still behind him.
 *
 * And where nobody looks whether others have died, whoever is stopped while he lines up
 * behind one who gets the lock meanwhile, or gives up, gets it after him: he was not forgotten.
 *
 * Built once more over a ticket lock that draws first and notes whose it is afterwards
 * (EXPECT_PASSED_OVER), over clh that writes its link late (EXPECT_CUT_OFF), and over mcs
 * that looks before it has said whom to tell (EXPECT_FORGOTTEN): that must be seen.
 */
#include <stdio.h>

#include "context.h"
#include "sweep.h"

#define ASKS_NS (15 * MS) /* longer than until the last, thorough look at the stopped one */
#define GIVES_UP_NS (20 * MS)
#ifdef EXPECT_FORGOTTEN
#define WAITS_NS (1000 * MS) /* who is forgotten waits for nothing */
#else
#define WAITS_NS PATIENCE_NS
#endif
#define STEPS_MAX 3000u
#define STEPS_AFTER 220u /* the place taken: until it has looked and waited some rounds */

struct queue {
	const struct shmht_strategy *strategy;
	struct shmht *map;
	int *result; /* of the waiter */
	uint64_t timeout_ns;
};

static void wait_in_queue(void *arg)
{
	struct queue *queue = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(queue->map, &ctx, NULL))
		_exit(1);
	shmht_ctx_set_timeout(ctx, queue->timeout_ns);
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

static bool is_queue(const struct shmht_strategy *strategy)
{
#ifdef STOPPED
	if (strcmp(strategy->name, STOPPED))
		return false;
#endif
	return strategy->caps & SHMHT_CAP_FAIR && strategy->caps & SHMHT_CAP_RECOVERS &&
	       !(strategy->caps & (SHMHT_CAP_KERNEL_RECOVERS | SHMHT_CAP_TEST_ONLY));
}

static struct table queue_open(struct queue *queue, enum shmht_robust robust)
{
	struct shmht_config cfg = small_config(queue->strategy, 10);
	struct table t;

	stepper_pin();
	alarm(300);
	cfg.robust = robust;
	t = table_open(&cfg);
	queue->map = t.map;
	queue->result = shared_memory(sizeof(int));
	queue->timeout_ns = PATIENCE_NS;
	return t;
}

#if !defined(EXPECT_CUT_OFF) && !defined(EXPECT_FORGOTTEN)
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
	struct queue queue = { .strategy = strategy };
	unsigned int after = 0, passed_over = 0, k;
	struct table t;

	if (!is_queue(strategy))
		return;
	t = queue_open(&queue, SHMHT_ROBUST_ON);
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
#endif

#ifndef EXPECT_PASSED_OVER
/* Up to the first instruction that changes the lock's bytes. */
static void step_to_place(pid_t pid, struct table *t)
{
	unsigned char *lock = t->map->base + t->map->geo.stripes_off, before[LOCK_SLOT_BYTES];

	memcpy(before, lock, sizeof(before));
	for (unsigned int k = 0; k < STEPS_MAX && !memcmp(before, lock, sizeof(before)); k++)
		assert_int_equal(stepper_step(pid), STEPPED);
	assert_true(memcmp(before, lock, sizeof(before)) != 0);
}

#ifndef EXPECT_FORGOTTEN
static void another_dies_behind(const struct shmht_strategy *strategy)
{
	struct queue queue = { .strategy = strategy };
	unsigned int passed_over = 0;
	struct table t;

	if (!is_queue(strategy))
		return;
	t = queue_open(&queue, SHMHT_ROBUST_ON);
	for (unsigned int k = 0; k < STEPS_AFTER; k++) {
		pid_t waits, dies;
		int r;

		*queue.result = 1;
		assert_rc(strategy->ops.lock(t.ctx, 0), 0);
		waits = stepper_fork(wait_in_queue, &queue);
		step_to_place(waits, &t);
		assert_int_equal(stepper_step_many(waits, STEPS_AFTER / 2), STEPPED);
		dies = stepper_fork(wait_in_queue, &queue);
		step_to_place(dies, &t);
		assert_int_equal(stepper_step_many(dies, k), STEPPED);
		stepper_kill(dies);
		strategy->ops.unlock(t.ctx, 0);
		shmht_ctx_set_timeout(t.ctx, ASKS_NS);
		r = strategy->ops.lock(t.ctx, 0);
		assert_true(!r || r == -ETIMEDOUT);
		passed_over += r == 0;
		if (!r)
			strategy->ops.unlock(t.ctx, 0);
		assert_true(run_to_end(waits));
		assert_rc(*queue.result, 0);
		stepper_kill(waits);
	}
	printf("stopped %s: %u died behind one; passed over %u times\n", strategy->name,
	       STEPS_AFTER, passed_over);
#ifdef EXPECT_CUT_OFF
	assert_true(passed_over > 0);
#else
	assert_int_equal(passed_over, 0);
#endif
	table_close(&t);
}
#endif

#ifndef EXPECT_CUT_OFF
/* One waits, another lines up behind him and is stopped after k steps; then the first gets
 * the lock and lets go, or gives up. What the other got. */
static int line_up_behind(struct queue *queue, struct table *t, unsigned int k, bool gives_up)
{
	pid_t first, second;

	assert_rc(queue->strategy->ops.lock(t->ctx, 0), 0);
	queue->timeout_ns = gives_up ? GIVES_UP_NS : PATIENCE_NS;
	first = stepper_fork(wait_in_queue, queue);
	step_to_place(first, t);
	queue->timeout_ns = WAITS_NS;
	second = stepper_fork(wait_in_queue, queue);
	step_to_place(second, t);
	assert_int_equal(stepper_step_many(second, k), STEPPED);
	if (!gives_up)
		queue->strategy->ops.unlock(t->ctx, 0);
	assert_true(run_to_end(first));
	assert_rc(*queue->result, gives_up ? -ETIMEDOUT : 0);
	if (gives_up)
		queue->strategy->ops.unlock(t->ctx, 0);
	*queue->result = 1;
	assert_true(run_to_end(second));
	stepper_kill(first);
	stepper_kill(second);
	return *queue->result;
}

static void nobody_is_forgotten(const struct shmht_strategy *strategy)
{
	struct queue queue = { .strategy = strategy };
	unsigned int forgotten = 0, k;
	struct table t;

	if (!is_queue(strategy))
		return;
	t = queue_open(&queue, SHMHT_ROBUST_OFF);
	for (k = 0; k < STEPS_AFTER && !forgotten; k++)
		forgotten += line_up_behind(&queue, &t, k, k % 2) != 0;
	printf("stopped %s: %u lined up behind one who went; forgotten %u times\n", strategy->name,
	       k, forgotten);
#ifdef EXPECT_FORGOTTEN
	assert_true(forgotten > 0);
#else
	assert_int_equal(forgotten, 0);
#endif
	table_close(&t);
}
#endif
#endif

static const struct strategy_test tests[] = {
#if defined(EXPECT_FORGOTTEN)
	{ "one forgotten is seen", nobody_is_forgotten, TEST_MANY | TEST_LOCKED },
#elif defined(EXPECT_CUT_OFF)
	{ "one cut off is seen", another_dies_behind, TEST_MANY | TEST_LOCKED },
#elif defined(EXPECT_PASSED_OVER)
	{ "one passed over is seen", keeps_its_place, TEST_MANY | TEST_LOCKED },
#else
	{ "who is stopped keeps his place", keeps_its_place, TEST_MANY | TEST_LOCKED },
	{ "and when another one behind him dies", another_dies_behind, TEST_MANY | TEST_LOCKED },
	{ "nobody who lines up is forgotten", nobody_is_forgotten, TEST_MANY | TEST_LOCKED },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("stopped", tests);
}
