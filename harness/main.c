/* SPDX-License-Identifier: MIT */
/* shmbench: finds the subcommand and hands over. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "build_info.h"
#include "cli.h"

static const struct command *const commands[] = {
	&command_run,	  &command_torture, &command_check, &command_list,    &command_show,
	&command_compare, &command_export,  &command_merge, &command_plan,    &command_gate,
	&command_report,  &command_history, &command_top,   &command_conform,
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int section_option(const struct command *command, const char **section, const char *arg)
{
	if (*section)
		return usage_error(command,
				   "--section: found it again, '%s' after '%s', allowed once; for "
				   "both: --section '%s,%s'",
				   arg, *section, *section, arg);
	*section = arg;
	return 0;
}

void command_help(const struct command *command, FILE *out)
{
	fprintf(out, "usage: shmbench %s %s\n\n%s\n%s%s", command->name, command->usage,
		command->summary, *command->help ? "\n" : "", command->help);
}

int usage_error(const struct command *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "shmbench %s: ", command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see `shmbench %s --help`\n", command->name);
	return EXIT_USAGE;
}

static void help(FILE *out)
{
	fputs("usage: shmbench COMMAND [ARGUMENTS]\n\n"
	      "Benchmark and stress harness for locks that processes share.\n\n",
	      out);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-9s%s\n", commands[i]->name, commands[i]->summary);
	fputs("\n  COMMAND --help   its options\n"
	      "  --version        version, commit, compiler\n\n"
	      "exit: 0 yes; 1 no (failed verification, expectation not met); 2 usage or scenario\n"
	      "      error; 3 a point was not measured; 4 inconclusive; 130, 143, 129 interrupted\n",
	      out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_YES;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("shmbench %s (%s), %s, %s\n", SHMBENCH_VERSION, SHMBENCH_COMMIT,
		       SHMBENCH_COMPILER, SHMBENCH_CFLAGS);
		return EXIT_YES;
	}
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	if (!strcmp(argv[1], command_slice.name))
		return command_slice.run(argc - 1, argv + 1);
	fprintf(stderr, "shmbench: '%s' is not a command; see `shmbench --help`\n", argv[1]);
	return EXIT_USAGE;
}
