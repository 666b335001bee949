/* SPDX-License-Identifier: MIT */
/*
 * `shmbench conform`: does a lock do what the table and its users need of it? The
 * checks are the tests that every built-in strategy passes (core/tests).
 */
#include <errno.h>
#include <getopt.h>
#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "conform/conform.h"
#include "lock/lock_file.h"
#include "scenario/units.h"
#include "shmht_conform.h"

#define DEADLINE_NS 60000000000ull
#define MODES_MAX 16u /* read modes by stripes, and waiting policies: 9 at most */
#define HANGS_MAX 3u  /* a lock that does not return has shown it by then */

struct options {
	const char *lock;
	const char *filter;
	uint64_t deadline_ns;
	bool all;
};

/* Checks of one name: its modes, side by side. */
struct row {
	unsigned int modes, passed, run;
	uint64_t ns;
	enum conform_outcome worst;
	struct conform_result results[MODES_MAX];
};

struct tally {
	unsigned int checks, passed, hung;
};

static const char *const outcome_names[] = {
	[CONFORM_NOT_RUN] = "not run", [CONFORM_PASSED] = "pass",    [CONFORM_FAILED] = "FAIL",
	[CONFORM_DIED] = "CRASH",      [CONFORM_HUNG] = "NO RETURN",
};

static void run_check(const void *check, int report_fd)
{
	shmht_conform_run(check, report_fd);
}

static void load_in_child(const void *path, int report_fd)
{
	const struct lock_file *file;
	char why[1024];

	/* Whatever it answers, the same is asked again, and said, by the parent. */
	(void)report_fd;
	(void)!lock_file_load(path, &file, why, sizeof(why));
}

/* NULL after saying why. What a file does as it is loaded may be anything, too. */
static const struct shmht_strategy *load(const struct options *options)
{
	const struct shmht_strategy *strategy = shmht_strategy_find(options->lock);
	const struct lock_file *file;
	struct conform_result result;
	char why[1024];
	int r;

	if (strategy)
		return strategy;
	if (!lock_is_file(options->lock)) {
		usage_error(&command_conform,
			    "found '%s', allowed: a path with a '/' in it, or a name from "
			    "`shmbench list strategies`",
			    options->lock);
		return NULL;
	}
	r = conform_child(load_in_child, options->lock, options->deadline_ns, &result);
	if (r || result.outcome != CONFORM_PASSED) {
		fprintf(stderr, "shmbench conform: %s: loading it %s\n", options->lock,
			r ? strerror(-r) : result.why);
		return NULL;
	}
	if (lock_file_load(options->lock, &file, why, sizeof(why))) {
		fprintf(stderr, "shmbench conform: %s: %s\n", options->lock, why);
		return NULL;
	}
	return file->strategy;
}

static void print_head(const struct options *options, const struct shmht_strategy *strategy)
{
	const struct lock_file *file = lock_file_find(options->lock);

	printf("%s: %s\n", strategy->name, strategy->summary);
	if (file)
		printf("%s, sha256 %s, %s%s\n", file->path, file->sha256, file->file->compiler,
		       file->file->optimized ? "" : ", not optimized");
	printf("%u bytes a stripe, %u a worker; says of a dead holder: %s\n\n",
	       strategy->lock_bytes, strategy->worker_bytes, strategy->dead_holder);
	printf("%-52s %9s %8s\n", "check", "result", "time");
}

static void print_row(const struct shmht_conform_check *checks, const struct row *row)
{
	printf("%-52s %9s", checks[0].name, outcome_names[row->worst]);
	if (row->run)
		printf(" %6.2f s", (double)row->ns / 1e9);
	if (row->modes > 1)
		printf("  %u of %u modes", row->passed, row->modes);
	putchar('\n');
	for (unsigned int i = 0; i < row->modes; i++)
		if (row->results[i].outcome > CONFORM_PASSED)
			printf("    [%s] %s\n", checks[i].mode, row->results[i].why);
}

static int run_mode(const struct options *options, const struct shmht_conform_check *check,
		    struct row *row, struct tally *tally)
{
	struct conform_result *result = &row->results[row->modes++];
	int r = 0;

