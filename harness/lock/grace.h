/* SPDX-License-Identifier: MIT */
/*
 * liburcu for read = urcu: what core/grace.c is handed. The core knows one mode;
 * a scenario has a value for each of two flavours.
 */
#ifndef SHMBENCH_GRACE_H
#define SHMBENCH_GRACE_H

#include "shmht.h"

/* `read = urcu-qsbr`, beside enum shmht_read: the core's urcu with the other flavour. */
#define READ_URCU_QSBR ((enum shmht_read)4)
_Static_assert(SHMHT_READ_URCU == 3, "the next one is free");

/* What the core calls a scenario's value. */
static inline enum shmht_read read_mode(enum shmht_read read)
{
	return read == READ_URCU_QSBR ? SHMHT_READ_URCU : read;
}

/* Of one process, so that its workers are threads. */
static inline bool read_is_urcu(enum shmht_read read)
{
	return read >= SHMHT_READ_URCU;
}

/* Searches look in place, between read_begin and read_end. */
static inline bool read_in_sections(enum shmht_read read)
{
	return read >= SHMHT_READ_RCU;
}

/* NULL: it has none, or this build has no liburcu. */
const struct shmht_grace *grace_of(enum shmht_read read);

/* NULL, or why this build cannot read so: a sentence that says what to install. */
const char *grace_missing(enum shmht_read read);

#endif
