/* SPDX-License-Identifier: MIT */
/*
 * A scenario from a request: files are read, every value is checked where it
 * stands, --set is laid over all sections, and each section is swept into
 * points. Errors are gathered on the way and printed together at the end;
 * with one error nothing is run.
 */
#include "scenario/scenario.h"

#include <errno.h>
#include <regex.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"

static void add_set(struct load *load, const char *set)
{
	const char *equals = strchr(set, '=');
	char buf[SHOWN_MAX], *name;

	if (text_defect(set, strlen(set))) {
		diag_add(&load->diag, "--set: found '%s' (%s), allowed UTF-8 text",
			 shown(set, buf, sizeof(buf)), text_defect(set, strlen(set)));
		return;
	}
	if (!equals) {
		diag_add(&load->diag, "--set: found '%s', allowed KEY=VALUE",
			 shown(set, buf, sizeof(buf)));
		return;
	}
	name = scenario_strdup(set, (size_t)(equals - set));
	if (strcmp(trim(name), "include") == 0)
		diag_add(&load->diag, "--set: key 'include': found '%s', allowed only in a file",
			 shown(equals + 1, buf, sizeof(buf)));
	else
		section_add(load, &load->sets, LEVEL_SET, (struct place){ NULL, 0 }, trim(name),
			    equals + 1);
	free(name);
}

/* ---- sections --------------------------------------------------------- */

static bool is_run(const struct section *section)
{
	return *section->name && strcmp(section->name, "global") != 0;
}

/* Calls for every run of every file, in order: a file's includes come first. */
typedef void (*section_fn)(struct load *load, const struct tree *tree,
			   const struct section *section, void *arg);

static void each_run(struct load *load, section_fn fn, void *arg)
{
	for (size_t t = 0; t < load->nr_trees; t++)
		for (const struct source *source = load->trees[t].first; source;
		     source = source->next)
			for (size_t i = 0; i < source->nr_sections; i++)
				if (is_run(&source->sections[i]))
					fn(load, &load->trees[t], &source->sections[i], arg);
}

struct named {
	const struct section *section;
	size_t order; /* in which it was read */
};

struct names {
	struct named *at;
	size_t nr, max;
};

/* Point names begin with the section's, so that one must be the only one of its name. */
static void collect_name(struct load *load, const struct tree *tree, const struct section *section,
			 void *arg)
{
	struct names *names = arg;

	(void)load;
	(void)tree;
	names->at = scenario_grow(names->at, names->nr, &names->max, sizeof(*names->at));
	names->at[names->nr] = (struct named){ section, names->nr };
	names->nr++;
}

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->section->name, y->section->name);

	return order ? order : x->order < y->order ? -1 : 1;
}

/* The next name of a comma list, trimmed; false: there is none. */
static bool next_name(const char **list, const char **ret_name, size_t *ret_len)
{
	const char *end;

	if (!*list)
		return false;
	*ret_name = *list + strspn(*list, " ");
	end = *ret_name + strcspn(*ret_name, ",");
	*list = *end ? end + 1 : NULL;
	while (end > *ret_name && end[-1] == ' ')
		end--;
	*ret_len = (size_t)(end - *ret_name);
	return true;
}

static bool is_named(const struct section *section, const char *name, size_t len)
{
	return strlen(section->name) == len && memcmp(section->name, name, len) == 0;
}

/* Each one that is wanted must be there. */
static void check_wanted(struct load *load, const struct names *names, const char *wanted)
{
	const char *name;
	char all[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < names->nr && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, " %s",
					names->at[i].section->name);
	while (names->nr && next_name(&wanted, &name, &len)) {
		char buf[SHOWN_MAX], *copy;
		bool found = false;

		for (size_t i = 0; i < names->nr; i++)
			found |= is_named(names->at[i].section, name, len);
		if (found)
			continue;
		copy = scenario_strdup(name, len);
		diag_add(&load->diag, "--section: found '%s', allowed:%s",
			 shown(copy, buf, sizeof(buf)), all);
		free(copy);
	}
}

static void check_names(struct load *load, const char *wanted)
{
	struct names names = { 0 };

	each_run(load, collect_name, &names);
	check_wanted(load, &names, wanted);
	/* A file without a run has said so only when nothing worse was said about it. */
	if (names.nr == 0 && diag_count(&load->diag) == 0)
		diag_add(&load->diag,
			 "%s: found no section to run, allowed at least one [NAME] "
			 "besides [global]",
			 load->scenario->path);
	if (names.nr)
		qsort(names.at, names.nr, sizeof(*names.at), by_name);
	for (size_t i = 1; i < names.nr; i++) {
		const struct section *a = names.at[i - 1].section, *b = names.at[i].section;
		char first[4200];

		if (strcmp(a->name, b->name) != 0)
			continue;
		place_text(a->place, first, sizeof(first));
		diag_at(&load->diag, b->place,
			"found section [%s] again, allowed once; another is at %s", b->name, first);
	}
	free(names.at);
}

