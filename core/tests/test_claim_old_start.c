/* SPDX-License-Identifier: MIT */
/* Claims that leave the predecessor's start time: a slot that two have must be seen. */
#define EXPECT_SHARED
#include "test_claim.c"
