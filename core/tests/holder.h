/* SPDX-License-Identifier: MIT */
/*
 * Somebody else who holds a stripe's lock: a thread, or a child process that
 * attached by the descriptor, until it is told to let go, stopped or killed.
 */
#ifndef CORE_TESTS_HOLDER_H
#define CORE_TESTS_HOLDER_H

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

struct holder {
	atomic_int step; /* 1: holds, 2: shall let go, 3: has let go */
	atomic_int failed;
	struct shmht *map;
	const struct shmht_strategy *strategy;
	uint32_t stripe;
	uint64_t delay_ns; /* between the order to let go and doing so */
	_Atomic pid_t tid;
	pthread_t thread;
	pid_t pid;
};

static int hold(struct holder *holder, struct shmht *map)
{
	struct shmht_ctx *ctx;
	int r = shmht_ctx_open(map, &ctx, NULL);

	if (!r)
		r = holder->strategy->ops.lock(ctx, holder->stripe);
	holder->tid = (pid_t)syscall(SYS_gettid);
	atomic_store(&holder->failed, r);
	atomic_store(&holder->step, 1);
	if (r || !step_wait(&holder->step, 2))
		return 1;
	sleep_ns(holder->delay_ns);
	holder->strategy->ops.unlock(ctx, holder->stripe);
	shmht_ctx_close(ctx);
	atomic_store(&holder->step, 3);
	return 0;
}

static void *hold_in_thread(void *arg)
{
	struct holder *holder = arg;

	hold(holder, holder->map);
	return NULL;
}

static int hold_in_child(void *arg)
{
	struct holder *holder = arg;
	struct shmht *map;

	return shmht_attach(shmht_fd(holder->map), NULL, &map, NULL) || hold(holder, map);
}

static inline struct holder *holder_new(struct shmht *map, uint32_t stripe)
{
	struct holder *holder = shared_memory(sizeof(*holder));
	struct shmht_info info;

	shmht_info(map, &info);
	holder->map = map;
	holder->stripe = stripe;
	holder->strategy = shmht_strategy_find(info.strategy);
	return holder;
}

static inline void holder_ready(struct holder *holder)
{
	assert_true(step_wait(&holder->step, 1));
	assert_rc(atomic_load(&holder->failed), 0);
}

static inline struct holder *holder_thread(struct shmht *map, uint32_t stripe)
{
	struct holder *holder = holder_new(map, stripe);

	holder->pid = getpid();
	assert_int_equal(pthread_create(&holder->thread, NULL, hold_in_thread, holder), 0);
	holder_ready(holder);
	return holder;
}

static inline struct holder *holder_child(struct shmht *map, uint32_t stripe)
{
	struct holder *holder = holder_new(map, stripe);

	holder->pid = child_start(hold_in_child, holder);
	holder_ready(holder);
	return holder;
}

/* Soon, while the caller does something else. */
static inline void holder_let_go_after(struct holder *holder, uint64_t delay_ns)
{
	holder->delay_ns = delay_ns;
	atomic_store(&holder->step, 2);
}

static inline void holder_let_go(struct holder *holder)
{
	int holds = 1;

	atomic_compare_exchange_strong(&holder->step, &holds, 2);
	if (holder->pid == getpid())
		assert_int_equal(pthread_join(holder->thread, NULL), 0);
	else
		assert_int_equal(child_wait(holder->pid), 0);
	assert_int_equal(atomic_load(&holder->step), 3);
}

#endif
