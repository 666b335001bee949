/* SPDX-License-Identifier: MIT */
/*
 * target:limit: the physical floor of a search. It does only the loads that no
 * search on our layout can avoid: hashes the key, loads the bucket's line, then,
 * dependent on that, the lines of the right cell. Nothing is compared and
 * nothing copied, and which cell it is follows from the key's id without a look
 * at any tag. What a search costs over this is ours to save; what this costs is
 * the memory's, the hash's and the loop's.
 *
 * The footprint is that of a table with these entries and one stripe: as many
 * bucket lines as it has in use, and cells of its size, in the order of
 * loading. The dependency is real though its outcome is not: bucket lines hold
 * zeros, which only the load knows, and the cell's number is added to one.
 *
 * A key that was not loaded is a miss: its bucket's line, and no cell.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "target/target_list.h"
#include "verify/value.h"

#define LINE 64u
#define HALF_LINE 32u /* cells are multiples of it */
#define CELL_HEAD 16u
#define ENTRIES_PER_BUCKET 4u /* at which a stripe takes one more bucket into use */
#define BUCKETS_FIRST 16u

struct line {
	_Atomic uint64_t words[LINE / 8];
};

/* Read by all, written by nobody once the workers run. */
struct target_table {
	struct line *buckets;
	unsigned char *cells;
	uint64_t nr_buckets, entries, seed;
	uint32_t key_size, cell_bytes;
	uint32_t last; /* offset of what lies on a cell's last line; the first is at 0 */
	void *mapping;
	size_t bytes;
	_Atomic uint64_t *count; /* in the mapping, for its writers are processes */
};

struct context {
	struct shmht_ctx_head head;
	struct target_table t; /* a copy in the worker's own memory */
};

static uint64_t load(const void *at)
{
	return atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_relaxed);
}

/* The table's hash, taken straight to the usual lengths' branch as the table takes it:
 * what a call more would cost is no floor's. */
static uint64_t hash_of(const void *key, size_t len, uint64_t seed)
{
#if XXH_VERSION_NUMBER < 900
	if (__builtin_expect(len - 9 < 8, 1))
		return XXH3_len_9to16_64b(key, len, XXH3_kSecret, seed);
#endif
	return XXH3_64bits_withSeed(key, len, seed);
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	const struct target_table *t = &((struct context *)ctx)->t;
	uint64_t hash = hash_of(key, key_len, t->seed);
	/* The high half scaled to the number of buckets: no division, no power of two. */
	const struct line *bucket = &t->buckets[(hash >> 32) * t->nr_buckets >> 32];
	uint64_t id = key_id(key, t->key_size), seen = load(bucket);
	const unsigned char *cell;

	(void)value, (void)size, (void)ret_len;
	if (__builtin_expect(id >= t->entries, 0)) {
		__asm__ volatile("" : : "r"(seen));
		return -ENOENT;
	}
	cell = t->cells + (id + seen) * t->cell_bytes;
	seen = load(cell);
	for (uint32_t at = LINE; at < t->last; at += LINE)
		seen |= load(cell + at);
	seen |= load(cell + t->last);
	__asm__ volatile("" : : "r"(seen)); /* or they would all be left out */
	return 0;
}

/* While it is loaded: there is nothing to keep, but each is counted. */
static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	(void)key, (void)key_len, (void)value, (void)value_len;
	atomic_fetch_add_explicit(((struct context *)ctx)->t.count, 1, memory_order_relaxed);
	return 0;
}

static const struct shmht_ops operations = { .insert = insert, .search = search };

/* Of a table with such keys and values: its own answer, from the smallest one. */
static int cell_size(const struct params *params, uint32_t *ret_bytes, struct shmht_error *err)
{
	struct shmht_config cfg = { .capacity = 1,
				    .key_size = params->key_size,
				    .value_size = params->value_max,
				    .stripes = 1,
				    .strategy = "none" };
	struct shmht_info info;
	struct shmht *map;
	int r = shmht_create(&cfg, &map, err);

	if (r)
		return r;
	shmht_info(map, &info);
	shmht_destroy(map);
	*ret_bytes = info.cell_bytes;
	return 0;
}

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	struct target_table *t = calloc(1, sizeof(*t));
	uint32_t used;
	int r = -ENOMEM;

	if (!t)
		goto out;
	r = cell_size(params, &t->cell_bytes, err);
	if (r)
		goto out_free;
	t->seed = params->seed;
	t->key_size = params->key_size;
	t->entries = params->preload;
	t->nr_buckets = params->preload / ENTRIES_PER_BUCKET;
	if (t->nr_buckets < BUCKETS_FIRST)
		t->nr_buckets = BUCKETS_FIRST;
	/* Of a range of value sizes the shortest: it is a floor. */
	used = CELL_HEAD + (params->key_size + 7) / 8 * 8 + params->value_min;
	t->last = (used + HALF_LINE - 1) / HALF_LINE * HALF_LINE - HALF_LINE;
	t->bytes = sizeof(struct line) * (1 + t->nr_buckets) + t->entries * t->cell_bytes;
	/* Shared memory, as the table is: the same kind of pages. */
	t->mapping = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
	if (t->mapping == MAP_FAILED) {
		r = -errno;
		goto out_free;
	}
	t->count = t->mapping;
	t->buckets = (struct line *)t->mapping + 1;
	t->cells = (unsigned char *)(t->buckets + t->nr_buckets);
	*ret_table = t;
	return 0;

out_free:
	free(t);
out:
	if (r == -ENOMEM)
		snprintf(err->text, sizeof(err->text), "limit: no memory for %llu entries",
			 (unsigned long long)params->preload);
	return r;
}

/* Every page of the mapping in this process's page tables, as a worker on the
 * table has them. */
static void populate(const struct target_table *t)
{
#ifdef MADV_POPULATE_WRITE
	if (madvise(t->mapping, t->bytes, MADV_POPULATE_WRITE) == 0)
		return;
#endif
	for (size_t at = 0; at < t->bytes; at += 4096)
		atomic_fetch_or((_Atomic uint64_t *)((unsigned char *)t->mapping + at), 0);
}

static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = aligned_alloc(LINE, (sizeof(*c) + LINE - 1) / LINE * LINE);

	if (!c) {
		snprintf(err->text, sizeof(err->text), "limit: no memory for a worker");
		return -ENOMEM;
	}
	memset(c, 0, sizeof(*c));
	populate(table);
	c->head.ops = &operations;
	c->t = *table;
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

static void close_context(struct shmht_ctx *ctx)
{
	free(ctx);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	*ret_count = atomic_load(table->count);
	return 0;
}

static void destroy(struct target_table *table)
{
	munmap(table->mapping, table->bytes);
	free(table);
}

const struct target target_limit = {
	.name = "limit",
	.summary = "the floor: only the loads no search can avoid; searches alone, no values",
	.searches_only = true,
	.create = create,
	.open = open_context,
	.close = close_context,
	.count = count,
	.destroy = destroy,
};
