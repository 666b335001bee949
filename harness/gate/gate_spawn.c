/* SPDX-License-Identifier: MIT */
/* A program run as a child, with a deadline and nothing left behind: see gate.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gate/gate.h"
#include "run/supervise.h"

#define OUT_MAX (8u << 20)

struct capture {
	int fd;
	char *text;
	size_t len, max;
	bool keep_end; /* of too much, the end; else the rest is dropped */
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void child(const char *const argv[], const int *out, const int *err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0)
		dup2(null, 0);
	dup2(out[1], 1);
	dup2(err[1], 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s", argv[0], strerror(errno));
	_exit(127);
}

/* false at the end of the stream */
static bool drain(struct capture *capture)
{
	char chunk[65536];
	ssize_t got = read(capture->fd, chunk, sizeof(chunk));
	size_t room;

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	if (got == 0)
		return false;
	if (capture->keep_end && capture->len + (size_t)got > capture->max)
		capture->len = 0;
	room = capture->max - capture->len;
	if ((size_t)got > room)
		got = (ssize_t)room;
	memcpy(capture->text + capture->len, chunk, (size_t)got);
	capture->len += (size_t)got;
	return true;
}

static int wait_for_end(struct capture *out, struct capture *err, double deadline)
{
	struct pollfd fds[2] = { { out->fd, POLLIN, 0 }, { err->fd, POLLIN, 0 } };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		double left = deadline - now_s();

		if (supervise_interrupted())
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		poll(fds, 2, left < 0.1 ? 1 + (int)(left * 1000) : 100);
		if (fds[0].revents && !drain(out))
			fds[0].fd = -1;
		if (fds[1].revents && !drain(err))
			fds[1].fd = -1;
	}
	return 0;
}

int gate_spawn(const char *const argv[], double timeout_s, char **ret_out, char *err_text,
	       size_t err_size, pid_t *ret_pid, int *ret_status)
{
	struct capture out = { .fd = -1, .max = OUT_MAX },
		       err = { .fd = -1, .text = err_text, .max = err_size - 1, .keep_end = true };
	int out_pipe[2] = { -1, -1 }, err_pipe[2] = { -1, -1 }, status = 0, r = 0;
	pid_t pid;

	out.text = malloc(OUT_MAX + 1);
	if (!out.text)
		return -ENOMEM;
	if (pipe2(out_pipe, O_CLOEXEC) || pipe2(err_pipe, O_CLOEXEC)) {
		r = -errno;
		goto out_close;
	}
	pid = fork();
	if (pid < 0) {
		r = -errno;
		goto out_close;
	}
	if (pid == 0)
		child(argv, out_pipe, err_pipe);
	if (ret_pid)
		*ret_pid = pid;
	setpgid(pid, pid); /* whoever is first */
	close(out_pipe[1]);
	close(err_pipe[1]);
	out_pipe[1] = err_pipe[1] = -1;
	out.fd = out_pipe[0];
	err.fd = err_pipe[0];
	r = wait_for_end(&out, &err, now_s() + timeout_s);
	if (r)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL); /* whoever it left */
	err_text[err.len] = '\0';
	out.text[out.len] = '\0';
	*ret_status = status;
out_close:
	for (int i = 0; i < 2; i++) {
		if (out_pipe[i] >= 0)
			close(out_pipe[i]);
		if (err_pipe[i] >= 0)
			close(err_pipe[i]);
	}
	if (r)
		free(out.text);
	else
		*ret_out = out.text;
	return r;
}
