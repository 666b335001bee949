/* SPDX-License-Identifier: MIT */
/*
 * Files into sections of entries. libinih splits "key = value ; comment"; it
 * is fed by a reader of our own, because Debian's build of it gives the
 * handler no line number, cuts lines over 199 characters and section names
 * over 49 without a word, calls the handler twice for an indented
 * continuation, and passes over sections that are empty.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario/scenario_internal.h"

struct reader {
	struct load *load;
	struct source *source;
	const char *text;
	size_t len, pos;
	unsigned int line;
	size_t section_idx; /* keys go there; SIZE_MAX: before the first */
	bool pending;	    /* a line was handed on that must come back as key and value */
	bool stop;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- lines ------------------------------------------------------------ */

static struct place here(const struct reader *reader)
{
	return (struct place){ reader->source->path, reader->line };
}

static struct section *new_section(struct reader *reader, const char *name, size_t len, bool bad)
{
	struct source *source = reader->source;
	struct section *section;

	source->sections = scenario_grow(source->sections, source->nr_sections,
					 &source->max_sections, sizeof(*section));
	section = &source->sections[source->nr_sections];
	*section = (struct section){ .name = scenario_strdup(name, len),
				     .place = here(reader),
				     .bad = bad };
	reader->section_idx = source->nr_sections++;
	return section;
}

static bool section_name_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._+- ", name[i]) &&
		    !((unsigned char)name[i] & 0x80))
			return false;
	return len > 0;
}

/* Keys after a bad header are still checked: they go to a section of no name. */
static bool read_header(struct reader *reader, const char *line, size_t len)
{
	struct diag *diag = &reader->load->diag;
	const char *end = memchr(line, ']', len), *name = line + 1;
	size_t name_len, rest;

	if (!end) {
		diag_at(diag, here(reader), "found a section without ']', allowed [NAME]");
		goto bad;
	}
	rest = (size_t)(end - line) + 1;
	while (rest < len && is_blank(line[rest]))
		rest++;
	if (rest < len && line[rest] != ';' && line[rest] != '#') {
		diag_at(diag, here(reader),
			"found text after ']', allowed nothing or a comment (; ...)");
		goto bad;
	}
	while (name < end && is_blank(*name))
		name++;
	while (end > name && is_blank(end[-1]))
		end--;
	name_len = (size_t)(end - name);
	if (name_len > SCENARIO_SECTION_NAME_MAX) {
		diag_at(diag, here(reader),
			"found a section name of %zu characters, allowed at most %u", name_len,
			SCENARIO_SECTION_NAME_MAX);
		goto bad;
	}
	if (!section_name_ok(name, name_len)) {
		diag_at(diag, here(reader),
			"found section name '%.*s', allowed letters, digits, blanks and . _ + -",
			(int)name_len, name);
		goto bad;
	}
	for (size_t i = 0; i < reader->source->nr_sections; i++) {
		const struct section *other = &reader->source->sections[i];

		if (strlen(other->name) == name_len && !memcmp(other->name, name, name_len)) {
			diag_at(diag, here(reader),
				"found section [%s] again, allowed once; the first is at line %u",
				other->name, other->place.line);
			goto bad;
		}
	}
	new_section(reader, name, name_len, false);
	return true;
bad:
	new_section(reader, "", 0, true);
	return false;
}

/* False: reported, and nothing of the line is left for libinih. */
static bool check_line(struct reader *reader, const char *line, size_t len, size_t max)
{
	struct diag *diag = &reader->load->diag;
	const char *defect = text_defect(line, len);
	size_t indent = 0;

	if (defect) {
		diag_at(diag, here(reader), "found %s, allowed UTF-8 text", defect);
		return false;
	}
	while (indent < len && is_blank(line[indent]))
		indent++;
	/* A comment may be as long as it likes: cut, it is still one. */
	if (indent == len || line[indent] == ';' || line[indent] == '#')
		return false;
	if (len > max) {
		diag_at(diag, here(reader), "found a line of %zu characters, allowed at most %zu",
			len, max);
		if (line[0] == '[')
			new_section(reader, "", 0, true);
		return false;
	}
	if (indent) {
		diag_at(diag, here(reader),
			"found an indented line, allowed lines that begin in the first column "
			"(a value cannot go on over lines)");
		return false;
	}
	if (line[0] != '[') {
		reader->pending = true;
		return true;
	}
	if (reader->source->nr_sections == SCENARIO_SECTIONS_MAX) {
		diag_at(diag, here(reader), "found more than %u sections", SCENARIO_SECTIONS_MAX);
		reader->stop = true;
		return false;
	}
	return read_header(reader, line, len);
}

