/* SPDX-License-Identifier: MIT */
/* `shmbench report`: results as one page to look at. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "plan/plan_file.h"
#include "report/report.h"
#include "result/result.h"
#include "result/result_internal.h"

/* Five dashes of lines are told apart, and five files; more is a table's work. */
#define MAX_FILES 5

static int read_one(const char *path, struct report_file *ret)
{
	int r = result_read_json(path, stderr, &ret->document);

	if (r)
		return r;
	ret->name = path;
	ret->is_plan = plan_file_is_one(ret->document);
	if (ret->is_plan)
		return plan_file_check(ret->document, path, stderr) ? 0 : -EINVAL;
	if (!result_check_frame(ret->document, path, stderr))
		return -EINVAL;
	return result_check_histograms(ret->document, path, stderr);
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
	struct report_file files[MAX_FILES] = { 0 };
	json_t *data = NULL;
	const char *why;
	int r = 0;

	for (size_t i = 0; !r && i < nr; i++)
		r = read_one(paths[i], &files[i]);
	if (!r) {
		data = report_data(files, nr);
		r = write_page(data, page);
	}
	if (!r && !report_has_charts(&why))
		fprintf(stderr, "shmbench report: %s has tables, but no charts: %s\n", page, why);
	json_decref(data);
	for (size_t i = 0; i < nr; i++)
		json_decref(files[i].document);
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
	if (optind == argc || argc - optind > MAX_FILES)
		return usage_error(&command_report, "wanted: 1 to %d RESULT.json, found %d",
				   MAX_FILES, argc - optind);
	if (!page)
		return usage_error(&command_report, "no -o report.html given");
	return report(argv + optind, (size_t)(argc - optind), page);
}

const struct command command_report = {
	.name = "report",
	.usage = "RESULT.json|PLAN.json... -o report.html",
	.summary = "results and plans as one page of charts and tables, which needs no network",
	.help = "  -o, --out FILE    the page; of several results, the others are shown beside the\n"
		"                    first, with what `compare` says of them; of plans, what\n"
		"                    plan --out wrote\n",
	.run = run,
};
