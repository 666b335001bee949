/* SPDX-License-Identifier: MIT */
/*
 * target:ck: Concurrency Kit's ck_ht, open addressing by cache lines, made for
 * one writer and any number of readers that take no lock.
 *
 * As fast as a careful user with several writers would have it: SHARDS tables,
 * each with a mutex for its writers, large enough from the start never to grow;
 * key and value in one node; our hash, given to it. What was removed is freed by
 * ck_epoch. Its section costs an atomic exchange, so a worker stays in one for
 * SECTION operations: that is the library's price spread as thin as it goes, and
 * a worker that stands still keeps memory from being freed meanwhile.
 */
#include "target/target_list.h"

#include "targets.h"

#ifdef HAVE_CK

#include <ck_epoch.h>
#include <ck_ht.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SHARDS 64u	  /* as many as the stripes that ours is compared with */
#define SECTION 64u	  /* operations */
#define RETIRED_MAX 1024u /* nodes, before freeing is tried */

struct shard {
	ck_ht_t ht;
	pthread_mutex_t writer;
} __attribute__((aligned(64)));

struct target_table {
	struct shard shards[SHARDS];
	ck_epoch_t epoch;
	uint64_t seed;
	pthread_mutex_t lock; /* of contexts */
	struct context *contexts;
};

struct node {
	ck_epoch_entry_t retired;
	uint32_t key_len, value_len;
	unsigned char bytes[]; /* key, padded to 8, then value */
};

struct context {
	struct shmht_ctx_head head;
	ck_epoch_record_t record; /* in the epoch's list: freed with the table only */
	struct target_table *table;
	struct context *next;
	uint32_t nr_in_section;
};

static struct context *context_of(struct shmht_ctx *ctx)
{
	return (struct context *)ctx;
}

static unsigned char *value_of(struct node *node)
{
	return node->bytes + ((node->key_len + 7u) & ~7u);
}

static ck_ht_hash_t hash_of(const struct context *c, const void *key, size_t len)
{
	return (ck_ht_hash_t){ XXH3_64bits_withSeed(key, len, c->table->seed) };
}

/* By other bits than those that choose the line within. */
static struct shard *shard_of(const struct context *c, ck_ht_hash_t h)
{
	return &c->table->shards[h.value >> 58 & (SHARDS - 1)];
}

static struct node *make_node(const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct node *node = malloc(sizeof(*node) + ((key_len + 7) & ~(size_t)7) + value_len);

	if (!node)
		return NULL;
	node->key_len = (uint32_t)key_len;
	node->value_len = (uint32_t)value_len;
	memcpy(node->bytes, key, key_len);
	memcpy(value_of(node), value, value_len);
	return node;
}

static void free_node(ck_epoch_entry_t *entry)
{
	free((char *)entry - offsetof(struct node, retired));
}

static void retire(struct context *c, struct node *node)
{
	ck_epoch_call(&c->record, &node->retired, free_node);
}

/* Between operations: no pointer into the table is held here. */
static inline void count_operation(struct context *c)
{
	if (__builtin_expect(++c->nr_in_section < SECTION, 1))
		return;
	c->nr_in_section = 0;
	ck_epoch_end(&c->record, NULL);
	if (c->record.n_pending >= RETIRED_MAX)
		ck_epoch_poll(&c->record);
	ck_epoch_begin(&c->record, NULL);
}

static int insert(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	struct node *node = make_node(key, key_len, value, value_len);
	ck_ht_hash_t h = hash_of(c, key, key_len);
	struct shard *shard = shard_of(c, h);
	ck_ht_entry_t entry;
	int r = 0;

	if (!node)
		return -ENOMEM;
	ck_ht_entry_key_set(&entry, key, (uint16_t)key_len);
	pthread_mutex_lock(&shard->writer);
	/* put alone adds a present key again when a removed one's slot lies before it. */
	if (ck_ht_get_spmc(&shard->ht, h, &entry)) {
		r = -EEXIST;
	} else {
		ck_ht_entry_set(&entry, h, node->bytes, (uint16_t)key_len, node);
		if (!ck_ht_put_spmc(&shard->ht, h, &entry))
			r = -ENOMEM; /* it would have to grow and cannot */
	}
	pthread_mutex_unlock(&shard->writer);
	if (r)
		free(node); /* nobody saw it */
	count_operation(c);
	return r;
}

/* The node is replaced as a whole: readers see the old or the new one. */
static int update(struct shmht_ctx *ctx, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	struct context *c = context_of(ctx);
	struct node *node = make_node(key, key_len, value, value_len);
	ck_ht_hash_t h = hash_of(c, key, key_len);
	struct shard *shard = shard_of(c, h);
	ck_ht_entry_t entry;
	int r = 0;

	if (!node)
		return -ENOMEM;
	ck_ht_entry_key_set(&entry, key, (uint16_t)key_len);
	pthread_mutex_lock(&shard->writer);
	if (!ck_ht_get_spmc(&shard->ht, h, &entry)) {
		r = -ENOENT;
	} else {
		ck_ht_entry_set(&entry, h, node->bytes, (uint16_t)key_len, node);
		/* It fails only where it would have to grow and cannot. */
		if (!ck_ht_set_spmc(&shard->ht, h, &entry))
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&shard->writer);
	if (r)
		free(node);
	else
		retire(c, ck_ht_entry_value(&entry));
	count_operation(c);
	return r;
}

