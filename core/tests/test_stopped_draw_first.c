/* SPDX-License-Identifier: MIT */
/* A ticket that is drawn before its note is written: somebody alive must be seen to be
 * passed over. */
#define EXPECT_PASSED_OVER
#define STOPPED "ticket"
#include "test_stopped.c"
