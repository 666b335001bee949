/* SPDX-License-Identifier: MIT */
/*
 * The shared bytes against numbers written down here by hand. A change of any
 * of them must be a decision: then LAYOUT_VERSION and these change together.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "support.h"

#define GOLDEN_HASH 0x82feef7ec45c1c66ull

#define OFFSET(type, field, want)                                    \
	{                                                            \
#type "." #field, offsetof(struct type, field), want \
	}

static const struct {
	const char *what;
	size_t got, want;
} golden[] = {
	OFFSET(shm_header, magic, 0),
	OFFSET(shm_header, version, 8),
	OFFSET(shm_header, header_bytes, 12),
	OFFSET(shm_header, layout_hash, 16),
	OFFSET(shm_header, total_bytes, 24),
	OFFSET(shm_header, capacity, 32),
	OFFSET(shm_header, key_size, 40),
	OFFSET(shm_header, value_size, 44),
	OFFSET(shm_header, stripes, 48),
	OFFSET(shm_header, max_workers, 52),
	OFFSET(shm_header, pages, 56),
	OFFSET(shm_header, hash_keyed, 60),
	OFFSET(shm_header, chain_max, 62),
	OFFSET(shm_header, hash_seed, 64),
	OFFSET(shm_header, hash_proof, 72),
	OFFSET(shm_header, pid_namespace, 80),
	OFFSET(shm_header, nr_buckets, 88),
	OFFSET(shm_header, nr_cells, 96),
	OFFSET(shm_header, slots_off, 104),
	OFFSET(shm_header, stripes_off, 112),
	OFFSET(shm_header, buckets_off, 120),
	OFFSET(shm_header, cells_off, 128),
	OFFSET(shm_header, state, 136),
	OFFSET(shm_header, generation, 144),
	OFFSET(shm_header, converter, 152),
	OFFSET(shm_header, converter_start, 160),
	OFFSET(shm_header, read_mode, 168),
	OFFSET(shm_header, lock_hash, 176),
	OFFSET(shm_header, strategy, 184),
	OFFSET(shm_header, wait, 216),
	OFFSET(shm_header, rcu_fence, 224),
	OFFSET(shm_header, robust, 232),
	OFFSET(shm_header, rcu_epoch, 256),
	OFFSET(shm_header, slots_used, 320),
	OFFSET(shm_slot, life, 0),
	OFFSET(shm_slot, generation, 4),
	OFFSET(shm_slot, pid, 8),
	OFFSET(shm_slot, start_time, 16),
	OFFSET(shm_slot, robust_prev, 24),
	OFFSET(shm_slot, robust_next, 32),
	OFFSET(shm_slot, lock_local, 64),
	OFFSET(shm_slot, reader, 128),
	OFFSET(shm_stripe, lock, 0),
	OFFSET(shm_stripe, intent, 64),
	OFFSET(shm_stripe, count, 128),
	OFFSET(shm_stripe, last_stamp, 136),
	OFFSET(shm_stripe, loaded, 144),
	OFFSET(shm_stripe, spare_mag, 152),
	OFFSET(shm_stripe, limbo, 160),
	OFFSET(shm_stripe, limbo_closed, 168),
	OFFSET(shm_stripe, limbo_epoch, 176),
	OFFSET(shm_stripe, active, 192),
	OFFSET(shm_stripe, spare, 200),
	OFFSET(shm_bucket, head, 0),
	OFFSET(shm_bucket, tags, 8),
	OFFSET(shm_bucket, cells, 24),
	OFFSET(shm_bucket, spare, 56),
	OFFSET(shm_cell, meta, 0),
	OFFSET(shm_cell, stamp, 8),
	OFFSET(shm_cell, words, 16),
	{ "sizeof shm_header", sizeof(struct shm_header), 4096 },
	{ "sizeof shm_slot", sizeof(struct shm_slot), 256 },
	{ "sizeof shm_stripe", sizeof(struct shm_stripe), 256 },
	{ "sizeof shm_bucket", sizeof(struct shm_bucket), 64 },
	{ "sizeof shm_cell", sizeof(struct shm_cell), 16 },
};

static void offsets(const struct shmht_strategy *strategy)
{
	(void)strategy;
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
		if (golden[i].got != golden[i].want)
			fail_msg("%s is %zu, expected %zu", golden[i].what, golden[i].got,
				 golden[i].want);
	assert_int_equal(shmht_layout_hash(), GOLDEN_HASH);
	assert_int_equal(LAYOUT_VERSION, 3);
	assert_int_equal(LAYOUT_MAGIC, 0x31544848534d4853ull);
	assert_int_equal(REGION_READY, 1);
	assert_int_equal(REGION_CONVERTING, 2);
	assert_int_equal(REGION_DESTROYED, 3);
}

/* Regions computed by hand: header, slots, stripes and pool, buckets, cells. */
static void golden_geometry(const struct shmht_strategy *strategy)
{
	static const struct {
		struct shmht_config cfg;
		uint64_t nr_buckets, nr_cells, cell_bytes, batch, cells_off, total_bytes;
	} cases[] = {
		{ { .capacity = 1, .key_size = 1, .value_size = 0, .stripes = 1, .max_workers = 1 },
		  1,
		  7,
		  32,
		  1,
		  4096 + 256 + 512 + 64,
		  8192 },
		{ { .capacity = 100000, .key_size = 16, .value_size = 64, .stripes = 1 },
		  32768,
		  100258,
		  96,
		  32,
		  4096 + 65536 + 512 + 2097152,
		  11792384 },
		{ { .capacity = 100000, .key_size = 16, .value_size = 64, .stripes = 64 },
		  32768,
		  110242,
		  96,
		  32,
		  4096 + 65536 + 16640 + 2097152,
		  12767232 },
		{ { .capacity = 1000,
		    .key_size = 17,
		    .value_size = 9,
		    .stripes = 4,
		    .max_workers = 3,
		    .pages = SHMHT_PAGES_2M },
		  256,
		  1152,
		  64,
		  15,
		  4096 + 768 + 1280 + 16384,
		  2097152 },
		{ { .capacity = 100000000, .key_size = 16, .value_size = 64, .stripes = 1 },
		  33554432,
		  100000258,
		  96,
		  32,
		  2147553792,
		  11747581952 },
		{ { .capacity = SHMHT_CAPACITY_MAX,
		    .key_size = 16,
		    .value_size = 64,
		    .stripes = 1 },
		  1073741824,
		  4000000258,
		  96,
		  32,
		  68719546880,
		  452719575040 },
	};
	struct shmht_error err = { "" };

	(void)strategy;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct geometry g;
		uint64_t bytes = 0;

		assert_rc(geometry_compute(&cases[i].cfg, &g, &err), 0);
		assert_int_equal(g.nr_buckets, cases[i].nr_buckets);
		assert_int_equal(g.nr_cells, cases[i].nr_cells);
		assert_int_equal(g.cell_bytes, cases[i].cell_bytes);
		assert_int_equal(g.batch, cases[i].batch);
		assert_int_equal(g.cells_off, cases[i].cells_off);
		assert_int_equal(g.total_bytes, cases[i].total_bytes);
		assert_rc(shmht_region_bytes(&cases[i].cfg, &bytes, &err), 0);
		assert_int_equal(bytes, cases[i].total_bytes);
	}
}

