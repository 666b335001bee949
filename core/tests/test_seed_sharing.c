/* SPDX-License-Identifier: MIT */
/*
 * The faults of the table that this one descends from, as far as they are of
 * sharing: locks of the dead, interrupted waits, pointers in the region, and
 * what attach and foreach hand out. The others are in test_seed_faults.c.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* Calls fn with each named mapping of this process, until it returns true. */
static bool any_mapping(bool (*fn)(uint64_t start, uint64_t end, const char *name, void *arg),
			void *arg)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t start, end;
	char line[512], name[256];
	bool found = false;

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %255s", &start, &end,
			   name) == 3)
			found = fn(start, end, name, arg);
	fclose(f);
	return found;
}

/* ---- 4: the lock of a killed holder --------------------------------------- */

struct holding {
	struct shmht *map;
	const struct shmht_strategy *strategy;
	atomic_int step;
};

static int hold_and_wait(void *arg)
{
	struct holding *h = arg;
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(shmht_fd(h->map), NULL, &map, NULL) || shmht_ctx_open(map, &ctx, NULL) ||
	    h->strategy->ops.lock(ctx, 0))
		return 1;
	atomic_store(&h->step, 1);
	step_wait(&h->step, 100);
	return 2;
}

static bool has_a_name(uint64_t start, uint64_t end, const char *name, void *arg)
{
	(void)start, (void)end, (void)arg;
	return !strncmp(name, "/dev/shm/", 9) || !strncmp(name, "/SYSV", 5);
}

/* The semaphore had a name, and stayed at 0: a table of the same name hung as
 * well. Here the lock goes with its region; nothing has a name that others could
 * meet, or that could stay. */
static void fault_4_killed_holder(const struct shmht_strategy *strategy)
{
	struct holding *h = shared_memory(sizeof(*h));
	struct table t = table_small(strategy, 10), fresh;
	pid_t pid;

	*h = (struct holding){ .map = t.map, .strategy = strategy };
	pid = child_start(hold_and_wait, h);
	assert_true(step_wait(&h->step, 1));
	assert_false(any_mapping(has_a_name, NULL));
	child_kill(pid);
	shmht_ctx_set_timeout(t.ctx, 20 * MS);
	if (!(strategy->caps & SHMHT_CAP_RECOVERS))
		assert_rc(put_number(t.ctx, 1), -ETIMEDOUT);
	else
		assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_close(t.ctx);
	shmht_destroy(t.map);

	fresh = table_small(strategy, 10);
	shmht_ctx_set_timeout(fresh.ctx, 0);
	assert_rc(put_number(fresh.ctx, 1), 0);
	assert_false(any_mapping(has_a_name, NULL));
	table_close(&fresh);
}

/* ---- 5: a wait interrupted by signals ------------------------------------- */

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

/* An interrupted wait went in without the lock, and released it afterwards: from
 * then on two got in. */
