/* SPDX-License-Identifier: MIT */
/* A table handed to a process that did not fork with it, and what is refused. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "support.h"

static int descriptors(void)
{
	int nr = 0;

	for (int fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* The other side: attaches to what it is sent, and adds a key. */
static int peer(int sock)
{
	struct shmht_error err;
	struct shmht_ctx *ctx;
	struct shmht *map;
	int fd;

	if (shmht_recv_fd(sock, &fd) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return 1;
	if (shmht_attach(fd, NULL, &map, &err) || shmht_ctx_open(map, &ctx, &err))
		return 2;
	return shmht_insert(ctx, "from there", 10, "value", 5) ? 3 : 0;
}

static void test_table_reaches_another_process(void **state)
{
	struct shmht_config cfg = small_config(shmht_strategy_find("futex"), 100);
	int pair[2], status;
	char value[64];
	struct table t;
	size_t len;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork(); /* before there is a table: nothing is inherited */
	if (pid == 0) {
		alarm(20);
		_exit(peer(pair[1]));
	}
	t = table_open(&cfg);
	assert_int_equal(shmht_send_fd(pair[0], shmht_fd(t.map)), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(shmht_search(t.ctx, "from there", 10, value, sizeof(value), &len), 0);
	assert_int_equal(len, 5);
	table_close(&t);
	close(pair[0]);
	close(pair[1]);
}

static void test_refuses_what_is_no_descriptor(void **state)
{
	int pair[2], fd = 77, before;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	before = descriptors();
	assert_int_equal(send(pair[0], "T", 1, 0), 1);
	assert_int_equal(shmht_recv_fd(pair[1], &fd), -EPROTO);
	assert_int_equal(shmht_send_fd(pair[0], -1), -EBADF);
	close(pair[0]);
	assert_int_equal(shmht_recv_fd(pair[1], &fd), -ENOTCONN);
	assert_int_equal(shmht_send_fd(pair[1], 0), -EPIPE);
	assert_int_equal(fd, 77);
	assert_int_equal(descriptors(), before - 1);
	close(pair[1]);
	assert_int_equal(shmht_recv_fd(pair[1], &fd), -EBADF);
}

/* A sender that adds more than it should gets none of it kept open here. */
static void test_keeps_no_more_than_one(void **state)
{
	union {
		char room[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} rights = { .room = { 0 } };
	int pair[2], three[3] = { 0, 0, 0 }, fd, before;
	struct iovec iov = { "T", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = rights.room,
			      .msg_controllen = sizeof(rights.room) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	before = descriptors();
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(three));
	memcpy(CMSG_DATA(cmsg), three, sizeof(three));
	assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
	assert_int_equal(shmht_recv_fd(pair[1], &fd), 0);
	assert_int_equal(descriptors(), before + 1);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_reaches_another_process),
		cmocka_unit_test(test_refuses_what_is_no_descriptor),
		cmocka_unit_test(test_keeps_no_more_than_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
