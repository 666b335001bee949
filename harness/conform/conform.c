/* SPDX-License-Identifier: MIT */
/* Running a check that may not come back: see conform.h. */
#include "conform/conform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmht_clock.h"

#define MS 1000000u

/* What arrives within some time; what does not fit is dropped. False: no more will. */
static bool read_report(int fd, struct conform_result *result)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	size_t len = strlen(result->why);
	char more[256];
	ssize_t got;

	if (poll(&wanted, 1, 20) <= 0)
		return true;
	got = read(fd, more, sizeof(more));
	if (got <= 0)
		return got < 0 && errno == EINTR;
	for (ssize_t i = 0; i < got && len + 1 < sizeof(result->why); i++) {
		unsigned char c = (unsigned char)more[i];

		result->why[len++] = c < ' ' || c == 127 ? ' ' : (char)c;
	}
	result->why[len] = '\0';
	return true;
}

/* Until it has ended, or its time is over; it is not reaped. */
static bool wait_for_end(pid_t pid, int fd, uint64_t end_ns, struct conform_result *result)
{
	bool writes = true;
	siginfo_t info;

	for (;;) {
		if (writes)
			writes = read_report(fd, result);
		else
			usleep(200);
		info.si_pid = 0;
		if (!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
			return true;
		if (shmht_monotonic_ns() >= end_ns)
			return false;
	}
}

static void judge(int status, bool ended, uint64_t deadline_ns, struct conform_result *result)
{
	size_t len = strlen(result->why);
	char *rest = result->why + len;
	size_t size = sizeof(result->why) - len;

	if (!ended) {
		result->outcome = CONFORM_HUNG;
		snprintf(rest, size, "%sdid not end within %.3g s, and was killed", len ? "; " : "",
			 (double)deadline_ns / 1e9);
	} else if (WIFSIGNALED(status)) {
		result->outcome = CONFORM_DIED;
		snprintf(rest, size, "%sdied of signal %d (%s)", len ? "; " : "", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status)) {
		result->outcome = CONFORM_FAILED;
		if (!len)
			snprintf(rest, size, "exit status %d", WEXITSTATUS(status));
	} else {
		result->outcome = CONFORM_PASSED;
		result->why[0] = '\0';
	}
}

int conform_child(void (*fn)(const void *arg, int report_fd), const void *arg, uint64_t deadline_ns,
		  struct conform_result *ret_result)
{
	uint64_t start = shmht_monotonic_ns();
	pid_t parent = getpid(), pid;
	int fds[2], status = 0;
	bool ended;

	*ret_result = (struct conform_result){ .outcome = CONFORM_NOT_RUN };
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (pid == 0) {
		setpgid(0, 0);
		close(fds[0]);
		if (!prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent)
			fn(arg, fds[1]);
		_exit(0);
	}
	setpgid(pid, pid); /* whoever of us is first */
	close(fds[1]);
	ended = wait_for_end(pid, fds[0], start + deadline_ns, ret_result);
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(fds[0]);
	judge(status, ended, deadline_ns, ret_result);
	ret_result->ns = shmht_monotonic_ns() - start;
	return 0;
}
