/* SPDX-License-Identifier: MIT */
/* Which CPU each worker is pinned to, and where the region's memory lies. */
#ifndef SHMBENCH_PIN_H
#define SHMBENCH_PIN_H

#include "scenario/params.h"

/* The CPU of worker w: -1 when not pinned. More workers than CPUs wrap around. */
int pin_cpu(const struct params *params, uint32_t worker);
/* Distinct CPUs that the point's workers may run on. */
unsigned int pin_cpus(const struct params *params);
/* Sets this process's memory policy for what it reserves next; MEM_LOCAL puts
 * it back. 0 or a negative errno. */
int mem_policy(const struct params *params);

#endif
