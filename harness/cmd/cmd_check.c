/* SPDX-License-Identifier: MIT */
/*
 * `shmbench check`: the structural check of somebody else's table, read-only and
 * without its locks. What a walk finds while others change the table may be no
 * more than a change seen half-way: it is walked again, and only what every walk
 * finds in the same words is broken. An owner that is off the CPU for as long as that
 * leaves his change half done for all of them: while he lives, nothing is judged.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "scenario/units.h"
#include "shmht.h"

#define WALKS_AGAIN_MAX 20
#define PAUSE_US 5000
#define FINDINGS_MAX 1000 /* told apart; a table so broken needs no more */

struct findings {
	char *texts[FINDINGS_MAX];
	size_t nr, over; /* over: more than fit */
};

static void note(const char *broken, void *arg)
{
	struct findings *findings = arg;
	char *text = findings->nr < FINDINGS_MAX ? strdup(broken) : NULL;

	if (text)
		findings->texts[findings->nr++] = text;
	else
		findings->over++;
}

static void findings_free(struct findings *findings)
{
	while (findings->nr)
		free(findings->texts[--findings->nr]);
	findings->over = 0;
}

static bool has(const struct findings *findings, const char *text)
{
	for (size_t i = 0; i < findings->nr; i++)
		if (strcmp(findings->texts[i], text) == 0)
			return true;
	return false;
}

/* What both have. */
static void keep_common(struct findings *findings, const struct findings *again)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->nr; i++) {
		if (has(again, findings->texts[i]))
			findings->texts[kept++] = findings->texts[i];
		else
			free(findings->texts[i]);
	}
	findings->nr = kept;
	findings->over = findings->over < again->over ? findings->over : again->over;
}

/* A change that a living owner of a stripe's lock has not ended. */
struct under_way {
	bool is;
	uint32_t stripe;
	struct shmht_stripe_state state;
};

struct verdict {
	struct findings findings; /* of every walk */
	struct under_way under_way;
	bool live; /* somebody changed it, or took a lock, meanwhile */
	int again; /* walks after the first */
	int error; /* negative errno */
};

/* The pool is the last of them. A strategy that does not know its holder says nothing. */
static void find_under_way(struct shmht *map, struct under_way *ret)
{
	struct shmht_stripe_state *state = &ret->state;

	for (ret->stripe = 0; !shmht_observe_stripe(map, ret->stripe, state); ret->stripe++) {
		ret->is = state->unfinished && state->held &&
			  (state->holder.state == SHMHT_HOLDER_RUNNING ||
			   state->holder.state == SHMHT_HOLDER_STOPPED);
		if (ret->is)
			return;
	}
}

static void walk(struct shmht *map, struct verdict *verdict)
{
	uint64_t before = shmht_fingerprint(map);
	struct findings again = { .nr = 0 };
	int r = shmht_observe(map, note, &verdict->findings);

	verdict->live = shmht_fingerprint(map) != before;
	while (r > 0 && verdict->findings.nr && verdict->again < WALKS_AGAIN_MAX) {
		usleep(PAUSE_US);
		verdict->again++;
		r = shmht_observe(map, note, &again);
		verdict->live |= shmht_fingerprint(map) != before;
		if (r >= 0)
			keep_common(&verdict->findings, &again);
		findings_free(&again);
		/* Nobody is at it: a third look would see the same. */
		if (!verdict->live && verdict->again == 2)
			break;
	}
	verdict->error = r < 0 ? r : 0;
	if (!verdict->error && (verdict->findings.nr || verdict->findings.over))
		find_under_way(map, &verdict->under_way);
}

/* What is there instead of findings. */
static void say_under_way(const struct verdict *verdict)
{
	const struct under_way *at = &verdict->under_way;
	const struct shmht_holder *holder = &at->state.holder;

	printf("live (%d re-read), nothing judged: in stripe %u thread %d of process %d (%s) is at "
	       "%s\n",
	       verdict->again, at->stripe, (int)holder->tid, (int)holder->pid,
	       holder->state == SHMHT_HOLDER_STOPPED ? "stopped" : "off the CPU, or slow",
	       at->state.under_way);
}

static int report(struct shmht *map, const char *where)
{
	struct verdict verdict = { .live = false };
	struct shmht_info info;
	int code;

	shmht_info(map, &info);
	walk(map, &verdict);
	if (verdict.error) {
		fprintf(stderr, "shmbench check: %s cannot be walked: %s\n", where,
			strerror(-verdict.error));
		return EXIT_NOT_MEASURED;
	}
	for (size_t i = 0; i < verdict.findings.nr && !verdict.under_way.is; i++)
		printf("BROKEN: %s\n", verdict.findings.texts[i]);
	if (verdict.findings.over && !verdict.under_way.is)
		printf("BROKEN: and at least %zu more\n", verdict.findings.over);
	printf("%s: %s, capacity %llu, %u stripes: ", where, info.strategy,
	       (unsigned long long)info.capacity, info.stripes);
	if (verdict.under_way.is) {
		say_under_way(&verdict);
		findings_free(&verdict.findings);
		return EXIT_YES;
	}
	if (verdict.live)
		printf("live (%d re-read)", verdict.again);
	else
		printf("quiet");
	if (verdict.findings.nr)
		printf(", %zu broken invariants\n", verdict.findings.nr + verdict.findings.over);
	else
		printf(", nothing broken%s\n",
		       verdict.live ?
			       "; counts and lost cells can be judged on a quiet table only" :
			       "");
	code = verdict.findings.nr ? EXIT_NO : EXIT_YES;
	findings_free(&verdict.findings);
	return code;
}

static int check_table(uint64_t pid, uint64_t fd)
{
	struct shmht *map;
	char path[64];
	int code = table_observe("check", pid, fd, &map);

	if (code)
		return code;
	snprintf(path, sizeof(path), "/proc/%llu/fd/%llu", (unsigned long long)pid,
		 (unsigned long long)fd);
	code = report(map, path);
	shmht_detach(map);
	return code;
}

static int check(int argc, char **argv)
{
	static const struct option options[] = { { "pid", required_argument, NULL, 'p' },
						 { "fd", required_argument, NULL, 'f' },
						 { "help", no_argument, NULL, 'h' },
						 { 0 } };
	uint64_t pid = UINT64_MAX, fd = UINT64_MAX;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			command_help(&command_check, stdout);
			return EXIT_YES;
		}
		if (c == '?')
			return usage_error(&command_check,
					   "option '%s' is unknown or lacks its value",
					   argv[optind - 1]);
		if (units_parse_count(optarg, c == 'p' ? &pid : &fd) ||
		    (c == 'p' ? pid : fd) > INT32_MAX)
			return usage_error(&command_check, "--%s: found '%s', allowed: a number",
					   c == 'p' ? "pid" : "fd", optarg);
	}
	if (optind < argc)
		return usage_error(&command_check, "found '%s', allowed: options", argv[optind]);
	if (pid == UINT64_MAX || fd == UINT64_MAX)
		return usage_error(&command_check, "both --pid and --fd are wanted");
	return check_table(pid, fd);
}

const struct command command_check = {
	.name = "check",
	.usage = "--pid P --fd N",
	.summary = "structural check of a running process's table, read-only, without its locks",
	.help = "  --pid P   the process; `shmbench list tables` finds them\n"
		"  --fd N    the table's descriptor in it\n",
	.run = check,
};
