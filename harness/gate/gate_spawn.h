/* SPDX-License-Identifier: MIT */
/* A program run as a child, with a deadline and nothing left behind. */
#ifndef SHMBENCH_GATE_SPAWN_H
#define SHMBENCH_GATE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gate_capture {
	int fd;
	char *text;
	size_t len, max;
	bool keep_end; /* of too much, the end; else the rest is dropped */
};

struct gate_child {
	pid_t pid;
	int socket;	   /* our end of its stdin; -1: it has none */
	double deadline_s; /* by the monotonic clock */
	struct gate_capture out, err;
};

/*
 * Starts it, the leader of a process group of its own; err has room for the last of its
 * stderr. with_socket: its stdin is a socket to us, else empty. 0, or the errno of not
 * starting it; whatever was started must be finished.
 */
int gate_child_start(const char *const argv[], bool with_socket, double timeout_s, char *err,
		     size_t err_size, struct gate_child *ret_child);
/* Writes a byte into the socket: 0, or -EPIPE: nobody is there. */
int gate_child_tell(struct gate_child *child, char byte);
/* Reads one: 0, -ETIMEDOUT, -EINTR, or -EPIPE. */
int gate_child_hear(struct gate_child *child, char *ret_byte);
/*
 * Until its end, or the deadline, or until interrupted; then its process group is gone.
 * r: 0, or why it shall not be waited for. *ret_out is its stdout (caller frees). 0,
 * -ETIMEDOUT, -EINTR, or r.
 */
int gate_child_finish(struct gate_child *child, int r, char **ret_out, int *ret_status);

/* All of it: ret_pid may be NULL. */
int gate_spawn(const char *const argv[], double timeout_s, char **ret_out, char *err,
	       size_t err_size, pid_t *ret_pid, int *ret_status);

#endif
