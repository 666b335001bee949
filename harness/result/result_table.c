/* SPDX-License-Identifier: MIT */
/*
 * The table: one row per point, a column only where some row fills it, then
 * what is needed to read it. Drawn from summaries alone, in two passes (widths,
 * then lines), so that memory does not grow with the document.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"

#define NAME_COLUMNS 56
#define REASON_COLUMNS 400

enum column {
	COL_POINT,
	COL_RATE,
	COL_RATE_INTERVAL,
	COL_RATE_TRIALS,
	COL_P50,
	COL_P99,
	COL_P999,
	COL_WORST_WAIT,
	COL_HELD,
	COL_STALLED,
	COL_CPU,
	COL_KERNEL,
	COL_FAIRNESS,
	COL_HITS,
	COL_DEAD_HOLDER,
	COL_FLAGS,
	COL_NR
};

/* Headings stand in two lines: in one they would be wider than their figures. */
static const struct {
	const char *top, *bottom;
	int gap;
	bool left;
} columns[COL_NR] = {
	[COL_POINT] = { "", "point", 0, true },
	[COL_RATE] = { "", "ops/s", 2, false },
	[COL_RATE_INTERVAL] = { "", "95%", 1, false },
	[COL_RATE_TRIALS] = { "", "(n)", 1, false },
	[COL_P50] = { "", "p50", 2, false },
	[COL_P99] = { "", "p99", 2, false },
	[COL_P999] = { "", "p99.9", 2, false },
	[COL_WORST_WAIT] = { "worst", "wait", 2, false },
	[COL_HELD] = { "lock", "held", 2, false },
	[COL_STALLED] = { "", "stalled%", 2, false },
	[COL_CPU] = { "CPU", "ns/op", 2, false },
	[COL_KERNEL] = { "kernel", "/op", 2, false },
	[COL_FAIRNESS] = { "min/max", "worker", 2, false },
	[COL_HITS] = { "", "hit%", 2, false },
	[COL_DEAD_HOLDER] = { "dead", "holder", 2, true },
	[COL_FLAGS] = { "", "flags", 2, true },
};

/* Points of one loop kind in a row make a block with headings of its own. In an
 * open loop the rate was asked for, and the response times lead. */
static const char *const latency_titles[] = { "service, closed loop", "response, open loop" };
static const int closed_order[COL_NR] = {
	COL_POINT,    COL_RATE,	      COL_RATE_INTERVAL, COL_RATE_TRIALS, COL_P50, COL_P99,
	COL_P999,     COL_WORST_WAIT, COL_HELD,		 COL_STALLED,	  COL_CPU, COL_KERNEL,
	COL_FAIRNESS, COL_HITS,	      COL_DEAD_HOLDER,	 COL_FLAGS,
};
static const int open_order[COL_NR] = {
	COL_POINT,	 COL_P99,	 COL_P50,	  COL_P999,    COL_RATE, COL_RATE_INTERVAL,
	COL_RATE_TRIALS, COL_WORST_WAIT, COL_HELD,	  COL_STALLED, COL_CPU,	 COL_KERNEL,
	COL_FAIRNESS,	 COL_HITS,	 COL_DEAD_HOLDER, COL_FLAGS,
};

#define CELL_BYTES 240
#define PHASE_INDENT "    "

struct row {
	const char *section; /* that the name was shortened by, or NULL */
	size_t section_len;
	bool has_figures;
	char cells[COL_NR][CELL_BYTES];
};

struct table {
	FILE *out;
	const int *order;
	const char *title;
	size_t first, end; /* the block's points */
	struct result_glyphs glyphs;
	char interval_heading[8];
	int widths[COL_NR]; /* 0: not shown */
	bool few_trials;
};

/* "section/key=value": the section goes to a line of its own. */
static void fill_name(struct row *row, const json_t *point)
{
	const char *name = result_get_text(point, "name");
	const char *section = result_get_text(point, "section");
	size_t len = section ? strlen(section) : 0;

	row->section = NULL;
	row->section_len = 0;
	if (!name)
		name = "(no name)";
	if (len && strncmp(name, section, len) == 0 && name[len] == '/' && name[len + 1]) {
		row->section = name;
		row->section_len = len;
		name += len + 1;
	}
	result_clean(name, NAME_COLUMNS, row->cells[COL_POINT], CELL_BYTES);
}

static void format_percent(double percent, char *buf, size_t size)
{
	if (!(percent >= 0 && percent <= 100))
		buf[0] = '\0';
	else if (percent > 0 && percent < 0.005)
		snprintf(buf, size, "<0.01");
	else if (percent == 0)
		snprintf(buf, size, "0");
	else
		result_format_plain(percent, buf, size);
}

