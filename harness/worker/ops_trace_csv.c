/* SPDX-License-Identifier: MIT */
/*
 * The CSV form of a recorded stream: ops_trace.h has the grammar. Strict: a trace that is
 * read differently from what its writer meant is worse than one that is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops_trace_internal.h"
#include "worker/opstream.h"

#define KEY_LIMIT (1ull << 40)
#define FIELDS_MAX 4

_Static_assert(OPS_TRACE_WORKERS_MAX == 4096, "a message says so");

struct field {
	const char *text;
	size_t len;
};

struct reader {
	const char *name;
	struct ops_trace *trace;
	uint64_t line;
	uint64_t counts[OP_NR];
	char *why;
	size_t size;
};

/* What was found, fit for a terminal, and what was expected. Returns -EINVAL. */
static int refuse(const struct reader *reader, struct field found, const char *expected)
{
	char text[41];
	size_t len = found.len < sizeof(text) - 1 ? found.len : sizeof(text) - 1;

	for (size_t i = 0; i < len; i++)
		text[i] = found.text[i] >= ' ' && found.text[i] < 127 ? found.text[i] : '?';
	text[len] = '\0';
	snprintf(reader->why, reader->size, "%s: line %llu: found '%s', expected %s", reader->name,
		 (unsigned long long)reader->line, text, expected);
	return -EINVAL;
}

static struct field trimmed(const char *text, size_t len)
{
	while (len && (*text == ' ' || *text == '\t'))
		text++, len--;
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return (struct field){ text, len };
}

