/* SPDX-License-Identifier: MIT */
/* A server that a target needs: it dies with the run, however the run ends. */
#ifndef SHMBENCH_TARGET_SERVER_H
#define SHMBENCH_TARGET_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Runs argv[0], looked for in PATH, without input and output, out of reach of
 * the terminal's Ctrl-C. The kernel kills it when the calling thread ends: the
 * caller is the supervisor's only one. 0, or the errno of exec.
 */
int server_start(char *const argv[], pid_t *ret_pid);
bool server_has_ended(pid_t pid);
/* By SIGKILL, what it holds is thrown away anyway; and reaps it. */
void server_stop(pid_t pid);

#endif
