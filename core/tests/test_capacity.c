/* SPDX-License-Identifier: MIT */
/*
 * The promise of capacity: that many entries always fit, whatever the keys and
 * whatever happened before; ENOSPC comes only at count >= capacity.
 */
#include <pthread.h>

#include "support.h"
#include "table.h"

/* All keys in one bucket, in one stripe: the mixing cannot part what is equal. */
static uint64_t hash_same(const void *key, size_t len, uint64_t seed)
{
	(void)key, (void)len;
	return seed;
}

/* Poor in the way of hand-made hashes: the number itself. */
static uint64_t hash_identity(const void *key, size_t len, uint64_t seed)
{
	uint64_t h = 0;

	memcpy(&h, key, len < 8 ? len : 8);
	return h + seed;
}

/* Few values: a handful of buckets takes everything. */
static uint64_t hash_few(const void *key, size_t len, uint64_t seed)
{
	return hash_identity(key, len, seed) % 5;
}

static const shmht_hash_fn hashes[] = { NULL, hash_same, hash_identity, hash_few };
#define NR_HASHES (sizeof(hashes) / sizeof(hashes[0]))

/* Sequential keys, or numbers from all over. */
static uint64_t key_nr(uint64_t i, bool scattered)
{
	return scattered ? mix64(i + 1) : i;
}

/* Inserts until ENOSPC; the promise is checked on the way. */
static uint64_t fill_up(struct shmht_ctx *ctx, uint64_t capacity, uint64_t first, bool scattered)
{
	uint64_t i = first, before, count;

	assert_rc(shmht_count(ctx, &before), 0);
	for (;; i++) {
		int r = put_number(ctx, key_nr(i, scattered));

		if (r == -ENOSPC)
			break;
		assert_rc(r, 0);
	}
	assert_rc(shmht_count(ctx, &count), 0);
	assert_int_equal(count, before + i - first);
	assert_true(count >= capacity);
	return i;
}

/* At full, what is there can be changed, again and again. */
static void change_when_full(struct shmht_ctx *ctx, uint64_t from, uint64_t to, bool scattered)
{
	for (uint64_t i = from; i < to; i++) {
		uint64_t key = key_nr(i, scattered), other = i;

		assert_rc(shmht_update(ctx, &key, sizeof(key), &other, sizeof(other)), 0);
		assert_rc(shmht_upsert(ctx, &key, sizeof(key), &key, sizeof(key)), 0);
	}
}

static void check_filling(const struct shmht_config *cfg, bool scattered)
{
	uint64_t capacity = cfg->capacity, first = 0, next = 0, left;
	struct table t = table_open(cfg);
	struct shmht_info info;
	uint64_t count;

	shmht_info(t.map, &info);
	for (int pass = 0; pass < 4; pass++) {
		next = fill_up(t.ctx, capacity, next, scattered);
		assert_rc(shmht_count(t.ctx, &count), 0);
		/* No more than the memory that was announced. */
		assert_true(count < info.cells);
		assert_true(count <= capacity + (2ull * info.batch + info.limbo) * cfg->stripes);
		if (cfg->stripes == 1 && test_read == SHMHT_READ_LOCKED)
			assert_int_equal(count, capacity + info.limbo);
		change_when_full(t.ctx, first, next, scattered);
		assert_sound(t.ctx);
		/* Drain: all, from the front, all but one, or by flush. */
		left = pass == 0 ? 0 : pass == 1 ? count / 3 : 1;
		if (pass == 3) {
			assert_rc(shmht_flush(t.ctx), 0);
			first = next;
			left = 0;
		}
		for (; next - first > left; first++)
			assert_rc(remove_number(t.ctx, key_nr(first, scattered)), 0);
		assert_count(t.ctx, left);
		for (uint64_t i = first; i < next; i++)
			assert_true(has_number(t.ctx, key_nr(i, scattered)));
		assert_sound(t.ctx);
	}
	fill_up(t.ctx, capacity, next, scattered);
	table_close(&t);
}

