/* SPDX-License-Identifier: MIT */
/*
 * This machine and this build, from /proc, /sys and CPUID. Any of these may be
 * missing or empty (a container, another architecture): what cannot be found
 * out is null, and nothing here fails but for want of memory.
 */
#include "run/host.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "result/result_internal.h"
#include "run/host_limits.h"
#include "shmht.h"
#include "shmht_clock.h"

#if defined(__has_include)
#if __has_include("build_info.h")
#include "build_info.h"
#endif
#endif
#ifndef SHMBENCH_VERSION
#define SHMBENCH_VERSION "unknown"
#endif
#ifndef SHMBENCH_COMMIT
#define SHMBENCH_COMMIT "unknown"
#endif
#ifndef SHMBENCH_COMPILER
#define SHMBENCH_COMPILER __VERSION__
#endif
#ifndef SHMBENCH_CFLAGS
#define SHMBENCH_CFLAGS "unknown"
#endif

/* The value of "key : value" in /proc/cpuinfo, at its first occurrence. */
static bool cpuinfo_value(const char *root, const char *key, char *buf, size_t size)
{
	char full[512], line[512];
	size_t len = strlen(key);
	bool got = false;
	FILE *file;

	snprintf(full, sizeof(full), "%s/proc/cpuinfo", root);
	file = fopen(full, "re");
	if (!file)
		return false;
	while (!got && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, key, len) != 0 || !colon || !strchr(" \t:", line[len]))
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		snprintf(buf, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		got = buf[0] != '\0';
	}
	fclose(file);
	return got;
}

static void cpu_model(const char *root, const char *machine, char *buf, size_t size)
{
	char implementer[32], part[32];

	if (cpuinfo_value(root, "model name", buf, size))
		return;
	/* Arm kernels give numbers instead of a name. */
	if (cpuinfo_value(root, "CPU implementer", implementer, sizeof(implementer)) &&
	    cpuinfo_value(root, "CPU part", part, sizeof(part)))
		snprintf(buf, size, "%s implementer %s part %s", machine, implementer, part);
	else
		snprintf(buf, size, "%s", machine);
}

/* CPUID leaf 0x40000000 names the hypervisor; its bit in leaf 1 says that there is one. */
static bool virt_of_cpuid(char *buf, size_t size)
{
#if defined(__x86_64__)
	static const struct {
		const char *signature, *name;
	} known[] = {
		{ "KVMKVMKVM", "kvm" },	      { "Linux KVM Hv", "kvm" },
		{ "Microsoft Hv", "hyperv" }, { "VMwareVMware", "vmware" },
		{ "XenVMMXenVMM", "xen" },    { "bhyve bhyve ", "bhyve" },
		{ "TCGTCGTCGTCG", "qemu" },   { "VBoxVBoxVBox", "virtualbox" },
	};
	unsigned int a, b, c, d;
	char signature[13] = "";

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return false;
	if (!(c & 1u << 31)) {
		snprintf(buf, size, "none");
		return true;
	}
	__cpuid(0x40000000u, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	snprintf(buf, size, "%s", signature[0] ? signature : "unnamed hypervisor");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(signature, known[i].signature) == 0)
			snprintf(buf, size, "%s", known[i].name);
	return true;
#else
	(void)buf;
	(void)size;
	return false;
#endif
}

static bool virtualisation(const char *root, char *buf, size_t size)
{
	return virt_of_cpuid(buf, size) ||
	       host_read_line(root, "/sys/hypervisor/type", buf, size) ||
	       host_read_line(root, "/proc/device-tree/hypervisor/compatible", buf, size) ||
	       host_read_line(root, "/sys/class/dmi/id/sys_vendor", buf, size);
}

/* {"spectre_v2": "Mitigation: ..."}: they are what a system call costs. */
static json_t *mitigations(const char *root)
{
	char path[512], text[256];
	struct dirent *entry;
	json_t *object;
	int rc = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/vulnerabilities", root);
	dir = opendir(path);
	if (!dir)
		return json_null();
	object = json_object();
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%s",
			 entry->d_name);
		if (host_read_line(root, path, text, sizeof(text)))
			rc |= json_object_set_new(object, entry->d_name, result_string(text));
	}
	closedir(dir);
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *fingerprint(const char *cpu, unsigned int cpus, const char *release,
			   const char *virt)
{
	int major = 0, minor = 0;
	char text[512];

	/* A release that begins otherwise leaves zeros: still one class of machine. */
	if (sscanf(release, "%d.%d", &major, &minor) != 2)
		major = minor = 0;
	snprintf(text, sizeof(text), "%s|%u|%d.%d|%s|%016llx", cpu, cpus, major, minor, virt,
		 (unsigned long long)shmht_layout_hash());
	return result_hex(XXH3_64bits(text, strlen(text)));
}

