/* SPDX-License-Identifier: MIT */
/* `shmbench list`: what can be asked for. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "scenario.h"
#include "shmht.h"

static int list_strategies(void)
{
	const struct shmht_strategy *s;

	for (unsigned int i = 0; (s = shmht_strategy_at(i)); i++) {
		const char *wait = s->caps & SHMHT_CAP_SPINS && s->caps & SHMHT_CAP_PARKS ?
					   "spins, then parks" :
				   s->caps & SHMHT_CAP_SPINS ? "spins" :
				   s->caps & SHMHT_CAP_PARKS ? "parks" :
							       "never waits";

		printf("%-8s %s | %s | %s | readers %s | dead holder: %s | %s\n", s->name,
		       s->summary, s->fairness, wait,
		       s->caps & SHMHT_CAP_SHARED_READERS ? "share" : "exclude each other",
		       s->dead_holder, s->paper);
	}
	return EXIT_YES;
}

static int list_keys(void)
{
	scenario_list_keys(stdout);
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
		{ "strategies", list_strategies },
		{ "keys", list_keys },
		{ "scenarios", list_scenarios },
	};

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		command_help(&command_list, stdout);
		return EXIT_YES;
	}
	if (argc < 2)
		return usage_error(&command_list, "one of strategies, keys, scenarios is wanted");
	if (argc > 2)
		return usage_error(&command_list, "found '%s', allowed: one argument", argv[2]);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			return kinds[i].fn();
	return usage_error(&command_list, "found '%s', allowed: strategies, keys, scenarios",
			   argv[1]);
}

const struct command command_list = {
	.name = "list",
	.usage = "strategies|keys|scenarios",
	.summary = "what can be asked for, one line each",
	.help = "",
	.run = list,
};
