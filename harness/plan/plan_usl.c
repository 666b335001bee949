/* SPDX-License-Identifier: MIT */
/* The scalability law over each series of a sweep, one fit up to the CPUs and one above. */
#include <math.h>
#include <stdlib.h>

#include "plan/plan_scale.h"
#include "plan/usl.h"
#include "result/result_internal.h"
#include "stats/stats.h"

#define SEED 1

/* Trials with procs in (above, up_to]. The caller frees *ret_data. */
static size_t data_of(const struct plan_series *series, uint32_t above, uint32_t up_to,
		      struct usl_data **ret_data)
{
	size_t nr = 0, room = 0;

	for (size_t i = 0; i < series->nr; i++)
		room += series->cells[i].nr;
	*ret_data = malloc((room + 1) * sizeof(**ret_data));
	for (size_t i = 0; *ret_data && i < series->nr; i++) {
		const struct plan_cell *cell = &series->cells[i];

		for (size_t k = 0; k < cell->nr; k++)
			if (cell->procs > above && cell->procs <= up_to && cell->ops[k] > 0)
				(*ret_data)[nr++] = (struct usl_data){ cell->procs, cell->ops[k] };
	}
	return nr;
}

static int fit_regime(const struct plan_series *series, uint32_t above, uint32_t up_to,
		      struct usl_fit *ret)
{
	struct usl_data *data;
	size_t nr = data_of(series, above, up_to, &data);
	int r = data ? usl_fit(data, nr, SEED, ret) : -1;

	free(data);
	return r;
}

static void why_not(const struct usl_fit *fit, char *buf, size_t size)
{
	switch (fit->verdict) {
	case USL_FITS:
		snprintf(buf, size, "valid");
		break;
	case USL_TOO_FEW:
		snprintf(buf, size, "not fitted: %zu point%s, 3 coefficients", fit->levels,
			 fit->levels == 1 ? "" : "s");
		break;
	case USL_OUT_OF_RANGE:
		snprintf(buf, size, "not valid: alpha %.3g or beta %.3g is out of range",
			 fit->usl.alpha, fit->usl.beta);
		break;
	case USL_HOLD_OUT:
		if (isnan(fit->hold_out)) {
			snprintf(buf, size, "not valid: without one of its points no law fits");
			break;
		}
		snprintf(buf, size,
			 "not valid: misses what it was not shown by %.0f%%, at most %.0f%%",
			 100 * fit->hold_out, 100 * USL_HOLD_OUT_MAX);
		break;
	case USL_DIVERGED:
		snprintf(buf, size, "not fitted: no minimum");
		break;
	}
}

static void put_fit(const char *regime, const struct usl_fit *fit, FILE *out)
{
	char why[160], rate[32];

	why_not(fit, why, sizeof(why));
	fprintf(out, "    %s: %s", regime, why);
	if (fit->verdict == USL_FITS) {
		result_format_rate(fit->usl.lambda, rate, sizeof(rate));
		fprintf(out,
			"; lambda %s, alpha %.3g [%.3g, %.3g], beta %.3g [%.3g, %.3g], hold-out %.1f%%",
			rate, fit->usl.alpha, fit->low.alpha, fit->high.alpha, fit->usl.beta,
			fit->low.beta, fit->high.beta, 100 * fit->hold_out);
		if (isfinite(fit->peak))
			fprintf(out, "; most at %.1f processes", fit->peak);
	}
	fputc('\n', out);
}

void plan_usl_print(const struct plan_sweep *sweep, FILE *out)
{
	fprintf(out, "\nscalability (Universal Scalability Law; alpha: share that is serial, beta: "
		     "price of agreement)\n");
	for (size_t i = 0; i < sweep->nr; i++) {
		const struct plan_series *series = &sweep->series[i];
		struct usl_fit up_to, above;
		char choice[200], load[300], regime[64];

		if (fit_regime(series, 0, sweep->cpus, &up_to) ||
		    fit_regime(series, sweep->cpus, UINT32_MAX, &above))
			return;
		fprintf(out, "  %s, %s", result_clean(series->choice, 90, choice, sizeof(choice)),
			result_clean(series->load, 100, load, sizeof(load)));
		if (up_to.verdict == USL_TOO_FEW && above.verdict == USL_TOO_FEW) {
			fprintf(out,
				": not fitted: %zu up to %u CPUs and %zu above, wanted %d numbers of "
				"processes\n",
				up_to.levels, sweep->cpus, above.levels, USL_LEVELS_MIN);
			continue;
		}
		fputc('\n', out);
		snprintf(regime, sizeof(regime), "up to %u CPUs", sweep->cpus);
		put_fit(regime, &up_to, out);
		snprintf(regime, sizeof(regime), "above %u CPUs", sweep->cpus);
		put_fit(regime, &above, out);
	}
}

static json_t *fit_json(const char *regime, const struct usl_fit *fit)
{
	bool has = fit->verdict == USL_FITS || fit->verdict == USL_OUT_OF_RANGE ||
		   fit->verdict == USL_HOLD_OUT;
	char why[160];

	why_not(fit, why, sizeof(why));
#define FIGURE(name)                                                     \
	result_number(has ? fit->usl.name : NAN), #name "_low",          \
		result_number(has ? fit->low.name : NAN), #name "_high", \
		result_number(has ? fit->high.name : NAN)
	return json_pack(
		"{s:s, s:b, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"regime", regime, "valid", (int)(fit->verdict == USL_FITS), "verdict", why,
		"levels", (json_int_t)fit->levels, "lambda", FIGURE(lambda), "alpha", FIGURE(alpha),
		"beta", FIGURE(beta), "hold_out", result_number(has ? fit->hold_out : NAN), "peak",
		result_number(has ? fit->peak : NAN));
#undef FIGURE
}

/* What the law is fitted to. */
static json_t *cells_json(const struct plan_series *series)
{
	json_t *cells = json_array();

	for (size_t i = 0; i < series->nr; i++) {
		const struct plan_cell *cell = &series->cells[i];
		struct interval interval;

		stats_median_interval(cell->ops, cell->nr, &interval);
		json_array_append_new(cells,
				      json_pack("{s:o, s:o}", "procs", result_count(cell->procs),
						"ops_per_s", result_interval(&interval)));
	}
	return cells;
}

json_t *plan_usl_json(const struct plan_sweep *sweep)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sweep->nr; i++) {
		const struct plan_series *series = &sweep->series[i];
		struct usl_fit up_to, above;

		if (fit_regime(series, 0, sweep->cpus, &up_to) ||
		    fit_regime(series, sweep->cpus, UINT32_MAX, &above))
			break;
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:[o, o]}", "choice",
						      series->choice, "load", series->load, "cells",
						      cells_json(series), "fits",
						      fit_json("up to the CPUs", &up_to),
						      fit_json("above the CPUs", &above)));
	}
	return list;
}
