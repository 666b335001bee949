/* SPDX-License-Identifier: MIT */
/*
 * What `run` and `show` print: what ran, the table, expectations, and the
 * lines that a reader needs in order not to be misled by it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "result/result.h"
#include "result/result_internal.h"

static const char *text_or(const json_t *object, const char *key, const char *otherwise, char *buf,
			   size_t size)
{
	const char *text = result_get_text(object, key);

	return result_clean(text ? text : otherwise, 80, buf, size);
}

static void put_headline(const json_t *result, FILE *out)
{
	const char *status = result_get_text(result, "status");
	char path[336], started[336];

	fprintf(out, "%s, %zu points, started %s",
		text_or(json_object_get(result, "scenario"), "path", "scenario unknown", path,
			sizeof(path)),
		json_array_size(json_object_get(result, "points")),
		text_or(result, "started", "at an unknown time", started, sizeof(started)));
	if (status && strcmp(status, "partial") == 0)
		fprintf(out, "; PARTIAL: the run was interrupted");
	else if (status && strcmp(status, "failed") == 0)
		fprintf(out, "; FAILED: a verification failed");
	fprintf(out, "\n\n");
}

/* The text of an expectation begins with its metric, which has its unit. */
static void format_expected(const char *text, double value, const struct result_glyphs *glyphs,
			    char *buf, size_t size)
{
	if (strncmp(text, "ops_per_s", 9) == 0)
		result_format_rate(value, buf, size);
	else if (strncmp(text, "stalled", 7) == 0)
		snprintf(buf, size, "%.3g%%", value * 100);
	else
		result_format_ns(value, glyphs, buf, size);
}

static void put_expectation(const json_t *point, const json_t *expect, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	char name[400], text[400], reason[800], value[32];
	double number = result_get_number(expect, "value");

	text_or(point, "name", "(no name)", name, sizeof(name));
	text_or(expect, "text", "(no text)", text, sizeof(text));
	fprintf(out, "expect %s at %s: ", text, name);
	if (isnan(number)) {
		fprintf(out, "not measured: %s\n",
			text_or(expect, "reason", "no reason was given", reason, sizeof(reason)));
		return;
	}
	format_expected(text, number, &glyphs, value, sizeof(value));
	fprintf(out, "%s (%s)\n", json_is_true(json_object_get(expect, "met")) ? "met" : "NOT MET",
		value);
}

static void put_expectations(const json_t *points, FILE *out)
{
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		const json_t *expect = json_object_get(point, "expect");

		for (size_t k = 0; k < json_array_size(expect); k++)
			put_expectation(point, json_array_get(expect, k), out);
	}
}

/* The first history that is not linearizable, of each point that has one. */
static void put_history(const json_t *point, FILE *out)
{
	const json_t *trials = json_object_get(point, "trials");
	char line[512], name[400];

	for (size_t k = 0; k < json_array_size(trials); k++) {
		const json_t *integrity = json_object_get(json_array_get(trials, k), "integrity");
		const char *at = result_get_text(json_object_get(integrity, "linearizable"),
						 "history");

		if (!at)
			continue;
		fprintf(out,
			"%s, trial %zu: ", text_or(point, "name", "(no name)", name, sizeof(name)),
			k + 1);
		for (size_t len; *at; at += len + (at[len] == '\n')) {
			char part[128];

			len = strcspn(at, "\n");
			snprintf(part, sizeof(part), "%.*s", (int)(len < 127 ? len : 127), at);
			fprintf(out, "%s\n", result_clean(part, 120, line, sizeof(line)));
		}
		fputc('\n', out);
		return;
	}
}

static void put_histories(const json_t *points, FILE *out)
{
	for (size_t i = 0; i < json_array_size(points); i++)
		put_history(json_array_get(points, i), out);
}

/* Whatever it has, by name: a number, or a median with its quartiles. */
static void put_overhead(json_t *overhead, FILE *out)
{
	const char *key, *between = "overhead: ";
	json_t *value;

	if (!json_is_object(overhead))
		return;
	json_object_foreach(overhead, key, value)
	{
		char clean[164];
		double median = result_get_number(value, "median_ns");
		double low = result_get_number(value, "low_ns");
		double high = result_get_number(value, "high_ns");

		if (!json_is_number(value) && isnan(median))
			continue;
		fprintf(out, "%s%s ", between, result_clean(key, 40, clean, sizeof(clean)));
		if (json_is_number(value))
			fprintf(out, "%.3g", json_number_value(value));
		else if (isnan(low) || isnan(high))
			fprintf(out, "%.3g ns", median);
		else
			fprintf(out, "%.3g ns (%.3g..%.3g)", median, low, high);
		between = ", ";
	}
	if (between[0] == ',')
		fputc('\n', out);
}

