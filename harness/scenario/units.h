/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people write them: 100k, 16Mi, 50%, 1.5ms. Parsers accept the
 * whole string or nothing: -EINVAL (not such a number, NaN, negative, unknown
 * suffix), -ERANGE (does not fit 64 bits). Formatters write at most size bytes.
 */
#ifndef SHMBENCH_UNITS_H
#define SHMBENCH_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* k M G are 1000s, Ki Mi Gi 1024s; a fraction is fine where the result is whole: 1.5k. */
int units_parse_count(const char *text, uint64_t *ret_count);
/* ns us ms s m h; a bare number is refused unless it is 0. */
int units_parse_time(const char *text, uint64_t *ret_ns);
/* "50%" -> 0.5; 0..100 %. */
int units_parse_percent(const char *text, double *ret_fraction);
/* A plain finite decimal. */
int units_parse_double(const char *text, double *ret_value);

/* Shortest form that reads back the same: 100000 -> "100k", 1234 -> "1234". */
void units_format_count(uint64_t count, char *buf, size_t size);
/* Likewise for parameters: 500000000 -> "500ms". */
void units_format_time(uint64_t ns, char *buf, size_t size);
/* For reading, three digits: 12.3 us, 1.90 M. */
void units_format_ns_short(double ns, char *buf, size_t size);
void units_format_rate_short(double per_s, char *buf, size_t size);

#endif
