/* SPDX-License-Identifier: MIT */
/*
 * The binary form of recorded op streams: ops_trace.h has the layout. Everything of the
 * header is checked before it is believed, then the hash, then every operation.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "worker/ops_trace.h"
#include "worker/ops_trace_internal.h"
#include "worker/opstream.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are read as they are");

#define KEYSPACE_MOST (1ull << 40)
#define RESERVED_BITS 0xcull /* timed, many */

static const char magic[8] = { 'S', 'H', 'M', 'B', 'O', 'P', 'S', '1' };

struct header {
	char magic[8];
	uint32_t nr_trials, nr_workers;
	uint32_t nr_ops;
	uint32_t keys_kind;
	uint64_t keyspace;
	double theta, hot_keys, hot_ops;
	double mix[OPS_TRACE_KINDS];
	uint64_t hash;
};
_Static_assert(sizeof(struct header) == 96, "as documented");

static int check_count(const char *name, size_t offset, const char *what, uint64_t found,
		       uint64_t most, char *why, size_t size)
{
	if (found >= 1 && found <= most)
		return 0;
	return ops_trace_refuse(why, size, "%s: offset %zu: found %llu %s, expected 1 to %llu",
				name, offset, (unsigned long long)found, what,
				(unsigned long long)most);
}

static bool is_share(double value)
{
	return value >= 0 && value <= 1; /* false for NaN */
}

static int check_shares(const char *name, const struct header *header, char *why, size_t size)
{
	double sum = 0;

	for (int k = 0; k < OPS_TRACE_KINDS; k++) {
		if (!is_share(header->mix[k]))
			return ops_trace_refuse(
				why, size,
				"%s: offset %zu: found a share of %s that is not from 0 to 1", name,
				offsetof(struct header, mix) + (size_t)k * 8, op_names[k]);
		sum += header->mix[k];
	}
	if (fabs(sum - 1) > 1e-6)
		return ops_trace_refuse(
			why, size,
			"%s: offset %zu: found shares of operations whose sum is %g, "
			"expected 1",
			name, offsetof(struct header, mix), sum);
	if (header->keys_kind > KEYS_RECORDED)
		return ops_trace_refuse(why, size,
					"%s: offset %zu: found %u, expected how keys were drawn, "
					"0 to %u",
					name, offsetof(struct header, keys_kind), header->keys_kind,
					KEYS_RECORDED);
	if (!isfinite(header->theta) || !is_share(header->hot_keys) || !is_share(header->hot_ops))
		return ops_trace_refuse(
			why, size, "%s: offset %zu: found no exponent and two shares from 0 to 1",
			name, offsetof(struct header, theta));
	return 0;
}

static int check_header(const char *name, const struct header *header, size_t len, char *why,
			size_t size)
{
	unsigned __int128 expected;
	int r;

	r = check_count(name, offsetof(struct header, nr_trials), "trials", header->nr_trials,
			10000, why, size);
	if (!r)
		r = check_count(name, offsetof(struct header, nr_workers), "workers",
				header->nr_workers, OPS_TRACE_WORKERS_MAX, why, size);
	if (!r)
		r = check_count(name, offsetof(struct header, nr_ops), "operations per stream",
				header->nr_ops, OPSTREAM_LEN, why, size);
	if (!r)
		r = check_count(name, offsetof(struct header, keyspace), "distinct keys",
				header->keyspace, KEYSPACE_MOST, why, size);
	if (!r)
		r = check_shares(name, header, why, size);
	if (r)
		return r;
	expected = (unsigned __int128)header->nr_trials * header->nr_workers * header->nr_ops *
			   sizeof(uint64_t) +
		   sizeof(*header);
	if (expected != len)
		return ops_trace_refuse(why, size,
					"%s: found %zu bytes, expected %llu by its header", name,
					len, (unsigned long long)expected);
	return 0;
}

static int check_ops(const char *name, const struct header *header, const uint64_t *ops, size_t nr,
		     char *why, size_t size)
{
	for (size_t i = 0; i < nr; i++) {
		size_t offset = sizeof(*header) + i * sizeof(*ops);

		if (ops[i] & RESERVED_BITS)
			return ops_trace_refuse(
				why, size, "%s: offset %zu: found bits 2 and 3 as %llu, expected 0",
				name, offset, (unsigned long long)(ops[i] >> 2 & 3));
		if (op_get_key(ops[i]) >= header->keyspace)
			return ops_trace_refuse(
				why, size,
				"%s: offset %zu: found key %llu, expected one below %llu", name,
				offset, (unsigned long long)op_get_key(ops[i]),
				(unsigned long long)header->keyspace);
		if (header->mix[op_get_kind(ops[i])] <= 0)
			return ops_trace_refuse(
				why, size,
				"%s: offset %zu: found %s, of which the header has no share", name,
				offset, op_names[op_get_kind(ops[i])]);
	}
	return 0;
}

