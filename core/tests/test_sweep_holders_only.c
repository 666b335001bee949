/* SPDX-License-Identifier: MIT */
/* A ticket lock that takes over from dead holders, not from dead waiters: the sweep must
 * find it out. */
#define EXPECT_CAUGHT
#define SWEPT "ticket"
#include "test_sweep.c"