/* Any configuration: parts in order, none overlaps, everything fits; in 128
 * bits, so that an overflow in 64 would differ (seed fault 7). */
static void geometry_adds_up(const struct shmht_strategy *strategy)
{
	struct random random = { 1 };

	(void)strategy;
	for (int i = 0; i < 200000; i++) {
		struct shmht_config cfg = {
			.capacity = 1 + random_next(&random) % SHMHT_CAPACITY_MAX,
			.key_size = (uint32_t)(1 + random_below(&random, SHMHT_KEY_MAX)),
			.value_size = (uint32_t)random_below(&random, SHMHT_VALUE_MAX + 1),
			.stripes = 1u << random_below(&random, 17),
			.max_workers = (uint32_t)(1 + random_below(&random, SHMHT_WORKERS_MAX)),
			.pages = (enum shmht_pages)random_below(&random, 3),
		};
		unsigned __int128 end, cells;
		struct geometry g;

		if (i & 1)
			cfg.capacity = 1 + cfg.capacity % 5000;
		assert_rc(geometry_compute(&cfg, &g, NULL), 0);
		assert_int_equal(g.slots_off, 4096);
		assert_int_equal(g.stripes_off, 4096 + 256ull * cfg.max_workers);
		assert_int_equal(g.buckets_off, g.stripes_off + 256ull * (cfg.stripes + 1ull));
		end = (unsigned __int128)g.nr_buckets * 64 + g.buckets_off;
		assert_true(end == g.cells_off);
		end += (unsigned __int128)g.nr_cells * g.cell_bytes;
		assert_true(end <= g.total_bytes);
		assert_true(g.total_bytes - (uint64_t)end < (cfg.pages ? 2097152 : 4096));
		assert_int_equal(g.total_bytes % (cfg.pages ? 2097152 : 4096), 0);
		assert_int_equal(g.nr_buckets, (uint64_t)cfg.stripes << g.bucket_bits);
		assert_true(g.nr_buckets * 5 >= cfg.capacity);
		assert_true(g.nr_buckets / 2 < cfg.capacity / 5 + cfg.stripes);
		assert_true(g.nr_cells <= UINT32_MAX);
		assert_true(g.cell_bytes % 32 == 0 && g.cells_off % 64 == 0);
		assert_true(g.cell_bytes >= 16 + (cfg.key_size + 7) / 8 * 8 + cfg.value_size);
		/* None, the promise, the updates' spare, two batches elsewhere, limbo. */
		cells = (unsigned __int128)cfg.capacity + 2 + 2ull * g.batch * (cfg.stripes - 1) +
			(uint64_t)g.limbo * cfg.stripes;
		assert_true(g.nr_cells >= cells);
	}
}

