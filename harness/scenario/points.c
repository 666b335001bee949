/* SPDX-License-Identifier: MIT */
/*
 * From a section to its points: defaults, [global], the section and --set are
 * laid over each other, and the lists among them are swept, the last key of
 * the file turning fastest. A key keeps the place where it was first written,
 * because the place decides the points' names, and names must be stable.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"
#include "scenario/units.h"

static struct axis *find_axis(struct expansion *x, enum key_id key)
{
	for (size_t i = 0; i < x->nr_axes; i++)
		if (x->axes[i].entry->key == key)
			return &x->axes[i];
	return NULL;
}

static void drop_axis(struct expansion *x, const struct axis *axis)
{
	size_t idx = (size_t)(axis - x->axes);

	memmove(&x->axes[idx], &x->axes[idx + 1], (x->nr_axes - idx - 1) * sizeof(*axis));
	x->nr_axes--;
}

/* False when an entry had an error, reported before. */
static bool overlay(struct expansion *x, const struct section *section)
{
	bool good = !section->bad;

	for (size_t i = 0; i < section->nr_entries; i++) {
		const struct entry *entry = &section->entries[i];
		struct axis *axis = find_axis(x, entry->key);

		if (!axis)
			axis = &x->axes[x->nr_axes++];
		*axis = (struct axis){ .entry = entry,
				       .items = entry->items,
				       .nr_items = entry->nr_items,
				       .swept = entry->nr_items > 1 };
		good &= !entry->bad;
	}
	return good;
}

static bool is_zero(const struct entry *entry)
{
	uint64_t value;

	return entry->nr_items == 1 &&
	       (units_parse_count(entry->items[0], &value) == 0 ||
		units_parse_time(entry->items[0], &value) == 0) &&
	       value == 0;
}

/*
 * ops and duration exclude each other. Written side by side they are an error
 * (point_check.c); what is nearer to the point replaces the other: with
 * --set ops=1000 a file's duration has no say.
 */
static void settle_length(struct expansion *x)
{
	const struct axis *ops = find_axis(x, KEY_OPS), *duration = find_axis(x, KEY_DURATION);

	if (!ops || !duration || ops->entry->level == duration->entry->level)
		return;
	if (ops->entry->level > duration->entry->level) {
		if (!is_zero(ops->entry))
			drop_axis(x, duration);
	} else if (!is_zero(duration->entry)) {
		drop_axis(x, ops);
	}
}

/* lock = all becomes the list of names; which of them can run depends on the point. */
static void resolve_all(struct expansion *x)
{
	struct axis *axis = find_axis(x, KEY_LOCK);
	const struct shmht_strategy *strategy;
	const size_t max = sizeof(x->all_locks) / sizeof(x->all_locks[0]);

	if (!axis || strcmp(axis->items[0], "all") != 0)
		return;
	for (unsigned int i = 0; (strategy = shmht_strategy_at(i)) && x->nr_all_locks < max; i++)
		if (!(strategy->caps & SHMHT_CAP_TEST_ONLY))
			x->all_locks[x->nr_all_locks++] = scenario_strdup(strategy->name,
									  strlen(strategy->name));
	axis->items = x->all_locks;
	axis->nr_items = x->nr_all_locks;
	axis->swept = true;
}

static bool collect(struct expansion *x, const struct tree *tree)
{
	bool good = true;

	for (const struct source *source = tree->first; source; source = source->next)
		for (size_t i = 0; i < source->nr_sections; i++)
			if (strcmp(source->sections[i].name, "global") == 0)
				good &= overlay(x, &source->sections[i]);
	good &= overlay(x, x->section);
	good &= overlay(x, &x->load->sets);
	if (!good)
		return false;
	settle_length(x);
	resolve_all(x);
	return true;
}

/* Counted before anything is made: a dozen short lists are a billion points. */
static bool count_points(struct expansion *x)
{
	struct load *load = x->load;
	unsigned __int128 nr = 1;
	char axes[512] = "";

	for (size_t i = 0; i < x->nr_axes; i++) {
		const struct axis *axis = &x->axes[i];
		size_t len = strlen(axes);

		if (!axis->swept)
			continue;
		snprintf(axes + len, sizeof(axes) - len, "%s%s %zu", len ? " x " : "",
			 scenario_keys[axis->entry->key].name, axis->nr_items);
		nr *= axis->nr_items;
		if (nr > UINT64_MAX)
			nr = UINT64_MAX;
	}
	if (nr > SCENARIO_POINTS_MAX) {
		diag_at(&load->diag, x->section->place,
			"found %llu points in [%s] (%s), allowed at most %u in a run",
			(unsigned long long)nr, x->section->name, axes, SCENARIO_POINTS_MAX);
		return false;
	}
	load->candidates += (size_t)nr;
	if (load->candidates > SCENARIO_POINTS_MAX) {
		diag_at(&load->diag, x->section->place,
			"found %zu points up to [%s], allowed at most %u in a run",
			load->candidates, x->section->name, SCENARIO_POINTS_MAX);
		return false;
	}
	return true;
}

static char *point_name(const struct expansion *x)
{
	char *name;
	size_t len;
	FILE *out = open_memstream(&name, &len);

	if (!out)
		abort();
	fputs(x->section->name, out);
	for (size_t i = 0; i < x->nr_axes; i++)
		if (x->axes[i].swept)
			fprintf(out, "/%s=%s", scenario_keys[x->axes[i].entry->key].name,
				x->axes[i].items[x->axes[i].at]);
	if (fclose(out))
		abort();
	return name;
}

static void make_point(struct expansion *x)
{
	struct scenario *scenario = x->load->scenario;
	struct draft draft = x->load->defaults;
	char why[SCENARIO_WHY_MAX], *skip_reason = NULL;
	struct point *point;

	for (size_t i = 0; i < x->nr_axes; i++) {
		const struct axis *axis = &x->axes[i];

		draft.file = axis->entry->place.file;
		/* It parsed when it was read, and parsing depends on nothing else. */
		if (key_parse(&scenario_keys[axis->entry->key], axis->items[axis->at], &draft, why,
			      sizeof(why)))
			abort();
		draft.given[axis->entry->key] = true;
	}
	if (point_check(x, &draft, &skip_reason) != VERDICT_RUN)
		return;
	scenario->points = scenario_grow(scenario->points, scenario->nr_points,
					 &x->load->max_points, sizeof(*point));
	point = &scenario->points[scenario->nr_points++];
	*point = (struct point){
		.name = point_name(x),
		.section = scenario_strdup(x->section->name, strlen(x->section->name)),
		.params = draft.params,
		.skip_reason = skip_reason,
	};
}

/* The odometer: false once every axis is back at its first item. */
static bool advance(struct expansion *x)
{
	for (size_t i = x->nr_axes; i-- > 0;) {
		if (++x->axes[i].at < x->axes[i].nr_items)
			return true;
		x->axes[i].at = 0;
	}
	return false;
}

void points_expand(struct load *load, const struct tree *tree, const struct section *section)
{
	struct expansion x = { .load = load, .section = section };

	if (collect(&x, tree) && count_points(&x)) {
		do
			make_point(&x);
		while (advance(&x));
	}
	for (size_t i = 0; i < x.nr_all_locks; i++)
		free(x.all_locks[i]);
}
