/* SPDX-License-Identifier: MIT */
/*
 * The region: a memfd that is created, reserved, sealed and given up, and what
 * its header says of the lock. Others' regions: region_attach.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context.h"
#include "hash_choice.h"
#include "pages.h"
#include "region.h"
#include "table.h"

uint64_t pid_namespace(void)
{
	struct stat st_ns;

	return stat("/proc/self/ns/pid", &st_ns) == 0 ? (uint64_t)st_ns.st_ino : 0;
}

void header_set_strategy(struct shm_header *header, const struct shmht_strategy *strategy,
			 enum shmht_read read, enum shmht_wait wait, enum shmht_robust robust)
{
	char name[SHMHT_NAME_MAX] = "";
	uint64_t words[SHMHT_NAME_MAX / 8];

	snprintf(name, sizeof(name), "%s", strategy->name);
	memcpy(words, name, sizeof(name));
	for (size_t i = 0; i < SHMHT_NAME_MAX / 8; i++)
		st(&header->strategy[i], words[i]);
	st(&header->lock_hash, strategy->lock_hash);
	st(&header->read_mode, (uint64_t)read);
	st(&header->wait, (uint64_t)wait);
	st(&header->robust, (uint64_t)robust);
	st(&header->rcu_fence, read == SHMHT_READ_RCU && !rcu_membarrier_usable());
}

void header_get_strategy(struct shm_header *header, char name[SHMHT_NAME_MAX])
{
	uint64_t words[SHMHT_NAME_MAX / 8];

	for (size_t i = 0; i < SHMHT_NAME_MAX / 8; i++)
		words[i] = ld(&header->strategy[i]);
	memcpy(name, words, SHMHT_NAME_MAX);
	name[SHMHT_NAME_MAX - 1] = 0;
}

int init_locks(const struct shmht *map, const struct shmht_strategy *strategy,
	       struct shmht_error *err)
{
	for (uint32_t i = 0; i < map->geo.max_workers; i++)
		memset(slots_of(map)[i].lock_local, 0, LINE_BYTES);
	for (uint64_t k = 0; k <= map->geo.stripes; k++) {
		void *slot = stripes_of(map)[k].lock;
		int r;

		memset(slot, 0, LOCK_SLOT_BYTES);
		r = strategy->lock_init(slot);
		if (r) {
			error_set(err, "strategy %s cannot make a lock: %s", strategy->name,
				  strerror(-r));
			return r;
		}
	}
	return 0;
}

int find_strategy(const char *name, enum shmht_read read,
		  const struct shmht_strategy **ret_strategy, struct shmht_error *err)
{
	const struct shmht_strategy *strategy = name ? shmht_strategy_find(name) : NULL;

	if (!strategy) {
		error_set(err,
			  "strategy '%.31s' is not in this build%s; see `shmbench list strategies`",
			  name ? name : "(none given)",
			  name && strchr(name, '@') ? ", nor was its shared object loaded" : "");
		return -ENOSYS;
	}
	if (strategy->abi_version != SHMHT_STRATEGY_ABI || strategy->size != sizeof(*strategy) ||
	    strategy->layout_hash != LAYOUT_HASH) {
		error_set(
			err,
			"strategy %s was built for ABI %u, layout %016llx; this is ABI %u, layout "
			"%016llx: rebuild it",
			name, strategy->abi_version, (unsigned long long)strategy->layout_hash,
			SHMHT_STRATEGY_ABI, (unsigned long long)LAYOUT_HASH);
		return -ENOSYS;
	}
	if (!shmht_read_name(read)) {
		error_set(err, "read mode %d; allowed: 0 (locked), 1 (seqlock), 2 (rcu), 3 (urcu)",
			  (int)read);
		return -ENOSYS;
	}
	*ret_strategy = strategy;
	return 0;
}

int check_wait(const struct shmht_strategy *strategy, uint64_t wait, struct shmht_error *err)
{
	char allowed[64] = "own";
	size_t len = strlen(allowed);

	if (wait == SHMHT_WAIT_OWN || (wait < SHMHT_WAIT_NR && strategy->waits >> wait & 1))
		return 0;
	for (unsigned int w = SHMHT_WAIT_SPIN; w < SHMHT_WAIT_NR; w++)
		if (strategy->waits >> w & 1)
			len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, ", %s",
						shmht_wait_name((enum shmht_wait)w));
	error_set(err, "wait is %llu (%s); strategy %s allows: %s", (unsigned long long)wait,
		  wait < SHMHT_WAIT_NR ? shmht_wait_name((enum shmht_wait)wait) : "unknown",
		  strategy->name, allowed);
	return -EINVAL;
}

int check_robust(uint64_t robust, struct shmht_error *err)
{
	if (robust <= SHMHT_ROBUST_OFF)
		return 0;
	error_set(err, "robust is %llu; allowed: 0 (on), 1 (off)", (unsigned long long)robust);
	return -EINVAL;
}

static void init_header(struct shmht *map, const struct shmht_config *cfg)
{
	const struct geometry *geo = &map->geo;
	struct shm_header *header = header_of(map);
	struct shm_stripe *pool = stripes_of(map) + geo->stripes;

	header->version = LAYOUT_VERSION;
	header->header_bytes = HEADER_BYTES;
	header->layout_hash = LAYOUT_HASH;
	header->total_bytes = geo->total_bytes;
	header->capacity = geo->capacity;
	header->key_size = geo->key_size;
	header->value_size = geo->value_size;
	header->stripes = geo->stripes;
	header->max_workers = geo->max_workers;
	header->pages = geo->pages;
	hash_note(map, header);
	header->pid_namespace = pid_namespace();
	header->nr_buckets = geo->nr_buckets;
	header->nr_cells = geo->nr_cells;
	header->slots_off = geo->slots_off;
	header->stripes_off = geo->stripes_off;
	header->buckets_off = geo->buckets_off;
	header->cells_off = geo->cells_off;
	st(&header->rcu_epoch, 1); /* 0 says: in no section */
	header_set_strategy(header, map->strategy, cfg->read, cfg->wait, cfg->robust);
	for (uint32_t k = 0; k < geo->stripes; k++)
		st(&stripes_of(map)[k].active, active_first(geo->bucket_bits));
	/* Cells are handed out from here; linking them all now would make
	 * creation cost what the capacity is. */
	st(&pool->spare_mag, 1);
	header->magic = LAYOUT_MAGIC;
	st_release(&header->state, REGION_READY);
}

