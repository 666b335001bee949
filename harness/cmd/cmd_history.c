/* SPDX-License-Identifier: MIT */
/* `shmbench history`: the results of a folder, in the order of their time. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "history/history.h"
#include "result/result_internal.h"

struct request {
	const char *dir, *metric, *filter;
	bool each, json;
};

/* EXIT_YES to go on, -1 after --help. */
static int parse(int argc, char **argv, struct request *request)
{
	enum { OPT_METRIC = 256, OPT_FILTER, OPT_EACH, OPT_JSON };
	static const struct option options[] = {
		{ "metric", required_argument, NULL, OPT_METRIC },
		{ "filter", required_argument, NULL, OPT_FILTER },
		{ "each", no_argument, NULL, OPT_EACH },
		{ "json", required_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case OPT_METRIC:
			request->metric = optarg;
			break;
		case OPT_FILTER:
			request->filter = optarg;
			break;
		case OPT_EACH:
			request->each = true;
			break;
		case OPT_JSON:
			if (strcmp(optarg, "-"))
				return usage_error(&command_history,
						   "--json: found '%s', allowed: -", optarg);
			request->json = true;
			break;
		case 'h':
			command_help(&command_history, stdout);
			return -1;
		default:
			return usage_error(&command_history,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		}
	}
	if (argc - optind > 1)
		return usage_error(&command_history, "wanted: one folder, found %d", argc - optind);
	if (!result_metric_exists(request->metric))
		return usage_error(&command_history,
				   "--metric: found '%s', allowed: ops_per_s, stalled, "
				   "[response.|service.]OP.FIGURE as in search.p99",
				   request->metric);
	if (optind < argc)
		request->dir = argv[optind];
	return EXIT_YES;
}

static int put_json(const json_t *history)
{
	if (json_dumpf(history, stdout, JSON_INDENT(1)) || fputc('\n', stdout) == EOF)
		return -1;
	return 0;
}

static int history(const struct request *request)
{
	json_t *history = history_collect(request->dir, request->metric, stderr);
	size_t groups, left_out;
	int code = EXIT_YES;

	if (!history)
		return EXIT_USAGE;
	groups = json_array_size(json_object_get(history, "groups"));
	left_out = json_array_size(json_object_get(history, "left_out"));
	if (!groups) {
		fprintf(stderr,
			"shmbench history: %s: found no result, wanted files that "
			"`shmbench run` wrote\n",
			request->dir);
		code = EXIT_USAGE;
	} else if (history_judge(history)) {
		fprintf(stderr, "shmbench history: no memory\n");
		code = EXIT_USAGE;
	} else {
		history_show(history, request->filter, request->each,
			     request->json ? stderr : stdout);
		if (request->json && put_json(history))
			code = EXIT_USAGE;
		if (left_out && code == EXIT_YES)
			code = EXIT_NOT_MEASURED;
	}
	json_decref(history);
	return code;
}

static int run(int argc, char **argv)
{
	struct request request = { .metric = "ops_per_s" };
	struct stat st;
	int code = parse(argc, argv, &request);

	if (!request.dir)
		request.dir = stat("results", &st) == 0 && S_ISDIR(st.st_mode) ? "results" : ".";
	if (code == EXIT_YES)
		code = history(&request);
	return code < 0 ? EXIT_YES : code;
}

const struct command command_history = {
	.name = "history",
	.usage = "[DIR] [--metric METRIC] [--filter TEXT] [--each] [--json -]",
	.summary = "results of a folder as series, where they changed, which may be a baseline",
	.help = "  --metric METRIC  ops_per_s (default), stalled, or as in search.p99\n"
		"  --filter TEXT    only points whose name contains TEXT\n"
		"  --each           every run's value, commit and file, too\n"
		"  --json -         the document to stdout, the table to stderr\n"
		"\n"
		"DIR (default: ./results, or the current folder) and the folders in it. Runs of\n"
		"one machine (host.fingerprint) and one scenario (its sha256) make a series for\n"
		"each point. Changes are found by E-divisive with a permutation test at 1 %, from\n"
		"6 runs on, over the latest 200. The baseline that is named is the run closest to\n"
		"the middle since the last change, never the best. Exit 3: a file was left out.\n",
	.run = run,
};
