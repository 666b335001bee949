/* SPDX-License-Identifier: MIT */
/*
 * A peer that scribbles: it may write anything anywhere in the region, at any
 * time. Results are then worth nothing, but no operation may crash, hang or
 * touch memory outside. Lock words of process-shared library locks are spared:
 * those trust their memory, which the strategy's page says.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"
#include "support.h"

struct scribbling {
	struct shmht *map;
	atomic_int stop;
	uint64_t from; /* of the region: the header is not used after attach */
};

/* Words worth writing: numbers near the limits, and whatever is there already. */
static uint64_t hostile_word(struct random *random, const struct shmht_info *info,
			     const uint64_t *words, uint64_t nr)
{
	uint64_t dice = random_next(random);

	switch (dice >> 60) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return info->cells - 1 + (dice & 1);
	case 3:
		return (info->cells + (dice & 1)) << 32 | (info->cells - (dice >> 1 & 1));
	case 4:
		return 1ull << (dice & 63);
	case 5:
		return (dice & 15) << 32 | (dice >> 4 & 15);
	case 6:
	case 7:
		return dice >> 8;
	default: /* another word of the table: links go to real, wrong places */
		return __atomic_load_n(&words[random_below(random, nr)], __ATOMIC_RELAXED);
	}
}

static int scribble(void *arg)
{
	struct scribbling *s = arg;
	struct random random = { 99 };
	struct shmht_info info;
	uint64_t *words, nr;

	shmht_info(s->map, &info);
	nr = info.region_bytes / 8;
	words = mmap(NULL, info.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, shmht_fd(s->map),
		     0);
	if (words == MAP_FAILED)
		return 1;
	while (!atomic_load(&s->stop)) {
		uint64_t at = s->from / 8 + random_below(&random, nr - s->from / 8);
		uint64_t stripes = s->map->geo.stripes_off, in = at * 8 - stripes;

		/* A lock slot: the first line of each stripe. */
		if (at * 8 >= stripes && at * 8 < s->map->geo.buckets_off && in % 256 < 64)
			continue;
		__atomic_store_n(&words[at], hostile_word(&random, &info, words, nr),
				 __ATOMIC_RELAXED);
	}
	return 0;
}

static int visit(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	uint64_t *sum = arg;

	for (size_t i = 0; i < key_len; i++)
		*sum += ((const unsigned char *)key)[i];
	for (size_t i = 0; i < value_len; i++)
		*sum += ((const unsigned char *)value)[i];
	return 0;
}

/* What an operation may say, whatever it finds. */
static bool plausible(int r)
{
	return r == 0 || r == -ENOENT || r == -EEXIST || r == -ENOSPC || r == -EUCLEAN ||
	       r == -ETIMEDOUT || r == -ERANGE;
}

static void everything(struct shmht_ctx *ctx, struct random *random)
{
	unsigned char guarded[64 + 32];
	uint64_t key = random_below(random, 200), n, sum = 0;
	struct shmht_holder holder;
	size_t len = 0;
	int r = 0;

	memset(guarded, 0xee, sizeof(guarded));
	switch (random_below(random, 64)) {
	case 0:
		r = shmht_flush(ctx);
		break;
	case 1:
		r = shmht_foreach(ctx, visit, &sum);
		break;
	case 2:
		r = shmht_remove_oldest(ctx, (double)random_below(random, 101), &n);
		break;
	case 3:
		assert_true(shmht_check(ctx, NULL, NULL) >= 0);
		break;
	case 4:
		assert_rc(shmht_count(ctx, &n), 0);
		shmht_ctx_holder(ctx, &holder);
		break;
	default:
		if (key % 4 == 0)
			r = put_number(ctx, key);
		else if (key % 4 == 1)
			r = shmht_upsert(ctx, &key, 8, guarded, key % 65);
		else if (key % 4 == 2)
			r = remove_number(ctx, key);
		else
			r = shmht_search(ctx, &key, 8, guarded + 16, 64, &len);
	}
	if (!plausible(r))
		assert_rc(r, 0);
	assert_true(len <= 64);
	for (size_t i = 0; i < 16; i++)
		assert_true(guarded[i] == 0xee && guarded[80 + i] == 0xee);
}

static void scribbled_over(const struct shmht_strategy *strategy)
{
	struct scribbling *s = shared_memory(sizeof(*s));
	struct shmht_config cfg = small_config(strategy, 150);
	struct random random = { 1 };

	for (cfg.stripes = 1; cfg.stripes <= 8; cfg.stripes *= 8) {
		struct shmht *map = table_create(&cfg);
		struct shmht_ctx *ctx = context_open(map);
		uint64_t end;
		pid_t pid;

		shmht_ctx_set_timeout(ctx, MS);
		for (uint64_t k = 0; k < 150; k++)
			assert_rc(put_number(ctx, k), 0);
		atomic_store(&s->stop, 0);
		s->map = map;
		s->from = 4096;
		pid = child_start(scribble, s);
		end = shmht_monotonic_ns() + 400 * MS;
		while (shmht_monotonic_ns() < end)
			everything(ctx, &random);
		atomic_store(&s->stop, 1);
		assert_int_equal(child_wait(pid), 0);
		/* On what it left behind, too. */
		for (int i = 0; i < 2000; i++)
			everything(ctx, &random);
		shmht_ctx_close(ctx);
		shmht_destroy(map);
	}
}

