/* SPDX-License-Identifier: MIT */
/*
 * A host's calibration: what `gate --aa` found, stored beside the results under
 * the host's fingerprint and the scenario's hash, and used by every gate of both.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result.h"
#include "result/result_internal.h"
#include "stats/gate_stats.h"

#define SCHEMA "shmbench.calibration/1"
#define RATE_TAIL 0.05 /* of each side: the interval is one of 90 % */
#define RATE_PROMISED 0.01

static const double budgets[GATE_BUDGETS] = GATE_BUDGETS_S;

static double percent(double log_ratio)
{
	return 100 * expm1(log_ratio);
}

/* It came from another program: nothing of it may lead elsewhere. */
static void take_hex(const char *text, size_t most, char *buf)
{
	size_t i;

	for (i = 0; text && text[i] && i < most; i++)
		buf[i] = strchr("0123456789abcdef", text[i]) ? text[i] : '_';
	buf[i] = '\0';
}

void gate_calibration_path(const struct gate_request *request, const json_t *identity, char *buf,
			   size_t size)
{
	struct stat st;
	bool folder = stat("results", &st) == 0 && S_ISDIR(st.st_mode);
	char fingerprint[20], scenario[12];

	if (request->calibration) {
		snprintf(buf, size, "%s", request->calibration);
		return;
	}
	take_hex(result_get_text(identity, "fingerprint"), 16, fingerprint);
	take_hex(result_get_text(identity, "scenario_sha256"), 8, scenario);
	snprintf(buf, size, "%s/calibration-%s-%s.json", folder ? "results" : ".", fingerprint,
		 scenario);
}

static json_t *row_json(const struct gate_aa_row *row)
{
	json_t *smallest = json_array();

	for (int b = 0; b < GATE_BUDGETS; b++)
		json_array_append_new(smallest,
				      json_pack("{s:f, s:o}", "budget_s", budgets[b], "slowdown",
						result_number(expm1(row->smallest[b]))));
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:i}", "point", result_string(row->name),
			 "metric", row->metric, "smallest_found", smallest, "self",
			 result_number(expm1(row->self)), "relink",
			 result_number(expm1(row->relink)), "rounds", (int)row->n);
}

json_t *gate_aa_json(const struct gate_request *request, const struct gate_aa *aa)
{
	json_t *rows = json_array();
	double low, high;
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	gate_binomial_interval(aa->alarms, aa->runs, RATE_TAIL, &low, &high);
	for (uint32_t i = 0; i < aa->nr_rows; i++)
		json_array_append_new(rows, row_json(&aa->rows[i]));
	return json_pack(
		"{s:s, s:s, s:O?, s:O?, s:O?, s:i, s:i, s:i, s:i, s:o, s:o, s:i, s:o, s:f, s:f, "
		"s:f, s:f, s:o, s:O}",
		"schema", SCHEMA, "measured", when, "fingerprint",
		json_object_get(aa->identity, "fingerprint"), "scenario_sha256",
		json_object_get(aa->identity, "scenario_sha256"), "tool",
		json_object_get(aa->identity, "tool"), "gates", (int)aa->runs, "alarms",
		(int)aa->alarms, "inconclusive", (int)aa->undecided, "not_measured",
		(int)aa->unmeasured, "alarm_rate_low", result_number(aa->runs ? low : NAN),
		"alarm_rate_high", result_number(aa->runs ? high : NAN), "links", (int)aa->links,
		"relink_spread", result_number(expm1(gate_aa_relink_spread(aa))), "budget_s",
		request->budget_s, "gate_budget_s", aa->each_s, "ignore", expm1(aa->rule.ignore),
		"detect", expm1(aa->rule.detect), "rows", rows, "log", aa->log);
}

/* Gates without an alarm that would show the promised rate. */
static double gates_wanted(void)
{
	return ceil(log(RATE_TAIL) / log1p(-RATE_PROMISED));
}

