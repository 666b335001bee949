/* SPDX-License-Identifier: MIT */
/*
 * Result files: what is written is read back the same, whatever is in the way
 * is named, and the default name follows the rule.
 */
#include "result_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/shmbench-test-result-XXXXXX";

static int enter_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static json_t *read_back(const char *path)
{
	json_t *result = NULL;

	assert_int_equal(result_read(path, stderr, &result), 0);
	return result;
}

static void test_round_trip(void **state)
{
	struct fixture fixture;
	json_t *written, *read;

	(void)state;
	fixture_init(&fixture);
	written = fixture_result(&fixture);
	assert_int_equal(result_write(written, "round.json"), 0);
	read = read_back("round.json");
	/* Reals lose their last two of 17 digits in writing, so a second trip decides. */
	assert_int_equal(result_write(read, "round2.json"), 0);
	json_decref(written);
	written = read_back("round2.json");
	assert_true(json_equal(written, read));
	assert_int_equal(result_exit_code(read), 3);
	json_decref(written);
	json_decref(read);
}

static void test_shown_the_same_after_reading(void **state)
{
	struct fixture fixture;
	json_t *result;
	char *before, *after;

	(void)state;
	fixture_init(&fixture);
	result = fixture_result(&fixture);
	before = fixture_shown(result);
	assert_int_equal(result_write(result, "shown.json"), 0);
	json_decref(result);
	result = read_back("shown.json");
	after = fixture_shown(result);
	assert_string_equal(before, after);
	free(before);
	free(after);
	json_decref(result);
}

static json_t *small_result(void)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture.scenario.nr_points = 1;
	return fixture_result(&fixture);
}

static void test_mode_and_no_leftovers(void **state)
{
	json_t *result = small_result();
	mode_t before = umask(027);
	struct stat st;

	(void)state;
	assert_int_equal(mkdir("clean", 0755), 0);
	assert_int_equal(result_write(result, "clean/mode.json"), 0);
	assert_int_equal(stat("clean/mode.json", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	umask(0);
	assert_int_equal(result_write(result, "clean/mode.json"), 0);
	umask(before);
	assert_int_equal(stat("clean/mode.json", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	/* Only what was asked for is in the folder. */
	assert_int_equal(unlink("clean/mode.json"), 0);
	assert_int_equal(rmdir("clean"), 0);
	json_decref(result);
}

static void test_replaces_a_file_and_keeps_a_link(void **state)
{
	json_t *result = small_result(), *read;
	struct stat st;

	(void)state;
	assert_int_equal(result_write(result, "old.json"), 0);
	assert_int_equal(symlink("old.json", "latest.json"), 0);
	assert_int_equal(truncate("old.json", 3), 0);
	assert_int_equal(result_write(result, "latest.json"), 0);
	assert_int_equal(lstat("latest.json", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	read = read_back("old.json");
	json_decref(read);
	json_decref(result);
}

/* As /dev/null and /dev/stdout must not be; one of our own risks nothing. */
static void test_a_pipe_is_not_replaced(void **state)
{
	json_t *result = json_pack("{s:i}", "a", 1);
	char text[64] = "";
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDWR | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(result_write(result, "pipe"), 0);
	assert_int_equal(stat("pipe", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "{\n \"a\": 1\n}\n");
	close(fd);
	json_decref(result);
}

static void test_write_errors(void **state)
{
	json_t *result = small_result();
	char longest[5000];

	(void)state;
	assert_int_equal(mkdir("dir.json", 0755), 0);
	assert_int_equal(result_write(result, "dir.json"), -EISDIR);
	assert_int_equal(result_write(result, "missing/x.json"), -ENOENT);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(result_write(result, longest), -ENAMETOOLONG);
	json_decref(result);
}

static void test_default_path(void **state)
{
	struct timespec started = { .tv_sec = 1795413662 };
	static char odd[] = "../a b\n";
	struct fixture fixture;
	char path[256];

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(result_default_path(&fixture.scenario, started, path, sizeof(path)), 0);
	assert_string_equal(path, "./locks-20261123T060102Z.json");
	assert_int_equal(mkdir("results", 0755), 0);
	assert_int_equal(result_default_path(&fixture.scenario, started, path, sizeof(path)), 0);
	assert_string_equal(path, "./results/locks-20261123T060102Z.json");
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0644)), 0);
	assert_int_equal(result_default_path(&fixture.scenario, started, path, sizeof(path)), 0);
	assert_string_equal(path, "./results/locks-20261123T060102Z-2.json");
	assert_int_equal(result_default_path(&fixture.scenario, started, path, 20), -ENAMETOOLONG);
	fixture.scenario.name = odd;
	assert_int_equal(result_default_path(&fixture.scenario, started, path, sizeof(path)), 0);
	assert_string_equal(path, "./results/.._a_b_-20261123T060102Z.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_shown_the_same_after_reading),
		cmocka_unit_test(test_mode_and_no_leftovers),
		cmocka_unit_test(test_replaces_a_file_and_keeps_a_link),
		cmocka_unit_test(test_a_pipe_is_not_replaced),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_default_path),
	};

	return cmocka_run_group_tests_name("result_io", tests, enter_folder, remove_folder);
}
