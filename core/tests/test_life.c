/* SPDX-License-Identifier: MIT */
/*
 * Life words, which the kernel marks (life.c): beside glibc's robust mutexes, after
 * fork, after exec, and in a slot that somebody else has by now. Built once more
 * with a mutant that does not look at the slot's generation, and must be caught.
 */
#include "support.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context.h"

#define SECOND 1000000000ull

struct scene {
	struct shmht *map;
	const struct shmht_strategy *strategy;
	pthread_mutex_t before, after; /* robust, taken before and after the context */
	atomic_int step;
};

static struct scene *scene_open(const struct shmht_strategy *strategy, uint32_t workers)
{
	struct scene *scene = shared_memory(sizeof(*scene));
	struct shmht_config cfg = small_config(strategy, 10);

	cfg.max_workers = workers;
	scene->map = table_create(&cfg);
	scene->strategy = strategy;
	return scene;
}

static bool is_marked(const struct scene *scene, uint32_t slot)
{
	return atomic_load(&slots_of(scene->map)[slot].life) & FUTEX_OWNER_DIED;
}

static bool takes_part(const struct shmht_strategy *strategy)
{
	return strategy->caps & SHMHT_CAP_RECOVERS && !(strategy->caps & SHMHT_CAP_TEST_ONLY);
}

/* Opens a context, takes stripe 0's lock and stays. */
static int hold_and_stay(void *arg)
{
	struct scene *scene = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(scene->map, &ctx, NULL) || scene->strategy->ops.lock(ctx, 0))
		return 1;
	atomic_store(&scene->step, 1);
	step_wait(&scene->step, 100);
	return 2;
}

static int open_and_stay(void *arg)
{
	struct scene *scene = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(scene->map, &ctx, NULL))
		return 1;
	atomic_store(&scene->step, 2);
	step_wait(&scene->step, 100);
	return 2;
}

/* The dead holder's slot has a new user, alive: the lock is a dead one's all the same. */
static void a_slot_used_again(const struct shmht_strategy *strategy)
{
	struct scene *scene;
	struct shmht_ctx *ctx;
	pid_t dead, alive;

	if (!takes_part(strategy))
		return;
#ifdef EXPECT_CAUGHT
	/* The kernel hands on the locks of the others, whatever a generation says. */
	if (strategy->caps & SHMHT_CAP_KERNEL_RECOVERS)
		return;
#endif
	scene = scene_open(strategy, 2);
	ctx = context_open(scene->map);
	dead = child_start(hold_and_stay, scene);
	assert_true(step_wait(&scene->step, 1));
	child_kill(dead);
	assert_true(is_marked(scene, 1));
	alive = child_start(open_and_stay, scene);
	assert_true(step_wait(&scene->step, 2));
	assert_false(is_marked(scene, 1)); /* there is no other slot */
#ifdef EXPECT_CAUGHT
	shmht_ctx_set_timeout(ctx, 50000000);
	assert_rc(put_number(ctx, 1), -ETIMEDOUT);
#else
	shmht_ctx_set_timeout(ctx, 10 * SECOND);
	assert_rc(put_number(ctx, 1), 0);
#endif
	child_kill(alive);
	shmht_ctx_close(ctx);
	shmht_destroy(scene->map);
}

#ifndef EXPECT_CAUGHT
/* Workers that die and are replaced leave no trail of slots for others to look at; but
 * where the dead one's lock stays taken, his slot says whose it is. */
static void a_marked_slot_is_used_first(const struct shmht_strategy *strategy)
{
	struct scene *scene;
	struct shmht_ctx *ctx;

	if (strategy->caps & SHMHT_CAP_TEST_ONLY)
		return;
	scene = scene_open(strategy, 8);
	ctx = context_open(scene->map);
	for (int i = 0; i < 4; i++) {
		pid_t pid = child_start(open_and_stay, scene);

		assert_true(step_wait(&scene->step, 2));
		child_kill(pid);
		atomic_store(&scene->step, 0);
	}
	assert_int_equal(atomic_load(&header_of(scene->map)->slots_used),
			 strategy->caps & SHMHT_CAP_RECOVERS ? 2 : 5);
	shmht_ctx_close(ctx);
	shmht_destroy(scene->map);
}