/* How far the interval reaches from the median, on its longer side. */
static void fill_rate(struct row *row, const json_t *summary, const struct result_glyphs *glyphs)
{
	const json_t *rate = json_object_get(summary, "ops_per_s");
	double median = result_get_number(rate, "median"), n = result_get_number(rate, "n");
	double low = result_get_number(rate, "low"), high = result_get_number(rate, "high");
	double reach = fmax(median - low, high - median) / median * 100;

	result_format_rate(median, row->cells[COL_RATE], CELL_BYTES);
	if (isfinite(low) && isfinite(high) && reach >= 0 && reach < 1000)
		snprintf(row->cells[COL_RATE_INTERVAL], CELL_BYTES, "%s%.*f%%", glyphs->plus_minus,
			 reach < 9.95 ? 1 : 0, reach);
	if (n >= 0 && n < 1e6)
		snprintf(row->cells[COL_RATE_TRIALS], CELL_BYTES, "(%.0f)", n);
}

static void fill_latency(struct row *row, const json_t *summary, const struct result_glyphs *glyphs)
{
	static const struct {
		enum column column;
		const char *key;
	} cells[] = { { COL_P50, "p50_ns" }, { COL_P99, "p99_ns" }, { COL_P999, "p999_ns" } };
	const json_t *all = json_object_get(summary, "all");

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		result_format_ns(result_get_number(json_object_get(all, cells[i].key), "median"),
				 glyphs, row->cells[cells[i].column], CELL_BYTES);
	result_format_ns(result_get_number(summary, "worst_wait_ns"), glyphs,
			 row->cells[COL_WORST_WAIT], CELL_BYTES);
	result_format_ns(result_get_number(summary, "held_ns"), glyphs, row->cells[COL_HELD],
			 CELL_BYTES);
}

static void fill_flags(struct row *row, const json_t *summary)
{
	const json_t *flags = json_object_get(summary, "flags");
	size_t used = 0;

	for (size_t i = 0; i < json_array_size(flags); i++) {
		const char *flag = json_string_value(json_array_get(flags, i));
		char clean[48];

		if (!flag || used + sizeof(clean) + 2 > CELL_BYTES)
			continue;
		used += (size_t)snprintf(row->cells[COL_FLAGS] + used, CELL_BYTES - used, "%s%s",
					 used ? "," : "",
					 result_clean(flag, 24, clean, sizeof(clean)));
	}
}

static void fill_row(struct row *row, const json_t *point, const struct result_glyphs *glyphs)
{
	const json_t *summary = json_object_get(point, "summary");
	const char *status = result_get_text(point, "status");
	const char *dead_holder = result_get_text(summary, "dead_holder");
	double figure;

	for (int i = 0; i < COL_NR; i++)
		row->cells[i][0] = '\0';
	fill_name(row, point);
	fill_rate(row, summary, glyphs);
	/* The figures of a broken lock tell how fast it is wrong. */
	row->has_figures = row->cells[COL_RATE][0] && status && strcmp(status, "failed") != 0;
	if (!row->has_figures) {
		for (int i = COL_POINT + 1; i < COL_NR; i++)
			row->cells[i][0] = '\0';
		return;
	}
	fill_latency(row, summary, glyphs);
	/* What a backlog adds up to is no figure of the system. */
	if (result_get_text(summary, "rate_note"))
		for (int i = COL_P50; i <= COL_P999; i++)
			row->cells[i][0] = '\0';
	format_percent(result_get_number(summary, "stalled") * 100, row->cells[COL_STALLED],
		       CELL_BYTES);
	result_format_plain(result_get_number(summary, "cpu_ns_per_op"), row->cells[COL_CPU],
			    CELL_BYTES);
	figure = result_get_number(summary, "kernel_per_op");
	/* One call in a thousand operations is told apart from none. */
	if (figure >= 0 && figure < 0.9995)
		snprintf(row->cells[COL_KERNEL], CELL_BYTES, "%.3f", figure);
	else
		result_format_plain(figure, row->cells[COL_KERNEL], CELL_BYTES);
	figure = result_get_number(summary, "min_over_max");
	if (figure >= 0 && figure <= 1)
		snprintf(row->cells[COL_FAIRNESS], CELL_BYTES, "%.*f", figure < 0.095 ? 3 : 2,
			 figure);
	format_percent(result_get_number(summary, "hit_ratio") * 100, row->cells[COL_HITS],
		       CELL_BYTES);
	if (dead_holder)
		result_clean(dead_holder, 40, row->cells[COL_DEAD_HOLDER], CELL_BYTES);
	fill_flags(row, summary);
}

