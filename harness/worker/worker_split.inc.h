/* SPDX-License-Identifier: MIT */
/* How long a lock is waited for and held, sampled; part of worker.c. */

/*
 * The lock's own split, of the section after every SPLIT_EVERY-th timed operation: what
 * reading the clock inside of it costs is in nobody's latency. Not where every operation
 * is timed.
 */
#define SPLIT_EVERY 8u

static bool splits(const struct worker *w)
{
	return !w->job->target && w->params->latency == LATENCY_SAMPLED;
}

static __attribute__((noinline)) void split_next(struct worker *w)
{
	struct worker_result *result = &w->part->result;
	double scale = w->job->ns_per_tick;

	for (; w->sections_seen != w->stats->timed; w->sections_seen++) {
		uint64_t at = w->sections_seen % SHMHT_WAIT_RING;

		if (!w->measuring)
			continue;
		hist_record(&result->held, (uint64_t)((double)w->stats->timed_hold[at] * scale));
		hist_record(&result->held_wait,
			    (uint64_t)((double)w->stats->timed_wait[at] * scale));
	}
	shmht_ctx_time_section(w->ctx, true);
}
