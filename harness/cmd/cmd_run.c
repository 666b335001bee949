/* SPDX-License-Identifier: MIT */
/*
 * `shmbench run`: every point once, then every point again, in an order that a
 * seed shuffles each round, so that no point always follows the same other and
 * a disturbance that lasts falls on all of them.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "result/result.h"
#include "run/legs.h"
#include "run/progress.h"
#include "run/rounds.h"
#include "run/supervise.h"
#include "scenario/units.h"
#include "target/target.h"
#include "worker/ops_trace.h"
#include "worker/opstream.h"

#define SETS_MAX 256
#define JITTER_NS 20000000u /* as long as measuring the overhead takes */

struct run_options {
	struct scenario_request request;
	const char *sets[SETS_MAX];
	const char *out, *record;
	bool dry_run, quiet, json_stdout, overhead, live, redo;
};

enum {
	OPT_SET = 256,
	OPT_SECTION,
	OPT_FILTER,
	OPT_DRY_RUN,
	OPT_OUT,
	OPT_JSON,
	OPT_QUIET,
	OPT_OVERHEAD,
	OPT_LIVE,
	OPT_REDO,
	OPT_RECORD
};

/* 0, or an exit code + 1. */
static int parse_options(const struct command *command, int argc, char **argv,
			 struct run_options *opt)
{
	static const struct option options[] = {
		{ "set", required_argument, NULL, OPT_SET },
		{ "section", required_argument, NULL, OPT_SECTION },
		{ "filter", required_argument, NULL, OPT_FILTER },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "out", required_argument, NULL, OPT_OUT },
		{ "json", required_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, OPT_QUIET },
		{ "overhead", no_argument, NULL, OPT_OVERHEAD },
		{ "live", no_argument, NULL, OPT_LIVE },
		{ "redo-disturbed", no_argument, NULL, OPT_REDO },
		{ "record", required_argument, NULL, OPT_RECORD },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case OPT_SET:
			if (opt->request.nr_sets == SETS_MAX)
				return 1 + usage_error(command, "more than %d --set", SETS_MAX);
			opt->sets[opt->request.nr_sets++] = optarg;
			break;
		case OPT_SECTION:
			if (section_option(command, &opt->request.section, optarg))
				return 1 + EXIT_USAGE;
			break;
		case OPT_FILTER:
			opt->request.filter = optarg;
			break;
		case OPT_DRY_RUN:
			opt->dry_run = true;
			break;
		case OPT_OUT:
			opt->out = optarg;
			break;
		case OPT_JSON:
			if (strcmp(optarg, "-"))
				return 1 +
				       usage_error(command,
						   "--json takes -, found '%s'; a file is --out",
						   optarg);
			opt->json_stdout = true;
			break;
		case OPT_QUIET:
			opt->quiet = true;
			break;
		case OPT_OVERHEAD:
			opt->overhead = true;
			break;
		case OPT_LIVE:
			opt->live = true;
			break;
		case OPT_RECORD:
			opt->record = optarg;
			break;
		case OPT_REDO:
			opt->redo = true;
			break;
		case 'h':
			command_help(command, stdout);
			return 1 + EXIT_YES;
		default:
			/* A letter of a group leaves optind where it is. */
			if (optopt && optopt < OPT_SET)
				return 1 + usage_error(command, "option '-%c' is unknown", optopt);
			return 1 + usage_error(command, "option '%s' is unknown or lacks its value",
					       argv[optind - 1]);
		}
	}
	if (optind == argc)
		return 1 + usage_error(command, "no SCENARIO given");
	opt->request.paths = (const char *const *)(argv + optind);
	opt->request.nr_paths = (size_t)(argc - optind);
	opt->request.sets = opt->sets;
	if (opt->overhead) {
		if (opt->request.nr_sets + 2 > SETS_MAX)
			return 1 + usage_error(command, "more than %d --set", SETS_MAX - 2);
		/* An open loop times every operation: there is nothing to compare. */
		opt->sets[opt->request.nr_sets++] = "rate=max";
		opt->sets[opt->request.nr_sets++] = RESULT_OVERHEAD_SET;
	}
	return 0;
}

static uint64_t region_bytes(const struct params *params)
{
	struct shmht_config cfg = params_table(params);
	uint64_t bytes = 0;

	return shmht_region_bytes(&cfg, &bytes, NULL) ? 0 : bytes;
}

