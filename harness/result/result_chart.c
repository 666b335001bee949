/* SPDX-License-Identifier: MIT */
/*
 * The chart below the table, on a terminal only: throughput as bars from zero, a row
 * for each series and a column for each number of workers. In a pipe the table is
 * all there is, so that what reads it sees the same lines in every width and locale.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"

#define ROWS_MAX 24
#define COLUMNS_MAX 8
#define LABEL_COLUMNS 40
#define BAR_MIN 4
#define BAR_MAX 40
#define RATE_COLUMNS 6
#define HEADING "ops/s"

struct chart {
	double rates[ROWS_MAX][COLUMNS_MAX]; /* NaN: nothing measured there */
	char labels[ROWS_MAX][LABEL_COLUMNS * 4 + 1];
	char heads[COLUMNS_MAX][16]; /* numbers of workers */
	unsigned int nr_rows, nr_columns, left_out, label_width, bar_width;
	double max;
	bool by_procs; /* columns are */
};

/* In an open loop the rate is what was asked for: nothing to compare. */
static double rate_of(const json_t *point)
{
	const json_t *summary = json_object_get(point, "summary");
	const char *status = result_get_text(point, "status");
	const char *loop = result_get_text(summary, "loop");

	if (!status || strcmp(status, "ok") != 0 || (loop && strcmp(loop, "open") == 0))
		return NAN;
	return result_get_number(json_object_get(summary, "ops_per_s"), "median");
}

static const char *procs_of(const json_t *point)
{
	const char *procs = result_get_text(json_object_get(point, "params"), "procs");

	return procs ? procs : "";
}

/* The name, less the number of workers where that is the column. */
static void label_of(const struct chart *chart, const json_t *point, char *buf, size_t size)
{
	static const char key[] = "/procs=";
	const char *name = result_get_text(point, "name"), *at, *end;
	char text[400];

	name = name ? name : "(no name)";
	at = chart->by_procs ? strstr(name, key) : NULL;
	if (at) {
		end = at + strlen(key) + strcspn(at + strlen(key), "/");
		snprintf(text, sizeof(text), "%.*s%s", (int)(at - name < 300 ? at - name : 300),
			 name, end);
		name = text;
	}
	result_clean(name, LABEL_COLUMNS, buf, size);
}

/* Which column: -1 when there is no room for one more. */
static int column_of(struct chart *chart, const json_t *point)
{
	char head[sizeof(chart->heads[0])];

	if (!chart->by_procs) {
		chart->nr_columns = 1;
		return 0;
	}
	result_clean(procs_of(point), sizeof(head) / 4, head, sizeof(head));
	for (unsigned int i = 0; i < chart->nr_columns; i++)
		if (strcmp(chart->heads[i], head) == 0)
			return (int)i;
	if (chart->nr_columns == COLUMNS_MAX)
		return -1;
	memcpy(chart->heads[chart->nr_columns], head, sizeof(head));
	return (int)chart->nr_columns++;
}

static int row_of(struct chart *chart, const char *label, int column)
{
	unsigned int row;

	/* Two hosts' points have one name: each its row. */
	for (row = 0; row < chart->nr_rows; row++)
		if (strcmp(chart->labels[row], label) == 0 && isnan(chart->rates[row][column]))
			return (int)row;
	if (row == ROWS_MAX)
		return -1;
	chart->nr_rows++;
	snprintf(chart->labels[row], sizeof(chart->labels[row]), "%s", label);
	for (unsigned int i = 0; i < COLUMNS_MAX; i++)
		chart->rates[row][i] = NAN;
	return (int)row;
}

static void add_point(struct chart *chart, const json_t *point)
{
	char label[sizeof(chart->labels[0])];
	double rate = rate_of(point);
	int column, row;

	if (!(rate >= 0))
		return;
	column = column_of(chart, point);
	label_of(chart, point, label, sizeof(label));
	row = column < 0 ? -1 : row_of(chart, label, column);
	if (row < 0) {
		chart->left_out++;
		return;
	}
	chart->rates[row][column] = rate;
	chart->max = rate > chart->max ? rate : chart->max;
	if (result_columns(label) > chart->label_width)
		chart->label_width = (unsigned int)result_columns(label);
}

