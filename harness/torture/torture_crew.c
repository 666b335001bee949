/* SPDX-License-Identifier: MIT */
/*
 * The workers under torture, as processes: forked, reaped, replaced. A death
 * that was not ours is a finding.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/pin.h"
#include "run/supervise.h"
#include "shmht_clock.h"
#include "torture/torture_internal.h"

static int hire(struct storm *storm, uint32_t i)
{
	struct torture_part *part = &storm->control->parts[i];
	struct crew_member *member = &storm->crew[i];
	struct torture_job job = { .params = storm->params,
				   .control = storm->control,
				   .fd = shmht_fd(storm->map),
				   .trial = storm->k,
				   .worker = i,
				   .cpu = pin_cpu(storm->params, i) };
	pid_t parent = getpid();

	atomic_store(&part->stage, STAGE_STARTING);
	atomic_store(&part->leave, 0);
	atomic_store(&part->waits_since_ns, 0);
	atomic_store(&part->dead_named, 0);
	*member = (struct crew_member){ .ops_then = atomic_load(&part->ops),
					.aimed = storm->aim_next };
	storm->aim_next = false;
	fflush(NULL); /* or the child flushes it again */
	member->pid = fork();
	if (member->pid == 0) {
		supervise_child_begins(parent);
		if (storm->places)
			places_child_begins();
		if (member->aimed && places_arm(storm->places, PLACE_IN_ATTACH, getpid(), true))
			_exit(98);
		/* exit, not _exit: coverage counters and sanitizers report there. */
		exit(torture_worker(&job));
	}
	if (member->pid < 0) {
		member->pid = 0;
		return torture_give_up(storm, TRIAL_NOT_MEASURED, "fork of worker %u: %s", i,
				       strerror(errno));
	}
	return quota_hire(storm, member->pid);
}

int crew_start(struct storm *storm)
{
	for (uint32_t i = 0; i < storm->params->procs; i++)
		if (hire(storm, i))
			return -1;
	return crew_wait(storm, STAGE_READY);
}

static int died(struct storm *storm, uint32_t i, int status)
{
	const struct torture_part *part = &storm->control->parts[i];
	const struct crew_member *member = &storm->crew[i];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    (member->sentenced || member->aimed)) {
		storm->outcome->kills += member->aimed;
		storm->outcome->kills_at_place += member->aimed;
		return 0;
	}
	if (WIFSIGNALED(status))
		return torture_give_up(storm, TRIAL_FAILED,
				       "worker %u (pid %d) died of signal %d (%s), which nobody "
				       "sent",
				       i, (int)member->pid, WTERMSIG(status),
				       strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return torture_give_up(storm, TRIAL_FAILED,
				       "worker %u (pid %d) ended with status %d: %s", i,
				       (int)member->pid, WEXITSTATUS(status), part->error);
	return 0;
}

int crew_tend(struct storm *storm, bool replace)
{
	int status, r = 0;

	for (uint32_t i = 0; i < storm->params->procs; i++) {
		struct crew_member *member = &storm->crew[i];

		if (member->pid && waitpid(member->pid, &status, WNOHANG) == member->pid) {
			r |= died(storm, i, status);
			member->pid = 0;
		}
		if (!member->pid && replace && !r) {
			r |= hire(storm, i);
			storm->outcome->respawns++;
		}
	}
	if (supervise_interrupted())
		r |= torture_give_up(storm, TRIAL_NOT_MEASURED, "interrupted by signal %d",
				     supervise_interrupted());
	return r ? -1 : 0;
}

int crew_wait(struct storm *storm, enum stage stage)
{
	uint64_t end = shmht_monotonic_ns() + torture_patience_ns(storm->params) + 10 * NS_PER_S;

	for (;;) {
		uint32_t there = 0;

		/* Somebody killed on his way in is to be replaced yet. */
		if (crew_tend(storm, stage == STAGE_READY))
			return -1;
		/* Whoever is to die may take his time, and was ready before. */
		for (uint32_t i = 0; i < storm->params->procs; i++)
			there += !storm->crew[i].sentenced &&
				 atomic_load(&storm->control->parts[i].stage) >= stage;
		if (there == storm->params->procs)
			return 0;
		if (shmht_monotonic_ns() > end) {
			watch_dump(storm, "workers do not get ready, or do not end");
			return torture_give_up(storm, TRIAL_FAILED, "stuck: %s",
					       storm->outcome->stuck);
		}
		supervise_sleep(1000000);
	}
}

void crew_continue(struct storm *storm)
{
	for (uint32_t i = 0; i < storm->params->procs; i++) {
		if (storm->crew[i].pid && storm->crew[i].stopped_ns)
			kill(storm->crew[i].pid, SIGCONT);
		storm->crew[i].stopped_ns = 0;
	}
}

void crew_kill_all(struct storm *storm)
{
	for (uint32_t i = 0; storm->crew && i < storm->params->procs; i++)
		if (storm->crew[i].pid)
			kill(storm->crew[i].pid, SIGKILL);
	for (uint32_t i = 0; storm->crew && i < storm->params->procs; i++) {
		if (storm->crew[i].pid)
			waitpid(storm->crew[i].pid, NULL, 0);
		storm->crew[i].pid = 0;
	}
}
