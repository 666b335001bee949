/* SPDX-License-Identifier: MIT */
/* Limits of our control group, and who chooses the CPUs' frequency. */
#ifndef SHMBENCH_HOST_LIMITS_H
#define SHMBENCH_HOST_LIMITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* root: the folder that stands for "/"; "" is this machine. Both are JSON's null when
 * nothing can be seen, NULL only without memory.
 *
 * {version, path, cpu_max "20000 100000" or "max 100000", memory_max bytes or "max", cpuset} */
json_t *host_cgroup_at(const char *root);
/* {driver, governor, boost} */
json_t *host_frequency_at(const char *root);

#define CGROUP_PATH_MAX 384
struct cgroup {
	const char *root;
	int version;		    /* of the hierarchy that has the controller */
	char mount[64];		    /* below root */
	char path[CGROUP_PATH_MAX]; /* "/" or "/a/b" */
};

/* Ours, in the hierarchy of a controller; false when there is none. */
bool host_cgroup_find(const char *root, const char *controller, struct cgroup *ret);
/* One level up; false at the top. */
bool host_cgroup_up(struct cgroup *cgroup);

/* First line of a small file, without its end; false when there is none. */
bool host_read_line(const char *root, const char *path, char *buf, size_t size);

#endif
