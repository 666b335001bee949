/* SPDX-License-Identifier: MIT */
/*
 * Keys from outside: a hash with a secret key, that each process must bring and the
 * region does not have; and a limit for what may hang on a bucket. Keys that were
 * chosen to share a bucket of the hash without a key do so, and do not with one.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "hash.h"
#include "support.h"
#include "table.h"

static const unsigned char secret[SHMHT_HASH_KEY_BYTES + 1] = "\x9c"
							      "a key of tests";

static uint64_t some_hash(const void *key, size_t len, uint64_t seed)
{
	(void)key;
	return len + seed;
}

static struct shmht_config keyed_config(const struct shmht_strategy *strategy, uint64_t capacity)
{
	struct shmht_config cfg = small_config(strategy, capacity);

	cfg.hash_key = secret;
	return cfg;
}

static void attach_is(const struct shmht *map, const void *key, int want, const char *says)
{
	struct shmht_attach_options opt = { .read = -1, .hash_key = key };
	struct shmht_error err = { "" };
	struct shmht *other = NULL;

	assert_rc(shmht_attach(shmht_fd(map), &opt, &other, &err), want);
	if (!want)
		shmht_detach(other);
	else
		assert_says(&err, says);
}

static void each_process_brings_it(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = keyed_config(strategy, 100);
	struct shmht_attach_options opt = { .read = -1,
					    .hash_key = secret,
					    .flags = SHMHT_ATTACH_VERIFY | SHMHT_ATTACH_OBSERVE };
	unsigned char wrong[SHMHT_HASH_KEY_BYTES];
	struct shmht *other = NULL;
	struct shmht_info info;
	struct table t;

	t = table_open(&cfg);
	for (uint64_t key = 0; key < 100; key++)
		assert_rc(put_number(t.ctx, key), 0);
	attach_is(t.map, NULL, -ENOKEY, "none was given");
	for (size_t i = 0; i < sizeof(wrong); i++) {
		memcpy(wrong, secret, sizeof(wrong));
		wrong[i] ^= 0x80;
		attach_is(t.map, wrong, -EKEYREJECTED, "pass the hash_key");
	}
	assert_rc(shmht_attach(shmht_fd(t.map), &opt, &other, NULL), 0);
	shmht_info(other, &info);
	assert_true(info.hash_keyed);
	shmht_detach(other);
	opt.hash = some_hash;
	assert_rc(shmht_attach(shmht_fd(t.map), &opt, &other, NULL), -EMEDIUMTYPE);
	for (uint64_t key = 0; key < 100; key++)
		assert_true(has_number(t.ctx, key));
	table_close(&t);
}

static void is_not_asked_for(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct shmht_config cfg = keyed_config(strategy, 10);
	struct shmht_error err = { "" };
	struct shmht *map = NULL;

	attach_is(t.map, secret, -EMEDIUMTYPE, "has no key");
	table_close(&t);
	cfg.hash = some_hash;
	assert_rc(shmht_create(&cfg, &map, &err), -EINVAL);
	assert_says(&err, "both given");
	cfg.hash = NULL;
	cfg.chain_max = SHMHT_CHAIN_MAX + 1;
	assert_rc(shmht_create(&cfg, &map, &err), -EINVAL);
	assert_says(&err, "chain_max is 65536");
	assert_null(map);
}

/* Neither its bytes nor its words, nor any four of its bytes in a row. */
static void is_not_in_the_region(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = keyed_config(strategy, 1000);
	struct table t = table_open(&cfg);
	const unsigned char *base;
	struct shmht_info info;

	for (uint64_t key = 0; key < 1000; key++)
		assert_rc(put_number(t.ctx, key), 0);
	shmht_info(t.map, &info);
	base = mmap(NULL, info.region_bytes, PROT_READ, MAP_SHARED, shmht_fd(t.map), 0);
	assert_true(base != MAP_FAILED);
	for (size_t i = 0; i + 4 <= SHMHT_HASH_KEY_BYTES; i++)
		assert_null(memmem(base, info.region_bytes, secret + i, 4));
	munmap((void *)(uintptr_t)base, info.region_bytes);
	table_close(&t);
}

