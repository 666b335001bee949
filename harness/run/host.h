/* SPDX-License-Identifier: MIT */
/*
 * What this machine and this build are. fingerprint: CPU model, CPUs allowed,
 * kernel major.minor, virtualisation, layout hash; never MHz, host name or
 * memory, so that one class of machine stays one class.
 */
#ifndef SHMBENCH_HOST_H
#define SHMBENCH_HOST_H

#include <jansson.h>
#include <stdint.h>

json_t *host_describe(void); /* the host object of a result */
json_t *tool_describe(void); /* the tool object */
/* CPUs that this process may use, ascending. Returns how many; at most max. */
unsigned int host_cpus_allowed(uint16_t *cpus, unsigned int max);
/* One CPU per physical core, out of those allowed. */
unsigned int host_cpus_one_per_core(uint16_t *cpus, unsigned int max);

#endif
