/* SPDX-License-Identifier: MIT */
/*
 * Results that are none, and results in which anything stands where a figure
 * should: refused with a reason, or shown and compared without harm.
 */
#include "result_fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/shmbench-test-hostile-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* Must be refused, with the file and this text in the message. */
static void assert_refused(const char *text, size_t len, const char *why)
{
	FILE *file = fopen(path, "w"), *diag;
	json_t *result = NULL;
	char *message = NULL;
	size_t message_len;

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	diag = open_memstream(&message, &message_len);
	assert_non_null(diag);
	assert_true(result_read(path, diag, &result) < 0);
	fclose(diag);
	assert_null(result);
	if (!strstr(message, path) || !strstr(message, why) || strchr(message, '\033'))
		fail_msg("'%s' does not name the file and '%s'", message, why);
	free(message);
}

#define HEAD "{\"schema\": \"shmbench.result/1\", \"tool\": {}, \"host\": {}, \"scenario\": {}, "
#define TIMES "\"started\": \"\", \"finished\": \"\", "

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "is empty" },
		{ "\n\n{\"schema\": ", ":3: column" },
		{ HEAD "\"status\": \"complete\", " TIMES "\"points\": [{\"name\": \"a",
		  ":1: column" },
		{ "{\"schema\": NaN}", ":1: column" },
		{ "{\"schema\": 1e999}", ":1: column" },
		{ "{\"schema\": 99999999999999999999}", ":1: column" },
		{ "{\"schema\": \"a\", \"schema\": \"b\"}", ":1: column" },
		{ "[1, 2]", "found an array, expected a result object" },
		{ "\"shmbench.result/1\"", ":1: column" },
		{ "{}", "key 'schema': found nothing" },
		{ "{\"schema\": 1}", "key 'schema': found a number" },
		{ "{\"schema\": \"shmbench.result/2\"}", "'shmbench.result/2', expected" },
		{ "{\"schema\": \"\\u001b[31m\"}", "'?[31m', expected" },
		{ "{\"schema\": \"shmbench.result/1\"}", "key 'tool': found nothing" },
		{ HEAD "\"status\": \"complete\"}", "key 'started'" },
		{ HEAD "\"status\": 7, " TIMES "\"points\": []}", "key 'status': found a number" },
		{ HEAD "\"status\": \"fine\", " TIMES "\"points\": []}",
		  "'fine', expected one of" },
		{ HEAD "\"status\": \"complete\", " TIMES "\"points\": {}}",
		  "key 'points': found an object" },
		{ HEAD "\"status\": \"complete\", " TIMES "\"points\": [3]}", "points[0]" },
		{ HEAD "\"status\": \"complete\", " TIMES "\"points\": [{\"name\": 3}]}",
		  "points[0]: key 'name'" },
		{ HEAD "\"status\": \"complete\", " TIMES
		       "\"points\": [{\"name\": \"a\", \"params\": {}, \"status\": \"good\", "
		       "\"trials\": [], \"summary\": null}]}",
		  "points[0]: key 'status'" },
		{ HEAD "\"status\": \"complete\", " TIMES
		       "\"points\": [{\"name\": \"a\", \"params\": {}, \"status\": \"ok\", "
		       "\"trials\": [{}, null], \"summary\": null}]}",
		  "points[0].trials[1]" },
		{ HEAD "\"status\": \"complete\", " TIMES
		       "\"points\": [{\"name\": \"a\", \"params\": {}, \"status\": \"ok\", "
		       "\"trials\": [], \"summary\": 7}]}",
		  "key 'summary': found a number" },
		{ "{\"schema\": \"shmbench.result/1\"} trailing", ":1: column" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(cases[i].text, strlen(cases[i].text), cases[i].why);
	assert_refused("{\"sch\0ema\": 1}", 15, ":1: column");
	assert_refused("\177ELF\2\1\1\0\0\0", 10, ":1: column");
}

static void test_nested_too_deep(void **state)
{
	size_t len = 1000000;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, '[', len);
	assert_refused(text, len, ":1: column");
	free(text);
}

/* Cut after any byte: never accepted, never a crash. */
static void test_cut_off_anywhere(void **state)
{
	struct fixture fixture;
	json_t *result, *again;
	char *text, *message = NULL;
	size_t len, step, message_len;

	(void)state;
	fixture_init(&fixture);
	fixture.scenario.nr_points = 2;
	result = fixture_result(&fixture);
	text = json_dumps(result, JSON_INDENT(1));
	assert_non_null(text);
	len = strlen(text);
	step = len / 100;
	for (size_t at = 1; at < len; at += step) {
		FILE *file = fopen(path, "w"), *diag = open_memstream(&message, &message_len);

		assert_int_equal(fwrite(text, 1, at, file), at);
		fclose(file);
		assert_int_equal(result_read(path, diag, &again), -EINVAL);
		fclose(diag);
		free(message);
	}
	free(text);
	json_decref(result);
}

static void test_not_a_file(void **state)
{
	char *message = NULL;
	size_t len;
	FILE *diag = open_memstream(&message, &len);
	json_t *result;
	char fifo[64];

	(void)state;
	assert_int_equal(result_read("/nonexistent.json", diag, &result), -ENOENT);
	assert_int_equal(result_read("/tmp", diag, &result), -EISDIR);
	/* Nobody will ever write to it: no reason to wait. */
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(30);
	assert_int_equal(result_read(fifo, diag, &result), -EINVAL);
	alarm(0);
	unlink(fifo);
	fclose(diag);
	assert_non_null(strstr(message, "/nonexistent.json"));
	assert_non_null(strstr(message, "is a folder"));
	assert_non_null(strstr(message, ".fifo: is empty"));
	free(message);
}

