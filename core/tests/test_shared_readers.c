/* SPDX-License-Identifier: MIT */
/*
 * Strategies whose searches share the lock: with a reader inside that runs, is stopped
 * or was killed, others may read and nobody may write. Built once more with writers
 * that do not look whether somebody reads (EXPECT_BLIND): that must be seen.
 */
#include <signal.h>
#include <unistd.h>

#include "support.h"

#define INSIDE_NS (20 * MS)

struct reader {
	struct shmht *map;
	uint64_t hold_ns;
	atomic_int searches; /* 1: about to, 2: has */
};

static int read_long(void *arg)
{
	struct reader *reader = arg;
	struct shmht_ctx *ctx;
	uint64_t key = 1, value;
	size_t len;
	int r;

	if (shmht_ctx_open(reader->map, &ctx, NULL))
		return 1;
	shmht_ctx_set_hold(ctx, reader->hold_ns);
	atomic_store(&reader->searches, 1);
	r = shmht_search(ctx, &key, sizeof(key), &value, sizeof(value), &len);
	atomic_store(&reader->searches, 2);
	return r || value != 1;
}

/* Its search is under way when this returns. */
static pid_t reader_start(struct reader *reader, const struct table *t, uint64_t hold_ns)
{
	pid_t pid;

	*reader = (struct reader){ .map = t->map, .hold_ns = hold_ns };
	pid = child_start(read_long, reader);
	assert_true(step_wait(&reader->searches, 1));
	sleep_ns(INSIDE_NS);
	assert_int_equal(atomic_load(&reader->searches), 1);
	return pid;
}

static bool shares(const struct shmht_strategy *strategy)
{
	return strategy->caps & SHMHT_CAP_SHARED_READERS && !(strategy->caps & SHMHT_CAP_TEST_ONLY);
}

static int overwrite(struct shmht_ctx *ctx, uint64_t timeout_ns)
{
	uint64_t key = 1;

	shmht_ctx_set_timeout(ctx, timeout_ns);
	return shmht_update(ctx, &key, sizeof(key), &key, sizeof(key));
}

static struct table table_with_entry(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 64);

	assert_rc(put_number(t.ctx, 1), 0);
	return t;
}

static void readers_share_and_writers_wait(const struct shmht_strategy *strategy)
{
	struct reader *reader = shared_memory(sizeof(*reader));
	struct shmht_holder holder;
	struct table t;
	uint64_t start;
	pid_t pid;

	if (!shares(strategy))
		return;
	t = table_with_entry(strategy);
	pid = reader_start(reader, &t, 400 * MS);
	start = shmht_monotonic_ns();
	shmht_ctx_set_timeout(t.ctx, 5 * MS);
	assert_true(has_number(t.ctx, 1));
#ifdef EXPECT_BLIND
	assert_rc(overwrite(t.ctx, 5 * MS), 0);
	assert_int_equal(atomic_load(&reader->searches), 1);
	child_kill(pid);
	(void)holder, (void)start;
#else
	assert_rc(overwrite(t.ctx, 5 * MS), -ETIMEDOUT);
	shmht_ctx_holder(t.ctx, &holder);
	assert_int_equal(holder.pid, pid);
	assert_int_equal(holder.state, SHMHT_HOLDER_RUNNING);
	assert_rc(overwrite(t.ctx, 0), -ETIMEDOUT);
	assert_int_equal(atomic_load(&reader->searches), 1);
	/* And gets in when the reader leaves. */
	assert_rc(overwrite(t.ctx, PATIENCE_NS), 0);
	assert_true(shmht_monotonic_ns() - start >= 300 * MS);
	assert_int_equal(child_wait(pid), 0);
#endif
	table_close(&t);
}

#ifndef EXPECT_BLIND
static void a_stopped_reader_is_named(const struct shmht_strategy *strategy)
{
	struct reader *reader = shared_memory(sizeof(*reader));
	struct shmht_holder holder;
	struct table t;
	pid_t pid;

	if (!shares(strategy))
		return;
	t = table_with_entry(strategy);
	pid = reader_start(reader, &t, 200 * MS);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_rc(overwrite(t.ctx, 30 * MS), -ETIMEDOUT);
	shmht_ctx_holder(t.ctx, &holder);
	assert_int_equal(holder.pid, pid);
	assert_int_equal(holder.state, SHMHT_HOLDER_STOPPED);
	shmht_ctx_set_timeout(t.ctx, 5 * MS);
	assert_true(has_number(t.ctx, 1));
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_rc(overwrite(t.ctx, PATIENCE_NS), 0);
	assert_int_equal(child_wait(pid), 0);
	table_close(&t);
}

static void a_killed_reader_is_passed_over(const struct shmht_strategy *strategy)
{
	struct reader *reader = shared_memory(sizeof(*reader));
	struct table t;
	uint64_t start;
	pid_t pid;

	if (!shares(strategy) || !(strategy->caps & SHMHT_CAP_RECOVERS))
		return;
	t = table_with_entry(strategy);
	pid = reader_start(reader, &t, 60000 * MS);
	child_kill(pid);
	start = shmht_monotonic_ns();
	assert_rc(overwrite(t.ctx, PATIENCE_NS), 0);
	assert_true(shmht_monotonic_ns() - start < 1000 * MS);
	assert_int_equal(shmht_ctx_stats(t.ctx)->recovered, 1);
	table_close(&t);
}

/* A writer killed while it waits for a reader leaves the word taken: by one who is dead. */
static int overwrite_late(void *arg)
{
	struct reader *reader = arg;
	struct shmht_ctx *ctx;

	return shmht_ctx_open(reader->map, &ctx, NULL) || overwrite(ctx, PATIENCE_NS);
}

static void a_writer_killed_while_it_waits(const struct shmht_strategy *strategy)
{
	struct reader *reader = shared_memory(sizeof(*reader));
	struct table t;
	pid_t reads, writes;

	if (!shares(strategy) || !(strategy->caps & SHMHT_CAP_RECOVERS))
		return;
	t = table_with_entry(strategy);
	reads = reader_start(reader, &t, 300 * MS);
	writes = child_start(overwrite_late, reader);
	sleep_ns(INSIDE_NS);
	child_kill(writes);
	/* Readers, too, take over from him. */
	shmht_ctx_set_timeout(t.ctx, 250 * MS);
	assert_true(has_number(t.ctx, 1));
	assert_int_equal(atomic_load(&reader->searches), 1);
	assert_rc(overwrite(t.ctx, PATIENCE_NS), 0);
	assert_int_equal(child_wait(reads), 0);
	table_close(&t);
}
#endif

static const struct strategy_test tests[] = {
#ifdef EXPECT_BLIND
	{ "a writer that does not look is seen", readers_share_and_writers_wait,
	  TEST_MANY | TEST_LOCKED },
#else
	{ "readers share, writers wait", readers_share_and_writers_wait, TEST_MANY | TEST_LOCKED },
	{ "a stopped reader is named", a_stopped_reader_is_named, TEST_MANY | TEST_LOCKED },
	{ "a killed reader is passed over", a_killed_reader_is_passed_over,
	  TEST_MANY | TEST_LOCKED },
	{ "a writer killed while it waits for one", a_writer_killed_while_it_waits,
	  TEST_MANY | TEST_LOCKED },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("shared_readers", tests);
}
