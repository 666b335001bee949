/* SPDX-License-Identifier: MIT */
/* A semaphore that is taken over from dead owners, not from one who died between his token
 * and his name: the sweep must find it out. */
#define EXPECT_CAUGHT
#define SWEPT "sem"
#include "test_sweep.c"