static void fault_5_interrupted_wait(const struct shmht_strategy *strategy)
{
	struct sigaction act = { .sa_handler = count_signal }, before;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec every_ms = { { 0, MS }, { 0, MS } };
	struct table t = table_small(strategy, 10);
	struct shmht_ctx *other = context_open(t.map);
	timer_t timer;

	assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_rc(strategy->ops.lock(other, 0), 0);
	shmht_ctx_set_timeout(t.ctx, 100 * MS);
	signals = 0;
	assert_int_equal(timer_settime(timer, 0, &every_ms, NULL), 0);
	for (uint64_t k = 0; k < 3; k++)
		assert_rc(put_number(t.ctx, k), -ETIMEDOUT);
	assert_int_equal(timer_delete(timer), 0);
	assert_true(signals >= 10);
	assert_count(t.ctx, 0);
	strategy->ops.unlock(other, 0);

	/* One at a time, still. */
	shmht_ctx_set_timeout(t.ctx, 0);
	for (int i = 0; i < 4; i++) {
		assert_rc(strategy->ops.lock(other, 0), 0);
		assert_rc(put_number(t.ctx, 1), -ETIMEDOUT);
		strategy->ops.unlock(other, 0);
	}
	assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_close(other);
	table_close(&t);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

/* ---- 6: pointers in the region -------------------------------------------- */

struct word_at {
	uint64_t word, off;
};

static bool points_into(uint64_t start, uint64_t end, const char *name, void *arg)
{
	const struct word_at *at = arg;

	if (at->word < start || at->word >= end)
		return false;
	print_error("offset %" PRIu64 " holds 0x%" PRIx64 ", an address in %s\n", at->off, at->word,
		    name);
	return true;
}

/* The region held the address of the semaphore and of its name: nobody could
 * attach. No word of it is an address of this process, in use or after it. */
static void no_pointers(int fd, uint64_t bytes)
{
	uint64_t words[512];

	for (uint64_t off = 0; off < bytes; off += sizeof(words)) {
		assert_int_equal(pread(fd, words, sizeof(words), (off_t)off), sizeof(words));
		for (uint64_t i = 0; i < 512; i++) {
			struct word_at at = { words[i], off + 8 * i };

			/* Below 4 GiB are counters and cell numbers. */
			if (words[i] >> 32 && words[i] >> 47 == 0)
				assert_false(any_mapping(points_into, &at));
		}
	}
}

static void fault_6_pointers(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	struct shmht *map = table_attach(shmht_fd(t.map));
	struct shmht_ctx *other = NULL;
	struct shmht_info info;

	if (!(strategy->caps & SHMHT_CAP_ONE_WORKER)) {
		other = context_open(map);
		for (uint64_t k = 0; k < 50; k++) {
			assert_rc(put_number(k & 1 ? other : t.ctx, k), 0);
			assert_true(has_number(k & 1 ? t.ctx : other, k));
		}
	}
	for (uint64_t k = 50; k < 100; k++)
		assert_rc(put_number(t.ctx, k), 0);
	shmht_info(t.map, &info);
	no_pointers(shmht_fd(t.map), info.region_bytes);
	if (other)
		shmht_ctx_close(other);
	/* What was mapped first can go: nothing refers to its address. */
	shmht_ctx_close(t.ctx);
	shmht_detach(t.map);
	other = context_open(map);
	for (uint64_t k = 50; k < 100; k++)
		assert_true(has_number(other, k));
	assert_sound(other);
	shmht_ctx_close(other);
	no_pointers(shmht_fd(map), info.region_bytes);
	shmht_destroy(map);
}

/* ---- 12: alignment, descriptor 0, leaks ----------------------------------- */

static int is_aligned(const void *key, size_t key_len, const void *value, size_t value_len,
		      void *arg)
{
	uint64_t *calls = arg;

	(void)key_len, (void)value_len;
	++*calls;
	return (uintptr_t)key % 8 || (uintptr_t)value % 8;
}

/* Values lay at any address: a caller's struct could not be read in place. */
static void fault_12_alignment(const struct shmht_strategy *strategy)
{
	static const uint32_t sizes[] = { 1, 3, 7, 8, 9, 33, 64, 100 };

	for (size_t k = 0; k < 8; k++)
		for (size_t v = 0; v < 8; v++) {
			struct shmht_config cfg = small_config(strategy, 40);
			unsigned char bytes[100] = "";
			uint64_t calls = 0;
			struct table t;

			cfg.key_size = sizes[k];
			cfg.value_size = sizes[v];
			t = table_open(&cfg);
			for (bytes[0] = 0; bytes[0] < 40; bytes[0]++)
				assert_rc(shmht_insert(t.ctx, bytes, 1 + bytes[0] % sizes[k], bytes,
						       sizes[v]),
					  0);
			assert_rc(shmht_foreach(t.ctx, is_aligned, &calls), 0);
			assert_int_equal(calls, 40);
			table_close(&t);
		}
}

static int table_at_descriptor_0(void *arg)
{
	const struct shmht_strategy *strategy = arg;
	struct shmht_config cfg = small_config(strategy, 10);
	unsigned int maps = count_mappings(); /* inherited */
	struct shmht_ctx *ctx, *other;
	struct shmht *map, *second;

	close(STDIN_FILENO);
	if (shmht_create(&cfg, &map, NULL))
		return 1;
	if (shmht_fd(map) != 0)
		return 2;
	if (shmht_attach(0, NULL, &second, NULL))
		return 3;
	if (shmht_ctx_open(map, &ctx, NULL) || put_number(ctx, 7))
		return 4;
	shmht_ctx_close(ctx);
	shmht_detach(map);
	if (shmht_ctx_open(second, &other, NULL) || put_number(other, 7) != -EEXIST)
		return 5;
	shmht_ctx_close(other);
	shmht_destroy(second);
	return count_mappings() == maps ? 0 : 6;
}

static void fault_12_descriptor_0(const struct shmht_strategy *strategy)
{
	union {
		const void *in;
		void *out;
	} arg = { strategy };

	assert_int_equal(child_wait(child_start(table_at_descriptor_0, arg.out)), 0);
}

static uint64_t other_hash(const void *key, size_t key_len, uint64_t seed)
{
	(void)key;
	return key_len + seed;
}

/* Refused before the mapping, after it, and by what is found inside. */
static void fault_12_refused(const struct shmht_strategy *strategy)
{
	struct shmht_attach_options hash = { .read = -1, .hash = other_hash };
	struct shmht_attach_options name = { .read = -1, .strategy = "another" };
	struct shmht_attach_options read = { .read = SHMHT_READ_RCU };
	struct table t = table_small(strategy, 10);
	unsigned int fds = count_descriptors(), maps = count_mappings();
	struct shmht *map = NULL;
	int fd = shmht_fd(t.map), kept;

	for (int i = 0; i < 20; i++) {
		assert_rc(shmht_attach(STDERR_FILENO + 1000, NULL, &map, NULL), -EBADF);
		assert_rc(shmht_attach(fd, &hash, &map, NULL), -EMEDIUMTYPE);
		assert_rc(shmht_attach(fd, &name, &map, NULL), -EMEDIUMTYPE);
		assert_rc(shmht_attach(fd, &read, &map, NULL), -EMEDIUMTYPE);
		assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, NULL), -EBUSY);
	}
	assert_null(map);
	assert_int_equal(count_descriptors(), fds);
	assert_int_equal(count_mappings(), maps);

	kept = dup(fd);
	table_close(&t);
	for (int i = 0; i < 20; i++)
		assert_rc(shmht_attach(kept, NULL, &map, NULL), -ESTALE);
	assert_null(map);
	close(kept);
	assert_int_equal(count_descriptors(), fds - 1);
	assert_int_equal(count_mappings(), maps - 1);
}

static const struct strategy_test tests[] = {
	{ "fault 4: a killed holder, names that stay", fault_4_killed_holder, TEST_MANY },
	{ "fault 5: interrupted waits", fault_5_interrupted_wait, TEST_MANY },
	{ "fault 6: pointers in the region", fault_6_pointers, 0 },
	{ "fault 12: values misaligned", fault_12_alignment, 0 },
	{ "fault 12: descriptor 0", fault_12_descriptor_0, 0 },
	{ "fault 12: refused attaches leak", fault_12_refused, TEST_LOCKED },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("seed faults of sharing", tests);
}
