/* SPDX-License-Identifier: MIT */
/* The torture over a core without its validation, by search_many() alone: it has
 * to be caught there too. */
#define EXPECT_CAUGHT SHMHT_READ_SEQLOCK
#define MANY_ONLY 1
#include "test_torture.c"
