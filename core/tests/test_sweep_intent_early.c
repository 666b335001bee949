/* SPDX-License-Identifier: MIT */
/* A change that clears its intent before its bookkeeping is done: the sweep must find it out. */
#define EXPECT_CAUGHT
#include "test_sweep.c"