static void capacity_always_fits(const struct shmht_strategy *strategy)
{
	static const uint64_t capacities[] = { 1, 2, 3, 7, 64, 65, 300, 1000 };
	struct shmht_config cfg = small_config(strategy, 0);

	cfg.value_size = 8;
	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++)
		for (size_t h = 0; h < NR_HASHES; h++)
			for (int i = 0; i < 4; i++) {
				cfg.capacity = capacities[c];
				cfg.stripes = i & 1 ? 64 : 1;
				cfg.hash = hashes[h];
				if (UNDER_SANITIZER && (h == 1 || h == 3) && capacities[c] > 300)
					continue; /* chains as long as the table */
				check_filling(&cfg, i & 2);
			}
}

/* ---- in which order it is emptied ---------------------------------------- */

enum order { FRONT, BACK, BOTH_ENDS, MIDDLE_OUT, SHUFFLED, NR_ORDERS };

/* The i-th of nr to go; SHUFFLED is for the caller. */
static uint64_t in_order(enum order order, uint64_t i, uint64_t nr)
{
	uint64_t half = nr / 2, step = (i + 1) / 2;

	switch (order) {
	case BACK:
		return nr - 1 - i;
	case BOTH_ENDS:
		return i & 1 ? nr - 1 - i / 2 : i / 2;
	case MIDDLE_OUT:
		return i & 1 ? half - step : half + step;
	default:
		return i;
	}
}

static void drain_in(struct shmht_ctx *ctx, enum order order, uint64_t nr)
{
	struct random random = { 5 };
	uint64_t *keys = calloc(nr, sizeof(*keys));

	assert_non_null(keys);
	for (uint64_t i = 0; i < nr; i++)
		keys[i] = in_order(order, i, nr);
	for (uint64_t i = nr; order == SHUFFLED && i > 1; i--) {
		uint64_t other = random_below(&random, i), key = keys[i - 1];

		keys[i - 1] = keys[other];
		keys[other] = key;
	}
	for (uint64_t i = 0; i < nr; i++) {
		assert_rc(remove_number(ctx, keys[i]), 0);
		assert_false(has_number(ctx, keys[i]));
		for (uint64_t k = i + 1; k < nr; k += 1 + nr / 8)
			assert_true(has_number(ctx, keys[k]));
		if (i == nr / 2)
			assert_sound(ctx);
	}
	assert_count(ctx, 0);
	free(keys);
}

static void drained_in_every_order(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 300);

	for (unsigned int i = 0; i < 4; i++) {
		struct table t;

		cfg.stripes = i & 1 ? 64 : 1;
		cfg.hash = i & 2 ? hash_same : NULL;
		t = table_open(&cfg);
		for (int order = FRONT; order < NR_ORDERS; order++)
			drain_in(t.ctx, (enum order)order, fill_up(t.ctx, 300, 0, false));
		fill_up(t.ctx, 300, 0, false);
		table_close(&t);
	}
}

/* All keys in one bucket: its lanes, then a chain, newest first. One and two
 * neighbours leave from every position, the chain's ends included, and return. */
static void one_bucket_every_position(const struct shmht_strategy *strategy)
{
	static const uint64_t sizes[] = { 9, 24, 80 };
	struct shmht_config cfg = small_config(strategy, 80);
	struct table t;

	cfg.hash = hash_same;
	t = table_open(&cfg);
	for (size_t s = 0; s < 3; s++)
		for (uint64_t at = 0; at < sizes[s]; at++)
			for (uint64_t gone = 1; gone <= 2; gone++) {
				uint64_t k, nr = sizes[s], end = at + gone < nr ? at + gone : nr;

				assert_rc(shmht_flush(t.ctx), 0);
				for (k = 0; k < nr; k++)
					assert_rc(put_number(t.ctx, k), 0);
				for (k = at; k < end; k++)
					assert_rc(remove_number(t.ctx, k), 0);
				for (k = 0; k < nr; k++)
					assert_int_equal(has_number(t.ctx, k), k < at || k >= end);
				assert_false(has_number(t.ctx, nr));
				assert_sound(t.ctx);
				for (k = at; k < end; k++)
					assert_rc(put_number(t.ctx, k), 0);
				for (k = 0; k < nr; k++)
					assert_rc(shmht_update(t.ctx, &k, 8, &k, 8), 0);
				for (k = 0; k < nr; k++)
					assert_true(has_number(t.ctx, k));
				assert_count(t.ctx, nr);
			}
	table_close(&t);
}

