/* SPDX-License-Identifier: MIT */
/* libFuzzer on recorded op streams, both forms: a refusal says why on one clean line, and
 * what is accepted can be replayed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops_trace.h"
#include "worker/opstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct params params = { .value_min = 16, .value_max = 1000 };
	char why[OPS_TRACE_WHY_MAX] = "";
	struct ops_trace *trace = NULL;
	uint64_t ring[64];

	if (ops_trace_parse("fuzz", data, size, &trace, why, sizeof(why))) {
		if (trace || !why[0])
			abort();
		for (const char *at = why; *at; at++)
			if ((unsigned char)*at < ' ')
				abort();
		return 0;
	}
	for (uint32_t w = 0; w < trace->nr_workers; w++) {
		if (ops_trace_fill(trace, &params, 3, w, ring, 64))
			abort();
		for (size_t i = 0; i < 64; i++)
			if (op_get_key(ring[i]) >= trace->keyspace || op_is_timed(ring[i]))
				abort();
	}
	ops_trace_free(trace);
	return 0;
}
