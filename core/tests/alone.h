/* SPDX-License-Identifier: MIT */
/*
 * The asserts of cmocka that tests of a strategy use, without cmocka: for tests that
 * are compiled into the program (SHMHT_ALONE), where each runs in a process of its
 * own. What fails is written to the one who waits for that process, and ends it.
 */
#ifndef CORE_TESTS_ALONE_H
#define CORE_TESTS_ALONE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Goes before the failure that it explains. */
__attribute__((format(printf, 1, 2))) void alone_note(const char *format, ...);
/* Both end the process; the first says no more than where. */
_Noreturn void alone_failed(const char *file, int line);
__attribute__((format(printf, 3, 4))) _Noreturn void alone_fail(const char *file, int line,
								const char *format, ...);

#define alone_want(condition, ...)                                   \
	do {                                                         \
		if (!(condition))                                    \
			alone_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* Both sides are looked at once. As cmocka does, in the widest unsigned type. */
#define alone_compare(a, op, b)                                                            \
	do {                                                                               \
		uintmax_t alone_a = (uintmax_t)(a), alone_b = (uintmax_t)(b);              \
		alone_want(alone_a op alone_b, "%s is %jd, expected " #op " %jd (%s)", #a, \
			   (intmax_t)alone_a, (intmax_t)alone_b, #b);                      \
	} while (0)

#define print_error alone_note
#define _fail(file, line) alone_failed(file, line)
#define fail_msg(...) alone_fail(__FILE__, __LINE__, __VA_ARGS__)
#define assert_true(c) alone_want((c), "is not so: %s", #c)
#define assert_false(c) alone_want(!(c), "is so: %s", #c)
#define assert_int_equal(a, b) alone_compare(a, ==, b)
#define assert_int_not_equal(a, b) alone_compare(a, !=, b)
#define assert_null(p) alone_want(!(p), "%s is not NULL", #p)
#define assert_non_null(p) alone_want(p, "%s is NULL", #p)
#define assert_ptr_equal(a, b) alone_want((a) == (b), "%s is not %s", #a, #b)
#define assert_string_equal(a, b) \
	alone_want(strcmp(a, b) == 0, "%s is \"%.60s\", expected \"%.60s\"", #a, a, b)
#define assert_string_not_equal(a, b) alone_want(strcmp(a, b) != 0, "%s is \"%.60s\"", #a, a)
#define assert_memory_equal(a, b, len) \
	alone_want(memcmp(a, b, len) == 0, "%s differs from %s", #a, #b)
#define assert_in_range(value, low, high)                                                       \
	do {                                                                                    \
		uintmax_t alone_value = (uintmax_t)(value);                                     \
		alone_want(alone_value >= (uintmax_t)(low) && alone_value <= (uintmax_t)(high), \
			   "%s is %ju, expected %ju to %ju", #value, alone_value,               \
			   (uintmax_t)(low), (uintmax_t)(high));                                \
	} while (0)

#endif
