/* SPDX-License-Identifier: MIT */
/*
 * The system calls are one group of events, so that one read() has them all.
 * They count from kernel_open() on and a window is the difference of two reads:
 * a call is counted on entry, so the read that ends the window is in its own
 * figure, and the one that begins it is in its own too; the difference holds
 * one call that is ours, always exactly one.
 */
#include "run/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_CALLS 1u
#define CACHE_MISS(cache) \
	((cache) | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_MISS << 16)

static const char *const call_events[1 + KERNEL_FUTEX_CALLS] = {
	"raw_syscalls/sys_enter",	  "syscalls/sys_enter_futex",
	"syscalls/sys_enter_futex_wait",  "syscalls/sys_enter_futex_wake",
	"syscalls/sys_enter_futex_waitv", "syscalls/sys_enter_futex_requeue",
};

static const struct {
	const char *name;
	uint32_t type;
	uint64_t config;
} hardware_events[KERNEL_EVENTS] = {
	[KERNEL_CYCLES] = { "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	[KERNEL_INSTRUCTIONS] = { "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	[KERNEL_CACHE_MISSES] = { "cache misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	[KERNEL_DTLB_MISSES] = { "dTLB misses", PERF_TYPE_HW_CACHE,
				 CACHE_MISS(PERF_COUNT_HW_CACHE_DTLB) },
};

static int event_open(uint32_t type, uint64_t config, int group)
{
	struct perf_event_attr attr = {
		.type = type,
		.size = sizeof(attr),
		.config = config,
		.read_format = type == PERF_TYPE_TRACEPOINT ?
				       PERF_FORMAT_GROUP :
				       PERF_FORMAT_TOTAL_TIME_ENABLED |
					       PERF_FORMAT_TOTAL_TIME_RUNNING,
		.exclude_hv = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, group, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static const char *why(int r)
{
	switch (-r) {
	case EACCES:
	case EPERM:
		return "not allowed: needs CAP_PERFMON, or kernel.perf_event_paranoid = -1";
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
		return "not supported by this machine";
	case ENOSYS:
		return "this kernel has no perf events";
	default:
		return strerror(-r);
	}
}

/* The id of a tracepoint, or a negative errno. */
static long long tracepoint(const char *events, const char *name)
{
	char path[256], text[32], *end;
	long long id;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/id", events, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	id = strtoll(text, &end, 10);
	return end == text || id <= 0 ? -EINVAL : id;
}

static void open_calls(const char *events, struct kernel_counters *counters,
		       struct kernel_counts *counts)
{
	long long id = tracepoint(events, call_events[0]);
	int fd;

	if (id < 0) {
		snprintf(counts->calls_reason, sizeof(counts->calls_reason),
			 id == -ENOENT ? "no tracepoints: mount tracefs at /sys/kernel/tracing" :
					 "tracefs: %s",
			 strerror((int)-id));
		return;
	}
	fd = event_open(PERF_TYPE_TRACEPOINT, (uint64_t)id, -1);
	if (fd < 0) {
		snprintf(counts->calls_reason, sizeof(counts->calls_reason), "system calls: %s",
			 why(fd));
		return;
	}
	counters->calls[counters->nr_calls++] = fd;
	counts->known[KERNEL_SYSCALLS] = counts->known[KERNEL_FUTEX] = true;
	for (unsigned int i = 1; i <= KERNEL_FUTEX_CALLS; i++) {
		id = tracepoint(events, call_events[i]);
		if (id == -ENOENT && i > 1)
			continue; /* an older kernel without that call */
		fd = id < 0 ? (int)id :
			      event_open(PERF_TYPE_TRACEPOINT, (uint64_t)id, counters->calls[0]);
		if (fd >= 0) {
			counters->calls[counters->nr_calls++] = fd;
			continue;
		}
		counts->known[KERNEL_FUTEX] = false;
		snprintf(counts->calls_reason, sizeof(counts->calls_reason), "futex calls: %s",
			 why(fd));
	}
}

static void close_calls(struct kernel_counters *counters)
{
	for (unsigned int i = 0; i < counters->nr_calls; i++)
		close(counters->calls[i]);
	counters->nr_calls = 0;
}

static const char *events_folder(void)
{
	static const char tracing[] = "/sys/kernel/tracing/events";
	static const char debug[] = "/sys/kernel/debug/tracing/events";

	return access(tracing, F_OK) && !access(debug, F_OK) ? debug : tracing;
}

void kernel_open(struct kernel_counters *counters, struct kernel_counts *counts, bool calls)
{
	memset(counts, 0, sizeof(*counts));
	counters->nr_calls = 0;
	if (calls)
		open_calls(events_folder(), counters, counts);
	for (int i = 0; i < KERNEL_EVENTS; i++) {
		counters->hardware[i] = -1;
		if (!hardware_events[i].name)
			continue;
		counters->hardware[i] = event_open(hardware_events[i].type,
						   hardware_events[i].config, -1);
		counts->known[i] = counters->hardware[i] >= 0;
		if (!counts->known[i] && !counts->hardware_reason[0])
			snprintf(counts->hardware_reason, sizeof(counts->hardware_reason), "%s: %s",
				 hardware_events[i].name, why(counters->hardware[i]));
	}
}

bool kernel_counts_calls(char *why_not, size_t size)
{
	struct kernel_counters counters = { .nr_calls = 0 };
	struct kernel_counts counts = { .calls_reason = "" };

	open_calls(events_folder(), &counters, &counts);
	close_calls(&counters);
	snprintf(why_not, size, "%s", counts.calls_reason);
	return counts.known[KERNEL_SYSCALLS];
}

/* A counter that another one displaced for a while is no count: not known. */
static void read_hardware(const struct kernel_counters *counters, struct kernel_counts *counts,
			  bool end)
{
	uint64_t now[3]; /* value, time enabled, time running */

	for (int i = 0; i < KERNEL_EVENTS; i++) {
		if (!hardware_events[i].name || !counts->known[i])
			continue;
		if (read(counters->hardware[i], now, sizeof(now)) == sizeof(now) &&
		    now[1] == now[2]) {
			counts->count[i] = end ? now[0] - counts->count[i] : now[0];
			continue;
		}
		counts->known[i] = false;
		snprintf(counts->hardware_reason, sizeof(counts->hardware_reason),
			 "%s: shares its counter with other events", hardware_events[i].name);
	}
}

static void read_calls(const struct kernel_counters *counters, struct kernel_counts *counts,
		       bool end)
{
	uint64_t now[1 + 1 + KERNEL_FUTEX_CALLS], futexes = 0; /* how many, then each */
	ssize_t size = (ssize_t)((1 + counters->nr_calls) * sizeof(now[0]));

	if (!counters->nr_calls)
		return;
	if (read(counters->calls[0], now, sizeof(now)) != size) {
		counts->known[KERNEL_SYSCALLS] = counts->known[KERNEL_FUTEX] = false;
		snprintf(counts->calls_reason, sizeof(counts->calls_reason),
			 "system calls: the counters cannot be read");
		return;
	}
	for (unsigned int i = 1; i < counters->nr_calls; i++)
		futexes += now[1 + i];
	counts->count[KERNEL_SYSCALLS] = end ? now[1] - counts->count[KERNEL_SYSCALLS] - OWN_CALLS :
					       now[1];
	counts->count[KERNEL_FUTEX] = end ? futexes - counts->count[KERNEL_FUTEX] : futexes;
}

void kernel_begin(struct kernel_counters *counters, struct kernel_counts *counts)
{
	read_hardware(counters, counts, false);
	read_calls(counters, counts, false);
}

void kernel_end(struct kernel_counters *counters, struct kernel_counts *counts)
{
	read_calls(counters, counts, true);
	read_hardware(counters, counts, true);
}

void kernel_close(struct kernel_counters *counters)
{
	close_calls(counters);
	for (int i = 0; i < KERNEL_EVENTS; i++)
		if (counters->hardware[i] >= 0)
			close(counters->hardware[i]);
}