/* A phase has what a point has, of its summary alone. */
static void fill_phase(struct row *row, json_t *phase, const struct result_glyphs *glyphs)
{
	const char *name = result_get_text(phase, "name");
	json_t *point = json_pack("{s:s, s:O}", "status", "ok", "summary", phase);
	char text[CELL_BYTES], asked[32], took[32];

	fill_row(row, point, glyphs);
	json_decref(point);
	row->section = NULL;
	result_format_rate(result_get_number(phase, "asked_per_s"), asked, sizeof(asked));
	/* Loading is timed as a closed loop is, also where the others are not. */
	result_format_ns(result_get_number(phase, "seconds") * 1e9, glyphs, took, sizeof(took));
	snprintf(text, sizeof(text), "%s %s%s%s%s", name ? name : "(no name)", took,
		 result_get_number(phase, "asked_per_s") > 0 ? ", asked " : "",
		 result_get_number(phase, "asked_per_s") > 0 ? asked : "",
		 name && strcmp(name, "load") == 0 ? ", service" : "");
	snprintf(row->cells[COL_POINT], CELL_BYTES, "%s", PHASE_INDENT);
	result_clean(text, NAME_COLUMNS, row->cells[COL_POINT] + strlen(PHASE_INDENT),
		     CELL_BYTES - strlen(PHASE_INDENT));
}

static const json_t *phases_of(const json_t *point)
{
	return json_object_get(json_object_get(point, "summary"), "phases");
}

static void measure_row(struct table *table, const struct row *row)
{
	for (int i = 0; i < COL_NR; i++) {
		int width = (int)result_columns(row->cells[i]);

		if (i == COL_POINT && row->section)
			width += 2;
		table->widths[i] = width > table->widths[i] ? width : table->widths[i];
	}
	table->few_trials |= row->has_figures && !row->cells[COL_RATE_INTERVAL][0];
}

static void widen(int *width, const char *text)
{
	int columns_of_text = (int)result_columns(text);

	*width = columns_of_text > *width ? columns_of_text : *width;
}

static void measure(struct table *table, const json_t *points, struct row *row)
{
	int *widths = table->widths, title;

	for (size_t i = table->first; i < table->end; i++) {
		fill_row(row, json_array_get(points, i), &table->glyphs);
		measure_row(table, row);
		for (size_t k = 0; k < json_array_size(phases_of(json_array_get(points, i))); k++) {
			fill_phase(row, json_array_get(phases_of(json_array_get(points, i)), k),
				   &table->glyphs);
			measure_row(table, row);
		}
	}
	for (int i = 0; i < COL_NR; i++) {
		if (!widths[i] && i != COL_POINT && i != COL_RATE)
			continue;
		widen(&widths[i], columns[i].top);
		widen(&widths[i], columns[i].bottom);
	}
	if (widths[COL_RATE_INTERVAL])
		widen(&widths[COL_RATE_INTERVAL], table->interval_heading);
	title = (int)strlen(table->title);
	for (int i = COL_P50; i <= COL_P999; i++)
		title -= widths[i] ? widths[i] + columns[i].gap : 0;
	for (int i = 0; i < COL_NR; i++) {
		int column = table->order[i];

		if (column < COL_P50 || column > COL_P999 || !widths[column])
			continue;
		/* The gap before the first of them is not under the title. */
		widths[column] += title + columns[column].gap > 0 ? title + columns[column].gap : 0;
		break;
	}
}

static void put_cell(const struct table *table, int column, const char *text, bool last)
{
	int pad = table->widths[column] - (int)result_columns(text);

	pad = pad > 0 ? pad : 0;
	fprintf(table->out, "%*s", columns[column].gap, "");
	if (columns[column].left)
		fprintf(table->out, "%s%*s", text, last ? 0 : pad, "");
	else
		fprintf(table->out, "%*s%s", pad, "", text);
}

/* at: a position in the order. */
static bool is_last(const struct table *table, int at)
{
	while (++at < COL_NR)
		if (table->widths[table->order[at]])
			return false;
	return true;
}

/* The latency columns share one heading; returns the last one's position. */
static int put_latency_title(const struct table *table, int at)
{
	int width = 0;

	for (int column = COL_P50; column <= COL_P999; column++)
		width += table->widths[column] ? table->widths[column] + columns[column].gap : 0;
	if (width)
		fprintf(table->out, "%*s", width, table->title);
	return at + COL_P999 - COL_P50;
}

static bool is_latency(int column)
{
	return column >= COL_P50 && column <= COL_P999;
}

static void put_headings(const struct table *table)
{
	int last_top = COL_NR - 1;

	while (last_top > 0 && !is_latency(table->order[last_top]) &&
	       !(table->widths[table->order[last_top]] && columns[table->order[last_top]].top[0]))
		last_top--;
	for (int i = 0; i <= last_top; i++) {
		int column = table->order[i];

		if (is_latency(column))
			i = put_latency_title(table, i);
		else if (table->widths[column])
			put_cell(table, column, columns[column].top, i == last_top);
	}
	fputc('\n', table->out);
	for (int i = 0; i < COL_NR; i++) {
		int column = table->order[i];

		if (table->widths[column])
			put_cell(table, column,
				 column == COL_RATE_INTERVAL ? table->interval_heading :
							       columns[column].bottom,
				 is_last(table, i));
	}
	fputc('\n', table->out);
}