/* Of a trial, less its set-up. */
static double seconds_of(const struct params *params)
{
	const struct kill_plan *kill = &params->kill;
	double seconds = (double)(params->ops ? 0 : legs_window_ns(params)) * 1e-9;

	if (!params_have_faults(params))
		return seconds + (double)params->warmup_ns * 1e-9;
	if (kill->count)
		seconds = kill->rate ? (double)kill->count / (double)kill->rate : 0;
	return seconds + 3 * (double)params->calm_ns * 1e-9;
}

static void dry_run(const struct run_kind *kind, const struct scenario *scenario)
{
	double total = 0, counting = kind->counts_calls ? rounds_counting_s(scenario) : 0;

	printf("%-48s %8s %9s %14s\n", "point", "trials", "seconds", "bytes");
	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];
		const struct params *params = &point->params;
		double seconds = params->trials * seconds_of(params);
		char bytes[24];

		if (point->skip_reason) {
			printf("%-48s skipped: %s\n", point->name, point->skip_reason);
			continue;
		}
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)region_bytes(params));
		printf("%-48s %8u %9.2f %14s%s\n", point->name, params->trials, seconds,
		       target_find(params->lock) ? "its own" : bytes,
		       params->ops ? "  (and its operations)" : "");
		total += seconds;
	}
	printf("%zu points, %.1f s of warm-up and measuring", scenario->nr_points,
	       total + counting);
	if (counting > 0)
		printf(" (%.1f s of it to count system calls)", counting);
	puts(", set-up not counted");
}

/* As result_write() puts it, so that both are the same document. */
static int print_json(const json_t *result)
{
	return json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) ||
	       putchar('\n') == EOF || fflush(stdout);
}

static void show_interval(const struct point *point, const struct interval_figures *figures)
{
	char rate[32], p50[32], p99[32];

	units_format_rate_short((double)figures->ops / figures->seconds, rate, sizeof(rate));
	units_format_ns_short(figures->p50_ns, p50, sizeof(p50));
	units_format_ns_short(figures->p99_ns, p99, sizeof(p99));
	fprintf(stderr, "\r\033[K%s  %.1f s: %s ops/s, p50 %s, p99 %s\n", point->name,
		figures->start_s + figures->seconds, rate,
		figures->p50_ns >= 0 ? p50 : "not measured",
		figures->p99_ns >= 0 ? p99 : "not measured");
}

static int save(const json_t *result, const struct scenario *scenario, struct timespec started,
		const struct run_options *opt, FILE *human)
{
	char path[4096];
	int r, code = 0;

	if (opt->json_stdout && print_json(result)) {
		fprintf(stderr, "shmbench run: the result cannot be written to stdout\n");
		code = EXIT_NOT_MEASURED;
	}
	if (opt->json_stdout && !code && !opt->out)
		return 0;
	if (opt->out)
		snprintf(path, sizeof(path), "%s", opt->out);
	else if ((r = result_default_path(scenario, started, path, sizeof(path)))) {
		fprintf(stderr, "shmbench run: no name for the result file: %s\n", strerror(-r));
		return EXIT_NOT_MEASURED;
	}
	r = result_write(result, path);
	if (r) {
		/* Not lost: there is one more place to put it. */
		fprintf(stderr, "shmbench run: %s: %s; the result is on stdout\n", path,
			strerror(-r));
		if (!opt->json_stdout)
			print_json(result);
		return EXIT_NOT_MEASURED;
	}
	if (code)
		fprintf(stderr, "shmbench run: it is in %s\n", path);
	else if (!opt->quiet)
		fprintf(human, "result: %s\n", path);
	return code;
}

/* Before anything runs: an hour's result that nobody can keep is an hour lost. */
static int check_out(const struct run_kind *kind, const struct run_options *opt)
{
	int r = opt->out ? result_can_write(opt->out) : 0;

	if (!r)
		return 0;
	fprintf(stderr,
		"shmbench %s: --out %s cannot be written: %s; name a file in a folder that is "
		"there\n",
		kind->command->name, opt->out, strerror(-r));
	return -1;
}

/* Before anything runs, too: streams are made, not observed. */
static int record(const struct run_kind *kind, const struct scenario *scenario, const char *path)
{
	const struct point *first = &scenario->points[0], *most = first;
	int r;

	if (params_have_faults(&first->params)) {
		fprintf(stderr, "shmbench %s: --record: workers of a torture follow no op stream\n",
			kind->command->name);
		return -1;
	}
	if (first->params.mix[OP_SEARCH_MANY] > 0) {
		fprintf(stderr,
			"shmbench %s: --record: found search_many in the mix of %s; calls of "
			"several keys are not recorded\n",
			kind->command->name, first->name);
		return -1;
	}
	for (size_t i = 1; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];

		if (!opstream_same_draws(&first->params, &point->params)) {
			fprintf(stderr,
				"shmbench %s: --record %s: %s and %s have different streams; "
				"choose one by --section, --filter or --set\n",
				kind->command->name, path, first->name, point->name);
			return -1;
		}
		if (point->params.procs > most->params.procs)
			most = point;
	}
	r = ops_trace_write(&most->params, path);
	if (r)
		fprintf(stderr, "shmbench %s: --record %s cannot be written: %s\n",
			kind->command->name, path, strerror(-r));
	return r;
}