int shmht_create(const struct shmht_config *cfg, struct shmht **ret_map, struct shmht_error *err)
{
	struct shmht *map = calloc(1, sizeof(*map));
	int r;

	if (!map)
		return -ENOMEM;
	map->fd = -1;
	map->read = cfg->read;
	map->grace = cfg->grace;
	r = grace_check(cfg->read, cfg->grace, err);
	if (r)
		goto out_free;
	r = hash_choose(map, cfg, err);
	if (r)
		goto out_free;
	r = geometry_compute(cfg, &map->geo, err);
	if (r)
		goto out_free;
	r = find_strategy(cfg->strategy, cfg->read, &map->strategy, err);
	if (r)
		goto out_free;
	map->wait = cfg->wait;
	r = check_wait(map->strategy, cfg->wait, err);
	if (r)
		goto out_free;
	map->robust = cfg->robust;
	r = check_robust(cfg->robust, err);
	if (r)
		goto out_free;
	r = pages_create(map, err);
	if (r)
		goto out_free;
	init_header(map, cfg);
	r = init_locks(map, map->strategy, err);
	if (r)
		goto out_unmap;
	if (fcntl(map->fd, F_ADD_SEALS, SEALS)) {
		r = -errno;
		error_set(err, "the memfd cannot be sealed: %s", strerror(-r));
		goto out_unmap;
	}
	*ret_map = map;
	return 0;

out_unmap:
	munmap(map->base, map->geo.total_bytes);
	close(map->fd);
out_free:
	hash_forget(map);
	free(map);
	return r;
}

void shmht_detach(struct shmht *map)
{
	if (!map)
		return;
	if (map->strategy->map_leave)
		map->strategy->map_leave(map);
	munmap(map->base, map->geo.total_bytes);
	close(map->fd);
	hash_forget(map);
	free(map);
}

void shmht_destroy(struct shmht *map)
{
	if (!map)
		return;
	if (!map->observer)
		atomic_store(&header_of(map)->state, REGION_DESTROYED);
	shmht_detach(map);
}

int shmht_fd(const struct shmht *map)
{
	return map->fd;
}

void shmht_info(const struct shmht *map, struct shmht_info *ret_info)
{
	*ret_info = (struct shmht_info){
		.capacity = map->geo.capacity,
		.region_bytes = map->geo.total_bytes,
		.cells = map->geo.nr_cells,
		.buckets = map->geo.nr_buckets,
		.key_size = map->geo.key_size,
		.value_size = map->geo.value_size,
		.stripes = map->geo.stripes,
		.max_workers = map->geo.max_workers,
		.cell_bytes = map->geo.cell_bytes,
		.batch = map->geo.batch,
		.layout_hash = LAYOUT_HASH,
		.strategy = map->strategy->name,
		.read = map->read,
		.wait = map->wait,
		.robust = map->robust,
		.pages_wanted = map->geo.pages,
		.pages_had = map->pages_had,
		.pages_reason = map->pages_reason,
		.huge_bytes = map->huge_bytes,
		.limbo = map->geo.limbo,
		.chain_max = map->chain_max,
		.hash_keyed = map->hash_keyed,
	};
}
