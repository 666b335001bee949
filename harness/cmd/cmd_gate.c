/* SPDX-License-Identifier: MIT */
/* `shmbench gate`: is head slower than base? */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result.h"
#include "run/supervise.h"
#include "scenario/units.h"

#define BUDGET_DEFAULT_S 300

struct gate_options {
	struct gate_request request;
	const char *out, *markdown, *junit;
	bool seeded;
};

enum {
	OPT_BASE = 256,
	OPT_HEAD,
	OPT_BASELINE,
	OPT_BASE_SET,
	OPT_HEAD_SET,
	OPT_SET,
	OPT_SECTION,
	OPT_FILTER,
	OPT_METRIC,
	OPT_IGNORE,
	OPT_DETECT,
	OPT_BUDGET,
	OPT_SLICE,
	OPT_SEED,
	OPT_ALLOW,
	OPT_BOOTSTRAP,
	OPT_INSTRUCTIONS,
	OPT_AA,
	OPT_RUNS,
	OPT_RELINKED,
	OPT_CALIBRATION,
	OPT_CONTROL,
	OPT_OUT,
	OPT_MARKDOWN,
	OPT_JUNIT,
	OPT_QUIET
};

static int add_set(const char **sets, uint32_t *nr, const char *arg)
{
	if (*nr == GATE_SETS_MAX)
		return usage_error(&command_gate, "more than %d --set of a kind", GATE_SETS_MAX);
	sets[(*nr)++] = arg;
	return 0;
}

static int take_share(const char *option, const char *arg, double *ret_log)
{
	double share;

	if (units_parse_percent(arg, &share))
		return usage_error(&command_gate, "%s: found '%s', allowed: a share such as 2%%",
				   option, arg);
	*ret_log = log1p(share);
	return 0;
}

static int take_time(const char *option, const char *arg, uint64_t *ret_ns)
{
	if (!units_parse_time(arg, ret_ns) && *ret_ns)
		return 0;
	return usage_error(&command_gate, "%s: found '%s', allowed: a time such as 60s", option,
			   arg);
}

static int take_metric(struct gate_request *request, const char *arg)
{
	char why[200];

	if (request->nr_metrics == GATE_METRICS_MAX)
		return usage_error(&command_gate, "more than %d --metric", GATE_METRICS_MAX);
	if (gate_metric_parse(arg, &request->metrics[request->nr_metrics], why, sizeof(why)))
		return usage_error(&command_gate, "--metric: %s", why);
	request->nr_metrics++;
	return 0;
}

static int take_runs(struct gate_request *request, const char *arg)
{
	uint64_t runs;

	if (units_parse_count(arg, &runs) || !runs || runs > 100000)
		return usage_error(&command_gate, "--runs: found '%s', allowed: 1 to 100000", arg);
	request->aa_runs = (uint32_t)runs;
	return 0;
}

static int take_option(struct gate_options *opt, int c, const char *arg)
{
	struct gate_request *request = &opt->request;
	struct gate_build *base = &request->builds[GATE_BASE], *head = &request->builds[GATE_HEAD];
	uint64_t ns = 0;
	int r = 0;

	switch (c) {
	case OPT_BASE:
		base->binary = arg;
		break;
	case OPT_HEAD:
		head->binary = arg;
		break;
	case OPT_BASELINE:
		request->baseline = arg;
		break;
	case OPT_BASE_SET:
		return add_set(base->sets, &base->nr_sets, arg);
	case OPT_HEAD_SET:
		return add_set(head->sets, &head->nr_sets, arg);
	case OPT_SET:
		return add_set(request->sets, &request->nr_sets, arg);
	case OPT_SECTION:
		return section_option(&command_gate, &request->section, arg);
	case OPT_FILTER:
		request->filter = arg;
		break;
	case OPT_METRIC:
		return take_metric(request, arg);
	case OPT_IGNORE:
		return take_share("--ignore", arg, &request->ignore);
	case OPT_DETECT:
		return take_share("--detect", arg, &request->detect);
	case OPT_BUDGET:
		r = take_time("--budget", arg, &ns);
		request->budget_s = (double)ns * 1e-9;
		return r;
	case OPT_SLICE:
		return take_time("--slice", arg, &request->slice_ns);
	case OPT_SEED:
		opt->seeded = true;
		if (units_parse_count(arg, &request->seed))
			return usage_error(&command_gate, "--seed: found '%s', allowed: a number",
					   arg);
		break;
	case OPT_ALLOW:
		if (strcmp(arg, "inconclusive"))
			return usage_error(&command_gate,
					   "--allow: found '%s', allowed: inconclusive", arg);
		request->allow_inconclusive = true;
		break;
	case OPT_BOOTSTRAP:
		request->bootstrap = true;
		break;
	case OPT_AA:
		request->aa = true;
		break;
	case OPT_RUNS:
		return take_runs(request, arg);
	case OPT_RELINKED:
		if (request->nr_relinked == GATE_RELINKED_MAX)
			return usage_error(&command_gate, "more than %d --relinked",
					   GATE_RELINKED_MAX);
		request->relinked[request->nr_relinked++] = arg;
		break;
	case OPT_CALIBRATION:
		request->calibration = arg;
		break;
	case OPT_CONTROL:
		request->control = true;
		break;
	case OPT_INSTRUCTIONS:
		request->instructions = true;
		break;
	case OPT_OUT:
		opt->out = arg;
		break;
	case OPT_MARKDOWN:
		opt->markdown = arg;
		break;
	case OPT_JUNIT:
		opt->junit = arg;
		break;
	default:
		request->quiet = true;
	}
	return 0;
}

