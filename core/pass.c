/* SPDX-License-Identifier: MIT */
/*
 * A table's descriptor from one process to another that did not fork from it:
 * one byte over a Unix socket, with the descriptor beside it (unix(7),
 * SCM_RIGHTS). What arrives is not trusted: shmht_attach() decides.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shmht.h"

#define MARK 'T'

union rights {
	char room[CMSG_SPACE(4 * sizeof(int))]; /* more than one, to close what is too much */
	struct cmsghdr align;
};

int shmht_send_fd(int sock, int fd)
{
	union rights rights = { .room = { 0 } };
	char mark = MARK;
	struct iovec iov = { &mark, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = rights.room,
			      .msg_controllen = CMSG_SPACE(sizeof(fd)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Takes the first descriptor and closes the others. -1: there was none. */
static int take_one(struct msghdr *msg)
{
	int taken = -1;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (taken < 0)
				taken = fd;
			else
				close(fd);
		}
	}
	return taken;
}

int shmht_recv_fd(int sock, int *ret_fd)
{
	union rights rights;
	char mark = 0;
	struct iovec iov = { &mark, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = rights.room,
			      .msg_controllen = sizeof(rights.room) };
	ssize_t n;
	int fd;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENOTCONN;
	fd = take_one(&msg);
	if (mark != MARK || (msg.msg_flags & MSG_CTRUNC) || fd < 0) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	*ret_fd = fd;
	return 0;
}
