/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail: a table's life, from create and attach to detach, in a child
 * whose k-th system call is refused, for every k and several reasons (EINTR, ENOMEM,
 * EPERM: a seal that is not given). What comes of it is a success, or an error that
 * says what happened: never a crash, a hang, a descriptor or a mapping left behind.
 * The tracer lets the kernel see no call (-1) and answers in its place.
 */
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "sweep.h"

/* In an IPC namespace of this test; one for each child would cost 10 ms each. */
static bool sets_are_ours;

#if defined(__x86_64__)

enum ending { ALL_WELL, REFUSED, LEFT_SOMETHING, SAID_NOTHING, WRONG };
static const char *const endings[] = { "all well", "refused", "left something behind",
				       "refused without a word", "said yes and did not" };

struct life {
	const struct shmht_strategy *strategy;
	enum shmht_read read;
	int error; /* what a call is refused with */
};

#define ENTRIES 4u

/* 1: it is not what was put there. */
static int put_and_look(struct shmht_ctx *ctx, uint64_t key)
{
	uint64_t found = ~key;
	size_t len = 0;
	int r = shmht_upsert(ctx, &key, sizeof(key), &key, sizeof(key));

	if (!r)
		r = shmht_search(ctx, &key, sizeof(key), &found, sizeof(found), &len);
	return r ? r : found != key || len != sizeof(key);
}

static enum ending use(struct shmht *map, struct shmht_error *err)
{
	struct shmht_ctx *ctx;
	uint64_t count = 0;
	int r = shmht_ctx_open(map, &ctx, err);

	if (r)
		return err->text[0] ? REFUSED : SAID_NOTHING;
	/* A lock that the kernel would not give back, say, is waited for. */
	shmht_ctx_set_timeout(ctx, 5000000);
	for (uint64_t key = 0; key < ENTRIES && !r; key++)
		r = put_and_look(ctx, key);
	if (!r)
		r = shmht_count(ctx, &count) || count != ENTRIES;
	shmht_ctx_close(ctx);
	return r > 0 ? WRONG : r < 0 ? REFUSED : ALL_WELL;
}

static enum ending live(const struct life *life)
{
	struct shmht_config cfg = small_config(life->strategy, 100);
	struct shmht_error err = { "" };
	struct shmht *map, *other;
	enum ending ending;

	cfg.read = life->read;
	cfg.max_workers = 2;
	if (shmht_create(&cfg, &map, &err))
		return err.text[0] ? REFUSED : SAID_NOTHING;
	ending = use(map, &err);
	if (ending == ALL_WELL) {
		if (shmht_attach(shmht_fd(map), NULL, &other, &err)) {
			ending = err.text[0] ? REFUSED : SAID_NOTHING;
		} else {
			ending = use(other, &err);
			shmht_detach(other);
		}
	}
	shmht_destroy(map);
	return ending;
}

/* sysv's, in this IPC namespace: they outlive processes. */
static unsigned int count_sets(void)
{
	FILE *f = fopen("/proc/sysvipc/sem", "re");
	unsigned int lines = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines ? lines - 1 : 0; /* a heading */
}

/* Those that are left would make each later child's look for them longer. */
static void remove_sets(void)
{
	struct seminfo info;
	int last = sets_are_ours ? semctl(0, 0, SEM_INFO, &info) : -1;

	for (int i = 0; i <= last; i++) {
		struct semid_ds ds;
		int set = semctl(i, 0, SEM_STAT, &ds);

		if (set >= 0)
			semctl(set, 0, IPC_RMID);
	}
}

static void child(void *arg)
{
	const struct life *life = arg;
	unsigned int fds = count_descriptors(), maps, sets;
	enum ending ending;

	/* What the C library keeps once it has it. */
	live(arg);
	maps = count_mappings();
	stepper_start();
	ending = live(arg);
	stepper_end();
	sets = count_sets();
	/* Who may not take himself off a set leaves that to the kernel, and the set to
	 * the next who makes one. */
	if (ending <= REFUSED && (count_descriptors() != fds || count_mappings() > maps ||
				  (sets_are_ours && sets > (life->error != EINTR))))
		ending = LEFT_SOMETHING;
	_exit((int)ending);
}

/* These cannot fail, or their failing is a loss that nobody could make good. */
static bool is_spared(uint64_t call)
{
	static const uint64_t spared[] = { SYS_close,  SYS_munmap, SYS_gettid,
					   SYS_getpid, SYS_tgkill, SYS_rt_sigprocmask };

	for (size_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
		if (call == spared[i])
			return true;
	return false;
}

/* On to the next entry to or exit from a call. False: the signal of stepper_end(). */
static bool next_stop(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		fail_msg("the child ended with wait status %#x", (unsigned int)status);
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		return true;
	if (WSTOPSIG(status) != SIGUSR2)
		fail_msg("the child met signal %d", WSTOPSIG(status));
	return false;
}

/* Refuses call k of those that can fail. False: there were fewer. */
static bool refuse(const struct life *life, unsigned int k)
{
	pid_t pid = stepper_fork(child, (void *)(uintptr_t)life);
	struct user_regs_struct regs;
	uint64_t call = 0;
	bool done = false;
	int status;

	assert_int_equal(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	while (next_stop(pid)) {
		assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
		if (!done && !is_spared(regs.orig_rax) && !k--) {
			call = regs.orig_rax;
			done = true;
			regs.orig_rax = (uint64_t)-1;
			assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
			assert_true(next_stop(pid));
			assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
			regs.rax = (uint64_t)-life->error;
			assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
		} else if (!next_stop(pid)) {
			break;
		}
	}
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	remove_sets();
	if (!WIFEXITED(status) || WEXITSTATUS(status) > REFUSED)
		fail_msg("%s: system call %llu refused with %s: %s (wait status %#x)",
			 life->strategy->name, (unsigned long long)call, strerror(life->error),
			 WIFEXITED(status) && WEXITSTATUS(status) <= WRONG ?
				 endings[WEXITSTATUS(status)] :
				 "no orderly end",
			 (unsigned int)status);
	return done;
}

static void each_call_refused(const struct shmht_strategy *strategy)
{
	static const int errors[] = { EINTR, ENOMEM, EPERM };
	struct life life = { strategy, test_read, 0 };
	const char *wanted = getenv("SHMBENCH_TESTS");
	unsigned int nr = 0;

	if (strategy->caps & SHMHT_CAP_TEST_ONLY)
		return;
	/* What creates and attaches is the same for all. */
	if (!(wanted && !strcmp(wanted, "all")) && strcmp(strategy->name, "futex") &&
	    strcmp(strategy->name, "mutex-robust") && strcmp(strategy->name, "sysv"))
		return;
	if (!strcmp(strategy->name, "sysv") && !sets_are_ours)
		skip(); /* not in front of others, who have sets there */
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		unsigned int k = 0;

		alarm(120);
		life.error = errors[e];
		while (refuse(&life, k))
			k++;
		nr += k;
	}
	/* create and attach alone make some dozens. */
	assert_true(nr > 60);
	printf("%s: %u system calls refused\n", strategy->name, nr);
}
#else
static void each_call_refused(const struct shmht_strategy *strategy)
{
	(void)strategy;
	skip();
}
#endif

static const struct strategy_test tests[] = {
	{ "each system call refused", each_call_refused, 0 },
};

int main(void)
{
	sets_are_ours = !unshare(CLONE_NEWIPC);
	stepper_pin();
	return RUN_EVERY_STRATEGY("syscalls", tests);
}
