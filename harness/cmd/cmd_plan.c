/* SPDX-License-Identifier: MIT */
/* `shmbench plan`: which strategy, how many processes, at what rate, in how much memory. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "plan/plan.h"
#include "plan/plan_file.h"
#include "plan/plan_memory.h"
#include "plan/plan_project.h"
#include "plan/plan_scale.h"
#include "result/result.h"
#include "result/result_internal.h"
#include "run/supervise.h"
#include "scenario/units.h"

#define SETS_MAX 256

struct plan_options {
	struct scenario_request request;
	const char *sets[SETS_MAX];
	struct plan_slo slos[INTERVAL_WATCHES];
	uint32_t nr_slos;
	uint64_t budget_ns, memory_limit;
	const char *out;
	struct timespec started;
	bool memory, scale, quiet;
	uint32_t project_cpus; /* 0: not asked */
};

enum {
	OPT_SLO = 256,
	OPT_BUDGET,
	OPT_MEMORY,
	OPT_SCALE,
	OPT_PROJECT,
	OPT_LIMIT,
	OPT_SET,
	OPT_SECTION,
	OPT_FILTER,
	OPT_OUT,
	OPT_QUIET
};

static int add_slo(struct plan_options *opt, const char *text)
{
	char why[256];

	if (opt->nr_slos == INTERVAL_WATCHES)
		return usage_error(&command_plan, "more than %u --slo", INTERVAL_WATCHES);
	if (plan_slo_parse(text, &opt->slos[opt->nr_slos], why, sizeof(why)))
		return usage_error(&command_plan, "--slo: %s", why);
	opt->nr_slos++;
	return 0;
}

static int take_option(struct plan_options *opt, int c, const char *arg)
{
	switch (c) {
	case OPT_SLO:
		return add_slo(opt, arg);
	case OPT_BUDGET:
		if (units_parse_time(arg, &opt->budget_ns) || !opt->budget_ns)
			return usage_error(&command_plan,
					   "--budget: found '%s', allowed: a time such as 2m", arg);
		return 0;
	case OPT_LIMIT:
		if (units_parse_count(arg, &opt->memory_limit) || !opt->memory_limit)
			return usage_error(&command_plan,
					   "--memory-limit: found '%s', allowed: bytes such as 2Gi",
					   arg);
		return 0;
	case OPT_MEMORY:
		opt->memory = true;
		return 0;
	case OPT_SCALE:
		opt->scale = true;
		return 0;
	case OPT_PROJECT:
		if (project_parse(arg, &opt->project_cpus))
			return usage_error(&command_plan,
					   "--project: found '%s', allowed: CPUS=N, N from 2 to %u",
					   arg, HAND_WORKERS_MAX);
		return 0;
	case OPT_SET:
		if (opt->request.nr_sets == SETS_MAX)
			return usage_error(&command_plan, "more than %d --set", SETS_MAX);
		opt->sets[opt->request.nr_sets++] = arg;
		return 0;
	case OPT_SECTION:
		return section_option(&command_plan, &opt->request.section, arg);
	case OPT_FILTER:
		opt->request.filter = arg;
		return 0;
	case OPT_OUT:
		opt->out = arg;
		return 0;
	default:
		opt->quiet = true;
		return 0;
	}
}

/* 0, or an exit code + 1. */
static int parse_options(int argc, char **argv, struct plan_options *opt)
{
	static const struct option options[] = {
		{ "slo", required_argument, NULL, OPT_SLO },
		{ "budget", required_argument, NULL, OPT_BUDGET },
		{ "memory", no_argument, NULL, OPT_MEMORY },
		{ "scale", no_argument, NULL, OPT_SCALE },
		{ "project", required_argument, NULL, OPT_PROJECT },
		{ "memory-limit", required_argument, NULL, OPT_LIMIT },
		{ "set", required_argument, NULL, OPT_SET },
		{ "section", required_argument, NULL, OPT_SECTION },
		{ "filter", required_argument, NULL, OPT_FILTER },
		{ "out", required_argument, NULL, OPT_OUT },
		{ "quiet", no_argument, NULL, OPT_QUIET },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			command_help(&command_plan, stdout);
			return 1 + EXIT_YES;
		}
		if (c == '?')
			return 1 + usage_error(&command_plan,
					       "option '%s' is unknown or lacks its value",
					       argv[optind - 1]);
		r = take_option(opt, c, optarg);
		if (r)
			return 1 + r;
	}
	opt->request.paths = (const char *const *)(argv + optind);
	opt->request.nr_paths = (size_t)(argc - optind);
	opt->request.sets = opt->sets;
	if (opt->memory + opt->scale + (opt->nr_slos > 0) + (opt->project_cpus > 0) > 1)
		return 1 + usage_error(&command_plan, "--slo, --scale, --project and --memory are "
						      "different questions");
	if (!opt->memory && optind == argc)
		return 1 + usage_error(&command_plan, "no SCENARIO given");
	if (!opt->memory && !opt->scale && !opt->nr_slos && !opt->project_cpus)
		return 1 +
		       usage_error(&command_plan,
				   "no --slo given, such as --slo 'search.p99<=20us'; or --scale, "
				   "--project");
	if (opt->memory_limit && !opt->memory)
		return 1 + usage_error(&command_plan, "--memory-limit goes with --memory");
	return 0;
}