/* What libinih did not call the handler for is no key with a value. */
static void check_pending(struct reader *reader)
{
	if (reader->pending)
		diag_at(&reader->load->diag, here(reader),
			"found neither key nor section, allowed 'key = value' or [section]");
	reader->pending = false;
}

/* fgets for libinih: one line, without its end. A line that was dealt with is empty. */
static char *next_line(char *str, int num, void *stream)
{
	struct reader *reader = stream;
	const char *line = reader->text + reader->pos, *end;
	size_t left = reader->len - reader->pos, len;

	check_pending(reader);
	if (left == 0 || reader->stop)
		return NULL;
	end = memchr(line, '\n', left);
	len = end ? (size_t)(end - line) : left;
	reader->pos += len + (end != NULL);
	reader->line++;
	if (len && line[len - 1] == '\r')
		len--;
	if (reader->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		len -= 3;
	}
	/* Newer ones take a line that fills str for the beginning of a longer one. */
	if (!check_line(reader, line, len, (size_t)num - 2))
		len = 0;
	memcpy(str, line, len);
	str[len] = '\0';
	return str;
}

static void add_include(struct reader *reader, const char *value)
{
	struct source *source = reader->source;
	struct entry *entry;

	source->includes = scenario_grow(source->includes, source->nr_includes,
					 &source->max_includes, sizeof(*entry));
	entry = &source->includes[source->nr_includes++];
	*entry = (struct entry){ .key = KEY_INCLUDE,
				 .place = here(reader),
				 .value = scenario_strdup(value, strlen(value)) };
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	struct section *into;

	(void)section; /* ours is the one with a line */
	reader->pending = false;
	if (strcmp(name, "include") == 0) {
		add_include(reader, value);
		return 1;
	}
	if (reader->section_idx == SIZE_MAX) {
		diag_at(&reader->load->diag, here(reader),
			"key '%s': found before the first section, allowed below [global] or "
			"another [section]",
			name);
		return 1;
	}
	into = &reader->source->sections[reader->section_idx];
	section_add(reader->load, into,
		    strcmp(into->name, "global") == 0 ? LEVEL_GLOBAL : LEVEL_SECTION, here(reader),
		    name, value);
	return 1;
}

/* ---- files ------------------------------------------------------------ */

/* "why" without a place: an include's error stands at the include. */
static int load_file(const char *path, char **ret_text, size_t *ret_len, struct stat *ret_st,
		     char *why, size_t size)
{
	/* O_NONBLOCK: opening a FIFO without a writer would hang. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t len = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, ret_st)) {
		snprintf(why, size, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(ret_st->st_mode)) {
		snprintf(why, size, "%s",
			 S_ISDIR(ret_st->st_mode) ? "is a folder" : "is not a regular file");
		goto out;
	}
	text = scenario_alloc(SCENARIO_FILE_MAX + 2);
	do {
		got = read(fd, text + len, SCENARIO_FILE_MAX + 1 - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		snprintf(why, size, "%s", strerror(errno));
	} else if (len > SCENARIO_FILE_MAX) {
		snprintf(why, size, "is larger than %u bytes", SCENARIO_FILE_MAX);
	} else {
		close(fd);
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
out:
	free(text);
	if (fd >= 0)
		close(fd);
	return -EINVAL;
}

static struct source *new_source(struct tree *tree, const char *path)
{
	struct source *source = scenario_alloc(sizeof(*source));

	*source = (struct source){ .path = scenario_strdup(path, strlen(path)) };
	tree->open = scenario_grow(tree->open, tree->nr_open, &tree->max_open, sizeof(source));
	tree->open[tree->nr_open++] = source;
	return source;
}

static void parse_text(struct load *load, struct source *source, const char *text, size_t len)
{
	struct reader reader = {
		.load = load, .source = source, .text = text, .len = len, .section_idx = SIZE_MAX
	};
	const char *nul = memchr(text, '\0', len);
	char *whole = load->scenario->text;
	int rc;

	if (nul) {
		reader.line = 1;
		for (const char *at = text; at < nul; at++)
			reader.line += *at == '\n';
		diag_at(&load->diag, here(&reader),
			"found a NUL byte (a binary file), allowed text");
		return;
	}
	whole = realloc(whole, load->text_len + len + 1);
	if (!whole)
		abort();
	memcpy(whole + load->text_len, text, len);
	load->text_len += len;
	whole[load->text_len] = '\0';
	load->scenario->text = whole;
	rc = ini_parse_stream(next_line, &reader, on_key, &reader);
	/* Whatever libinih refuses must not be lost, should it ever know better than we. */
	if (rc && diag_count(&load->diag) == 0)
		diag_at(&load->diag, (struct place){ source->path, rc > 0 ? (unsigned int)rc : 0 },
			"found a line that cannot be read, allowed 'key = value' or [section]");
}

