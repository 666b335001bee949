/* SPDX-License-Identifier: MIT */
/*
 * What else bounds a run on this machine: the limits of our control group and
 * how frequencies are chosen. A limit of a parent holds for its children, so the
 * tightest on the way up is the one that counts (Linux, cgroup-v2.rst and
 * cgroup-v1/). Both hierarchies are given in v2's words; a file that cannot be
 * seen is null, which is not the same as "max".
 */
#include "run/host_limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"
#include "run/host.h"

#define V1_NO_LIMIT 0x7ffffffffffff000ull /* what v1 shows for "none", in 4 KiB pages */

bool host_read_line(const char *root, const char *path, char *buf, size_t size)
{
	char full[512];
	FILE *file;
	bool got;

	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "re");
	if (!file)
		return false;
	got = fgets(buf, (int)size, file) && buf[0] != '\n' && buf[0] != '\0';
	fclose(file);
	if (got)
		buf[strcspn(buf, "\n")] = '\0';
	return got;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
		if (strcspn(list, ",") == len && strncmp(list, word, len) == 0)
			return true;
	return false;
}

/* "ID:CONTROLLERS:PATH"; v2's line has the id 0 and no controllers. v1 where it has the
 * controller: there it is not in v2. */
bool host_cgroup_find(const char *root, const char *controller, struct cgroup *ret)
{
	char full[512], line[CGROUP_PATH_MAX + 64];
	bool found = false;
	FILE *file;

	*ret = (struct cgroup){ .root = root };
	snprintf(full, sizeof(full), "%s/proc/self/cgroup", root);
	file = fopen(full, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		bool v2 = strncmp(line, "0::", 3) == 0;

		if (!path)
			continue;
		list++;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (strlen(path) >= sizeof(ret->path) || ret->version == 1 ||
		    !(v2 || has_word(list, controller)))
			continue;
		ret->version = v2 ? 2 : 1;
		snprintf(ret->path, sizeof(ret->path), "%s", path);
		snprintf(ret->mount, sizeof(ret->mount), "/sys/fs/cgroup%s%s", v2 ? "" : "/",
			 v2 ? "" : controller);
		found = true;
	}
	fclose(file);
	return found;
}

static bool read_limit(const struct cgroup *cgroup, const char *file, char *buf, size_t size)
{
	char path[CGROUP_PATH_MAX + 128];

	snprintf(path, sizeof(path), "%s%s/%s", cgroup->mount,
		 strcmp(cgroup->path, "/") ? cgroup->path : "", file);
	if (host_read_line(cgroup->root, path, buf, size))
		return true;
	/* Beside v1 hierarchies v2 has a mount of its own. */
	if (cgroup->version != 2)
		return false;
	snprintf(path, sizeof(path), "%s/unified%s/%s", cgroup->mount,
		 strcmp(cgroup->path, "/") ? cgroup->path : "", file);
	return host_read_line(cgroup->root, path, buf, size);
}

bool host_cgroup_up(struct cgroup *cgroup)
{
	char *slash = strrchr(cgroup->path, '/');

	if (!slash || strcmp(cgroup->path, "/") == 0 || !cgroup->path[0])
		return false;
	slash[slash == cgroup->path] = '\0';
	return true;
}

/* CPUs that the quota is worth; INFINITY for none, NaN for what is no quota. */
static double quota_at(const struct cgroup *cgroup, char *text, size_t size)
{
	char period[32];
	double quota, per;

	if (cgroup->version == 2) {
		if (!read_limit(cgroup, "cpu.max", text, size))
			return NAN;
	} else {
		if (!read_limit(cgroup, "cpu.cfs_quota_us", text, size - sizeof(period)) ||
		    !read_limit(cgroup, "cpu.cfs_period_us", period, sizeof(period)))
			return NAN;
		if (text[0] == '-')
			snprintf(text, size, "max");
		strcat(strcat(text, " "), period);
	}
	if (strncmp(text, "max ", 4) == 0)
		return INFINITY;
	return sscanf(text, "%lf %lf", &quota, &per) == 2 && quota > 0 && per > 0 ? quota / per :
										    NAN;
}

