/* SPDX-License-Identifier: MIT */
/*
 * `shmbench torture`: as `run`, but the points' fault plans are carried out.
 */
#include "cli.h"
#include "scenario/scenario.h"
#include "torture/torture.h"

static const char *prepare(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->nr_points; i++) {
		struct params *params = &scenario->points[i].params;

		if (params->rate || params->ops)
			return "it has a rate or ops; torture is a closed loop by time: leave them out";
		if (params->mix[OP_SEARCH_MANY] > 0)
			return "it has search_many in its mix; torture searches key by key";
		if (params->workers != WORKERS_PROCESS)
			return "it has workers = thread; torture is about processes";
		if (params->verify != VERIFY_VALUES)
			return "it has another verify than values; torture checks every key "
			       "against an account of its own";
		if (params->keyspace < params->procs)
			return "it has fewer keys than workers; each worker changes keys of its own";
		if (params->calm_ns < params->interval_ns)
			return "it has calm below interval: not one window would be counted";
		/* Waits are timed, each of them; operations are not. */
		params->latency = LATENCY_OFF;
	}
	return NULL;
}

static int torture(int argc, char **argv)
{
	static const struct run_kind kind = { &command_torture, torture_trial, false, prepare };

	return run_scenarios(&kind, argc, argv);
}

const struct command command_torture = {
	.name = "torture",
	.usage = "SCENARIO... [OPTIONS]",
	.summary = "kill, stop and replace workers as planned; is anything lost, is anybody stuck?",
	.help = "  --set KEY=VALUE   replace a key in every section (again for more; lists sweep)\n"
		"  --section A,B     only these sections\n"
		"  --filter REGEX    only points whose name matches\n"
		"  --dry-run         print points, seconds and bytes, run nothing\n"
		"  --out FILE        result file; default results/<scenario>-<UTC time>.json\n"
		"  --json -          result to stdout, table to stderr\n"
		"  --quiet           no table, no progress\n",
	.run = torture,
};
