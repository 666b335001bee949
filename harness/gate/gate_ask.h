/* SPDX-License-Identifier: MIT */
/* Asking a build of shmbench by the slice protocol: what gate_client.c and gate_turns.c share. */
#ifndef SHMBENCH_GATE_ASK_H
#define SHMBENCH_GATE_ASK_H

#include "gate/gate.h"
#include "gate/gate_spawn.h"

#define GATE_ARGS_MAX (4 * GATE_SETS_MAX + 2 * GATE_METRICS_MAX + 32)
#define GATE_WARMUP_NS 20000000u
#define GATE_SLICE_TIMEOUT_S                                                 \
	20 /* beside what it measures; a stuck worker's own limit is shorter \
	    */

struct gate_arguments {
	const char *list[GATE_ARGS_MAX];
	size_t nr;
};

/* option, and its value unless that is NULL. */
void gate_add(struct gate_arguments *args, const char *option, const char *value);
/* The build's name, `slice`, and what every question has. */
void gate_begin(const struct gate_request *request, enum gate_side side,
		struct gate_arguments *args);
/* How a child ended (gate_child_finish(); out may be NULL then), and the one line that it
 * wrote. 0, -EINTR, or -EIO with why. */
int gate_read_answer(const char *binary, int r, const char *out, const char *err, int status,
		     json_t **ret_line, char *why, size_t size);
/* Runs it and reads its one line: as above; ret_pid may be NULL. */
int gate_ask(const struct gate_arguments *args, double timeout_s, json_t **ret_line, pid_t *ret_pid,
	     char *why, size_t size);

#endif
