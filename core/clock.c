/* SPDX-License-Identifier: MIT */
/*
 * Which clock: the counter is used when the CPU calls it invariant and the
 * kernel has not taken it away (an unsynchronised TSC is marked unstable and
 * leaves clocksource "tsc").
 */
#include "shmht_clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool shmht_clock_is_counter;
static const char *clock_name = "clock_gettime (no counter on this CPU)";

#if defined(__x86_64__)
static bool kernel_trusts_tsc(void)
{
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	return n > 0 && (strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0);
}
#endif

/* A constructor: before main, so that no thread or child can see it change. */
__attribute__((constructor)) static void choose_clock(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d = 0;

	if (!__get_cpuid(0x80000007u, &a, &b, &c, &d) || !(d & 1u << 8)) {
		clock_name = "clock_gettime (the TSC is not invariant)";
		return;
	}
	if (!kernel_trusts_tsc()) {
		clock_name = "clock_gettime (the kernel does not use the TSC)";
		return;
	}
	clock_name = "tsc";
	shmht_clock_is_counter = true;
#elif defined(__aarch64__)
	clock_name = "cntvct";
	shmht_clock_is_counter = true;
#endif
}

const char *shmht_clock_name(void)
{
	return clock_name;
}

/* A pair read close together: of five tries the one with the narrowest bracket. */
static void read_both(uint64_t *ret_ticks, uint64_t *ret_ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = shmht_ticks_ordered();
		uint64_t ns = shmht_monotonic_ns();
		uint64_t after = shmht_ticks_ordered();

		if (after - before < best) {
			best = after - before;
			*ret_ticks = before + (after - before) / 2;
			*ret_ns = ns;
		}
	}
}

double shmht_ns_per_tick(void)
{
	static double cached;
	uint64_t t0 = 0, n0 = 0, t1 = 0, n1 = 0;
	struct timespec pause = { .tv_nsec = 20000000 };

	if (cached > 0)
		return cached;
	if (!shmht_clock_is_counter)
		return cached = 1.0;
	read_both(&t0, &n0);
	while (n1 < n0 + 20000000u) {
		nanosleep(&pause, &pause);
		pause.tv_nsec = 1000000;
		read_both(&t1, &n1);
	}
	return cached = (double)(n1 - n0) / (double)(t1 - t0);
}
