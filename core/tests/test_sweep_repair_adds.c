/* SPDX-License-Identifier: MIT */
/* A repair that adds to the count where it should set it: the sweep must find it out. */
#define EXPECT_CAUGHT
#include "test_sweep.c"
