/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on attach with hostile bytes. The input is a list of words to write
 * into a small valid region: its first half into the header, its second half
 * anywhere. Then attach and, where that succeeds, every operation and check().
 *
 * The mapping is moved between two guard pages and ends exactly at the second
 * one, so that reading a byte outside is a crash. Lock words are written over
 * only for locks that are our own: those of a library trust their memory.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE 4096u
/* 4096 + 4 slots + 2 stripes + 16 buckets + 48 cells of 32 bytes: two pages,
 * with nothing to spare between the last cell and the guard. */
#define REGION (2 * PAGE)
#define CAPACITY 42u
#define KEYS 60u
#define STRATEGIES_MAX 64u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct pattern {
	const struct shmht_strategy *strategy;
	bool own_lock;
	unsigned char bytes[REGION];
} * patterns;
static size_t nr_patterns;
static unsigned char *arena; /* guard, room for the region, guard */

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void make_pattern(struct pattern *pattern, const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = { .capacity = CAPACITY,
				    .key_size = 8,
				    .value_size = 8,
				    .stripes = 1,
				    .max_workers = 4,
				    .strategy = strategy->name };
	struct shmht_ctx *ctx;
	struct shmht *map;

	must(shmht_create(&cfg, &map, NULL) == 0);
	must(map->geo.total_bytes == REGION);
	must(map->geo.cells_off + map->geo.nr_cells * map->geo.cell_bytes == REGION);
	must(shmht_ctx_open(map, &ctx, NULL) == 0);
	for (uint64_t k = 0; k < CAPACITY; k++)
		must(shmht_insert(ctx, &k, sizeof(k), &k, k % 9) == 0);
	for (uint64_t k = 0; k < CAPACITY; k += 2)
		must(shmht_remove(ctx, &k, sizeof(k)) == 0);
	shmht_ctx_close(ctx);
	pattern->strategy = strategy;
	pattern->own_lock = !strcmp(strategy->name, "futex") || !strcmp(strategy->name, "spin");
	memcpy(pattern->bytes, map->base, REGION);
	shmht_destroy(map);
}

static void prepare(void)
{
	const struct shmht_strategy *strategy;

	patterns = calloc(STRATEGIES_MAX, sizeof(*patterns));
	must(patterns);
	for (unsigned int i = 0; (strategy = shmht_strategy_at(i)); i++)
		/* Not those with an object in the kernel: hostile numbers would name others'. */
		if (nr_patterns < STRATEGIES_MAX && !strategy->ctx_enter)
			make_pattern(&patterns[nr_patterns++], strategy);
	arena = mmap(NULL, REGION + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(arena != MAP_FAILED);
}

/* A sealed memfd, as a peer could hand it over. */
static int make_region(const unsigned char *bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0);
	must(write(fd, bytes, REGION) == (ssize_t)REGION);
	must(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
	return fd;
}

/* 12 bytes a record: where, how wide, what. */
static void damage(unsigned char *bytes, const uint8_t *data, size_t size, size_t room)
{
	for (; size >= 12; data += 12, size -= 12) {
		size_t at = data[0] | (size_t)data[1] << 8, width = 1u << (data[2] & 3);

		at %= room;
		if (!(data[3] & 1)) /* mostly whole, aligned words */
			at &= ~(width - 1);
		if (at + width <= room)
			memcpy(bytes + at, data + 4, width);
	}
}

static void spare_locks(unsigned char *bytes, const struct pattern *pattern)
{
	size_t stripes = PAGE + 4 * sizeof(struct shm_slot);

	for (size_t k = 0; k < 2; k++)
		memcpy(bytes + stripes + k * sizeof(struct shm_stripe),
		       pattern->bytes + stripes + k * sizeof(struct shm_stripe), LOCK_SLOT_BYTES);
}

static int visit(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	unsigned char *sum = arg;

	must(key_len >= 1 && key_len <= 8 && value_len <= 8);
	for (size_t i = 0; i < key_len; i++)
		*sum ^= ((const unsigned char *)key)[i];
	for (size_t i = 0; i < value_len; i++)
		*sum ^= ((const unsigned char *)value)[i];
	return 0;
}

static void operate(struct shmht_ctx *ctx)
{
	unsigned char value[8], sum = 0;
	struct shmht_holder holder;
	uint64_t n;
	size_t len;

	for (uint64_t k = 0; k < KEYS; k++) {
		if (!shmht_search(ctx, &k, sizeof(k), value, sizeof(value), &len))
			must(len <= sizeof(value));
		(void)!(k % 3 == 0 ? shmht_insert(ctx, &k, sizeof(k), &k, k % 9) :
			k % 3 == 1 ? shmht_upsert(ctx, &k, sizeof(k), &k, k % 9) :
				     shmht_remove(ctx, &k, sizeof(k)));
		(void)!shmht_update(ctx, &k, 1 + k % 8, &k, 8);
	}
	(void)!shmht_foreach(ctx, visit, &sum);
	must(shmht_check(ctx, NULL, NULL) >= 0);
	(void)!shmht_remove_oldest(ctx, 30, &n);
	(void)!shmht_count(ctx, &n);
	shmht_ctx_holder(ctx, &holder);
	(void)!shmht_flush(ctx);
	for (uint64_t k = 0; k < KEYS; k++)
		(void)!shmht_insert(ctx, &k, sizeof(k), &k, 8);
	must(shmht_check(ctx, NULL, NULL) >= 0);
}

static void attach_and_operate(int fd)
{
	unsigned char *room = arena + PAGE;
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(fd, NULL, &map, &err)) {
		must(memchr(err.text, 0, sizeof(err.text)) && err.text[0]);
		return;
	}
	must(map->geo.total_bytes == REGION);
	must(mremap(map->base, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
	map->base = room;
	if (shmht_ctx_open(map, &ctx, &err) == 0) {
		shmht_ctx_set_timeout(ctx, 20000);
		operate(ctx);
		shmht_ctx_close(ctx);
	}
	shmht_detach(map);
	/* The hole that unmapping left is guard again. */
	must(mmap(room, REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char bytes[REGION];
	const struct pattern *pattern;
	size_t half;
	int fd;

	if (!patterns)
		prepare();
	if (size < 1)
		return 0;
	pattern = &patterns[data[0] % nr_patterns];
	data++, size--;
	half = size / 24 * 12;
	memcpy(bytes, pattern->bytes, REGION);
	damage(bytes, data, half, sizeof(struct shm_header));
	damage(bytes, data + half, size - half, REGION);
	if (!pattern->own_lock)
		spare_locks(bytes, pattern);
	fd = make_region(bytes);
	attach_and_operate(fd);
	if (size & 1)
		(void)!shmht_reopen(fd, pattern->strategy->name, SHMHT_READ_LOCKED, NULL);
	close(fd);
	return 0;
}