/* ---- large, and by stripes ----------------------------------------------- */

static void large_table(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, scaled(200000));

	for (cfg.stripes = 1; cfg.stripes <= 64; cfg.stripes *= 64) {
		struct table t = table_open(&cfg);
		uint64_t next = fill_up(t.ctx, cfg.capacity, 0, true);

		for (uint64_t i = 0; i < next; i++)
			assert_true(has_number(t.ctx, key_nr(i, true)));
		table_close(&t);
	}
}

/* Free cells gather where the removes are; they must come back to where the
 * inserts are: drain one stripe's keys, fill with another's. */
static void cells_move_between_stripes(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 512);
	struct random random = { 7 };
	struct table t;
	uint64_t *keys, nr = 0, next = 0;

	cfg.stripes = 64;
	t = table_open(&cfg);
	keys = calloc(8192, sizeof(*keys));
	assert_non_null(keys);
	for (uint64_t round = 0; round < scaled(20000); round++) {
		uint64_t count, key = key_nr(next, true);
		int r = put_number(t.ctx, key);

		if (!r) {
			keys[nr++] = key;
			next++;
			continue;
		}
		assert_rc(r, -ENOSPC);
		assert_rc(shmht_count(t.ctx, &count), 0);
		assert_true(count == nr && count >= 512);
		for (uint64_t n = 1 + random_below(&random, 400); n; n--) {
			uint64_t i = random_below(&random, nr);

			assert_rc(remove_number(t.ctx, keys[i]), 0);
			keys[i] = keys[--nr];
		}
	}
	free(keys);
	table_close(&t);
}

/* Whoever cannot reach the pool (its lock is number `stripes`) may refuse to
 * remove, but not keep what it frees for itself: the keys removed are all of
 * one stripe, those inserted later of the others. */
static unsigned int stripe_of(struct shmht_ctx *ctx, uint64_t key)
{
	return (unsigned int)stripe_index(ctx, hash_key(NULL, &key, sizeof(key), 0));
}

static void pool_out_of_reach(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 4096);
	uint64_t count, nr;
	struct shmht_ctx *other;
	struct table t;

	cfg.stripes = 4;
	t = table_open(&cfg);
	other = context_open(t.map);
	nr = fill_up(t.ctx, 4096, 0, false);
	assert_rc(strategy->ops.lock(other, 4), 0);
	shmht_ctx_set_timeout(t.ctx, 0);
	for (uint64_t k = 0; k < nr; k++) {
		int r;

		if (stripe_of(t.ctx, k))
			continue;
		r = remove_number(t.ctx, k);
		assert_true(r == 0 || r == -ETIMEDOUT);
		assert_int_equal(has_number(t.ctx, k), r != 0);
	}
	for (uint64_t k = 0; k < nr; k++) {
		int r = shmht_update(t.ctx, &k, sizeof(k), &k, sizeof(k));

		/* rcu: limbo is full too, and empties by way of the pool. */
		assert_true(r == 0 || r == -ENOENT ||
			    (r == -ETIMEDOUT && test_read == SHMHT_READ_RCU));
	}
	strategy->ops.unlock(other, 4);
	shmht_ctx_close(other);
	assert_rc(shmht_count(t.ctx, &count), 0);
	for (uint64_t k = 1ull << 32; count < 4096; k++)
		if (stripe_of(t.ctx, k)) {
			assert_rc(put_number(t.ctx, k), 0);
			count++;
		}
	table_close(&t);
}

/* ---- several processes, or threads, fill it at once ---------------------- */

#define FILLERS 4u

