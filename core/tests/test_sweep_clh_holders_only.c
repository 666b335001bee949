/* SPDX-License-Identifier: MIT */
/* A clh lock that is taken from dead holders, where nobody moves up over a dead waiter: the
 * sweep must find it out. */
#define EXPECT_CAUGHT
#define SWEPT "clh"
#include "test_sweep.c"
