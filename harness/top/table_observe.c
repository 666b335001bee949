/* SPDX-License-Identifier: MIT */
/* A table of another process, by its descriptor there, mapped read-only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "shmht.h"

int table_observe(const char *command, uint64_t pid, uint64_t fd, struct shmht **ret_map)
{
	static const struct shmht_attach_options observe = { .read = -1,
							     .flags = SHMHT_ATTACH_OBSERVE };
	struct shmht_error err = { "" };
	char path[64];
	int own, r;

	snprintf(path, sizeof(path), "/proc/%llu/fd/%llu", (unsigned long long)pid,
		 (unsigned long long)fd);
	/* Whatever it is: a terminal does not become ours, a fifo does not block. */
	own = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (own < 0) {
		if (!command)
			return EXIT_USAGE;
		fprintf(stderr,
			"shmbench %s: %s: %s; `shmbench list tables` says where tables are\n",
			command, path, strerror(errno));
		return EXIT_USAGE;
	}
	r = shmht_attach(own, &observe, ret_map, &err);
	close(own);
	if (!r)
		return EXIT_YES;
	if (!command)
		return EXIT_USAGE;
	fprintf(stderr, "shmbench %s: %s is no table that can be %s: %s\n", command, path,
		strcmp(command, "check") == 0 ? "checked" : "watched",
		*err.text ? err.text : strerror(-r));
	return EXIT_USAGE;
}
