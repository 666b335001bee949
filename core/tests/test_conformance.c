/* SPDX-License-Identifier: MIT */
/*
 * What every call promises (contract, section 5), for every strategy, with one
 * worker: results, each errno, and outputs that stay untouched on failure.
 */
#include "support.h"

#define KEY_SIZE 16u
#define VALUE_SIZE 64u
#define UNTOUCHED 0x5a5a5a5a5a5a5a5aull

static void describes_itself(const struct shmht_strategy *strategy)
{
	assert_int_equal(strategy->abi_version, SHMHT_STRATEGY_ABI);
	assert_int_equal(strategy->size, sizeof(*strategy));
	assert_int_equal(strategy->layout_hash, shmht_layout_hash());
	assert_in_range(strlen(strategy->name), 1, SHMHT_NAME_MAX - 1);
	assert_true(strategy->summary && strategy->paper && strategy->fairness);
	assert_true(strategy->dead_holder && *strategy->dead_holder);
	assert_in_range(strategy->lock_bytes, 1, 64);
	assert_ptr_equal(shmht_strategy_find(strategy->name), strategy);
	for (unsigned int i = 0; shmht_strategy_at(i); i++)
		if (shmht_strategy_at(i) != strategy)
			assert_string_not_equal(shmht_strategy_at(i)->name, strategy->name);
	assert_null(shmht_strategy_find("no such lock"));
	assert_null(shmht_strategy_at(UINT32_MAX));
}

static void absent_key(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	char buf[8] = "before";
	size_t len = UNTOUCHED;

	assert_rc(shmht_search(t.ctx, "k", 1, buf, sizeof(buf), &len), -ENOENT);
	assert_rc(shmht_update(t.ctx, "k", 1, "v", 1), -ENOENT);
	assert_rc(shmht_remove(t.ctx, "k", 1), -ENOENT);
	assert_string_equal(buf, "before");
	assert_int_equal(len, UNTOUCHED);
	assert_count(t.ctx, 0);
	table_close(&t);
}

