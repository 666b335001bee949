/* SPDX-License-Identifier: MIT */
/* Which hash a table has, and that a process which attaches has the same: hash_choice.c. */
#ifndef SHMHT_HASH_CHOICE_H
#define SHMHT_HASH_CHOICE_H

#include "context.h"

/* At creation: into the map. -EINVAL: two hashes, or a chain_max out of range. */
int hash_choose(struct shmht *map, const struct shmht_config *cfg, struct shmht_error *err);
/* ... and into the header, once the geometry is known. */
void hash_note(const struct shmht *map, struct shm_header *header);
/*
 * At attach: into the map, from a private copy of the header. -ENOKEY: the table's
 * hash has a key and none was given; -EKEYREJECTED: it is another; -EMEDIUMTYPE:
 * another function, or a key that is not asked for; -EPROTO: no such header.
 */
int hash_agree(struct shmht *map, const struct shm_header *header,
	       const struct shmht_attach_options *opt, struct shmht_error *err);
/* Before the map's memory is given back. */
void hash_forget(struct shmht *map);

#endif
