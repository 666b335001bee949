/* SPDX-License-Identifier: MIT */
/* `shmbench show` and `shmbench compare`: result files, read back. */
#include <string.h>

#include "cli.h"
#include "result/result.h"

static bool wants_help(const struct command *command, int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "--help") && strcmp(argv[1], "-h")))
		return false;
	command_help(command, stdout);
	return true;
}

/* Whether there are nr file names and nothing else; else *ret_code is a usage error. */
static bool has_files(const struct command *command, int argc, char **argv, int nr, int *ret_code)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' && i <= nr)
			continue;
		*ret_code = usage_error(command, "found '%s', allowed: %s", argv[i],
					command->usage);
		return false;
	}
	if (argc - 1 < nr)
		*ret_code = usage_error(command, "wanted: %s", command->usage);
	return argc - 1 == nr;
}

static int show(int argc, char **argv)
{
	json_t *result;
	int code;

	if (wants_help(&command_show, argc, argv))
		return EXIT_YES;
	if (!has_files(&command_show, argc, argv, 1, &code))
		return code;
	if (result_read(argv[1], stderr, &result))
		return EXIT_USAGE;
	result_show(result, stdout);
	json_decref(result);
	return EXIT_YES;
}

static int compare(int argc, char **argv)
{
	json_t *a, *b;
	int code;

	if (wants_help(&command_compare, argc, argv))
		return EXIT_YES;
	if (!has_files(&command_compare, argc, argv, 2, &code))
		return code;
	if (result_read(argv[1], stderr, &a))
		return EXIT_USAGE;
	if (result_read(argv[2], stderr, &b)) {
		json_decref(a);
		return EXIT_USAGE;
	}
	result_compare(a, argv[1], b, argv[2], stdout);
	json_decref(a);
	json_decref(b);
	return EXIT_YES;
}

const struct command command_show = {
	.name = "show",
	.usage = "RESULT.json",
	.summary = "print the table of a result file",
	.help = "",
	.run = show,
};

const struct command command_compare = {
	.name = "compare",
	.usage = "A.json B.json",
	.summary = "ratios of B to A with their intervals, and what differs between the runs",
	.help = "",
	.run = compare,
};