static double bytes_at(const struct cgroup *cgroup, char *text, size_t size)
{
	unsigned long long bytes;
	bool v2 = cgroup->version == 2;

	if (!read_limit(cgroup, v2 ? "memory.max" : "memory.limit_in_bytes", text, size))
		return NAN;
	if (sscanf(text, "%llu", &bytes) == 1 && (v2 || bytes < V1_NO_LIMIT))
		return (double)bytes;
	if (!v2 || strcmp(text, "max") == 0) {
		snprintf(text, size, "max");
		return INFINITY;
	}
	return NAN;
}

/* The tightest from here to the top, as the kernel words it. */
static json_t *tightest(const char *root, const char *controller,
			double (*limit_at)(const struct cgroup *, char *, size_t))
{
	char text[96] = "", least_text[96] = "";
	double least = INFINITY, limit;
	struct cgroup cgroup;
	bool any = false;

	if (!host_cgroup_find(root, controller, &cgroup))
		return json_null();
	do {
		limit = limit_at(&cgroup, text, sizeof(text));
		if (isnan(limit) || (any && limit >= least))
			continue;
		any = true;
		least = limit;
		snprintf(least_text, sizeof(least_text), "%s", text);
	} while (host_cgroup_up(&cgroup));
	return result_string(any ? least_text : NULL);
}

/* What is effective takes the parents into account; the kernel says it. */
static json_t *cpuset(const char *root)
{
	static const char *const files[] = { "cpuset.cpus.effective", "cpuset.effective_cpus",
					     "cpuset.cpus" };
	struct cgroup cgroup;
	char text[256];

	if (!host_cgroup_find(root, "cpuset", &cgroup))
		return json_null();
	do {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			if (read_limit(&cgroup, files[i], text, sizeof(text)))
				return result_string(text);
	} while (host_cgroup_up(&cgroup));
	return json_null();
}

json_t *host_cgroup_at(const char *root)
{
	struct cgroup cgroup;

	if (!host_cgroup_find(root, "cpu", &cgroup))
		return json_null();
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", cgroup.version, "path",
			 result_string(cgroup.path), "cpu_max", tightest(root, "cpu", quota_at),
			 "memory_max", tightest(root, "memory", bytes_at), "cpuset", cpuset(root));
}

/* The CPUs' words, each once: "performance", or "performance, powersave". */
static json_t *of_cpus(const char *root, const char *file)
{
	unsigned int nr = host_cpus_allowed(NULL, 0);
	uint16_t *cpus = calloc(nr + 1u, sizeof(*cpus));
	char list[160] = "", path[96], text[64];

	nr = cpus ? host_cpus_allowed(cpus, nr) : 0;
	for (unsigned int i = 0; i < nr; i++) {
		size_t len = strlen(list);

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/%s", cpus[i],
			 file);
		if (!host_read_line(root, path, text, sizeof(text)) || strstr(list, text))
			continue;
		snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", text);
	}
	free(cpus);
	return result_string(list[0] ? list : NULL);
}

static json_t *boost(const char *root)
{
	char text[16];

	if (host_read_line(root, "/sys/devices/system/cpu/intel_pstate/no_turbo", text,
			   sizeof(text)))
		return json_boolean(text[0] == '0');
	if (host_read_line(root, "/sys/devices/system/cpu/cpufreq/boost", text, sizeof(text)))
		return json_boolean(text[0] != '0');
	return json_null();
}

json_t *host_frequency_at(const char *root)
{
	json_t *driver = of_cpus(root, "scaling_driver"),
	       *governor = of_cpus(root, "scaling_governor"), *boosts = boost(root);

	/* Nobody knows anything: a hypervisor's guest, mostly. */
	if (json_is_null(driver) && json_is_null(governor) && json_is_null(boosts))
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "driver", driver, "governor", governor, "boost",
			 boosts);
}
