/* SPDX-License-Identifier: MIT */
/*
 * What the reader of scenarios stands on: memory, text that is fit to be shown,
 * and the errors, which are gathered so that all of a file are said at once.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario_internal.h"

/* ---- memory ----------------------------------------------------------- */

void *scenario_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

char *scenario_strdup(const char *text, size_t len)
{
	char *copy = scenario_alloc(len + 1);

	memcpy(copy, text, len);
	return copy;
}

void *scenario_grow(void *array, size_t nr, size_t *max, size_t element_size)
{
	if (nr < *max)
		return array;
	*max = *max ? *max * 2 : 8;
	array = reallocarray(array, *max, element_size);
	if (!array)
		abort();
	return array;
}

/* ---- text ------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

char *trim(char *text)
{
	size_t len;

	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len && is_blank(text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* Length of the UTF-8 sequence at text, or 0 (RFC 3629: no overlong form, no surrogate). */
static size_t utf8_sequence(const unsigned char *text, size_t len)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t want = *text < 0x80 ? 1 :
		      *text < 0xc0 ? 0 :
		      *text < 0xe0 ? 2 :
		      *text < 0xf0 ? 3 :
		      *text < 0xf8 ? 4 :
				     0;
	uint32_t code = want ? *text & (0xffu >> want) : 0;

	if (want < 2)
		return want;
	if (want > len)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < smallest[want] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return want;
}

/* Results are JSON and messages go to terminals: neither may get anything else. */
const char *text_defect(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		if ((at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
			return "a control character";
		step = utf8_sequence(at + i, len - i);
		if (step == 0)
			return "bytes that are not UTF-8";
	}
	return NULL;
}

/* ---- errors ----------------------------------------------------------- */

const char *shown(const char *text, char *buf, size_t size)
{
	size_t len = strlen(text), keep = len < size ? len : size - 4;

	if (text_defect(text, len)) {
		for (size_t i = 0; i < keep; i++)
			buf[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	} else {
		memcpy(buf, text, keep);
		/* Never half a character. */
		while (keep < len && keep && ((unsigned char)text[keep] & 0xc0) == 0x80)
			keep--;
	}
	strcpy(buf + keep, keep < len ? "..." : "");
	return buf;
}

void place_text(struct place place, char *buf, size_t size)
{
	if (place.file)
		snprintf(buf, size, "%s:%u", place.file, place.line);
	else
		snprintf(buf, size, "--set");
}

static void diag_keep(struct diag *diag, char *line)
{
	for (size_t i = 0; i < diag->nr; i++) {
		if (strcmp(diag->lines[i], line) == 0) {
			free(line);
			return;
		}
	}
	if (diag->nr == SCENARIO_ERRORS_MAX) {
		diag->dropped++;
		free(line);
		return;
	}
	diag->lines = scenario_grow(diag->lines, diag->nr, &diag->max, sizeof(line));
	diag->lines[diag->nr++] = line;
}

void diag_add(struct diag *diag, const char *fmt, ...)
{
	char *line;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		abort();
	va_end(ap);
	diag_keep(diag, line);
}

void diag_at(struct diag *diag, struct place place, const char *fmt, ...)
{
	char where[4200], *text, *line;
	va_list ap;

	place_text(place, where, sizeof(where));
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0 || asprintf(&line, "%s: %s", where, text) < 0)
		abort();
	va_end(ap);
	free(text);
	diag_keep(diag, line);
}

size_t diag_count(const struct diag *diag)
{
	return diag->nr + diag->dropped;
}

void diag_print(struct diag *diag)
{
	for (size_t i = 0; i < diag->nr; i++) {
		if (diag->out)
			fprintf(diag->out, "%s\n", diag->lines[i]);
		free(diag->lines[i]);
	}
	if (diag->dropped && diag->out)
		fprintf(diag->out, "... and %zu errors more\n", diag->dropped);
	free(diag->lines);
}
