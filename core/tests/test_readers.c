/* SPDX-License-Identifier: MIT */
/*
 * Readers without a lock: what a stopped writer does to them, what a read
 * section keeps alive, and what a section that never ends does to writers.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define KEYS 1000u

struct peer {
	atomic_int step;
	struct shmht *map;
	uint64_t key;
};

static void stop(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

static struct table filled(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, KEYS);

	for (uint64_t k = 0; k < KEYS; k++)
		assert_rc(put_number(t.ctx, k), 0);
	return t;
}

static struct peer *peer_new(struct shmht *map, uint64_t key)
{
	struct peer *peer = shared_memory(sizeof(*peer));

	peer->map = map;
	peer->key = key;
	return peer;
}

static int attach_peer(const struct peer *peer, struct shmht_ctx **ret_ctx)
{
	struct shmht *map;

	return shmht_attach(shmht_fd(peer->map), NULL, &map, NULL) ||
	       shmht_ctx_open(map, ret_ctx, NULL);
}

/* ---- a writer that is stopped in the middle of a change ------------------- */

static int write_slowly(void *arg)
{
	struct peer *peer = arg;
	uint64_t other = ~peer->key;
	struct shmht_ctx *ctx;

	if (attach_peer(peer, &ctx))
		return 1;
	shmht_ctx_set_hold(ctx, PATIENCE_NS); /* as good as for ever: inside the change */
	atomic_store(&peer->step, 1);
	return shmht_update(ctx, &peer->key, sizeof(other), &other, sizeof(other));
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int search_key(struct shmht_ctx *ctx, uint64_t key)
{
	uint64_t value;
	size_t len;

	return shmht_search(ctx, &key, sizeof(key), &value, sizeof(value), &len);
}

/* The keys of one bucket are those whose search times out. */
static uint64_t p99_of_searches(struct shmht_ctx *ctx, const bool *skip)
{
	enum { N = 20000 };
	static uint64_t ns[N];
	uint64_t key = 0;

	for (int i = 0; i < N; i++) {
		uint64_t start;

		do
			key = (key + 7) % KEYS;
		while (skip[key]);
		start = shmht_ticks_ordered();
		assert_rc(search_key(ctx, key), 0);
		ns[i] = shmht_ticks_ordered() - start;
	}
	qsort(ns, N, sizeof(ns[0]), compare_times);
	return ns[N / 100 * 99];
}

/* seqlock: what a search can tell needs no lock, and waits for none. */
static void changes_nothing(struct shmht_ctx *ctx, const bool *skip)
{
	uint64_t there = 0, absent = KEYS;

	while (skip[there])
		there++;
	assert_rc(shmht_insert(ctx, &there, sizeof(there), &there, sizeof(there)), -EEXIST);
	while (search_key(ctx, absent) == -ETIMEDOUT)
		absent++;
	assert_rc(remove_number(ctx, absent), -ENOENT);
	assert_rc(shmht_update(ctx, &absent, sizeof(absent), &there, sizeof(there)), -ENOENT);
	assert_rc(shmht_insert(ctx, &absent, sizeof(absent), &there, sizeof(there)), -ETIMEDOUT);
}

static void writer_stopped(const struct shmht_strategy *strategy)
{
	static bool skip[KEYS];
	struct table t = filled(strategy);
	struct peer *peer = peer_new(t.map, 5);
	struct shmht_holder found = { 0 };
	uint64_t before, after, value = 77;
	unsigned int stuck = 0;
	size_t len = 77;
	pid_t pid;

	if (test_read == SHMHT_READ_LOCKED) {
		table_close(&t);
		return;
	}
	memset(skip, 0, sizeof(skip));
	before = p99_of_searches(t.ctx, skip);
	pid = child_start(write_slowly, peer);
	assert_true(step_wait(&peer->step, 1));
	shmht_ctx_set_timeout(t.ctx, 0);
	/* It holds the lock once nobody else gets it. */
	while (SHMHT_CALL(t.ctx, lock, 0) == 0) {
		strategy->ops.unlock(t.ctx, 0);
		sleep_ns(MS);
	}
	sleep_ns(20 * MS);
	stop(pid);
	assert_rc(remove_number(t.ctx, 1), -ETIMEDOUT);
	for (uint64_t k = 0; k < KEYS; k++) {
		skip[k] = search_key(t.ctx, k) == -ETIMEDOUT;
		stuck += skip[k];
	}
	shmht_ctx_set_timeout(t.ctx, 30 * MS);
	if (test_read == SHMHT_READ_SEQLOCK) {
		assert_true(skip[peer->key]);
		assert_in_range(stuck, 1, 40); /* of one bucket of some 250 */
		assert_rc(shmht_search(t.ctx, &peer->key, 8, &value, 8, &len), -ETIMEDOUT);
		assert_true(value == 77 && len == 77);
		shmht_ctx_holder(t.ctx, &found);
		assert_int_equal(found.pid, pid);
		assert_int_equal(found.state, SHMHT_HOLDER_STOPPED);
		changes_nothing(t.ctx, skip);
	} else {
		assert_int_equal(stuck, 0); /* wait-free */
	}
	after = p99_of_searches(t.ctx, skip);
	print_message("p99 of a search: %.0f ns, beside a stopped writer %.0f ns\n",
		      (double)before * shmht_ns_per_tick(), (double)after * shmht_ns_per_tick());
	for (int i = 0; i < 5 && after > before * 10; i++)
		after = p99_of_searches(t.ctx, skip); /* a neighbour's noise passes */
	if (after > before * 10)
		fail_msg("p99 was %" PRIu64 " ticks, beside a stopped writer %" PRIu64, before,
			 after);
	child_kill(pid);
	shmht_ctx_close(t.ctx); /* its lock and sequence stay as the dead left them */
	shmht_destroy(t.map);
}

/* ---- read sections -------------------------------------------------------- */

static void no_sections_here(const struct shmht_strategy *strategy)
{
	struct table t = filled(strategy);
	uint64_t key = 1;
	const void *value = &key;
	size_t len = 77;

	if (test_read == SHMHT_READ_RCU) {
		assert_rc(shmht_lookup(t.ctx, &key, sizeof(key), &value, &len), -EINVAL);
	} else {
		assert_rc(shmht_read_begin(t.ctx), -EOPNOTSUPP);
		shmht_read_end(t.ctx);
		assert_rc(shmht_lookup(t.ctx, &key, sizeof(key), &value, &len), -EOPNOTSUPP);
	}
	assert_ptr_equal(value, &key);
	assert_int_equal(len, 77);
	table_close(&t);
}

/* What was found stays, whatever happens to the entry and to all others. */
static void section_keeps_it(const struct shmht_strategy *strategy)
{
	struct table t = filled(strategy);
	struct shmht_ctx *writer;
	uint64_t key = 5, other = 6, seen;
	const void *value;
	size_t len;

	if (test_read != SHMHT_READ_RCU)
		goto out;
	writer = context_open(t.map);
	shmht_ctx_set_timeout(writer, 0);
	assert_rc(shmht_read_begin(t.ctx), 0);
	assert_rc(shmht_read_begin(t.ctx), 0); /* they nest */
	assert_rc(shmht_lookup(t.ctx, &key, sizeof(key), &value, &len), 0);
	shmht_read_end(t.ctx);
	assert_int_equal(len, 8);
	assert_rc(shmht_update(writer, &key, 8, &other, 8), 0);
	assert_rc(remove_number(writer, 7), 0);
	for (uint64_t k = 10; k < KEYS; k++) {
		int r = shmht_update(writer, &k, 8, &k, 8);

		assert_true(r == 0 || r == -ETIMEDOUT);
	}
	memcpy(&seen, value, 8);
	assert_int_equal(seen, 5);
	/* A new look sees the new value, in the same section. */
	assert_rc(shmht_lookup(t.ctx, &key, sizeof(key), &value, &len), 0);
	memcpy(&seen, value, 8);
	assert_int_equal(seen, 6);
	assert_true(has_number(t.ctx, 8));
	/* What takes a lock is refused inside. */
	assert_rc(put_number(t.ctx, 7), -EDEADLK);
	assert_rc(remove_number(t.ctx, 8), -EDEADLK);
	assert_rc(shmht_update(t.ctx, &key, 8, &key, 8), -EDEADLK);
	assert_rc(shmht_flush(t.ctx), -EDEADLK);
	shmht_read_end(t.ctx);
	assert_rc(shmht_update(writer, &key, 8, &key, 8), 0);
	for (uint64_t k = 10; k < KEYS; k++)
		assert_rc(shmht_update(writer, &k, 8, &k, 8), 0);
	shmht_ctx_close(writer);
out:
	table_close(&t);
}

static int read_for_ever(void *arg)
{
	struct peer *peer = arg;
	struct shmht_ctx *ctx;

	if (attach_peer(peer, &ctx) || shmht_read_begin(ctx))
		return 1;
	atomic_store(&peer->step, 1);
	for (;;)
		pause();
}

/* Updates until one fails, or all have been done twice. */
static int update_all(struct shmht_ctx *ctx)
{
	int r = 0;

	for (uint64_t i = 0; i < 2 * KEYS && !r; i++) {
		uint64_t k = i % KEYS;

		r = shmht_update(ctx, &k, sizeof(k), &k, sizeof(k));
	}
	return r;
}

/* Stopped: named, until it goes on or dies; dead: no hindrance. */
static void section_never_ends(const struct shmht_strategy *strategy)
{
	struct table t = filled(strategy);
	struct peer *peer = peer_new(t.map, 0);
	struct shmht_holder found = { 0 };
	pid_t pid;

	if (test_read != SHMHT_READ_RCU)
		goto out;
	pid = child_start(read_for_ever, peer);
	assert_true(step_wait(&peer->step, 1));
	stop(pid);
	shmht_ctx_set_timeout(t.ctx, 30 * MS);
	for (int i = 0; i < 2; i++) {
		assert_rc(update_all(t.ctx), -ETIMEDOUT);
		shmht_ctx_holder(t.ctx, &found);
		assert_int_equal(found.pid, pid);
		assert_int_equal(found.state, SHMHT_HOLDER_STOPPED);
	}
	assert_sound(t.ctx);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_true(has_number(t.ctx, k));
	child_kill(pid); /* in its section */
	assert_rc(update_all(t.ctx), 0);
	assert_sound(t.ctx);
out:
	table_close(&t);
}

/* Without membarrier(2) readers fence, and all of this holds too. */
static void fences_instead(const struct shmht_strategy *strategy)
{
	struct table t = filled(strategy);
	uint64_t one = 1;

	if (test_read == SHMHT_READ_RCU) {
		shmht_ctx_close(t.ctx);
		assert_int_equal(pwrite(shmht_fd(t.map), &one, 8, 216), 8); /* rcu_fence */
		t.ctx = context_open(t.map);
		assert_rc(update_all(t.ctx), 0);
		for (uint64_t k = 0; k < KEYS; k++)
			assert_true(has_number(t.ctx, k));
	}
	table_close(&t);
}

static int use_parents(void *arg)
{
	struct table *t = arg;
	uint64_t key = 1;
	const void *value;
	size_t len;

	return shmht_read_begin(t->ctx) != -ESTALE ||
	       shmht_lookup(t->ctx, &key, 8, &value, &len) != -ESTALE;
}

static void parents_section(const struct shmht_strategy *strategy)
{
	struct table t = filled(strategy);

	assert_int_equal(child_wait(child_start(use_parents, &t)), 0);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "writer stopped in a change: others go on, that bucket times out", writer_stopped,
	  TEST_MANY },
	{ "sections: only rcu has them, look-ups only inside", no_sections_here, 0 },
	{ "sections keep what was found", section_keeps_it, TEST_MANY },
	{ "a section that never ends: named; its death frees", section_never_ends, TEST_MANY },
	{ "without membarrier", fences_instead, 0 },
	{ "the parent's section after fork: ESTALE", parents_section, 0 },
};

int main(void)
{
	shmht_ns_per_tick();
	return RUN_EVERY_STRATEGY("readers", tests);
}
