/* SPDX-License-Identifier: MIT */
/* An mcs lock where who is behind looks first and only then says whom to tell: one who is
 * told nothing must be seen to wait for ever. */
#define EXPECT_FORGOTTEN
#define STOPPED "mcs"
#include "test_stopped.c"
