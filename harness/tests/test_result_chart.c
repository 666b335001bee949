/* SPDX-License-Identifier: MIT */
/* The chart of a run: lengths that are the figures', in every width, or none at all. */
#include "result_fixture.h"

#include <stdio.h>

static json_t *point(const char *name, const char *procs, double rate, const char *status,
		     const char *loop)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:{s:f}}}", "name", name, "status", status,
			 "params", "procs", procs, "summary", "loop", loop, "ops_per_s", "median",
			 rate);
}

static json_t *two_locks(void)
{
	json_t *points = json_array();

	json_array_append_new(points, point("l/lock=a/procs=1", "1", 40e6, "ok", "closed"));
	json_array_append_new(points, point("l/lock=a/procs=2", "2", 20e6, "ok", "closed"));
	json_array_append_new(points, point("l/lock=b/procs=1", "1", 10e6, "ok", "closed"));
	json_array_append_new(points, point("l/lock=b/procs=2", "2", 30e6, "failed", "closed"));
	return points;
}

/* The caller frees it. */
static char *drawn(const json_t *points, unsigned int width, const char *locale)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	setenv("LC_ALL", locale, 1);
	result_chart(points, out, width);
	fclose(out);
	return text;
}

static void expect_drawn(const json_t *points, unsigned int width, const char *locale,
			 const char *expected)
{
	char *text = drawn(points, width, locale);

	assert_string_equal(text, expected);
	free(text);
}

/* What failed has no bar: its figure says how fast it was wrong. */
static void test_a_column_for_each_number_of_workers(void **state)
{
	json_t *points = two_locks();

	(void)state;
	expect_drawn(points, 60, "C",
		     "ops/s     procs=1                  procs=2                \n"
		     "l/lock=a  ################  40.0M  ########          20.0M\n"
		     "l/lock=b  ####              10.0M                   -     \n\n");
	json_decref(points);
}

static void test_eighths_where_there_are_characters_for_them(void **state)
{
	json_t *points = json_array();

	(void)state;
	json_array_append_new(points, point("a", "1", 64e6, "ok", "closed"));
	json_array_append_new(points, point("b", "1", 27e6, "ok", "closed"));
	json_array_append_new(points, point("c", "1", 0, "ok", "closed"));
	/* 23 columns: 5 for the label, 2, 8, 1, 6, and one that stays free. */
	expect_drawn(points, 23, "C.UTF-8",
		     "ops/s\n"
		     "a      ████████  64.0M\n"
		     "b      ███▍      27.0M\n"
		     "c                    0\n\n");
	json_decref(points);
}

static void test_too_narrow_for_columns_then_for_anything(void **state)
{
	json_t *points = two_locks();
	char *text = drawn(points, 34, "C");

	(void)state;
	assert_non_null(strstr(text, "l/lock=a/procs=1  "));
	assert_null(strstr(text, "l/lock=b/procs=2"));
	free(text);
	expect_drawn(points, 20, "C", "");
	expect_drawn(points, 1, "C", "");
	expect_drawn(points, 0, "C", "");
	json_decref(points);
}

/* No line is wider than the terminal, less the place that would wrap. */
static void test_every_width(void **state)
{
	json_t *points = two_locks();

	(void)state;
	for (unsigned int width = 0; width < 300; width++) {
		char *text = drawn(points, width, "C.UTF-8"), *at = text;

		for (char *line; (line = strsep(&at, "\n"));)
			assert_true(result_columns(line) < (width ? width : 1));
		free(text);
	}
	json_decref(points);
}

static void test_nothing_to_compare(void **state)
{
	json_t *points = json_array();

	(void)state;
	expect_drawn(points, 80, "C", "");
	json_array_append_new(points, point("a", "1", 1e6, "ok", "closed"));
	expect_drawn(points, 80, "C", "");
	json_array_append_new(points, point("b", "1", 1e6, "ok", "open"));
	expect_drawn(points, 80, "C", "");
	json_array_append_new(points, json_pack("{s:s}", "name", "no figures"));
	json_array_append_new(points, json_integer(3));
	expect_drawn(points, 80, "C", "");
	json_decref(points);
}

/* More than fit are counted; two hosts' points of one name have a row each. */
static void test_many(void **state)
{
	json_t *points = json_array();
	char name[32], *text;
	unsigned int lines = 0;

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "p%d", i / 2);
		json_array_append_new(points, point(name, "1", 1e6 + i, "ok", "closed"));
	}
	text = drawn(points, 80, "C");
	assert_non_null(strstr(text, "and 6 points more"));
	for (char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1 + 24 + 1 + 1);
	free(text);
	json_decref(points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_column_for_each_number_of_workers),
		cmocka_unit_test(test_eighths_where_there_are_characters_for_them),
		cmocka_unit_test(test_too_narrow_for_columns_then_for_anything),
		cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_nothing_to_compare),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
