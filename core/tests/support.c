/* SPDX-License-Identifier: MIT */
/* What the core's tests share: see support.h. */
#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAX 64

enum shmht_read test_read;
enum shmht_wait test_wait;
uint32_t test_stripes = 1;
const char *const read_names[3] = { "locked", "seqlock", "rcu" };

static pid_t children[CHILDREN_MAX];

const struct shmht_strategy *real_strategy(unsigned int i)
{
	const struct shmht_strategy *strategy;

	for (unsigned int k = 0; (strategy = shmht_strategy_at(k)); k++)
		if (!(strategy->caps & SHMHT_CAP_TEST_ONLY) && i-- == 0)
			return strategy;
	return NULL;
}

/* ---- asserts ------------------------------------------------------------ */

static const char *rc_name(int rc)
{
	const char *name = rc < 0 ? strerrorname_np(-rc) : NULL;

	return name ? name : "";
}

void assert_rc_at(int got, int want, const char *expr, const char *file, int line)
{
	if (got == want)
		return;
	print_error("%s gave %d %s, expected %d %s\n", expr, got, rc_name(got), want,
		    rc_name(want));
	_fail(file, line);
}

void assert_says_at(const struct shmht_error *err, const char *part, const char *file, int line)
{
	if (memchr(err->text, 0, sizeof(err->text)) && strstr(err->text, part))
		return;
	print_error("the error says \"%.300s\"; expected it to mention \"%s\"\n", err->text, part);
	_fail(file, line);
}

static void print_broken(const char *what, void *arg)
{
	int *left = arg;

	if ((*left)-- > 0)
		print_error("check: %s\n", what);
}

void assert_sound_at(struct shmht_ctx *ctx, const char *file, int line)
{
	int left = 10, r = shmht_check(ctx, print_broken, &left);

	if (!r)
		return;
	print_error("check() gave %d, expected 0\n", r);
	_fail(file, line);
}

void assert_count_at(struct shmht_ctx *ctx, uint64_t want, const char *file, int line)
{
	uint64_t count = ~want;
	int r = shmht_count(ctx, &count);

	if (!r && count == want)
		return;
	print_error("count gave %d and %" PRIu64 ", expected %" PRIu64 "\n", r, count, want);
	_fail(file, line);
}

/* ---- tables ------------------------------------------------------------- */

struct shmht_config small_config(const struct shmht_strategy *strategy, uint64_t capacity)
{
	return (struct shmht_config){
		.capacity = capacity,
		.key_size = 16,
		.value_size = 64,
		.stripes = test_stripes,
		.max_workers = 8,
		.strategy = strategy->name,
		/* Another strategy than the one under test need not have that choice. */
		.wait = strategy->waits >> test_wait & 1 ? test_wait : SHMHT_WAIT_OWN,
		.read = test_read,
	};
}

struct shmht *table_create(const struct shmht_config *cfg)
{
	struct shmht_error err = { "" };
	struct shmht *map = NULL;
	int r = shmht_create(cfg, &map, &err);

	if (r) {
		print_error("create: %s\n", err.text);
		assert_rc(r, 0);
	}
	return map;
}

struct shmht *table_attach(int fd)
{
	struct shmht_error err = { "" };
	struct shmht *map = NULL;
	int r = shmht_attach(fd, NULL, &map, &err);

	if (r) {
		print_error("attach: %s\n", err.text);
		assert_rc(r, 0);
	}
	return map;
}

struct shmht_ctx *context_open(struct shmht *map)
{
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx = NULL;
	int r = shmht_ctx_open(map, &ctx, &err);

	if (r) {
		print_error("ctx_open: %s\n", err.text);
		assert_rc(r, 0);
	}
	return ctx;
}

struct table table_open(const struct shmht_config *cfg)
{
	struct table table = { .map = table_create(cfg) };

	table.ctx = context_open(table.map);
	return table;
}

struct table table_small(const struct shmht_strategy *strategy, uint64_t capacity)
{
	struct shmht_config cfg = small_config(strategy, capacity);

	return table_open(&cfg);
}

void table_close(struct table *table)
{
	assert_sound(table->ctx);
	shmht_ctx_close(table->ctx);
	shmht_destroy(table->map);
	*table = (struct table){ NULL, NULL };
}

int put_number(struct shmht_ctx *ctx, uint64_t key)
{
	return shmht_insert(ctx, &key, sizeof(key), &key, sizeof(key));
}

int remove_number(struct shmht_ctx *ctx, uint64_t key)
{
	return shmht_remove(ctx, &key, sizeof(key));
}

bool has_number(struct shmht_ctx *ctx, uint64_t key)
{
	uint64_t value = ~key;
	size_t len = 0;
	int r = shmht_search(ctx, &key, sizeof(key), &value, sizeof(value), &len);

	if (r == -ENOENT)
		return false;
	assert_rc(r, 0);
	assert_int_equal(len, sizeof(value));
	assert_int_equal(value, key);
	return true;
}

uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 31) * 0x7fb5d329728ea185ull;
	x = (x ^ x >> 27) * 0x81dadef4bc2dd44dull;
	return x ^ x >> 33;
}

uint64_t random_next(struct random *random)
{
	uint64_t x = random->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* ---- processes ---------------------------------------------------------- */

/* Only in coverage builds: _exit() would lose a child's counters. */
void __gcov_dump(void) __attribute__((weak));

pid_t child_start(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;
	size_t i = 0;

	while (i < CHILDREN_MAX && children[i] > 0)
		i++;
	assert_true(i < CHILDREN_MAX);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r = 250;

		/* A child never outlives the test, nor the test's deadline. */
		signal(SIGALRM, SIG_DFL);
		alarm(DEADLINE_S);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
			r = fn(arg);
		if (__gcov_dump)
			__gcov_dump();
		_exit(r);
	}
	children[i] = pid;
	return pid;
}

int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] == pid)
			children[i] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	child_wait(pid);
}

void children_kill(void)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
}

void children_end(void)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] > 0)
			child_kill(children[i]);
}

void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

bool step_wait(atomic_int *step, int value)
{
	for (int i = 0; i < 30000 * 5; i++) {
		if (atomic_load(step) >= value)
			return true;
		sleep_ns(MS / 5);
	}
	return false;
}

void sleep_ns(uint64_t ns)
{
	uint64_t end = shmht_monotonic_ns() + ns;
	struct timespec ts = { .tv_sec = (time_t)(end / 1000000000u),
			       .tv_nsec = (long)(end % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

unsigned int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

unsigned int count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "memfd:shmht") != NULL;
	fclose(f);
	return n;
}