static int take_streams(const struct header *header, const uint64_t *ops, struct ops_trace *trace)
{
	size_t nr = (size_t)header->nr_trials * header->nr_workers;

	trace->streams = calloc(nr, sizeof(*trace->streams));
	if (!trace->streams)
		return -ENOMEM;
	trace->nr_trials = header->nr_trials;
	trace->nr_workers = header->nr_workers;
	for (size_t i = 0; i < nr; i++) {
		struct ops_stream *stream = &trace->streams[i];

		stream->ops = malloc(header->nr_ops * sizeof(*ops));
		if (!stream->ops)
			return -ENOMEM;
		stream->nr = stream->max = header->nr_ops;
		memcpy(stream->ops, ops + i * header->nr_ops, header->nr_ops * sizeof(*ops));
	}
	return 0;
}

bool ops_trace_is_binary(const void *bytes, size_t len)
{
	return len >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0;
}

int ops_trace_parse_binary(const char *name, const void *bytes, size_t len, struct ops_trace *trace,
			   char *why, size_t size)
{
	const uint64_t *ops;
	struct header header;
	uint64_t hash;
	int r;

	if (len < sizeof(header))
		return ops_trace_refuse(why, size, "%s: found %zu bytes, expected a header of %zu",
					name, len, sizeof(header));
	memcpy(&header, bytes, sizeof(header));
	ops = (const uint64_t *)((const char *)bytes + sizeof(header));
	r = check_header(name, &header, len, why, size);
	if (r)
		return r;
	hash = XXH3_64bits(ops, len - sizeof(header));
	if (hash != header.hash)
		return ops_trace_refuse(
			why, size,
			"%s: offset %zu: found a hash of %016llx, expected %016llx: it was "
			"changed or cut after it was recorded",
			name, offsetof(struct header, hash), (unsigned long long)header.hash,
			(unsigned long long)hash);
	r = check_ops(name, &header, ops, (len - sizeof(header)) / sizeof(*ops), why, size);
	if (r)
		return r;
	trace->keyspace = header.keyspace;
	trace->keys = (struct keydist_params){ .kind = (enum keydist_kind)header.keys_kind,
					       .theta = header.theta,
					       .hot_keys = header.hot_keys,
					       .hot_ops = header.hot_ops };
	memcpy(trace->mix, header.mix, sizeof(header.mix));
	r = take_streams(&header, ops, trace);
	if (r)
		ops_trace_refuse(why, size, "%s: no memory for its streams", name);
	return r;
}

/* ---- recording --------------------------------------------------------- */

static int write_streams(const struct params *params, FILE *out, uint64_t *ring,
			 struct header *header)
{
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	if (fwrite(header, sizeof(*header), 1, out) != 1)
		return -EIO;
	for (uint32_t k = 0; k < header->nr_trials; k++) {
		for (uint32_t w = 0; w < header->nr_workers; w++) {
			uint64_t hash;
			int r = opstream_make(params, k, w, ring, OPSTREAM_LEN, &hash);

			if (r)
				return r;
			XXH3_64bits_update(&state, ring, OPSTREAM_LEN * sizeof(*ring));
			errno = EIO;
			if (fwrite(ring, sizeof(*ring), OPSTREAM_LEN, out) != OPSTREAM_LEN)
				return -errno;
		}
	}
	header->hash = XXH3_64bits_digest(&state);
	if (fflush(out) || fseek(out, 0, SEEK_SET) ||
	    fwrite(header, sizeof(*header), 1, out) != 1 || fflush(out))
		return -errno;
	return 0;
}

int ops_trace_write(const struct params *asked, const char *path)
{
	struct params params = *asked;
	struct header header = {
		.nr_trials = params.trials,
		.nr_workers = params.procs,
		.nr_ops = OPSTREAM_LEN,
		.keys_kind = params.keys.kind,
		.keyspace = params.keyspace,
		.theta = params.keys.theta,
		.hot_keys = params.keys.hot_keys,
		.hot_ops = params.keys.hot_ops,
	};
	uint64_t *ring = malloc(OPSTREAM_LEN * sizeof(*ring));
	char temporary[PATH_MAX], resolved[PATH_MAX], why[OPS_TRACE_WHY_MAX];
	const struct ops_trace *replayed;
	struct stat st;
	FILE *out;
	int r;

	if (params.mix[OP_SEARCH_MANY] > 0) {
		free(ring);
		return -ENOTSUP;
	}
	if (stat(path, &st) == 0) {
		/* A device would be replaced by a file. */
		if (!S_ISREG(st.st_mode)) {
			free(ring);
			return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
		}
		if (realpath(path, resolved))
			path = resolved;
	}
	if (params.ops_file[0] &&
	    ops_trace_get(params.ops_file, &replayed, why, sizeof(why)) == 0) {
		header.keys_kind = replayed->keys.kind;
		header.theta = replayed->keys.theta;
		header.hot_keys = replayed->keys.hot_keys;
		header.hot_ops = replayed->keys.hot_ops;
	}
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.mix, params.mix, sizeof(header.mix));
	params.latency = LATENCY_OFF; /* no timed bits: they belong to the run, not the work */
	if (snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int)getpid()) >=
	    (int)sizeof(temporary))
		r = -ENAMETOOLONG;
	else
		r = ring ? 0 : -ENOMEM;
	out = r ? NULL : fopen(temporary, "wxe");
	if (!r && !out)
		r = -errno;
	if (!r)
		r = write_streams(&params, out, ring, &header);
	if (out && fclose(out) && !r)
		r = -errno;
	if (!r && rename(temporary, path))
		r = -errno;
	if (r && out)
		unlink(temporary);
	free(ring);
	return r;
}
