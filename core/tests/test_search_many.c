/* SPDX-License-Identifier: MIT */
/*
 * shmht_search_many(): each key's answer is the one that a search of its own
 * gives, and what is not asked for stays untouched; over every strategy, read
 * mode, and hashes that put entries where they are hard to find.
 */
#include "holder.h"

#define MANY SHMHT_MANY_MAX
#define VALUE_SIZE 64u
#define UNTOUCHED 0x5a5a5a5a5a5a5a5aull
#define TIMEOUT (60 * MS)

/* A batch with room of its own for each answer, and a guard behind each. */
struct batch {
	struct shmht_sought sought[MANY + 1];
	uint64_t keys[MANY + 1];
	unsigned char found[MANY + 1][VALUE_SIZE + 8];
};

static void batch_clear(struct batch *batch)
{
	memset(batch->found, 0xee, sizeof(batch->found));
	for (unsigned int i = 0; i <= MANY; i++)
		batch->sought[i] = (struct shmht_sought){ .key = &batch->keys[i],
							  .key_len = sizeof(batch->keys[i]),
							  .value = batch->found[i],
							  .size = VALUE_SIZE,
							  .len = UNTOUCHED,
							  .result = 7777 };
}

static size_t value_of(uint64_t key, unsigned char *value)
{
	size_t len = mix64(key) % 3 ? VALUE_SIZE : mix64(key + 1) % (VALUE_SIZE + 1);

	for (size_t i = 0; i < len; i++)
		value[i] = (unsigned char)(mix64(key + i / 8) >> 8 * (i % 8));
	return len;
}

static int put(struct shmht_ctx *ctx, uint64_t key)
{
	unsigned char value[VALUE_SIZE];

	return shmht_insert(ctx, &key, sizeof(key), value, value_of(key, value));
}

/* Against what shmht_search() says of the same question, its bytes included. */
static void assert_as_search(struct shmht_ctx *ctx, const struct shmht_sought *s)
{
	unsigned char want[VALUE_SIZE + 8];
	size_t len = UNTOUCHED;

	memset(want, 0xee, sizeof(want));
	assert_rc(s->result, shmht_search(ctx, s->key, s->key_len, want, s->size, &len));
	assert_int_equal(s->len, len);
	assert_memory_equal(s->value, want, sizeof(want));
}

static void every_number_of_keys(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 200);
	static struct batch batch;

	for (uint64_t key = 0; key < 200; key += 2)
		assert_rc(put(t.ctx, key), 0);
	for (unsigned int nr = 0; nr <= MANY; nr++) {
		batch_clear(&batch);
		for (unsigned int i = 0; i < MANY; i++)
			batch.keys[i] = (nr * 7 + i * i) %
					203; /* some twice, half of them absent */
		assert_rc(shmht_search_many(t.ctx, batch.sought, nr), 0);
		for (unsigned int i = 0; i < nr; i++)
			assert_as_search(t.ctx, &batch.sought[i]);
		for (unsigned int i = nr; i <= MANY; i++) {
			assert_int_equal(batch.sought[i].result, 7777);
			assert_int_equal(batch.sought[i].len, UNTOUCHED);
			assert_int_equal(batch.found[i][0], 0xee);
		}
	}
	table_close(&t);
}

static void too_many(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	static struct batch batch;

	batch_clear(&batch);
	assert_rc(put(t.ctx, 0), 0);
	assert_rc(shmht_search_many(t.ctx, batch.sought, MANY + 1), -EINVAL);
	assert_rc(shmht_search_many(t.ctx, batch.sought, UINT32_MAX), -EINVAL);
	for (unsigned int i = 0; i <= MANY; i++)
		assert_int_equal(batch.sought[i].result, 7777);
	assert_rc(shmht_search_many(t.ctx, NULL, 0), 0);
	table_close(&t);
}

/* One bad question leaves the others their answers. */
static void bad_questions(const struct shmht_strategy *strategy)
{
	static const size_t lens[] = { 0, 17, SIZE_MAX, (size_t)1 << 32 | 8 };
	struct table t = table_small(strategy, 100);
	static struct batch batch;

	for (uint64_t key = 0; key < MANY; key++)
		assert_rc(put(t.ctx, key), 0);
	batch_clear(&batch);
	for (unsigned int i = 0; i < MANY; i++) {
		batch.keys[i] = i;
		if (i % 3 == 1)
			batch.sought[i].key_len = lens[i / 3 % 4];
		else if (i % 3 == 2)
			batch.sought[i].size = i / 2; /* mostly too small */
	}
	assert_rc(shmht_search_many(t.ctx, batch.sought, MANY), 0);
	for (unsigned int i = 0; i < MANY; i++) {
		if (i % 3 == 1)
			assert_rc(batch.sought[i].result,
				  batch.sought[i].key_len ? -E2BIG : -EINVAL);
		assert_as_search(t.ctx, &batch.sought[i]);
	}
	table_close(&t);
}

