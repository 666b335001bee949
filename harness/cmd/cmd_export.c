/* SPDX-License-Identifier: MIT */
/* `shmbench export`: a result in the formats of other tools. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "export/export.h"
#include "result/result.h"
#include "result/result_internal.h"

static const struct export_format *find(const char *name)
{
	for (const struct export_format *format = export_formats; format->name; format++)
		if (strcmp(format->name, name) == 0)
			return format;
	return NULL;
}

static int unknown(const char *name)
{
	fprintf(stderr, "shmbench export: --to: found '%s', allowed:", name);
	for (const struct export_format *format = export_formats; format->name; format++)
		fprintf(stderr, " %s", format->name);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

/* In memory first: a result that cannot be said in the format leaves no half of a file. */
static int write_as(const struct export_format *format, const json_t *result, const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size), *out = stdout;
	int r = memory ? format->write(result, memory) : -ENOMEM, code = EXIT_YES;

	if (memory && fclose(memory))
		r = -ENOMEM;
	if (r) {
		fprintf(stderr, "shmbench export: %s: %s\n", format->name, strerror(-r));
		free(text);
		return EXIT_USAGE;
	}
	if (path)
		out = fopen(path, "w");
	if (!out || fwrite(text, 1, size, out) != size || fflush(out) ||
	    (out != stdout && fclose(out))) {
		fprintf(stderr, "shmbench export: %s: %s\n", path ? path : "stdout",
			strerror(errno));
		code = EXIT_USAGE;
	}
	free(text);
	return code;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const struct export_format *format = NULL;
	const char *path = NULL;
	json_t *result;
	int c, code;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 't':
			format = find(optarg);
			if (!format)
				return unknown(optarg);
			break;
		case 'o':
			path = optarg;
			break;
		case 'h':
			command_help(&command_export, stdout);
			return EXIT_YES;
		default:
			return usage_error(&command_export,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return usage_error(&command_export, "wanted: one RESULT.json, found %d",
				   argc - optind);
	if (!format)
		return usage_error(&command_export, "no --to FORMAT given");
	if (result_read(argv[optind], stderr, &result))
		return EXIT_USAGE;
	code = EXIT_USAGE;
	if (!format->histograms || !result_check_histograms(result, argv[optind], stderr))
		code = write_as(format, result, path);
	json_decref(result);
	return code;
}

const struct command command_export = {
	.name = "export",
	.usage = "RESULT.json --to FORMAT [--out FILE]",
	.summary = "a result in the formats of other tools",
	.help = "  --to FORMAT       one of\n"
		"                    google-benchmark  its JSON: compare.py, github-action-benchmark\n"
		"                    hlog              HdrHistogram log, one line per histogram\n"
		"                    hgrm              HdrHistogram percentiles, all trials of a point\n"
		"                    openmetrics       Prometheus, its text collectors\n"
		"                    csv               a row per point, trial, clock and operation\n"
		"                    junit             a test case per point\n"
		"                    bmf               Bencher\n"
		"                    custom-smaller    github-action-benchmark: percentiles\n"
		"                    custom-bigger     github-action-benchmark: ops/s\n"
		"  --out FILE        there instead of stdout\n",
	.run = run,
};
