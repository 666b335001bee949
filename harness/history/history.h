/* SPDX-License-Identifier: MIT */
/*
 * `history`: the results of a folder as series, one per machine, scenario and
 * point, and where each of them changed. The document ("shmbench.history/1"):
 *
 *   metric, level        the figure, and the chance of a change found where none is
 *   left_out[]           {path, reason}: files that are not in any series
 *   groups[]             one per host.fingerprint and scenario.sha256
 *     fingerprint, cpu, cpus, scenario, sha256
 *     runs[]             {path, started, commit, layout_hash, status}, oldest first
 *     points[]           {name, runs[], values[], low[], high[], changes[], middle, older}
 *                        runs: numbers in runs[]; older: so many of the first values were not
 *                        looked at; middle: the median since the last change
 *       changes[]        {at, before, after, ratio, p, better}: at is a number in values[],
 *                        before and after the medians of the segments on its two sides
 *     baseline           {path, runs, since} or null, and baseline_reason
 */
#ifndef SHMBENCH_HISTORY_H
#define SHMBENCH_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define HISTORY_SCHEMA "shmbench.history/1"
#define HISTORY_LEVEL 0.01
/* So few runs since the last change have no middle that luck did not choose. */
#define HISTORY_BASELINE_RUNS 5

/*
 * Reads DIR/NAME.json and DIR/FOLDER/NAME.json, and takes the metric's median over trials of each
 * point that is ok. What cannot be read is said to diag and in left_out, and nothing else
 * is lost. NULL: DIR cannot be read (said), or no memory.
 */
json_t *history_collect(const char *dir, const char *metric, FILE *diag);
/* Adds changes and baselines. 0 or -ENOMEM. */
int history_judge(json_t *history);
/* filter: only points whose name contains it, NULL for all. each: every value on a line. */
void history_show(const json_t *history, const char *filter, bool each, FILE *out);

#endif