static void expand_wanted(struct load *load, const struct tree *tree, const struct section *section,
			  void *arg)
{
	const char *wanted = arg, *name;
	bool is_wanted = !wanted;
	size_t len;

	while (next_name(&wanted, &name, &len))
		is_wanted |= is_named(section, name, len);
	if (is_wanted)
		points_expand(load, tree, section);
}

static void drop_point(struct point *point)
{
	free(point->name);
	free(point->section);
	free(point->skip_reason);
}

void scenario_points_free(struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->nr_points; i++)
		drop_point(&scenario->points[i]);
	free(scenario->points);
}

static void apply_filter(struct load *load, const char *filter)
{
	struct scenario *scenario = load->scenario;
	char message[128], buf[SHOWN_MAX];
	size_t kept = 0;
	regex_t regex;
	int rc = regcomp(&regex, filter, REG_EXTENDED | REG_NOSUB);

	if (rc) {
		regerror(rc, &regex, message, sizeof(message));
		diag_add(&load->diag,
			 "--filter: found '%s' (%s), allowed an extended regular "
			 "expression",
			 shown(filter, buf, sizeof(buf)), message);
		return;
	}
	for (size_t i = 0; i < scenario->nr_points; i++) {
		if (regexec(&regex, scenario->points[i].name, 0, NULL, 0) == 0)
			scenario->points[kept++] = scenario->points[i];
		else
			drop_point(&scenario->points[i]);
	}
	regfree(&regex);
	if (kept == 0 && scenario->nr_points)
		diag_add(&load->diag,
			 "--filter: found '%s', which matches none of %zu points; "
			 "--dry-run lists them",
			 shown(filter, buf, sizeof(buf)), scenario->nr_points);
	scenario->nr_points = kept;
}

/* ---- loading ---------------------------------------------------------- */

static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	if (len > 4 && strcmp(base + len - 4, ".ini") == 0)
		len -= 4;
	return scenario_strdup(base, len);
}

static void begin(struct load *load, const char *path, FILE *diag)
{
	char why[SCENARIO_WHY_MAX];

	load->diag.out = diag;
	load->scenario = scenario_alloc(sizeof(*load->scenario));
	load->scenario->path = scenario_strdup(path, strlen(path));
	load->scenario->name = base_name(path);
	load->scenario->text = scenario_strdup("", 0);
	load->trees = scenario_alloc(load->nr_trees * sizeof(*load->trees));
	for (size_t t = 0; t < load->nr_trees; t++)
		load->trees[t].tail = &load->trees[t].first;
	if (!draft_init(&load->defaults, why, sizeof(why)))
		diag_add(&load->diag, "%s: %s", path, why);
	load->defaults.in_memory = !load->request;
}

static int end(struct load *load, struct scenario **ret_scenario)
{
	const struct scenario_request *request = load->request;
	const char *wanted = request ? request->section : NULL;
	struct scenario *scenario = load->scenario;
	bool failed;

	check_names(load, wanted);
	each_run(load, expand_wanted, (void *)(uintptr_t)wanted);
	if (diag_count(&load->diag) == 0 && request && request->filter)
		apply_filter(load, request->filter);
	if (diag_count(&load->diag) == 0 && scenario->nr_points == 0)
		diag_add(&load->diag, "%s: found no point that can run, allowed at least one",
			 scenario->path);
	SHA256Data((const uint8_t *)scenario->text, load->text_len, scenario->sha256);

	failed = diag_count(&load->diag) != 0;
	diag_print(&load->diag);
	for (size_t t = 0; t < load->nr_trees; t++)
		tree_free(&load->trees[t]);
	free(load->trees);
	section_free(&load->sets);
	if (failed) {
		scenario_free(scenario);
		return -EINVAL;
	}
	*ret_scenario = scenario;
	return 0;
}

int scenario_load(const struct scenario_request *request, FILE *diag,
		  struct scenario **ret_scenario)
{
	struct load load = { .request = request, .nr_trees = request->nr_paths };

	begin(&load, request->nr_paths ? request->paths[0] : "", diag);
	for (size_t i = 0; i < request->nr_sets; i++)
		add_set(&load, request->sets[i]);
	for (size_t t = 0; t < load.nr_trees; t++)
		read_path(&load, &load.trees[t], request->paths[t]);
	return end(&load, ret_scenario);
}

int scenario_load_sets(const struct scenario_request *request, FILE *diag,
		       struct scenario **ret_scenario)
{
	static const char text[] = "[table]\n";
	struct load load = { .request = request, .nr_trees = 1 };

	begin(&load, "--set", diag);
	for (size_t i = 0; i < request->nr_sets; i++)
		add_set(&load, request->sets[i]);
	read_memory(&load, &load.trees[0], "--set", text, strlen(text));
	return end(&load, ret_scenario);
}

int scenario_load_text(const char *name, const char *text, size_t len, FILE *diag,
		       struct scenario **ret_scenario)
{
	struct load load = { .nr_trees = 1 };

	begin(&load, name, diag);
	read_memory(&load, &load.trees[0], name, text, len);
	return end(&load, ret_scenario);
}

void scenario_free(struct scenario *scenario)
{
	if (!scenario)
		return;
	scenario_points_free(scenario);
	free(scenario->path);
	free(scenario->name);
	free(scenario->text);
	free(scenario);
}
