/* SPDX-License-Identifier: MIT */
/* Recorded op streams: reading, keeping, replaying. ops_trace.h has the forms. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/ops_trace.h"
#include "worker/ops_trace_internal.h"

#define FILE_MOST (8ull << 30) /* bytes; it is held in memory */

int ops_trace_refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void ops_trace_free(struct ops_trace *trace)
{
	if (!trace)
		return;
	for (size_t i = 0; trace->streams && i < (size_t)trace->nr_trials * trace->nr_workers; i++)
		free(trace->streams[i].ops);
	free(trace->streams);
	free(trace);
}

int ops_trace_parse(const char *name, const void *bytes, size_t len, struct ops_trace **ret_trace,
		    char *why, size_t size)
{
	struct ops_trace *trace = calloc(1, sizeof(*trace));
	int r;

	if (!trace) {
		ops_trace_refuse(why, size, "%s: no memory", name);
		return -ENOMEM;
	}
	if (ops_trace_is_binary(bytes, len))
		r = ops_trace_parse_binary(name, bytes, len, trace, why, size);
	else
		r = ops_trace_parse_csv(name, bytes, len, trace, why, size);
	if (r)
		ops_trace_free(trace);
	else
		*ret_trace = trace;
	return r;
}

static int read_all(const char *path, int fd, char **ret_bytes, size_t *ret_len, char *why,
		    size_t size)
{
	struct stat st;
	char *bytes;
	size_t len = 0;

	if (fstat(fd, &st))
		return ops_trace_refuse(why, size, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ops_trace_refuse(why, size,
					"%s: found no regular file, expected a recorded stream",
					path);
	if ((uint64_t)st.st_size > FILE_MOST)
		return ops_trace_refuse(why, size, "%s: found %lld bytes, expected at most 8 GiB",
					path, (long long)st.st_size);
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return ops_trace_refuse(why, size, "%s: no memory for its %lld bytes", path,
					(long long)st.st_size);
	while (len < (size_t)st.st_size) {
		ssize_t got = read(fd, bytes + len, (size_t)st.st_size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(bytes);
			return ops_trace_refuse(why, size, "%s: %s", path, strerror(errno));
		}
		if (got == 0)
			break;
		len += (size_t)got;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int ops_trace_read(const char *path, struct ops_trace **ret_trace, char *why, size_t size)
{
	/* Not to wait for a pipe's writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;
	char *bytes = NULL;
	size_t len = 0;

	if (fd < 0)
		return ops_trace_refuse(why, size, "%s: %s", path, strerror(errno));
	r = read_all(path, fd, &bytes, &len, why, size);
	close(fd);
	if (r)
		return r;
	r = ops_trace_parse(path, bytes, len, ret_trace, why, size);
	free(bytes);
	return r;
}

static struct kept {
	struct kept *next;
	struct ops_trace *trace; /* NULL: not readable */
	char *why;
	char path[];
} * kept;

int ops_trace_get(const char *path, const struct ops_trace **ret_trace, char *why, size_t size)
{
	char text[OPS_TRACE_WHY_MAX] = "";
	struct kept *one = kept;

	while (one && strcmp(one->path, path) != 0)
		one = one->next;
	if (!one) {
		one = calloc(1, sizeof(*one) + strlen(path) + 1);
		if (!one)
			return ops_trace_refuse(why, size, "%s: no memory", path);
		strcpy(one->path, path);
		if (ops_trace_read(path, &one->trace, text, sizeof(text)))
			one->why = strdup(text);
		one->next = kept;
		kept = one;
	}
	if (!one->trace)
		return ops_trace_refuse(why, size, "%s", one->why ? one->why : "no memory");
	*ret_trace = one->trace;
	return 0;
}

/* The draw that op_value_len() makes this length of: the smallest. */
static uint64_t draw_of(uint64_t len, uint32_t min, uint32_t max)
{
	uint64_t width = max - min + 1u;

	if (len >= max)
		return (1u << 20) - 1;
	return len <= min ? 0 : (((len - min) << 20) + width - 1) / width;
}

int ops_trace_fill(const struct ops_trace *trace, const struct params *params, uint32_t trial,
		   uint32_t worker, uint64_t *ring, uint32_t len)
{
	const struct ops_stream *stream;

	if (worker >= trace->nr_workers)
		return -EINVAL;
	stream = &trace->streams[(size_t)(trial % trace->nr_trials) * trace->nr_workers + worker];
	for (uint32_t i = 0, k = 0; i < len; i++) {
		uint64_t op = stream->ops[k];

		if (trace->sizes)
			op = (op & ~(0xfffffull << 4)) |
			     draw_of(op >> 4 & 0xfffff, params->value_min, params->value_max) << 4;
		ring[i] = op;
		k = k + 1 == stream->nr ? 0 : k + 1;
	}
	return 0;
}
