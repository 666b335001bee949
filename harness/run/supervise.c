/* SPDX-License-Identifier: MIT */
/*
 * The supervisor. It sleeps in sigtimedwait(): a deadline, a dead child and
 * Ctrl-C all wake it. Workers are processes, or the threads of one process;
 * either way they are children that can be killed, and that the kernel kills
 * when the supervisor dies (PR_SET_PDEATHSIG).
 */
#include "run/supervise_internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/legs.h"
#include "run/perf_control.h"
#include "run/pin.h"
#include "shmht_clock.h"
#include "verify/verify.h"

#define NS_PER_S 1000000000ull
/* How long a stage may show no progress at all before it counts as hung. Between two
 * looks at most LOOK_NS count: a machine that stood still says nothing about workers. */
#define SILENCE_NS (10 * NS_PER_S)
#define LOOK_NS NS_PER_S

void (*supervise_on_interval)(const struct point *point, const struct interval_figures *);

/* ---- stages ------------------------------------------------------------ */

static void count_by_perf(struct run *run, bool on)
{
	int r = run->counts_calls ? 0 : perf_control(on);

	if (r)
		run_give_up(run, TRIAL_NOT_MEASURED, "%s: perf could not be told: %s",
			    PERF_CONTROL_ENV, strerror(-r));
}