static void insert_search_remove(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	char buf[8] = "before";
	size_t len = 0;

	assert_rc(shmht_insert(t.ctx, "key", 3, "value", 5), 0);
	assert_count(t.ctx, 1);
	assert_rc(shmht_search(t.ctx, "key", 3, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "valuee", 7); /* not a byte more than the value */
	assert_rc(shmht_remove(t.ctx, "key", 3), 0);
	assert_rc(shmht_remove(t.ctx, "key", 3), -ENOENT);
	assert_count(t.ctx, 0);
	assert_rc(shmht_insert(t.ctx, "key", 3, "again", 5), 0);
	assert_rc(shmht_search(t.ctx, "key", 3, buf, sizeof(buf), &len), 0);
	assert_memory_equal(buf, "again", 5);
	table_close(&t);
}

static void insert_twice(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	char buf[8];
	size_t len;

	assert_rc(shmht_insert(t.ctx, "key", 3, "first", 5), 0);
	assert_rc(shmht_insert(t.ctx, "key", 3, "other", 5), -EEXIST);
	assert_count(t.ctx, 1);
	assert_rc(shmht_search(t.ctx, "key", 3, buf, sizeof(buf), &len), 0);
	assert_memory_equal(buf, "first", 5);
	table_close(&t);
}

static void update_and_upsert(const struct shmht_strategy *strategy)
{
	static const char *const values[] = { "a longer value than before", "", "short", "x" };
	struct table t = table_small(strategy, 10);
	char buf[VALUE_SIZE];
	size_t len;

	assert_rc(shmht_upsert(t.ctx, "key", 3, "added", 5), 0);
	assert_count(t.ctx, 1);
	for (unsigned int i = 0; i < 40; i++) {
		const char *value = values[i % 4];
		int r = i & 1 ? shmht_update(t.ctx, "key", 3, value, strlen(value)) :
				shmht_upsert(t.ctx, "key", 3, value, strlen(value));

		assert_rc(r, 0);
		assert_rc(shmht_search(t.ctx, "key", 3, buf, sizeof(buf), &len), 0);
		assert_int_equal(len, strlen(value));
		assert_memory_equal(buf, value, len);
		assert_count(t.ctx, 1);
	}
	table_close(&t);
}

static void short_buffer(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	unsigned char value[VALUE_SIZE], buf[VALUE_SIZE], before[VALUE_SIZE];
	size_t len;

	memset(value, 7, sizeof(value));
	memset(before, 0xee, sizeof(before));
	assert_rc(shmht_insert(t.ctx, "key", 3, value, 40), 0);
	for (size_t size = 0; size < 40; size++) {
		memset(buf, 0xee, sizeof(buf));
		len = UNTOUCHED;
		assert_rc(shmht_search(t.ctx, "key", 3, buf, size, &len), -ERANGE);
		assert_int_equal(len, 40);
		assert_memory_equal(buf, before, sizeof(buf));
	}
	assert_rc(shmht_search(t.ctx, "key", 3, NULL, 0, &len), -ERANGE);
	assert_rc(shmht_search(t.ctx, "key", 3, buf, 40, &len), 0);
	assert_int_equal(len, 40);
	table_close(&t);
}

static void sizes_outside_the_limits(const struct shmht_strategy *strategy)
{
	static const struct {
		size_t key_len, value_len;
		int want;
	} cases[] = {
		{ 0, 1, -EINVAL },
		{ KEY_SIZE + 1, 1, -E2BIG },
		{ SIZE_MAX, 1, -E2BIG },
		{ (size_t)1 << 32 | 3, 1, -E2BIG },
		{ 3, VALUE_SIZE + 1, -E2BIG },
		{ 3, SIZE_MAX, -E2BIG },
		{ 3, (size_t)1 << 32 | 1, -E2BIG },
	};
	struct table t = table_small(strategy, 10);
	unsigned char bytes[VALUE_SIZE + 1] = "key";
	size_t len = UNTOUCHED;

	assert_rc(shmht_insert(t.ctx, "key", 3, "v", 1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t k = cases[i].key_len, v = cases[i].value_len;
		int want = cases[i].want;

		assert_rc(shmht_insert(t.ctx, bytes, k, bytes, v), want);
		assert_rc(shmht_update(t.ctx, bytes, k, bytes, v), want);
		assert_rc(shmht_upsert(t.ctx, bytes, k, bytes, v), want);
		if (v != 1)
			continue;
		assert_rc(shmht_search(t.ctx, bytes, k, bytes, sizeof(bytes), &len), want);
		assert_rc(shmht_remove(t.ctx, bytes, k), want);
	}
	assert_int_equal(len, UNTOUCHED);
	assert_string_equal((char *)bytes, "key");
	assert_count(t.ctx, 1);
	table_close(&t);
}

/* Every length, from and to odd addresses, with guards around the buffer. */
static void every_value_length(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	unsigned char from[VALUE_SIZE + 16], to[VALUE_SIZE + 32];
	size_t len;

	assert_rc(shmht_insert(t.ctx, "key", 3, NULL, 0), 0);
	for (size_t n = 0; n <= VALUE_SIZE; n++) {
		for (size_t shift = 0; shift < 9; shift += 3) {
			for (size_t i = 0; i < n; i++)
				from[shift + i] = (unsigned char)(i * 7 + n + 1);
			memset(to, 0xee, sizeof(to));
			assert_rc(shmht_update(t.ctx, "key", 3, from + shift, n), 0);
			assert_rc(shmht_search(t.ctx, "key", 3, to + 8 + shift, n, &len), 0);
			assert_int_equal(len, n);
			assert_memory_equal(to + 8 + shift, from + shift, n);
			for (size_t i = 0; i < sizeof(to); i++)
				if (i < 8 + shift || i >= 8 + shift + n)
					assert_int_equal(to[i], 0xee);
		}
	}
	assert_rc(shmht_update(t.ctx, "key", 3, NULL, 0), 0);
	assert_rc(shmht_search(t.ctx, "key", 3, NULL, 0, &len), 0);
	assert_int_equal(len, 0);
	table_close(&t);
}

/* Keys alike but for their length, or for one byte anywhere, are different. */
static size_t make_key(unsigned char *key, unsigned int nr)
{
	size_t len = 1 + nr % KEY_SIZE;
	unsigned int variant = nr / KEY_SIZE;

	memset(key, 0, KEY_SIZE); /* zeros: padding must not make keys equal */
	if (variant) {
		key[(variant - 1) % len] = (unsigned char)(1 + (variant - 1) / len);
		memset(key + len, 0xff, KEY_SIZE - len); /* not part of the key */
	}
	return len;
}

static void every_key_length(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 1000);
	unsigned char raw[KEY_SIZE + 8], key[KEY_SIZE];
	unsigned int value;
	size_t len;

	for (unsigned int pass = 0; pass < 3; pass++) {
		for (unsigned int nr = 0; nr < KEY_SIZE * 33; nr++) {
			size_t n = make_key(key, nr);
			unsigned char *odd = raw + nr % 8;

			memcpy(odd, key, n); /* nothing beyond may matter */
			if (pass == 0)
				assert_rc(shmht_insert(t.ctx, odd, n, &nr, sizeof(nr)), 0);
			else if (pass == 2 && nr % 3 == 0)
				assert_rc(shmht_remove(t.ctx, odd, n), 0);
		}
		for (unsigned int nr = 0; nr < KEY_SIZE * 33; nr++) {
			size_t n = make_key(key, nr);
			int want = pass == 2 && nr % 3 == 0 ? -ENOENT : 0;

			assert_rc(shmht_search(t.ctx, key, n, &value, sizeof(value), &len), want);
			if (!want)
				assert_int_equal(value, nr);
		}
	}
	table_close(&t);
}

static void flush_empties(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);

	for (cfg.stripes = 1; cfg.stripes <= 64; cfg.stripes *= 8) {
		struct table t = table_open(&cfg);

		assert_rc(shmht_flush(t.ctx), 0);
		for (unsigned int pass = 0; pass < 3; pass++) {
			for (uint64_t k = 0; k < 1000; k++)
				assert_rc(put_number(t.ctx, k), 0);
			assert_count(t.ctx, 1000);
			assert_rc(shmht_flush(t.ctx), 0);
			assert_count(t.ctx, 0);
			for (uint64_t k = 0; k < 1000; k++)
				assert_false(has_number(t.ctx, k));
			assert_sound(t.ctx);
		}
		table_close(&t);
	}
}