static json_t *nest(unsigned int depth)
{
	json_t *inner = json_integer(1);

	while (depth--)
		inner = json_pack("[o]", inner);
	return inner;
}

#define MUTATIONS 12

static json_t *mutation(unsigned int kind)
{
	static char longest[20000];

	switch (kind) {
	case 0:
		return json_null();
	case 1:
		return json_true();
	case 2:
		return json_string("x\033[2J\r\nx\302\233\303\251");
	case 3:
		return json_integer(-1);
	case 4:
		return json_real(1.7e308);
	case 5:
		return json_array();
	case 6:
		return json_object();
	case 7:
		return nest(1500);
	case 8:
		memset(longest, 'y', sizeof(longest) - 1);
		return json_string(longest);
	case 9:
		return json_integer(INT64_MIN);
	case 10:
		return json_pack("[{s:s}, n, [], s, i]", "name", "a", "\303\251\303\251", 5);
	default:
		return json_real(1e-300);
	}
}

static void assert_harmless(const json_t *changed, const json_t *original)
{
	char *texts[] = { fixture_shown(changed), fixture_compared(changed, original),
			  fixture_compared(original, changed) };
	static const char last[] = "runs at different times; for a verdict use gate\n";
	int code = result_exit_code(changed);

	assert_true(code == 0 || code == 1 || code == 3);
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(texts[i]);

		for (const char *at = texts[i]; *at; at++)
			if (((unsigned char)*at < 0x20 && *at != '\n') || *at == 0x7f ||
			    ((unsigned char)*at == 0xc2 && (unsigned char)at[1] < 0xa0))
				fail_msg("control character in: %s", texts[i]);
		assert_null(strstr(texts[i], "nan"));
		assert_null(strstr(texts[i], "inf"));
		if (i)
			assert_string_equal(texts[i] + len - strlen(last), last);
		free(texts[i]);
	}
}

static size_t nodes_changed;

/* Every value below node, in turn, becomes every mutation. */
static void mutate_below(json_t *node, json_t *document, const json_t *original)
{
	json_t *child, *kept;
	const char *key;
	void *next;

	for (size_t i = 0; i < json_array_size(node); i++) {
		kept = json_incref(json_array_get(node, i));
		for (unsigned int kind = 0; kind < MUTATIONS; kind++) {
			json_array_set_new(node, i, mutation(kind));
			assert_harmless(document, original);
			nodes_changed++;
		}
		json_array_set(node, i, kept);
		mutate_below(kept, document, original);
		json_decref(kept);
	}
	json_object_foreach_safe(node, next, key, child)
	{
		/* The histogram of a class is like that of the next. */
		if (strcmp(key, "insert") == 0 || strcmp(key, "remove") == 0 ||
		    strcmp(key, "search.miss") == 0 || strcmp(key, "mitigations") == 0)
			continue;
		kept = json_incref(child);
		for (unsigned int kind = 0; kind < MUTATIONS; kind++) {
			json_object_set_new(node, key, mutation(kind));
			assert_harmless(document, original);
			nodes_changed++;
		}
		json_object_set(node, key, kept);
		mutate_below(kept, document, original);
		json_decref(kept);
	}
}

/* A document that a reader accepts, or one that a later reader might. */
static void test_anything_anywhere(void **state)
{
	struct result_build *build;
	struct fixture fixture;
	json_t *original, *changed;

	(void)state;
	fixture_init(&fixture);
	fixture.scenario.nr_points = 2;
	fixture.points[POINT_PLAIN].params.expect[0] = (struct expectation){
		.metric = "search.p99", .bound = 1e6, .text = "search.p99<=1ms"
	};
	fixture.points[POINT_PLAIN].params.nr_expect = 1;
	build = fixture_begin(&fixture);
	fixture_add(build, &fixture, POINT_CROWDED, 0);
	fixture_add(build, &fixture, POINT_PLAIN, 0);
	original = result_finish(build, false);
	changed = json_deep_copy(original);
	assert_non_null(changed);
	mutate_below(changed, changed, original);
	assert_true(json_equal(changed, original));
	assert_true(nodes_changed > 3000);
	json_decref(changed);
	json_decref(original);
}

static void test_long_names_keep_their_end(void **state)
{
	struct fixture fixture;
	json_t *result, *point;
	char name[4000], *text, *line;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	point = fixture_point_of(result, POINT_PLAIN);
	memset(name, 'n', sizeof(name));
	strcpy(name + sizeof(name) - 9, "/procs=7");
	json_object_set_new(point, "name", json_string(name));
	text = fixture_shown(result);
	line = strstr(text, "nnn/procs=7");
	assert_non_null(line);
	assert_true(strstr(text, "..nnn") && strcspn(strstr(text, "..nnn"), " ") <= 56);
	free(text);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nested_too_deep),
		cmocka_unit_test(test_cut_off_anywhere),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_anything_anywhere),
		cmocka_unit_test(test_long_names_keep_their_end),
	};

	return cmocka_run_group_tests_name("result_hostile", tests, make_file, remove_file);
}
