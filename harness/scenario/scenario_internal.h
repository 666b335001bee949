/* SPDX-License-Identifier: MIT */
/*
 * What the scenario reader, the table of keys and the sweep expansion share.
 *
 *	scenario_diag.c	  memory, text, errors
 *	scenario_read.c	  files -> sections of entries, as written
 *	scenario_entry.c  an entry checked where it stands
 *	scenario_keys.c	  the table of keys: parse, allowed values, list
 *	scenario_values.c values with a grammar of their own; scenario_expect.c expectations;
 *	scenario_load.c	  those of the load: rate, arrival, steady
 *	scenario_faults.c fault plans: kill, stop, churn, quota
 *	points.c	  sections -> points; point_check.c keys against each other
 *	scenario.c	  ties them together: request, --set, errors
 */
#ifndef SHMBENCH_SCENARIO_INTERNAL_H
#define SHMBENCH_SCENARIO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "scenario/scenario.h"

#define SCENARIO_FILE_MAX (1u << 20) /* bytes */
#define SCENARIO_FILES_MAX 64u
#define SCENARIO_DEPTH_MAX 8u
#define SCENARIO_SECTIONS_MAX 10000u
#define SCENARIO_SECTION_NAME_MAX 49u /* libinih cuts longer ones */
#define SCENARIO_POINTS_MAX 10000u
#define SCENARIO_ERRORS_MAX 200u /* lines printed; the rest is counted */
#define SCENARIO_WHY_MAX 512u

/* Also the order of `list keys` and of params_text(). */
enum key_id {
	KEY_LOCK,
	KEY_READ,
	KEY_ROBUST,
	KEY_WAIT,
	KEY_STRIPES,
	KEY_WORKERS,
	KEY_PROCS,
	KEY_CAPACITY,
	KEY_KEY_SIZE,
	KEY_VALUE_SIZE,
	KEY_PRELOAD,
	KEY_KEYSPACE,
	KEY_KEYS,
	KEY_MIX,
	KEY_BATCH,
	KEY_OPS_FILE,
	KEY_DURATION,
	KEY_WARMUP,
	KEY_STEADY,
	KEY_PHASES,
	KEY_OPS,
	KEY_TRIALS,
	KEY_RATE,
	KEY_ARRIVAL,
	KEY_LATENCY,
	KEY_INTERVAL,
	KEY_HOLD,
	KEY_THINK,
	KEY_PIN,
	KEY_PAGES,
	KEY_MEM,
	KEY_SEED,
	KEY_VERIFY,
	KEY_TIMEOUT,
	KEY_KILL,
	KEY_STOP,
	KEY_CHURN,
	KEY_QUOTA,
	KEY_CALM,
	KEY_EXPECT,
	KEY_INCLUDE,
	KEY_NR
};

/* A point under construction: what depends on other keys is still as written. */
struct draft {
	struct params params;
	bool lock_all;
	bool stripes_auto;
	bool keyspace_is_capacity;
	bool preload_is_share;
	double preload_share;
	bool given[KEY_NR]; /* by the user; else the default stands */
	const char *file;   /* that the value being parsed stands in; NULL: --set */
	bool in_memory;	    /* nothing of this scenario may lead to a file */
};

struct word {
	const char *name;
	unsigned int value;
};

enum key_kind { KIND_COUNT64, KIND_COUNT32, KIND_TIME, KIND_WORD, KIND_OWN };

struct key {
	const char *name;
	const char *fallback; /* the default, parsed like any value */
	const char *meaning;
	const char *hint; /* added to an error about a value, or NULL */
	enum key_kind kind;
	size_t field; /* offset in struct params; not for KIND_OWN */
	uint64_t min, max;
	const struct word *words; /* KIND_WORD; ends with a NULL name */
	/* KIND_OWN. parse: 0 or -EINVAL; why may get what is wrong with text. */
	const char *values;
	int (*parse)(const char *text, struct draft *draft, char *why, size_t size);
	void (*format)(const struct params *params, char *buf, size_t size);
};

extern const struct key scenario_keys[KEY_NR];