static void alarm_text(double gates, double alarms, double low, double high, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%.0f of %.0f gates of a build against itself alarmed",
			   alarms, gates);

	if (len < 0 || (size_t)len >= size || !isfinite(low) || !isfinite(high))
		return;
	len += snprintf(buf + len, size - (size_t)len, " (%.2g %% [%.2g, %.2g])",
			100 * alarms / gates, 100 * low, 100 * high);
	if (high > RATE_PROMISED && (size_t)len < size)
		snprintf(buf + len, size - (size_t)len,
			 low > RATE_PROMISED ? ", more than the 1 %% that is promised" :
					       ": not enough runs to tell 1 %% (%.0f would be)",
			 gates_wanted());
}

static double stored_smallest(const json_t *row, size_t budget)
{
	return result_get_number(json_array_get(json_object_get(row, "smallest_found"), budget),
				 "slowdown");
}

/* One line for a verdict, from the stored document. */
static void describe(const json_t *stored, char *buf, size_t size)
{
	double spread = result_get_number(stored, "relink_spread"), smallest = NAN;
	const json_t *row;
	char alarms[200], found[100] = "", tail[80] = "; no relink spread";
	const char *when = result_get_text(stored, "measured");
	size_t i;

	json_array_foreach(json_object_get(stored, "rows"), i, row)
		smallest = fmax(smallest, stored_smallest(row, GATE_BUDGETS - 1));
	alarm_text(result_get_number(stored, "gates"), result_get_number(stored, "alarms"),
		   result_get_number(stored, "alarm_rate_low"),
		   result_get_number(stored, "alarm_rate_high"), alarms, sizeof(alarms));
	if (isfinite(smallest))
		snprintf(found, sizeof(found), "; %.1f %% slower found at 90 %% power in %.0f s",
			 100 * smallest, budgets[GATE_BUDGETS - 1]);
	if (isfinite(spread))
		snprintf(tail, sizeof(tail), "; relink spread %.1f %% (%.0f links)", 100 * spread,
			 result_get_number(stored, "links"));
	snprintf(buf, size, "calibration of %.10s: %s%s%s", when ? when : "?", alarms, found, tail);
}

/* Whether it is of this host and scenario; if not, why. */
static bool fits(const json_t *stored, const json_t *identity, char *why, size_t size)
{
	static const char *const same[] = { "fingerprint", "scenario_sha256" };
	const char *schema = result_get_text(stored, "schema");

	if (!schema || strcmp(schema, SCHEMA)) {
		snprintf(why, size, "schema found '%.60s', expected " SCHEMA,
			 schema ? schema : "none");
		return false;
	}
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const char *there = result_get_text(stored, same[i]);
		const char *here = result_get_text(identity, same[i]);

		if (there && here && !strcmp(there, here))
			continue;
		snprintf(why, size, "%s there '%.70s', here '%.70s'", same[i],
			 there ? there : "none", here ? here : "none");
		return false;
	}
	return true;
}

void gate_rule_default(const struct gate_request *request, double spread, struct gate_rule *rule)
{
	rule->ignore = isnan(request->ignore) ? fmax(log1p(GATE_IGNORE), spread) : request->ignore;
	rule->detect = request->detect;
	/* What is ignored must stay below what has to be found. */
	if (isnan(request->detect))
		rule->detect = fmax(log1p(GATE_DETECT),
				    rule->ignore + log1p(GATE_DETECT) - log1p(GATE_IGNORE));
}

/* What is stored of this host and scenario, or NULL; line: what to say of it. */
static json_t *load(const struct gate_request *request, const json_t *identity, char *line,
		    size_t size)
{
	char path[4096], why[300];
	json_error_t error;
	json_t *stored;

	gate_calibration_path(request, identity, path, sizeof(path));
	stored = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!stored && (request->calibration || access(path, F_OK) == 0))
		snprintf(line, size, "calibration %.200s not used: %.200s", path, error.text);
	else if (!stored)
		snprintf(line, size, "calibration: none of this host and scenario (gate --aa)");
	else if (!fits(stored, identity, why, sizeof(why)))
		snprintf(line, size, "calibration %.200s not used: %.300s", path, why);
	else
		return stored;
	json_decref(stored);
	return NULL;
}

