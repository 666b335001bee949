/* SPDX-License-Identifier: MIT */
/*
 * A build that answers `gate` at once, with drawn speeds instead of measured ones: whole
 * gates, coins and looks and all, by the thousand and whatever the machine does. Called
 * under a name that ends in its slowdown in percent: fake-0, fake-5. The noise is skewed,
 * hangs on from slice to slice, and a neighbour slows every third one: GATE_FAKE_STATE
 * names the file that it is carried on in, GATE_FAKE_NOISE its size (0.05).
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/rng.h"

struct noise {
	struct rng rng;
	double drift;
	uint64_t slot;
};

static double draw(const char *path, double size)
{
	struct noise noise = { .slot = 0 };
	FILE *file = fopen(path, "r+e");
	double slower;

	if (!file) {
		perror(path);
		exit(3);
	}
	if (fread(&noise, sizeof(noise), 1, file) != 1) {
		const char *seed = getenv("GATE_FAKE_SEED");

		rng_seed(&noise.rng, seed ? strtoull(seed, NULL, 10) : 1, 0);
	}
	noise.drift = 0.8 * noise.drift + 0.6 * (-log(1 - rng_unit(&noise.rng)) - 1);
	slower = size * noise.drift + (noise.slot++ % 3 == 0 ? 2 * size : 0);
	rewind(file);
	if (fwrite(&noise, sizeof(noise), 1, file) != 1 || fclose(file)) {
		perror(path);
		exit(3);
	}
	return slower;
}

int main(int argc, char **argv)
{
	const char *percent = strrchr(argv[0], '-'), *size = getenv("GATE_FAKE_NOISE");
	const char *state = getenv("GATE_FAKE_STATE"), *point = "a", *trial = "0";

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list")) {
			puts("{\"protocol\": \"shmbench.slice/1\", \"fingerprint\": \"feed\", "
			     "\"tool\": {}, \"scenario_sha256\": \"beef\", \"points\": [{\"name\": "
			     "\"a\", \"skip\": null, \"open_loop\": false, \"procs\": 1}]}");
			return 0;
		}
		if (!strcmp(argv[i], "--point") && i + 1 < argc)
			point = argv[i + 1];
		if (!strcmp(argv[i], "--trial") && i + 1 < argc)
			trial = argv[i + 1];
	}
	if (!state || !percent)
		return 2;
	/* So short that no clock can find it longer than the slice took to come. */
	printf("{\"protocol\": \"shmbench.slice/1\", \"point\": \"%s\", \"status\": \"ok\", "
	       "\"reason\": null, \"trial\": %s, \"seconds\": 1e-5, \"ops\": %.0f, \"by_time\": "
	       "false, \"op_stream_hash\": \"0123456789abcdef\", \"hist\": {}}\n",
	       point, trial,
	       1e9 * exp(-draw(state, size ? strtod(size, NULL) : 0.05)) /
		       (1 + strtod(percent + 1, NULL) / 100));
	return 0;
}
