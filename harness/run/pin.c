/* SPDX-License-Identifier: MIT */
/*
 * Placement. spread: one worker per core first, then the cores' other threads;
 * compact: the CPUs as numbered; cores: one per core, never a sibling.
 */
#include "run/pin.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/host.h"

#define MPOL_DEFAULT_MODE 0
#define MPOL_BIND_MODE 2
#define MPOL_INTERLEAVE_MODE 3

/* Cores' first threads, then the rest. */
static unsigned int spread_order(uint16_t *order)
{
	uint16_t all[PARAMS_CPUS_MAX];
	unsigned int nr_all = host_cpus_allowed(all, PARAMS_CPUS_MAX);
	unsigned int nr = host_cpus_one_per_core(order, PARAMS_CPUS_MAX), nr_cores = nr;

	for (unsigned int i = 0; i < nr_all && nr < PARAMS_CPUS_MAX; i++) {
		unsigned int k = 0;

		while (k < nr_cores && order[k] != all[i])
			k++;
		if (k == nr_cores)
			order[nr++] = all[i];
	}
	return nr;
}

int pin_cpu(const struct params *params, uint32_t worker)
{
	uint16_t cpus[PARAMS_CPUS_MAX];
	unsigned int nr = 0;

	switch (params->pin) {
	case PIN_NONE:
		return -1;
	case PIN_CPUS:
		return params->pin_cpus[worker % params->nr_pin_cpus];
	case PIN_SPREAD:
		nr = spread_order(cpus);
		break;
	case PIN_CORES:
		nr = host_cpus_one_per_core(cpus, PARAMS_CPUS_MAX);
		break;
	case PIN_COMPACT:
		nr = host_cpus_allowed(cpus, PARAMS_CPUS_MAX);
		break;
	}
	return nr ? cpus[worker % nr] : -1;
}

unsigned int pin_cpus(const struct params *params)
{
	uint16_t cpus[PARAMS_CPUS_MAX];

	if (params->pin == PIN_CPUS)
		return params->nr_pin_cpus; /* the scenario reader refuses one twice */
	if (params->pin == PIN_CORES)
		return host_cpus_one_per_core(cpus, PARAMS_CPUS_MAX);
	return host_cpus_allowed(cpus, PARAMS_CPUS_MAX);
}

/* Bits of the nodes that are online: "0-1,3". Node 0 when it cannot be read. */
static unsigned long online_nodes(void)
{
	FILE *f = fopen("/sys/devices/system/node/online", "re");
	unsigned long mask = 0;
	unsigned int from, to;
	int c;

	if (!f)
		return 1;
	while (fscanf(f, "%u", &from) == 1) {
		to = from;
		c = fgetc(f);
		if (c == '-' && fscanf(f, "%u", &to) == 1)
			c = fgetc(f);
		for (unsigned int node = from; node <= to && node < 8 * sizeof(mask); node++)
			mask |= 1ul << node;
		if (c != ',')
			break;
	}
	fclose(f);
	return mask ? mask : 1;
}

int mem_policy(const struct params *params)
{
	unsigned long mask;
	int mode;

	switch (params->mem) {
	case MEM_INTERLEAVE:
		mode = MPOL_INTERLEAVE_MODE;
		mask = online_nodes();
		break;
	case MEM_BIND:
		mode = MPOL_BIND_MODE;
		mask = params->mem_node < 8 * sizeof(mask) ? 1ul << params->mem_node : 0;
		break;
	default:
		mode = MPOL_DEFAULT_MODE;
		mask = 0;
		break;
	}
	/* The kernel reads one bit less than it is told. */
	return syscall(SYS_set_mempolicy, mode, mask ? &mask : NULL,
		       mask ? 8 * sizeof(mask) + 1 : 0) ?
		       -errno :
		       0;
}
