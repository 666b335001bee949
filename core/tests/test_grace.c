/* SPDX-License-Identifier: MIT */
/*
 * read = urcu over an object of the test's own: that nothing is reused before a wait
 * is over, who is refused, and what quiescent-state-based ones are told and when. An
 * object that does not wait is the negative control.
 */
#include <pthread.h>
#include <sched.h>

#include "support.h"

#define KEYS 200u
#define READERS 8u

/* ---- the object: a counter of periods, and of each thread the one it reads in -- */

static _Atomic uint64_t period = 1, reading[READERS];
static atomic_uint next_reader, entered, quiescents, rests;
static _Thread_local unsigned int self = READERS, sections;

static void enter(void)
{
	if (self == READERS)
		self = atomic_fetch_add(&next_reader, 1) % READERS;
	atomic_fetch_add(&entered, 1);
}

static void leave(void)
{
	atomic_fetch_sub(&entered, 1);
}

static void read_begin(void)
{
	sections++;
	atomic_store(&reading[self], atomic_load(&period));
}

static void read_end(void)
{
	atomic_store(&reading[self], 0);
}

static uint64_t start(void)
{
	return atomic_fetch_add(&period, 1) + 1;
}

static bool wait_for_all(uint64_t started)
{
	bool waited = false;

	for (unsigned int i = 0; i < READERS; i++)
		for (uint64_t seen; (seen = atomic_load(&reading[i])) && seen < started;) {
			waited = true;
			sched_yield();
		}
	return waited;
}

static bool wait_for_none(uint64_t started)
{
	(void)started;
	return false;
}

static void quiescent(void)
{
	atomic_fetch_add(&quiescents, 1);
}

static void rest(void)
{
	atomic_fetch_add(&rests, 1);
}

#define FUNCTIONS                                                                       \
	.enter = enter, .leave = leave, .read_begin = read_begin, .read_end = read_end, \
	.start = start
static const struct shmht_grace waits = { FUNCTIONS, .name = "waits", .wait = wait_for_all };
static const struct shmht_grace lazy = { FUNCTIONS, .name = "lazy", .wait = wait_for_none };
static const struct shmht_grace told = { FUNCTIONS, .name = "told", .wait = wait_for_all,
					 .quiescent = quiescent, .rest = rest };

static struct table open_with(const struct shmht_strategy *strategy,
			      const struct shmht_grace *grace)
{
	struct shmht_config cfg = small_config(strategy, KEYS);
	struct table t;

	cfg.read = SHMHT_READ_URCU;
	cfg.grace = grace;
	t = table_open(&cfg);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_rc(put_number(t.ctx, k), 0);
	return t;
}

/* ---- nothing is reused too early ------------------------------------------ */

struct writer {
	struct shmht *map;
	atomic_int step;
	_Atomic uint64_t done;
	int failed;
};

#define CHANGES (20 * KEYS)

static void *write_all(void *arg)
{
	struct writer *w = arg;
	struct shmht_ctx *ctx;

	w->failed = shmht_ctx_open(w->map, &ctx, NULL);
	if (w->failed)
		return NULL;
	/* Key 5 first: its cell is the first in limbo. */
	for (uint64_t i = 0; i < CHANGES && !w->failed; i++) {
		uint64_t key = (i + 5) % KEYS, value = ~key;

		w->failed = shmht_update(ctx, &key, sizeof(key), &value, sizeof(value));
		atomic_store(&w->done, i + 1);
	}
	shmht_ctx_close(ctx);
	atomic_store(&w->step, 1);
	return NULL;
}

