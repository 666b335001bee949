/* SPDX-License-Identifier: MIT */
/* A gate's verdicts as people read them: table, one line, and the JSON document. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"
#include "result/result_internal.h"
#include "scenario/units.h"

static double percent(double log_ratio)
{
	return 100 * expm1(log_ratio);
}

const char *gate_row_verdict(const struct gate_point *point, uint32_t row)
{
	static const char *const verdicts[] = { "inconclusive", "pass", "REGRESSION",
						"improvement" };
	static const char *const states[] = {
		"", "NEW", "GONE", "SKIPPED", "NOT MEASURED", "FAILED"
	};

	return point->state == GATE_MEASURED ? verdicts[point->rows[row].verdict] :
					       states[point->state];
}

void gate_row_text(const struct gate_rule *rule, const struct gate_row *row, double budget_s,
		   char *buf, size_t size)
{
	double factor = gate_budget_factor(rule, row);
	int len = 0;

	if (!row->look) {
		snprintf(buf, size, "no look yet");
		return;
	}
	if (row->counted) {
		snprintf(buf, size, "%+.2f %% [%+.2f, %+.2f] %.1f, was %.1f per operation%s",
			 percent(row->estimate), percent(row->low), percent(row->high), row->after,
			 row->before,
			 row->verdict == GATE_PENDING ? "; repeats differ too much to tell" : "");
		return;
	}
	len = snprintf(buf, size, "%+.1f %% [%+.1f, %+.1f] n=%zu", percent(row->estimate),
		       percent(row->low), percent(row->high), row->n);
	if (row->control.n && len > 0 && (size_t)len < size)
		len += snprintf(buf + len, size - (size_t)len,
				"; base against base %+.1f %% [%+.1f, %+.1f] n=%zu%s",
				percent(row->control.estimate), percent(row->control.low),
				percent(row->control.high), row->control.n,
				row->control.low > 0 || row->control.high < 0 ? ": NOT ALIKE" : "");
	if (row->verdict != GATE_PENDING || len < 0 || (size_t)len >= size)
		return;
	if (!(budget_s > 0))
		snprintf(buf + len, size - (size_t)len, "; more trials of the baseline may tell");
	else if (isnan(factor))
		snprintf(buf + len, size - (size_t)len,
			 "; lies between --ignore and --detect: more budget will not tell");
	else
		snprintf(buf + len, size - (size_t)len, "; --budget %.0fs would decide",
			 ceil(1.2 * factor * budget_s));
}

void gate_print(const struct gate_request *request, const struct gate_suite *suite, FILE *out)
{
	int width = 5;

	for (uint32_t i = 0; i < suite->nr_points; i++)
		width = (int)fmax(width, (double)strlen(suite->points[i].name));
	width = width > 60 ? 60 : width;
	if (suite->nr_points)
		fprintf(out, "%-*s  %-14s %-13s head's slowdown [L, U]\n", width, "point", "metric",
			"verdict");
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		for (uint32_t m = 0; m < point->nr_metrics + point->nr_counted; m++) {
			char text[256], name[200];

			gate_row_text(&suite->rule, &point->rows[m], request->budget_s, text,
				      sizeof(text));
			fprintf(out, "%-*s  %-14s %-13s %s\n", width,
				result_clean(point->name, 60, name, sizeof(name)),
				point->metrics[m].name, gate_row_verdict(point, m),
				point->state == GATE_MEASURED ? text : point->reason);
			if (point->state != GATE_MEASURED)
				break;
		}
	}
	fprintf(out,
		"slower up to %.3g %% is ignored, %.3g %% must be found; 1 %% false alarms over the "
		"suite\n",
		percent(suite->rule.ignore), percent(suite->rule.detect));
	fprintf(out, "%s\n", suite->calibration);
}

void gate_summary(const struct gate_suite *suite, int code, char *buf, size_t size)
{
	static const char *const words[] = { "PASS", "REGRESSION", "USAGE", "NOT MEASURED",
					     "INCONCLUSIVE" };
	uint32_t verdicts[4] = { 0 }, states[6] = { 0 };

	if (suite->error) {
		snprintf(buf, size, "gate: %s: %.500s", words[code < 5 ? code : 3], suite->reason);
		return;
	}
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		states[point->state]++;
		for (uint32_t m = 0;
		     point->state == GATE_MEASURED && m < point->nr_metrics + point->nr_counted;
		     m++)
			verdicts[point->rows[m].verdict]++;
	}
	snprintf(buf, size,
		 "gate: %s: %u pass, %u regression, %u improvement, %u inconclusive, %u new, "
		 "%u failed, %u not measured; %.0f s",
		 code > 128			     ? "INTERRUPTED" :
		 code == 0 && verdicts[GATE_PENDING] ? "INCONCLUSIVE (allowed)" :
		 code == 1 && states[GATE_FAILED]    ? "FAILED" :
						       words[code],
		 verdicts[GATE_PASS], verdicts[GATE_REGRESSION], verdicts[GATE_IMPROVEMENT],
		 verdicts[GATE_PENDING], states[GATE_NEW], states[GATE_FAILED],
		 states[GATE_GONE] + states[GATE_SKIPPED] + states[GATE_NOT_MEASURED],
		 suite->elapsed_s);
}

static json_t *control_json(const struct gate_row *row)
{
	if (!row->control.n)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:i}", "slowdown",
			 result_number(expm1(row->control.estimate)), "low",
			 result_number(expm1(row->control.low)), "high",
			 result_number(expm1(row->control.high)), "rounds", (int)row->control.n);
}

static json_t *row_json(const struct gate_point *point, uint32_t m)
{
	const struct gate_row *row = &point->rows[m];
	bool had = point->state == GATE_MEASURED && row->look;

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o}", "metric",
			 point->metrics[m].name, "verdict",
			 point->state == GATE_MEASURED ? gate_verdict_names[row->verdict] :
							 gate_state_names[point->state],
			 "slowdown", result_number(had ? expm1(row->estimate) : NAN), "low",
			 result_number(had ? expm1(row->low) : NAN), "high",
			 result_number(had ? expm1(row->high) : NAN), "rounds", (int)row->n, "look",
			 (int)row->look, "base", result_number(row->counted ? row->before : NAN),
			 "head", result_number(row->counted ? row->after : NAN), "control",
			 control_json(row));
}

/* Log ratio of a round, by metric, as it is judged. */
static json_t *round_figures(const struct gate_point *point, uint32_t k)
{
	json_t *figures = json_object();

	for (uint32_t m = 0; m < point->nr_metrics; m++)
		json_object_set_new(figures, point->metrics[m].name,
				    result_number(point->figures[m] ? point->figures[m][k] : NAN));
	return figures;
}

