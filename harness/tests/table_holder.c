/* SPDX-License-Identifier: MIT */
/*
 * Somebody's program with a table, no run of shmbench: one process holds stripe 0's
 * lock, another waits for it, a third has a context and does nothing. Prints the
 * table's descriptor and their numbers; lives until stdin ends.
 *
 * usage: table_holder STRATEGY
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shmht.h"

static void child(struct shmht *map, int take, int ready)
{
	struct shmht_ctx *ctx;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	if (shmht_ctx_open(map, &ctx, NULL))
		_exit(1);
	shmht_ctx_set_timeout(ctx, 60000000000ull);
	if (take == 1 && ((struct shmht_ctx_head *)ctx)->ops->lock(ctx, 0))
		_exit(1);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	if (take == 2 && shmht_insert(ctx, "key", 3, "value", 5))
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct shmht_config cfg = { .capacity = 1000,
				    .key_size = 16,
				    .value_size = 64,
				    .stripes = 1,
				    .max_workers = 16,
				    .strategy = argc > 1 ? argv[1] : "futex" };
	struct shmht_ctx *ctx;
	struct shmht *map;
	int pipes[2];
	pid_t pids[3];
	char byte;

	alarm(60);
	if (shmht_create(&cfg, &map, NULL) || shmht_ctx_open(map, &ctx, NULL) || pipe(pipes))
		return 1;
	for (int i = 0; i < 7; i++)
		if (shmht_insert(ctx, &i, sizeof(i), "value", 5))
			return 1;
	shmht_ctx_close(ctx);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i])
			child(map, i == 2 ? 0 : i + 1, pipes[1]);
		if (pids[i] < 0 || read(pipes[0], &byte, 1) != 1)
			return 1;
	}
	printf("%d %d %d %d\n", shmht_fd(map), (int)pids[0], (int)pids[1], (int)pids[2]);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (int i = 0; i < 3; i++)
		kill(pids[i], SIGKILL);
	return 0;
}
