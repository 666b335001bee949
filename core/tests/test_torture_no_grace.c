/* SPDX-License-Identifier: MIT */
/* The torture over a core without its grace period: it has to be caught. */
#define EXPECT_CAUGHT SHMHT_READ_RCU
#include "test_torture.c"