static json_t *point_json(const struct gate_point *point)
{
	json_t *rows = json_array(), *rounds = json_array();

	for (uint32_t m = 0; m < point->nr_metrics + point->nr_counted; m++)
		json_array_append_new(rows, row_json(point, m));
	for (uint32_t k = 0; point->rounds && k < point->nr_rounds; k++) {
		const struct gate_round *round = &point->rounds[k];

		json_array_append_new(rounds, json_pack("{s:b, s:o, s:O, s:O}", "head_first",
							round->head_first, "log_slowdown",
							round_figures(point, k), "base",
							round->slices[GATE_BASE].raw, "head",
							round->slices[GATE_HEAD].raw));
	}
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:i}", "name", result_string(point->name),
			 "status", gate_state_names[point->state], "reason",
			 result_string(point->reason), "rows", rows, "rounds", rounds, "repeated",
			 (int)point->repeated);
}

json_t *gate_json(const struct gate_request *request, const struct gate_suite *suite, int code)
{
	json_t *points = json_array();
	char summary[700];

	gate_summary(suite, code, summary, sizeof(summary));
	for (uint32_t i = 0; i < suite->nr_points; i++)
		json_array_append_new(points, point_json(&suite->points[i]));
	return json_pack("{s:s, s:s, s:i, s:o, s:f, s:f, s:s, s:f, s:f, s:i, s:i, s:O?, s:O?, s:o}",
			 "schema", GATE_SCHEMA, "summary", summary, "exit_code", code, "seed",
			 result_count(request->seed), "ignore", expm1(suite->rule.ignore), "detect",
			 expm1(suite->rule.detect), "calibration", suite->calibration, "budget_s",
			 request->budget_s, "seconds", suite->elapsed_s, "planned_rounds",
			 (int)suite->planned, "looks", (int)suite->look, "base",
			 suite->identities[GATE_BASE], "head", suite->identities[GATE_HEAD],
			 "points", points);
}
