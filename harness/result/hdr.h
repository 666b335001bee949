/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram V2 compressed encoding, base64: 3 significant digits, lowest 1,
 * highest 2^36, so that every reader of that format reads ours. Each of our
 * buckets is entered at its midpoint.
 */
#ifndef SHMBENCH_HDR_H
#define SHMBENCH_HDR_H

#include "stats/hist.h"

/* malloc'ed string, or NULL (no memory). */
char *hdr_encode(const struct hist *hist);
/* Reads one back, ours or another writer's with the same unit; each count is
 * entered at its HDR bucket's midpoint. 0, -EINVAL (not such a string), -ENOMEM. */
int hdr_decode(const char *text, struct hist *ret_hist);

#endif
