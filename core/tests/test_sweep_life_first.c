/* SPDX-License-Identifier: MIT */
/* A life word that is set before the robust list knows of it: the sweep must find it out. */
#define EXPECT_CAUGHT
#include "test_sweep.c"
