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

#define TESTS_MAX 4096
#define CHILDREN_MAX 64
#define DEADLINE_S (UNDER_SANITIZER ? 240 : 120)

struct bound_test {
	const struct strategy_test *test;
	const struct shmht_strategy *strategy;
	enum shmht_wait wait;
	enum shmht_read read;
	uint32_t stripes;
	char name[160];
};

enum shmht_read test_read;
uint32_t test_stripes = 1;
const char *const read_names[3] = { "locked", "seqlock", "rcu" };

static struct bound_test bound[TESTS_MAX];
static struct CMUnitTest unit[TESTS_MAX];
static size_t nr_bound;
static pid_t children[CHILDREN_MAX];
static char running[200];
static enum shmht_wait running_wait;

/* ---- the runner --------------------------------------------------------- */

static void on_deadline(int sig)
{
	static const char text[] = ": deadline passed\n";

	(void)sig;
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	if (write(STDERR_FILENO, running, strlen(running)) > 0 &&
	    write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		_exit(1);
	_exit(1);
}

static void run_bound(void **state)
{
	const struct bound_test *b = *state;

	snprintf(running, sizeof(running), "%s", b->name);
	running_wait = b->wait;
	test_read = b->read;
	test_stripes = b->stripes;
	alarm(DEADLINE_S);
	b->test->fn(b->strategy);
	alarm(0);
}

/* After a failed test too. */
static int tear_down(void **state)
{
	(void)state;
	alarm(0);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] > 0)
			child_kill(children[i]);
	return 0;
}

const struct shmht_strategy *real_strategy(unsigned int i)
{
	const struct shmht_strategy *strategy;

	for (unsigned int k = 0; (strategy = shmht_strategy_at(k)); k++)
		if (!(strategy->caps & SHMHT_CAP_TEST_ONLY) && i-- == 0)
			return strategy;
	return NULL;
}

static void bind_test(const struct strategy_test *test, const struct shmht_strategy *strategy,
		      enum shmht_read read, uint32_t stripes, enum shmht_wait wait)
{
	struct bound_test *b = &bound[nr_bound];

	if (nr_bound == TESTS_MAX)
		abort();
	b->test = test;
	b->strategy = strategy;
	b->read = read;
	b->stripes = stripes;
	b->wait = wait;
	snprintf(b->name, sizeof(b->name), "%s [%s %s%s%s%s]", test->name, strategy->name,
		 read_names[read], stripes == 1 ? "" : " 64 stripes", wait ? " " : "",
		 wait ? shmht_wait_name(wait) : "");
	unit[nr_bound++] = (struct CMUnitTest){
		.name = b->name,
		.test_func = run_bound,
		.teardown_func = tear_down,
		.initial_state = b,
	};
}

/*
 * Lock-free reading has one body for all strategies, and the waiting policies
 * one loop: by default they are tested over one lock of each kind, with
 * SHMBENCH_TESTS=all over every one.
 */
static bool in_short_list(const struct shmht_strategy *strategy)
{
	static const char *const names[] = { "none", "futex", "mcs" };
	const char *wanted = getenv("SHMBENCH_TESTS");

	if (wanted && !strcmp(wanted, "all"))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], strategy->name))
			return true;
	return false;
}

static void bind_modes(const struct strategy_test *test, const struct shmht_strategy *strategy)
{
	enum shmht_read last = test->flags & (TEST_ONCE | TEST_LOCKED) ? SHMHT_READ_LOCKED :
									 SHMHT_READ_RCU;

	for (enum shmht_read read = SHMHT_READ_LOCKED; read <= last; read++) {
		if (read != SHMHT_READ_LOCKED && !in_short_list(strategy))
			break;
		bind_test(test, strategy, read, 1, SHMHT_WAIT_OWN);
		if (test->flags & TEST_STRIPES)
			bind_test(test, strategy, read, 64, SHMHT_WAIT_OWN);
	}
	for (enum shmht_wait wait = SHMHT_WAIT_OWN + 1; wait < SHMHT_WAIT_NR; wait++)
		if (test->flags & TEST_WAITS && strategy->waits >> wait & 1 &&
		    in_short_list(strategy))
			bind_test(test, strategy, SHMHT_READ_LOCKED, 1, wait);
}

int run_every_strategy(const char *group, const struct strategy_test *tests, size_t nr)
{
	struct sigaction act = { .sa_handler = on_deadline };
	const struct shmht_strategy *strategy;

	sigaction(SIGALRM, &act, NULL);
	nr_bound = 0;
	memset(unit, 0, sizeof(unit));
	for (size_t t = 0; t < nr; t++) {
		for (unsigned int i = 0; (strategy = real_strategy(i)); i++) {
			if (strategy->caps & SHMHT_CAP_ONE_WORKER &&
			    tests[t].flags & (TEST_MANY | TEST_ONCE))
				continue;
			bind_modes(&tests[t], strategy);
			if (tests[t].flags & TEST_ONCE)
				break;
		}
	}
	/* Entries without a function are skipped by cmocka. */
	return cmocka_run_group_tests_name(group, unit, NULL, NULL);
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
		.wait = strategy->waits >> running_wait & 1 ? running_wait : SHMHT_WAIT_OWN,
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
