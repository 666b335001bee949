/* SPDX-License-Identifier: MIT */
/* A mixed load whose values verify themselves: see load.h. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>

size_t load_value(uint64_t key, uint64_t serial, unsigned char value[64])
{
	size_t len = 16 + mix64(key ^ serial) % 49;

	memcpy(value, &key, 8);
	memcpy(value + 8, &serial, 8);
	for (size_t i = 16; i < len; i++)
		value[i] = (unsigned char)(mix64(key * 3 + serial * 7 + i / 8) >> 8 * (i % 8));
	return len;
}

static bool load_value_right(uint64_t key, const unsigned char *value, size_t len)
{
	unsigned char want[64];
	uint64_t serial;

	if (len < 16 || len > 64)
		return false;
	memcpy(&serial, value + 8, 8);
	return load_value(key, serial, want) == len && !memcmp(want, value, len);
}

static void load_one(struct shmht_ctx *ctx, struct load_counts *counts, struct random *random,
		     uint64_t serial)
{
	uint64_t dice = random_below(random, 100), key = random_below(random, LOAD_KEYS), bit;
	unsigned char value[64];
	size_t len = load_value(key, serial, value), got = 0;
	int r, missing = -ENOENT;

	if (dice < 40) {
		if (dice < 8)
			key = LOAD_KEYS + random_below(random, LOAD_UPSERTS);
		r = shmht_search(ctx, &key, sizeof(key), value, sizeof(value), &got);
		if (!r) {
			counts->hits++;
			counts->wrong_values += !load_value_right(key, value, got);
		}
	} else if (dice < 62) {
		r = shmht_insert(ctx, &key, sizeof(key), value, len);
		counts->inserted += r == 0;
		missing = -EEXIST;
	} else if (dice < 72) {
		r = shmht_update(ctx, &key, sizeof(key), value, len);
	} else if (dice < 94) {
		r = shmht_remove(ctx, &key, sizeof(key));
		counts->removed += r == 0;
	} else {
		bit = random_below(random, LOAD_UPSERTS);
		key = LOAD_KEYS + bit;
		len = load_value(key, serial, value);
		r = shmht_upsert(ctx, &key, sizeof(key), value, len);
		counts->upserted |= (uint64_t)(r == 0) << bit;
		missing = 0;
	}
	if (r && r != missing && !counts->wrong_results++)
		counts->first_wrong_result = r;
	counts->operations++;
}

/* One worker's part: the next number is its own. */
static int load_work(struct load *load, struct shmht *map)
{
	unsigned int worker = atomic_fetch_add(&load->next_worker, 1);
	struct load_counts counts = { .operations = 0 };
	struct random random = { mix64(worker + 1) };
	struct shmht_ctx *ctx;
	uint64_t end;
	int r = shmht_ctx_open(map, &ctx, NULL);

	if (r || !step_wait(&load->start, 1)) {
		load->counts[worker].wrong_results = 1;
		load->counts[worker].first_wrong_result = r;
		return 1;
	}
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	end = shmht_monotonic_ns() + load->duration_ns;
	while (counts.operations < load->operations && shmht_monotonic_ns() < end)
		for (int i = 0; i < 256; i++)
			load_one(ctx, &counts, &random, (uint64_t)worker << 56 | counts.operations);
	load->counts[worker] = counts;
	shmht_ctx_close(ctx);
	return 0;
}

static int work_in_child(void *arg)
{
	struct load *load = arg;
	struct shmht *map;
	int r = shmht_attach(shmht_fd(load->map), NULL, &map, NULL);

	return r ? 1 : load_work(load, map);
}

static void *work_in_thread(void *arg)
{
	struct load *load = arg;

	load_work(load, load->map);
	return NULL;
}

void load_by_processes(struct load *load)
{
	pid_t pids[LOAD_WORKERS_MAX];

	for (unsigned int i = 0; i < load->workers; i++)
		pids[i] = child_start(work_in_child, load);
	atomic_store(&load->start, 1);
	for (unsigned int i = 0; i < load->workers; i++)
		assert_int_equal(child_wait(pids[i]), 0);
}

void load_by_killed_processes(struct load *load, uint64_t after_ns)
{
	pid_t pids[LOAD_WORKERS_MAX];

	for (unsigned int i = 0; i < load->workers; i++)
		pids[i] = child_start(work_in_child, load);
	atomic_store(&load->start, 1);
	sleep_ns(after_ns);
	for (unsigned int i = 0; i < load->workers; i++)
		child_kill(pids[i]);
}

void load_by_threads(struct load *load)
{
	pthread_t threads[LOAD_WORKERS_MAX];

	for (unsigned int i = 0; i < load->workers; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work_in_thread, load), 0);
	atomic_store(&load->start, 1);
	for (unsigned int i = 0; i < load->workers; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static int judge_entry(const void *key, size_t key_len, const void *value, size_t value_len,
		       void *arg)
{
	struct load_verdict *verdict = arg;
	uint64_t nr = UINT64_MAX;

	if (key_len == sizeof(nr))
		memcpy(&nr, key, sizeof(nr));
	if (nr >= LOAD_KEYS + LOAD_UPSERTS || !load_value_right(nr, value, value_len))
		verdict->errors++;
	return 0;
}

static void judge_broken(const char *what, void *arg)
{
	struct load_verdict *verdict = arg;

	snprintf(verdict->text, sizeof(verdict->text), "check: %s", what);
}

struct load_verdict load_judge(const struct load *load, struct shmht_ctx *ctx)
{
	struct load_verdict verdict = { .text = "" };
	uint64_t inserted = 0, removed = 0, upserted = 0, count = UINT64_MAX, want;
	int r;

	for (unsigned int i = 0; i < load->workers; i++) {
		const struct load_counts *c = &load->counts[i];

		verdict.operations += c->operations;
		verdict.hits += c->hits;
		verdict.errors += c->wrong_values + c->wrong_results;
		inserted += c->inserted;
		removed += c->removed;
		upserted |= c->upserted;
		if (c->wrong_values || c->wrong_results)
			snprintf(verdict.text, sizeof(verdict.text),
				 "worker %u: %" PRIu64 " wrong values, %" PRIu64
				 " wrong results (%d)",
				 i, c->wrong_values, c->wrong_results, c->first_wrong_result);
	}
	want = inserted - removed + (uint64_t)__builtin_popcountll(upserted);
	r = shmht_count(ctx, &count);
	if (r || count != want) {
		verdict.errors++;
		snprintf(verdict.text, sizeof(verdict.text),
			 "count is %" PRIu64 ", expected %" PRIu64 " inserted - %" PRIu64
			 " removed + %d upserted",
			 count, inserted, removed, __builtin_popcountll(upserted));
	}
	r = shmht_check(ctx, judge_broken, &verdict);
	verdict.errors += r != 0;
	r = shmht_foreach(ctx, judge_entry, &verdict);
	verdict.errors += r != 0;
	return verdict;
}