/* What no account shows; results of before have none. */
static void put_jitter(const json_t *overhead, FILE *out)
{
	const json_t *jitter = json_object_get(overhead, "jitter");
	double share = result_get_number(jitter, "share");
	double longest_ns = result_get_number(jitter, "longest_ns");
	struct result_glyphs glyphs = result_glyphs();
	char longest[32];

	if (isnan(share))
		return;
	fprintf(out, "jitter: %.*f %% of a CPU's time", share < 0.1 ? 2 : 0, share * 100);
	if (share > 0 && longest_ns > 0) {
		result_format_ns(longest_ns, &glyphs, longest, sizeof(longest));
		fprintf(out, ", at the longest %s", longest);
	}
	fputs(" (interrupts, other programs, the host)\n", out);
}

/* How late the harness itself starts what it could start in time: always said. */
static void put_start_lag(const json_t *points, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	double p99_ns = NAN;
	bool open = false, asleep = false;
	char worst[32];

	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *trials = json_object_get(json_array_get(points, i), "trials");

		for (size_t k = 0; k < json_array_size(trials); k++) {
			const json_t *rate = json_object_get(json_array_get(trials, k), "rate");
			const char *paced = result_get_text(rate, "paced_by");

			open |= json_is_object(rate);
			asleep |= paced && strcmp(paced, "sleep") == 0;
			p99_ns = fmax(p99_ns, result_get_number(json_object_get(rate, "start_lag"),
								"p99_ns"));
		}
	}
	if (!open)
		return;
	result_format_ns(p99_ns, &glyphs, worst, sizeof(worst));
	fprintf(out, "start lag: p99 %s in the worst trial%s\n", worst[0] ? worst : "not measured",
		asleep ? "; where workers outnumber CPUs they sleep until shortly before a planned "
			 "start" :
			 "");
}

static void put_host(const json_t *host, FILE *out)
{
	double cpus = result_get_number(host, "cpus");
	char name[336], cpu[336], kernel[336], virt[336], clock[336], count[16];
	bool named = result_get_text(host, "name");

	snprintf(count, sizeof(count), "%s", "?");
	if (cpus >= 0 && cpus < 1e6)
		snprintf(count, sizeof(count), "%.0f", cpus);
	fprintf(out, "host%s%s: %s, %s CPUs, Linux %s, virt %s, clock %s", named ? " " : "",
		text_or(host, "name", "", name, sizeof(name)),
		text_or(host, "cpu", "CPU unknown", cpu, sizeof(cpu)), count,
		text_or(host, "kernel", "?", kernel, sizeof(kernel)),
		text_or(host, "virt", "?", virt, sizeof(virt)),
		text_or(host, "clock", "?", clock, sizeof(clock)));
}

/* What bounds the run besides its CPUs; results of before have neither. */
static void put_limits(const json_t *host, FILE *out)
{
	const json_t *cgroup = json_object_get(host, "cgroup");
	const json_t *frequency = json_object_get(host, "frequency");
	const json_t *boost = json_object_get(frequency, "boost");
	char a[336], b[336], c[336];

	if (!cgroup)
		return;
	if (json_is_object(cgroup))
		fprintf(out, "limits: cgroup cpu.max %s, memory.max %s, cpuset %s",
			text_or(cgroup, "cpu_max", "not visible", a, sizeof(a)),
			text_or(cgroup, "memory_max", "not visible", b, sizeof(b)),
			text_or(cgroup, "cpuset", "not visible", c, sizeof(c)));
	else
		fprintf(out, "limits: no cgroup visible");
	if (json_is_object(frequency))
		fprintf(out, "; frequency: driver %s, governor %s%s\n",
			text_or(frequency, "driver", "not visible", a, sizeof(a)),
			text_or(frequency, "governor", "not visible", b, sizeof(b)),
			!json_is_boolean(boost) ? "" :
			json_is_true(boost)	? ", boost on" :
						  ", boost off");
	else
		fprintf(out, "; frequency: no driver visible\n");
}

static void put_tool(const json_t *result, FILE *out)
{
	const json_t *tool = json_object_get(result, "tool");
	char version[336], commit[336];

	fprintf(out, "; shmbench %s (%s)\n",
		text_or(tool, "version", "?", version, sizeof(version)),
		text_or(tool, "commit", "?", commit, sizeof(commit)));
}

/* A merge has several; a fleet's hundredth host is in the file. */
#define HOSTS_SHOWN 16

