/* SPDX-License-Identifier: MIT */
/* A clh lock whose link is written when the place is taken already: who dies in between
 * must be seen to hide those before him. */
#define EXPECT_CUT_OFF
#define STOPPED "clh"
#include "test_stopped.c"