static bool parse_number(struct field field, uint64_t limit, uint64_t *ret)
{
	uint64_t value = 0;

	if (!field.len || field.len > 13) /* 2^40 has 13 digits */
		return false;
	for (size_t i = 0; i < field.len; i++) {
		if (field.text[i] < '0' || field.text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(field.text[i] - '0');
	}
	*ret = value;
	return value < limit;
}

static int parse_kind(struct field field)
{
	for (int k = 0; k < OPS_TRACE_KINDS; k++)
		if (strlen(op_names[k]) == field.len &&
		    memcmp(op_names[k], field.text, field.len) == 0)
			return k;
	return -1;
}

static unsigned int split(const char *text, size_t len, struct field fields[FIELDS_MAX + 1])
{
	unsigned int nr = 0;

	for (;;) {
		const char *comma = memchr(text, ',', len);
		size_t part = comma ? (size_t)(comma - text) : len;

		fields[nr++] = trimmed(text, part);
		if (!comma || nr > FIELDS_MAX)
			return nr;
		text = comma + 1;
		len -= part + 1;
	}
}

/* Room for one more of this worker; workers are numbered without gaps, in the end. */
static struct ops_stream *stream_of(struct reader *reader, uint32_t worker)
{
	struct ops_trace *trace = reader->trace;
	struct ops_stream *stream;

	if (worker >= trace->nr_workers) {
		struct ops_stream *more = realloc(trace->streams,
						  (worker + 1) * sizeof(*trace->streams));

		if (!more)
			return NULL;
		memset(more + trace->nr_workers, 0,
		       (worker + 1 - trace->nr_workers) * sizeof(*more));
		trace->streams = more;
		trace->nr_workers = worker + 1;
	}
	stream = &trace->streams[worker];
	if (stream->nr == stream->max) {
		uint32_t max = stream->max ? stream->max * 2 : 64;
		uint64_t *ops = realloc(stream->ops, max * sizeof(*ops));

		if (!ops)
			return NULL;
		stream->ops = ops;
		stream->max = max;
	}
	return stream;
}

static int add(struct reader *reader, uint64_t worker, int kind, uint64_t key, uint64_t value)
{
	struct ops_stream *stream = stream_of(reader, (uint32_t)worker);

	if (!stream) {
		snprintf(reader->why, reader->size, "%s: line %llu: no memory for it", reader->name,
			 (unsigned long long)reader->line);
		return -ENOMEM;
	}
	stream->ops[stream->nr++] = key << 24 | value << 4 | (uint64_t)kind;
	reader->counts[kind]++;
	if (key >= reader->trace->keyspace)
		reader->trace->keyspace = key + 1;
	return 0;
}

static void note_size(struct reader *reader, uint32_t bytes)
{
	struct ops_size size = { bytes, reader->line }, *low = &reader->trace->shortest,
			*high = &reader->trace->longest;

	if (!low->line || bytes < low->bytes)
		*low = size;
	if (!high->line || bytes > high->bytes)
		*high = size;
}

/* SIZE_UNNAMED: the longest value that the scenario has. */
#define SIZE_UNNAMED 0xfffffu

static int parse_line(struct reader *reader, const char *text, size_t len)
{
	uint64_t worker, key, value = SIZE_UNNAMED;
	struct field fields[FIELDS_MAX + 1], whole = { text, len };
	unsigned int nr = split(text, len, fields);
	struct ops_trace *trace = reader->trace;
	int kind;

	if (nr < 3 || nr > FIELDS_MAX)
		return refuse(reader, whole, "WORKER,OPERATION,KEY or with ,VALUE_SIZE");
	if (!parse_number(fields[0], OPS_TRACE_WORKERS_MAX, &worker))
		return refuse(reader, fields[0], "a worker's number from 0 to 4095");
	kind = parse_kind(fields[1]);
	if (kind < 0)
		return refuse(reader, fields[1], "search, insert, update or remove");
	if (!parse_number(fields[2], KEY_LIMIT, &key))
		return refuse(reader, fields[2], "a key's number below 2^40");
	if (nr == FIELDS_MAX && fields[3].len) {
		if (kind != OP_INSERT && kind != OP_UPDATE)
			return refuse(reader, fields[3],
				      "no value size: only insert and update "
				      "write one");
		if (!parse_number(fields[3], SHMHT_VALUE_MAX + 1ull, &value))
			return refuse(reader, fields[3], "a value's size of 0 to 1048575 bytes");
		note_size(reader, (uint32_t)value);
	}
	if (worker < trace->nr_workers && trace->streams[worker].nr == OPSTREAM_LEN)
		return refuse(reader, whole, "at most 1048576 operations of one worker");
	return add(reader, worker, kind, key, value);
}

static bool is_heading(struct field line)
{
	return line.len >= 6 && strncmp(line.text, "worker", 6) == 0;
}

static int finish(struct reader *reader)
{
	struct ops_trace *trace = reader->trace;
	uint64_t sum = 0;

	for (int k = 0; k < OPS_TRACE_KINDS; k++)
		sum += reader->counts[k];
	if (!sum) {
		snprintf(reader->why, reader->size,
			 "%s: found no operation in %llu lines, expected WORKER,OPERATION,KEY",
			 reader->name, (unsigned long long)reader->line);
		return -EINVAL;
	}
	for (int k = 0; k < OPS_TRACE_KINDS; k++)
		trace->mix[k] = (double)reader->counts[k] / (double)sum;
	for (uint32_t i = 0; i < trace->nr_workers; i++) {
		if (trace->streams[i].nr)
			continue;
		snprintf(reader->why, reader->size,
			 "%s: found no line of worker %u, expected one of each from 0 to %u",
			 reader->name, i, trace->nr_workers - 1);
		return -EINVAL;
	}
	return 0;
}

int ops_trace_parse_csv(const char *name, const char *text, size_t len, struct ops_trace *trace,
			char *why, size_t size)
{
	struct reader reader = { .name = name, .trace = trace, .why = why, .size = size };
	bool begun = false;
	int r = 0;

	trace->nr_trials = 1;
	trace->keys.kind = KEYS_RECORDED;
	trace->sizes = true;
	while (len && !r) {
		const char *end = memchr(text, '\n', len);
		size_t line_len = end ? (size_t)(end - text) : len;
		struct field line = trimmed(text, line_len);

		reader.line++;
		if (line.len && line.text[line.len - 1] == '\r')
			line = trimmed(line.text, line.len - 1);
		if (line.len && *line.text != '#') {
			if (begun || !is_heading(line))
				r = parse_line(&reader, line.text, line.len);
			begun = true;
		}
		text += line_len + (end != NULL);
		len -= line_len + (end != NULL);
	}
	return r ? r : finish(&reader);
}