/* One more answer in a document; without memory, none. */
static json_t *with(json_t *document, const char *what, json_t *answer)
{
	if (json_object_set_new(document, what, answer)) {
		json_decref(document);
		return NULL;
	}
	return document;
}

/* Takes the document. */
static int save(json_t *document, const char *path)
{
	int r = document ? result_write(document, path) : -ENOMEM;

	json_decref(document);
	if (!r)
		return 0;
	fprintf(stderr, "shmbench plan: %s: %s\n", path, strerror(-r));
	return EXIT_NOT_MEASURED;
}

/* Takes the answer; nothing to do where no file was asked for. */
static int save_answer(const struct plan_options *opt, const struct scenario *scenario,
		       const char *what, json_t *answer)
{
	if (opt->out)
		return save(with(plan_file_begin(scenario, opt->started), what, answer), opt->out);
	json_decref(answer);
	return 0;
}

static int plan_memory(const struct plan_options *opt, const struct scenario *scenario)
{
	int code = plan_memory_print(scenario, opt->memory_limit, stdout);
	int r = save_answer(opt, scenario, "memory", plan_memory_json(scenario, opt->memory_limit));

	return code ? code : r;
}

/* It looks for one rate, and phases have several. */
static int refuse_phases(const struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->nr_points; i++) {
		if (!scenario->points[i].params.nr_legs)
			continue;
		fprintf(stderr,
			"shmbench plan: %s: key 'phases': found a list, expected none: plan looks "
			"for one rate; plan each phase's load by itself\n",
			scenario->points[i].name);
		return EXIT_USAGE;
	}
	return 0;
}

static int plan_promise(const struct plan_options *opt, const struct scenario *scenario)
{
	struct plan_request request = {
		.scenario = scenario,
		.slos = opt->slos,
		.nr_slos = opt->nr_slos,
		.budget_s = (double)opt->budget_ns * 1e-9,
		.quiet = opt->quiet,
	};
	struct plan_row *rows = NULL;
	int nr, code, r;

	if (refuse_phases(scenario))
		return EXIT_USAGE;
	for (size_t i = 0; i < scenario->nr_points; i++)
		if (scenario->points[i].params.mix[OP_SEARCH_MANY] > 0)
			return usage_error(
				&command_plan,
				"%s: search_many in the mix; a plan is for an open loop, "
				"which has none",
				scenario->points[i].name);
	supervise_init();
	nr = plan_slo_run(&request, &rows);
	if (nr < 0) {
		fprintf(stderr, "shmbench plan: %s\n", strerror(-nr));
		return EXIT_NOT_MEASURED;
	}
	if (!opt->quiet)
		plan_slo_print(&request, rows, nr, stdout);
	code = plan_slo_exit_code(rows, nr);
	r = save_answer(opt, scenario, "rows", plan_slo_json(&request, rows, nr));
	free(rows);
	if (supervise_interrupted())
		return 128 + supervise_interrupted();
	return code ? code : r;
}

