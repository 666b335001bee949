/* SPDX-License-Identifier: MIT */
#include "run/perf_control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS 2000

static int control_fd = -1, ack_fd = -1;
static bool counting;

/* perf has both ends of both open: neither open() waits, nor is a writer missed. */
static int open_both(const char *names)
{
	const char *comma = strchr(names, ',');
	char control[256];

	if (!comma || comma == names || !comma[1] || comma - names >= (int)sizeof(control))
		return -EINVAL;
	snprintf(control, sizeof(control), "%.*s", (int)(comma - names), names);
	control_fd = open(control, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (control_fd < 0)
		return -errno;
	ack_fd = open(comma + 1, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ack_fd >= 0)
		return 0;
	close(control_fd);
	control_fd = -1;
	return -errno;
}

int perf_control(bool on)
{
	static const char *const words[] = { "disable\n", "enable\n" };
	const char *names = getenv(PERF_CONTROL_ENV);
	struct pollfd answer;
	char ack[64];
	ssize_t n;
	int r;

	if (!names || !*names || on == counting)
		return 0;
	if (control_fd < 0 && (r = open_both(names)))
		return r;
	if (write(control_fd, words[on], strlen(words[on])) != (ssize_t)strlen(words[on]))
		return -EPIPE;
	answer = (struct pollfd){ .fd = ack_fd, .events = POLLIN };
	r = poll(&answer, 1, ANSWER_MS);
	if (r <= 0)
		return r ? -errno : -ETIMEDOUT;
	n = read(ack_fd, ack, sizeof(ack));
	if (n < 3 || memcmp(ack, "ack", 3) != 0)
		return -EPROTO;
	counting = on;
	return 0;
}
