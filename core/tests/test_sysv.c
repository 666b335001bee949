/* SPDX-License-Identifier: MIT */
/*
 * sysv's semaphore sets outlive processes: none may be left behind, whatever
 * way the table and those who used it end. One set serves all stripes and the pool.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holder.h"

/* Sets with our mark. */
static unsigned int count_sets(bool print)
{
	FILE *f = fopen("/proc/sysvipc/sem", "re");
	unsigned int found = 0, nsems;
	char line[256];
	long key;
	int id;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%ld %d %*o %u", &key, &id, &nsems) != 3 ||
		    ((unsigned long)key & 0xffff0000ul) != 0x53480000ul)
			continue;

		if (((unsigned long)key & 0xffff0000ul) != 0x53480000ul || nsems % 2 == 1)
			continue;
		found++;
		if (print)
			print_message("set %d of %u\n", id, nsems);
	}
	fclose(f);
	return found;
}

static struct shmht_config sysv_config(uint32_t stripes)
{
	struct shmht_config cfg = small_config(shmht_strategy_find("sysv"), 1000);

	cfg.stripes = stripes;
	return cfg;
}

static void one_set_a_table(const struct shmht_strategy *strategy)
{
	unsigned int before = count_sets(false);

	(void)strategy;
	for (uint32_t stripes = 2; stripes <= 1024; stripes *= 8) {
		struct shmht_config cfg = sysv_config(stripes);
		struct table t = table_open(&cfg);
		struct shmht_ctx *second = context_open(t.map);

		assert_int_equal(count_sets(false), before + 1);
		for (uint64_t k = 0; k < 1000; k++)
			assert_rc(put_number(t.ctx, k), 0);
		shmht_ctx_close(second);
		assert_int_equal(count_sets(false), before + 1);
		assert_true(has_number(t.ctx, 7));
		table_close(&t);
		assert_int_equal(count_sets(false), before);
	}
}

/* No context: no set; and the next context gets one that works. */
static void contexts_come_and_go(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = sysv_config(64);
	struct shmht *map = table_create(&cfg);
	unsigned int before = count_sets(false);

	(void)strategy;
	for (uint64_t i = 0; i < 5; i++) {
		struct shmht_ctx *ctx = context_open(map);

		assert_rc(put_number(ctx, i), 0);
		assert_int_equal(count_sets(false), before + 1);
		shmht_ctx_close(ctx);
		assert_int_equal(count_sets(false), before);
	}
	shmht_destroy(map);
}

static int use_until_killed(void *arg)
{
	struct holder *holder = arg;
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(shmht_fd(holder->map), NULL, &map, NULL) ||
	    shmht_ctx_open(map, &ctx, NULL))
		return 1;
	atomic_store(&holder->step, 1);
	for (uint64_t k = 0;; k++)
		put_number(ctx, k % 1000);
	return 0;
}

/* Killed in the middle of it, with the lock held or not: whoever gives up the
 * map last finds no user. */
static void users_are_killed(const struct shmht_strategy *strategy)
{
	unsigned int before = count_sets(false);

	(void)strategy;
	for (int round = 0; round < 10; round++) {
		struct shmht_config cfg = sysv_config(64);
		struct shmht *map = table_create(&cfg);
		struct holder *users[3];

		for (int i = 0; i < 3; i++) {
			users[i] = holder_new(map, 0);
			users[i]->pid = child_start(use_until_killed, users[i]);
		}
		for (int i = 0; i < 3; i++)
			assert_true(step_wait(&users[i]->step, 1));
		assert_int_equal(count_sets(false), before + 1);
		for (int i = 0; i < 3; i++)
			child_kill(users[i]->pid);
		shmht_destroy(map);
		if (count_sets(true) != before)
			fail_msg("round %d: a set is left behind", round);
	}
}

/* The creator goes first: those who still use the table keep their set. */
static void creator_goes_first(const struct shmht_strategy *strategy)
{
	unsigned int before = count_sets(false);
	struct shmht_config cfg = sysv_config(64);
	struct table t = table_open(&cfg);
	struct shmht *map = table_attach(shmht_fd(t.map));
	struct shmht_ctx *ctx = context_open(map);

	(void)strategy;
	table_close(&t); /* destroys */
	assert_int_equal(count_sets(false), before + 1);
	assert_rc(put_number(ctx, 1), 0);
	assert_true(has_number(ctx, 1));
	shmht_ctx_close(ctx);
	shmht_detach(map);
	assert_int_equal(count_sets(false), before);
}

/* A dead holder's lock is undone by the kernel, and that is counted. */
static void dead_holder_is_counted(const struct shmht_strategy *strategy)
{
	struct table t;
	struct holder *holder;

	if (!(strategy->caps & SHMHT_CAP_RECOVERS))
		return;
	t = table_small(strategy, 10);
	assert_rc(put_number(t.ctx, 1), 0);
	assert_int_equal(shmht_ctx_stats(t.ctx)->recovered, 0);
	holder = holder_child(t.map, 0);
	child_kill(holder->pid);
	assert_true(has_number(t.ctx, 1));
	assert_int_equal(shmht_ctx_stats(t.ctx)->recovered, 1);
	assert_true(has_number(t.ctx, 1));
	assert_int_equal(shmht_ctx_stats(t.ctx)->recovered, 1);
	table_close(&t);
}

static void too_many_stripes(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = sysv_config(32768);
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	struct shmht *map;

	(void)strategy;
	cfg.capacity = 1000000;
	map = table_create(&cfg);
	assert_rc(shmht_ctx_open(map, &ctx, &err), -EINVAL);
	assert_says(&err, "stripes is 32768");
	shmht_destroy(map);
}

static const struct strategy_test tests[] = {
	{ "one set a table, whatever the stripes", one_set_a_table, TEST_ONCE },
	{ "contexts come and go", contexts_come_and_go, TEST_ONCE },
	{ "users are killed", users_are_killed, TEST_ONCE },
	{ "the creator goes first", creator_goes_first, TEST_ONCE },
	{ "a dead holder is counted", dead_holder_is_counted, TEST_MANY | TEST_LOCKED },
	{ "more stripes than semaphores", too_many_stripes, TEST_ONCE },
};

int main(void)
{
	/* Where that is allowed, out of the sight of other tests' semaphores. */
	if (unshare(CLONE_NEWIPC))
		print_message("IPC namespace shared with the rest of the machine\n");
	return RUN_EVERY_STRATEGY("sysv", tests);
}
