/* SPDX-License-Identifier: MIT */
/*
 * target:tdb: Samba's trivial database (libtdb, LGPL-3+), a hash table in a file
 * that processes map together, with a lock per chain.
 *
 * As fast as a careful user would have it: chains locked by robust mutexes in
 * the file instead of fcntl(), as many chains as entries that are expected, our
 * hash, records read in place (tdb_parse_record), the file in memory, and dead
 * records kept for the next insert into the same chain (TDB_VOLATILE).
 * No transactions, so nothing is synchronised to anywhere: as durable as our
 * table, that is, gone with the machine.
 * Different from ours: a process that dies within a change leaves its chain
 * unlocked (robust mutex) but as far as it had got; a file ends at 4 GiB.
 */
#include "target/target_list.h"

#include "targets.h"

#ifdef HAVE_TDB

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <tdb.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "target/target_scratch.h"

struct target_table {
	struct scratch scratch;
	struct tdb_context *tdb; /* a worker reopens the copy that it inherits */
};

struct context {
	struct shmht_ctx_head head;
	struct tdb_context *tdb;
};

/* Where a search puts what it finds. */
struct destination {
	void *value;
	size_t size;
	size_t *ret_len;
};

static struct tdb_context *tdb_of(struct shmht_ctx *ctx)
{
	return ((struct context *)ctx)->tdb;
}

/* libtdb's API takes no const; it does not write there. */
static TDB_DATA data_of(const void *bytes, size_t len)
{
	return (TDB_DATA){ .dptr = (unsigned char *)(uintptr_t)bytes, .dsize = len };
}

static unsigned int hash_of(TDB_DATA *key)
{
	return (unsigned int)XXH3_64bits(key->dptr, key->dsize);
}

static int failure(struct tdb_context *tdb)
{
	switch (tdb_error(tdb)) {
	case TDB_ERR_EXISTS:
		return -EEXIST;
	case TDB_ERR_NOEXIST:
		return -ENOENT;
	case TDB_ERR_OOM:
		return -ENOMEM;
	case TDB_ERR_LOCK:
	case TDB_ERR_NOLOCK:
		return -ENOLCK;
	default:
		return -EIO;
	}
}

static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct tdb_context *tdb = tdb_of(ctx);

	return tdb_store(tdb, data_of(key, key_len), data_of(value, value_len), TDB_INSERT) ?
		       failure(tdb) :
		       0;
}

static int update(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct tdb_context *tdb = tdb_of(ctx);

	return tdb_store(tdb, data_of(key, key_len), data_of(value, value_len), TDB_MODIFY) ?
		       failure(tdb) :
		       0;
}

/* Under the chain's lock. What it returns, tdb_parse_record() returns. */
static int copy_out(TDB_DATA key, TDB_DATA data, void *arg)
{
	const struct destination *to = arg;

	(void)key;
	*to->ret_len = data.dsize;
	if (data.dsize > to->size)
		return -ERANGE;
	memcpy(to->value, data.dptr, data.dsize);
	return 0;
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	struct tdb_context *tdb = tdb_of(ctx);
	struct destination to = { value, size, ret_len };
	int r = tdb_parse_record(tdb, data_of(key, key_len), copy_out, &to);

	return r == -1 ? failure(tdb) : r;
}

static int erase(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	struct tdb_context *tdb = tdb_of(ctx);

	return tdb_delete(tdb, data_of(key, key_len)) ? failure(tdb) : 0;
}

static const struct shmht_ops operations = {
	.insert = insert,
	.update = update,
	.search = search,
	.remove = erase,
};

static struct tdb_context *open_file(const struct scratch *scratch, uint64_t chains)
{
	char path[sizeof(scratch->path) + 8];

	snprintf(path, sizeof(path), "%s/tdb", scratch->path);
	return tdb_open_ex(path, (int)chains,
			   TDB_CLEAR_IF_FIRST | TDB_MUTEX_LOCKING | TDB_NOSYNC | TDB_VOLATILE,
			   O_RDWR | O_CREAT, 0600, NULL, hash_of);
}

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	uint64_t chains = params->preload > 1000 ? params->preload : 1000;
	struct target_table *table;
	int r;

	if (!tdb_runtime_check_for_robust_mutexes()) {
		snprintf(err->text, sizeof(err->text),
			 "tdb: this machine has no robust process-shared mutexes");
		return -ENOTSUP;
	}
	table = malloc(sizeof(*table));
	if (!table) {
		snprintf(err->text, sizeof(err->text), "tdb: no memory");
		return -ENOMEM;
	}
	r = scratch_make(scratch_estimate(params, 3), &table->scratch, err);
	if (r)
		goto no_scratch;
	/* A chain costs its mutex and an offset: 44 bytes. */
	table->tdb = open_file(&table->scratch, chains < 50000000 ? chains : 50000000);
	if (!table->tdb) {
		r = errno ? -errno : -EIO;
		snprintf(err->text, sizeof(err->text), "tdb: %s cannot be made: %s",
			 table->scratch.path, strerror(-r));
		goto no_file;
	}
	*ret_table = table;
	return 0;
no_file:
	scratch_remove(&table->scratch);
no_scratch:
	free(table);
	return r;
}

/* In a child: fcntl()'s locks are not inherited, and the mapping is its own. */
static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		snprintf(err->text, sizeof(err->text), "tdb: no memory for a worker");
		return -ENOMEM;
	}
	if (tdb_reopen(table->tdb)) {
		r = errno ? -errno : -EIO;
		/* It closed and freed the inherited context. */
		table->tdb = NULL;
		free(c);
		snprintf(err->text, sizeof(err->text), "tdb: cannot be opened again: %s",
			 strerror(-r));
		return r;
	}
	c->head.ops = &operations;
	c->tdb = table->tdb;
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

static void close_context(struct shmht_ctx *ctx)
{
	tdb_close(tdb_of(ctx));
	free(ctx);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	int entries = tdb_traverse_read(table->tdb, NULL, NULL);

	if (entries < 0)
		return failure(table->tdb);
	*ret_count = (uint64_t)entries;
	return 0;
}

static void destroy(struct target_table *table)
{
	tdb_close(table->tdb);
	scratch_remove(&table->scratch);
	free(table);
}

#endif

const struct target target_tdb = {
	.name = "tdb",
	.summary = "Samba's trivial database, a mutex per chain; processes",
	.processes_only = true,
#ifdef HAVE_TDB
	.create = create,
	.open = open_context,
	.close = close_context,
	.count = count,
	.destroy = destroy,
#else
	.missing = WHY_NO_TDB,
#endif
};