	tally->checks++;
	if (tally->hung < HANGS_MAX)
		r = conform_child(run_check, check, options->deadline_ns, result);
	if (r) {
		fprintf(stderr, "shmbench conform: no process for a check: %s\n", strerror(-r));
		return EXIT_NOT_MEASURED;
	}
	row->run += result->outcome != CONFORM_NOT_RUN;
	row->passed += result->outcome == CONFORM_PASSED;
	tally->passed += result->outcome == CONFORM_PASSED;
	tally->hung += result->outcome == CONFORM_HUNG;
	row->ns += result->ns;
	if (row->modes == 1 || result->outcome > row->worst)
		row->worst = result->outcome;
	return 0;
}

/* Modes of one check stand next to each other. */
static int run_row(const struct options *options, const struct shmht_conform_check *checks,
		   size_t nr, struct tally *tally)
{
	struct row row = { .modes = 0 };

	for (size_t i = 0; i < nr; i++)
		if (run_mode(options, &checks[i], &row, tally))
			return EXIT_NOT_MEASURED;
	print_row(checks, &row);
	fflush(stdout);
	return 0;
}

static size_t modes_of(const struct shmht_conform_check *checks, size_t nr)
{
	size_t n = 1;

	while (n < nr && n < MODES_MAX && strcmp(checks[n].name, checks[0].name) == 0)
		n++;
	return n;
}

static int conclude(const struct tally *tally)
{
	unsigned int failed = tally->checks - tally->passed;

	if (!tally->checks) {
		fprintf(stderr, "shmbench conform: no check matches --filter\n");
		return EXIT_USAGE;
	}
	printf("\nconform: %u of %u passed", tally->passed, tally->checks);
	if (tally->hung == HANGS_MAX)
		printf("; after %u that did not return the others were not run", HANGS_MAX);
	putchar('\n');
	return failed ? EXIT_NO : EXIT_YES;
}

static int conform_all(const struct options *options, const regex_t *filter)
{
	const struct shmht_strategy *strategy = load(options);
	const struct shmht_conform_check *checks;
	struct tally tally = { .checks = 0 };
	size_t nr, modes;

	if (!strategy)
		return EXIT_USAGE;
	print_head(options, strategy);
	nr = shmht_conform_checks(strategy, options->all, &checks);
	for (size_t i = 0; i < nr; i += modes) {
		modes = modes_of(checks + i, nr - i);
		if (filter && regexec(filter, checks[i].name, 0, NULL, 0))
			continue;
		if (run_row(options, checks + i, modes, &tally))
			return EXIT_NOT_MEASURED;
	}
	return conclude(&tally);
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = { { "all", no_argument, NULL, 'a' },
					       { "deadline", required_argument, NULL, 'd' },
					       { "filter", required_argument, NULL, 'f' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (c == 'h')
			return c;
		if (c == '?')
			return usage_error(&command_conform,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		if (c == 'a')
			options->all = true;
		else if (c == 'f')
			options->filter = optarg;
		else if (units_parse_time(optarg, &options->deadline_ns) || !options->deadline_ns)
			return usage_error(&command_conform,
					   "--deadline: found '%s', allowed: a time, as in 60s",
					   optarg);
	}
	if (optind + 1 != argc)
		return usage_error(&command_conform, "one lock is wanted, found %d", argc - optind);
	options->lock = argv[optind];
	return 0;
}

static int conform(int argc, char **argv)
{
	struct options options = { .deadline_ns = DEADLINE_NS };
	int code = parse(argc, argv, &options);
	regex_t filter;

	if (code == 'h') {
		command_help(&command_conform, stdout);
		return EXIT_YES;
	}
	if (code)
		return code;
	if (!options.filter)
		return conform_all(&options, NULL);
	if (regcomp(&filter, options.filter, REG_EXTENDED | REG_NOSUB))
		return usage_error(&command_conform, "--filter: '%s' is no regular expression",
				   options.filter);
	code = conform_all(&options, &filter);
	regfree(&filter);
	return code;
}

const struct command command_conform = {
	.name = "conform",
	.usage = "./LOCK.so|STRATEGY [OPTIONS]",
	.summary = "does a lock, built elsewhere or here, do all that it has to?",
	.help = "  --all              in every read mode, with 64 stripes, under each waiting policy\n"
		"  --filter REGEX     only checks whose name matches\n"
		"  --deadline TIME    of each check (default 60s); one that has not ended by then is\n"
		"                     killed, and after three of them the others are not run\n",
	.run = conform,
};
