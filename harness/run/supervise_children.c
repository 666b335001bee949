/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's children and its signals. Workers are processes, or the
 * threads of one process; either way they are children that can be killed, and
 * that the kernel kills when the supervisor dies (PR_SET_PDEATHSIG).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock/grace.h"
#include "run/pin.h"
#include "run/supervise_internal.h"
#include "shmht_clock.h"

#define NS_PER_S 1000000000ull

volatile int run_interrupted;
static bool nohup; /* SIGHUP was ignored when we started */

static void watched_signals(sigset_t *set)
{
	sigemptyset(set);
	/* Though a script's `&` ignores it: who sends it means us. */
	sigaddset(set, SIGINT);
	/* Blocked, an ignored signal would arrive all the same: nohup means it. */
	if (!nohup)
		sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGCHLD);
}

void supervise_init(void)
{
	struct sigaction action;
	sigset_t set;

	nohup = !sigaction(SIGHUP, NULL, &action) && action.sa_handler == SIG_IGN;
	watched_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void supervise_sleep(uint64_t timeout_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / NS_PER_S),
			       .tv_nsec = (long)(timeout_ns % NS_PER_S) };
	sigset_t set;
	int sig;

	watched_signals(&set);
	sig = sigtimedwait(&set, NULL, &ts);
	if (sig > 0 && sig != SIGCHLD && !run_interrupted)
		run_interrupted = sig;
}

int supervise_interrupted(void)
{
	if (!run_interrupted)
		supervise_sleep(0);
	return run_interrupted;
}

int run_give_up(struct run *run, enum trial_status status, const char *fmt, ...)
{
	va_list ap;

	/* The first reason is the cause; what follows from it is not news. */
	if (run->trial->status == TRIAL_OK) {
		run->trial->status = status;
		va_start(ap, fmt);
		vsnprintf(run->trial->reason, sizeof(run->trial->reason), fmt, ap);
		va_end(ap);
	}
	return -1;
}

/* ---- children ---------------------------------------------------------- */

void supervise_child_begins(pid_t parent)
{
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1); /* it died before it was watched */
	/* Ctrl-C reaches the whole group: the supervisor ends the run in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	watched_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void *thread_main(void *arg)
{
	worker_run(arg);
	return NULL;
}

static void fill_job(const struct run *run, uint32_t worker, struct shmht *map,
		     struct worker_job *job)
{
	*job = (struct worker_job){
		.params = &run->point->params,
		.control = run->control,
		.lin = run->lin,
		.map = map,
		.target = run->target,
		.table = run->table,
		.trial = run->k,
		.worker = worker,
		.cpu = pin_cpu(&run->point->params, worker),
		.sleepy = run->trial->paced_by_sleep,
		.counts_calls = run->counts_calls,
		.ns_per_tick = shmht_ns_per_tick(),
	};
}

static void child_failed(const struct run *run, const struct child *child, const char *what,
			 const char *why)
{
	for (uint32_t i = child->first; i < child->first + child->nr; i++) {
		struct worker_part *part = &run->control->workers[i];

		snprintf(part->error, sizeof(part->error), "%s: %s", what, why);
		atomic_store(&part->stage, STAGE_FAILED);
	}
}

/* Of a target that lives in the workers' process: nobody else can look. */
static void count_in_child(const struct run *run, const struct child *child)
{
	struct worker_part *part = &run->control->workers[child->first];
	uint64_t count = 0;
	int64_t net = 0;
	int r;

	for (uint32_t i = child->first; i < child->first + child->nr; i++)
		net += run->control->workers[i].net;
	r = run->target->count(run->table, &count);
	part->counted = true;
	if (!r && count == (uint64_t)net)
		return;
	part->errors++;
	if (part->error[0])
		return; /* the first one is the cause */
	if (r)
		snprintf(part->error, sizeof(part->error), "the entries cannot be counted: %s",
			 strerror(-r));
	else
		snprintf(part->error, sizeof(part->error),
			 "the target's count is %llu, inserts less removes are %lld",
			 (unsigned long long)count, (long long)net);
}

static int child_attaches(struct run *run, struct shmht **ret_map, struct shmht_error *err)
{
	const struct shmht_attach_options opt = { .read = -1,
						  .grace = grace_of(run->point->params.read) };
	int r;

	if (run->target)
		return run->table ? 0 : run->target->create(&run->point->params, &run->table, err);
	r = shmht_attach(shmht_fd(run->map), &opt, ret_map, err);
	if (!r)
		shmht_detach(run->map);
	return r;
}

