/* SPDX-License-Identifier: MIT */
/*
 * target:lmdb: the Lightning Memory-Mapped Database (Chu, 2011), a copy-on-write
 * B+tree in a mapped file: readers take no lock and see one moment, writers of
 * all processes take turns on one mutex.
 *
 * As fast as a careful user would have it who, like our table, wants no
 * durability: the file in memory, a writable map (changed pages are written in
 * place instead of copied to the file), no synchronisation, pages not cleared;
 * a worker's read transaction is reset and renewed, not begun anew. Every change
 * is a transaction of its own, as each of our operations is: who may gather a
 * thousand pays far less, but then nobody sees them until then. Preloading does.
 * Different from ours: a search sees a snapshot of the whole store; a write that
 * its process did not live to commit leaves no trace; keys are kept sorted.
 */
#include "target/target_list.h"

#include "targets.h"

#ifdef HAVE_LMDB

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/target_scratch.h"

#define BULK_MAX 1000u
/* B+tree pages two thirds full, and as many again that wait for their readers. */
#define TIMES 4
/* While a reader that lost its CPU keeps its snapshot no page is used again, and a commit
 * writes some 16 KiB: of a sparse file, room for 0.3 s of 200,000 commits a second. */
#define OLD_PAGES_BYTES (1ull << 30)

struct target_table {
	struct scratch scratch;
	uint64_t map_bytes;
	uint32_t max_readers;
};

struct context {
	struct shmht_ctx_head head;
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *read; /* reset between searches */
	bool bulk;
	MDB_txn *gathered; /* while bulk */
	uint32_t nr_gathered;
};

static struct context *context_of(struct shmht_ctx *ctx)
{
	return (struct context *)ctx;
}

/* LMDB's API takes no const; it does not write there. */
static MDB_val val_of(const void *bytes, size_t len)
{
	return (MDB_val){ .mv_size = len, .mv_data = (void *)(uintptr_t)bytes };
}

/* Its results are errno values, or its own below zero. */
static int failure(int r)
{
	switch (r) {
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_MAP_FULL:
		return -EFBIG;
	default:
		return r < 0 ? -EIO : -r;
	}
}

static int commit_gathered(struct context *c)
{
	MDB_txn *txn = c->gathered;

	c->gathered = NULL;
	c->nr_gathered = 0;
	return txn ? failure(mdb_txn_commit(txn)) : 0;
}

static int insert_gathered(struct context *c, MDB_val *key, MDB_val *value)
{
	int r = c->gathered ? 0 : mdb_txn_begin(c->env, NULL, 0, &c->gathered);

	if (!r)
		r = mdb_put(c->gathered, c->dbi, key, value, MDB_NOOVERWRITE);
	if (r)
		return failure(r);
	return ++c->nr_gathered == BULK_MAX ? commit_gathered(c) : 0;
}

static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	MDB_val k = val_of(key, key_len), v = val_of(value, value_len);
	MDB_txn *txn;
	int r;

	if (c->bulk)
		return insert_gathered(c, &k, &v);
	r = mdb_txn_begin(c->env, NULL, 0, &txn);
	if (r)
		return failure(r);
	r = mdb_put(txn, c->dbi, &k, &v, MDB_NOOVERWRITE);
	if (!r)
		return failure(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return failure(r);
}

/* Through a cursor, so that the tree is descended once for both steps. */
static int replace(struct context *c, MDB_txn *txn, const void *key, size_t key_len,
		   const void *value, size_t value_len)
{
	MDB_val k = val_of(key, key_len), v;
	MDB_cursor *cursor;
	int r = mdb_cursor_open(txn, c->dbi, &cursor);

	if (r)
		return r;
	r = mdb_cursor_get(cursor, &k, &v, MDB_SET);
	if (!r) {
		v = val_of(value, value_len);
		r = mdb_cursor_put(cursor, &k, &v, MDB_CURRENT);
	}
	mdb_cursor_close(cursor);
	return r;
}

