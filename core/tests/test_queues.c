/* SPDX-License-Identifier: MIT */
/*
 * Giving up: waiters with short time-outs leave a lock's queue in the middle of
 * the traffic. Nobody may be lost (the lock stays free for ever), nobody admitted
 * beside another, and who is first come is first served.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "holder.h"

/* ---- a storm of time-outs ------------------------------------------------ */

#define WORKERS 6u
#define STRIPES 2u

struct storm {
	struct shmht *map;
	const struct shmht_strategy *strategy;
	atomic_uint next_worker;
	atomic_int stop;
	atomic_uint inside[STRIPES];
	uint64_t plain[STRIPES]; /* guarded by the stripe's lock */
	atomic_ullong got[WORKERS], gave_up[WORKERS];
	atomic_uint intruders, wrong;
};

/* Stripe 0 or 1, or (as an insert does) the pool within one of them. */
static void storm_once(struct storm *storm, struct shmht_ctx *ctx, unsigned int worker,
		       struct random *random)
{
	uint32_t k = (uint32_t)random_below(random, STRIPES);
	bool pool = random_below(random, 4) == 0;
	int r;

	/* From "hardly ever" to "almost always" too short. */
	shmht_ctx_set_timeout(ctx, random_below(random, 5) ? random_below(random, 60000) : 5 * MS);
	r = storm->strategy->ops.lock(ctx, k);
	if (r) {
		atomic_fetch_add(&storm->wrong, r != -ETIMEDOUT);
		atomic_fetch_add(&storm->gave_up[worker], 1);
		return;
	}
	atomic_fetch_add(&storm->intruders, atomic_fetch_add(&storm->inside[k], 1) != 0);
	storm->plain[k]++;
	if (pool && !storm->strategy->ops.lock(ctx, STRIPES))
		storm->strategy->ops.unlock(ctx, STRIPES);
	if (random_below(random, 64) == 0)
		sleep_ns(100000); /* too long for most of the others */
	atomic_fetch_sub(&storm->inside[k], 1);
	storm->strategy->ops.unlock(ctx, k);
	atomic_fetch_add(&storm->got[worker], 1);
}

static int storm_work(void *arg)
{
	struct storm *storm = arg;
	unsigned int worker = atomic_fetch_add(&storm->next_worker, 1);
	struct random random = { mix64(worker + 1) };
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(shmht_fd(storm->map), NULL, &map, NULL) || shmht_ctx_open(map, &ctx, NULL))
		return 1;
	while (!atomic_load(&storm->stop))
		storm_once(storm, ctx, worker, &random);
	shmht_ctx_close(ctx);
	shmht_detach(map);
	return 0;
}

static void *storm_thread(void *arg)
{
	return (void *)(intptr_t)storm_work(arg);
}

static void storm_judge(struct storm *storm, struct table *t)
{
	uint64_t got = 0, gave_up = 0;

	for (unsigned int i = 0; i < WORKERS; i++) {
		got += atomic_load(&storm->got[i]);
		gave_up += atomic_load(&storm->gave_up[i]);
		assert_true(atomic_load(&storm->got[i]) > 0);
	}
	assert_int_equal(atomic_load(&storm->wrong), 0);
	assert_int_equal(atomic_load(&storm->intruders), 0);
	assert_int_equal(storm->plain[0] + storm->plain[1], got);
	assert_true(gave_up > 0);
	/* Nothing is left of the queues: a free lock is got at the first try, again
	 * and again, in every stripe and in the pool. */
	for (int i = 0; i < 300; i++) {
		for (uint32_t k = 0; k <= STRIPES; k++) {
			shmht_ctx_set_timeout(t->ctx, 0);
			assert_rc(storm->strategy->ops.lock(t->ctx, k), 0);
			storm->strategy->ops.unlock(t->ctx, k);
		}
	}
}

