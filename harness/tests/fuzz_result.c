/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on what reads results: the parser, the table of `show`, and
 * `compare` with itself and with the last document that was accepted. Besides
 * not crashing: a refusal says why on whole lines, and nothing that a file says
 * reaches the terminal as a control character.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "result/result.h"
#include "result/result_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *last;

static void assert_harmless(const char *said, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)said[i] < ' ' && said[i] != '\n' && said[i] != '\t')
			abort();
}

static void use(const json_t *result)
{
	size_t len;
	char *said;
	FILE *out = open_memstream(&said, &len);

	if (!out)
		abort();
	result_show(result, out);
	result_show_overhead(result, out);
	result_chart(json_object_get(result, "points"), out, 80);
	result_compare(result, "a", result, "b", out);
	if (last)
		result_compare(last, "a", result, "b", out);
	fclose(out);
	assert_harmless(said, len);
	free(said);
	if (result_exit_code(result) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *result = NULL;
	size_t len;
	char *said;
	FILE *diag = open_memstream(&said, &len);
	int rc;

	if (!diag)
		abort();
	rc = result_read_text("fuzz.json", (const char *)data, size, diag, &result);
	fclose(diag);
	if (rc == 0 && (len || !result))
		abort();
	if (rc && (result || !len || said[len - 1] != '\n'))
		abort();
	assert_harmless(said, len);
	free(said);
	if (result) {
		use(result);
		json_decref(last);
		last = result;
	}
	return 0;
}
