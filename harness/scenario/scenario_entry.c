/* SPDX-License-Identifier: MIT */
/*
 * One key of one section, checked where it stands: every item of a list is
 * parsed at once, so that errors have a line and a sweep meets none.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"

static void unknown_key(struct load *load, struct place place, const char *name)
{
	const char *nearest = key_nearest_name(name);
	char buf[SHOWN_MAX], all[512];
	size_t len = 0;

	for (size_t i = 0; i < KEY_NR; i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, " %s", scenario_keys[i].name);
	diag_at(&load->diag, place, "key '%s': found an unknown key%s%s%s, allowed:%s",
		shown(name, buf, sizeof(buf)), nearest ? ", did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?" : "", all);
}

static void bad_value(struct load *load, const struct entry *entry, const char *item,
		      const char *why)
{
	const struct key *key = &scenario_keys[entry->key];
	const char *nearest = key_nearest_value(key, item);
	char allowed[512], buf[SHOWN_MAX], *hints;

	key_allowed(key, allowed, sizeof(allowed));
	if (asprintf(&hints, "%s%s%s%s%s", nearest ? "; did you mean '" : "",
		     nearest ? nearest : "", nearest ? "'?" : "", key->hint ? "; " : "",
		     key->hint ? key->hint : "") < 0)
		abort();
	diag_at(&load->diag, entry->place, "key '%s': found '%s'%s%s%s, allowed %s%s", key->name,
		shown(item, buf, sizeof(buf)), *why ? " (" : "", why, *why ? ")" : "", allowed,
		hints);
	free(hints);
}

/* Some values are lists themselves: their commas are no sweep's. */
static bool is_list(enum key_id key)
{
	return key == KEY_EXPECT || key == KEY_PHASES;
}

/* Cuts value at its commas. */
static void split_items(struct entry *entry)
{
	char *copy = scenario_strdup(entry->value, strlen(entry->value)), *rest = copy, *item;
	size_t max = 0;

	while ((item = is_list(entry->key) ? rest : strsep(&rest, ","))) {
		entry->items = scenario_grow(entry->items, entry->nr_items, &max, sizeof(char *));
		item = trim(item);
		entry->items[entry->nr_items++] = scenario_strdup(item, strlen(item));
		if (is_list(entry->key))
			break;
	}
	free(copy);
}

static void check_items(struct load *load, struct entry *entry)
{
	const struct key *key = &scenario_keys[entry->key];
	struct draft scratch = load->defaults;
	char why[SCENARIO_WHY_MAX];

	scratch.file = entry->place.file;
	/* Before the search for twins, which is quadratic; --set may be any length. */
	if (entry->nr_items > SCENARIO_POINTS_MAX) {
		diag_at(&load->diag, entry->place,
			"key '%s': found a list of %zu, allowed at most "
			"%u",
			key->name, entry->nr_items, SCENARIO_POINTS_MAX);
		entry->bad = true;
		return;
	}
	for (size_t i = 0; i < entry->nr_items; i++) {
		const char *item = entry->items[i];

		if (key_parse(key, item, &scratch, why, sizeof(why))) {
			bad_value(load, entry, item, why);
			entry->bad = true;
			continue;
		}
		if (entry->key == KEY_LOCK && scratch.lock_all && entry->nr_items > 1) {
			bad_value(load, entry, item, "stands alone, not in a list");
			entry->bad = true;
		}
		for (size_t k = 0; k < i; k++) {
			if (strcmp(entry->items[k], item) == 0) {
				bad_value(load, entry, item,
					  "twice in the list: two points of one "
					  "name");
				entry->bad = true;
				break;
			}
		}
	}
}

static void entry_free(struct entry *entry)
{
	for (size_t i = 0; i < entry->nr_items; i++)
		free(entry->items[i]);
	free(entry->items);
	free(entry->value);
}

void section_free(struct section *section)
{
	for (size_t i = 0; i < section->nr_entries; i++)
		entry_free(&section->entries[i]);
	free(section->entries);
	free(section->name);
}

void section_add(struct load *load, struct section *section, enum level level, struct place place,
		 const char *name, const char *value)
{
	const struct key *key = key_find(name);
	struct entry entry = { .level = level, .place = place };
	char *copy;

	if (!key) {
		unknown_key(load, place, name);
		section->bad = true;
		return;
	}
	entry.key = (enum key_id)(key - scenario_keys);
	for (size_t i = 0; i < section->nr_entries; i++) {
		struct entry *other = &section->entries[i];
		char buf[SHOWN_MAX];

		if (other->key != entry.key)
			continue;
		if (level == LEVEL_SET) { /* the last one wins, as with any option */
			entry_free(other);
			section->entries[i] = section->entries[--section->nr_entries];
			break;
		}
		diag_at(&load->diag, place,
			"key '%s': found '%s' again, allowed once in a section; the first is at "
			"line %u",
			name, shown(value, buf, sizeof(buf)), other->place.line);
		section->bad = true;
		return;
	}
	copy = scenario_strdup(value, strlen(value));
	value = trim(copy);
	entry.value = scenario_strdup(value, strlen(value));
	free(copy);
	split_items(&entry);
	check_items(load, &entry);
	section->entries = scenario_grow(section->entries, section->nr_entries,
					 &section->max_entries, sizeof(entry));
	section->entries[section->nr_entries++] = entry;
}