static void make_robust(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

static int hold_everything(void *arg)
{
	struct scene *scene = arg;
	struct shmht_ctx *ctx;

	/* In and out once, so that links were written around ours. */
	if (pthread_mutex_lock(&scene->before) || shmht_ctx_open(scene->map, &ctx, NULL) ||
	    pthread_mutex_lock(&scene->after) || pthread_mutex_unlock(&scene->before) ||
	    pthread_mutex_lock(&scene->before) || scene->strategy->ops.lock(ctx, 0))
		return 1;
	atomic_store(&scene->step, 1);
	step_wait(&scene->step, 100);
	return 2;
}

/* One list for both: neither puts the other out of force. */
static void beside_glibcs_mutexes(const struct shmht_strategy *strategy)
{
	struct scene *scene;
	struct shmht_ctx *ctx;
	pid_t pid;

	if (!takes_part(strategy))
		return;
	scene = scene_open(strategy, 2);
	make_robust(&scene->before);
	make_robust(&scene->after);
	ctx = context_open(scene->map);
	pid = child_start(hold_everything, scene);
	assert_true(step_wait(&scene->step, 1));
	assert_int_equal(pthread_mutex_trylock(&scene->before), EBUSY);
	child_kill(pid);
	assert_true(is_marked(scene, 1));
	assert_int_equal(pthread_mutex_trylock(&scene->before), EOWNERDEAD);
	assert_int_equal(pthread_mutex_trylock(&scene->after), EOWNERDEAD);
	shmht_ctx_set_timeout(ctx, 10 * SECOND);
	assert_rc(put_number(ctx, 1), 0);
	shmht_ctx_close(ctx);
	shmht_destroy(scene->map);
}

static int die_at_once(void *arg)
{
	(void)arg;
	raise(SIGKILL);
	return 1;
}

/* A child of fork has an empty list: its death says nothing of its parent. */
static void after_fork(const struct shmht_strategy *strategy)
{
	struct scene *scene;
	struct shmht_ctx *ctx;
	pid_t pid;

	if (!takes_part(strategy))
		return;
	scene = scene_open(strategy, 2);
	ctx = context_open(scene->map);
	assert_int_equal(child_wait(child_start(die_at_once, scene)), 1000 + SIGKILL);
	assert_false(is_marked(scene, 0));
	/* And a context of its own is marked alone. */
	pid = child_start(hold_and_stay, scene);
	assert_true(step_wait(&scene->step, 1));
	child_kill(pid);
	assert_true(is_marked(scene, 1));
	assert_false(is_marked(scene, 0));
	shmht_ctx_set_timeout(ctx, 10 * SECOND);
	assert_rc(put_number(ctx, 1), 0);
	shmht_ctx_close(ctx);
	assert_int_equal(atomic_load(&slots_of(scene->map)[0].life), 0);
	shmht_destroy(scene->map);
}

static int hold_and_exec(void *arg)
{
	struct scene *scene = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(scene->map, &ctx, NULL) || scene->strategy->ops.lock(ctx, 0))
		return 1;
	atomic_store(&scene->step, 1);
	execl("/bin/sleep", "sleep", "30", (char *)NULL);
	return 2;
}

/* The thread lives on as another program, which knows nothing of the lock. */
static void after_exec(const struct shmht_strategy *strategy)
{
	struct scene *scene;
	struct shmht_ctx *ctx;
	pid_t pid;

	/* The kernel gives a System V semaphore back at the end of the process alone. */
	if (!takes_part(strategy) || !strcmp(strategy->name, "sysv"))
		return;
	scene = scene_open(strategy, 2);
	ctx = context_open(scene->map);
	pid = child_start(hold_and_exec, scene);
	assert_true(step_wait(&scene->step, 1));
	shmht_ctx_set_timeout(ctx, 10 * SECOND);
	assert_rc(put_number(ctx, 1), 0);
	/* The kernel goes through its list one by one, and the lock may come first. */
	for (int ms = 0; ms < 10000 && !is_marked(scene, 1); ms++)
		sleep_ns(MS);
	assert_true(is_marked(scene, 1));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	child_kill(pid);
	shmht_ctx_close(ctx);
	shmht_destroy(scene->map);
}
#endif

static const struct strategy_test tests[] = {
	{ "a dead holder's slot, used again", a_slot_used_again, TEST_MANY | TEST_LOCKED },
#ifndef EXPECT_CAUGHT
	{ "beside glibc's robust mutexes", beside_glibcs_mutexes, TEST_MANY | TEST_LOCKED },
	{ "a marked slot is used first", a_marked_slot_is_used_first, TEST_MANY | TEST_LOCKED },
	{ "after fork", after_fork, TEST_MANY | TEST_LOCKED },
	{ "after exec", after_exec, TEST_MANY | TEST_LOCKED },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("life", tests);
}
