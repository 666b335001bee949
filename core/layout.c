/* SPDX-License-Identifier: MIT */
/*
 * Geometry: from a configuration to sizes and offsets, with every product
 * checked. attach() runs the same code over the header's configuration and
 * compares, so no offset found in shared memory is ever believed.
 */
#include "layout.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

void error_set(struct shmht_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}

uint64_t shmht_layout_hash(void)
{
	return LAYOUT_HASH;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

uint32_t shmht_stripes_auto(uint64_t capacity)
{
	cpu_set_t set;
	uint64_t want, stripes = 1;

	CPU_ZERO(&set);
	want = sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint64_t)CPU_COUNT(&set) : 1;
	want *= 16;
	while (stripes < want && stripes < SHMHT_STRIPES_MAX)
		stripes *= 2;
	while (stripes > 1 && capacity / stripes < 64)
		stripes /= 2;
	return (uint32_t)stripes;
}

static int check_ranges(const struct shmht_config *cfg, struct shmht_error *err)
{
	if (cfg->capacity < 1 || cfg->capacity > SHMHT_CAPACITY_MAX) {
		error_set(err, "capacity is %llu entries; allowed: 1 to %llu",
			  (unsigned long long)cfg->capacity, SHMHT_CAPACITY_MAX);
		return -EINVAL;
	}
	if (cfg->key_size < 1 || cfg->key_size > SHMHT_KEY_MAX) {
		error_set(err, "key_size is %u bytes; allowed: 1 to %u", cfg->key_size,
			  SHMHT_KEY_MAX);
		return -EINVAL;
	}
	if (cfg->value_size > SHMHT_VALUE_MAX) {
		error_set(err, "value_size is %u bytes; allowed: 0 to %u", cfg->value_size,
			  SHMHT_VALUE_MAX);
		return -EINVAL;
	}
	if (cfg->stripes > SHMHT_STRIPES_MAX || (cfg->stripes & (cfg->stripes - 1))) {
		error_set(err, "stripes is %u; allowed: a power of two from 1 to %u, or 0 (auto)",
			  cfg->stripes, SHMHT_STRIPES_MAX);
		return -EINVAL;
	}
	if (cfg->max_workers > SHMHT_WORKERS_MAX) {
		error_set(err, "max_workers is %u; allowed: 1 to %u, or 0 (256)", cfg->max_workers,
			  SHMHT_WORKERS_MAX);
		return -EINVAL;
	}
	if ((unsigned int)cfg->pages > SHMHT_PAGES_2M) {
		error_set(err, "pages is %u; allowed: 0 (4k), 1 (thp), 2 (2m)",
			  (unsigned int)cfg->pages);
		return -EINVAL;
	}
	return 0;
}

/*
 * Cells: the promise is that `capacity` entries fit whatever the keys. A full
 * table is noticed by a stripe that has one free cell left (kept for updates)
 * and an empty pool, while every other stripe may sit on two batches, and each
 * on what it removed and readers may still use (read = rcu; any table can be
 * reopened so). A 16th more, or less.
 */
int geometry_compute(const struct shmht_config *cfg, struct geometry *ret_geometry,
		     struct shmht_error *err)
{
	struct geometry g = {
		.capacity = cfg->capacity,
		.key_size = cfg->key_size,
		.value_size = cfg->value_size,
		.stripes = cfg->stripes ? cfg->stripes : shmht_stripes_auto(cfg->capacity),
		.max_workers = cfg->max_workers ? cfg->max_workers : 256,
		.pages = cfg->pages,
	};
	uint64_t batch, limbo, cell, page, per_stripe;
	int r = check_ranges(cfg, err);

	if (r)
		return r;

	g.stripe_bits = (uint32_t)__builtin_ctz(g.stripes);
	batch = g.capacity / (16u * g.stripes);
	g.batch = batch < 1 ? 1 : batch > BATCH_MAX ? BATCH_MAX : (uint32_t)batch;
	limbo = g.capacity / (16u * g.stripes);
	g.limbo = limbo < LIMBO_MIN ? LIMBO_MIN : limbo > LIMBO_MAX ? LIMBO_MAX : (uint32_t)limbo;
	g.value_word = (g.key_size + 7) / 8;
	cell = sizeof(struct shm_cell) + 8ull * g.value_word + (g.value_size + 7ull) / 8 * 8;
	g.cell_bytes = (uint32_t)round_up(cell, CELL_ALIGN);
	per_stripe = (g.capacity + BUCKET_LOAD - 1) / BUCKET_LOAD;
	per_stripe = (per_stripe + g.stripes - 1) / g.stripes;
	while (1ull << g.bucket_bits < per_stripe)
		g.bucket_bits++;
	g.nr_buckets = (uint64_t)g.stripes << g.bucket_bits;
	g.nr_cells = 1 + g.capacity + 1 + (g.stripes - 1ull) * 2 * g.batch;
	g.nr_cells += (uint64_t)g.stripes * g.limbo;
	if (g.nr_cells > UINT32_MAX) {
		error_set(err, "capacity %llu with %u stripes needs %llu cells; at most %u",
			  (unsigned long long)g.capacity, g.stripes, (unsigned long long)g.nr_cells,
			  UINT32_MAX);
		return -EINVAL;
	}

	/* Below 2^32 cells of at most 2^21 bytes: no sum here can pass 2^54. */
	g.slots_off = HEADER_BYTES;
	g.stripes_off = g.slots_off + (uint64_t)g.max_workers * sizeof(struct shm_slot);
	g.buckets_off = g.stripes_off + (g.stripes + 1ull) * sizeof(struct shm_stripe);
	g.cells_off = g.buckets_off + g.nr_buckets * sizeof(struct shm_bucket);
	page = g.pages == SHMHT_PAGES_4K ? 4096 : HUGE_BYTES;
	g.total_bytes = round_up(g.cells_off + g.nr_cells * g.cell_bytes, page);
	*ret_geometry = g;
	return 0;
}

int shmht_region_bytes(const struct shmht_config *cfg, uint64_t *ret_bytes, struct shmht_error *err)
{
	struct geometry g;
	int r = geometry_compute(cfg, &g, err);

	if (r)
		return r;
	*ret_bytes = g.total_bytes;
	return 0;
}
