/* SPDX-License-Identifier: MIT */
/*
 * Figures in a column: short, and nothing at all for a value that a document
 * does not have or that cannot be meant.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "result/result_internal.h"
#include "scenario/units.h"

#define REASONABLE_MAX 1e15 /* 11 days in ns; more than any rate */

static bool is_reasonable(double value)
{
	return value >= 0 && value < REASONABLE_MAX; /* false for NaN */
}

/* An unset locale is the C one too, but on a machine without any set-up the
 * terminal reads UTF-8 all the same; one that names C or a charset is asking. */
struct result_glyphs result_glyphs(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *locale = NULL, *charset;

	for (size_t i = 0; i < 3 && (!locale || !*locale); i++)
		locale = getenv(variables[i]);
	charset = locale ? strchr(locale, '.') : NULL;
	if (locale &&
	    (strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0 ||
	     (charset && strcasecmp(charset, ".utf-8") != 0 && strcasecmp(charset, ".utf8") != 0)))
		return (struct result_glyphs){ "+-", "u" };
	return (struct result_glyphs){ "±", "µ" };
}

/* "12.3 us" without its space, with the sign for micro. */
static void squeeze(const char *text, const char *micro, char *buf, size_t size)
{
	size_t used = 0;

	for (; *text && used + 3 < size; text++) {
		if (*text == 'u')
			used += (size_t)snprintf(buf + used, size - used, "%s", micro);
		else if (*text != ' ')
			buf[used++] = *text;
	}
	buf[used] = '\0';
}

void result_format_rate(double per_s, char *buf, size_t size)
{
	char text[32] = "";

	if (is_reasonable(per_s))
		units_format_rate_short(per_s, text, sizeof(text));
	squeeze(text, "u", buf, size);
}

void result_format_ns(double ns, const struct result_glyphs *glyphs, char *buf, size_t size)
{
	char text[32] = "";

	if (is_reasonable(ns))
		units_format_ns_short(ns, text, sizeof(text));
	squeeze(text, glyphs->micro, buf, size);
}

void result_format_plain(double value, char *buf, size_t size)
{
	if (!is_reasonable(value))
		buf[0] = '\0';
	else
		snprintf(buf, size, "%.*f", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value);
}
