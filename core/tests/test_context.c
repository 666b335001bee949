/* SPDX-License-Identifier: MIT */
/*
 * Contexts and their worker slots: how many, whose, what a fork leaves of
 * them, and that the dead give theirs back.
 */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static void too_many(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_ctx *ctx[6], *none = (struct shmht_ctx *)0x77;
	struct shmht_error err = { "" };
	struct shmht *map;
	unsigned int limit = strategy->caps & SHMHT_CAP_ONE_WORKER ? 1 : 5;

	cfg.max_workers = 5;
	map = table_create(&cfg);
	for (unsigned int pass = 0; pass < 3; pass++) {
		for (unsigned int i = 0; i < limit; i++)
			ctx[i] = context_open(map);
		assert_rc(shmht_ctx_open(map, &none, &err), -EUSERS);
		assert_ptr_equal(none, (struct shmht_ctx *)0x77);
		assert_says(&err, strategy->name);
		assert_rc(shmht_ctx_open(map, &none, NULL), -EUSERS);
		/* Any of them leaves room for one. */
		shmht_ctx_close(ctx[pass % limit]);
		ctx[pass % limit] = context_open(map);
		assert_rc(shmht_ctx_open(map, &none, NULL), -EUSERS);
		assert_rc(put_number(ctx[limit - 1], pass), 0);
		for (unsigned int i = 0; i < limit; i++)
			shmht_ctx_close(ctx[i]);
	}
	shmht_destroy(map);
}

/* ---- death --------------------------------------------------------------- */

struct worker {
	struct shmht *map;
	atomic_int step;
};

static int open_and_stay(void *arg)
{
	struct worker *worker = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(worker->map, &ctx, NULL) || put_number(ctx, 1))
		return 1;
	atomic_store(&worker->step, 1);
	step_wait(&worker->step, 2);
	return 0;
}

/* kill -9 as well as an exit without a close; as a zombie, and reaped. */
static void the_dead_give_back(const struct shmht_strategy *strategy)
{
	struct worker *worker = shared_memory(sizeof(*worker));
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	struct shmht *map;
	siginfo_t info;

	cfg.max_workers = 1;
	map = table_create(&cfg);
	for (int how = 0; how < 4; how++) {
		pid_t pid;

		atomic_store(&worker->step, 0);
		worker->map = map;
		pid = child_start(open_and_stay, worker);
		assert_true(step_wait(&worker->step, 1));
		assert_rc(shmht_ctx_open(map, &ctx, &err), -EUSERS);
		if (how & 1)
			kill(pid, SIGKILL);
		else
			atomic_store(&worker->step, 2);
		if (how & 2)
			child_wait(pid);
		else
			assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		ctx = context_open(map);
		assert_true(has_number(ctx, 1));
		assert_rc(shmht_flush(ctx), 0);
		assert_sound(ctx);
		shmht_ctx_close(ctx);
		if (!(how & 2))
			child_wait(pid);
	}
	shmht_destroy(map);
}

static int fill_a_slot(void *arg)
{
	struct worker *worker = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(worker->map, &ctx, NULL))
		return 1;
	atomic_fetch_add(&worker->step, 1);
	step_wait(&worker->step, 100);
	return 2;
}

#define CROWD 4u

/* A crowd in processes of their own, killed to the last one: every slot is had
 * again, and not one more. */
static void a_killed_crowd_gives_back(const struct shmht_strategy *strategy)
{
	struct worker *worker = shared_memory(sizeof(*worker));
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_ctx *ctx[CROWD], *none;
	pid_t pids[CROWD];

	cfg.max_workers = CROWD;
	worker->map = table_create(&cfg);
	for (unsigned int i = 0; i < CROWD; i++)
		pids[i] = child_start(fill_a_slot, worker);
	assert_true(step_wait(&worker->step, CROWD));
	for (unsigned int i = 0; i < CROWD; i++) {
		assert_rc(shmht_ctx_open(worker->map, &none, NULL), -EUSERS);
		child_kill(pids[i]);
		ctx[i] = context_open(worker->map);
	}
	assert_rc(shmht_ctx_open(worker->map, &none, NULL), -EUSERS);
	for (unsigned int i = 0; i < CROWD; i++) {
		assert_rc(put_number(ctx[i], i), 0);
		shmht_ctx_close(ctx[i]);
	}
	shmht_destroy(worker->map);
}

static void *open_and_leave(void *arg)
{
	struct shmht_ctx *ctx;

	return (void *)(intptr_t)shmht_ctx_open(arg, &ctx, NULL);
}

/* A thread that ended without closing its context is dead too. */
static void ended_threads_give_back(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht *map;

	cfg.max_workers = 2;
	map = table_create(&cfg);
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		void *r;

		assert_int_equal(pthread_create(&thread, NULL, open_and_leave, map), 0);
		assert_int_equal(pthread_join(thread, &r), 0);
		assert_rc((int)(intptr_t)r, 0);
	}
	shmht_destroy(map);
}

