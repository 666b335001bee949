/* SPDX-License-Identifier: MIT */
/* A build's command line, and reading what it answers: see gate_ask.h. */
#include "gate/gate_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "result/result_internal.h"

void gate_add(struct gate_arguments *args, const char *option, const char *value)
{
	args->list[args->nr++] = option;
	if (value)
		args->list[args->nr++] = value;
}

void gate_begin(const struct gate_request *request, enum gate_side side,
		struct gate_arguments *args)
{
	const struct gate_build *build = &request->builds[side];

	gate_add(args, build->binary, "slice");
	gate_add(args, "--protocol", GATE_PROTOCOL);
	for (uint32_t i = 0; i < request->nr_sets; i++)
		gate_add(args, "--set", request->sets[i]);
	for (uint32_t i = 0; i < build->nr_sets; i++)
		gate_add(args, "--set", build->sets[i]);
	if (request->section)
		gate_add(args, "--section", request->section);
	if (request->filter)
		gate_add(args, "--filter", request->filter);
}

int gate_read_answer(const char *binary, int r, const char *out, const char *err, int status,
		     json_t **ret_line, char *why, size_t size)
{
	char shown[420];
	const char *protocol;
	json_error_t error;

	result_clean(err, 300, shown, sizeof(shown));
	if (r == -EINTR)
		return r;
	if (r) {
		snprintf(why, size, "%s: %s", binary,
			 r == -ETIMEDOUT ? "no answer within its deadline" : strerror(-r));
		return -EIO;
	}
	if (WIFSIGNALED(status))
		snprintf(why, size, "%s: killed by signal %d", binary, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(why, size, "%s: exit status %d: %s", binary, WEXITSTATUS(status), shown);
	if (status)
		return -EIO;
	*ret_line = json_loads(out, JSON_REJECT_DUPLICATES, &error);
	if (!*ret_line) {
		snprintf(why, size, "%s: its answer is no JSON: %s", binary,
			 *out ? error.text : "nothing was written");
		return -EIO;
	}
	protocol = result_get_text(*ret_line, "protocol");
	if (protocol && !strcmp(protocol, GATE_PROTOCOL))
		return 0;
	snprintf(why, size, "%s: protocol found '%s', expected %s", binary,
		 protocol ? protocol : "none", GATE_PROTOCOL);
	json_decref(*ret_line);
	*ret_line = NULL;
	return -EIO;
}

int gate_ask(const struct gate_arguments *args, double timeout_s, json_t **ret_line, pid_t *ret_pid,
	     char *why, size_t size)
{
	char err[400] = "", *out = NULL;
	int status = 0, r;

	r = gate_spawn(args->list, timeout_s, &out, err, sizeof(err), ret_pid, &status);
	r = gate_read_answer(args->list[0], r, out, err, status, ret_line, why, size);
	free(out);
	return r;
}
