/* SPDX-License-Identifier: MIT */
/*
 * What a victim of test_sweep.c does: the operation under way when it is killed, and
 * what may be found of it afterwards.
 */
#include "sweep.h"

enum may { ABSENT = 1, OLD = 2, NEW = 4 };

struct scene {
	const char *name;
	int (*op)(struct shmht_ctx *ctx);
	uint64_t capacity;
	uint64_t preload; /* keys 1..preload */
	uint64_t key;	  /* the one that op changes */
	enum may key_may, others_may;
	bool chained; /* all keys in one bucket */
	bool brief;   /* for every strategy by default; the others with spin alone */
	enum { ALONE, WAITED_FOR, WAITS, ASKED_FOR, ATTACHES, INHERITS } how;
};

/* ---- operations ---------------------------------------------------------- */

static uint64_t the_key;

static int put(struct shmht_ctx *ctx, uint64_t key, uint64_t version, bool update)
{
	uint64_t value[8];

	for (uint64_t i = 0; i < 8; i++)
		value[i] = mix64(key * 8 + i) + version;
	return update ? shmht_update(ctx, &key, sizeof(key), value, sizeof(value)) :
			shmht_insert(ctx, &key, sizeof(key), value, sizeof(value));
}

static int op_insert(struct shmht_ctx *ctx)
{
	return put(ctx, the_key, 1, false);
}

static int op_update(struct shmht_ctx *ctx)
{
	return put(ctx, the_key, 1, true);
}

static int op_remove(struct shmht_ctx *ctx)
{
	return shmht_remove(ctx, &the_key, sizeof(the_key));
}

static int op_search(struct shmht_ctx *ctx)
{
	uint64_t value[8];
	size_t len;

	return shmht_search(ctx, &the_key, sizeof(the_key), value, sizeof(value), &len);
}

static int op_flush(struct shmht_ctx *ctx)
{
	return shmht_flush(ctx);
}

static int op_oldest(struct shmht_ctx *ctx)
{
	uint64_t removed;

	return shmht_remove_oldest(ctx, 10, &removed);
}

/* Two at once: the second one finds the magazines as the first left them. */
static int op_churn(struct shmht_ctx *ctx)
{
	uint64_t other = 3;
	int r = shmht_remove(ctx, &other, sizeof(other));

	return r ? r : put(ctx, the_key, 1, false);
}

/* ---- what is found afterwards ---------------------------------------------- */

/* ABSENT, OLD, NEW; 0: neither. */
static enum may state_of(struct shmht_ctx *ctx, uint64_t key)
{
	uint64_t value[8], version;
	size_t len;
	int r = shmht_search(ctx, &key, sizeof(key), value, sizeof(value), &len);

	if (r == -ENOENT)
		return ABSENT;
	if (r || len != sizeof(value))
		return 0;
	version = value[0] - mix64(key * 8);
	for (uint64_t i = 0; i < 8; i++)
		if (value[i] != mix64(key * 8 + i) + version)
			return 0;
	return version == 0 ? OLD : version == 1 ? NEW : 0;
}

/* NULL op: opening and closing a context. */
static const struct scene scenes[] = {
	{ "open and close", NULL, 32, 3, 0, 0, OLD, false, true, ALONE },
	{ "insert", op_insert, 32, 16, 17, ABSENT | NEW, OLD, false, true, ALONE },
	{ "insert, chained", op_insert, 32, 14, 15, ABSENT | NEW, OLD, true, false, ALONE },
	{ "insert that splits", op_insert, 128, 64, 65, ABSENT | NEW, OLD, false, false, ALONE },
	{ "insert that splits a chain", op_insert, 128, 64, 65, ABSENT | NEW, OLD, true, false,
	  ALONE },
	{ "update", op_update, 32, 16, 5, OLD | NEW, OLD, false, true, ALONE },
	{ "update, chained", op_update, 32, 14, 3, OLD | NEW, OLD, true, false, ALONE },
	{ "remove", op_remove, 32, 16, 5, OLD | ABSENT, OLD, false, false, ALONE },
	{ "remove, chained", op_remove, 32, 14, 2, OLD | ABSENT, OLD, true, false, ALONE },
	{ "remove and insert", op_churn, 32, 15, 16, ABSENT | NEW, OLD, false, true, ALONE },
	{ "flush", op_flush, 32, 7, 0, 0, OLD | ABSENT, false, false, ALONE },
	{ "remove_oldest", op_oldest, 32, 12, 0, 0, OLD | ABSENT, false, false, ALONE },
	{ "attach and detach", op_update, 32, 3, 2, OLD | NEW, OLD, false, false, ATTACHES },
	{ "update, two waiting", op_update, 32, 16, 5, OLD | NEW, OLD, false, false, WAITED_FOR },
	{ "search", op_search, 32, 16, 5, OLD, OLD, false, true, ALONE },
	{ "search, two waiting", op_search, 32, 16, 5, OLD, OLD, false, false, WAITED_FOR },
	{ "search, waiting for a lock", op_search, 32, 16, 5, OLD, OLD, false, false, WAITS },
	{ "waiting for a lock", op_update, 32, 16, 5, OLD | NEW, OLD, false, false, WAITS },
	{ "waiting for a lock that is asked for", op_update, 32, 16, 5, OLD | NEW, OLD, false,
	  false, ASKED_FOR },
	{ "update after two dead", op_update, 32, 16, 5, OLD | NEW, OLD, false, false, INHERITS },
};
