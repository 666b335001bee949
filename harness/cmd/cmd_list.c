/* SPDX-License-Identifier: MIT */
/* `shmbench list`: what can be asked for. */
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "scenario/scenario.h"
#include "shmht.h"
#include "target/target.h"

static const char *waits_by(const struct shmht_strategy *s)
{
	bool spins = s->caps & SHMHT_CAP_SPINS, parks = s->caps & SHMHT_CAP_PARKS;

	if (s->caps & SHMHT_CAP_YIELDS)
		return "spins, yields";
	return spins && parks ? "spins, parks" : spins ? "spins" : parks ? "parks" : "never";
}

static void wait_choices(const struct shmht_strategy *s, char *buf, size_t size)
{
	size_t len = 0;

	snprintf(buf, size, "-");
	for (unsigned int w = SHMHT_WAIT_SPIN; w < SHMHT_WAIT_NR; w++)
		if (s->waits >> w & 1)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? " " : "",
						shmht_wait_name((enum shmht_wait)w));
}

/* What can be told in a word, in columns, a line each; then what they are. */
static int list_strategies(void)
{
	static const char row[] = "%-15s %-5s %-13s %-16s %-8s %-34s %s\n";
	const struct shmht_strategy *s;
	char choices[40];

	printf(row, "lock", "fair", "waits", "wait = own or", "readers",
	       "dead holder (95 % interval)", "more workers than CPUs");
	for (unsigned int i = 0; (s = shmht_strategy_at(i)); i++) {
		wait_choices(s, choices, sizeof(choices));
		printf(row, s->name, s->caps & SHMHT_CAP_FAIR ? "yes" : "no", waits_by(s), choices,
		       s->caps & SHMHT_CAP_SHARED_READERS ? "share" : "exclude", s->dead_holder,
		       s->oversubscribed);
	}
	printf("\n");
	for (unsigned int i = 0; (s = shmht_strategy_at(i)); i++)
		printf("%-15s %s [%s]\n", s->name, s->summary, s->paper);
	return EXIT_YES;
}

static int list_keys(void)
{
	scenario_list_keys(stdout);
	return EXIT_YES;
}

/* Those that this build lacks are listed too, with what is missing. */
static int list_targets(void)
{
	const struct target *target;
	const char *missing;
	char buf[128];

	for (unsigned int i = 0; (target = target_at(i)); i++) {
		missing = target_missing(target, buf, sizeof(buf));
		printf("%s%-12s %s%s%s\n", TARGET_PREFIX, target->name, target->summary,
		       missing ? "; " : "", missing ? missing : "");
	}
	return EXIT_YES;
}

/* The first line of a scenario's opening comment. */
static void print_scenario(const char *dir, const char *name)
{
	char path[4096], line[256] = "";
	const char *text = line;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	while (*text == ';' || *text == '#' || *text == ' ')
		text++;
	printf("%-36s %s\n", path, text);
}

static int is_ini(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && !strcmp(entry->d_name + len - 4, ".ini");
}

static int list_scenarios(void)
{
	static const char dir[] = "scenarios";
	struct dirent **entries;
	int n = scandir(dir, &entries, is_ini, alphasort);

	if (n < 0) {
		fprintf(stderr, "shmbench list: no folder '%s' here; run it where that folder is\n",
			dir);
		return EXIT_USAGE;
	}
	for (int i = 0; i < n; i++) {
		print_scenario(dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return EXIT_YES;
}

static int list(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(void);
	} kinds[] = {
		{ "strategies", list_strategies }, { "keys", list_keys },
		{ "scenarios", list_scenarios },   { "tables", list_tables },
		{ "targets", list_targets },
	};

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		command_help(&command_list, stdout);
		return EXIT_YES;
	}
	if (argc < 2)
		return usage_error(&command_list,
				   "one of strategies, keys, scenarios, tables, targets is wanted");
	if (argc > 2)
		return usage_error(&command_list, "found '%s', allowed: one argument", argv[2]);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			return kinds[i].fn();
	return usage_error(&command_list,
			   "found '%s', allowed: strategies, keys, scenarios, tables, targets",
			   argv[1]);
}

const struct command command_list = {
	.name = "list",
	.usage = "strategies|keys|scenarios|tables|targets",
	.summary = "what can be asked for, one line each",
	.help = "",
	.run = list,
};
