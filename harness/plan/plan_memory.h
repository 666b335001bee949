/* SPDX-License-Identifier: MIT */
/* Memory that a table will take, before it is created. */
#ifndef SHMBENCH_PLAN_MEMORY_H
#define SHMBENCH_PLAN_MEMORY_H

#include <jansson.h>
#include <stdio.h>

#include "scenario/scenario.h"

struct plan_memory {
	uint64_t region_bytes;	   /* exactly what create() reserves */
	uint64_t page_table_bytes; /* of each process that maps and populates it; model */
	uint64_t total_bytes;	   /* region and all processes' page tables */
	double per_entry_bytes;	   /* of the region, at capacity */
};

/* 0, or what shmht_region_bytes() answers, with err filled. */
int plan_memory_of(const struct params *params, struct plan_memory *ret, struct shmht_error *err);
/* Leaf to top, for a mapping of its own; an upper bound by one table per level. */
uint64_t plan_page_table_bytes(uint64_t region_bytes, enum shmht_pages pages);
/* The largest capacity whose total stays within limit; 0: none does. */
uint64_t plan_memory_fits(const struct params *params, uint64_t limit);

/* Exit code; limit 0: none was given. */
int plan_memory_print(const struct scenario *scenario, uint64_t limit, FILE *out);
json_t *plan_memory_json(const struct scenario *scenario, uint64_t limit);

#endif
