/* SPDX-License-Identifier: MIT */
/*
 * The fault plans. Times between faults are exponential, so that they fall at no
 * phase of what the workers do.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "torture/torture_internal.h"

#define AIM_NS 50000000u /* at most, to catch somebody with a lock */

static uint64_t next_gap_ns(struct storm *storm, double per_s)
{
	return (uint64_t)(-log1p(-rng_unit(&storm->rng)) / per_s * (double)NS_PER_S);
}

static uint32_t random_member(struct storm *storm)
{
	uint32_t procs = storm->params->procs, i = (uint32_t)rng_below(&storm->rng, procs);

	for (uint32_t n = 0; n < procs; n++, i = (i + 1) % procs)
		if (storm->crew[i].pid && !storm->crew[i].stopped_ns && !storm->crew[i].sentenced)
			return i;
	return procs;
}

static uint32_t member_of_pid(const struct storm *storm, pid_t pid)
{
	uint32_t i = 0;

	while (i < storm->params->procs &&
	       (storm->crew[i].pid != pid || storm->crew[i].stopped_ns || storm->crew[i].sentenced))
		i++;
	return i;
}

static bool is_stopped_now(pid_t pid)
{
	siginfo_t info;

	/* It is left to be waited for, should it have died. */
	for (int i = 0; i < 2000; i++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT))
			return false;
		if (info.si_pid)
			return info.si_code == CLD_STOPPED;
		usleep(20);
	}
	return false;
}

uint32_t faults_ask_lock(struct storm *storm, uint32_t k)
{
	struct shmht_holder holder;

	if (SHMHT_CALL(storm->ctx, lock, k) == 0) {
		((const struct shmht_ctx_head *)storm->ctx)->ops->unlock(storm->ctx, k);
		return storm->params->procs;
	}
	shmht_ctx_holder(storm->ctx, &holder);
	return member_of_pid(storm, holder.pid);
}

/*
 * A section lasts some 50 ns: whoever is asked after has left it by the time a
 * signal arrives. So it is stopped first, and asked after again. The member is
 * left stopped; procs: nobody was caught.
 */
static uint32_t holding_member(struct storm *storm)
{
	uint32_t procs = storm->params->procs, stripes = storm->params->stripes;
	uint64_t end = shmht_monotonic_ns() + AIM_NS;

	shmht_ctx_set_timeout(storm->ctx, 0);
	while (shmht_monotonic_ns() < end) {
		uint32_t k = (uint32_t)rng_below(&storm->rng, stripes);
		uint32_t i = faults_ask_lock(storm, k);

		if (i == procs)
			continue;
		/* Before the signal: whoever finds it changed does not blame the lock. */
		atomic_fetch_add(&storm->control->parts[i].stops, 1);
		kill(storm->crew[i].pid, SIGSTOP);
		if (is_stopped_now(storm->crew[i].pid) && faults_ask_lock(storm, k) == i)
			return i;
		kill(storm->crew[i].pid, SIGCONT);
	}
	storm->outcome->aimed_missed++;
	return procs;
}

uint32_t faults_choose(struct storm *storm, enum fault_who who)
{
	uint32_t i = who == WHO_HOLDER ? holding_member(storm) : storm->params->procs;

	return i < storm->params->procs ? i : random_member(storm);
}

/* Without a rate: has everybody done something since the last one? */
static bool all_have_worked(const struct storm *storm)
{
	for (uint32_t i = 0; i < storm->params->procs; i++)
		if (!storm->crew[i].pid ||
		    atomic_load(&storm->control->parts[i].ops) == storm->crew[i].ops_then)
			return false;
	return true;
}

static void kill_one(struct storm *storm)
{
	uint32_t i;

	for (uint32_t k = 0; k < storm->params->procs; k++)
		storm->crew[k].ops_then = atomic_load(&storm->control->parts[k].ops);
	if (storm->places) {
		places_kill(storm, storm->params->kill.place);
		return;
	}
	i = faults_choose(storm, storm->params->kill.who);
	if (i == storm->params->procs)
		return;
	storm->crew[i].sentenced = true;
	atomic_store(&storm->control->last_kill, shmht_ticks());
	kill(storm->crew[i].pid, SIGKILL);
	storm->outcome->kills++;
}