static void run_storm(const struct shmht_strategy *strategy, bool threads)
{
	struct shmht_config cfg = small_config(strategy, 100);
	struct storm *storm = shared_memory(sizeof(*storm));
	pthread_t thread[WORKERS];
	pid_t pid[WORKERS];
	struct table t;
	void *result;

	cfg.stripes = STRIPES;
	t = table_open(&cfg);
	storm->map = t.map;
	storm->strategy = strategy;
	for (unsigned int i = 0; i < WORKERS; i++) {
		if (threads)
			assert_int_equal(pthread_create(&thread[i], NULL, storm_thread, storm), 0);
		else
			pid[i] = child_start(storm_work, storm);
	}
	sleep_ns((UNDER_SANITIZER ? 500 : 400) * MS);
	atomic_store(&storm->stop, 1);
	for (unsigned int i = 0; i < WORKERS; i++) {
		if (threads) {
			assert_int_equal(pthread_join(thread[i], &result), 0);
			assert_null(result);
		} else {
			assert_int_equal(child_wait(pid[i]), 0);
		}
	}
	storm_judge(storm, &t);
	table_close(&t);
}

static void storm_of_processes(const struct shmht_strategy *strategy)
{
	run_storm(strategy, false);
}

static void storm_of_threads(const struct shmht_strategy *strategy)
{
	run_storm(strategy, true);
}

/* ---- behind a holder that does not move ---------------------------------- */

/* More time-outs than a queue has places, on many locks, while nothing moves;
 * then everything goes on as if they had never been. */
static void many_give_up_behind_a_holder(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	struct shmht_ctx *other[3];
	struct holder *holder[4];
	struct table t;

	cfg.stripes = 4;
	cfg.max_workers = 16;
	t = table_open(&cfg);
	for (uint32_t k = 0; k < 4; k++)
		holder[k] = holder_thread(t.map, k);
	for (int i = 0; i < 3; i++) {
		other[i] = context_open(t.map);
		shmht_ctx_set_timeout(other[i], 20000);
	}
	for (int i = 0; i < 400; i++)
		assert_rc(strategy->ops.lock(other[i % 3], (uint32_t)i / 3 % 4), -ETIMEDOUT);
	for (uint32_t k = 0; k < 4; k++)
		holder_let_go(holder[k]);
	for (int i = 0; i < 12; i++) {
		shmht_ctx_set_timeout(other[i % 3], 0);
		for (uint32_t k = 0; k < 4; k++) {
			assert_rc(strategy->ops.lock(other[i % 3], k), 0);
			strategy->ops.unlock(other[i % 3], k);
		}
	}
	for (int i = 0; i < 3; i++)
		shmht_ctx_close(other[i]);
	table_close(&t);
}

/* ---- those who die there -------------------------------------------------- */

static int wait_for_lock(void *arg)
{
	struct storm *storm = arg;
	struct shmht_ctx *ctx;
	int r;

	if (shmht_ctx_open(storm->map, &ctx, NULL))
		return 1;
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	r = storm->strategy->ops.lock(ctx, 0);
	if (!r)
		storm->strategy->ops.unlock(ctx, 0);
	shmht_ctx_close(ctx);
	return r ? 2 : 0;
}

/* More than a worker has places, in one worker's slot after the other; who comes then
 * gets the lock, and so does everybody else. */
static void many_die_behind_a_holder(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	struct storm storm = { .strategy = strategy };
	struct table t;
	pid_t lives;

	if (!(strategy->caps & SHMHT_CAP_RECOVERS) || strategy->caps & SHMHT_CAP_TEST_ONLY)
		return;
	cfg.max_workers = 2;
	t = table_open(&cfg);
	storm.map = t.map;
	for (int again = 0; again < 2; again++) {
		shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
		assert_rc(strategy->ops.lock(t.ctx, 0), 0);
		for (int i = 0; i < 6; i++) {
			pid_t dies = child_start(wait_for_lock, &storm);

			sleep_ns(8 * MS); /* killed before it waits: a weaker test */
			child_kill(dies);
		}
		lives = child_start(wait_for_lock, &storm);
		sleep_ns(8 * MS);
		strategy->ops.unlock(t.ctx, 0);
		assert_int_equal(child_wait(lives), 0);
	}
	table_close(&t);
}

/* ---- order of arrival ---------------------------------------------------- */

#define ARRIVALS 5u

