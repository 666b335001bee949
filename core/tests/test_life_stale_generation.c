/* SPDX-License-Identifier: MIT */
/* Slots without generations: a dead holder's slot that is used again must be found out. */
#define EXPECT_CAUGHT
#include "test_life.c"
