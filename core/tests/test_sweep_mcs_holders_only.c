/* SPDX-License-Identifier: MIT */
/* An mcs lock that is taken from dead holders, where nobody moves up over a dead waiter: the
 * sweep must find it out. */
#define EXPECT_CAUGHT
#define SWEPT "mcs"
#include "test_sweep.c"
