/* SPDX-License-Identifier: MIT */
/*
 * The host object: read from files that a test writes, from files that are
 * missing or odd, and from this machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result/result_internal.h"
#include "run/host.h"
#include "run/host_limits.h"

static char root[] = "/tmp/shmbench-test-host-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command) == 0 ? 0 : -1;
}

/* Makes the folders of path, below root, too. */
static void put_file(const char *path, const char *text, size_t len)
{
	char full[256];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(full, 0755);
		*at = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static const char *cpu_of(const char *cpuinfo, json_t **ret_host)
{
	put_text("/proc/cpuinfo", cpuinfo);
	*ret_host = host_describe_at(root);
	assert_non_null(*ret_host);
	return result_get_text(*ret_host, "cpu");
}

static void test_cpu_model(void **state)
{
	json_t *host;

	(void)state;
	assert_string_equal(cpu_of("processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU 3000\n"
				   "\nprocessor\t: 1\nmodel name\t: Other\n",
				   &host),
			    "Some CPU 3000");
	json_decref(host);
	assert_string_equal(strstr(cpu_of("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", &host),
				   "implementer"),
			    "implementer 0x41 part 0xd0c");
	json_decref(host);
	/* Nothing to be found: the architecture is better than nothing. */
	assert_true(strlen(cpu_of("model name\n: x\nmodel names : y\n", &host)) > 0);
	assert_null(strchr(result_get_text(host, "cpu"), 'y'));
	json_decref(host);
}

static void test_mitigations(void **state)
{
	const json_t *mitigations;
	json_t *host;

	(void)state;
	put_text("/sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n");
	put_text("/sys/devices/system/cpu/vulnerabilities/empty", "");
	put_file("/sys/devices/system/cpu/vulnerabilities/odd", "\377\376\n", 3);
	host = host_describe_at(root);
	mitigations = json_object_get(host, "mitigations");
	assert_string_equal(result_get_text(mitigations, "meltdown"), "Mitigation: PTI");
	assert_string_equal(result_get_text(mitigations, "odd"), "??");
	assert_int_equal(json_object_size(mitigations), 2);
	json_decref(host);
}

static void test_files_are_missing(void **state)
{
	json_t *host = host_describe_at("/nonexistent");

	(void)state;
	assert_non_null(host);
	assert_true(strlen(result_get_text(host, "cpu")) > 0);
	assert_true(json_is_null(json_object_get(host, "mitigations")));
	assert_int_equal(strlen(result_get_text(host, "fingerprint")), 16);
	json_decref(host);
}

static void test_files_are_odd(void **state)
{
	static char noise[100000];
	json_t *host;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * 2654435761u >> 13);
	memcpy(noise + 50000, "\nmodel name\t: \n", 15);
	put_file("/proc/cpuinfo", noise, sizeof(noise));
	host = host_describe_at(root);
	assert_non_null(host);
	assert_true(strlen(result_get_text(host, "cpu")) > 0);
	json_decref(host);
}

static void has_text(const json_t *object, const char *key, const char *expected)
{
	assert_non_null(result_get_text(object, key));
	assert_string_equal(result_get_text(object, key), expected);
}

static void test_fingerprint(void **state)
{
	json_t *first, *again, *other;

	(void)state;
	(void)cpu_of("model name : CPU A\ncpu MHz : 1000\n", &first);
	(void)cpu_of("model name : CPU A\ncpu MHz : 2000\n", &again);
	(void)cpu_of("model name : CPU B\ncpu MHz : 1000\n", &other);
	assert_string_equal(result_get_text(first, "fingerprint"),
			    result_get_text(again, "fingerprint"));
	assert_string_not_equal(result_get_text(first, "fingerprint"),
				result_get_text(other, "fingerprint"));
	json_decref(again);
	/* Limits are no class of machine either. */
	put_text("/proc/self/cgroup", "0::/f\n");
	put_text("/sys/fs/cgroup/f/cpu.max", "1000 100000\n");
	(void)cpu_of("model name : CPU A\n", &again);
	has_text(json_object_get(again, "cgroup"), "cpu_max", "1000 100000");
	assert_string_equal(result_get_text(first, "fingerprint"),
			    result_get_text(again, "fingerprint"));
	json_decref(first);
	json_decref(again);
	json_decref(other);
}