struct arrival {
	struct queue *queue;
	unsigned int number;
	uint64_t timeout_ns;
	pthread_t thread;
	_Atomic pid_t tid;
};

struct queue {
	struct table t;
	const struct shmht_strategy *strategy;
	atomic_uint nr_served, served[ARRIVALS];
	struct arrival arrivals[ARRIVALS];
};

static void *arrive(void *arg)
{
	struct arrival *arrival = arg;
	struct queue *queue = arrival->queue;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(queue->t.map, &ctx, NULL))
		return arg;
	shmht_ctx_set_timeout(ctx, arrival->timeout_ns);
	arrival->tid = (pid_t)syscall(SYS_gettid);
	if (!queue->strategy->ops.lock(ctx, 0)) {
		queue->served[atomic_fetch_add(&queue->nr_served, 1)] = arrival->number;
		queue->strategy->ops.unlock(ctx, 0);
	}
	shmht_ctx_close(ctx);
	return NULL;
}

/* One after the other they come, 20 ms apart; numbers 1 and 3 have gone before
 * the holder lets go. */
static void first_come_first_served(const struct shmht_strategy *strategy)
{
	struct queue queue = { .strategy = strategy };
	unsigned int expected[] = { 0, 2, 4 };
	void *result;

	if (!(strategy->caps & SHMHT_CAP_FAIR))
		return;
	queue.t = table_small(strategy, 10);
	shmht_ctx_set_timeout(queue.t.ctx, PATIENCE_NS);
	assert_rc(strategy->ops.lock(queue.t.ctx, 0), 0);
	for (unsigned int i = 0; i < ARRIVALS; i++) {
		struct arrival *arrival = &queue.arrivals[i];

		*arrival = (struct arrival){ .queue = &queue,
					     .number = i,
					     .timeout_ns = i % 2 ? 30 * MS : PATIENCE_NS };
		assert_int_equal(pthread_create(&arrival->thread, NULL, arrive, arrival), 0);
		while (!arrival->tid)
			sched_yield();
		sleep_ns((UNDER_SANITIZER ? 60 : 20) * MS);
	}
	sleep_ns(60 * MS);
	strategy->ops.unlock(queue.t.ctx, 0);
	for (unsigned int i = 0; i < ARRIVALS; i++) {
		assert_int_equal(pthread_join(queue.arrivals[i].thread, &result), 0);
		assert_null(result);
	}
	assert_int_equal(queue.nr_served, 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(queue.served[i], expected[i]);
	table_close(&queue.t);
}

/* ---- no wake-up without a waiter ------------------------------------------ */

/* One sleeper, woken once: the free lock afterwards costs no call. */
static void wakes_only_sleepers(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	struct holder *holder = holder_child(t.map, 0);
	uint64_t parks;

	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	holder_let_go_after(holder, 50 * MS);
	assert_rc(strategy->ops.lock(t.ctx, 0), 0);
	holder_let_go(holder);
	parks = stats->parks;
	strategy->ops.unlock(t.ctx, 0);
	for (int i = 0; i < 100; i++) {
		assert_rc(strategy->ops.lock(t.ctx, 0), 0);
		strategy->ops.unlock(t.ctx, 0);
	}
	assert_int_equal(stats->wakes, 0);
	assert_int_equal(stats->parks, parks);
	assert_int_equal(stats->contended, 1);
	assert_true(stats->parks + stats->spins + stats->yields > 0);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "time-outs under load: processes", storm_of_processes, TEST_MANY | TEST_WAITS },
	{ "time-outs under load: threads", storm_of_threads, TEST_MANY | TEST_WAITS },
	{ "400 give up behind four holders", many_give_up_behind_a_holder, TEST_MANY | TEST_WAITS },
	{ "many die behind a holder", many_die_behind_a_holder, TEST_MANY | TEST_WAITS },
	{ "first come, first served", first_come_first_served, TEST_MANY | TEST_WAITS },
	{ "no wake-up without a sleeper", wakes_only_sleepers, TEST_MANY | TEST_WAITS },
};

int main(void)
{
	shmht_ns_per_tick();
	return RUN_EVERY_STRATEGY("queues", tests);
}