struct filling {
	struct shmht *map;
	uint64_t capacity, keys;
	atomic_uint next_worker;
	atomic_int start;
	_Atomic uint64_t inserted, early; /* ENOSPC below the capacity */
	atomic_int error;
};

static int fill_in(struct filling *f, struct shmht *map)
{
	uint64_t worker = atomic_fetch_add(&f->next_worker, 1);
	struct shmht_ctx *ctx;
	uint64_t count, n;
	int r;

	if (shmht_ctx_open(map, &ctx, NULL))
		return 1;
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	if (!step_wait(&f->start, 1))
		return 2;
	for (n = 0; n < f->keys; n++) {
		r = put_number(ctx, n * FILLERS + worker);
		if (r)
			break;
		atomic_fetch_add(&f->inserted, 1);
	}
	if (r && r != -ENOSPC)
		atomic_store(&f->error, r);
	/* Nobody removes, so a count that is too low now was so then. */
	if (r == -ENOSPC && (shmht_count(ctx, &count) || count < f->capacity))
		atomic_fetch_add(&f->early, 1);
	shmht_ctx_close(ctx);
	return 0;
}

static int fill_in_child(void *arg)
{
	struct filling *f = arg;
	struct shmht *map;

	return shmht_attach(shmht_fd(f->map), NULL, &map, NULL) ? 3 : fill_in(f, map);
}

static void *fill_in_thread(void *arg)
{
	struct filling *f = arg;

	return fill_in(f, f->map) ? f : NULL;
}

static void fill_by_processes(struct filling *f)
{
	pid_t pids[FILLERS];

	for (unsigned int i = 0; i < FILLERS; i++)
		pids[i] = child_start(fill_in_child, f);
	atomic_store(&f->start, 1);
	for (unsigned int i = 0; i < FILLERS; i++)
		assert_int_equal(child_wait(pids[i]), 0);
}

static void fill_by_threads(struct filling *f)
{
	pthread_t threads[FILLERS];
	void *failed;

	for (unsigned int i = 0; i < FILLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill_in_thread, f), 0);
	atomic_store(&f->start, 1);
	for (unsigned int i = 0; i < FILLERS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

static void fill_at_once(const struct shmht_strategy *strategy, void (*how)(struct filling *))
{
	struct filling *f = shared_memory(sizeof(*f));
	struct shmht_config cfg = small_config(strategy, scaled(20000));

	for (cfg.stripes = 1; cfg.stripes <= 64; cfg.stripes *= 64) {
		/* Keys for more than it holds, then for exactly the capacity. */
		for (int exact = 0; exact < 2; exact++) {
			struct table t;

			cfg.capacity = scaled(20000) / FILLERS * FILLERS;
			t = table_open(&cfg);
			memset(f, 0, sizeof(*f));
			f->map = t.map;
			f->capacity = cfg.capacity;
			f->keys = exact ? cfg.capacity / FILLERS : cfg.capacity;
			how(f);
			assert_rc(f->error, 0);
			assert_int_equal(f->early, 0);
			assert_true(exact ? f->inserted == cfg.capacity :
					    f->inserted >= cfg.capacity);
			assert_count(t.ctx, f->inserted);
			table_close(&t);
		}
	}
}

static void processes_fill_it(const struct shmht_strategy *strategy)
{
	fill_at_once(strategy, fill_by_processes);
}

static void threads_fill_it(const struct shmht_strategy *strategy)
{
	fill_at_once(strategy, fill_by_threads);
}

static const struct strategy_test tests[] = {
	{ "capacity entries always fit; drain and refill", capacity_always_fits, 0 },
	{ "drained in every order, and refilled", drained_in_every_order, 0 },
	{ "one bucket: every position leaves and returns", one_bucket_every_position, 0 },
	{ "a large table fills up", large_table, 0 },
	{ "free cells move between stripes", cells_move_between_stripes, 0 },
	{ "free cells come back after the pool was out of reach", pool_out_of_reach, TEST_MANY },
	{ "several processes fill it at once", processes_fill_it, TEST_MANY },
	{ "several threads fill it at once", threads_fill_it, TEST_MANY },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("capacity", tests);
}
