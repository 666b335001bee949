/* SPDX-License-Identifier: MIT */
/* The subcommands: each parses its own options and returns an exit code. */
#ifndef SHMBENCH_CLI_H
#define SHMBENCH_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum exit_code {
	EXIT_YES = 0,
	EXIT_NO = 1,	       /* a failed verification, an expectation not met */
	EXIT_USAGE = 2,	       /* nothing ran */
	EXIT_NOT_MEASURED = 3, /* a point that was asked for is missing */
	EXIT_INCONCLUSIVE = 4, /* too noisy, or too little time, to decide */
};

struct point;
struct scenario;
struct trial;

struct command {
	const char *name;
	const char *usage;		   /* arguments, as --help prints them */
	const char *summary;		   /* one line */
	const char *help;		   /* options, one per line */
	int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
};

extern const struct command command_run, command_torture, command_check, command_list, command_show,
	command_compare, command_export, command_merge, command_plan, command_gate, command_report,
	command_conform, command_history, command_top;
extern const struct command command_slice; /* not in the help: for `gate` */

/* `run` and what differs from it only by what a trial is. */
struct run_kind {
	const struct command *command;
	void (*trial)(const struct point *point, uint32_t k, struct trial *ret_trial);
	bool counts_calls; /* a trial of each point more: rounds_count_calls() */
	/* Before anything runs: NULL, or why this scenario is not for it. */
	const char *(*refuse)(struct scenario *scenario);
};
int run_scenarios(const struct run_kind *kind, int argc, char **argv);

struct shmht;
/* For `check` and `top`. 0, or an exit code after saying on stderr what was
 * found; command NULL: without a word. */
int table_observe(const char *command, uint64_t pid, uint64_t fd, struct shmht **ret_map);

/* `list tables`: those of the processes that we may look at. */
int list_tables(void);

/* For unknown options and missing arguments: what is wrong, and where help is. */
__attribute__((format(printf, 2, 3))) int usage_error(const struct command *command,
						      const char *fmt, ...);
void command_help(const struct command *command, FILE *out);
/* --section: once, or the earlier one would be lost without a word. 0, or EXIT_USAGE. */
int section_option(const struct command *command, const char **section, const char *arg);

#endif