/* The header is copied at attach: later lies change nothing. */
static void header_is_not_believed_later(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	unsigned char lies[4096];
	struct shmht_info before, after;

	shmht_info(t.map, &before);
	memset(lies, 0xff, sizeof(lies));
	assert_rc(put_number(t.ctx, 1), 0);
	assert_int_equal(pwrite(shmht_fd(t.map), lies, sizeof(lies), 0), sizeof(lies));
	for (uint64_t k = 2; k < 80; k++)
		assert_rc(put_number(t.ctx, k), 0);
	assert_true(has_number(t.ctx, 1));
	shmht_info(t.map, &after);
	assert_int_equal(before.region_bytes, after.region_bytes);
	assert_int_equal(before.capacity, after.capacity);
	assert_rc(shmht_ctx_open(t.map, &(struct shmht_ctx *){ NULL }, NULL),
		  strategy->caps & SHMHT_CAP_ONE_WORKER ? -EUSERS : -ESTALE);
	table_close(&t);
}

static void count_reports(const char *what, void *arg)
{
	(void)what;
	++*(unsigned int *)arg;
}

/* Chains of free cells that lead to themselves, through a cell that is nowhere
 * else: an empty one meets no cell, so only its being empty can end the walk. */
static void check_ends_in_loops(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct geometry *geo = &t.map->geo;
	uint64_t last = geo->nr_cells - 1;
	off_t pool = (off_t)(geo->stripes_off + 256 + 144);
	off_t stamp = (off_t)(geo->cells_off + last * geo->cell_bytes + 8);
	uint64_t loop[2] = { 0xffffffffull << 32 | last, last + 1 /* all handed out */ }, right[2];
	int fd = shmht_fd(t.map);

	assert_rc(put_number(t.ctx, 1), 0);
	assert_int_equal(pread(fd, right, 16, pool), 16);
	assert_int_equal(pwrite(fd, loop, 16, pool), 16);
	for (uint64_t len = 0; len < 3; len++) {
		uint64_t link = len << 32 | last, start = shmht_monotonic_ns();
		unsigned int reports = 0;
		int r;

		assert_int_equal(pwrite(fd, &link, 8, stamp), 8);
		r = shmht_check(t.ctx, count_reports, &reports);
		assert_true(r > 0 && (unsigned int)r == reports);
		assert_true(shmht_monotonic_ns() - start < 1000 * MS);
	}
	assert_int_equal(pwrite(fd, right, 16, pool), 16);
	table_close(&t);
}

/* check() finds each kind of damage, and says what it is. */
struct damage {
	const char *says;
	uint64_t off, value;
};

static char reported[4096];

static void collect(const char *what, void *arg)
{
	size_t len = strlen(reported);

	(void)arg;
	if (len + strlen(what) + 2 < sizeof(reported)) {
		strcat(reported, what);
		strcat(reported, "\n");
	}
}

static void check_names_damage(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct geometry *geo = &t.map->geo;
	uint64_t stripe = geo->stripes_off, pool = stripe + 256, bucket = 0, right = 0;
	int fd = shmht_fd(t.map);

	for (uint64_t k = 0; k < 20; k++)
		assert_rc(put_number(t.ctx, k), 0);
	for (uint64_t b = 0; b < geo->nr_buckets && !(uint16_t)right; b++) {
		bucket = geo->buckets_off + b * 64;
		assert_int_equal(pread(fd, &right, 8, (off_t)bucket + 8), 8);
	}
	struct damage damages[] = {
		{ "count says", stripe + 128, 21 },
		{ "free cells of stripe", stripe + 144, 9ull << 32 },
		{ "spare cells of stripe", stripe + 152, 5ull << 32 | 1 },
		{ "buckets in use", stripe + 192, 0 },
		{ "younger", stripe + 136, 0 },
		{ "next fresh cell", pool + 152, 0 },
		{ "next fresh cell", pool + 152, UINT64_MAX },
		{ "pool", pool + 144, 3ull << 32 | 1 },
		{ "has tag", bucket + 8, right ^ 0x5555 },
		{ "handed out", bucket + 8, right & ~0xffffull },
		{ "odd", bucket, 1 },
		{ "overflow", bucket, 0xfffffffeull << 32 },
		{ "out of range", bucket + 24, 0 },
		{ "key of", geo->cells_off + geo->cell_bytes, 0 },
		{ "value of", geo->cells_off + geo->cell_bytes, 8ull << 32 | 0xfffffull << 44 },
		{ "bucket", geo->cells_off + geo->cell_bytes + 16, 0x123456789 },
	};

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const struct damage *d = &damages[i];

		assert_int_equal(pread(fd, &right, 8, (off_t)d->off), 8);
		assert_int_equal(pwrite(fd, &d->value, 8, (off_t)d->off), 8);
		reported[0] = 0;
		if (shmht_check(t.ctx, collect, NULL) <= 0 || !strstr(reported, d->says))
			fail_msg("damage %zu: check says \"%s\", expected \"%s\"", i, reported,
				 d->says);
		assert_int_equal(pwrite(fd, &right, 8, (off_t)d->off), 8);
		assert_sound(t.ctx);
	}
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "hostile: scribbled over while in use", scribbled_over, 0 },
	{ "hostile: the header is not believed later", header_is_not_believed_later, 0 },
	{ "check: ends where free chains loop", check_ends_in_loops, 0 },
	{ "check: names each kind of damage", check_names_damage, 0 },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("hostile", tests);
}
