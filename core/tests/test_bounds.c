/* SPDX-License-Identifier: MIT */
/*
 * A lock writes what it declared to be its own, and nothing beside: neither in its
 * stripe nor in a worker's line. Through waits that succeed and such that do not.
 */
#include "context.h"
#include "holder.h"
#include "load.h"

#define PATTERN 0xa5

static void fill(unsigned char *bytes, size_t from, size_t to)
{
	memset(bytes + from, PATTERN, to - from);
}

static void assert_untouched(const unsigned char *bytes, size_t from, size_t to, const char *whose)
{
	for (size_t i = from; i < to; i++)
		if (bytes[i] != PATTERN)
			fail_msg("byte %zu of %s was written, of which %zu are the lock's", i,
				 whose, from);
}

/* All locks, the pool's too, and all workers' lines. */
static void every_part(const struct shmht_strategy *strategy, struct shmht *map, bool fills)
{
	for (uint32_t k = 0; k <= map->geo.stripes; k++) {
		unsigned char *lock = stripes_of(map)[k].lock;

		if (fills)
			fill(lock, strategy->lock_bytes, LOCK_SLOT_BYTES);
		else
			assert_untouched(lock, strategy->lock_bytes, LOCK_SLOT_BYTES,
					 "the stripe's 64 bytes");
	}
	for (uint32_t i = 0; i < map->geo.max_workers; i++) {
		unsigned char *line = slots_of(map)[i].lock_local;

		if (fills)
			fill(line, strategy->worker_bytes, LINE_BYTES);
		else
			assert_untouched(line, strategy->worker_bytes, LINE_BYTES,
					 "a worker's 64 bytes");
	}
}

static void state_stays_in_its_bytes(const struct shmht_strategy *strategy)
{
	struct load *load = shared_memory(sizeof(*load));
	struct shmht_config cfg = small_config(strategy, LOAD_KEYS + LOAD_UPSERTS);
	struct holder *holder;
	struct table t = table_open(&cfg);

	every_part(strategy, t.map, true);
	holder = holder_child(t.map, 0);
	shmht_ctx_set_timeout(t.ctx, 5 * MS);
	assert_rc(put_number(t.ctx, LOAD_KEYS), -ETIMEDOUT);
	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	holder_let_go_after(holder, 5 * MS);
	assert_rc(put_number(t.ctx, LOAD_KEYS), 0);
	assert_rc(remove_number(t.ctx, LOAD_KEYS), 0);
	holder_let_go(holder);
	load->map = t.map;
	load->workers = 3;
	load->duration_ns = 50 * MS;
	load->operations = UINT64_MAX;
	load_by_processes(load);
	every_part(strategy, t.map, false);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "the lock's state stays in its bytes", state_stays_in_its_bytes,
	  TEST_MANY | TEST_LOCKED | TEST_WAITS },
};

STRATEGY_TESTS(bounds, tests);
