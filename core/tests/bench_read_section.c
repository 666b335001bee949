/* SPDX-License-Identifier: MIT */
/*
 * What an empty read section costs, ours against liburcu's memb flavour, inlined
 * (_LGPL_SOURCE) and as library calls; then searches in the three read modes.
 * Interleaved rounds, medians. Not part of the tests: it needs liburcu-dev.
 * Build: ninja bench-release.
 */
#define _LGPL_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "shmht.h"
#include "shmht_clock.h"

#define ROUNDS 11
#define SECTIONS 1000000u
#define SEARCHES 300000u

#undef urcu_memb_read_lock
#undef urcu_memb_read_unlock
extern void urcu_memb_read_lock(void);
extern void urcu_memb_read_unlock(void);

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

static double ns_since(uint64_t start, double n)
{
	return (double)(shmht_ticks() - start) * shmht_ns_per_tick() / n;
}

static struct shmht_ctx *open_table(uint64_t capacity, enum shmht_read read)
{
	struct shmht_config cfg = { .capacity = capacity,
				    .key_size = 16,
				    .value_size = 64,
				    .stripes = 1,
				    .strategy = "futex",
				    .read = read };
	struct shmht_error err;
	struct shmht_ctx *ctx;
	struct shmht *map;
	char value[64] = "";

	if (shmht_create(&cfg, &map, &err) || shmht_populate(map) ||
	    shmht_ctx_open(map, &ctx, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	for (uint64_t i = 0; i < capacity; i++) {
		uint64_t key[2] = { i, ~i };

		if (shmht_insert(ctx, key, 16, value, 64))
			exit(1);
	}
	return ctx;
}

static void sections(struct shmht_ctx *ctx)
{
	static double ours[ROUNDS], inlined[ROUNDS], called[ROUNDS];
	double o, i, c;

	urcu_memb_register_thread();
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = shmht_ticks();

		for (uint32_t n = 0; n < SECTIONS; n++) {
			if (shmht_read_begin(ctx))
				exit(1);
			shmht_read_end(ctx);
		}
		ours[round] = ns_since(start, SECTIONS);
		start = shmht_ticks();
		for (uint32_t n = 0; n < SECTIONS; n++) {
			_urcu_memb_read_lock();
			_urcu_memb_read_unlock();
		}
		inlined[round] = ns_since(start, SECTIONS);
		start = shmht_ticks();
		for (uint32_t n = 0; n < SECTIONS; n++) {
			urcu_memb_read_lock();
			urcu_memb_read_unlock();
		}
		called[round] = ns_since(start, SECTIONS);
	}
	urcu_memb_unregister_thread();
	o = median(ours);
	i = median(inlined);
	c = median(called);
	printf("empty section: ours %.2f ns, liburcu memb inlined %.2f ns (ratio %.2f), called %.2f "
	       "ns (ratio %.2f)\n",
	       o, i, o / i, c, o / c);
}

static double search_round(struct shmht_ctx *ctx, uint64_t capacity, bool in_place, uint64_t seed)
{
	uint64_t start = shmht_ticks(), x = seed | 1;
	const void *found;
	char value[64];
	size_t len;

	for (uint32_t i = 0; i < SEARCHES; i++) {
		uint64_t key[2];
		int r;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		key[0] = (uint64_t)((unsigned __int128)x * capacity >> 64);
		key[1] = ~key[0];
		if (in_place) {
			if (shmht_read_begin(ctx))
				exit(1);
			r = shmht_lookup(ctx, key, 16, &found, &len);
			if (!r)
				memcpy(value, found, 8);
			shmht_read_end(ctx);
		} else {
			r = shmht_search(ctx, key, 16, value, sizeof(value), &len);
		}
		__asm__ volatile("" : : "r"(value) : "memory");
		if (r)
			exit(1);
	}
	return ns_since(start, SEARCHES);
}

static void searches(uint64_t capacity)
{
	static double ns[4][ROUNDS];
	struct shmht_ctx *ctx[3];

	for (int i = 0; i < 3; i++)
		ctx[i] = open_table(capacity, (enum shmht_read)i);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < 4; i++)
			ns[i][round] = search_round(ctx[i < 3 ? i : 2], capacity, i == 3,
						    (uint64_t)round * 77 + 5);
	printf("%" PRIu64 " entries, ns a search: locked (futex) %.1f, seqlock %.1f, rcu %.1f, rcu "
	       "zero-copy %.1f\n",
	       capacity, median(ns[0]), median(ns[1]), median(ns[2]), median(ns[3]));
}

int main(int argc, char **argv)
{
	uint64_t most = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sections(open_table(10, SHMHT_READ_RCU));
	for (uint64_t capacity = 10000; capacity <= most; capacity *= 100)
		searches(capacity);
	return 0;
}
