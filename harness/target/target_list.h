/* SPDX-License-Identifier: MIT */
/* Each target's file defines one of these; targets.c lists them. */
#ifndef SHMBENCH_TARGET_LIST_H
#define SHMBENCH_TARGET_LIST_H

#include "target/target.h"

extern const struct target target_limit;
extern const struct target target_urcu_lfht;
extern const struct target target_ck;
extern const struct target target_tdb;
extern const struct target target_lmdb;
extern const struct target target_redis;

#endif
