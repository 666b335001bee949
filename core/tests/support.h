/* SPDX-License-Identifier: MIT */
/*
 * What the core's tests share. A test is a function of a strategy; the runner
 * registers it with cmocka once for every strategy of the build, under a name
 * that says which, so that a new lock is tested by adding it to the registry.
 *
 * Each test has a deadline, and children that it leaves behind are killed:
 * nothing here can hang or outlive its run. Asserts belong to the main thread;
 * children and threads report by numbers.
 */
#ifndef CORE_TESTS_SUPPORT_H
#define CORE_TESTS_SUPPORT_H

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#ifdef SHMHT_ALONE
#include "alone.h"
#else
#include <cmocka.h>
#endif

#include "shmht.h"
#include "shmht_clock.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif
#if !defined(UNDER_SANITIZER) && \
	(UNDER_TSAN || defined(__SANITIZE_ADDRESS__) || defined(SHMBENCH_SANITIZED))
#define UNDER_SANITIZER 1
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

#define DEADLINE_S (UNDER_SANITIZER ? 240 : 120) /* of a test, and of each child */
#define MS 1000000ull				 /* ns */
#define PATIENCE_NS (30000 * MS)		 /* a lock time-out that only a fault reaches */

/* Less work under sanitizers, which take 5 to 20 times as long for it. */
static inline uint64_t scaled(uint64_t n)
{
	return UNDER_SANITIZER ? n / 16 + 1 : n;
}

/* ---- the runner --------------------------------------------------------- */

#define TEST_MANY 1u	/* more than one context: not for SHMHT_CAP_ONE_WORKER */
#define TEST_STRIPES 4u /* with 64 stripes too: small_config() gives them */
#define TEST_LOCKED 8u	/* about searches that take the lock: with read = locked alone */
#define TEST_WAITS 16u	/* with each waiting policy of the strategy too (read = locked) */
#define TEST_ONCE 2u	/* does not depend on the lock: with the first strategy that fits */

struct strategy_test {
	const char *name;
	void (*fn)(const struct shmht_strategy *strategy);
	unsigned int flags;
};

/* Of the test that runs: what small_config() uses. Each test is run once for each
 * read mode, too. */
extern enum shmht_read test_read;
extern enum shmht_wait test_wait;
extern uint32_t test_stripes;
extern const char *const read_names[3];

/*
 * Some tests are in the program too, where each is run by itself over any strategy
 * (`shmbench conform`): those end with STRATEGY_TESTS(name, tests).
 */
struct strategy_group {
	const struct strategy_test *tests;
	size_t nr;
};
#define NR_TESTS(tests) (sizeof(tests) / sizeof((tests)[0]))
#ifdef SHMHT_ALONE
#define STRATEGY_TESTS(name, tests)                      \
	extern const struct strategy_group group_##name; \
	const struct strategy_group group_##name = { tests, NR_TESTS(tests) }
#else
#define STRATEGY_TESTS(name, tests)                                       \
	int main(void)                                                    \
	{                                                                 \
		return run_every_strategy(#name, tests, NR_TESTS(tests)); \
	}                                                                 \
	_Static_assert(NR_TESTS(tests) > 0, "some")
#endif

/* Returns the number of failures, for main() to return. */
int run_every_strategy(const char *group, const struct strategy_test *tests, size_t nr);
#define RUN_EVERY_STRATEGY(group, tests) run_every_strategy(group, tests, NR_TESTS(tests))

/* The i-th strategy that is no negative control; NULL past the end. */
const struct shmht_strategy *real_strategy(unsigned int i);

/* ---- asserts ------------------------------------------------------------ */

/* A result against 0 or a negative errno, both told by name. */
#define assert_rc(expr, want) assert_rc_at((expr), (want), #expr, __FILE__, __LINE__)
void assert_rc_at(int got, int want, const char *expr, const char *file, int line);

/* A refusal says why, and mentions `part`. */
#define assert_says(err, part) assert_says_at((err), (part), __FILE__, __LINE__)
void assert_says_at(const struct shmht_error *err, const char *part, const char *file, int line);

/* check() finds nothing; what it found is printed. */
#define assert_sound(ctx) assert_sound_at((ctx), __FILE__, __LINE__)
void assert_sound_at(struct shmht_ctx *ctx, const char *file, int line);

#define assert_count(ctx, want) assert_count_at((ctx), (want), __FILE__, __LINE__)
void assert_count_at(struct shmht_ctx *ctx, uint64_t want, const char *file, int line);

/* ---- tables ------------------------------------------------------------- */

/* 16-byte keys, 64-byte values, one stripe, 8 workers. */
struct shmht_config small_config(const struct shmht_strategy *strategy, uint64_t capacity);
struct shmht *table_create(const struct shmht_config *cfg);
struct shmht *table_attach(int fd);
struct shmht_ctx *context_open(struct shmht *map);

/* A table with one context, which most tests need. */
struct table {
	struct shmht *map;
	struct shmht_ctx *ctx;
};
struct table table_open(const struct shmht_config *cfg);
struct table table_small(const struct shmht_strategy *strategy, uint64_t capacity);
/* Checks it first. */
void table_close(struct table *table);

/* Keys that are 8-byte numbers, with the number as value. */
int put_number(struct shmht_ctx *ctx, uint64_t key);
int remove_number(struct shmht_ctx *ctx, uint64_t key);
bool has_number(struct shmht_ctx *ctx, uint64_t key);

/* xorshift64*: the same run every time. */
struct random {
	uint64_t state;
};
uint64_t random_next(struct random *random);
static inline uint64_t random_below(struct random *random, uint64_t n)
{
	return (random_next(random) >> 11) % n;
}
uint64_t mix64(uint64_t x);

/* ---- processes ---------------------------------------------------------- */

/* Runs fn(arg) in a child, which exits with its result (0..255). */
pid_t child_start(int (*fn)(void *arg), void *arg);
/* Its exit status; 1000 + signal when it was killed. */
int child_wait(pid_t pid);
void child_kill(pid_t pid);
/* All that were started: at a deadline, in a signal handler; after a test, reaped. */
void children_kill(void);
void children_end(void);

/* Zeroed memory that children share. Lives until the test program ends. */
void *shared_memory(size_t bytes);

/* Steps in shared memory: one side sets, the other waits, 30 s at most. */
bool step_wait(atomic_int *step, int value);

void sleep_ns(uint64_t ns);
/* Open descriptors and mappings of this process: what a leak changes. */
unsigned int count_descriptors(void);
unsigned int count_mappings(void);

#endif
