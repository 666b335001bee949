/* SPDX-License-Identifier: MIT */
#include "run/jitter.h"

#include <math.h>

#include "shmht_clock.h"

void jitter_measure(uint64_t ns, struct jitter *ret)
{
	double scale = shmht_ns_per_tick(), taken = 0, longest = 0;
	uint64_t begin = shmht_ticks(), last = begin;

	*ret = (struct jitter){ 0 };
	while ((double)(last - begin) * scale < (double)ns) {
		uint64_t now = shmht_ticks();
		double gap = (double)(now - last) * scale;

		last = now;
		if (gap <= JITTER_GAP_NS)
			continue;
		taken += gap;
		ret->gaps++;
		longest = fmax(longest, gap);
	}
	ret->seconds = (double)(last - begin) * scale * 1e-9;
	ret->longest_ns = longest;
	ret->share = ret->seconds > 0 ? taken * 1e-9 / ret->seconds : 0;
}