/* EEXIST and ENOENT are told from ENOSPC, and the values stay. */
static void full_table(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 50);
	uint64_t k = 0, n = 0, value;
	size_t len;
	int r;

	while (!(r = put_number(t.ctx, k)))
		k++;
	assert_rc(r, -ENOSPC);
	assert_true(k >= 50);
	assert_count(t.ctx, k);
	assert_rc(shmht_upsert(t.ctx, &k, sizeof(k), &k, sizeof(k)), -ENOSPC);
	assert_rc(shmht_update(t.ctx, &k, sizeof(k), &k, sizeof(k)), -ENOENT);
	for (n = 0; n < k; n++) {
		value = n + 1000;
		assert_rc(put_number(t.ctx, n), -EEXIST);
		assert_rc(shmht_update(t.ctx, &n, sizeof(n), &k, sizeof(k)), 0);
		assert_rc(shmht_upsert(t.ctx, &n, sizeof(n), &value, sizeof(value)), 0);
		assert_rc(shmht_search(t.ctx, &n, sizeof(n), &value, sizeof(value), &len), 0);
		assert_int_equal(value, n + 1000);
	}
	assert_count(t.ctx, k);
	table_close(&t);
}

/* Busy time is added inside the operation, and only while it is asked for. */
static void hold_time(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	uint64_t start;

	shmht_ctx_set_hold(t.ctx, 3 * MS);
	start = shmht_monotonic_ns();
	assert_rc(put_number(t.ctx, 1), 0);
	assert_true(shmht_monotonic_ns() - start >= 29 * MS / 10);
	shmht_ctx_set_hold(t.ctx, 0);
	start = shmht_monotonic_ns();
	for (int i = 0; i < 100; i++)
		assert_true(has_number(t.ctx, 1));
	assert_true(shmht_monotonic_ns() - start < 250 * MS);
	table_close(&t);
}

