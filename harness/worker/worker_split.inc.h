/* SPDX-License-Identifier: MIT */
/* How long a lock is waited for and held, sampled; part of worker.c. */

/*
 * The lock's own split, of the section after a timed operation: what reading the clock
 * inside of it costs is in nobody's latency. Not where every operation is timed. It costs
 * some 80 ns: after every 8th, so that slow operations have some, and from SPLIT_MANY on
 * more rarely, so that fast ones hardly see it.
 */
#define SPLIT_FIRST 8u
#define SPLIT_MANY 1024u
#define SPLIT_EVERY 64u

static bool splits(const struct worker *w)
{
	return !w->job->target && w->params->latency == LATENCY_SAMPLED;
}

/* Before a timed operation: where no section came since, it is not this one. */
static inline void split_not_now(struct worker *w)
{
	if (__builtin_expect(w->split_asked, 0)) {
		shmht_ctx_time_section(w->ctx, false);
		w->split_asked = false;
	}
}

static __attribute__((noinline)) void split_next(struct worker *w)
{
	struct worker_result *result = &w->part->result;
	double scale = w->job->ns_per_tick;

	for (; w->sections_seen != w->stats->timed; w->sections_seen++) {
		uint64_t at = w->sections_seen % SHMHT_WAIT_RING, held_ns;

		if (!w->measuring)
			continue;
		held_ns = (uint64_t)((double)w->stats->timed_hold[at] * scale);
		hist_record(&result->held, held_ns);
		if (w->stats->timed_again[at])
			hist_record(&result->held_again, held_ns);
		hist_record(&result->held_wait,
			    (uint64_t)((double)w->stats->timed_wait[at] * scale));
	}
	shmht_ctx_time_section(w->ctx, true);
	w->split_asked = true;
}
