/* SPDX-License-Identifier: MIT */
/*
 * target:urcu-lfht: liburcu's lock-free resizable hash table (Desnoyers et al.,
 * IEEE TPDS 23(2), 2012; split-ordered lists: Shalev, Shavit, JACM 53(3), 2006).
 *
 * As fast as a careful user would have it: as many buckets as capacity from the
 * start and no resizing, key and value in the node, memb flavour. A removed node
 * is freed after a grace period, which is waited for once per RETIRED_MAX nodes
 * by the thread that removed them: call_rcu() would have a further thread take
 * the workers' CPUs.
 */
#include "target/target_list.h"

#include "targets.h"

#ifdef HAVE_URCU_LFHT

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read sections inline, as for everyone whose licence agrees with the LGPL. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>
/* After the flavour. */
#include <urcu/rculfhash.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define RETIRED_MAX 1024u

struct target_table {
	struct cds_lfht *ht;
	uint64_t seed;
};

struct node {
	struct cds_lfht_node link;
	uint32_t key_len, value_len;
	unsigned char bytes[]; /* key, padded to 8, then value */
};

struct context {
	struct shmht_ctx_head head;
	struct target_table *table;
	uint32_t nr_retired;
	struct node *retired[RETIRED_MAX];
};

struct sought {
	const void *key;
	size_t len;
};

static struct context *context_of(struct shmht_ctx *ctx)
{
	return (struct context *)ctx;
}

static unsigned char *value_of(struct node *node)
{
	return node->bytes + ((node->key_len + 7u) & ~7u);
}

static int matches(struct cds_lfht_node *link, const void *arg)
{
	const struct node *node = caa_container_of(link, struct node, link);
	const struct sought *sought = arg;

	return node->key_len == sought->len && memcmp(node->bytes, sought->key, sought->len) == 0;
}

static unsigned long hash_of(const struct context *c, const void *key, size_t len)
{
	return (unsigned long)XXH3_64bits_withSeed(key, len, c->table->seed);
}

static struct node *make_node(const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct node *node = malloc(sizeof(*node) + ((key_len + 7) & ~(size_t)7) + value_len);

	if (!node)
		return NULL;
	cds_lfht_node_init(&node->link);
	node->key_len = (uint32_t)key_len;
	node->value_len = (uint32_t)value_len;
	memcpy(node->bytes, key, key_len);
	memcpy(value_of(node), value, value_len);
	return node;
}

static void free_retired(struct context *c)
{
	if (!c->nr_retired)
		return;
	urcu_memb_synchronize_rcu();
	while (c->nr_retired)
		free(c->retired[--c->nr_retired]);
}

/* Outside of read sections: it may wait for all of them. */
static void retire(struct context *c, struct cds_lfht_node *link)
{
	c->retired[c->nr_retired++] = caa_container_of(link, struct node, link);
	if (c->nr_retired == RETIRED_MAX)
		free_retired(c);
}

static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	struct sought sought = { key, key_len };
	struct node *node = make_node(key, key_len, value, value_len);
	struct cds_lfht_node *there;

	if (!node)
		return -ENOMEM;
	urcu_memb_read_lock();
	there = cds_lfht_add_unique(c->table->ht, hash_of(c, key, key_len), matches, &sought,
				    &node->link);
	urcu_memb_read_unlock();
	if (there == &node->link)
		return 0;
	free(node); /* nobody saw it */
	return -EEXIST;
}

