/* SPDX-License-Identifier: MIT */
#include "run/noise.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "run/host.h"
#include "shmht_clock.h"

#define NS_PER_S 1e9

bool noise_parse_cpu(const char *line, unsigned int *ret_cpu, uint64_t *ret_busy,
		     uint64_t *ret_steal)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;

	/* "cpu " is the sum of all; a conversion would skip the space. */
	if (strncmp(line, "cpu", 3) || !isdigit((unsigned char)line[3]))
		return false;
	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", ret_cpu, &user, &nice,
		   &system, &idle, &iowait, &irq, &softirq, &steal) != 9)
		return false;
	/* guest time is in user already. */
	*ret_busy = user + nice + system + irq + softirq;
	*ret_steal = steal;
	return true;
}

static double own_cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

void noise_mark(struct noise_mark *ret)
{
	static uint16_t cpus[NOISE_CPUS_MAX];
	static unsigned int nr;
	struct timespec now;
	char line[512];
	FILE *stat = fopen("/proc/stat", "re");

	if (!nr)
		nr = host_cpus_allowed(cpus, NOISE_CPUS_MAX);
	memset(ret, 0, sizeof(*ret));
	while (stat && fgets(line, sizeof(line), stat)) {
		uint64_t busy, steal;
		unsigned int cpu;

		if (!noise_parse_cpu(line, &cpu, &busy, &steal))
			continue;
		for (unsigned int i = 0; i < nr; i++) {
			if (cpus[i] != cpu)
				continue;
			ret->busy += busy;
			ret->steal += steal;
			ret->known = true;
		}
	}
	if (stat)
		fclose(stat);
	ret->own_s = own_cpu_s();
	clock_gettime(CLOCK_REALTIME, &now);
	ret->realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	ret->monotonic_ns = shmht_monotonic_ns();
}

void noise_judge(struct noise *noise, double tick_s)
{
	double least_s = NOISE_TICKS_MIN * tick_s;

	noise->disturbed = true;
	if (noise->steal > NOISE_STEAL_MAX && noise->steal_s >= least_s)
		snprintf(noise->why, sizeof(noise->why), "the hypervisor took %.0f %% of the CPUs",
			 noise->steal * 100);
	else if (noise->foreign > NOISE_FOREIGN_MAX && noise->foreign_s >= least_s)
		snprintf(noise->why, sizeof(noise->why), "other processes used %.0f %% of the CPUs",
			 noise->foreign * 100);
	else if (fabs(noise->clock_jump_s) > NOISE_JUMP_MAX_S)
		snprintf(noise->why, sizeof(noise->why), "the wall clock jumped by %.3g ms",
			 noise->clock_jump_s * 1e3);
	else
		noise->disturbed = false;
}

void noise_since(const struct noise_mark *mark, double workers_s, struct noise *ret)
{
	double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK), elapsed_s, cpu_s, own_s;
	uint16_t cpus[NOISE_CPUS_MAX];
	struct noise_mark now;

	noise_mark(&now);
	memset(ret, 0, sizeof(*ret));
	elapsed_s = (double)(now.monotonic_ns - mark->monotonic_ns) / NS_PER_S;
	cpu_s = elapsed_s * host_cpus_allowed(cpus, NOISE_CPUS_MAX);
	own_s = now.own_s - mark->own_s + workers_s;
	ret->clock_jump_s = ((double)(now.realtime_ns - mark->realtime_ns) / NS_PER_S) - elapsed_s;
	ret->known = mark->known && now.known && cpu_s > 0;
	ret->steal = ret->foreign = ret->steal_s = ret->foreign_s = NAN;
	if (ret->known) {
		ret->steal_s = (double)(now.steal - mark->steal) * tick_s;
		ret->foreign_s = fmax(0, (double)(now.busy - mark->busy) * tick_s - own_s);
		ret->steal = ret->steal_s / cpu_s;
		ret->foreign = ret->foreign_s / cpu_s;
	}
	noise_judge(ret, tick_s);
}