/* One acquisition per call here, all by the same context, none contended. */
static void statistics(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	uint64_t acquired, reacquired, searches;

	assert_rc(put_number(t.ctx, 1), 0);
	acquired = stats->acquired;
	reacquired = stats->reacquired;
	for (int i = 0; i < 100; i++)
		assert_true(has_number(t.ctx, 1));
	searches = test_read == SHMHT_READ_LOCKED ? 100 : 0; /* that took a lock */
	assert_int_equal(stats->acquired, acquired + searches);
	assert_int_equal(stats->reacquired, reacquired + searches);
	assert_int_equal(stats->contended, 0);
	assert_int_equal(stats->timeouts, 0);
	assert_int_equal(stats->wakes, 0);
	assert_rc(strategy->ops.lock(t.ctx, 0), 0);
	strategy->ops.unlock(t.ctx, 0);
	assert_int_equal(stats->acquired, acquired + searches + 1);
	table_close(&t);
}

/* A lock that somebody else had in between was not the same holder's again. */
static void reacquired(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	struct shmht_ctx *other = context_open(t.map);

	assert_rc(put_number(t.ctx, 1), 0);
	for (int i = 0; i < 10; i++) {
		uint64_t before = stats->reacquired;

		assert_true(has_number(other, 1));
		assert_true(has_number(t.ctx, 1));
		assert_int_equal(stats->reacquired, before);
		assert_true(has_number(t.ctx, 1));
		assert_int_equal(stats->reacquired, before + 1);
	}
	assert_int_equal(shmht_ctx_stats(other)->acquired, 10);
	assert_int_equal(shmht_ctx_stats(other)->reacquired, 0);
	shmht_ctx_close(other);
	table_close(&t);
}

/* The lock alone: each stripe's, again and again; a stripe that is not there. */
static void lock_and_unlock(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);
	struct table t;

	cfg.stripes = 16;
	t = table_open(&cfg);
	for (unsigned int pass = 0; pass < 3; pass++)
		for (uint32_t k = 0; k < 16; k++) {
			assert_rc(strategy->ops.lock(t.ctx, k), 0);
			strategy->ops.unlock(t.ctx, k);
		}
	assert_rc(strategy->ops.lock(t.ctx, UINT32_MAX), -EINVAL);
	assert_rc(put_number(t.ctx, 1), 0);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "describes itself", describes_itself, TEST_LOCKED },
	{ "absent key: ENOENT, outputs untouched", absent_key, TEST_STRIPES },
	{ "insert, search, remove", insert_search_remove, TEST_STRIPES },
	{ "insert twice: EEXIST, first value stays", insert_twice, TEST_STRIPES },
	{ "update and upsert replace, of any length", update_and_upsert, TEST_STRIPES },
	{ "short buffer: ERANGE and the needed size", short_buffer, TEST_STRIPES },
	{ "sizes outside the limits: EINVAL, E2BIG", sizes_outside_the_limits, TEST_STRIPES },
	{ "values of every length, unaligned", every_value_length, TEST_STRIPES },
	{ "keys of every length, alike but for a byte", every_key_length, TEST_STRIPES },
	{ "flush empties", flush_empties, TEST_STRIPES },
	{ "full table: ENOSPC only for new keys", full_table, 0 },
	{ "hold time", hold_time, TEST_STRIPES },
	{ "statistics of one worker", statistics, 0 },
	{ "statistics: reacquired by the last holder only", reacquired, TEST_MANY | TEST_LOCKED },
	{ "lock and unlock", lock_and_unlock, TEST_STRIPES },
};

STRATEGY_TESTS(conformance, tests);