static int search(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		  size_t *ret_len)
{
	struct context *c = context_of(ctx);
	ck_ht_hash_t h = hash_of(c, key, key_len);
	ck_ht_entry_t entry;
	int r = -ENOENT;

	ck_ht_entry_key_set(&entry, key, (uint16_t)key_len);
	if (ck_ht_get_spmc(&shard_of(c, h)->ht, h, &entry)) {
		struct node *node = ck_ht_entry_value(&entry);

		*ret_len = node->value_len;
		r = node->value_len <= size ? 0 : -ERANGE;
		if (!r)
			memcpy(value, value_of(node), node->value_len);
	}
	count_operation(c);
	return r;
}

static int erase(struct shmht_ctx *ctx, const void *key, size_t key_len)
{
	struct context *c = context_of(ctx);
	ck_ht_hash_t h = hash_of(c, key, key_len);
	struct shard *shard = shard_of(c, h);
	ck_ht_entry_t entry;
	bool there;

	ck_ht_entry_key_set(&entry, key, (uint16_t)key_len);
	pthread_mutex_lock(&shard->writer);
	there = ck_ht_remove_spmc(&shard->ht, h, &entry);
	pthread_mutex_unlock(&shard->writer);
	if (there)
		retire(c, ck_ht_entry_value(&entry));
	count_operation(c);
	return there ? 0 : -ENOENT;
}

static const struct shmht_ops operations = {
	.insert = insert,
	.update = update,
	.search = search,
	.remove = erase,
};

/* ---- the library's memory ---------------------------------------------- */

static void *ht_alloc(size_t bytes)
{
	return malloc(bytes);
}

/*
 * defer: a table that was outgrown, in which readers may still be. Shards are
 * made too large to grow; should one all the same, what it leaves is kept to the
 * end of the trial, less than the table that replaced it.
 */
static void ht_free(void *memory, size_t bytes, bool defer)
{
	(void)bytes;
	if (!defer)
		free(memory);
}

static struct ck_malloc ht_memory = { .malloc = ht_alloc, .free = ht_free };

static int create(const struct params *params, struct target_table **ret_table,
		  struct shmht_error *err)
{
	/* It grows above one half; the fullest shard stays below: 8 sigma and more. */
	uint64_t slots = params->capacity / SHARDS * 3 + 256;
	struct target_table *table = aligned_alloc(64, sizeof(*table));
	uint32_t made = 0;

	if (table) {
		memset(table, 0, sizeof(*table));
		table->seed = params->seed;
		ck_epoch_init(&table->epoch);
		pthread_mutex_init(&table->lock, NULL);
		for (; made < SHARDS; made++) {
			struct shard *shard = &table->shards[made];

			pthread_mutex_init(&shard->writer, NULL);
			if (!ck_ht_init(&shard->ht, CK_HT_MODE_BYTESTRING | CK_HT_WORKLOAD_DELETE,
					NULL, &ht_memory, slots, params->seed))
				break;
		}
	}
	if (made == SHARDS && params->key_size <= CK_HT_KEY_LENGTH) {
		*ret_table = table;
		return 0;
	}
	while (made)
		ck_ht_destroy(&table->shards[--made].ht);
	free(table);
	snprintf(err->text, sizeof(err->text), "ck: no memory for %u tables of %llu entries",
		 SHARDS, (unsigned long long)slots);
	return -ENOMEM;
}

static int open_context(struct target_table *table, struct shmht_ctx **ret_ctx,
			struct shmht_error *err)
{
	struct context *c = aligned_alloc(64, (sizeof(*c) + 63) / 64 * 64);

	if (!c) {
		snprintf(err->text, sizeof(err->text), "ck: no memory for a worker");
		return -ENOMEM;
	}
	memset(c, 0, sizeof(*c));
	ck_epoch_register(&table->epoch, &c->record, NULL);
	ck_epoch_begin(&c->record, NULL);
	c->head.ops = &operations;
	c->table = table;
	pthread_mutex_lock(&table->lock);
	c->next = table->contexts;
	table->contexts = c;
	pthread_mutex_unlock(&table->lock);
	*ret_ctx = (struct shmht_ctx *)c;
	return 0;
}

/* What it retired last is freed with the table, rather than waiting for others. */
static void close_context(struct shmht_ctx *ctx)
{
	ck_epoch_end(&context_of(ctx)->record, NULL);
}

static int count(struct target_table *table, uint64_t *ret_count)
{
	uint64_t entries = 0;

	for (uint32_t i = 0; i < SHARDS; i++)
		entries += ck_ht_count(&table->shards[i].ht);
	*ret_count = entries;
	return 0;
}

static void free_nodes(ck_ht_t *ht)
{
	ck_ht_iterator_t at = CK_HT_ITERATOR_INITIALIZER;
	ck_ht_entry_t *entry;

	while (ck_ht_next(ht, &at, &entry))
		free(ck_ht_entry_value(entry));
}

static void destroy(struct target_table *table)
{
	struct context *c;

	/* All sections have ended: it waits for nobody. But it looks at all records. */
	for (c = table->contexts; c; c = c->next)
		ck_epoch_barrier(&c->record);
	while ((c = table->contexts)) {
		table->contexts = c->next;
		free(c);
	}
	for (uint32_t i = 0; i < SHARDS; i++) {
		free_nodes(&table->shards[i].ht);
		ck_ht_destroy(&table->shards[i].ht);
	}
	free(table);
}

#endif

const struct target target_ck = {
	.name = "ck",
	.summary = "Concurrency Kit's hash table, ck_ht, freed by ck_epoch; threads",
	.one_process = true,
#ifdef HAVE_CK
	.create = create,
	.open = open_context,
	.close = close_context,
	.count = count,
	.destroy = destroy,
#else
	.missing = WHY_NO_CK,
#endif
};
