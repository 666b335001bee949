/* SPDX-License-Identifier: MIT */
/* Checking what the workers of a trial recorded, key by key, once they are gone. */
#ifndef SHMBENCH_LIN_CHECK_H
#define SHMBENCH_LIN_CHECK_H

#include "run/trial.h"
#include "verify/lin.h"

/* The table after the run: whether the key is there, and its value's nonce.
 * False: cannot be told. */
typedef bool (*lin_final_fn)(void *arg, uint64_t key, bool *ret_present, uint64_t *ret_nonce);

/*
 * Adds to trial->lin, trial->errors and trial->history, and fails the trial when
 * some key's history is not linearizable. final may be NULL. Takes the time of
 * some 0.1 to 1 us per operation; ends early when *stop becomes non-zero.
 */
void lin_check(const struct lin *lin, const struct params *params, uint32_t trial_number,
	       lin_final_fn final, void *arg, double ns_per_tick, const volatile int *stop,
	       struct trial *trial);

/* What a worker loads before the run: ids from *ret_from to below *ret_to. */
void lin_preload_share(const struct params *params, uint32_t worker, uint64_t *ret_from,
		       uint64_t *ret_to);
/* Of a worker's first value; each next one is greater by 1. Distinct within a trial. */
static inline uint64_t lin_first_nonce(uint32_t trial_number, uint32_t worker)
{
	return (uint64_t)worker << 44 ^ (uint64_t)trial_number << 32;
}

#endif
