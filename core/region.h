/* SPDX-License-Identifier: MIT */
/*
 * What creating a region (region.c) and taking one over (region_attach.c) share.
 * All are for one thread; errors are negative errno with the text in err.
 */
#ifndef SHMHT_REGION_H
#define SHMHT_REGION_H

#include <fcntl.h>

#include "context.h"
#include "layout.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* The inode of this process's pid namespace: pids in the region mean nothing outside. */
uint64_t pid_namespace(void);

/* The words of the header that reopening changes. */
void header_set_strategy(struct shm_header *header, const struct shmht_strategy *strategy,
			 enum shmht_read read, enum shmht_wait wait, enum shmht_robust robust);
void header_get_strategy(struct shm_header *header, char name[SHMHT_NAME_MAX]);

/* Every stripe's lock and every slot's own line, as new. Nobody may be in the table. */
int init_locks(const struct shmht *map, const struct shmht_strategy *strategy,
	       struct shmht_error *err);

/* -ENOSYS: not in this build, built for another ABI or layout, or no such read mode. */
int find_strategy(const char *name, enum shmht_read read,
		  const struct shmht_strategy **ret_strategy, struct shmht_error *err);

/* -EINVAL: not one of those that the strategy allows. */
int check_wait(const struct shmht_strategy *strategy, uint64_t wait, struct shmht_error *err);
int check_robust(uint64_t robust, struct shmht_error *err);

#endif