static bool is_result(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

static int show_scale(const struct plan_options *opt, const json_t *result)
{
	struct plan_sweep sweep;
	int code = EXIT_YES;

	if (plan_sweep_take(result, &sweep)) {
		fprintf(stderr, "shmbench plan: no memory\n");
		return EXIT_USAGE;
	}
	if (sweep.left_out)
		fprintf(stderr, "shmbench plan: %zu points left out: open loop, or not measured\n",
			sweep.left_out);
	if (!sweep.nr) {
		fprintf(stderr, "shmbench plan: found no closed-loop point, wanted some at several "
				"procs\n");
		code = EXIT_NOT_MEASURED;
	} else if (!opt->quiet) {
		plan_map_print(&sweep, stdout);
		plan_usl_print(&sweep, stdout);
	}
	if (!code && opt->out)
		code = save(with(with(plan_file_of_result(result), "map", plan_map_json(&sweep)),
				 "scalability", plan_usl_json(&sweep)),
			    opt->out);
	plan_sweep_free(&sweep);
	return code;
}

/* Of a sweep that is stored, or made now. */
static int plan_scale(const struct plan_options *opt, const struct scenario *scenario)
{
	json_t *result = NULL;
	int sig = 0, code;

	if (!scenario && result_read(opt->request.paths[0], stderr, &result))
		return EXIT_USAGE;
	if (scenario) {
		supervise_init();
		result = plan_sweep_measure(scenario, opt->quiet, &sig);
	}
	if (!result) {
		fprintf(stderr, "shmbench plan: no memory\n");
		return EXIT_NOT_MEASURED;
	}
	code = show_scale(opt, result);
	if (!code && scenario)
		code = result_exit_code(result);
	json_decref(result);
	return sig ? 128 + sig : code;
}

static int plan_project(const struct plan_options *opt, const struct scenario *scenario)
{
	struct project project;
	bool any = false;
	int r;

	supervise_init();
	r = project_run(scenario, opt->project_cpus, opt->quiet, &project);
	if (r) {
		project_free(&project);
		if (supervise_interrupted())
			return 128 + supervise_interrupted();
		fprintf(stderr, "shmbench plan: %s\n",
			r == -ENODATA ? "found no closed-loop point (rate = max), of which a "
					"projection is made" :
					strerror(-r));
		return r == -ENODATA ? EXIT_USAGE : EXIT_NOT_MEASURED;
	}
	for (uint32_t i = 0; i < project.nr; i++)
		any |= project.rows[i].nr_ranges > 0;
	if (!opt->quiet)
		project_print(&project, scenario->path, stdout);
	r = save_answer(opt, scenario, "projection", project_json(&project));
	project_free(&project);
	return any ? r : EXIT_NOT_MEASURED;
}

static int run(int argc, char **argv)
{
	struct plan_options opt = { 0 };
	struct scenario *scenario;
	int code, r;

	r = parse_options(argc, argv, &opt);
	if (r)
		return r - 1;
	clock_gettime(CLOCK_REALTIME, &opt.started);
	if (opt.scale && is_result(opt.request.paths[0])) {
		if (opt.request.nr_paths > 1 || opt.request.nr_sets)
			return usage_error(&command_plan,
					   "one RESULT.json, which nothing can be set in any more");
		return plan_scale(&opt, NULL);
	}
	if (opt.request.nr_paths)
		r = scenario_load(&opt.request, stderr, &scenario);
	else
		r = scenario_load_sets(&opt.request, stderr, &scenario);
	if (r)
		return EXIT_USAGE;
	code = opt.memory	? plan_memory(&opt, scenario) :
	       opt.scale	? plan_scale(&opt, scenario) :
	       opt.project_cpus ? plan_project(&opt, scenario) :
				  plan_promise(&opt, scenario);
	scenario_free(scenario);
	return code;
}

const struct command command_plan = {
	.name = "plan",
	.usage = "SCENARIO --slo 'search.p99<=20us' [OPTIONS]  |  SCENARIO|RESULT.json --scale  |\n"
		 "       SCENARIO --project CPUS=N  |  --memory [SCENARIO] [OPTIONS]",
	.summary = "the load that keeps a promise on response times; the memory that a table takes",
	.help = "  --slo PROMISE       [response.]OP.p50|p90|p99|p999|p9999<=TIME (again for more): for\n"
		"                      each strategy the highest rate that keeps them, or, where\n"
		"                      the scenario says rate = N/proc, the most processes\n"
		"  --budget TIME       observation in all; default 100 s per strategy\n"
		"  --scale             which choice is best at which number of processes and load,\n"
		"                      what each loses elsewhere, and how it scales (Universal\n"
		"                      Scalability Law); of a sweep run now, or of a stored result\n"
		"  --project CPUS=N    throughput on N CPUs, as ranges, by a model of lock hand-off that\n"
		"                      is fed with costs measured here, trial by trial where they change,\n"
		"                      and checked here\n"
		"  --memory            bytes of each point's table; runs nothing\n"
		"  --memory-limit N    and whether it fits, and what would\n"
		"  --set KEY=VALUE     replace a key in every section (again for more; lists sweep)\n"
		"  --section A,B       only these sections\n"
		"  --filter REGEX      only points whose name matches\n"
		"  --out FILE          the answers as JSON\n"
		"  --quiet             no table, no progress\n",
	.run = run,
};