static int update(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	MDB_txn *txn;
	int r = mdb_txn_begin(c->env, NULL, 0, &txn);

	if (r)
		return failure(r);
	r = replace(c, txn, key, key_len, value, value_len);
	if (!r)
		return failure(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return failure(r);
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	struct context *c = context_of(ctx);
	MDB_val k = val_of(key, key_len), v;
	int r = mdb_txn_renew(c->read);

	if (r)
		return failure(r);
	r = mdb_get(c->read, c->dbi, &k, &v);
	if (r) {
		r = failure(r);
	} else {
		*ret_len = v.mv_size;
		if (v.mv_size > size)
			r = -ERANGE;
		else
			memcpy(value, v.mv_data, v.mv_size);
	}
	mdb_txn_reset(c->read);
	return r;
}

static int erase(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	struct context *c = context_of(ctx);
	MDB_val k = val_of(key, key_len);
	MDB_txn *txn;
	int r = mdb_txn_begin(c->env, NULL, 0, &txn);

	if (r)
		return failure(r);
	r = mdb_del(txn, c->dbi, &k, NULL);
	if (!r)
		return failure(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return failure(r);
}

static int bulk(struct shmht_ctx *ctx, bool on)
{
	struct context *c = context_of(ctx);

	c->bulk = on;
	return commit_gathered(c);
}

static const struct shmht_ops operations = {
	.insert = insert,
	.update = update,
	.search = search,
	.remove = erase,
};

/* An environment must not cross a fork: each process opens one. */
static int open_env(const struct target_table *table, MDB_env **ret_env)
{
	char path[sizeof(table->scratch.path) + 8];
	MDB_env *env;
	int r = mdb_env_create(&env);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/lmdb", table->scratch.path);
	r = mdb_env_set_mapsize(env, table->map_bytes);
	if (!r)
		r = mdb_env_set_maxreaders(env, table->max_readers);
	if (!r)
		r = mdb_env_open(env, path,
				 MDB_NOSUBDIR | MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMEMINIT |
					 MDB_NORDAHEAD,
				 0600);
	if (r)
		mdb_env_close(env);
	else
		*ret_env = env;
	return r;
}

static int make_file(struct target_table *table, const struct params *params,
		     struct shmht_error *err)
{
	MDB_env *env;
	size_t longest;
	int r = open_env(table, &env);

	if (r) {
		snprintf(err->text, sizeof(err->text), "lmdb: %s cannot be made: %s",
			 table->scratch.path, mdb_strerror(r));
		return failure(r);
	}
	longest = (size_t)mdb_env_get_maxkeysize(env);
	mdb_env_close(env);
	if (params->key_size <= longest)
		return 0;
	snprintf(err->text, sizeof(err->text), "lmdb: key_size is %u, its keys end at %zu bytes",
		 params->key_size, longest);
	return -E2BIG;
}

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	struct target_table *table = malloc(sizeof(*table));
	uint64_t bytes;
	int r;

	if (!table) {
		snprintf(err->text, sizeof(err->text), "lmdb: no memory");
		return -ENOMEM;
	}
	bytes = (scratch_estimate(params, TIMES) + 4095) & ~4095ull;
	table->map_bytes = bytes + OLD_PAGES_BYTES;
	table->max_readers = params->procs + 8;
	r = scratch_make(bytes, &table->scratch, err);
	if (r)
		goto no_scratch;
	r = make_file(table, params, err);
	if (r)
		goto no_file;
	*ret_table = table;
	return 0;
no_file:
	scratch_remove(&table->scratch);
no_scratch:
	free(table);
	return r;
}

static int begin_reading(struct context *c)
{
	int r = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &c->read);

	if (r)
		return r;
	r = mdb_dbi_open(c->read, NULL, 0, &c->dbi);
	if (r)
		mdb_txn_abort(c->read);
	else
		mdb_txn_reset(c->read);
	return r;
}

static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = calloc(1, sizeof(*c));
	int r = c ? open_env(table, &c->env) : ENOMEM;

	if (!r) {
		r = begin_reading(c);
		if (r)
			mdb_env_close(c->env);
	}
	if (r) {
		free(c);
		snprintf(err->text, sizeof(err->text), "lmdb: a worker cannot open it: %s",
			 mdb_strerror(r));
		return failure(r);
	}
	c->head.ops = &operations;
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

static void close_context(struct shmht_ctx *ctx)
{
	struct context *c = context_of(ctx);

	if (c->gathered)
		mdb_txn_abort(c->gathered); /* its preload failed */
	mdb_txn_abort(c->read);
	mdb_env_close(c->env);
	free(c);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	MDB_stat stat;
	MDB_env *env;
	int r = open_env(table, &env);

	if (r)
		return failure(r);
	r = mdb_env_stat(env, &stat);
	if (!r)
		*ret_count = stat.ms_entries;
	mdb_env_close(env);
	return failure(r);
}

static void destroy(struct target_table *table)
{
	scratch_remove(&table->scratch);
	free(table);
}

#endif

const struct target target_lmdb = {
	.name = "lmdb",
	.summary = "LMDB, a copy-on-write B+tree, lock-free readers and one writer; processes",
	.processes_only = true,
#ifdef HAVE_LMDB
	.create = create,
	.open = open_context,
	.close = close_context,
	.bulk = bulk,
	.count = count,
	.destroy = destroy,
#else
	.missing = WHY_NO_LMDB,
#endif
};
