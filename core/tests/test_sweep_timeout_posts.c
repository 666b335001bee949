/* SPDX-License-Identifier: MIT */
/* A semaphore whose token is the lock, and where who waited in vain posts one: the sweep
 * must find out that a living holder is robbed. */
#define EXPECT_CAUGHT
#define SWEPT "sem"
#include "test_sweep.c"
