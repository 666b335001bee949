/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people write them. Counts and times are parsed in integers: a
 * double would turn 2^53 + 1 into its neighbour without a word.
 */
#include "scenario/units.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit count_units[] = {
	{ "", 1 },	    { "k", 1000 },	{ "M", 1000000 },   { "G", 1000000000 },
	{ "Ki", 1u << 10 }, { "Mi", 1u << 20 }, { "Gi", 1u << 30 }, { NULL, 0 },
};

static const struct unit time_units[] = {
	{ "ns", 1 },	      { "us", 1000 },	      { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 }, { NULL, 0 },
};

/* More decimals than this cannot be whole in any unit above but by accident. */
#define FRACTION_DIGITS 18

/* int_part + fraction / 10^digits, as read; digits after the last non-zero one are dropped. */
struct decimal {
	uint64_t int_part;
	uint64_t fraction;
	unsigned int digits;
	bool overflow, too_fine;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns what follows the number, or NULL when text does not begin with one. */
static const char *decimal_read(const char *text, struct decimal *ret)
{
	struct decimal d = { 0 };
	unsigned int zeros = 0;

	if (!is_digit(*text))
		return NULL;
	for (; is_digit(*text); text++) {
		if (__builtin_mul_overflow(d.int_part, 10u, &d.int_part) ||
		    __builtin_add_overflow(d.int_part, (uint64_t)(*text - '0'), &d.int_part))
			d.overflow = true;
	}
	if (*text == '.') {
		if (!is_digit(*++text))
			return NULL;
		for (; is_digit(*text); text++) {
			if (*text == '0') {
				zeros++;
				continue;
			}
			if (zeros >= FRACTION_DIGITS || d.digits + zeros >= FRACTION_DIGITS) {
				d.too_fine = true;
				continue;
			}
			for (; zeros; zeros--, d.digits++)
				d.fraction *= 10;
			d.fraction = d.fraction * 10 + (uint64_t)(*text - '0');
			d.digits++;
		}
	}
	*ret = d;
	return text;
}

static int decimal_scale(const struct decimal *d, uint64_t factor, uint64_t *ret)
{
	uint64_t ten_power = 1;
	unsigned __int128 whole, part;

	if (d->overflow)
		return -ERANGE;
	if (d->too_fine)
		return -EINVAL;
	for (unsigned int i = 0; i < d->digits; i++)
		ten_power *= 10;
	part = (unsigned __int128)d->fraction * factor;
	if (part % ten_power)
		return -EINVAL;
	whole = (unsigned __int128)d->int_part * factor + part / ten_power;
	if (whole > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)whole;
	return 0;
}

static int parse_with_units(const char *text, const struct unit *units, uint64_t *ret)
{
	struct decimal d;
	const char *suffix = decimal_read(text, &d);

	if (!suffix)
		return -EINVAL;
	for (const struct unit *unit = units; unit->name; unit++)
		if (strcmp(suffix, unit->name) == 0)
			return decimal_scale(&d, unit->factor, ret);
	return -EINVAL;
}

int units_parse_count(const char *text, uint64_t *ret_count)
{
	return parse_with_units(text, count_units, ret_count);
}

int units_parse_time(const char *text, uint64_t *ret_ns)
{
	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	return parse_with_units(text, time_units, ret_ns);
}

/* The grammar is checked first: strtod alone takes hex, exponents, inf and nan. */
static int read_double(const char *text, const char *suffix, double *ret)
{
	struct decimal d;
	const char *end = decimal_read(text, &d);
	double value;

	if (!end || strcmp(end, suffix) != 0)
		return -EINVAL;
	errno = 0;
	value = strtod(text, NULL);
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int units_parse_percent(const char *text, double *ret_fraction)
{
	double percent;
	int rc = read_double(text, "%", &percent);

	if (rc)
		return rc;
	if (percent > 100)
		return -ERANGE;
	*ret_fraction = percent / 100;
	return 0;
}

int units_parse_double(const char *text, double *ret_value)
{
	return read_double(text, "", ret_value);
}

/* "1.5k" for 1500 when it is shorter than what best holds. Below one unit: never (0.5s). */
static void try_unit(uint64_t value, const struct unit *unit, char best[64])
{
	uint64_t rest = value % unit->factor;
	unsigned int digits = 0;
	char text[64];

	if (value < unit->factor)
		return;
	if (rest == 0) {
		snprintf(text, sizeof(text), "%llu%s", (unsigned long long)(value / unit->factor),
			 unit->name);
	} else {
		/* Three decimals at most: more never win against the plain number. */
		for (digits = 1; digits <= 3; digits++) {
			rest *= 10;
			if (rest % unit->factor == 0)
				break;
		}
		if (digits > 3)
			return;
		snprintf(text, sizeof(text), "%llu.%0*llu%s",
			 (unsigned long long)(value / unit->factor), (int)digits,
			 (unsigned long long)(rest / unit->factor), unit->name);
	}
	if (strlen(text) < strlen(best))
		memcpy(best, text, sizeof(text));
}

static void format_with_units(uint64_t value, const struct unit *units, char *buf, size_t size)
{
	char best[64];

	snprintf(best, sizeof(best), "%llu%s", (unsigned long long)value, units[0].name);
	for (const struct unit *unit = units + 1; unit->name; unit++)
		try_unit(value, unit, best);
	snprintf(buf, size, "%s", best);
}

void units_format_count(uint64_t count, char *buf, size_t size)
{
	format_with_units(count, count_units, buf, size);
}

void units_format_time(uint64_t ns, char *buf, size_t size)
{
	format_with_units(ns, time_units, buf, size);
}

/* Three digits; 999.6 of one unit is 1.00 of the next. The last unit takes what is left. */
static void format_short(double value, const char *const *names, char *buf, size_t size)
{
	const char *sign = value < 0 ? "-" : "";
	double magnitude = fabs(value);
	int decimals;

	if (!isfinite(value)) {
		snprintf(buf, size, "-");
		return;
	}
	while (magnitude >= 999.5 && names[1]) {
		magnitude /= 1000;
		names++;
	}
	decimals = magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0;
	if (magnitude == 0)
		decimals = 0;
	snprintf(buf, size, "%s%.*f%s%s", sign, decimals, magnitude, **names ? " " : "", *names);
}

void units_format_ns_short(double ns, char *buf, size_t size)
{
	static const char *const names[] = { "ns", "us", "ms", "s", NULL };

	format_short(ns, names, buf, size);
}

void units_format_rate_short(double per_s, char *buf, size_t size)
{
	static const char *const names[] = { "", "k", "M", "G", NULL };

	format_short(per_s, names, buf, size);
}
