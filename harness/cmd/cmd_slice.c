/* SPDX-License-Identifier: MIT */
/*
 * `shmbench slice`: one trial of one point for `shmbench gate`, which may be
 * another build: one JSON line out. Not in the help: no user types it. The
 * protocol only grows; --protocol names what the asking side understands.
 *
 * A point that is listed with "turns" can be measured in turns (run/turns.h): stdin is a
 * socket then, --duration a turn's window, --settle what goes before it, --warmup what
 * goes before the first. A build that does not list it is asked for whole slices.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/hdr.h"
#include "result/result_internal.h"
#include "run/host.h"
#include "run/supervise.h"
#include "run/turns.h"
#include "scenario/scenario.h"
#include "scenario/units.h"

struct slice_options {
	struct scenario_request request;
	const char *sets[2 * GATE_SETS_MAX];
	struct gate_metric metrics[GATE_METRICS_MAX];
	uint32_t nr_metrics;
	const char *protocol, *point;
	uint64_t duration_ns, warmup_ns, settle_ns, turns, trial, sample_every;
	bool list;
};

static int take(struct slice_options *opt, int c, const char *arg)
{
	char why[256] = "not of the kind that is allowed";
	int r = 0;

	if (c == 's' && opt->request.nr_sets == 2 * GATE_SETS_MAX)
		r = -1;
	else if (c == 's')
		opt->sets[opt->request.nr_sets++] = arg;
	else if (c == 'S')
		return section_option(&command_slice, &opt->request.section, arg);
	else if (c == 'f')
		opt->request.filter = arg;
	else if (c == 'p')
		opt->point = arg;
	else if (c == 'P')
		opt->protocol = arg;
	else if (c == 'l')
		opt->list = true;
	else if (c == 'd')
		r = units_parse_time(arg, &opt->duration_ns);
	else if (c == 'w')
		r = units_parse_time(arg, &opt->warmup_ns);
	else if (c == 't')
		r = units_parse_count(arg, &opt->turns) || opt->turns > TURNS_MAX ? -1 : 0;
	else if (c == 'T')
		r = units_parse_time(arg, &opt->settle_ns);
	else if (c == 'k')
		r = units_parse_count(arg, &opt->trial);
	else if (c == 'e')
		r = units_parse_count(arg, &opt->sample_every);
	else if (c == 'm' && opt->nr_metrics < GATE_METRICS_MAX)
		r = gate_metric_parse(arg, &opt->metrics[opt->nr_metrics++], why, sizeof(why));
	else
		r = -1;
	return r ? usage_error(&command_slice, "'%s': %s", arg ? arg : "option", why) : 0;
}

static int parse_options(int argc, char **argv, struct slice_options *opt)
{
	static const struct option options[] = {
		{ "protocol", required_argument, NULL, 'P' },
		{ "set", required_argument, NULL, 's' },
		{ "section", required_argument, NULL, 'S' },
		{ "filter", required_argument, NULL, 'f' },
		{ "point", required_argument, NULL, 'p' },
		{ "trial", required_argument, NULL, 'k' },
		{ "duration", required_argument, NULL, 'd' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "turns", required_argument, NULL, 't' },
		{ "settle", required_argument, NULL, 'T' },
		{ "sample-every", required_argument, NULL, 'e' },
		{ "metric", required_argument, NULL, 'm' },
		{ "list", no_argument, NULL, 'l' },
		{ 0 },
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		r = take(opt, c, optarg);
		if (r)
			return r;
	}
	if (!opt->protocol || strcmp(opt->protocol, GATE_PROTOCOL))
		return usage_error(&command_slice, "protocol found '%s', spoken here: %s",
				   opt->protocol ? opt->protocol : "none", GATE_PROTOCOL);
	if (optind == argc || (!opt->list && !opt->point))
		return usage_error(&command_slice, "SCENARIO and --list or --point are wanted");
	opt->request.paths = (const char *const *)(argv + optind);
	opt->request.nr_paths = (size_t)(argc - optind);
	opt->request.sets = opt->sets;
	return 0;
}

static int print_line(json_t *object)
{
	int r = !object || json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17)) ||
		putchar('\n') == EOF || fflush(stdout);

	json_decref(object);
	return r ? EXIT_NOT_MEASURED : EXIT_YES;
}

/* A slice is one short window; phases are several. */
static const char *why_not(const struct point *point)
{
	if (!point->skip_reason && point->params.nr_legs)
		return "phases: a slice has one window; gate each phase's load by itself";
	return point->skip_reason;
}

static int print_list(const struct scenario *scenario)
{
	json_t *host = host_describe(), *points = json_array();

	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];

		json_array_append_new(points, json_pack("{s:o, s:o, s:b, s:i, s:b}", "name",
							result_string(point->name), "skip",
							result_string(why_not(point)), "open_loop",
							point->params.rate > 0, "procs",
							(int)point->params.procs, "turns",
							turns_possible(&point->params)));
	}
	return print_line(json_pack("{s:s, s:O, s:o, s:s, s:o}", "protocol", GATE_PROTOCOL,
				    "fingerprint", json_object_get(host, "fingerprint"), "tool",
				    tool_describe(), "scenario_sha256", scenario->sha256, "points",
				    points));
}

