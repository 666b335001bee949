/* SPDX-License-Identifier: MIT */
/* `shmbench report`: results as one page to look at. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "report/report.h"
#include "result/result.h"
#include "result/result_internal.h"

/* Five colours of points are told apart, and five runs; more is a table's work. */
#define MAX_RESULTS 5

static int read_all(char **paths, size_t nr, json_t **ret_results)
{
	for (size_t i = 0; i < nr; i++)
		if (result_read(paths[i], stderr, &ret_results[i]) ||
		    result_check_histograms(ret_results[i], paths[i], stderr))
			return -EINVAL;
	return 0;
}

/* In memory first, and then under a temporary name: no half of a page. */
static int write_page(const json_t *data, const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = data ? open_memstream(&text, &size) : NULL;
	int r = memory ? report_write(data, memory) : -ENOMEM;

	if (memory && fclose(memory))
		r = -ENOMEM;
	if (!r)
		r = result_write_text(path, text, size);
	free(text);
	if (r)
		fprintf(stderr, "shmbench report: %s: %s\n", path, strerror(-r));
	return r;
}

static int report(char **paths, size_t nr, const char *page)
{
	json_t *results[MAX_RESULTS] = { 0 }, *data = NULL;
	int r = read_all(paths, nr, results);
	const char *why;

	if (!r) {
		data = report_data(results, paths, nr);
		r = write_page(data, page);
	}
	if (!r && !report_has_charts(&why))
		fprintf(stderr, "shmbench report: %s has tables, but no charts: %s\n", page, why);
	json_decref(data);
	for (size_t i = 0; i < nr; i++)
		json_decref(results[i]);
	return r ? EXIT_USAGE : EXIT_YES;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *page = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			page = optarg;
			break;
		case 'h':
			command_help(&command_report, stdout);
			return EXIT_YES;
		default:
			return usage_error(&command_report,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		}
	}
	if (optind == argc || argc - optind > MAX_RESULTS)
		return usage_error(&command_report, "wanted: 1 to %d RESULT.json, found %d",
				   MAX_RESULTS, argc - optind);
	if (!page)
		return usage_error(&command_report, "no -o report.html given");
	return report(argv + optind, (size_t)(argc - optind), page);
}

const struct command command_report = {
	.name = "report",
	.usage = "RESULT.json... -o report.html",
	.summary = "results as one page of charts and tables, which needs no network",
	.help = "  -o, --out FILE    the page; of several results, the others are shown beside the\n"
		"                    first, with what `compare` says of them\n",
	.run = run,
};
