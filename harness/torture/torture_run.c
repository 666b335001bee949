/* SPDX-License-Identifier: MIT */
/*
 * One trial of torture: a calm phase to compare with, the storm, a calm phase
 * again, and then what is in the table against what must be in it. With a
 * strategy that does not recover, a kill that leaves a lock taken for ever is
 * counted, and the storm goes on with a new table; with one that does, it is
 * the end, and a failure.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run/pin.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "torture/torture_internal.h"

int torture_give_up(struct storm *storm, enum trial_status status, const char *fmt, ...)
{
	va_list ap;

	if (storm->trial->status == TRIAL_OK) {
		storm->trial->status = status;
		va_start(ap, fmt);
		vsnprintf(storm->trial->reason, sizeof(storm->trial->reason), fmt, ap);
		va_end(ap);
	}
	return -1;
}

/* ---- table and account -------------------------------------------------- */

int storm_control(struct storm *storm)
{
	const struct params *params = storm->params;
	size_t parts = sizeof(*storm->control) + params->procs * sizeof(storm->control->parts[0]);
	struct torture_control *control;

	parts = (parts + 4095) / 4096 * 4096;
	storm->control_bytes = parts + params->keyspace * sizeof(uint64_t);
	control = mmap(NULL, storm->control_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (control == MAP_FAILED)
		return torture_give_up(storm, TRIAL_NOT_MEASURED,
				       "no memory for the account of %llu keys",
				       (unsigned long long)params->keyspace);
	control->procs = params->procs;
	control->committed = (_Atomic uint64_t *)((char *)control + parts);
	storm->control = control;
	storm->crew = calloc(params->procs, sizeof(*storm->crew));
	return storm->crew ? 0 : torture_give_up(storm, TRIAL_NOT_MEASURED, "no memory");
}

int storm_table(struct storm *storm)
{
	struct shmht_config cfg = params_table(storm->params);
	struct shmht_error err = { "" };
	int r = mem_policy(storm->params);

	if (r)
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "memory policy: %s; see `mem`",
				       strerror(-r));
	/* Ours, and those of workers that died where nobody could free their slots. */
	cfg.max_workers += storm->params->procs;
	r = shmht_create(&cfg, &storm->map, &err);
	if (!r)
		r = shmht_ctx_open(storm->map, &storm->ctx, &err);
	if (r)
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "%s",
				       *err.text ? err.text : strerror(-r));
	return 0;
}

static void drop_table(struct storm *storm)
{
	shmht_ctx_close(storm->ctx);
	storm->ctx = NULL;
	if (storm->map)
		shmht_destroy(storm->map);
	storm->map = NULL;
}

int storm_restart(struct storm *storm)
{
	crew_kill_all(storm);
	drop_table(storm);
	for (uint64_t id = 0; id < storm->params->keyspace; id++)
		atomic_store_explicit(&storm->control->committed[id], 0, memory_order_relaxed);
	for (uint32_t i = 0; i < storm->params->procs; i++) {
		atomic_store(&storm->control->parts[i].armed, 0);
		atomic_store(&storm->control->parts[i].preloaded, 0);
	}
	return storm_table(storm) || crew_start(storm) ? -1 : 0;
}

void storm_free(struct storm *storm)
{
	crew_kill_all(storm);
	drop_table(storm);
	free(storm->crew);
	if (storm->control)
		munmap(storm->control, storm->control_bytes);
}

/* ---- phases ------------------------------------------------------------ */

/* What a strand means depends on what the strategy promises. */
static int handle_strand(struct storm *storm)
{
	struct torture_outcome *outcome = storm->outcome;

	outcome->strands++;
	/* Without a kill nobody may be stuck, whatever the strategy. */
	if (outcome->recovers || !outcome->kills)
		return torture_give_up(storm, TRIAL_FAILED, "stuck: %s", outcome->stuck);
	if (storm_restart(storm))
		return -1;
	storm->progress_ns = shmht_monotonic_ns();
	return 0;
}

/* -1, 0, or 1: the plan is at its end. */
static int storm_step(struct storm *storm)
{
	uint64_t sleep_ns = 0;
	bool done = false;
	int r = faults_tick(storm, &sleep_ns, &done);

	if (storm->trial->status != TRIAL_OK)
		return -1;
	if (r > 0)
		watch_dump(storm, "nobody can take a lock");
	else if (r == 0)
		r = crew_tend(storm, true) ? -1 : watch_tick(storm);
	if (r > 0)
		return handle_strand(storm);
	if (r < 0)
		return -1;
	if (!done && sleep_ns)
		supervise_sleep(sleep_ns);
	return done;
}

