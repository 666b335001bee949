/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 with its 128-bit key, for shmht_siphash() and its test. */
#ifndef SHMHT_SIPHASH_H
#define SHMHT_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* key: its 16 bytes as two little-endian words, the first eight bytes first. */
uint64_t siphash24(const void *data, size_t len, const uint64_t key[2]);

#endif