static void out_of_range(const struct shmht_strategy *strategy)
{
	static const struct {
		const char *says[2];
		struct shmht_config cfg;
	} cases[] = {
#define CFG(n, k, v, s, w, p) \
	{ .capacity = (n),    \
	  .key_size = (k),    \
	  .value_size = (v),  \
	  .stripes = (s),     \
	  .max_workers = (w), \
	  .pages = (enum shmht_pages)(p) }
		{ { "capacity is 0", "4000000000" }, CFG(0, 8, 8, 1, 1, 0) },
		{ { "capacity is 4000000001", "4000000000" }, CFG(4000000001, 8, 8, 1, 1, 0) },
		{ { "18446744073709551615", "4000000000" }, CFG(UINT64_MAX, 8, 8, 1, 1, 0) },
		{ { "key_size is 0", "4095" }, CFG(10, 0, 8, 1, 1, 0) },
		{ { "key_size is 4096", "4095" }, CFG(10, 4096, 8, 1, 1, 0) },
		{ { "key_size is 4294967295", "4095" }, CFG(10, UINT32_MAX, 8, 1, 1, 0) },
		{ { "value_size is 1048576", "1048575" }, CFG(10, 8, 1048576, 1, 1, 0) },
		{ { "value_size is 4294967295", "1048575" }, CFG(10, 8, UINT32_MAX, 1, 1, 0) },
		{ { "stripes is 3", "power of two" }, CFG(10, 8, 8, 3, 1, 0) },
		{ { "stripes is 131072", "65536" }, CFG(10, 8, 8, 131072, 1, 0) },
		{ { "stripes is 4294967295", "65536" }, CFG(10, 8, 8, UINT32_MAX, 1, 0) },
		{ { "max_workers is 4097", "4096" }, CFG(10, 8, 8, 1, 4097, 0) },
		{ { "pages is 3", "2m" }, CFG(10, 8, 8, 1, 1, 3) },
		{ { "pages is", "2m" }, CFG(10, 8, 8, 1, 1, -1) },
#undef CFG
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct shmht_config cfg = cases[i].cfg;
		struct shmht_error err = { "" };
		struct shmht *map = (struct shmht *)0x77;
		uint64_t bytes = 77;

		cfg.strategy = strategy->name;
		assert_rc(shmht_region_bytes(&cfg, &bytes, &err), -EINVAL);
		assert_int_equal(bytes, 77);
		assert_says(&err, cases[i].says[0]);
		assert_says(&err, cases[i].says[1]);
		assert_rc(shmht_region_bytes(&cfg, &bytes, NULL), -EINVAL);
		memset(&err, 0, sizeof(err));
		assert_rc(shmht_create(&cfg, &map, &err), -EINVAL);
		assert_ptr_equal(map, (struct shmht *)0x77);
		assert_says(&err, cases[i].says[0]);
	}
}

static void stripes_auto(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1);
	cpu_set_t set;
	uint32_t most = 1;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (most < 16 * (uint32_t)CPU_COUNT(&set))
		most *= 2;
	assert_int_equal(shmht_stripes_auto(1), 1);
	assert_int_equal(shmht_stripes_auto(127), 1);
	assert_int_equal(shmht_stripes_auto(128), 2);
	assert_int_equal(shmht_stripes_auto(1000000000), most);
	for (uint64_t capacity = 1; capacity < 10000000; capacity = capacity * 3 + 1) {
		uint32_t stripes = shmht_stripes_auto(capacity);
		uint64_t bytes[2] = { 0, 1 };

		assert_true(stripes && !(stripes & (stripes - 1)) && stripes <= most);
		assert_true(stripes == 1 || capacity / stripes >= 64);
		cfg.capacity = capacity;
		cfg.stripes = SHMHT_STRIPES_AUTO;
		assert_rc(shmht_region_bytes(&cfg, &bytes[0], NULL), 0);
		cfg.stripes = stripes;
		assert_rc(shmht_region_bytes(&cfg, &bytes[1], NULL), 0);
		assert_int_equal(bytes[0], bytes[1]);
	}
}

