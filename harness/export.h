/* SPDX-License-Identifier: MIT */
/*
 * Results in the formats that other tools read. Each writer walks the points of
 * a document that result_read() accepted, through the typed accessors alone:
 * what is missing there is left out, or empty, never 0.
 */
#ifndef SHMBENCH_EXPORT_H
#define SHMBENCH_EXPORT_H

#include <jansson.h>
#include <stdio.h>

struct export_format {
	const char *name;
	const char *summary; /* who reads it */
	/* 0, or -EINVAL: nothing in the result can be said in this format. */
	int (*write)(const json_t *result, FILE *out);
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

/* Called for each latency of each trial: clock "service" or "response", op as in
 * result_ops. Ends early with what fn returns, unless that is 0. */
struct export_latency {
	const json_t *point, *trial, *latency;
	const char *clock, *op;
};
int export_each_latency(const json_t *result, int (*fn)(const struct export_latency *, void *arg),
			void *arg);
/* A point's name, or "" */
const char *export_name(const json_t *point);
/* Of one operation and clock of a point, all trials merged. 0, -ENOENT: none was
 * measured, -EINVAL: a histogram cannot be read. */
struct hist;
int export_merge(const json_t *point, const char *clock, const char *op, struct hist *ret);

#endif
