/* SPDX-License-Identifier: MIT */
/* The two lists that github-action-benchmark calls custom: percentiles, of which
 * a smaller one is better, and rates, of which a bigger one is. */
#include <math.h>
#include <string.h>

#include "export/export.h"
#include "result/result_internal.h"

struct custom {
	json_t *list;
	bool bigger;
	int rc;
};

static void add_entry(const json_t *point, const char *metric, const json_t *figure, void *arg)
{
	struct custom *custom = arg;
	double low = result_get_number(figure, "low"), high = result_get_number(figure, "high");
	bool bigger = strcmp(metric, "ops_per_s") == 0;
	json_t *entry;

	if (bigger != custom->bigger)
		return;
	entry = json_pack("{s:s++, s:O, s:s}", "name", export_name(point), " ", metric, "value",
			  json_object_get(figure, "median"), "unit", bigger ? "ops/s" : "ns");
	if (!isnan(low) && !isnan(high)) {
		char range[64];

		snprintf(range, sizeof(range), "%.6g..%.6g", low, high);
		custom->rc |= json_object_set_new(entry, "range", json_string(range));
	}
	custom->rc |= json_array_append_new(custom->list, entry);
}

static int export_custom(const json_t *result, bool bigger, FILE *out)
{
	struct custom custom = { json_array(), bigger, 0 };

	export_each_figure(result, add_entry, &custom);
	if (custom.rc) {
		json_decref(custom.list);
		custom.list = NULL;
	}
	return export_dump(custom.list, out);
}

int export_custom_smaller(const json_t *result, FILE *out)
{
	return export_custom(result, false, out);
}

int export_custom_bigger(const json_t *result, FILE *out)
{
	return export_custom(result, true, out);
}
