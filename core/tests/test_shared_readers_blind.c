/* SPDX-License-Identifier: MIT */
/* Over writers that do not look whether somebody reads: must be found out. */
#define EXPECT_BLIND
#include "test_shared_readers.c"
