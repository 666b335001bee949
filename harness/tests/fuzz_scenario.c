/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer on the scenario reader. Besides not crashing: a refusal says why
 * on whole lines, and a point's text can be made and has no line break in it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_points(const struct scenario *scenario)
{
	char value[2048];
	const char *key;

	/* The first and the last: they are alike but for the swept keys. */
	for (size_t i = 0;
	     i<scenario->nr_points; i += scenario->nr_points> 1 ? scenario->nr_points - 1 : 1)
		for (unsigned int k = 0;
		     params_text(&scenario->points[i].params, k, &key, value, sizeof(value)); k++)
			if (strchr(value, '\n') || *value == '\0')
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scenario *scenario = NULL;
	size_t len;
	char *said;
	FILE *diag = open_memstream(&said, &len);
	int rc = scenario_load_text("fuzz.ini", (const char *)data, size, diag, &scenario);

	fclose(diag);
	if (rc == 0 && (len || !scenario || !scenario->nr_points))
		abort();
	if (rc && (scenario || !len || said[len - 1] != '\n' || strlen(said) != len))
		abort();
	if (rc == 0)
		check_points(scenario);
	scenario_free(scenario);
	free(said);
	return 0;
}