/* One build, whichever, against itself. */
static int check_aa(struct gate_request *request, const char *self)
{
	struct gate_build *base = &request->builds[GATE_BASE];
	const struct gate_build *head = &request->builds[GATE_HEAD];

	if (head->binary || base->nr_sets || head->nr_sets || request->baseline ||
	    request->instructions || request->bootstrap)
		return usage_error(&command_gate, "--aa is one build against itself: only --base, "
						  "--set, --relinked and the limits go with it");
	if (!base->binary)
		base->binary = self;
	return 0;
}

static int check_sides(struct gate_options *opt, const char *self)
{
	struct gate_request *request = &opt->request;
	struct gate_build *base = &request->builds[GATE_BASE], *head = &request->builds[GATE_HEAD];

	if (request->baseline) {
		if (base->binary || base->nr_sets || head->nr_sets || request->nr_metrics ||
		    request->instructions || request->control)
			return usage_error(&command_gate, "--baseline is a base, and of ops_per_s: "
							  "only --head and --set go with it");
		if (!head->binary)
			head->binary = self;
		request->budget_s = 0; /* as long as the baseline took */
	} else if (!base->binary != !head->binary) {
		return usage_error(&command_gate, "--base and --head go together");
	}
	if (!base->nr_sets != !head->nr_sets)
		return usage_error(&command_gate, "--base-set and --head-set go together");
	if (!request->baseline && !base->binary && !base->nr_sets)
		return usage_error(&command_gate,
				   "two sides are wanted: --base and --head, or --base-set and "
				   "--head-set");
	if (!request->baseline && !base->binary)
		base->binary = head->binary = self;
	return 0;
}

static int check_options(struct gate_options *opt, const char *self)
{
	struct gate_request *request = &opt->request;
	int r;

	if (!request->aa && (request->aa_runs || request->nr_relinked))
		return usage_error(&command_gate, "--runs and --relinked go with --aa");
	r = request->aa ? check_aa(request, self) : check_sides(opt, self);
	if (r)
		return r;
	if (!(request->budget_s > 0) && !request->baseline)
		request->budget_s = BUDGET_DEFAULT_S;
	/* One of them alone is held against the other's default. */
	if ((isnan(request->ignore) ? log1p(GATE_IGNORE) : request->ignore) >=
	    (isnan(request->detect) ? INFINITY : request->detect))
		return usage_error(&command_gate, "--ignore must be less than --detect");
	if (!opt->seeded && getrandom(&request->seed, 4, 0) != 4)
		return usage_error(&command_gate, "no randomness for the coins: give --seed");
	return 0;
}

