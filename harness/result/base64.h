/* SPDX-License-Identifier: MIT */
/*
 * Base64 of RFC 4648, section 4: the standard alphabet, padded, no line
 * breaks. The decoder accepts exactly what the encoder can write.
 */
#ifndef SHMBENCH_BASE64_H
#define SHMBENCH_BASE64_H

#include <stddef.h>

/* malloc'ed string, or NULL (no memory). */
char *base64_encode(const void *data, size_t len);
/* *ret_data is malloc'ed, never NULL on success. 0, -EINVAL, -ENOMEM. */
int base64_decode(const char *text, unsigned char **ret_data, size_t *ret_len);

#endif
