/* SPDX-License-Identifier: MIT */
/* Memory behind the region: reserving it, mapping it, and what pages it got. */
#ifndef SHMHT_PAGES_H
#define SHMHT_PAGES_H

#include "context.h"

/* Makes map->fd, reserves geo.total_bytes, maps them; fills pages_*. -ENOMEM
 * when the memory is not there. Falls back 2m -> thp -> 4k and says why. */
int pages_create(struct shmht *map, struct shmht_error *err);
/* Maps map->fd (already checked) and sees what pages it has. */
int pages_map(struct shmht *map, struct shmht_error *err);

#endif
