/* SPDX-License-Identifier: MIT */
/* What the two forms of a recorded stream and their reader share. */
#ifndef SHMBENCH_OPS_TRACE_INTERNAL_H
#define SHMBENCH_OPS_TRACE_INTERNAL_H

#include "worker/ops_trace.h"

/* why gets the text. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int ops_trace_refuse(char *why, size_t size, const char *fmt,
							   ...);

/* Both fill a zeroed trace; what they leave in it on failure is freed with it. */
int ops_trace_parse_csv(const char *name, const char *text, size_t len, struct ops_trace *trace,
			char *why, size_t size);
bool ops_trace_is_binary(const void *bytes, size_t len);
int ops_trace_parse_binary(const char *name, const void *bytes, size_t len, struct ops_trace *trace,
			   char *why, size_t size);

#endif
