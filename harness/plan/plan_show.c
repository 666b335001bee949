/* SPDX-License-Identifier: MIT */
/* What `plan --slo` found, as a table that a person can act on, and as JSON. */
#include <math.h>
#include <string.h>

#include "cli.h"
#include "plan/plan.h"
#include "result/result_internal.h"
#include "scenario/units.h"

static const char *const answers[] = {
	[PLAN_FOUND] = "found",	      [PLAN_CEILING] = "ceiling",    [PLAN_NONE] = "none",
	[PLAN_OPEN] = "inconclusive", [PLAN_ERROR] = "not_measured",
};

static void format_load(const struct plan_row *row, double load, char *buf, size_t size)
{
	char rate[32];

	if (row->by_procs) {
		snprintf(buf, size, "%.0f processes", load);
		return;
	}
	result_format_rate(load, rate, sizeof(rate));
	snprintf(buf, size, "%s/s", rate);
}

static void format_share(double share, char *buf, size_t size)
{
	if (isnan(share))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.3g%%", share * 100);
}

/* "search.p99 is 23.0us at 1.95M/s": which promise, the worst of them. */
static void put_broken(const struct plan_request *request, const struct plan_row *row,
		       const char *load, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	double most = 0;
	uint32_t worst = 0;
	char ns[32];

	for (uint32_t i = 0; i < request->nr_slos; i++) {
		double times = row->breaks_ns[i] / (double)request->slos[i].bound_ns;

		if (times > most) {
			most = times;
			worst = i;
		}
	}
	result_format_ns(row->breaks_ns[worst], &glyphs, ns, sizeof(ns));
	fprintf(out, "%s breaks %s: %s, %.2gx", load, request->slos[worst].text, *ns ? ns : "-",
		most);
}

static void put_row(const struct plan_request *request, const struct plan_row *row, FILE *out)
{
	struct result_glyphs glyphs = result_glyphs();
	const struct plan_search *search = &row->search;
	char load[64], next[64], ns[32], share[32], upper[32], name[256];

	result_clean(row->point->name, 60, name, sizeof(name));
	format_load(row, search->load, load, sizeof(load));
	fprintf(out, "  %s\n    ", name);
	switch (search->answer) {
	case PLAN_FOUND:
	case PLAN_CEILING:
		fprintf(out, "carries %s", load);
		for (uint32_t i = 0; i < request->nr_slos; i++) {
			result_format_ns(row->percentile_ns[i], &glyphs, ns, sizeof(ns));
			format_share(row->claims[i].share, share, sizeof(share));
			format_share(row->claims[i].upper, upper, sizeof(upper));
			fprintf(out,
				"; %s %s (%s over the bound, at most %s: %u blocks of %.3g s, "
				"variance x%.3g)",
				request->slos[i].figure, ns, share, upper, row->claims[i].blocks,
				row->claims[i].block_s,
				isnan(row->claims[i].inflation) ? 1 : row->claims[i].inflation);
		}
		fputs("\n    ", out);
		if (search->answer == PLAN_CEILING) {
			fprintf(out,
				"that is the ceiling of the scenario%s, not of the machine's "
				"promise\n",
				row->by_procs ? "" : " (what the closed loop does)");
		} else if (isnan(search->breaks)) {
			fprintf(out, "nothing above it was tried\n");
		} else {
			format_load(row, search->breaks, next, sizeof(next));
			put_broken(request, row, next, out);
			fputc('\n', out);
		}
		break;
	case PLAN_NONE:
		fprintf(out, "carries nothing: ");
		put_broken(request, row, load, out);
		fprintf(out, " of what is allowed\n");
		break;
	case PLAN_OPEN:
		fprintf(out, "inconclusive at %s after %.0f s of observation", load,
			search->spent_s);
		if (isfinite(search->needs_s) && search->needs_s > 0)
			fprintf(out, "; a claim there needs %.0f s more: --budget",
				search->needs_s);
		fputc('\n', out);
		break;
	case PLAN_ERROR:
		fprintf(out, "not measured: %s\n", *row->reason ? row->reason : "interrupted");
		break;
	}
	if (search->disorder)
		fprintf(out, "    a lower load broke the promise that this one keeps: the answer "
			     "hangs on the machine's noise\n");
	if (row->disturbed)
		fprintf(out, "    %u observations were disturbed from outside, and repeated\n",
			row->disturbed);
}