const struct key *key_find(const char *name);
int key_parse(const struct key *key, const char *text, struct draft *draft, char *why, size_t size);
void key_format(const struct key *key, const struct params *params, char *buf, size_t size);
void key_allowed(const struct key *key, char *buf, size_t size);
/* The nearest of the key's words, or NULL when none is near. */
const char *key_nearest_value(const struct key *key, const char *text);
const char *key_nearest_name(const char *name);
/* Every default parsed. False, with why, when one is not valid in this build. */
bool draft_init(struct draft *draft, char *why, size_t size);

/* Closest candidate so far; distance is Levenshtein's. */
struct nearest {
	const char *text;
	const char *best;
	unsigned int distance;
};
void nearest_begin(struct nearest *nearest, const char *text);
void nearest_offer(struct nearest *nearest, const char *candidate);

/* scenario_values.c, scenario_load.c, scenario_expect.c: the KIND_OWN values. */
int value_lock(const char *text, struct draft *draft, char *why, size_t size);
int value_stripes(const char *text, struct draft *draft, char *why, size_t size);
int value_value_size(const char *text, struct draft *draft, char *why, size_t size);
int value_preload(const char *text, struct draft *draft, char *why, size_t size);
int value_keyspace(const char *text, struct draft *draft, char *why, size_t size);
int value_keys(const char *text, struct draft *draft, char *why, size_t size);
int value_mix(const char *text, struct draft *draft, char *why, size_t size);
int value_ops_file(const char *text, struct draft *draft, char *why, size_t size);
int value_phases(const char *text, struct draft *draft, char *why, size_t size); /* legs.c */
int value_steady(const char *text, struct draft *draft, char *why, size_t size);
int value_rate(const char *text, struct draft *draft, char *why, size_t size);
int value_arrival(const char *text, struct draft *draft, char *why, size_t size);
int value_latency(const char *text, struct draft *draft, char *why, size_t size);
int value_pin(const char *text, struct draft *draft, char *why, size_t size);
int value_mem(const char *text, struct draft *draft, char *why, size_t size);
int value_expect(const char *text, struct draft *draft, char *why, size_t size);
/* scenario_faults.c: both directions. */
int value_kill(const char *text, struct draft *draft, char *why, size_t size);
int value_stop(const char *text, struct draft *draft, char *why, size_t size);
int value_quota(const char *text, struct draft *draft, char *why, size_t size);
int value_churn(const char *text, struct draft *draft, char *why, size_t size);
void format_kill(const struct params *params, char *buf, size_t size);
void format_stop(const struct params *params, char *buf, size_t size);
void format_quota(const struct params *params, char *buf, size_t size);
void format_churn(const struct params *params, char *buf, size_t size);
/* Why a number was refused; text has the sign or letters that tell. */
void why_not_number(const char *text, int rc, char *why, size_t size);

#define KEYSPACE_MAX (1ull << 40)	      /* an operation keeps 40 bits of key */
#define TIME_MAX_NS (3600000000000ull * 1000) /* 1000h: sums of a few never overflow */

/* params.c: the other direction. */
void format_lock(const struct params *params, char *buf, size_t size);
void format_stripes(const struct params *params, char *buf, size_t size);
void format_value_size(const struct params *params, char *buf, size_t size);
void format_preload(const struct params *params, char *buf, size_t size);
void format_keyspace(const struct params *params, char *buf, size_t size);
void format_keys(const struct params *params, char *buf, size_t size);
void format_mix(const struct params *params, char *buf, size_t size);
void format_ops_file(const struct params *params, char *buf, size_t size);
void format_phases(const struct params *params, char *buf, size_t size);
void format_steady(const struct params *params, char *buf, size_t size);
void format_rate(const struct params *params, char *buf, size_t size);
void format_arrival(const struct params *params, char *buf, size_t size);
void format_latency(const struct params *params, char *buf, size_t size);
void format_pin(const struct params *params, char *buf, size_t size);
void format_mem(const struct params *params, char *buf, size_t size);
void format_expect(const struct params *params, char *buf, size_t size);

/* Where something was written. file NULL: on the command line, by --set. */
struct place {
	const char *file;
	unsigned int line;
};

