/* SPDX-License-Identifier: MIT */
/* Scenarios as files: what is no file, includes, several files in one run. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario_fixture.h"

static char folder[64];
static char path_buf[8][128];

static const char *path_of(const char *name)
{
	static unsigned int next;
	char *path = path_buf[next++ % 8];

	snprintf(path, sizeof(path_buf[0]), "%s/%s", folder, name);
	return path;
}

static const char *write_file(const char *name, const char *text, size_t len)
{
	const char *path = path_of(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	return path;
}

static const char *write_text(const char *name, const char *text)
{
	return write_file(name, text, strlen(text));
}

static struct loaded load_path(const char *path)
{
	return load_request(&(struct scenario_request){ .paths = &path, .nr_paths = 1 });
}

/* expected: the end of what is said; it begins with the path of the file. */
static void assert_said(const char *path, const char *expected)
{
	struct loaded loaded = load_path(path);
	char line[512];

	snprintf(line, sizeof(line), "%s%s", path, expected);
	assert_int_equal(loaded.rc, -EINVAL);
	assert_string_equal(loaded.said, line);
	unload(&loaded);
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/shmbench-scenario-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void files_that_are_none_are_refused(void **state)
{
	char *large = malloc((1u << 20) + 1);

	(void)state;
	assert_said(path_of("missing.ini"),
		    ": No such file or directory; expected a scenario file\n");
	assert_said(folder, ": is a folder; expected a scenario file\n");
	assert_said("/dev/zero", ": is not a regular file; expected a scenario file\n");
	alarm(10); /* a FIFO without a writer: opening it must not wait */
	assert_int_equal(mkfifo(path_of("fifo.ini"), 0600), 0);
	assert_said(path_of("fifo.ini"), ": is not a regular file; expected a scenario file\n");
	alarm(0);
	assert_said(write_text("empty.ini", ""), ": found no section to run, allowed at least one "
						 "[NAME] besides [global]\n");
	assert_said(write_file("binary.ini", "\x7f\x45LF\0\0\0\n", 8),
		    ":1: found a NUL byte (a binary file), allowed text\n");
	assert_non_null(large);
	memset(large, '\n', (1u << 20) + 1);
	assert_said(write_file("large.ini", large, (1u << 20) + 1),
		    ": is larger than 1048576 bytes; expected a scenario file\n");
	memcpy(large, "[a]", 3);
	{
		struct loaded loaded = load_path(write_file("full.ini", large, 1u << 20));

		assert_names(&loaded, "a\n");
		unload(&loaded);
	}
	free(large);
}

static void unreadable_file_is_refused(void **state)
{
	const char *path = write_text("secret.ini", "[a]\n");

	(void)state;
	assert_int_equal(chmod(path, 0), 0);
	/* To root nothing is unreadable: as somebody else, then. */
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_said(path, ": Permission denied; expected a scenario file\n");
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void includes_come_first_and_give_way(void **state)
{
	struct loaded loaded;
	const char *path;

	(void)state;
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	write_text("sub/common.ini", "[global]\nlock = sem\nprocs = 4\n[first]\n");
	write_text("sub/middle.ini", "include = common.ini\n[global]\nprocs = 8\n");
	path = write_text("main.ini", "[global]\ntrials = 2\ninclude = sub/middle.ini\n"
				      "[second]\ninclude = sub/common.ini\nprocs = 16\n");
	loaded = load_path(path);
	assert_names(&loaded, "first\nsecond\n");
	assert_string_equal(loaded.scenario->points[0].params.lock, "sem");
	assert_int_equal(loaded.scenario->points[0].params.procs, 8);
	assert_int_equal(loaded.scenario->points[0].params.trials, 2);
	assert_int_equal(loaded.scenario->points[1].params.procs, 16);
	assert_string_equal(loaded.scenario->name, "main");
	assert_string_equal(loaded.scenario->path, path);
	assert_non_null(strstr(loaded.scenario->text, "[second]"));
	assert_non_null(strstr(loaded.scenario->text, "[first]"));
	unload(&loaded);
}

static void bad_includes_are_named(void **state)
{
	char name[32], text[64];
	struct loaded loaded;
	const char *path;

	(void)state;
	path = write_text("i1.ini", "[a]\ninclude = nowhere.ini\n");
	loaded = load_path(path);
	snprintf(text, sizeof(text), ":2: key 'include': found '");
	assert_non_null(strstr(loaded.said, text));
	assert_non_null(strstr(loaded.said, "nowhere.ini' (No such file or directory), allowed a "
					    "readable scenario file\n"));
	unload(&loaded);

	path = write_text("self.ini", "include = self.ini\n[a]\n");
	loaded = load_path(path);
	assert_non_null(strstr(loaded.said, "self.ini:1: key 'include': found "));
	assert_non_null(strstr(loaded.said, "(includes itself, a cycle), allowed "));
	unload(&loaded);

	write_text("ping.ini", "include = pong.ini\n");
	path = write_text("pong.ini", "[a]\n\ninclude = ping.ini\n");
	loaded = load_path(path);
	assert_non_null(strstr(loaded.said, "ping.ini:1: key 'include': found "));
	assert_non_null(strstr(loaded.said, "(includes itself, a cycle), allowed "));
	unload(&loaded);

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d%d.ini", i);
		snprintf(text, sizeof(text), "include = d%d.ini\n[s%d]\n", i + 1, i);
		write_text(name, text);
	}
	loaded = load_path(path_of("d0.ini"));
	assert_non_null(strstr(loaded.said, "d7.ini:1: key 'include': found 'd8.ini' (9 files "
					    "deep), allowed at most 8\n"));
	unload(&loaded);

	write_text("bad.ini", "[global]\nprocs = x\n");
	loaded = load_path(write_text("good.ini", "include = bad.ini\n[a]\n"));
	assert_non_null(strstr(loaded.said, "/bad.ini:2: key 'procs': found 'x'"));
	unload(&loaded);
}

static void text_and_its_hash_are_kept(void **state)
{
	/* sha256 of "[a]\n", by coreutils */
	struct loaded loaded = load_path(write_text("hash.ini", "[a]\n"));

	(void)state;
	assert_string_equal(loaded.scenario->text, "[a]\n");
	assert_string_equal(loaded.scenario->sha256,
			    "24d4941e67d5965d270eaebdb9816b994311e0f2f0e79ef6bb626f362c52842e");
	unload(&loaded);
}

static void several_files_are_one_run(void **state)
{
	const char *paths[] = { write_text("x.ini", "[global]\nprocs = 2\n[x]\n"),
				write_text("y.ini", "[y]\n"), write_text("z.ini", "\n[x]\n") };
	struct scenario_request request = { .paths = paths, .nr_paths = 2 };
	struct loaded loaded = load_request(&request);

	(void)state;
	assert_names(&loaded, "x\ny\n");
	assert_int_equal(loaded.scenario->points[0].params.procs, 2);
	assert_int_equal(loaded.scenario->points[1].params.procs, 1); /* [global] is per file */
	unload(&loaded);
	request.nr_paths = 3;
	loaded = load_request(&request);
	assert_non_null(strstr(loaded.said, "/z.ini:2: found section [x] again, allowed once; "
					    "another is at "));
	assert_non_null(strstr(loaded.said, "/x.ini:3\n"));
	unload(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_are_none_are_refused),
		cmocka_unit_test(unreadable_file_is_refused),
		cmocka_unit_test(includes_come_first_and_give_way),
		cmocka_unit_test(bad_includes_are_named),
		cmocka_unit_test(text_and_its_hash_are_kept),
		cmocka_unit_test(several_files_are_one_run),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
