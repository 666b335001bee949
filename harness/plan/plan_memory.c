/* SPDX-License-Identifier: MIT */
/*
 * `plan --memory`: what a table will take, before anything is created. The
 * bytes come from the function that create() itself reserves by.
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "plan/plan_memory.h"
#include "result/result_internal.h"
#include "scenario/units.h"

#define PAGE_TABLE_ENTRY 8u /* bytes, on 64-bit machines */
#define PAGE_TABLE_FANOUT 512u
#define HUGE_PAGE (2u << 20)

uint64_t plan_page_table_bytes(uint64_t region_bytes, enum shmht_pages pages)
{
	uint64_t page = pages == SHMHT_PAGES_4K ? (uint64_t)sysconf(_SC_PAGESIZE) : HUGE_PAGE;
	uint64_t entries = (region_bytes + page - 1) / page, bytes = 0;

	/* Each level is whole pages of entries; the top one exists anyway. */
	for (int level = pages == SHMHT_PAGES_4K ? 0 : 1; level < 3; level++) {
		uint64_t tables = (entries + PAGE_TABLE_FANOUT - 1) / PAGE_TABLE_FANOUT;

		bytes += tables * PAGE_TABLE_FANOUT * PAGE_TABLE_ENTRY;
		entries = tables;
	}
	return bytes;
}

int plan_memory_of(const struct params *params, struct plan_memory *ret, struct shmht_error *err)
{
	struct shmht_config cfg = params_table(params);
	int r = shmht_region_bytes(&cfg, &ret->region_bytes, err);

	if (r)
		return r;
	ret->page_table_bytes = plan_page_table_bytes(ret->region_bytes, params->pages);
	ret->total_bytes = ret->region_bytes + ret->page_table_bytes * params->procs;
	ret->per_entry_bytes = (double)ret->region_bytes / (double)params->capacity;
	return 0;
}

uint64_t plan_memory_fits(const struct params *params, uint64_t limit)
{
	uint64_t low = 0, high = SHMHT_CAPACITY_MAX;
	struct params probe = *params;
	struct plan_memory memory;

	while (low < high) {
		uint64_t mid = low + (high - low + 1) / 2;

		probe.capacity = mid;
		if (plan_memory_of(&probe, &memory, NULL) == 0 && memory.total_bytes <= limit)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static void format_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned int unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	snprintf(buf, size, unit ? "%.4g %s" : "%.0f %s", value, units[unit]);
}

static int put_point(const struct point *point, uint64_t limit, bool *all_fit, FILE *out)
{
	const struct params *params = &point->params;
	char region[32], tables[32], total[32], fits[32];
	struct plan_memory memory;
	struct shmht_error err;

	if (plan_memory_of(params, &memory, &err)) {
		fprintf(stderr, "shmbench plan: %s: %s\n", point->name, err.text);
		return -1;
	}
	format_bytes(memory.region_bytes, region, sizeof(region));
	format_bytes(memory.page_table_bytes, tables, sizeof(tables));
	format_bytes(memory.total_bytes, total, sizeof(total));
	fprintf(out,
		"%s\n  table %llu bytes (%s), %.1f per entry of at most %u + %u; page tables %s "
		"per process; with %u processes %s\n",
		point->name, (unsigned long long)memory.region_bytes, region,
		memory.per_entry_bytes, params->key_size, params->value_max, tables, params->procs,
		total);
	if (limit) {
		uint64_t capacity = plan_memory_fits(params, limit);

		*all_fit &= memory.total_bytes <= limit;
		format_bytes(limit, fits, sizeof(fits));
		fprintf(out, "  %s %s: %llu entries would\n", fits,
			memory.total_bytes <= limit ? "is enough" : "is NOT enough",
			(unsigned long long)capacity);
	}
	return 0;
}

int plan_memory_print(const struct scenario *scenario, uint64_t limit, FILE *out)
{
	bool all_fit = true;

	for (size_t i = 0; i < scenario->nr_points; i++)
		if (put_point(&scenario->points[i], limit, &all_fit, out))
			return EXIT_USAGE;
	return all_fit ? EXIT_YES : EXIT_NO;
}

json_t *plan_memory_json(const struct scenario *scenario, uint64_t limit)
{
	json_t *list = json_array();

	for (size_t i = 0; i < scenario->nr_points; i++) {
		const struct point *point = &scenario->points[i];
		struct plan_memory memory;

		if (plan_memory_of(&point->params, &memory, NULL))
			continue;
		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", point->name,
				  "params", result_params(&point->params), "region_bytes",
				  result_count(memory.region_bytes), "page_table_bytes_per_process",
				  result_count(memory.page_table_bytes), "total_bytes",
				  result_count(memory.total_bytes), "bytes_per_entry",
				  result_number(memory.per_entry_bytes), "limit_bytes",
				  limit ? result_count(limit) : json_null(), "entries_that_fit",
				  limit ? result_count(plan_memory_fits(&point->params, limit)) :
					  json_null()));
	}
	return list;
}