/* True when the bytes of a section stayed what they were while another wrote. */
static bool section_holds(const struct shmht_strategy *strategy, const struct shmht_grace *grace)
{
	struct table t = open_with(strategy, grace);
	struct writer w = { .map = t.map };
	uint64_t key = 5, seen, most = shmht_monotonic_ns() + PATIENCE_NS, done = 0, same = 0;
	pthread_t thread;
	const void *value;
	bool held;
	size_t len;

	assert_rc(shmht_read_begin(t.ctx), 0);
	assert_rc(shmht_read_begin(t.ctx), 0); /* they nest */
	assert_rc(shmht_lookup(t.ctx, &key, sizeof(key), &value, &len), 0);
	shmht_read_end(t.ctx);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	/* Until it has ended, or has stood still for 100 ms after its first change. */
	while (!atomic_load(&w.step) && same < 100 && shmht_monotonic_ns() < most) {
		uint64_t now = atomic_load(&w.done);

		same = now && now == done ? same + 1 : 0;
		done = now;
		sleep_ns(MS);
	}
	memcpy(&seen, value, sizeof(seen));
	held = seen == 5 && !atomic_load(&w.step);
	/* What takes a lock would wait for itself. */
	assert_rc(remove_number(t.ctx, 7), -EDEADLK);
	shmht_read_end(t.ctx);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(w.failed, 0);
	assert_int_equal(atomic_load(&w.done), CHANGES);
	table_close(&t);
	return held;
}

static void waited_for(const struct shmht_strategy *strategy)
{
	assert_true(section_holds(strategy, &waits));
	assert_int_equal(atomic_load(&entered), 0);
}

static void lazy_is_caught(const struct shmht_strategy *strategy)
{
	assert_false(section_holds(strategy, &lazy));
}

/* ---- alone: every operation, and a table that is full --------------------- */

static void every_operation(const struct shmht_strategy *strategy)
{
	struct table t = open_with(strategy, &waits);
	uint64_t keys[4] = { 1, 2, KEYS + 1, 3 }, values[4], removed;
	struct shmht_sought sought[4];
	unsigned int before = sections;

	for (uint64_t k = 0; k < KEYS; k++)
		assert_true(has_number(t.ctx, k));
	assert_int_equal(sections - before, KEYS);
	for (unsigned int i = 0; i < 4; i++)
		sought[i] = (struct shmht_sought){
			.key = &keys[i], .key_len = 8, .value = &values[i], .size = 8
		};
	assert_rc(shmht_search_many(t.ctx, sought, 4), 0);
	for (unsigned int i = 0; i < 4; i++) {
		assert_rc(sought[i].result, i == 2 ? -ENOENT : 0);
		assert_true(i == 2 || values[i] == keys[i]);
	}
	for (unsigned int round = 0; round < 20; round++)
		for (uint64_t k = 0; k < KEYS; k++) {
			assert_rc(shmht_update(t.ctx, &k, 8, &k, 8), 0);
			assert_rc(remove_number(t.ctx, k), 0);
			assert_false(has_number(t.ctx, k));
			assert_rc(put_number(t.ctx, k), 0);
		}
	assert_rc(shmht_remove_oldest(t.ctx, 10, &removed), 0);
	assert_int_equal(removed, KEYS / 10);
	assert_rc(shmht_flush(t.ctx), 0);
	assert_count(t.ctx, 0);
	table_close(&t);
}

/* ---- who is refused ------------------------------------------------------- */

static int open_in_child(void *arg)
{
	struct shmht *map = arg;
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	int r = shmht_ctx_open(map, &ctx, &err);

	return r != -EXDEV || !strstr(err.text, "threads of one process") ||
	       !strstr(err.text, "read = rcu");
}

static int open_once(void *arg)
{
	struct shmht_ctx *ctx;
	int r = shmht_ctx_open(arg, &ctx, NULL) || !has_number(ctx, 1);

	if (!r)
		shmht_ctx_close(ctx);
	return r;
}