static void stop_one(struct storm *storm, uint64_t now)
{
	uint32_t i = faults_choose(storm, storm->params->stop.who);

	if (i == storm->params->procs)
		return;
	/* Before the signal: whoever finds it changed does not blame the lock. */
	atomic_fetch_add(&storm->control->parts[i].stops, 1);
	kill(storm->crew[i].pid, SIGSTOP);
	storm->crew[i].stopped_ns = now + storm->params->stop.down_ns;
	storm->outcome->stops++;
}

static uint64_t wake_stopped(struct storm *storm, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < storm->params->procs; i++) {
		struct crew_member *member = &storm->crew[i];

		if (member->stopped_ns && now >= member->stopped_ns) {
			kill(member->pid, SIGCONT);
			member->stopped_ns = 0;
		} else if (member->stopped_ns && member->stopped_ns < next) {
			next = member->stopped_ns;
		}
	}
	return next;
}

void faults_begin(struct storm *storm)
{
	const struct params *params = storm->params;
	uint64_t now = shmht_monotonic_ns();

	storm->kill_due_ns = storm->stop_due_ns = storm->leave_due_ns = UINT64_MAX;
	if (params->kill.who)
		storm->kill_due_ns = now + (params->kill.rate ?
						    next_gap_ns(storm, (double)params->kill.rate) :
						    0);
	if (params->stop.who)
		storm->stop_due_ns = now;
	if (params->churn_rate)
		storm->leave_due_ns = now + next_gap_ns(storm, (double)params->churn_rate);
}

/* Kills that only lead to one at the place do not count. */
static bool is_over(const struct storm *storm)
{
	uint64_t count = storm->params->kill.count;

	return count &&
	       (storm->places ? storm->outcome->kills_at_place : storm->outcome->kills) >= count;
}

/* 1: the strategy does not recover, and this kill left a lock taken for ever. */
static int kill_tick(struct storm *storm, uint64_t now)
{
	const struct kill_plan *plan = &storm->params->kill;
	uint64_t kills = storm->outcome->kills;

	if (!plan->who || is_over(storm))
		return 0;
	if (plan->rate ? now < storm->kill_due_ns : !all_have_worked(storm))
		return 0;
	kill_one(storm);
	storm->kill_due_ns += plan->rate ? next_gap_ns(storm, (double)plan->rate) : 0;
	if (kills == storm->outcome->kills)
		return 0;
	storm->outcome->strands_of++;
	return !storm->outcome->recovers && watch_stranded(storm);
}

int faults_tick(struct storm *storm, uint64_t *ret_sleep_ns, bool *ret_done)
{
	const struct params *params = storm->params;
	uint64_t now = shmht_monotonic_ns(), next = wake_stopped(storm, now);
	int stranded = kill_tick(storm, now);

	if (stranded)
		return stranded;
	quota_look(storm, now);
	if (now >= storm->stop_due_ns) {
		stop_one(storm, now);
		storm->stop_due_ns = now + params->stop.every_ns;
	}
	if (now >= storm->leave_due_ns) {
		uint32_t i = random_member(storm);

		if (i < params->procs) {
			atomic_store(&storm->control->parts[i].leave, 1);
			storm->outcome->leaves++;
		}
		storm->leave_due_ns += next_gap_ns(storm, (double)params->churn_rate);
	}
	*ret_done = is_over(storm);
	next = next < storm->stop_due_ns ? next : storm->stop_due_ns;
	next = next < storm->leave_due_ns ? next : storm->leave_due_ns;
	if (params->kill.rate)
		next = next < storm->kill_due_ns ? next : storm->kill_due_ns;
	else if (params->kill.who)
		next = now + 200000; /* looks whether all have worked */
	*ret_sleep_ns = next > now ? next - now : 0;
	if (*ret_sleep_ns > 5000000)
		*ret_sleep_ns = 5000000;
	return 0;
}
