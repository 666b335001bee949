/* SPDX-License-Identifier: MIT */
#include "run/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scenario/units.h"
#include "shmht_clock.h"

void progress_begin(struct progress *progress, bool wanted, uint32_t total)
{
	*progress = (struct progress){
		.on = wanted && isatty(STDERR_FILENO),
		.started_ns = shmht_monotonic_ns(),
		.total = total,
	};
}

void progress_show(const struct progress *progress, const char *point, double last_ops_per_s)
{
	double elapsed = (double)(shmht_monotonic_ns() - progress->started_ns) * 1e-9;
	double left = progress->done ?
			      elapsed / progress->done * (progress->total - progress->done) :
			      0;
	struct winsize size = { .ws_col = 80 };
	char rate[32] = "-", line[256];

	if (!progress->on)
		return;
	if (last_ops_per_s > 0)
		units_format_rate_short(last_ops_per_s, rate, sizeof(rate));
	if (progress->total)
		snprintf(line, sizeof(line), "%3.0f s  %u of %u  %s/s  %.0f s left  %s", elapsed,
			 progress->done + 1, progress->total, rate, left, point);
	else
		snprintf(line, sizeof(line), "%3.0f s  look %u  %s/s  %s", elapsed,
			 progress->done + 1, rate, point);
	ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
	fprintf(stderr, "\r\033[K%.*s", size.ws_col > 1 ? size.ws_col - 1 : 79, line);
	fflush(stderr);
}

void progress_end(const struct progress *progress)
{
	if (progress->on)
		fputs("\r\033[K", stderr);
}
