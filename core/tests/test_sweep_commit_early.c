/* SPDX-License-Identifier: MIT */
/* An insert that commits before its cell is written: the sweep must find it out. */
#define EXPECT_CAUGHT
#include "test_sweep.c"
