/* SPDX-License-Identifier: MIT */
#include "target/target_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child. Returns only when it cannot. */
static void become(char *const argv[], pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1); /* it died before it was watched */
	setpgid(0, 0);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
}

int server_start(char *const argv[], pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;
	int report[2], r = 0;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		r = -errno;
	if (pid == 0) {
		become(argv, parent);
		r = -errno;
		_exit(write(report[1], &r, sizeof(r)) != sizeof(r));
	}
	close(report[1]);
	/* Closed by exec without a word: it runs. */
	if (pid > 0 && read(report[0], &r, sizeof(r)) > 0)
		waitpid(pid, NULL, 0);
	close(report[0]);
	if (!r)
		*ret_pid = pid;
	return r;
}

bool server_has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

void server_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