int gate_calibration_apply(const struct gate_request *request, struct gate_suite *suite)
{
	json_t *stored = NULL;
	double spread = NAN;
	char why[300];

	/* A calibration stands on its own, not on the one before. */
	if (!request->aa)
		stored = load(request, suite->identities[GATE_HEAD], suite->calibration,
			      sizeof(suite->calibration));
	if (stored) {
		spread = result_get_number(stored, "relink_spread");
		spread = spread > 0 && spread < 10 ? log1p(spread) : NAN;
		describe(stored, suite->calibration, sizeof(suite->calibration));
		json_decref(stored);
	}
	gate_rule_default(request, spread, &suite->rule);
	if (suite->rule.ignore < suite->rule.detect)
		return 0;
	snprintf(why, sizeof(why),
		 "--detect is %.1f %%, but what relinking does here is %.1f %%: a larger --detect, "
		 "or --ignore",
		 percent(suite->rule.detect), percent(suite->rule.ignore));
	return gate_refuse(suite, EXIT_USAGE, why);
}

int gate_aa_exit_code(const struct gate_aa *aa)
{
	double low, high;

	gate_binomial_interval(aa->alarms, aa->runs, RATE_TAIL, &low, &high);
	return low > RATE_PROMISED	   ? EXIT_NO :
	       !aa->runs || aa->unmeasured ? EXIT_NOT_MEASURED :
					     EXIT_YES;
}

static void print_row(const struct gate_aa_row *row, FILE *out)
{
	char name[200];

	fprintf(out, "%s  %s  ", result_clean(row->name, 60, name, sizeof(name)), row->metric);
	if (isnan(row->smallest[0]) && isnan(row->smallest[GATE_BUDGETS - 1]))
		fputs("smallest slowdown that is found: not known", out);
	else
		fputs("found at 90 % power:", out);
	for (int b = 0; b < GATE_BUDGETS; b++)
		if (isfinite(row->smallest[b]))
			fprintf(out, "%s %.1f %% slower in %.0f s", b ? "," : "",
				percent(row->smallest[b]), budgets[b]);
		else if (isinf(row->smallest[b]))
			fprintf(out, "%s nothing in %.0f s", b ? "," : "", budgets[b]);
	if (isfinite(row->self))
		fprintf(out, "; off by up to %.1f %% against itself", percent(row->self));
	if (isfinite(row->relink))
		fprintf(out, ", %.1f %% relinked", percent(row->relink));
	fputc('\n', out);
}

void gate_aa_print(const struct gate_aa *aa, FILE *out)
{
	double low = NAN, high = NAN, spread = gate_aa_relink_spread(aa);
	char text[300], reason[700];

	if (aa->runs)
		gate_binomial_interval(aa->alarms, aa->runs, RATE_TAIL, &low, &high);
	alarm_text(aa->runs, aa->alarms, low, high, text, sizeof(text));
	fprintf(out, "%s; gates of %.3g s, %u inconclusive, %u not measured%s%s\n", text,
		aa->each_s, aa->undecided, aa->unmeasured, aa->unmeasured ? ", the last: " : "",
		result_clean(aa->reason, 400, reason, sizeof(reason)));
	for (uint32_t i = 0; i < aa->nr_rows; i++)
		print_row(&aa->rows[i], out);
	if (isfinite(spread))
		fprintf(out,
			"relink spread: %.1f %% (%u links, their gates' own noise taken off): "
			"--ignore here is %.1f %% from now on\n",
			percent(spread), aa->links, percent(aa->rule.ignore));
	else
		fprintf(out,
			"relink spread: not known (%u links, at least %d: --relinked, or in a "
			"source tree scripts/calibrate)\n",
			aa->links, GATE_LINKS_MIN);
}