static uint64_t hash_same(const void *key, size_t len, uint64_t seed)
{
	(void)key, (void)len, (void)seed;
	return 42;
}

/* Sixteen different ones: lanes with equal tags, and chains behind them. */
static uint64_t hash_few(const void *key, size_t len, uint64_t seed)
{
	(void)len, (void)seed;
	return *(const unsigned char *)key % 16u;
}

static void hard_to_find(const struct shmht_strategy *strategy)
{
	static const shmht_hash_fn hashes[] = { hash_same, hash_few };
	static struct batch batch;

	for (unsigned int h = 0; h < 2; h++) {
		struct shmht_config cfg = small_config(strategy, 300);
		struct random random = { 42 };
		struct table t;

		cfg.hash = hashes[h];
		t = table_open(&cfg);
		for (uint64_t key = 0; key < 300; key++)
			assert_rc(put(t.ctx, key), 0);
		for (unsigned int round = 0; round < 200; round++) {
			batch_clear(&batch);
			for (unsigned int i = 0; i < MANY; i++)
				batch.keys[i] = random_below(&random, 400);
			assert_rc(shmht_search_many(t.ctx, batch.sought, MANY), 0);
			for (unsigned int i = 0; i < MANY; i++)
				assert_as_search(t.ctx, &batch.sought[i]);
			(void)!remove_number(t.ctx, random_below(&random, 300));
		}
		table_close(&t);
	}
}

/* Each stripe's lock is taken once, whatever the number of its keys. */
static void one_lock_a_stripe(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	static struct batch batch;
	uint64_t before;

	batch_clear(&batch);
	for (unsigned int i = 0; i < MANY; i++)
		batch.keys[i] = i;
	before = stats->acquired;
	assert_rc(shmht_search_many(t.ctx, batch.sought, MANY), 0);
	if (test_stripes == 1)
		assert_int_equal(stats->acquired, before + 1);
	else
		assert_in_range(stats->acquired, before + 2, before + MANY);
	table_close(&t);
}

/* Of four locks one is not to be had: its keys time out, after one wait in all,
 * and the others have their answers. */
static void a_lock_that_is_held(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	unsigned int timed_out = 0;
	struct holder *holder;
	static struct batch batch;
	struct shmht_holder found;
	uint64_t start;
	struct table t;

	cfg.stripes = 4;
	t = table_open(&cfg);
	batch_clear(&batch);
	for (unsigned int i = 0; i < MANY; i++) {
		batch.keys[i] = i;
		assert_rc(put(t.ctx, i), 0);
	}
	shmht_ctx_set_timeout(t.ctx, TIMEOUT);
	holder = holder_thread(t.map, 2);
	start = shmht_monotonic_ns();
	assert_rc(shmht_search_many(t.ctx, batch.sought, MANY), -ETIMEDOUT);
	assert_true(shmht_monotonic_ns() - start >= TIMEOUT * 9 / 10);
	assert_int_equal(shmht_ctx_stats(t.ctx)->timeouts, 1);
	shmht_ctx_holder(t.ctx, &found);
	if (found.tid)
		assert_int_equal(found.tid, holder->tid);
	shmht_ctx_set_timeout(t.ctx, 0);
	for (unsigned int i = 0; i < MANY; i++) {
		timed_out += batch.sought[i].result == -ETIMEDOUT;
		assert_as_search(t.ctx, &batch.sought[i]);
	}
	assert_in_range(timed_out, 1, MANY - 1);
	holder_let_go(holder);
	/* Its own time-out is in force again. */
	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	assert_rc(shmht_search_many(t.ctx, batch.sought, MANY), 0);
	for (unsigned int i = 0; i < MANY; i++)
		assert_as_search(t.ctx, &batch.sought[i]);
	table_close(&t);
}

static int search_inside(const void *key, size_t key_len, const void *value, size_t value_len,
			 void *arg)
{
	(void)key, (void)key_len, (void)value, (void)value_len;
	assert_rc(shmht_search_many(arg, NULL, 0), -EDEADLK);
	return 0;
}

static void not_inside_foreach(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);

	assert_rc(put(t.ctx, 1), 0);
	assert_rc(shmht_foreach(t.ctx, search_inside, t.ctx), 0);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "search_many: 0 to 32 keys, as one by one", every_number_of_keys, TEST_STRIPES },
	{ "search_many: 33 keys are refused", too_many, 0 },
	{ "search_many: bad keys and short buffers among good ones", bad_questions, TEST_STRIPES },
	{ "search_many: equal tags and overflowing buckets", hard_to_find, TEST_STRIPES },
	{ "search_many: one acquisition a stripe", one_lock_a_stripe, TEST_STRIPES | TEST_LOCKED },
	{ "search_many: a lock that is held", a_lock_that_is_held, TEST_MANY | TEST_LOCKED },
	{ "search_many: not inside foreach", not_inside_foreach, 0 },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("search_many", tests);
}
