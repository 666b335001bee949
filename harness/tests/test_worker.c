/* SPDX-License-Identifier: MIT */
/*
 * A worker on its own. ops = N with workers that do not start together: each
 * does exactly N, and only what was done while all of them ran is offered for
 * the rate. What verification rests on: the net of changes, and every hit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario_fixture.h"
#include "shmht_clock.h"
#include "verify/value.h"
#include "worker/worker.h"

#define OPS 20000u

struct table {
	struct loaded loaded;
	struct shmht *map;
	struct control *control;
	struct worker_job jobs[2];
};

/* 60 us of pause each: a worker takes 1.2 s at least, whatever the machine. */
static const char slow_text[] = "[a]\nprocs = 2\nworkers = thread\ncapacity = 100\nops = 20000\n"
				"think = 60us\npin = none\npreload = 0\n";
static const char search_text[] = "[a]\nworkers = thread\ncapacity = 100\nops = 20000\n"
				  "pin = none\npreload = 0\nmix = search:100\n";

static void set_up(struct table *table, const char *text)
{
	struct shmht_config cfg = { .capacity = 100,
				    .key_size = 16,
				    .value_size = 64,
				    .stripes = 1,
				    .max_workers = 64,
				    .strategy = "futex" };
	size_t parts = sizeof(struct control) + 2 * sizeof(struct worker_part);
	size_t bytes = parts + (2 * sizeof(struct interval_slot) + 63) / 64 * 64;
	struct shmht_error err = { "" };

	memset(table, 0, sizeof(*table));
	table->loaded = load_text(text);
	assert_int_equal(table->loaded.rc, 0);
	if (shmht_create(&cfg, &table->map, &err))
		fail_msg("%s", err.text);
	table->control = aligned_alloc(64, bytes);
	assert_non_null(table->control);
	memset(table->control, 0, bytes);
	table->control->slots_offset = parts;
	table->control->nr_slots = 1;
	table->control->nr_workers = table->loaded.scenario->points[0].params.procs;
	atomic_store(&table->control->phase, PHASE_MEASURE);
	for (uint32_t i = 0; i < 2; i++)
		table->jobs[i] = (struct worker_job){
			.params = &table->loaded.scenario->points[0].params,
			.control = table->control,
			.map = table->map,
			.worker = i,
			.cpu = -1,
			.ns_per_tick = shmht_ns_per_tick(),
		};
}

static void tear_down(struct table *table)
{
	shmht_destroy(table->map);
	free(table->control);
	unload(&table->loaded);
}

static void *thread_main(void *arg)
{
	worker_run(arg);
	return NULL;
}

static void test_late_worker(void **state)
{
	struct worker_part *early, *late, *first, *last;
	pthread_t threads[2];
	struct table table;

	(void)state;
	set_up(&table, slow_text);
	early = &table.control->workers[0];
	late = &table.control->workers[1];
	alarm(60);
	assert_int_equal(pthread_create(&threads[0], NULL, thread_main, &table.jobs[0]), 0);
	/* Until it is well on its way. */
	while (atomic_load(&early->progress) < OPS / 4)
		usleep(1000);
	assert_int_equal(pthread_create(&threads[1], NULL, thread_main, &table.jobs[1]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	alarm(0);

	assert_string_equal(early->error, "");
	assert_string_equal(late->error, "");
	assert_int_equal(early->result.ops, OPS);
	assert_int_equal(late->result.ops, OPS);
	assert_int_equal(atomic_load(&table.control->nr_started), 2);
	/* What the early one did alone is before the window, ... */
	assert_in_range(early->ops_at_all_started, OPS / 4, OPS);
	assert_int_equal(late->ops_at_all_started, 0);
	/* ... and what the last one did alone is after it: on a busy machine that may be either. */
	first = early->ops_at_first_done == OPS ? early : late;
	last = first == early ? late : early;
	assert_int_equal(first->ops_at_first_done, OPS);
	assert_in_range(last->ops_at_first_done, 0, OPS - 1);
	assert_true(table.control->first_done_ticks < last->end_ticks);
	tear_down(&table);
}

/* The net of inserts and removes is what the table holds: verification rests on it. */
static void test_net_is_the_count(void **state)
{
	pthread_t threads[2];
	struct shmht_error err;
	struct shmht_ctx *ctx;
	struct table table;
	uint64_t count = 0;

	(void)state;
	set_up(&table, slow_text);
	alarm(60);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &table.jobs[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	alarm(0);
	assert_int_equal(shmht_ctx_open(table.map, &ctx, &err), 0);
	assert_int_equal(shmht_count(ctx, &count), 0);
	shmht_ctx_close(ctx);
	assert_int_equal((int64_t)count,
			 table.control->workers[0].net + table.control->workers[1].net);
	assert_true(count > 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(atomic_load(&table.control->workers[i].stage), STAGE_DONE);
	tear_down(&table);
}

/* Key 40 holds what was written for key 41: the 1 % of searches that hit it say so. */
static void test_foreign_value_is_reported(void **state)
{
	struct worker_part *part;
	struct shmht_error err;
	struct shmht_ctx *ctx;
	struct table table;
	unsigned char value[64];
	uint64_t key[2];

	(void)state;
	for (uint64_t written_for = 40; written_for <= 41; written_for++) {
		set_up(&table, search_text);
		part = &table.control->workers[0];
		assert_int_equal(shmht_ctx_open(table.map, &ctx, &err), 0);
		key_make(40, key, sizeof(key));
		value_fill(value, sizeof(value), written_for, 1);
		assert_int_equal(shmht_insert(ctx, key, sizeof(key), value, sizeof(value)), 0);
		shmht_ctx_close(ctx);
		alarm(60);
		worker_run(&table.jobs[0]);
		alarm(0);
		assert_in_range(part->checked, 1, OPS);
		assert_int_equal(part->checked, part->result.outcomes[OP_SEARCH][OUTCOME_OK]);
		if (written_for == 40) {
			assert_int_equal(part->errors, 0);
		} else {
			assert_int_equal(part->errors, part->checked);
			assert_non_null(strstr(part->error, "key 40"));
		}
		tear_down(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_worker),
		cmocka_unit_test(test_net_is_the_count),
		cmocka_unit_test(test_foreign_value_is_reported),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
