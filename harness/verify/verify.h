/* SPDX-License-Identifier: MIT */
/*
 * What must hold once a trial's workers are gone: the table's count is what
 * they added less what they removed, and the structural check finds nothing.
 */
#ifndef SHMBENCH_VERIFY_H
#define SHMBENCH_VERIFY_H

#include "run/trial.h"
#include "shmht.h"
#include "verify/lin.h"

/* Adds to trial->errors, and fails the trial when something does not hold. */
void verify_table(struct shmht *map, int64_t expected_count, struct trial *trial);

/* Whether what was recorded is linearizable, the table as it is now included. */
void verify_linearizable(struct shmht *map, const struct lin *lin, const struct params *params,
			 uint32_t trial_number, const volatile int *stop, struct trial *trial);

#endif