static void put_hosts(const json_t *result, FILE *out)
{
	const json_t *hosts = json_object_get(result, "hosts");
	size_t nr = json_array_size(hosts);

	if (nr < 2) {
		put_host(json_object_get(result, "host"), out);
		put_tool(result, out);
		put_limits(json_object_get(result, "host"), out);
		return;
	}
	for (size_t i = 0; i < nr && i < HOSTS_SHOWN; i++) {
		put_host(json_array_get(hosts, i), out);
		if (i == 0)
			put_tool(result, out);
		else
			fputc('\n', out);
	}
	if (nr > HOSTS_SHOWN)
		fprintf(out, "and %zu hosts more\n", nr - HOSTS_SHOWN);
	fprintf(out, "host=all: all samples of all hosts as one trial; its ops/s is one host's, on "
		     "average\n");
}

static bool any_phases(const json_t *points)
{
	bool any = false;

	for (size_t i = 0; i < json_array_size(points); i++)
		any |= json_is_array(json_object_get(
			json_object_get(json_array_get(points, i), "summary"), "phases"));
	return any;
}

static void put_how_to_read(bool few_trials, bool phases, FILE *out)
{
	const char *pm = result_glyphs().plus_minus;

	fprintf(out,
		"how to read: ops/s is the median of (n) trials; %s is how far its 95 %% interval "
		"reaches: points whose\n"
		"  ranges overlap are not told apart. In a closed loop a waiting worker sends "
		"nothing, so p50 to p99.9 hide\n"
		"  waiting: judge a lock's tail by worst wait and stalled%% (worker time in waits "
		"over 1 ms), and by min/max worker\n"
		"  (slowest over fastest; near 0 is starved). In an open loop operations start on a "
		"schedule and response\n"
		"  times count from the planned start, so that waiting shows.\n",
		pm);
	if (phases)
		fprintf(out,
			"  A point's own row is all of its phases but load. An operation counts for "
			"the phase in which it started: what a\n"
			"  spike leaves behind shows in the next one. behind-at-end: over 1 ms late "
			"when the phase ended.\n");
	if (few_trials)
		fprintf(out, "  Fewer than 6 trials give no 95 %% interval: trials = 6 or more "
			     "does.\n");
}

static void put_chart(const json_t *points, FILE *out)
{
	struct winsize size = { .ws_col = 80 };
	int fd = fileno(out); /* -1: a stream in memory */

	if (fd < 0 || !isatty(fd))
		return;
	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		size.ws_col = 80;
	result_chart(points, out, size.ws_col);
}

void result_show(const json_t *result, FILE *out)
{
	json_t *points = json_object_get(result, "points");
	bool few_trials;

	put_headline(result, out);
	few_trials = result_table(points, out);
	fputc('\n', out);
	put_chart(points, out);
	put_histories(points, out);
	result_show_torture(points, out);
	result_show_uncounted(points, out);
	put_expectations(points, out);
	put_overhead(json_object_get(result, "overhead"), out);
	put_jitter(json_object_get(result, "overhead"), out);
	put_start_lag(points, out);
	put_hosts(result, out);
	put_how_to_read(few_trials, any_phases(points), out);
}

/* Why a point is no plain yes, from the exit code's point of view. */
static bool reason_of(const json_t *point, int code, char *buf, size_t size)
{
	const char *status = result_get_text(point, "status");
	const json_t *expect = json_object_get(point, "expect");
	bool failed = status && strcmp(status, "failed") == 0;
	char clean[800];

	if (code == 1 ? failed : !status || (strcmp(status, "ok") != 0 && !failed)) {
		snprintf(buf, size, "%s: %s", status ? status : "not measured",
			 text_or(point, "reason", "no reason was given", clean, sizeof(clean)));
		return true;
	}
	for (size_t k = 0; k < json_array_size(expect); k++) {
		const json_t *one = json_array_get(expect, k);
		bool measured = json_is_number(json_object_get(one, "value"));

		if (json_is_true(json_object_get(one, "met")) || measured != (code == 1))
			continue;
		snprintf(buf, size, "expect %s: %s",
			 text_or(one, "text", "(no text)", clean, sizeof(clean)),
			 measured ? "not met" : "not measured");
		return true;
	}
	return false;
}

void result_show_reason(const json_t *result, const char *command, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	int code = result_exit_code(result);
	char name[400], reason[900], first[1400] = "no points";
	size_t nr = 0;

	if (!code)
		return;
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);

		if (!reason_of(point, code, reason, sizeof(reason)))
			continue;
		if (nr++ == 0)
			snprintf(first, sizeof(first), "%s: %s",
				 text_or(point, "name", "(no name)", name, sizeof(name)), reason);
	}
	fprintf(out, "shmbench %s: %s", command, first);
	if (nr > 1)
		fprintf(out, " (and %zu points more)", nr - 1);
	fputc('\n', out);
}
