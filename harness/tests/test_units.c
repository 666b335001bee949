/* SPDX-License-Identifier: MIT */
/* Numbers with units: what is read, what is refused, and that texts read back. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenario/units.h"
#include "worker/rng.h"

#define UNTOUCHED 0x5eedu

static void counts_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{ "0", 0 },
		{ "007", 7 },
		{ "100k", 100000 },
		{ "1.5k", 1500 },
		{ "0.001k", 1 },
		{ "2M", 2000000 },
		{ "3G", 3000000000 },
		{ "16Ki", 16384 },
		{ "0.5Ki", 512 },
		{ "1.5Mi", 1572864 },
		{ "4Gi", 4294967296 },
		{ "9007199254740993", 9007199254740993 }, /* no double holds it */
		{ "18446744073709551615", UINT64_MAX },
		{ "1.000000000000000000000", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = UNTOUCHED;

		if (units_parse_count(cases[i].text, &value) || value != cases[i].value)
			fail_msg("'%s' is not read as %llu", cases[i].text,
				 (unsigned long long)cases[i].value);
	}
}

static void bad_counts_are_refused(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "", -EINVAL },
		{ " ", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "-1", -EINVAL },
		{ "+1", -EINVAL },
		{ "nan", -EINVAL },
		{ "NaN", -EINVAL },
		{ "inf", -EINVAL },
		{ "0x10", -EINVAL },
		{ "1e3", -EINVAL },
		{ "1.", -EINVAL },
		{ ".5", -EINVAL },
		{ "1.5", -EINVAL },
		{ "1.0005k", -EINVAL },
		{ "1K", -EINVAL },
		{ "1ki", -EINVAL },
		{ "1kk", -EINVAL },
		{ "1 k", -EINVAL },
		{ "1,000", -EINVAL },
		{ "5ms", -EINVAL },
		{ "1.5.5k", -EINVAL },
		{ "50%", -EINVAL },
		{ "k", -EINVAL },
		{ "1\n", -EINVAL },
		{ "\xd9\xa3", -EINVAL },
		{ "18446744073709551616", -ERANGE },
		{ "18446744073709551615k", -ERANGE },
		{ "18446744073709551.616k", -ERANGE },
		{ "99999999999999999999999999999999999999", -ERANGE },
		{ "17179869184Gi", -ERANGE },
		{ "99999999999999999999999x", -EINVAL },
		{ "1.0000000000000000000000000001G", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = UNTOUCHED;

		if (units_parse_count(cases[i].text, &value) != cases[i].rc)
			fail_msg("'%s' is not refused with %d", cases[i].text, cases[i].rc);
		assert_int_equal(value, UNTOUCHED);
	}
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t ns;
	} cases[] = {
		{ "0", 0, 0 },
		{ "0ns", 0, 0 },
		{ "1ns", 0, 1 },
		{ "1.5us", 0, 1500 },
		{ "500ms", 0, 500000000 },
		{ "1s", 0, 1000000000 },
		{ "0.5s", 0, 500000000 },
		{ "2m", 0, 120000000000 },
		{ "1.5h", 0, 5400000000000 },
		{ "1.5ns", -EINVAL, 0 },
		{ "5", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
		{ "5 ms", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "5124096h", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = UNTOUCHED;

		if (units_parse_time(cases[i].text, &ns) != cases[i].rc)
			fail_msg("'%s' does not return %d", cases[i].text, cases[i].rc);
		assert_true(ns == (cases[i].rc ? UNTOUCHED : cases[i].ns));
	}
}

static void percentages_and_decimals(void **state)
{
	double value = -1;

	(void)state;
	assert_int_equal(units_parse_percent("50%", &value), 0);
	assert_true(value == 0.5);
	assert_int_equal(units_parse_percent("0.1%", &value), 0);
	assert_true(value == 0.1 / 100);
	assert_int_equal(units_parse_percent("100%", &value), 0);
	assert_true(value == 1);
	assert_int_equal(units_parse_double("0.99", &value), 0);
	assert_true(value == 0.99);
	value = -1;
	assert_int_equal(units_parse_percent("100.1%", &value), -ERANGE);
	assert_int_equal(units_parse_percent("50", &value), -EINVAL);
	assert_int_equal(units_parse_percent("-5%", &value), -EINVAL);
	assert_int_equal(units_parse_percent("nan%", &value), -EINVAL);
	assert_int_equal(units_parse_percent("5%%", &value), -EINVAL);
	assert_int_equal(units_parse_double("", &value), -EINVAL);
	assert_int_equal(units_parse_double("nan", &value), -EINVAL);
	assert_int_equal(units_parse_double("inf", &value), -EINVAL);
	assert_int_equal(units_parse_double("0x1p3", &value), -EINVAL);
	assert_int_equal(units_parse_double("1e5", &value), -EINVAL);
	assert_int_equal(units_parse_double("-1", &value), -EINVAL);
	assert_true(value == -1);
	{
		char huge[400];

		memset(huge, '9', sizeof(huge) - 1);
		huge[sizeof(huge) - 1] = '\0';
		assert_int_equal(units_parse_double(huge, &value), -ERANGE);
	}
}

static void counts_are_written_short(void **state)
{
	static const struct {
		uint64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0" },	      { 999, "999" },
		{ 1000, "1k" },	      { 1024, "1Ki" },
		{ 1234, "1234" },     { 1500, "1500" },
		{ 12500, "12500" },   { 100000, "100k" },
		{ 1500000, "1.5M" },  { 1048576, "1Mi" },
		{ 65536, "64Ki" },    { 10000000, "10M" },
		{ 4000000000, "4G" }, { UINT64_MAX, "18446744073709551615" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		units_format_count(cases[i].value, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
	units_format_count(100000, buf, 3);
	assert_string_equal(buf, "10");
}

static void times_are_written_short(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0ns" },
		{ 999, "999ns" },
		{ 1000, "1us" },
		{ 500000000, "500ms" },
		{ 1500000000, "1.5s" },
		{ 90000000000, "90s" },
		{ 60000000000, "1m" },
		{ 5400000000000, "90m" },
		{ 3600000000000, "1h" },
		{ 1234567, "1234567ns" },
		{ 3600000000000000, "1000h" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		units_format_time(cases[i].ns, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
	}
}

/* Of all magnitudes, round ones more often: those take the short forms. */
static void what_is_written_reads_back(void **state)
{
	struct rng rng;
	char buf[64];

	(void)state;
	rng_seed(&rng, 1, 0);
	for (int i = 0; i < 200000; i++) {
		uint64_t value = rng_next(&rng) >> rng_below(&rng, 64), back = ~value;
		uint64_t zeros = rng_below(&rng, 10);

		for (; zeros && value <= UINT64_MAX / 60; zeros--)
			value *= i % 3 == 0 ? 10 : i % 3 == 1 ? 2 : 60;
		units_format_count(value, buf, sizeof(buf));
		if (units_parse_count(buf, &back) || back != value)
			fail_msg("count %llu is written %s", (unsigned long long)value, buf);
		units_format_time(value, buf, sizeof(buf));
		if (units_parse_time(buf, &back) || back != value)
			fail_msg("time %llu ns is written %s", (unsigned long long)value, buf);
	}
}

static void three_digits_for_reading(void **state)
{
	static const struct {
		double value;
		const char *ns, *rate;
	} cases[] = {
		{ 0, "0 ns", "0" },
		{ 1.234, "1.23 ns", "1.23" },
		{ 9.999, "10.0 ns", "10.0" },
		{ 12.34, "12.3 ns", "12.3" },
		{ 99.96, "100 ns", "100" },
		{ 999.4, "999 ns", "999" },
		{ 999.6, "1.00 us", "1.00 k" },
		{ 12345, "12.3 us", "12.3 k" },
		{ 1.9e6, "1.90 ms", "1.90 M" },
		{ 999.6e6, "1.00 s", "1.00 G" },
		{ 1.5e12, "1500 s", "1500 G" },
		{ -1500, "-1.50 us", "-1.50 k" },
		{ NAN, "-", "-" },
		{ INFINITY, "-", "-" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		units_format_ns_short(cases[i].value, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].ns);
		units_format_rate_short(cases[i].value, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].rate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_read),
		cmocka_unit_test(bad_counts_are_refused),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(percentages_and_decimals),
		cmocka_unit_test(counts_are_written_short),
		cmocka_unit_test(times_are_written_short),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(three_digits_for_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