/* The parent's quota is tighter than ours, and its memory is not. */
static void test_cgroup_v2(void **state)
{
	json_t *cgroup;

	(void)state;
	put_text("/proc/self/cgroup", "0::/a/b\n");
	put_text("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
	put_text("/sys/fs/cgroup/a/cpu.max", "20000 100000\n");
	put_text("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
	put_text("/sys/fs/cgroup/a/memory.max", "max\n");
	put_text("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-3\n");
	cgroup = host_cgroup_at(root);
	assert_int_equal(result_get_number(cgroup, "version"), 2);
	has_text(cgroup, "path", "/a/b");
	has_text(cgroup, "cpu_max", "20000 100000");
	has_text(cgroup, "memory_max", "1073741824");
	has_text(cgroup, "cpuset", "0-3");
	json_decref(cgroup);
	/* No limit is not "not visible". */
	put_text("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put_text("/sys/fs/cgroup/a/cpu.max", "rubbish\n");
	cgroup = host_cgroup_at(root);
	has_text(cgroup, "cpu_max", "max 100000");
	json_decref(cgroup);
}

static void test_cgroup_v1(void **state)
{
	json_t *cgroup;

	(void)state;
	put_text("/proc/self/cgroup", "12:memory:/m\n4:cpuacct,cpu:/c/d\n2:cpuset:/s\n0::/\n");
	put_text("/sys/fs/cgroup/cpu/c/d/cpu.cfs_quota_us", "-1\n");
	put_text("/sys/fs/cgroup/cpu/c/d/cpu.cfs_period_us", "100000\n");
	put_text("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "50000\n");
	put_text("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
	put_text("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
	put_text("/sys/fs/cgroup/cpuset/s/cpuset.cpus", "1\n");
	cgroup = host_cgroup_at(root);
	assert_int_equal(result_get_number(cgroup, "version"), 1);
	has_text(cgroup, "path", "/c/d");
	has_text(cgroup, "cpu_max", "50000 100000");
	has_text(cgroup, "memory_max", "max");
	has_text(cgroup, "cpuset", "1");
	json_decref(cgroup);
	cgroup = host_cgroup_at("/nonexistent");
	assert_true(json_is_null(cgroup));
	json_decref(cgroup);
	/* A group, but nothing of it to be seen, as in many containers. */
	put_text("/proc/self/cgroup", "no colons\n5:cpu:/elsewhere\n6:memory:\n");
	put_text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "");
	cgroup = host_cgroup_at(root);
	assert_true(json_is_null(json_object_get(cgroup, "cpu_max")));
	assert_true(json_is_null(json_object_get(cgroup, "cpuset")));
	json_decref(cgroup);
}

static void put_of_cpu(unsigned int cpu, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cpufreq/%s", cpu, file);
	put_text(path, text);
}

static void test_frequency(void **state)
{
	uint16_t cpus[1024];
	unsigned int nr = host_cpus_allowed(cpus, 1024);
	json_t *frequency = host_frequency_at(root);

	(void)state;
	assert_true(json_is_null(frequency));
	json_decref(frequency);
	for (unsigned int i = 0; i < nr; i++) {
		put_of_cpu(cpus[i], "scaling_driver", "acpi-cpufreq\n");
		put_of_cpu(cpus[i], "scaling_governor", i ? "powersave\n" : "performance\n");
	}
	put_text("/sys/devices/system/cpu/cpufreq/boost", "1\n");
	frequency = host_frequency_at(root);
	has_text(frequency, "driver", "acpi-cpufreq");
	has_text(frequency, "governor", nr > 1 ? "performance, powersave" : "performance");
	assert_true(json_is_true(json_object_get(frequency, "boost")));
	json_decref(frequency);
	/* intel_pstate has the word where it is there, and its is the other way round. */
	put_text("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
	frequency = host_frequency_at(root);
	assert_true(json_is_false(json_object_get(frequency, "boost")));
	json_decref(frequency);
}

static void test_this_host(void **state)
{
	json_t *host = host_describe(), *tool = tool_describe();

	(void)state;
	assert_non_null(host);
	assert_non_null(tool);
	assert_true(result_get_number(host, "cpus") >= 1);
	assert_true(result_get_number(host, "mem_bytes") > 1 << 20);
	assert_true(strlen(result_get_text(host, "kernel")) > 0);
	assert_true(strlen(result_get_text(host, "clock")) > 0);
#if defined(__x86_64__)
	assert_true(strlen(result_get_text(host, "virt")) > 0);
#endif
	assert_int_equal(strlen(result_get_text(tool, "layout_hash")), 16);
	assert_true(strlen(result_get_text(tool, "compiler")) > 0);
	json_decref(host);
	json_decref(tool);
}

static void test_cpus_allowed(void **state)
{
	uint16_t cpus[1024], cores[1024];
	unsigned int nr = host_cpus_allowed(cpus, 1024), nr_cores;
	cpu_set_t before, one;

	(void)state;
	assert_true(nr >= 1);
	assert_int_equal(host_cpus_allowed(NULL, 0), nr);
	assert_int_equal(host_cpus_allowed(cpus, 1), 1);
	host_cpus_allowed(cpus, 1024);
	for (unsigned int i = 1; i < nr; i++)
		assert_true(cpus[i - 1] < cpus[i]);
	nr_cores = host_cpus_one_per_core(cores, 1024);
	assert_in_range(nr_cores, 1, nr);
	assert_int_equal(host_cpus_one_per_core(cores, 1), 1);
	/* Only the last one allowed. */
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(cpus[nr - 1], &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(host_cpus_allowed(cores, 1024), 1);
	assert_int_equal(cores[0], cpus[nr - 1]);
	assert_int_equal(host_cpus_one_per_core(cores, 1024), 1);
	assert_int_equal(cores[0], cpus[nr - 1]);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void test_one_cpu_per_core(void **state)
{
	uint16_t cpus[1024], cores[1024];
	unsigned int nr = host_cpus_allowed(cpus, 1024);
	char path[128];

	(void)state;
	/* Nothing known: each is a core of its own. */
	assert_int_equal(host_cpus_one_per_core_at("/nonexistent", cores, 1024), nr);
	for (unsigned int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpus[i]);
		put_text(path, "0-1023\n");
	}
	assert_int_equal(host_cpus_one_per_core_at(root, cores, 1024), 1);
	assert_int_equal(cores[0], cpus[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_model),	  cmocka_unit_test(test_mitigations),
		cmocka_unit_test(test_files_are_missing), cmocka_unit_test(test_files_are_odd),
		cmocka_unit_test(test_cgroup_v2),	  cmocka_unit_test(test_cgroup_v1),
		cmocka_unit_test(test_frequency),	  cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_this_host),	  cmocka_unit_test(test_cpus_allowed),
		cmocka_unit_test(test_one_cpu_per_core),
	};

	return cmocka_run_group_tests_name("host", tests, make_root, remove_root);
}