#define CAPACITY 1000u
#define CHOSEN 300u
#define CHAIN_MAX 16u

/* The first of so many buckets? Numbers that are in the first of 256 stay together,
 * however many of these are in use. */
static bool is_in_first(uint64_t number, uint32_t buckets)
{
	return !(hash_key(NULL, &number, sizeof(number), 0) >> 16 & (buckets - 1));
}

static uint64_t chosen_after(uint64_t number)
{
	do
		number++;
	while (!is_in_first(number, 256));
	return number;
}

static void fill_chosen(struct shmht_ctx *ctx, uint32_t fit)
{
	uint64_t number = 0, first = 0;

	for (uint32_t i = 0; i < CHOSEN; i++) {
		number = chosen_after(number);
		first = first ? first : number;
		assert_rc(put_number(ctx, number), i < fit ? 0 : -EMLINK);
		assert_int_equal(has_number(ctx, number), i < fit);
	}
	assert_count(ctx, fit);
	assert_sound(ctx);
	if (fit == CHOSEN)
		return;
	/* What is there can be changed; one that goes makes room for one. */
	assert_rc(shmht_upsert(ctx, &number, sizeof(number), &number, sizeof(number)), -EMLINK);
	assert_rc(shmht_update(ctx, &first, sizeof(first), &first, sizeof(first)), 0);
	assert_rc(remove_number(ctx, first), 0);
	assert_rc(put_number(ctx, number), 0);
	assert_rc(put_number(ctx, first), -EMLINK);
	/* Other buckets do not mind. */
	for (uint64_t other = 1ull << 40; other < (1ull << 40) + 100; other++)
		if (!is_in_first(other, ACTIVE_FIRST))
			assert_rc(put_number(ctx, other), 0);
	assert_sound(ctx);
}

static void chosen_keys(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, CAPACITY);
	struct table t = table_open(&cfg);
	struct shmht_info info;

	/* Without either all of them hang on one bucket. */
	fill_chosen(t.ctx, CHOSEN);
	table_close(&t);
	/* The limit keeps it short, and says no. */
	cfg.chain_max = CHAIN_MAX;
	t = table_open(&cfg);
	fill_chosen(t.ctx, BUCKET_SLOTS + CHAIN_MAX);
	table_close(&t);
	/* With a key they are keys like any others: the limit is never met. */
	cfg.hash_key = secret;
	t = table_open(&cfg);
	shmht_info(t.map, &info);
	assert_int_equal(info.chain_max, CHAIN_MAX);
	fill_chosen(t.ctx, CHOSEN);
	table_close(&t);
}

/* Every process keeps to it, whoever created the table. */
static void limit_of_others(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, CAPACITY);
	struct shmht *map, *mine;
	struct shmht_ctx *ctx;

	cfg.chain_max = CHAIN_MAX;
	map = table_create(&cfg);
	mine = table_attach(shmht_fd(map));
	ctx = context_open(mine);
	fill_chosen(ctx, BUCKET_SLOTS + CHAIN_MAX);
	shmht_ctx_close(ctx);
	shmht_detach(mine);
	shmht_destroy(map);
}

static const struct strategy_test tests[] = {
	{ "keyed: each process brings the key", each_process_brings_it, 0 },
	{ "keyed: where none is asked for", is_not_asked_for, TEST_ONCE },
	{ "keyed: the key is not in the region", is_not_in_the_region, TEST_ONCE },
	{ "keyed: keys chosen to share a bucket", chosen_keys, 0 },
	{ "keyed: a limit that others set", limit_of_others, TEST_LOCKED },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("keyed", tests);
}
