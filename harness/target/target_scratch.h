/* SPDX-License-Identifier: MIT */
/*
 * A target's files: a folder of its own in /dev/shm, so that no disk is in what
 * is measured. Its name goes when the trial ends, however it ends; only SIGKILL
 * leaves it, and then the next target that is created takes it away.
 */
#ifndef SHMBENCH_TARGET_SCRATCH_H
#define SHMBENCH_TARGET_SCRATCH_H

#include <stdint.h>

#include "scenario/params.h"
#include "shmht.h"

struct scratch {
	char path[48];
	int fd; /* of the folder; its flock says that the run is alive */
};

/*
 * Makes the folder, after removing those that no process holds any more. bytes:
 * what the store may come to need; without so much room in /dev/shm it is
 * -ENOSPC here, not SIGBUS while measuring. 0 or a negative errno, with err said.
 */
int scratch_make(uint64_t bytes, struct scratch *ret_scratch, struct shmht_error *err);
/* The folder with its files. */
void scratch_remove(struct scratch *scratch);

/* For a store that keeps each entry in at most `times` the bytes of key and value. */
uint64_t scratch_estimate(const struct params *params, unsigned int times);

#endif