void plan_slo_print(const struct plan_request *request, const struct plan_row *rows, int nr,
		    FILE *out)
{
	fprintf(out, "%s:", request->scenario->path);
	for (uint32_t i = 0; i < request->nr_slos; i++)
		fprintf(out, "%s %s", i ? "," : "", request->slos[i].text);
	fprintf(out, ", open loop\n\n");
	for (int k = 0; k < nr; k++)
		put_row(request, &rows[k], out);
	fprintf(out, "\nEach claim holds at 95 %%: the share of operations over the bound, counted "
		     "from their planned start,\nis judged over blocks of time; its upper bound is "
		     "what must stay below the promise.\n");
}

static json_t *claim_json(const struct plan_slo *slo, const struct plan_row *row, uint32_t i)
{
	const struct plan_claim *claim = &row->claims[i];

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "slo", slo->text,
			 "bound_ns", result_count(slo->bound_ns), "value_ns",
			 result_number(row->percentile_ns[i]), "share_over",
			 result_number(claim->share), "upper", result_number(claim->upper),
			 "variance_inflation", result_number(claim->inflation), "samples",
			 result_count(claim->samples), "blocks", (json_int_t)claim->blocks,
			 "breaks_ns", result_number(row->breaks_ns[i]));
}

static json_t *row_json(const struct plan_request *request, const struct plan_row *row)
{
	const struct plan_search *search = &row->search;
	json_t *claims = json_array(), *looks = json_array();

	for (uint32_t i = 0; i < request->nr_slos; i++)
		json_array_append_new(claims, claim_json(&request->slos[i], row, i));
	for (uint32_t i = 0; i < search->nr_looks; i++) {
		const struct plan_look *look = &search->looks[i];
		json_t *values = json_array();

		for (uint32_t k = 0; k < request->nr_slos; k++)
			json_array_append_new(values, result_number(row->look_ns[i][k]));
		json_array_append_new(looks, json_pack("{s:o, s:o, s:s, s:b, s:b, s:o}", "load",
						       result_number(look->load), "seconds",
						       result_number(look->seconds), "verdict",
						       look->verdict == PLAN_MEETS  ? "meets" :
						       look->verdict == PLAN_BREAKS ? "breaks" :
										      "unproven",
						       "claim", (int)look->claim, "superseded",
						       (int)look->superseded, "value_ns", values));
	}
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "name",
			 row->point->name, "params", result_params(&row->point->params), "load_is",
			 row->by_procs ? "processes" : "ops_per_s", "answer",
			 answers[search->answer], "load",
			 search->answer == PLAN_NONE || search->answer == PLAN_ERROR ?
				 json_null() :
				 result_number(search->load),
			 "breaks_at", result_number(search->breaks), "ceiling",
			 result_number(row->ceiling), "observed_s", result_number(search->spent_s),
			 "needs_s",
			 result_number(search->answer == PLAN_OPEN ? search->needs_s : NAN),
			 "disorder", (int)search->disorder, "claims", claims, "looks", looks);
}

json_t *plan_slo_json(const struct plan_request *request, const struct plan_row *rows, int nr)
{
	json_t *list = json_array();

	for (int k = 0; k < nr; k++)
		json_array_append_new(list, row_json(request, &rows[k]));
	return list;
}

int plan_slo_exit_code(const struct plan_row *rows, int nr)
{
	bool none = false, missing = nr == 0, open = false;

	for (int k = 0; k < nr; k++) {
		none |= rows[k].search.answer == PLAN_NONE;
		missing |= rows[k].search.answer == PLAN_ERROR;
		open |= rows[k].search.answer == PLAN_OPEN;
	}
	return none ? EXIT_NO : missing ? EXIT_NOT_MEASURED : open ? EXIT_INCONCLUSIVE : EXIT_YES;
}