static uint64_t word_at(int fd, off_t off)
{
	uint64_t word;

	assert_int_equal(pread(fd, &word, 8, off), 8);
	return word;
}

/* What is really in the memfd, read by offset. */
static void bytes_in_the_region(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100000);
	struct shmht_info info;
	struct stat st_fd;
	char name[SHMHT_NAME_MAX];
	struct table t;
	uint64_t bytes;
	int fd;

	cfg.max_workers = 256;
	cfg.hash_seed = 0x1122334455667788ull;
	t = table_open(&cfg);
	fd = shmht_fd(t.map);
	assert_int_equal(word_at(fd, 0), 0x31544848534d4853ull);
	assert_int_equal(word_at(fd, 8), 3 | 4096ull << 32);
	assert_int_equal(word_at(fd, 16), GOLDEN_HASH);
	assert_int_equal(word_at(fd, 24), 11792384);
	assert_int_equal(word_at(fd, 32), 100000);
	assert_int_equal(word_at(fd, 40), 16 | 64ull << 32);
	assert_int_equal(word_at(fd, 48), 1 | 256ull << 32);
	assert_int_equal(word_at(fd, 64), 0x1122334455667788ull);
	assert_int_equal(word_at(fd, 136), 1);
	assert_int_equal(word_at(fd, 168), test_read);
	assert_int_equal(word_at(fd, 176), strategy->lock_hash);
	assert_int_equal(pread(fd, name, sizeof(name), 184), sizeof(name));
	assert_string_equal(name, strategy->name);

	/* Reserved in full, exactly what was announced. */
	assert_int_equal(fstat(fd, &st_fd), 0);
	assert_int_equal(st_fd.st_size, 11792384);
	assert_true(st_fd.st_blocks * 512 >= st_fd.st_size);
	assert_rc(shmht_region_bytes(&cfg, &bytes, NULL), 0);
	assert_int_equal(bytes, st_fd.st_size);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

	shmht_info(t.map, &info);
	assert_int_equal(info.capacity, 100000);
	assert_int_equal(info.region_bytes, st_fd.st_size);
	assert_int_equal(info.cells, 100258);
	assert_int_equal(info.buckets, 32768);
	assert_int_equal(info.key_size, 16);
	assert_int_equal(info.value_size, 64);
	assert_int_equal(info.stripes, 1);
	assert_int_equal(info.max_workers, 256);
	assert_int_equal(info.cell_bytes, 96);
	assert_int_equal(info.layout_hash, GOLDEN_HASH);
	assert_string_equal(info.strategy, strategy->name);
	assert_int_equal(info.read, test_read);
	assert_int_equal(info.pages_had, SHMHT_PAGES_4K);
	assert_string_equal(info.pages_reason, "");

	/* The first entry: cell 1, meta and key and value where they belong. */
	assert_rc(shmht_insert(t.ctx, "0123456789abcdef", 16, "value", 5), 0);
	bytes = 4096 + 65536 + 512 + 2097152 + 96;
	assert_int_equal(word_at(fd, (off_t)bytes) >> 32, 16 | 5 << 12);
	assert_int_equal(word_at(fd, (off_t)bytes + 16), 0x3736353433323130ull);
	assert_int_equal(word_at(fd, (off_t)bytes + 24), 0x6665646362613938ull);
	assert_int_equal(word_at(fd, (off_t)bytes + 32), 0x00000065756c6176ull);
	assert_int_equal(word_at(fd, 4096 + 65536 + 128), 1); /* the stripe's count */
	assert_int_equal(word_at(fd, 4096 + 65536 + 192), 16 | 15ull << 32); /* its buckets */
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "golden offsets and hash", offsets, TEST_ONCE },
	{ "golden geometry", golden_geometry, TEST_ONCE },
	{ "geometry adds up, in 128 bits", geometry_adds_up, TEST_ONCE },
	{ "out of range: EINVAL, named", out_of_range, TEST_ONCE },
	{ "stripes = auto", stripes_auto, TEST_ONCE },
	{ "bytes in the region", bytes_in_the_region, 0 },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("layout", tests);
}