/*
 * In the child. It attaches by the descriptor, at an address of its own, as a
 * program that was not forked from the creator would.
 */
static void child_main(struct run *run, const struct child *child, pid_t parent)
{
	struct worker_job *jobs = calloc(child->nr, sizeof(*jobs));
	pthread_t *threads = calloc(child->nr, sizeof(*threads));
	struct shmht_error err = { "" };
	struct shmht *map = NULL;
	uint32_t started = 0;

	supervise_child_begins(parent);
	if (!jobs || !threads) {
		child_failed(run, child, "worker", "no memory");
		_exit(1);
	}
	if (child_attaches(run, &map, &err)) {
		child_failed(run, child, "attach", err.text);
		_exit(1);
	}
	for (uint32_t i = 0; i < child->nr; i++)
		fill_job(run, child->first + i, map, &jobs[i]);
	if (run->point->params.workers == WORKERS_PROCESS) {
		worker_run(&jobs[0]);
	} else {
		for (; started < child->nr; started++) {
			int r = pthread_create(&threads[started], NULL, thread_main,
					       &jobs[started]);

			if (r) {
				child_failed(run, child, "pthread_create", strerror(r));
				_exit(1);
			}
		}
		for (uint32_t i = 0; i < started; i++)
			pthread_join(threads[i], NULL);
	}
	if (run->target && run->target->one_process) {
		if (run->point->params.verify != VERIFY_OFF)
			count_in_child(run, child);
		run->target->destroy(run->table);
	}
	if (map)
		shmht_detach(map);
	free(jobs);
	free(threads);
	/* exit, not _exit: coverage counters and sanitizers report there. */
	exit(0);
}

int run_start_children(struct run *run)
{
	const struct params *params = &run->point->params;
	bool threads = params->workers == WORKERS_THREAD;
	pid_t parent = getpid();

	run->nr_children = threads ? 1 : params->procs;
	run->children = calloc(run->nr_children, sizeof(*run->children));
	if (!run->children)
		return run_give_up(run, TRIAL_NOT_MEASURED, "no memory for %u workers",
				   params->procs);
	fflush(NULL); /* or the children flush it again */
	for (uint32_t i = 0; i < run->nr_children; i++) {
		struct child *child = &run->children[i];

		child->first = i;
		child->nr = threads ? params->procs : 1;
		child->pid = fork();
		if (child->pid == 0)
			child_main(run, child, parent);
		if (child->pid < 0) {
			int r = errno;

			child->pid = 0;
			run->nr_children = i;
			return run_give_up(run, TRIAL_NOT_MEASURED, "fork of worker %u: %s", i,
					   strerror(r));
		}
	}
	return 0;
}

static void child_ended(struct run *run, const struct child *child, int status)
{
	const char *error = run->control->workers[child->first].error;

	if (WIFSIGNALED(status))
		run_give_up(run, TRIAL_NOT_MEASURED, "worker %u (pid %d) died of signal %d (%s)",
			    child->first, (int)child->pid, WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		run_give_up(run, TRIAL_NOT_MEASURED, "worker %u (pid %d) ended with status %d%s%s",
			    child->first, (int)child->pid, WEXITSTATUS(status), *error ? ": " : "",
			    error);
}

static void child_changed(struct run *run, struct child *child, int status)
{
	bool stopped = WIFSTOPPED(status);

	if (stopped != child->stopped)
		standstill_stopped(&run->still, stopped);
	child->stopped = stopped;
	if (stopped || WIFCONTINUED(status))
		return;
	child_ended(run, child, status);
	child->pid = 0;
}

void run_reap(struct run *run)
{
	int status;

	for (uint32_t i = 0; i < run->nr_children; i++) {
		struct child *child = &run->children[i];

		if (child->pid &&
		    waitpid(child->pid, &status, WNOHANG | WUNTRACED | WCONTINUED) == child->pid)
			child_changed(run, child, status);
	}
}

bool run_children_left(const struct run *run)
{
	for (uint32_t i = 0; i < run->nr_children; i++)
		if (run->children[i].pid)
			return true;
	return false;
}

void run_kill_children(struct run *run)
{
	for (uint32_t i = 0; i < run->nr_children; i++)
		if (run->children[i].pid)
			kill(run->children[i].pid, SIGKILL);
	for (uint32_t i = 0; i < run->nr_children; i++) {
		if (run->children[i].pid)
			waitpid(run->children[i].pid, NULL, 0);
		run->children[i].pid = 0;
	}
}