static void read_file(struct load *load, struct tree *tree, const char *path,
		      const struct entry *include, unsigned int depth);

/* A list of files, each relative to the file that names it. */
static void read_includes(struct load *load, struct tree *tree, struct source *source,
			  unsigned int depth)
{
	const char *slash = strrchr(source->path, '/');
	int folder_len = slash ? (int)(slash - source->path + 1) : 0;
	char path[4096], *rest, *name;

	for (size_t i = 0; i < source->nr_includes; i++) {
		const struct entry *include = &source->includes[i];
		char *list = scenario_strdup(include->value, strlen(include->value));

		rest = list;
		while ((name = strsep(&rest, ","))) {
			int len;

			name = trim(name);
			len = snprintf(path, sizeof(path), "%.*s%s", *name == '/' ? 0 : folder_len,
				       source->path, name);
			if (*name == '\0')
				diag_at(&load->diag, include->place,
					"key 'include': found '%s' (empty), allowed %s",
					include->value, scenario_keys[KEY_INCLUDE].values);
			else if (!load->request)
				diag_at(&load->diag, include->place,
					"key 'include': found '%s', allowed only in a file", name);
			else if (depth == SCENARIO_DEPTH_MAX)
				diag_at(&load->diag, include->place,
					"key 'include': found '%s' (%u files deep), allowed at "
					"most %u",
					name, depth + 1, SCENARIO_DEPTH_MAX);
			else if ((size_t)len >= sizeof(path))
				diag_at(&load->diag, include->place,
					"key 'include': found '%s' (%s), allowed %s", name,
					strerror(ENAMETOOLONG), scenario_keys[KEY_INCLUDE].values);
			else
				read_file(load, tree, path, include, depth);
		}
		free(list);
	}
}

static void finish(struct tree *tree, struct source *source)
{
	source->finished = true;
	*tree->tail = source;
	tree->tail = &source->next;
}

static void file_error(struct load *load, const char *path, const struct entry *include,
		       const char *why)
{
	char name[SHOWN_MAX];

	if (include)
		diag_at(&load->diag, include->place,
			"key 'include': found '%s' (%s), allowed a readable scenario file",
			shown(path, name, sizeof(name)), why);
	else
		diag_add(&load->diag, "%s: %s; expected a scenario file",
			 shown(path, name, sizeof(name)), why);
}

/* depth: how many files name this one. A file that was read already is not read again. */
static void read_file(struct load *load, struct tree *tree, const char *path,
		      const struct entry *include, unsigned int depth)
{
	struct source *source;
	char why[128], *text;
	struct stat st;
	size_t len;

	if (text_defect(path, strlen(path))) {
		file_error(load, path, include, "its name is not UTF-8 text");
		return;
	}
	if (stat(path, &st) == 0) {
		for (size_t i = 0; i < tree->nr_open; i++) {
			const struct source *other = tree->open[i];

			if (other->device != st.st_dev || other->inode != st.st_ino)
				continue;
			if (!other->finished)
				file_error(load, path, include, "includes itself, a cycle");
			return;
		}
	}
	if (tree->nr_open == SCENARIO_FILES_MAX) {
		file_error(load, path, include, "one file too many");
		return;
	}
	if (load_file(path, &text, &len, &st, why, sizeof(why))) {
		file_error(load, path, include, why);
		return;
	}
	source = new_source(tree, path);
	source->device = st.st_dev;
	source->inode = st.st_ino;
	parse_text(load, source, text, len);
	free(text);
	read_includes(load, tree, source, depth + 1);
	finish(tree, source);
}

void read_path(struct load *load, struct tree *tree, const char *path)
{
	read_file(load, tree, path, NULL, 0);
}

void read_memory(struct load *load, struct tree *tree, const char *name, const char *text,
		 size_t len)
{
	struct source *source = new_source(tree, name);

	if (len > SCENARIO_FILE_MAX)
		diag_add(&load->diag, "%s: is larger than %u bytes", name, SCENARIO_FILE_MAX);
	else
		parse_text(load, source, text, len);
	read_includes(load, tree, source, 1);
	finish(tree, source);
}

void tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->nr_open; i++) {
		struct source *source = tree->open[i];

		for (size_t k = 0; k < source->nr_sections; k++)
			section_free(&source->sections[k]);
		for (size_t k = 0; k < source->nr_includes; k++)
			free(source->includes[k].value);
		free(source->sections);
		free(source->includes);
		free(source->path);
		free(source);
	}
	free(tree->open);
}
