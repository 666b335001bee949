/* SPDX-License-Identifier: MIT */
/* See gate_spawn.h. */
#include "gate/gate_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/supervise.h"
#include "shmht_clock.h"

#define OUT_MAX (8u << 20)

static double now_s(void)
{
	return (double)shmht_monotonic_ns() * 1e-9;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void child(const char *const argv[], int in, int out, int err)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (in < 0)
		in = open("/dev/null", O_RDONLY);
	if (in >= 0)
		dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s: %s", argv[0], strerror(errno));
	_exit(127);
}

/* false at the end of the stream */
static bool drain(struct gate_capture *capture)
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

/* Something to read, in the socket too if it is listened to: 1, 0: not yet. */
static int look(struct gate_child *child, bool listen)
{
	struct pollfd fds[3] = { { child->out.fd, POLLIN, 0 },
				 { child->err.fd, POLLIN, 0 },
				 { listen ? child->socket : -1, POLLIN, 0 } };
	double left = child->deadline_s - now_s();

	if (supervise_interrupted())
		return -EINTR;
	if (left <= 0)
		return -ETIMEDOUT;
	poll(fds, 3, left < 0.1 ? 1 + (int)(left * 1000) : 100);
	if (fds[0].revents && !drain(&child->out))
		close_fd(&child->out.fd);
	if (fds[1].revents && !drain(&child->err))
		close_fd(&child->err.fd);
	return fds[2].revents != 0;
}

int gate_child_tell(struct gate_child *child, char byte)
{
	return send(child->socket, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

int gate_child_hear(struct gate_child *child, char *ret_byte)
{
	int r;

	while ((r = look(child, true)) == 0)
		;
	if (r < 0)
		return r;
	return recv(child->socket, ret_byte, 1, MSG_DONTWAIT) == 1 ? 0 : -EPIPE;
}

int gate_child_start(const char *const argv[], bool with_socket, double timeout_s, char *err_text,
		     size_t err_size, struct gate_child *ret)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, in[2] = { -1, -1 }, r = 0;

	*ret = (struct gate_child){
		.socket = -1,
		.deadline_s = now_s() + timeout_s,
		.out = { .fd = -1, .max = OUT_MAX, .text = malloc(OUT_MAX + 1) },
		.err = { .fd = -1, .max = err_size - 1, .text = err_text, .keep_end = true },
	};
	if (!ret->out.text)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) ||
	    (with_socket && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in)))
		r = -errno;
	if (!r) {
		ret->pid = fork();
		r = ret->pid < 0 ? -errno : 0;
	}
	if (!r && ret->pid == 0)
		child(argv, in[1], out[1], err[1]);
	close_fd(&out[1]);
	close_fd(&err[1]);
	close_fd(&in[1]);
	if (r) {
		close_fd(&out[0]);
		close_fd(&err[0]);
		close_fd(&in[0]);
		free(ret->out.text);
		return r;
	}
	setpgid(ret->pid, ret->pid); /* whoever is first */
	ret->out.fd = out[0];
	ret->err.fd = err[0];
	ret->socket = in[0];
	return 0;
}

int gate_child_finish(struct gate_child *child, int r, char **ret_out, int *ret_status)
{
	while (!r && (child->out.fd >= 0 || child->err.fd >= 0))
		r = look(child, false);
	if (r)
		kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, ret_status, 0) < 0 && errno == EINTR)
		;
	kill(-child->pid, SIGKILL); /* whoever it left */
	child->err.text[child->err.len] = '\0';
	child->out.text[child->out.len] = '\0';
	close_fd(&child->out.fd);
	close_fd(&child->err.fd);
	close_fd(&child->socket);
	if (r)
		free(child->out.text);
	else
		*ret_out = child->out.text;
	return r;
}

int gate_spawn(const char *const argv[], double timeout_s, char **ret_out, char *err,
	       size_t err_size, pid_t *ret_pid, int *ret_status)
{
	struct gate_child child;
	int r = gate_child_start(argv, false, timeout_s, err, err_size, &child);

	*ret_status = 0;
	if (r)
		return r;
	if (ret_pid)
		*ret_pid = child.pid;
	return gate_child_finish(&child, 0, ret_out, ret_status);
}