enum level { LEVEL_GLOBAL, LEVEL_SECTION, LEVEL_SET };

struct entry {
	enum key_id key;
	enum level level;
	struct place place;
	char *value;  /* trimmed */
	char **items; /* value cut at its commas, each trimmed; expect: one item */
	size_t nr_items;
	bool bad; /* an error was reported: no point is made of it */
};

struct section {
	char *name;
	struct place place;
	struct entry *entries;
	size_t nr_entries, max_entries;
	bool bad; /* its header had an error */
};

/* One file, as written. Files of a tree are kept included ones first. */
struct source {
	char *path;
	uint64_t device, inode;
	bool finished;		  /* read to its end: an include of it is not a cycle */
	struct section *sections; /* [global] too */
	size_t nr_sections, max_sections;
	struct entry *includes;
	size_t nr_includes, max_includes;
	struct source *next;
};

/* One SCENARIO argument with what it includes. */
struct tree {
	struct source *first, **tail; /* finished sources, included ones first */
	struct source **open;	      /* everything met, in the order met */
	size_t nr_open, max_open;
};

struct diag {
	FILE *out;
	char **lines;
	size_t nr, max;
	size_t dropped;
};

struct load {
	struct diag diag;
	const struct scenario_request *request; /* NULL: text in memory */
	struct tree *trees;
	size_t nr_trees;
	struct section sets; /* --set, as a section's entries */
	struct draft defaults;
	struct scenario *scenario;
	size_t text_len;
	size_t max_points;
	size_t candidates; /* points before the filter, over all sections */
};

/* Errors are kept, each once, and printed at the end. */
__attribute__((format(printf, 2, 3))) void diag_add(struct diag *diag, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void diag_at(struct diag *diag, struct place place,
						   const char *fmt, ...);
size_t diag_count(const struct diag *diag);
/* Prints and frees. */
void diag_print(struct diag *diag);
/* "FILE:LINE" or "--set". */
void place_text(struct place place, char *buf, size_t size);
/* text fit for a line of a terminal: cut, control characters replaced. */
const char *shown(const char *text, char *buf, size_t size);
#define SHOWN_MAX 120

/*
 * Memory of a scenario: a file has at most 1 MiB, so running out here means
 * that the machine has nothing left to report with; these abort then.
 */
void *scenario_alloc(size_t size);
char *scenario_strdup(const char *text, size_t len);
/* Room for one more element: returns the array, moved where needed. */
void *scenario_grow(void *array, size_t nr, size_t *max, size_t element_size);

/* Cuts off white space at both ends, in place. */
char *trim(char *text);
/* NULL, or what makes text unfit for a result: not UTF-8, a control character. */
const char *text_defect(const char *text, size_t len);

/* scenario_read.c */
void read_path(struct load *load, struct tree *tree, const char *path);
void read_memory(struct load *load, struct tree *tree, const char *name, const char *text,
		 size_t len);
void tree_free(struct tree *tree);

/* scenario_entry.c: checks and adds an entry; reports what is wrong with it. */
void section_add(struct load *load, struct section *section, enum level level, struct place place,
		 const char *name, const char *value);
void section_free(struct section *section);

/* points.c: all points of one section of a tree. */
void points_expand(struct load *load, const struct tree *tree, const struct section *section);
void scenario_points_free(struct scenario *scenario);

/* A point's keys in the order of its name, and which item of each it takes. */
struct axis {
	const struct entry *entry;
	char *const *items;
	size_t nr_items, at;
	bool swept;
};

struct expansion {
	struct load *load;
	const struct section *section;
	struct axis axes[KEY_NR];
	size_t nr_axes;
	char *all_locks[64]; /* lock = all, resolved */
	size_t nr_all_locks;
};

/* point_check.c */
enum verdict { VERDICT_RUN, VERDICT_LEAVE_OUT, VERDICT_ERROR };
/* Resolves what depends on other keys and checks keys against each other. */
enum verdict point_check(const struct expansion *expansion, struct draft *draft,
			 char **ret_skip_reason);

#endif