/* False: nothing to compare, or no room to do it in. */
static bool fill(struct chart *chart, const json_t *points, bool by_procs, unsigned int width)
{
	unsigned int room, nr = 0;

	memset(chart, 0, sizeof(*chart));
	chart->by_procs = by_procs;
	chart->label_width = (unsigned int)strlen(HEADING);
	for (size_t i = 0; i < json_array_size(points); i++) {
		add_point(chart, json_array_get(points, i));
		nr += rate_of(json_array_get(points, i)) >= 0;
	}
	if (nr < 2 || !chart->nr_rows || chart->max <= 0 || width <= chart->label_width)
		return false;
	/* A column is two blanks, a bar, a blank, a figure; the last place stays free. */
	room = (width - 1 - chart->label_width) / chart->nr_columns;
	if (room < 2 + BAR_MIN + 1 + RATE_COLUMNS)
		return false;
	chart->bar_width = room - 3 - RATE_COLUMNS;
	if (chart->bar_width > BAR_MAX)
		chart->bar_width = BAR_MAX;
	return true;
}

/* rate: from zero, to an eighth of a place where the terminal has the characters. */
static void put_bar(const struct chart *chart, double rate, bool unicode, FILE *out)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned int eighths, used;

	if (isnan(rate)) {
		fprintf(out, "  %*s %-*s", (int)chart->bar_width, "", RATE_COLUMNS, "-");
		return;
	}
	eighths = (unsigned int)lrint(rate / chart->max * chart->bar_width * 8);
	if (!unicode)
		eighths = (eighths + 4) / 8 * 8;
	fputs("  ", out);
	for (used = 0; used < eighths / 8; used++)
		fputs(unicode ? "█" : "#", out);
	if (eighths % 8) {
		fputs(parts[eighths % 8], out);
		used++;
	}
	fprintf(out, "%*s", (int)(chart->bar_width - used), "");
}

static void put_row(const struct chart *chart, unsigned int row, bool unicode, FILE *out)
{
	char rate[32];

	fprintf(out, "%s%*s", chart->labels[row],
		(int)(chart->label_width - result_columns(chart->labels[row])), "");
	for (unsigned int i = 0; i < chart->nr_columns; i++) {
		put_bar(chart, chart->rates[row][i], unicode, out);
		if (isnan(chart->rates[row][i]))
			continue;
		result_format_rate(chart->rates[row][i], rate, sizeof(rate));
		fprintf(out, " %*s", RATE_COLUMNS, rate);
	}
	fputc('\n', out);
}

static bool several_procs(const json_t *points)
{
	for (size_t i = 1; i < json_array_size(points); i++)
		if (strcmp(procs_of(json_array_get(points, 0)),
			   procs_of(json_array_get(points, i))) != 0)
			return true;
	return false;
}

void result_chart(const json_t *points, FILE *out, unsigned int width)
{
	bool unicode = strcmp(result_glyphs().micro, "u") != 0;
	struct chart *chart = calloc(1, sizeof(*chart));

	if (!chart)
		return;
	/* Too many columns for this width: a row for each point, if that fits. */
	if ((several_procs(points) && fill(chart, points, true, width)) ||
	    fill(chart, points, false, width)) {
		fprintf(out, "%-*s", (int)chart->label_width, HEADING);
		for (unsigned int i = 0; chart->by_procs && i < chart->nr_columns; i++)
			fprintf(out, "  procs=%-*s", (int)(chart->bar_width + RATE_COLUMNS - 5),
				chart->heads[i]);
		fputc('\n', out);
		for (unsigned int row = 0; row < chart->nr_rows; row++)
			put_row(chart, row, unicode, out);
		if (chart->left_out)
			fprintf(out, "and %u points more: see the table\n", chart->left_out);
		fputc('\n', out);
	}
	free(chart);
}
