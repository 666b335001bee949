/* SPDX-License-Identifier: MIT */
/*
 * Base64 for histograms in results: a few KB at a time, so plain and strict.
 * Strict also about the bits that padding leaves over (RFC 4648, 3.5), so that
 * equal data have one text.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "result/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const unsigned char *in = data;
	char *text, *out;

	if (len > SIZE_MAX / 4 * 3 - 8)
		return NULL;
	text = out = malloc((len + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (; len; in += 3) {
		uint32_t group = (uint32_t)in[0] << 16;

		if (len > 1)
			group |= (uint32_t)in[1] << 8;
		if (len > 2)
			group |= in[2];
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = len > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = len > 2 ? alphabet[group & 63] : '=';
		len = len > 3 ? len - 3 : 0;
	}
	*out = 0;
	return text;
}

/* 0..63; -1 for a character outside the alphabet. */
static int sextet(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

int base64_decode(const char *text, unsigned char **ret_data, size_t *ret_len)
{
	size_t text_len = strlen(text), len = 0, padding = 0;
	unsigned char *data;

	if (text_len % 4)
		return -EINVAL;
	while (padding < 2 && padding < text_len && text[text_len - 1 - padding] == '=')
		padding++;
	data = malloc(text_len / 4 * 3 + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < text_len; i += 4) {
		size_t digits = i + 4 == text_len ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t j = 0; j < 4; j++) {
			int value = j < digits ? sextet(text[i + j]) : 0;

			if (value < 0)
				goto out_invalid;
			group = group << 6 | (uint32_t)value;
		}
		if (group & ((1u << (4 - digits) * 8) - 1))
			goto out_invalid;
		for (size_t j = 0; j + 1 < digits; j++)
			data[len++] = (unsigned char)(group >> (16 - 8 * j));
	}
	*ret_data = data;
	*ret_len = len;
	return 0;

out_invalid:
	free(data);
	return -EINVAL;
}
