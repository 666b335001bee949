/* SPDX-License-Identifier: MIT */
/* Bencher Metric Format: benchmark, measure, value with its bounds. A measure may
 * be called by its name, so ours keep theirs. */
#include <math.h>

#include "export/export.h"
#include "result/result_internal.h"

struct bmf {
	json_t *document;
	int rc;
};

static void add_measure(const json_t *point, const char *metric, const json_t *figure, void *arg)
{
	double low = result_get_number(figure, "low"), high = result_get_number(figure, "high");
	struct bmf *bmf = arg;
	json_t *bench = json_object_get(bmf->document, export_name(point)), *measure;

	if (!bench) {
		bench = json_object();
		bmf->rc |= json_object_set_new(bmf->document, export_name(point), bench);
	}
	measure = json_pack("{s:O}", "value", json_object_get(figure, "median"));
	if (!isnan(low) && !isnan(high)) {
		bmf->rc |= json_object_set_new(measure, "lower_value", result_number(low));
		bmf->rc |= json_object_set_new(measure, "upper_value", result_number(high));
	}
	/* Without memory the bench went with the failed call. */
	bmf->rc |= bmf->rc ? -1 : json_object_set_new(bench, metric, measure);
}

int export_bmf(const json_t *result, FILE *out)
{
	struct bmf bmf = { json_object(), 0 };

	export_each_figure(result, add_measure, &bmf);
	if (bmf.rc) {
		json_decref(bmf.document);
		bmf.document = NULL;
	}
	return export_dump(bmf.document, out);
}
