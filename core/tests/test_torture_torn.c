/* SPDX-License-Identifier: MIT */
/* The torture over a core without its validation: it has to be caught. */
#define EXPECT_CAUGHT SHMHT_READ_SEQLOCK
#include "test_torture.c"