static void put_figures(const struct table *table, const struct row *row)
{
	for (int i = 1; i < COL_NR; i++) {
		int column = table->order[i];
		const char *text = row->cells[column];

		if (!table->widths[column])
			continue;
		/* Blank beside ± and (n); a dash where a figure could be. */
		if (!text[0] && !columns[column].left && column != COL_RATE_INTERVAL)
			text = "-";
		if (text[0] || !is_last(table, i))
			put_cell(table, column, text, is_last(table, i));
	}
}

/* Why a row has no figures, or what else is to be known about them. */
static void put_reason(const struct table *table, const struct row *row, const json_t *point)
{
	static const struct {
		const char *status, *words;
	} prefixes[] = {
		{ "ok", "" },
		{ "skipped", "skipped: " },
		{ "failed", "FAILED: " },
		{ "not_measured", "not measured: " },
	};
	const char *status = result_get_text(point, "status"), *words = "";
	const char *reason = result_get_text(point, "reason");
	const char *note = result_get_text(json_object_get(point, "summary"), "rate_note");
	char clean[REASON_COLUMNS * 4];

	if (row->has_figures && !reason)
		reason = note;
	if (row->has_figures && !reason)
		return;
	for (size_t i = 0; status && i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strcmp(status, prefixes[i].status) == 0)
			words = prefixes[i].words;
	if (row->has_figures)
		fprintf(table->out, "\n  ");
	fprintf(table->out, "  %s%s", words,
		result_clean(reason ? reason : "no reason was given", REASON_COLUMNS, clean,
			     sizeof(clean)));
}

static void put_row(const struct table *table, const struct row *row, const json_t *point)
{
	int indent = row->section ? 2 : 0;

	fprintf(table->out, "%*s%s%*s", indent, "", row->cells[COL_POINT],
		table->widths[COL_POINT] - indent - (int)result_columns(row->cells[COL_POINT]), "");
	if (row->has_figures)
		put_figures(table, row);
	put_reason(table, row, point);
	fputc('\n', table->out);
}

static bool same_section(const struct row *row, const char *section, size_t len)
{
	return row->section_len == len && (!len || strncmp(row->section, section, len) == 0);
}

static void put_rows(const struct table *table, const json_t *points, struct row *row)
{
	const char *section = NULL;
	size_t section_len = 0;

	for (size_t i = table->first; i < table->end; i++) {
		const json_t *point = json_array_get(points, i);
		char name[CELL_BYTES];

		fill_row(row, point, &table->glyphs);
		if (!same_section(row, section, section_len) && row->section) {
			result_clean(result_get_text(point, "section"), NAME_COLUMNS, name,
				     sizeof(name));
			fprintf(table->out, "%s\n", name);
		}
		section = row->section;
		section_len = row->section_len;
		put_row(table, row, point);
		for (size_t k = 0; k < json_array_size(phases_of(point)); k++) {
			fill_phase(row, json_array_get(phases_of(point), k), &table->glyphs);
			put_row(table, row, NULL);
		}
	}
}

static bool is_open(const json_t *point)
{
	const char *loop = result_get_text(json_object_get(point, "summary"), "loop");

	return loop && strcmp(loop, "open") == 0;
}

static void put_block(struct table *table, const json_t *points, struct row *row)
{
	bool open = is_open(json_array_get(points, table->first));

	memset(table->widths, 0, sizeof(table->widths));
	table->order = open ? open_order : closed_order;
	table->title = latency_titles[open];
	measure(table, points, row);
	put_headings(table);
	put_rows(table, points, row);
}

bool result_table(const json_t *points, FILE *out)
{
	struct table table = { .out = out, .glyphs = result_glyphs() };
	struct row *row = calloc(1, sizeof(*row));
	size_t nr = json_array_size(points);

	snprintf(table.interval_heading, sizeof(table.interval_heading), "%s95%%",
		 table.glyphs.plus_minus);
	if (!row) {
		fprintf(out, "no memory to draw the table\n");
		return false;
	}
	do {
		table.end = table.first + 1;
		while (table.end < nr && is_open(json_array_get(points, table.end)) ==
						 is_open(json_array_get(points, table.first)))
			table.end++;
		table.end = table.end < nr ? table.end : nr;
		put_block(&table, points, row);
		table.first = table.end;
		if (table.first < nr)
			fputc('\n', out);
	} while (table.first < nr);
	free(row);
	return table.few_trials;
}