static double memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	return pages > 0 && page > 0 ? (double)pages * (double)page : -1;
}

json_t *host_describe_at(const char *root)
{
	unsigned int cpus = host_cpus_allowed(NULL, 0);
	char cpu[160], virt[64] = "";
	double bytes = memory_bytes();
	struct utsname name = { 0 };
	json_t *host = json_object();
	int rc = 0;

	if (uname(&name))
		snprintf(name.release, sizeof(name.release), "unknown");
	cpu_model(root, name.machine, cpu, sizeof(cpu));
	if (!virtualisation(root, virt, sizeof(virt)))
		virt[0] = '\0';
	rc |= json_object_set_new(host, "cpu", result_string(cpu));
	rc |= json_object_set_new(host, "cpus", json_integer(cpus));
	rc |= json_object_set_new(host, "cpus_online", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	rc |= json_object_set_new(host, "kernel", result_string(name.release));
	rc |= json_object_set_new(host, "mem_bytes",
				  bytes > 0 ? result_number(bytes) : json_null());
	rc |= json_object_set_new(host, "virt", result_string(virt[0] ? virt : NULL));
	rc |= json_object_set_new(host, "mitigations", mitigations(root));
	rc |= json_object_set_new(host, "clock", result_string(shmht_clock_name()));
	rc |= json_object_set_new(host, "cgroup", host_cgroup_at(root));
	rc |= json_object_set_new(host, "frequency", host_frequency_at(root));
	rc |= json_object_set_new(host, "fingerprint", fingerprint(cpu, cpus, name.release, virt));
	if (rc) {
		json_decref(host);
		return NULL;
	}
	return host;
}

json_t *host_describe(void)
{
	return host_describe_at("");
}

json_t *tool_describe(void)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "version", result_string(SHMBENCH_VERSION),
			 "commit", result_string(SHMBENCH_COMMIT), "compiler",
			 result_string(SHMBENCH_COMPILER), "cflags", result_string(SHMBENCH_CFLAGS),
			 "layout_hash", result_hex(shmht_layout_hash()));
}

/* The kernel refuses a mask smaller than its own; grown until it takes it. */
static cpu_set_t *affinity(size_t *ret_nr)
{
	for (size_t nr = 1024; nr <= UINT16_MAX + 1u; nr *= 2) {
		cpu_set_t *set = CPU_ALLOC(nr);

		if (!set)
			return NULL;
		if (sched_getaffinity(0, CPU_ALLOC_SIZE(nr), set) == 0) {
			*ret_nr = nr;
			return set;
		}
		CPU_FREE(set);
		if (errno != EINVAL)
			return NULL;
	}
	return NULL;
}

unsigned int host_cpus_allowed(uint16_t *cpus, unsigned int max)
{
	unsigned int found = 0;
	size_t nr = 0;
	cpu_set_t *set = affinity(&nr);

	for (size_t cpu = 0; cpu < nr; cpu++) {
		if (!CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(nr), set))
			continue;
		if (found < max)
			cpus[found] = (uint16_t)cpu;
		found++;
	}
	if (set)
		CPU_FREE(set);
	/* With max 0 the caller only counts. */
	return max && found > max ? max : found;
}

/* The lowest CPU of cpu's core; itself when the kernel does not say. */
static unsigned int first_sibling(const char *root, unsigned int cpu)
{
	char path[128], text[256];
	unsigned int first;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
		 cpu);
	if (!host_read_line(root, path, text, sizeof(text)) || sscanf(text, "%u", &first) != 1)
		return cpu;
	return first;
}

unsigned int host_cpus_one_per_core_at(const char *root, uint16_t *cpus, unsigned int max)
{
	unsigned int nr = host_cpus_allowed(NULL, 0), cores = 0;
	uint16_t *allowed = calloc(nr + 1u, sizeof(*allowed));
	bool *taken = calloc(UINT16_MAX + 1u, sizeof(*taken));

	if (!allowed || !taken)
		nr = 0;
	else
		nr = host_cpus_allowed(allowed, nr);
	for (unsigned int i = 0; i < nr && cores < max; i++) {
		unsigned int core = first_sibling(root, allowed[i]) & UINT16_MAX;

		if (taken[core])
			continue;
		taken[core] = true;
		cpus[cores++] = allowed[i];
	}
	free(allowed);
	free(taken);
	return cores;
}

unsigned int host_cpus_one_per_core(uint16_t *cpus, unsigned int max)
{
	return host_cpus_one_per_core_at("", cpus, max);
}
