/* SPDX-License-Identifier: MIT */
/* The torture over changes whose first look is not validated: updates of keys that are
 * always there then miss them, which has to be caught. */
#define EXPECT_CAUGHT SHMHT_READ_SEQLOCK
#define EXPECT_FIGURE wrong_results
#include "test_torture.c"
