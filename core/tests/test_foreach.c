/* SPDX-License-Identifier: MIT */
/* foreach: complete, each entry once, ends early, refuses re-entry. */
#include "support.h"

struct seen {
	unsigned char times[1000];
	uint64_t calls, wrong;
	uint64_t end_after; /* this many calls, 0: never */
	int end_with;
};

static int note(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	struct seen *seen = arg;
	uint64_t k = 0, v = 0;

	if (key_len == 8 && value_len == 8) {
		memcpy(&k, key, 8);
		memcpy(&v, value, 8);
	}
	if (key_len != 8 || value_len != 8 || k >= 1000 || v != k)
		seen->wrong++;
	else
		seen->times[k]++;
	return ++seen->calls == seen->end_after ? seen->end_with : 0;
}

static uint64_t same_hash(const void *key, size_t len, uint64_t seed)
{
	(void)key, (void)len, (void)seed;
	return 0;
}

static void visits_all_once(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);

	for (unsigned int i = 0; i < 4; i++) {
		struct seen seen = { .calls = 0 };
		struct table t;

		cfg.stripes = i & 1 ? 64 : 1;
		cfg.hash = i & 2 ? same_hash : NULL;
		t = table_open(&cfg);
		assert_rc(shmht_foreach(t.ctx, note, &seen), 0);
		assert_int_equal(seen.calls, 0);
		for (uint64_t k = 0; k < 1000; k++)
			assert_rc(put_number(t.ctx, k), 0);
		for (uint64_t k = 0; k < 1000; k += 3)
			assert_rc(remove_number(t.ctx, k), 0);
		assert_rc(shmht_foreach(t.ctx, note, &seen), 0);
		assert_int_equal(seen.wrong, 0);
		assert_int_equal(seen.calls, 666);
		for (uint64_t k = 0; k < 1000; k++)
			assert_int_equal(seen.times[k], k % 3 != 0);
		table_close(&t);
	}
}

static void ends_early(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);
	struct table t;

	cfg.stripes = 16;
	t = table_open(&cfg);
	for (uint64_t k = 0; k < 1000; k++)
		assert_rc(put_number(t.ctx, k), 0);
	for (uint64_t n = 1; n <= 1000; n += 111) {
		struct seen seen = { .end_after = n, .end_with = n & 1 ? 42 : -ECANCELED };

		assert_rc(shmht_foreach(t.ctx, note, &seen), seen.end_with);
		assert_int_equal(seen.calls, n);
		/* No lock is left behind, and the operations are back. */
		assert_true(has_number(t.ctx, n % 1000));
	}
	table_close(&t);
}

struct reentry {
	struct shmht_ctx *ctx;
	const struct shmht_strategy *strategy;
	int calls, wrong;
};

static int reenter(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	struct reentry *re = arg;
	struct shmht_ctx *ctx = re->ctx;
	char buf[64] = "before";
	uint64_t removed = 77;
	size_t len = 77;

	(void)value, (void)value_len;
	re->calls++;
	re->wrong += shmht_insert(ctx, "new", 3, "v", 1) != -EDEADLK;
	re->wrong += shmht_update(ctx, key, key_len, "v", 1) != -EDEADLK;
	re->wrong += shmht_upsert(ctx, key, key_len, "v", 1) != -EDEADLK;
	re->wrong += shmht_search(ctx, key, key_len, buf, sizeof(buf), &len) != -EDEADLK;
	re->wrong += shmht_remove(ctx, key, key_len) != -EDEADLK;
	re->wrong += shmht_flush(ctx) != -EDEADLK;
	re->wrong += shmht_foreach(ctx, reenter, arg) != -EDEADLK;
	re->wrong += shmht_remove_oldest(ctx, 100, &removed) != -EDEADLK;
	re->wrong += SHMHT_CALL(ctx, lock, 0) != -EDEADLK;
	re->wrong += strcmp(buf, "before") || len != 77 || removed != 77;
	return 0;
}

static void refuses_reentry(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	struct reentry re = { .ctx = t.ctx, .strategy = strategy };

	for (uint64_t k = 0; k < 20; k++)
		assert_rc(put_number(t.ctx, k), 0);
	assert_rc(shmht_foreach(t.ctx, reenter, &re), 0);
	assert_int_equal(re.calls, 20);
	assert_int_equal(re.wrong, 0);
	assert_count(t.ctx, 20);
	assert_rc(shmht_flush(t.ctx), 0);
	table_close(&t);
}

/* A stripe is seen as of one moment: another context cannot change it then. */
struct outsider {
	struct shmht_ctx *other;
	int calls, wrong;
};

static int disturb(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	struct outsider *out = arg;

	(void)value, (void)value_len;
	out->calls++;
	out->wrong += shmht_remove(out->other, key, key_len) != -ETIMEDOUT;
	return 0;
}

static void holds_its_stripe(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 300);
	struct outsider out = { .other = context_open(t.map) };

	for (uint64_t k = 0; k < 300; k++)
		assert_rc(put_number(t.ctx, k), 0);
	shmht_ctx_set_timeout(out.other, 0);
	assert_rc(shmht_foreach(t.ctx, disturb, &out), 0);
	assert_int_equal(out.calls, 300);
	assert_int_equal(out.wrong, 0);
	shmht_ctx_close(out.other);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "foreach: all, each once", visits_all_once, 0 },
	{ "foreach: ends early with the callback's result", ends_early, 0 },
	{ "foreach: EDEADLK for every operation inside", refuses_reentry, 0 },
	{ "foreach: each stripe as of one moment", holds_its_stripe, TEST_MANY },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("foreach", tests);
}