/* 0, or an exit code + 1. */
static int parse_options(int argc, char **argv, struct gate_options *opt, const char *self)
{
	static const struct option options[] = {
		{ "base", required_argument, NULL, OPT_BASE },
		{ "head", required_argument, NULL, OPT_HEAD },
		{ "baseline", required_argument, NULL, OPT_BASELINE },
		{ "base-set", required_argument, NULL, OPT_BASE_SET },
		{ "head-set", required_argument, NULL, OPT_HEAD_SET },
		{ "set", required_argument, NULL, OPT_SET },
		{ "section", required_argument, NULL, OPT_SECTION },
		{ "filter", required_argument, NULL, OPT_FILTER },
		{ "metric", required_argument, NULL, OPT_METRIC },
		{ "ignore", required_argument, NULL, OPT_IGNORE },
		{ "detect", required_argument, NULL, OPT_DETECT },
		{ "budget", required_argument, NULL, OPT_BUDGET },
		{ "slice", required_argument, NULL, OPT_SLICE },
		{ "seed", required_argument, NULL, OPT_SEED },
		{ "allow", required_argument, NULL, OPT_ALLOW },
		{ "bootstrap", no_argument, NULL, OPT_BOOTSTRAP },
		{ "aa", no_argument, NULL, OPT_AA },
		{ "runs", required_argument, NULL, OPT_RUNS },
		{ "relinked", required_argument, NULL, OPT_RELINKED },
		{ "calibration", required_argument, NULL, OPT_CALIBRATION },
		{ "control", no_argument, NULL, OPT_CONTROL },
		{ "instructions", no_argument, NULL, OPT_INSTRUCTIONS },
		{ "out", required_argument, NULL, OPT_OUT },
		{ "markdown", required_argument, NULL, OPT_MARKDOWN },
		{ "junit", required_argument, NULL, OPT_JUNIT },
		{ "quiet", no_argument, NULL, OPT_QUIET },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, r;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			command_help(&command_gate, stdout);
			return 1 + EXIT_YES;
		}
		if (c == '?')
			return 1 + usage_error(&command_gate,
					       "option '%s' is unknown or lacks its value",
					       argv[optind - 1]);
		r = take_option(opt, c, optarg);
		if (r)
			return 1 + r;
	}
	if (optind != argc - 1)
		return 1 + usage_error(&command_gate, "one SCENARIO is wanted, found %d",
				       argc - optind);
	opt->request.scenario = argv[optind];
	r = check_options(opt, self);
	return r ? 1 + r : 0;
}

/* The scenario's errors, once, by this program: not as a slice's stderr. */
static int check_scenario(const struct gate_request *request)
{
	for (int side = 0; side < GATE_SIDES; side++) {
		const struct gate_build *build = &request->builds[side];
		const char *sets[2 * GATE_SETS_MAX];
		struct scenario_request wanted = {
			.paths = &request->scenario,
			.nr_paths = 1,
			.sets = sets,
			.section = request->section,
			.filter = request->filter,
		};
		struct scenario *scenario;

		for (uint32_t i = 0; i < request->nr_sets; i++)
			sets[wanted.nr_sets++] = request->sets[i];
		for (uint32_t i = 0; i < build->nr_sets; i++)
			sets[wanted.nr_sets++] = build->sets[i];
		if (scenario_load(&wanted, stderr, &scenario))
			return -EINVAL;
		scenario_free(scenario);
	}
	return 0;
}

static int write_all(const struct gate_options *opt, const struct gate_suite *suite, int code)
{
	int failed = 0, r[3] = { 0 };
	const char *paths[] = { opt->out, opt->markdown, opt->junit };
	json_t *document;

	if (opt->out) {
		document = gate_json(&opt->request, suite, code);
		r[0] = document ? result_write(document, opt->out) : -ENOMEM;
		json_decref(document);
	}
	if (opt->markdown)
		r[1] = gate_markdown(&opt->request, suite, code, opt->markdown);
	if (opt->junit)
		r[2] = gate_junit(&opt->request, suite, opt->junit);
	for (int i = 0; i < 3; i++) {
		if (!r[i])
			continue;
		fprintf(stderr, "shmbench gate: %s: %s\n", paths[i], strerror(-r[i]));
		failed = EXIT_NOT_MEASURED;
	}
	return failed;
}

static int store(const struct gate_options *opt, const struct gate_aa *aa)
{
	json_t *document = gate_aa_json(&opt->request, aa);
	char path[4096];
	int failed = 0;

	gate_calibration_path(&opt->request, aa->identity, path, sizeof(path));
	for (int copy = 0; copy < 1 + !!opt->out; copy++) {
		const char *to = copy ? opt->out : path;
		int r = document ? result_write(document, to) : -ENOMEM;

		if (r) {
			fprintf(stderr, "shmbench gate: %s: %s\n", to, strerror(-r));
			failed = EXIT_NOT_MEASURED;
		} else {
			printf("stored in %s\n", to);
		}
	}
	json_decref(document);
	return failed;
}

