/* SPDX-License-Identifier: MIT */
/* `shmbench merge`: the results of several runs or hosts as one. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "merge/merge.h"
#include "result/result.h"

struct request {
	struct merge_input *inputs;
	size_t nr;
	const char *out;
};

/* In order: --host holds for the files after it. EXIT_YES to go on, -1 after --help. */
static int parse(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "host", required_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *host = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "-h", options, NULL)) != -1) {
		switch (c) {
		case 1:
			request->inputs[request->nr].path = optarg;
			request->inputs[request->nr++].host = host;
			break;
		case 'o':
			request->out = optarg;
			break;
		case 'H':
			host = optarg;
			if (!merge_host_name_is_good(host))
				return usage_error(&command_merge,
						   "--host: found '%s', allowed: up to 64 letters, "
						   "digits and -_.:@, but not '" MERGE_ALL_HOSTS
						   "'",
						   host);
			break;
		case 'h':
			command_help(&command_merge, stdout);
			return -1;
		default:
			return usage_error(&command_merge,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		}
	}
	for (; optind < argc; optind++) { /* after "--" */
		request->inputs[request->nr].path = argv[optind];
		request->inputs[request->nr++].host = host;
	}
	if (!request->nr)
		return usage_error(&command_merge, "wanted: RESULT.json..., found none");
	if (!request->out)
		return usage_error(&command_merge, "no --out FILE given");
	return EXIT_YES;
}

static int merge(const struct request *request)
{
	json_t *merged;
	int r;

	for (size_t i = 0; i < request->nr; i++)
		if (result_read(request->inputs[i].path, stderr, &request->inputs[i].result))
			return EXIT_USAGE;
	if (merge_check(request->inputs, request->nr, stderr))
		return EXIT_USAGE;
	merged = merge_results(request->inputs, request->nr);
	if (!merged) {
		fprintf(stderr, "shmbench merge: no memory, or more samples than fit a count\n");
		return EXIT_USAGE;
	}
	r = result_write(merged, request->out);
	if (r)
		fprintf(stderr, "shmbench merge: %s: %s\n", request->out, strerror(-r));
	else
		fprintf(stderr, "%s: %zu runs, %zu hosts, %zu points\n", request->out, request->nr,
			merge_nr_hosts(request->inputs, request->nr),
			json_array_size(json_object_get(merged, "points")));
	json_decref(merged);
	return r ? EXIT_USAGE : EXIT_YES;
}

static int run(int argc, char **argv)
{
	struct request request = { calloc((size_t)argc, sizeof(struct merge_input)), 0, NULL };
	int code;

	if (!request.inputs) {
		fprintf(stderr, "shmbench merge: no memory\n");
		return EXIT_USAGE;
	}
	code = parse(argc, argv, &request);
	if (code == EXIT_YES)
		code = merge(&request);
	for (size_t i = 0; i < request.nr; i++) {
		json_decref(request.inputs[i].by_name);
		json_decref(request.inputs[i].result);
	}
	free(request.inputs);
	return code < 0 ? EXIT_YES : code;
}

const struct command command_merge = {
	.name = "merge",
	.usage = "[--host NAME] RESULT.json... --out FILE",
	.summary = "results of several runs or hosts as one, histograms added exactly",
	.help = "  --out FILE      the merged result, which show, compare and export read\n"
		"  --host NAME     the files after it, up to the next --host, are of host NAME;\n"
		"                  without it a host is its fingerprint (a class of machine)\n"
		"\n"
		"Trials of one point on one host are pooled: its row has all of them. Points of\n"
		"different hosts stay rows of their own, SECTION/.../host=NAME. Where several\n"
		"hosts measured a point, the row host=all has all their samples as one trial:\n"
		"exact percentiles over everything, and ops/s of one host on average.\n"
		"merged.latency of a point is the sum of its trials' histograms, bucket by\n"
		"bucket. Refused: another layout, build or set of params under one name (seed,\n"
		"trials and expect may differ), the same run twice, a merge of merges.\n",
	.run = run,
};
