/* SPDX-License-Identifier: MIT */
/*
 * target:redis: a Redis server of the run's own on a unix socket, spoken to with
 * hiredis: what a separate process behind a socket costs.
 *
 * As fast as a careful user would have it who needs each answer before the next
 * question: no port, no snapshots, no append-only file, one connection per
 * worker, SET NX, SET XX, GET and DEL, one round trip each. Pipelining would be
 * another load, since none of our operations waits for a later one; preloading
 * does it. Every operation is two system calls here and two there, and the
 * server shares the CPUs with the workers; its time is not in CPU ns/op.
 * Different from ours: one thread serves all, so operations are strictly in
 * order; a worker that dies leaves nothing half done.
 */
#include "target/target_list.h"

#include "targets.h"

#ifdef HAVE_REDIS

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "target/target_scratch.h"
#include "target/target_server.h"

#define BULK_MAX 1000u
#define START_NS 10000000000ull /* how long it may take to answer first */

struct target_table {
	struct scratch scratch;
	pid_t server;
	char socket[sizeof(((struct scratch *)0)->path) + 8];
};

struct context {
	struct shmht_ctx_head head;
	redisContext *redis;
	bool bulk;
	uint32_t nr_gathered;
};

static struct context *context_of(struct shmht_ctx *ctx)
{
	return (struct context *)ctx;
}

/* NULL: the connection is lost, or the server refused. */
static redisReply *ask(struct context *c, int nr, const char **words, const size_t *lens)
{
	redisReply *reply = redisCommandArgv(c->redis, nr, words, lens);

	if (reply && reply->type == REDIS_REPLY_ERROR) {
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

/* Answers of what was gathered: all of them must be OK. */
static int take_gathered(struct context *c)
{
	redisReply *reply;
	int r = 0;

	for (; c->nr_gathered; c->nr_gathered--) {
		if (redisGetReply(c->redis, (void **)&reply))
			return -EIO;
		if (reply->type == REDIS_REPLY_NIL)
			r = -EEXIST;
		else if (reply->type != REDIS_REPLY_STATUS)
			r = -EIO;
		freeReplyObject(reply);
	}
	return r;
}

/* nil: the condition, NX or XX, did not hold. */
static int set(struct context *c, const void *key, size_t key_len, const void *value,
	       size_t value_len, const char *condition, int otherwise)
{
	const char *words[] = { "SET", key, value, condition };
	const size_t lens[] = { 3, key_len, value_len, 2 };
	redisReply *reply;
	int r;

	if (c->bulk) {
		if (redisAppendCommandArgv(c->redis, 4, words, lens))
			return -EIO;
		return ++c->nr_gathered == BULK_MAX ? take_gathered(c) : 0;
	}
	reply = ask(c, 4, words, lens);
	if (!reply)
		return -EIO;
	r = reply->type == REDIS_REPLY_NIL ? otherwise : 0;
	freeReplyObject(reply);
	return r;
}

static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	return set(context_of(ctx), key, key_len, value, value_len, "NX", -EEXIST);
}

static int update(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	return set(context_of(ctx), key, key_len, value, value_len, "XX", -ENOENT);
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	const char *words[] = { "GET", key };
	const size_t lens[] = { 3, key_len };
	redisReply *reply = ask(context_of(ctx), 2, words, lens);
	int r = -ENOENT;

	if (!reply)
		return -EIO;
	if (reply->type == REDIS_REPLY_STRING) {
		*ret_len = reply->len;
		r = reply->len <= size ? 0 : -ERANGE;
		if (!r)
			memcpy(value, reply->str, reply->len);
	}
	freeReplyObject(reply);
	return r;
}

static int erase(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	const char *words[] = { "DEL", key };
	const size_t lens[] = { 3, key_len };
	redisReply *reply = ask(context_of(ctx), 2, words, lens);
	int r;

	if (!reply)
		return -EIO;
	r = reply->integer ? 0 : -ENOENT;
	freeReplyObject(reply);
	return r;
}

static int bulk(struct shmht_ctx *ctx, bool on)
{
	struct context *c = context_of(ctx);

	c->bulk = on;
	return take_gathered(c);
}

static const struct shmht_ops operations = {
	.insert = insert,
	.update = update,
	.search = search,
	.remove = erase,
};

/* 0, or a negative errno. */
static int connect_to(const struct target_table *table, redisContext **ret_redis)
{
	redisContext *redis = redisConnectUnix(table->socket);
	int r;

	if (redis && !redis->err) {
		*ret_redis = redis;
		return 0;
	}
	r = redis && redis->err == REDIS_ERR_IO && errno ? -errno : -ENOMEM;
	redisFree(redis);
	return r;
}

/* It listens a moment after it was started. */
static int wait_for_server(const struct target_table *table)
{
	uint64_t end = shmht_monotonic_ns() + START_NS;
	redisContext *redis;

	while (connect_to(table, &redis)) {
		if (server_has_ended(table->server))
			return -ECHILD;
		if (shmht_monotonic_ns() > end)
			return -ETIMEDOUT;
		usleep(1000);
	}
	redisFree(redis);
	return 0;
}

static int start(struct target_table *table, struct shmht_error *err)
{
	/* clang-format off */
	char *const argv[] = { "redis-server",
		"--port", "0", "--unixsocket", table->socket, "--unixsocketperm", "700",
		"--dir", table->scratch.path, "--save", "", "--appendonly", "no",
		"--daemonize", "no", "--logfile", "", NULL };
	/* clang-format on */
	int r = server_start(argv, &table->server);

	if (r) {
		snprintf(err->text, sizeof(err->text), "redis: redis-server cannot be run: %s%s",
			 strerror(-r),
			 r == -ENOENT ? "; apt-get install redis-server puts it into PATH" : "");
		return r;
	}
	r = wait_for_server(table);
	if (r) {
		server_stop(table->server);
		snprintf(err->text, sizeof(err->text),
			 "redis: redis-server --unixsocket %s %s; run it by hand to see why",
			 table->socket, r == -ECHILD ? "ended at once" : "does not answer");
	}
	return r;
}

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	struct target_table *table = malloc(sizeof(*table));
	int r;

	(void)params;
	if (!table) {
		snprintf(err->text, sizeof(err->text), "redis: no memory");
		return -ENOMEM;
	}
	r = scratch_make(0, &table->scratch, err);
	if (r)
		goto no_scratch;
	snprintf(table->socket, sizeof(table->socket), "%s/redis", table->scratch.path);
	r = start(table, err);
	if (r)
		goto no_server;
	*ret_table = table;
	return 0;
no_server:
	scratch_remove(&table->scratch);
no_scratch:
	free(table);
	return r;
}

