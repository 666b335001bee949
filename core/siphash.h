/* SPDX-License-Identifier: MIT */
/* SipHash-2-4 with its 128-bit key, for tables whose keys come from outside. */
#ifndef SHMHT_SIPHASH_H
#define SHMHT_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* From 16 bytes to two little-endian words, the first eight bytes first. */
void siphash_key(uint64_t key[2], const void *bytes);
uint64_t siphash24(const void *data, size_t len, const uint64_t key[2]);
/*
 * As a table's hash, a shmht_hash_fn: where others have a seed, this one has the
 * address of its key, in this process's memory. It is as long as the map is.
 */
uint64_t siphash_keyed(const void *data, size_t len, uint64_t key);

#endif