static int measure(const struct run_kind *kind, const struct scenario *scenario,
		   const struct run_options *opt, struct result_build *build)
{
	int sig;

	if (kind->counts_calls)
		rounds_say_who_counts(build);
	sig = rounds_run(kind->trial, scenario, build, opt->quiet, opt->redo);
	if (!sig && kind->counts_calls)
		sig = rounds_count_calls(scenario, build, opt->quiet);
	return sig;
}

int run_scenarios(const struct run_kind *kind, int argc, char **argv)
{
	struct run_options opt = { 0 };
	struct result_build *build;
	struct scenario *scenario;
	struct timespec started;
	struct overhead overhead[OVERHEAD_NR];
	struct jitter jitter;
	const char *refusal;
	FILE *human = stdout;
	json_t *result;
	int code, sig, r;

	r = parse_options(kind->command, argc, argv, &opt);
	if (r)
		return r - 1;
	if (scenario_load(&opt.request, stderr, &scenario))
		return EXIT_USAGE;
	if (opt.dry_run) {
		dry_run(kind, scenario);
		scenario_free(scenario);
		return EXIT_YES;
	}
	if (check_out(kind, &opt)) {
		scenario_free(scenario);
		return EXIT_USAGE;
	}
	refusal = kind->refuse(scenario);
	if (refusal) {
		fprintf(stderr, "shmbench %s: %s: %s\n", kind->command->name, scenario->path,
			refusal);
		scenario_free(scenario);
		return EXIT_USAGE;
	}
	if (opt.record && record(kind, scenario, opt.record)) {
		scenario_free(scenario);
		return EXIT_USAGE;
	}
	if (opt.json_stdout)
		human = stderr;
	/* `run ... | head`: the reader leaves, the result must not go with it. */
	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_REALTIME, &started);
	supervise_init();
	overhead_measure(overhead);
	jitter_measure(JITTER_NS, &jitter);
	build = result_begin(scenario, started);
	if (build)
		result_set_overhead(build, overhead, &jitter);
	if (opt.live && isatty(STDERR_FILENO))
		supervise_on_interval = show_interval;
	sig = measure(kind, scenario, &opt, build);
	result = result_finish(build, sig != 0);
	if (!opt.quiet)
		result_show(result, human);
	if (!opt.quiet && opt.overhead)
		result_show_overhead(result, human);
	code = result_exit_code(result);
	if (opt.quiet && !sig)
		result_show_reason(result, kind->command->name, stderr);
	r = save(result, scenario, started, &opt, human);
	if (r && !code)
		code = r;
	json_decref(result);
	scenario_free(scenario);
	return sig ? 128 + sig : code;
}

static const char *refuse_faults(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->nr_points; i++)
		if (params_have_faults(&scenario->points[i].params))
			return "it plans faults (kill, stop, churn, quota), which `shmbench torture` is for";
	return NULL;
}

static int run(int argc, char **argv)
{
	static const struct run_kind kind = { &command_run, supervise_trial, true, refuse_faults };

	return run_scenarios(&kind, argc, argv);
}

const struct command command_run = {
	.name = "run",
	.usage = "SCENARIO... [OPTIONS]",
	.summary = "run the points of scenario files, print the table, write a result file",
	.help = "  --set KEY=VALUE   replace a key in every section (again for more; lists sweep)\n"
		"  --section A,B     only these sections\n"
		"  --filter REGEX    only points whose name matches\n"
		"  --dry-run         print points, seconds and bytes, run nothing\n"
		"  --out FILE        result file; default results/<scenario>-<UTC time>.json\n"
		"  --json -          result to stdout, table to stderr\n"
		"  --overhead        every point with latency = off, sampled and every, and what each "
		"costs\n"
		"  --live            a line per interval, on a terminal\n"
		"  --redo-disturbed  rounds that the host disturbed again, at most half as many more\n"
		"  --record FILE     write the op streams, for ops_file; 8 MiB per worker and trial\n"
		"  --quiet           no table, no progress\n",
	.run = run,
};
