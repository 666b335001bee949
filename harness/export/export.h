/* SPDX-License-Identifier: MIT */
/*
 * Results in the formats that other tools read. Each writer walks the points of
 * a document that result_read() accepted, through the typed accessors alone:
 * what is missing there is left out, empty or NaN as the format has it, never 0.
 * Metrics have the names that scenarios give them: ops_per_s, search.p99,
 * service.insert.p50.
 */
#ifndef SHMBENCH_EXPORT_H
#define SHMBENCH_EXPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct export_format {
	const char *name;
	bool histograms;			       /* every one of them must be readable */
	int (*write)(const json_t *result, FILE *out); /* 0 or a negative errno */
};

/* In the order of --help; ends with a NULL name. */
extern const struct export_format export_formats[];

int export_csv(const json_t *result, FILE *out);
int export_google_benchmark(const json_t *result, FILE *out);
int export_hlog(const json_t *result, FILE *out);
int export_hgrm(const json_t *result, FILE *out);
int export_openmetrics(const json_t *result, FILE *out);
int export_junit(const json_t *result, FILE *out);
int export_bmf(const json_t *result, FILE *out);
int export_custom_smaller(const json_t *result, FILE *out);
int export_custom_bigger(const json_t *result, FILE *out);

/* A point's name, or "". */
const char *export_name(const json_t *point);
/* Whether its figures mean something: those of a lock that failed do not. */
bool export_has_figures(const json_t *point);
/*
 * fn gets each metric that a point's summary has, with its {median, low, high}.
 * Response times of a missed rate are a backlog's, and are left out.
 */
typedef void export_figure_fn(const json_t *point, const char *metric, const json_t *figure,
			      void *arg);
void export_each_figure(const json_t *result, export_figure_fn *fn, void *arg);
/* Of one operation and clock of a point, all trials merged. 0, -ENOENT: none was
 * measured, or what result_add_hist() says. */
struct hist;
int export_merge(const json_t *point, const char *clock, const char *op, struct hist *ret);
/* The document and a newline; takes it over. NULL is -ENOMEM. */
int export_dump(json_t *document, FILE *out);

#endif