/* A stopped process is alive: its slot is not given away. */
static void the_stopped_keep_theirs(const struct shmht_strategy *strategy)
{
	struct worker *worker = shared_memory(sizeof(*worker));
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_ctx *ctx;
	struct shmht *map;
	siginfo_t info;
	pid_t pid;

	cfg.max_workers = 1;
	map = table_create(&cfg);
	worker->map = map;
	pid = child_start(open_and_stay, worker);
	assert_true(step_wait(&worker->step, 1));
	kill(pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
	assert_rc(shmht_ctx_open(map, &ctx, NULL), -EUSERS);
	kill(pid, SIGCONT);
	child_kill(pid);
	shmht_destroy(map);
}

/* ---- fork ---------------------------------------------------------------- */

struct inherited {
	struct shmht *map;
	struct shmht_ctx *ctx;
	char failed[80];
};

#define CHILD_CHECK(got, want)                                                                   \
	do {                                                                                     \
		if ((got) != (want)) {                                                           \
			snprintf(in->failed, sizeof(in->failed), "line %d: %s", __LINE__, #got); \
			return 1;                                                                \
		}                                                                                \
	} while (0)

static int visit(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	(void)key, (void)key_len, (void)value, (void)value_len, (void)arg;
	return 0;
}

static int use_inherited(void *arg)
{
	struct inherited *in = arg;
	struct shmht_ctx *ctx = in->ctx, *own;
	struct shmht_holder holder;
	uint64_t value = 77, n = 77;
	size_t len = 77;

	CHILD_CHECK(shmht_insert(ctx, "a", 1, "b", 1), -ESTALE);
	CHILD_CHECK(shmht_update(ctx, "a", 1, "b", 1), -ESTALE);
	CHILD_CHECK(shmht_upsert(ctx, "a", 1, "b", 1), -ESTALE);
	CHILD_CHECK(shmht_search(ctx, "a", 1, &value, sizeof(value), &len), -ESTALE);
	CHILD_CHECK(shmht_remove(ctx, "a", 1), -ESTALE);
	CHILD_CHECK(shmht_flush(ctx), -ESTALE);
	CHILD_CHECK(shmht_foreach(ctx, visit, NULL), -ESTALE);
	CHILD_CHECK(shmht_remove_oldest(ctx, 50, &n), -ESTALE);
	CHILD_CHECK(shmht_count(ctx, &n), -ESTALE);
	CHILD_CHECK(shmht_check(ctx, NULL, NULL), -ESTALE);
	CHILD_CHECK(value == 77 && n == 77 && len == 77, true);
	shmht_ctx_set_timeout(ctx, 1000);
	shmht_ctx_set_hold(ctx, 1000);
	shmht_ctx_holder(ctx, &holder);
	CHILD_CHECK(holder.pid, 0);
	CHILD_CHECK(shmht_ctx_stats(ctx)->acquired, 0);
	shmht_ctx_close(ctx); /* must not free the parent's slot */

	/* The map itself is inherited, and good for a context of one's own. */
	if (shmht_ctx_open(in->map, &own, NULL) == -EUSERS)
		return 2;
	n = 2;
	CHILD_CHECK(shmht_insert(own, &n, sizeof(n), &n, sizeof(n)), 0);
	CHILD_CHECK(shmht_search(own, "k", 1, &value, sizeof(value), &len), 0);
	shmht_ctx_close(own);
	return 0;
}

static void fork_invalidates(const struct shmht_strategy *strategy)
{
	bool alone = strategy->caps & SHMHT_CAP_ONE_WORKER;
	struct inherited *in = shared_memory(sizeof(*in));
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_ctx *more = NULL;
	struct table t;
	int r;

	cfg.max_workers = alone ? 1 : 2;
	t = table_open(&cfg);
	assert_rc(shmht_insert(t.ctx, "k", 1, "v", 1), 0);
	in->map = t.map;
	in->ctx = t.ctx;
	r = child_wait(child_start(use_inherited, in));
	if (in->failed[0])
		fail_msg("in the child: %s", in->failed);
	assert_int_equal(r, alone ? 2 : 0);
	/* The parent's is as good as before, and its slot is still its own. */
	assert_true(alone || has_number(t.ctx, 2));
	if (!alone)
		more = context_open(t.map);
	assert_rc(shmht_ctx_open(t.map, &(struct shmht_ctx *){ NULL }, NULL), -EUSERS);
	shmht_ctx_close(more);
	table_close(&t);
}

/* Several threads of one process, each with its own, over one mapping. */
struct thread_arg {
	struct shmht *map;
	uint64_t first;
	int r;
};

static void *insert_some(void *arg)
{
	struct thread_arg *a = arg;
	struct shmht_ctx *ctx;

	a->r = shmht_ctx_open(a->map, &ctx, NULL);
	if (a->r)
		return NULL;
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	for (uint64_t k = 0; k < 1000 && !a->r; k++)
		a->r = put_number(ctx, a->first + k);
	shmht_ctx_close(ctx);
	return NULL;
}

static void a_context_each_thread(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 4000);
	struct thread_arg args[4];
	pthread_t threads[4];
	struct table t;

	cfg.max_workers = 5;
	t = table_open(&cfg);
	for (unsigned int i = 0; i < 4; i++) {
		args[i] = (struct thread_arg){ .map = t.map, .first = i * 1000ull };
		assert_int_equal(pthread_create(&threads[i], NULL, insert_some, &args[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_rc(args[i].r, 0);
	assert_count(t.ctx, 4000);
	for (uint64_t k = 0; k < 4000; k++)
		assert_true(has_number(t.ctx, k));
	table_close(&t);
}

static void close_nothing(const struct shmht_strategy *strategy)
{
	(void)strategy;
	shmht_ctx_close(NULL);
	shmht_detach(NULL);
	shmht_destroy(NULL);
}

static const struct strategy_test tests[] = {
	{ "as many contexts as workers, then EUSERS", too_many, 0 },
	{ "the dead give their slots back", the_dead_give_back, 0 },
	{ "a killed crowd gives its slots back", a_killed_crowd_gives_back, TEST_MANY },
	{ "ended threads give their slots back", ended_threads_give_back, TEST_MANY },
	{ "the stopped keep their slots", the_stopped_keep_theirs, 0 },
	{ "fork: the parent's context is ESTALE in the child", fork_invalidates, 0 },
	{ "a context for each thread", a_context_each_thread, TEST_MANY },
	{ "closing nothing", close_nothing, TEST_ONCE },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("context", tests);
}