/* "[service.|response.]OP.FIGURE": the histogram behind it, of all workers. */
static json_t *histogram(const struct point *point, const struct trial *trial, const char *metric)
{
	bool response = point->params.rate > 0;
	struct hist *sum = calloc(1, sizeof(*sum));
	char *text = NULL;
	unsigned int classes = 0;
	json_t *value;

	if (strncmp(metric, "service.", 8) == 0) {
		response = false;
		metric += 8;
	} else if (strncmp(metric, "response.", 9) == 0) {
		metric += 9;
	}
	for (size_t i = 0; i < RESULT_OPS; i++)
		if (strlen(result_ops[i].name) == (size_t)(strrchr(metric, '.') - metric) &&
		    strncmp(result_ops[i].name, metric, strlen(result_ops[i].name)) == 0)
			classes = result_ops[i].classes;
	for (uint32_t w = 0; sum && w < trial->nr_workers; w++)
		for (unsigned int c = 0; c < HIST_CLASSES; c++)
			if (classes & 1u << c)
				hist_merge(sum, response ? &trial->workers[w].response[c] :
							   &trial->workers[w].service[c]);
	if (sum)
		text = hdr_encode(sum);
	value = result_string(text);
	free(text);
	free(sum);
	return value;
}

/* [operations, seconds] of each turn; null: there were none. */
static json_t *turn_figures(const struct turns *turns)
{
	json_t *list = turns ? json_array() : json_null();

	for (uint32_t k = 0; turns && k < turns->nr; k++)
		json_array_append_new(list, json_pack("[o, o]", result_count(turns->had[k].ops),
						      result_number(turns->had[k].seconds)));
	return list;
}

static int run_slice(const struct slice_options *opt, const struct point *found)
{
	static const char *const status[] = { "ok", "failed", "not_measured" };
	static struct turns all_turns;
	struct turns *turns = opt->turns ? &all_turns : NULL;
	struct point point = *found;
	struct trial trial;
	json_t *hists = json_object();
	int sig;

	all_turns.nr = (uint32_t)opt->turns;
	all_turns.settle_ns = opt->settle_ns;

	if (opt->duration_ns && !point.params.ops)
		point.params.duration_ns = opt->duration_ns;
	if (opt->warmup_ns)
		point.params.warmup_ns = opt->warmup_ns;
	if (opt->sample_every) {
		point.params.latency = opt->sample_every == 1 ? LATENCY_EVERY : LATENCY_SAMPLED;
		point.params.sample_every = (uint32_t)opt->sample_every;
	}
	supervise_init();
	supervise_trial_in_turns(&point, (uint32_t)opt->trial, turns, &trial);
	for (uint32_t i = 0; i < opt->nr_metrics; i++)
		if (opt->metrics[i].quantile > 0)
			json_object_set_new(hists, opt->metrics[i].name,
					    histogram(&point, &trial, opt->metrics[i].name));
	print_line(json_pack("{s:s, s:o, s:s, s:o, s:i, s:o, s:o, s:b, s:o, s:o, s:o, s:o}",
			     "protocol", GATE_PROTOCOL, "point", result_string(point.name),
			     "status", status[trial.status], "reason", result_string(trial.reason),
			     "trial", (int)opt->trial, "seconds", result_number(trial.seconds),
			     "ops", result_count(trial.ops), "by_time", point.params.ops == 0,
			     "op_stream_hash", result_hex(trial.op_stream_hash), "hist", hists,
			     "layout_hash", result_hex(shmht_layout_hash()), "turns",
			     turn_figures(turns)));
	trial_free(&trial);
	sig = supervise_interrupted();
	return sig ? 128 + sig : 0;
}

static int run(int argc, char **argv)
{
	struct slice_options opt = { .warmup_ns = 0 };
	struct scenario *scenario;
	const struct point *found = NULL;
	int code;

	code = parse_options(argc, argv, &opt);
	if (code)
		return code;
	if (scenario_load(&opt.request, stderr, &scenario))
		return EXIT_USAGE;
	for (size_t i = 0; opt.point && i < scenario->nr_points; i++)
		if (strcmp(scenario->points[i].name, opt.point) == 0)
			found = &scenario->points[i];
	if (opt.list) {
		code = print_list(scenario);
	} else if (found && opt.turns && !turns_possible(&found->params)) {
		code = usage_error(&command_slice, "point '%s' cannot be measured in turns",
				   opt.point);
	} else if (!found || found->skip_reason) {
		fprintf(stderr, "shmbench slice: point '%s' %s\n", opt.point,
			found ? found->skip_reason : "is not in the scenario");
		code = EXIT_NOT_MEASURED;
	} else {
		code = run_slice(&opt, found);
	}
	scenario_free(scenario);
	return code;
}

const struct command command_slice = {
	.name = "slice",
	.usage = "--protocol P SCENARIO --list | --point NAME --trial K",
	.summary = "one trial for `shmbench gate`, as one line of JSON",
	.help = "",
	.run = run,
};