static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = calloc(1, sizeof(*c));
	int r = c ? connect_to(table, &c->redis) : -ENOMEM;

	if (r) {
		free(c);
		snprintf(err->text, sizeof(err->text), "redis: no connection for a worker: %s",
			 strerror(-r));
		return r;
	}
	c->head.ops = &operations;
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

static void close_context(struct shmht_ctx *ctx)
{
	redisFree(context_of(ctx)->redis);
	free(ctx);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	redisContext *redis;
	redisReply *reply;
	int r = connect_to(table, &redis);

	if (r)
		return r;
	reply = redisCommand(redis, "DBSIZE");
	if (reply && reply->type == REDIS_REPLY_INTEGER)
		*ret_count = (uint64_t)reply->integer;
	else
		r = -EIO;
	freeReplyObject(reply);
	redisFree(redis);
	return r;
}

static void destroy(struct target_table *table)
{
	server_stop(table->server);
	scratch_remove(&table->scratch);
	free(table);
}

#endif

const struct target target_redis = {
	.name = "redis",
	.summary = "a Redis server of the run's own, over a unix socket; processes",
	.processes_only = true,
	.program = "redis-server",
#ifdef HAVE_REDIS
	.create = create,
	.open = open_context,
	.close = close_context,
	.bulk = bulk,
	.count = count,
	.destroy = destroy,
#else
	.missing = WHY_NO_REDIS,
#endif
};