/* A perf around the run counts a little more than the window, never less. */
void run_set_phase(struct run *run, enum phase phase)
{
	if (phase == PHASE_MEASURE)
		count_by_perf(run, true);
	series_set_phase(&run->series, phase);
	if (phase == PHASE_MEASURE || phase == PHASE_STOP)
		standstill_look(&run->still, true);
	syscall(SYS_futex, &run->control->phase, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static pid_t pid_of_worker(const struct run *run, uint32_t worker)
{
	return run->children[run->nr_children == 1 ? 0 : worker].pid;
}

/* Dead or failed workers, Ctrl-C, and silence that lasts. */
static int watch(struct run *run, bool silence_counts)
{
	uint64_t progress = 0, now = shmht_monotonic_ns();
	uint64_t patience = SILENCE_NS + run->point->params.timeout_ns;
	uint32_t behind = 0, least = STAGE_FAILED; /* the first that is furthest behind */

	run_reap(run);
	if (run_interrupted)
		return run_give_up(run, TRIAL_NOT_MEASURED, "interrupted by signal %d",
				   run_interrupted);
	for (uint32_t i = 0; i < run->control->nr_workers; i++) {
		struct worker_part *part = &run->control->workers[i];
		uint32_t stage = atomic_load(&part->stage);

		progress += stage * NS_PER_S + atomic_load(&part->progress);
		if (stage == STAGE_FAILED) {
			run->trial->errors += part->errors;
			return run_give_up(run, part->errors ? TRIAL_FAILED : TRIAL_NOT_MEASURED,
					   "worker %u: %s", i, part->error);
		}
		if (stage < least) {
			least = stage;
			behind = i;
		}
	}
	if (progress != run->last_progress || !silence_counts) {
		run->last_progress = progress;
		run->silent_ns = 0;
	} else {
		run->silent_ns += now - run->last_look_ns < LOOK_NS ? now - run->last_look_ns :
								      LOOK_NS;
	}
	run->last_look_ns = now;
	if (run->silent_ns > patience) {
		return run_give_up(run, TRIAL_NOT_MEASURED,
				   "worker %u (pid %d) hangs: no progress for %.1f s; killed",
				   behind, (int)pid_of_worker(run, behind),
				   (double)run->silent_ns * 1e-9);
	}
	return run->trial->status == TRIAL_OK ? 0 : -1;
}

int run_wait_stage(struct run *run, enum stage wanted)
{
	uint64_t nap_ns = 100000;

	run->silent_ns = 0;
	run->last_look_ns = shmht_monotonic_ns();
	for (;;) {
		uint32_t there = 0;

		for (uint32_t i = 0; i < run->control->nr_workers; i++)
			there += atomic_load(&run->control->workers[i].stage) >= wanted;
		if (watch(run, true))
			return -1;
		if (there == run->control->nr_workers)
			return 0;
		series_tick(&run->series);
		standstill_look(&run->still, false);
		supervise_sleep(nap_ns);
		if (nap_ns < 5000000)
			nap_ns *= 2; /* short trials end promptly, long ones are left alone */
	}
}

uint64_t supervise_look_every_ns;

static void look_at_lock(struct run *run)
{
	struct shmht_stripe_state state;

	if (shmht_observe_stripe(run->map, 0, &state))
		return;
	run->trial->looks++;
	run->trial->looks_held += state.held;
}

int run_wait_until(struct run *run, uint64_t deadline_ns)
{
	bool looks = supervise_look_every_ns && run->map && run->t_start;
	uint64_t now, until, look;

	while ((now = shmht_monotonic_ns()) < deadline_ns) {
		until = series_next_ns(&run->series);
		look = standstill_next_ns(&run->still);
		until = until < look ? until : look;
		until = until < deadline_ns ? until : deadline_ns;
		if (looks && until > now + supervise_look_every_ns)
			until = now + supervise_look_every_ns;
		if (until > now)
			supervise_sleep(until - now < NS_PER_S ? until - now : NS_PER_S);
		if (looks)
			look_at_lock(run);
		series_tick(&run->series);
		standstill_look(&run->still, false);
		if (watch(run, false))
			return -1;
	}
	/* The deadline may pass after the last look: who waits for this very interval to end
	 * would wait until the run does. */
	series_tick(&run->series);
	return 0;
}

static int warm_up(struct run *run)
{
	const struct params *params = &run->point->params;
	uint64_t begin = shmht_monotonic_ns(), cap = STEADY_CAP * params->warmup_ns;
	bool steady = params->steady_slope == 0;

	if (run_wait_until(run, begin + params->warmup_ns))
		return -1;
	/* Asked anew after each interval, at least over STEADY_WINDOWS of them. */
	while (!steady && shmht_monotonic_ns() < begin + cap) {
		steady = series_is_steady(&run->series, params->steady_slope);
		if (!steady && run_wait_until(run, series_next_ns(&run->series)))
			return -1;
	}
	run->trial->steady = steady;
	run->trial->warmup_s = (double)(shmht_monotonic_ns() - begin) * 1e-9;
	return 0;
}

static int measure_by_time(struct run *run)
{
	run_set_phase(run, PHASE_WARMUP);
	if (warm_up(run))
		return -1;
	noise_mark(&run->mark);
	run_set_phase(run, PHASE_MEASURE);
	run->t_start = shmht_ticks_ordered();
	if (legs_run_closed(run))
		return -1;
	run_set_phase(run, PHASE_STOP);
	run->t_end = shmht_ticks_ordered();
	count_by_perf(run, false);
	return run_wait_stage(run, STAGE_DONE);
}

static uint64_t ticks_of(uint64_t ns)
{
	return (uint64_t)((double)ns / shmht_ns_per_tick());
}

/* The window is that of the plan, exactly as long as asked for. */
static int measure_open(struct run *run)
{
	const struct params *params = &run->point->params;
	struct control *control = run->control;
	uint64_t now = shmht_monotonic_ns(), ticks = shmht_ticks();
	bool known = params->steady_slope == 0;

	atomic_store(&control->plan_origin, ticks + ticks_of(PLAN_AHEAD_NS));
	if (known)
		atomic_store(&control->plan_measure,
			     ticks + ticks_of(PLAN_AHEAD_NS + params->warmup_ns));
	run_set_phase(run, PHASE_WARMUP);
	if (warm_up(run))
		return -1;
	if (known) {
		now += params->warmup_ns;
	} else {
		now = shmht_monotonic_ns();
		atomic_store(&control->plan_measure, shmht_ticks() + ticks_of(PLAN_AHEAD_NS));
	}
	run->t_start = atomic_load(&control->plan_measure);
	run->t_end = run->t_start + ticks_of(legs_window_ns(params));
	atomic_store(&control->plan_last, run->t_start + ticks_of(legs_plan_ns(params)));
	atomic_store(&control->plan_stop, run->t_end);
	if (run_wait_until(run, now + PLAN_AHEAD_NS))
		return -1;
	noise_mark(&run->mark);
	run_set_phase(run, PHASE_MEASURE);
	if (legs_run_open(run, now + PLAN_AHEAD_NS))
		return -1;
	run_set_phase(run, PHASE_STOP);
	count_by_perf(run, false);
	if (run_wait_stage(run, STAGE_DONE))
		return -1;
	legs_end_drain(run);
	return 0;
}

void run_end_plan(struct run *run)
{
	run->t_end = shmht_ticks() + ticks_of(PLAN_AHEAD_NS);
	atomic_store(&run->control->plan_last, run->t_end);
	atomic_store(&run->control->plan_stop, run->t_end);
}

static int measure_by_ops(struct run *run)
{
	if (run->point->params.rate) {
		atomic_store(&run->control->plan_origin, shmht_ticks());
		atomic_store(&run->control->plan_measure, 0);
	}
	noise_mark(&run->mark);
	run_set_phase(run, PHASE_MEASURE);
	if (run_wait_stage(run, STAGE_DONE))
		return -1;
	count_by_perf(run, false);
	for (uint32_t i = 0; i < run->control->nr_workers; i++)
		if (run->control->workers[i].start_ticks > run->t_start)
			run->t_start = run->control->workers[i].start_ticks;
	run->t_end = run->control->first_done_ticks;
	/* So few operations that some worker ended before another began. */
	if (run->t_end <= run->t_start)
		return run_give_up(run, TRIAL_NOT_MEASURED,
				   "ops = %llu ended before all workers ran at once; ask for more",
				   (unsigned long long)run->point->params.ops);
	return 0;
}

/* ---- collection -------------------------------------------------------- */

/* What a worker could not know of its longest wait: nobody got on. */
static void excuse(const struct run *run, uint32_t worker, struct gap *gap)
{
	double ns_per_tick = shmht_ns_per_tick();
	uint64_t wait = ticks_of(gap->wait_ns), ns;

	if (!gap->end_ticks)
		return;
	ns = (uint64_t)((double)standstill_within(&run->still, worker, gap->end_ticks - wait,
						  gap->end_ticks) *
			ns_per_tick);
	gap->ns = ns < gap->ns ? gap->ns - ns : 0;
}

static int collect(struct run *run)
{
	struct trial *trial = run->trial;
	const struct params *params = &run->point->params;
	double workers_s = 0;

	trial->workers = malloc(params->procs * sizeof(*trial->workers));
	if (!trial->workers)
		return run_give_up(run, TRIAL_NOT_MEASURED, "no memory for the results");
	trial->nr_workers = params->procs;
	trial->seconds = (double)(run->t_end - run->t_start) * shmht_ns_per_tick() * 1e-9;
	for (uint32_t i = 0; i < params->procs; i++) {
		const struct worker_part *part = &run->control->workers[i];

		trial->workers[i] = part->result;
		excuse(run, i, &trial->workers[i].longest_gap);
		workers_s += part->result.user_s + part->result.sys_s;
		trial->ops += params->ops ? part->ops_at_first_done - part->ops_at_all_started :
					    part->result.ops;
		trial->checked += part->checked;
		trial->errors += part->errors;
		/* Order matters: worker 0's stream is not worker 1's. */
		trial->op_stream_hash = (trial->op_stream_hash ^ part->stream_hash) *
					0x9e3779b97f4a7c15ull;
		if (part->errors)
			run_give_up(run, TRIAL_FAILED, "worker %u: %s (%llu errors)", i,
				    part->error, (unsigned long long)part->errors);
	}
	if (run->turns)
		turns_collect(run);
	noise_since(&run->mark, workers_s, &trial->noise);
	if (legs_collect(run))
		return run_give_up(run, TRIAL_NOT_MEASURED, "no memory for the phases");
	if (series_collect(&run->series, run->t_start, run->t_end, trial))
		return run_give_up(run, TRIAL_NOT_MEASURED, "no memory for the intervals");
	return 0;
}

/* Before the workers are forked, unless it lives in their process. */
static int create_target(struct run *run)
{
	struct shmht_error err = { "" };

	if (!run->target->one_process &&
	    run->target->create(&run->point->params, &run->table, &err))
		return run_give_up(run, TRIAL_NOT_MEASURED, "%s", err.text);
	run->trial->target = true;
	return 0;
}

static int create_table(struct run *run)
{
	const struct params *params = &run->point->params;
	struct shmht_config cfg = params_table(params);
	struct shmht_error err = { "" };
	struct shmht_info info;
	int r = mem_policy(params);

	if (r)
		return run_give_up(run, TRIAL_NOT_MEASURED, "memory policy: %s; see `mem`",
				   strerror(-r));
	run->target = target_find(params->lock);
	if (run->target)
		return create_target(run);
	r = shmht_create(&cfg, &run->map, &err);
	if (r)
		return run_give_up(run, TRIAL_NOT_MEASURED, "%s",
				   *err.text ? err.text : strerror(-r));
	shmht_info(run->map, &info);
	run->trial->pages_had = info.pages_had;
	run->trial->region_bytes = info.region_bytes;
	snprintf(run->trial->pages_reason, sizeof(run->trial->pages_reason), "%s",
		 info.pages_reason);
	return 0;
}

static int create_control(struct run *run)
{
	const struct params *params = &run->point->params;
	uint32_t procs = params->procs, slots;
	uint64_t interval_ns;
	size_t offset, legs;

	slots = interval_plan(legs_window_ns(params), params->interval_ns, procs, &interval_ns);
	offset = (sizeof(*run->control) + procs * sizeof(run->control->workers[0]) + 4095) &
		 ~(size_t)4095;
	legs = (offset + (size_t)procs * slots * sizeof(struct interval_slot) + 63) & ~(size_t)63;
	run->control_bytes = legs + (size_t)procs * params->nr_legs * sizeof(struct leg_part);
	run->control = control_create(run->control_bytes, &run->control_fd);
	if (!run->control)
		return run_give_up(run, TRIAL_NOT_MEASURED, "no memory for %u workers' results: %s",
				   procs, strerror(errno));
	if (params->verify == VERIFY_LINEARIZABLE) {
		run->lin = lin_create(params);
		if (!run->lin)
			return run_give_up(run, TRIAL_NOT_MEASURED,
					   "no memory for %u workers' records", procs);
	}
	run->control->nr_workers = procs;
	run->control->nr_slots = slots;
	run->control->slots_offset = offset;
	run->control->interval_ns = interval_ns;
	run->control->trial = run->k;
	snprintf(run->control->point, sizeof(run->control->point), "%s", run->point->name);
	run->control->legs_offset = legs;
	run->control->plan_measure = run->control->plan_stop = UINT64_MAX;
	run->control->plan_last = UINT64_MAX;
	run->series = (struct time_series){ .control = run->control,
					    .point = run->point,
					    .interval_ns = interval_ns,
					    .hidden = run->counts_calls };
	run->trial->steady = true;
	run->trial->paced_by_sleep = params->rate && procs > pin_cpus(params);
	return 0;
}

/* What must hold once the workers are gone. */
static void verify_store(struct run *run, int64_t net)
{
	uint64_t count = 0;
	int r;

	if (!run->target) {
		verify_table(run->map, net, run->trial);
		return;
	}
	if (run->target->one_process) {
		if (!run->control->workers[0].counted)
			run_give_up(run, TRIAL_FAILED, "the target's entries were not counted");
		return;
	}
	r = run->target->count(run->table, &count);
	if (!r && count == (uint64_t)net)
		return;
	run->trial->errors++;
	run_give_up(run, TRIAL_FAILED,
		    "the target's count is %llu (%s), inserts less removes are %lld",
		    (unsigned long long)count, strerror(-r), (long long)net);
}

void run_trial(struct run *run)
{
	const struct params *params = &run->point->params;
	struct trial *trial = run->trial;
	int64_t net = 0;

	memset(trial, 0, sizeof(*trial));
	trial->index = run->k;
	if (create_control(run) || create_table(run) || run_start_children(run) ||
	    run_wait_stage(run, STAGE_READY))
		goto out;
	/* Between two turns nobody runs, and a look is one more thing that disturbs them; of a
	 * trial that counts calls no wait is judged. */
	if (!run->turns && !run->counts_calls)
		standstill_open(&run->still, run->control);
	if (legs_run_load(run))
		goto out;
	if (run->turns	 ? turns_run(run) :
	    params->ops	 ? measure_by_ops(run) :
	    params->rate ? measure_open(run) :
			   measure_by_time(run))
		goto out;
	/* A worker says DONE before it exits. */
	for (uint64_t end = shmht_monotonic_ns() + SILENCE_NS;
	     run_children_left(run) && shmht_monotonic_ns() < end; run_reap(run))
		supervise_sleep(1000000);
	if (collect(run))
		goto out;
	for (uint32_t i = 0; i < run->control->nr_workers; i++)
		net += run->control->workers[i].net;
	if (params->verify != VERIFY_OFF && trial->status == TRIAL_OK)
		verify_store(run, net);
	if (run->lin && trial->status != TRIAL_NOT_MEASURED)
		verify_linearizable(run->map, run->lin, params, run->k, &run_interrupted, trial);
out:
	count_by_perf(run, false);
	run_kill_children(run);
	free(run->children);
	standstill_close(&run->still);
	if (run->map)
		shmht_destroy(run->map);
	if (run->table)
		run->target->destroy(run->table);
	lin_destroy(run->lin);
	if (run->control)
		control_destroy(run->control, run->control_bytes, run->control_fd);
}

void supervise_trial(const struct point *point, uint32_t k, struct trial *ret_trial)
{
	supervise_trial_in_turns(point, k, NULL, ret_trial);
}

void supervise_trial_in_turns(const struct point *point, uint32_t k, struct turns *turns,
			      struct trial *ret_trial)
{
	struct run run = { .point = point, .trial = ret_trial, .k = k, .turns = turns };

	run_trial(&run);
}

void supervise_trial_until(const struct point *point, uint32_t k, const struct trial_end *end,
			   struct trial *ret_trial)
{
	struct run run = { .point = point, .trial = ret_trial, .k = k, .end = end };

	run_trial(&run);
}