static void refusals(const struct shmht_strategy *strategy)
{
	struct shmht_attach_options opt = { .read = -1, .grace = &lazy };
	struct shmht_config cfg = small_config(strategy, KEYS);
	struct shmht_grace half = waits;
	struct shmht_error err = { "" };
	struct shmht *map;
	struct shmht_ctx *ctx;
	struct table t;

	cfg.read = SHMHT_READ_URCU;
	assert_rc(shmht_create(&cfg, &map, &err), -EINVAL);
	assert_says(&err, "no grace was given");
	half.wait = NULL;
	cfg.grace = &half;
	assert_rc(shmht_create(&cfg, &map, &err), -EINVAL);
	assert_says(&err, "'waits' lacks a function");

	t = open_with(strategy, &waits);
	assert_rc(shmht_attach(shmht_fd(t.map), NULL, &map, &err), -EINVAL);
	assert_says(&err, "no grace was given");
	assert_int_equal(child_wait(child_start(open_in_child, t.map)), 0);
	assert_rc(shmht_attach(shmht_fd(t.map), &opt, &map, &err), 0);
	assert_rc(shmht_ctx_open(map, &ctx, &err),
		  strategy->caps & SHMHT_CAP_ONE_WORKER ? -EUSERS : -EXDEV);
	assert_says(&err, strategy->caps & SHMHT_CAP_ONE_WORKER ? "one is alive" : "another grace");
	shmht_detach(map);
	/* To look at it, none is needed. */
	opt = (struct shmht_attach_options){ .read = -1, .flags = SHMHT_ATTACH_OBSERVE };
	assert_rc(shmht_attach(shmht_fd(t.map), &opt, &map, &err), 0);
	assert_int_equal(shmht_observe(map, NULL, NULL), 0);
	shmht_detach(map);
	/* Once the last context here is closed, another process may have its turn; what
	 * is left in limbo was started by another's count. */
	shmht_ctx_close(t.ctx);
	assert_int_equal(child_wait(child_start(open_once, t.map)), 0);
	t.ctx = context_open(t.map);
	table_close(&t);
	assert_string_equal(shmht_read_name(SHMHT_READ_URCU), "urcu");
	assert_null(shmht_read_name(SHMHT_READ_URCU + 1));
}

/* ---- quiescent-state-based ------------------------------------------------ */

static void *hold_lock(void *arg)
{
	struct writer *w = arg;
	struct shmht_ctx *ctx;

	w->failed = shmht_ctx_open(w->map, &ctx, NULL);
	if (w->failed)
		return NULL;
	w->failed = SHMHT_CALL(ctx, lock, 0);
	atomic_store(&w->step, 1);
	/* Held until the other has said that it rests: else both would wait for ever. */
	while (!w->failed && !atomic_load(&rests))
		sched_yield();
	if (!w->failed)
		((struct shmht_ctx_head *)ctx)->ops->unlock(ctx, 0);
	shmht_ctx_close(ctx);
	return NULL;
}

static void told_when(const struct shmht_strategy *strategy)
{
	struct table t = open_with(strategy, &told);
	struct writer w = { .map = t.map };
	unsigned int before = atomic_load(&quiescents);
	pthread_t thread;

	assert_rc(put_number(t.ctx, 1), -EEXIST);
	assert_rc(remove_number(t.ctx, 1), 0);
	assert_int_equal(atomic_load(&quiescents) - before, 2); /* once a change */
	atomic_store(&rests, 0);
	assert_rc(shmht_read_begin(t.ctx), 0);
	shmht_ctx_rest(t.ctx); /* within a section: not yet */
	assert_int_equal(atomic_load(&rests), 0);
	shmht_read_end(t.ctx);
	shmht_ctx_rest(t.ctx);
	assert_int_equal(atomic_load(&rests), 1);
	atomic_store(&rests, 0);
	if (!(strategy->caps & SHMHT_CAP_ONE_WORKER)) {
		shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
		assert_int_equal(pthread_create(&thread, NULL, hold_lock, &w), 0);
		assert_true(step_wait(&w.step, 1));
		assert_rc(put_number(t.ctx, 1), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(w.failed, 0);
		assert_true(atomic_load(&rests) > 0);
	}
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "urcu: nothing is reused under a section", waited_for, TEST_MANY | TEST_ONCE },
	{ "urcu: a grace that does not wait is caught", lazy_is_caught, TEST_MANY | TEST_ONCE },
	{ "urcu: every operation", every_operation, TEST_ONCE },
	{ "urcu: refusals", refusals, TEST_ONCE },
	{ "urcu: who waits for a lock rests", told_when, TEST_ONCE },
};

int main(void)
{
	shmht_ns_per_tick();
	return RUN_EVERY_STRATEGY("grace", tests);
}