static int rage(struct storm *storm)
{
	const struct params *params = storm->params;
	uint64_t begin = shmht_monotonic_ns();
	int r = 0;

	torture_set_phase(storm, TORTURE_STORM);
	faults_begin(storm);
	r = quota_begin(storm);
	/* A count of kills ends the storm, whatever `duration` says. */
	while (!r && (params->kill.count || shmht_monotonic_ns() - begin < params->duration_ns))
		r = storm_step(storm);
	storm->outcome->storm_s = (double)(shmht_monotonic_ns() - begin) * 1e-9;
	crew_continue(storm);
	quota_end(storm);
	if (r < 0)
		return -1;
	/* Until those who came last have got to work. */
	return crew_tend(storm, true) || crew_wait(storm, STAGE_READY) ? -1 : 0;
}

/* Everybody ends in order; whoever cannot is stuck. */
static int end_all(struct storm *storm)
{
	torture_set_phase(storm, TORTURE_STOP);
	if (crew_wait(storm, STAGE_DONE))
		return -1;
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t left = 0;

		if (crew_tend(storm, false))
			return -1;
		for (uint32_t k = 0; k < storm->params->procs; k++)
			left += storm->crew[k].pid != 0;
		if (!left)
			return 0;
		supervise_sleep(1000000);
	}
	return torture_give_up(storm, TRIAL_FAILED,
			       "a worker said that it was done and did not end");
}

/* ---- collection -------------------------------------------------------- */

static int collect(struct storm *storm)
{
	struct torture_outcome *outcome = storm->outcome;
	struct trial *trial = storm->trial;
	uint32_t procs = storm->params->procs;

	trial->workers = calloc(procs, sizeof(*trial->workers));
	if (!trial->workers)
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "no memory for the results");
	trial->nr_workers = procs;
	trial->seconds = (double)storm->params->calm_ns * 1e-9;
	for (uint32_t i = 0; i < procs; i++) {
		const struct torture_part *part = &storm->control->parts[i];
		struct worker_result *result = &trial->workers[i];

		result->cpu = pin_cpu(storm->params, i);
		result->ops = part->before_ops;
		result->wait = part->wait_before;
		result->stalled_ns = part->before_stalled_ns;
		result->run_delay_s = result->user_s = result->sys_s = NAN;
		memcpy(result->outcomes, part->outcomes, sizeof(result->outcomes));
		trial->ops += part->before_ops;
		hist_merge(&outcome->wait_before, &part->wait_before);
		hist_merge(&outcome->wait_storm, &part->wait_storm);
		hist_merge(&outcome->recovery, &part->recovery);
		hist_merge(&outcome->late, &part->late);
		outcome->recovered += part->recovered;
		outcome->resolved_done += part->resolved_done;
		outcome->resolved_undone += part->resolved_undone;
		outcome->timeouts += part->timeouts;
		for (int s = 0; s < 4; s++)
			outcome->timeouts_by_state[s] += part->timeouts_by_state[s];
		trial->checked += part->checked;
		trial->errors += part->errors;
		if (part->errors)
			torture_give_up(storm, TRIAL_FAILED, "worker %u: %s (%llu errors)", i,
					part->error, (unsigned long long)part->errors);
	}
	if (storm->ctx)
		outcome->recovered += shmht_ctx_stats(storm->ctx)->recovered;
	return 0;
}

void torture_trial(const struct point *point, uint32_t k, struct trial *ret_trial)
{
	const struct shmht_strategy *strategy = lock_strategy(point->params.lock);
	struct storm storm = {
		.point = point, .params = &point->params, .trial = ret_trial, .k = k
	};
	int r;

	memset(ret_trial, 0, sizeof(*ret_trial));
	ret_trial->index = k;
	ret_trial->steady = true;
	ret_trial->torture = storm.outcome = calloc(1, sizeof(*storm.outcome));
	if (!storm.outcome) {
		torture_give_up(&storm, TRIAL_NOT_MEASURED, "no memory");
		return;
	}
	storm.outcome->recovers = strategy && strategy->caps & SHMHT_CAP_RECOVERS &&
				  point->params.robust == SHMHT_ROBUST_ON;
	rng_seed(&storm.rng, point->params.seed, 0x746f7274ull << 32 | k);
	r = places_open(&storm) || quota_open(&storm) || storm_control(&storm) ||
	    storm_table(&storm) || crew_start(&storm) || calm_before(&storm) || rage(&storm) ||
	    calm_after(&storm) || end_all(&storm);
	crew_kill_all(&storm);
	quota_close(&storm);
	if (storm.control)
		r = collect(&storm) || r;
	if (!r && ret_trial->status == TRIAL_OK)
		torture_verify(storm.map, &point->params, storm.control, ret_trial);
	storm_free(&storm);
	places_close(&storm);
}