/* Calibrates this host: prints, and stores for the gates to come. */
static int run_aa(const struct gate_options *opt)
{
	const struct gate_request *request = &opt->request;
	struct gate_aa aa;
	int sig, code, failed = 0, r = gate_aa(request, &aa);

	sig = supervise_interrupted();
	code = sig	   ? 128 + sig :
	       r == -ETIME ? EXIT_USAGE :
	       r	   ? EXIT_NOT_MEASURED :
			     gate_aa_exit_code(&aa);
	if (r == -ETIME)
		fprintf(stderr, "shmbench gate: %s\n", aa.reason);
	else
		gate_aa_print(&aa, stdout);
	if (!sig && !r && aa.runs)
		failed = store(opt, &aa);
	gate_aa_free(&aa);
	return code ? code : failed;
}

static int run(int argc, char **argv)
{
	struct gate_options opt = { .request = { .ignore = NAN, .detect = NAN } };
	struct gate_suite suite;
	char self[4096] = "", summary[700];
	int code, failed, sig, r;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return EXIT_NOT_MEASURED;
	r = parse_options(argc, argv, &opt, self);
	if (r)
		return r - 1;
	/* Two builds know their own keys: each says what it makes of the file. */
	if ((opt.request.builds[GATE_BASE].nr_sets ||
	     (opt.request.aa && !strcmp(opt.request.builds[GATE_BASE].binary, self))) &&
	    check_scenario(&opt.request))
		return EXIT_USAGE;
	supervise_init();
	if (opt.request.aa)
		return run_aa(&opt);
	if (opt.request.baseline)
		gate_run_baseline(&opt.request, &suite);
	else
		gate_run(&opt.request, &suite);
	sig = supervise_interrupted();
	code = sig ? 128 + sig : gate_exit_code(&opt.request, &suite);
	if (!opt.request.quiet && !suite.error)
		gate_print(&opt.request, &suite, stdout);
	gate_summary(&suite, code, summary, sizeof(summary));
	if (suite.error)
		fprintf(stderr, "shmbench %s\n", summary);
	else
		puts(summary);
	if (code == EXIT_YES && opt.request.allow_inconclusive && strstr(summary, "INCONCLUSIVE"))
		fputs("shmbench gate: warning: the budget did not decide; allowed\n", stderr);
	failed = write_all(&opt, &suite, code);
	gate_suite_free(&suite);
	return code == EXIT_YES || code == EXIT_INCONCLUSIVE ? failed ? failed : code : code;
}

const struct command command_gate = {
	.name = "gate",
	.usage = "SCENARIO --base BIN --head BIN | --base-set K=V --head-set K=V | "
		 "--baseline RESULT.json | --aa [OPTIONS]",
	.summary = "is head slower than base? a verdict with 1 % false alarms over all points",
	.help = "  --base BIN --head BIN   two builds of shmbench\n"
		"  --base-set K=V          one build, two settings (again for more) ...\n"
		"  --head-set K=V          ... and head's\n"
		"  --baseline RESULT.json  the stored trials of this scenario, this host and this\n"
		"                          table layout as base; --head BIN, or this program\n"
		"  --aa                    one build (--base BIN, or this) against itself: false\n"
		"                          alarms, smallest slowdown found, relink spread; stored\n"
		"  --runs N                gates of --aa; default: 20 and more as --budget allows\n"
		"  --relinked BIN          for --aa: the same source in another link order (again\n"
		"                          for more; scripts/calibrate makes 8)\n"
		"  --calibration FILE      what --aa stored; default in ./results, or .: calibration-\n"
		"                          and the host's fingerprint, the scenario's hash\n"
		"  --control               every third round is base against base, reported beside\n"
		"  --set K=V               for both; also --section A,B, --filter REGEX\n"
		"  --ignore SHARE          slower by this is no regression; default 2%, or the\n"
		"                          calibration's relink spread if that is larger\n"
		"  --detect SHARE          slower by this must be found, or there is no pass; 5%\n"
		"  --budget TIME           default 5m; ends earlier when all is decided\n"
		"  --metric METRIC         ops_per_s, [service.|response.]OP.p99 (again for more);\n"
		"                          default ops_per_s, in an open loop all.p99\n"
		"  --slice TIME            measured of each side in a round; default 50ms, or 100ms\n"
		"                          from a budget of 30s on\n"
		"  --seed N                of the coins that order the rounds; default: drawn\n"
		"  --allow inconclusive    exit 0 where the budget could not decide\n"
		"  --bootstrap             a base without `gate` is no error: all points are new\n"
		"  --instructions          beside time: instructions per operation by callgrind, of\n"
		"                          points of one worker; finds 1%, beyond the budget\n"
		"  --out FILE              verdicts and rounds as JSON\n"
		"  --markdown FILE         the table as Markdown\n"
		"  --junit FILE            the verdicts as JUnit XML\n"
		"  --quiet                 one line\n",
	.run = run,
};
