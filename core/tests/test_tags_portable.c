/* SPDX-License-Identifier: MIT */
/* The same for the form that needs no vector instructions. */
#undef __SSE2__
#include "test_tags.c"