/* The entry is replaced as a whole: readers see the old or the new one. */
static int update(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	struct sought sought = { key, key_len };
	unsigned long hash = hash_of(c, key, key_len);
	struct node *node = make_node(key, key_len, value, value_len);
	struct cds_lfht_node *old;
	struct cds_lfht_iter iter;
	int r;

	if (!node)
		return -ENOMEM;
	urcu_memb_read_lock();
	do {
		cds_lfht_lookup(c->table->ht, hash, matches, &sought, &iter);
		old = cds_lfht_iter_get_node(&iter);
		/* Ends: it fails only when another thread took the old node away. */
		r = old ? cds_lfht_replace(c->table->ht, &iter, hash, matches, &sought,
					   &node->link) :
			  0;
	} while (r);
	urcu_memb_read_unlock();
	if (!old) {
		free(node);
		return -ENOENT;
	}
	retire(c, old);
	return 0;
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	struct context *c = context_of(ctx);
	struct sought sought = { key, key_len };
	struct cds_lfht_node *link;
	struct cds_lfht_iter iter;
	int r = -ENOENT;

	urcu_memb_read_lock();
	cds_lfht_lookup(c->table->ht, hash_of(c, key, key_len), matches, &sought, &iter);
	link = cds_lfht_iter_get_node(&iter);
	if (link) {
		struct node *node = caa_container_of(link, struct node, link);

		*ret_len = node->value_len;
		r = node->value_len <= size ? 0 : -ERANGE;
		if (!r)
			memcpy(value, value_of(node), node->value_len);
	}
	urcu_memb_read_unlock();
	return r;
}

static int erase(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	struct context *c = context_of(ctx);
	struct sought sought = { key, key_len };
	struct cds_lfht_node *link;
	struct cds_lfht_iter iter;
	int r = -1;

	urcu_memb_read_lock();
	cds_lfht_lookup(c->table->ht, hash_of(c, key, key_len), matches, &sought, &iter);
	link = cds_lfht_iter_get_node(&iter);
	if (link)
		r = cds_lfht_del(c->table->ht, link); /* fails: another thread was first */
	urcu_memb_read_unlock();
	if (r)
		return -ENOENT;
	retire(c, link);
	return 0;
}

static const struct shmht_ops operations = {
	.insert = insert,
	.update = update,
	.search = search,
	.remove = erase,
};

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	struct target_table *table = malloc(sizeof(*table));
	unsigned long buckets = 1;

	while (buckets < params->capacity)
		buckets *= 2;
	if (table) {
		table->seed = params->seed;
		table->ht = cds_lfht_new_flavor(buckets, buckets, buckets, 0, &urcu_memb_flavor,
						NULL);
	}
	if (!table || !table->ht) {
		free(table);
		snprintf(err->text, sizeof(err->text), "urcu-lfht: no memory for %lu buckets",
			 buckets);
		return -ENOMEM;
	}
	*ret_table = table;
	return 0;
}

static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(err->text, sizeof(err->text), "urcu-lfht: no memory for a worker");
		return -ENOMEM;
	}
	urcu_memb_register_thread();
	c->head.ops = &operations;
	c->table = table;
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

static void close_context(struct shmht_ctx *ctx)
{
	struct context *c = context_of(ctx);

	free_retired(c);
	urcu_memb_unregister_thread();
	free(c);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	unsigned long nodes;
	long before, after;

	urcu_memb_register_thread();
	urcu_memb_read_lock();
	cds_lfht_count_nodes(table->ht, &before, &nodes, &after);
	urcu_memb_read_unlock();
	urcu_memb_unregister_thread();
	*ret_count = nodes;
	return 0;
}

static void destroy(struct target_table *table)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	urcu_memb_register_thread();
	urcu_memb_read_lock();
	cds_lfht_first(table->ht, &iter);
	while ((link = cds_lfht_iter_get_node(&iter))) {
		cds_lfht_next(table->ht, &iter);
		cds_lfht_del(table->ht, link);
		/* No other thread is left that could be reading it. */
		free(caa_container_of(link, struct node, link));
	}
	urcu_memb_read_unlock();
	cds_lfht_destroy(table->ht, NULL);
	urcu_memb_unregister_thread();
	free(table);
}

#endif

const struct target target_urcu_lfht = {
	.name = "urcu-lfht",
	.summary = "liburcu's lock-free hash table, cds_lfht; threads",
	.one_process = true,
#ifdef HAVE_URCU_LFHT
	.create = create,
	.open = open_context,
	.close = close_context,
	.count = count,
	.destroy = destroy,
#else
	.missing = WHY_NO_URCU_LFHT,
#endif
};
