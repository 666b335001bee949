/* SPDX-License-Identifier: MIT */
/*
 * The sweep: a process is killed after its k-th instruction, for every k, in each
 * operation that changes a table; then somebody else must get every lock, check()
 * must find nothing, and what was committed must be there. And for each distinct
 * image that such a death leaves, the repair is stopped after each of its own
 * instructions, and repaired again from there.
 *
 * By default each k that changed the region, every 7th of the others, and the
 * repairs of every 8th image, all of it with spin and the rest in brief;
 * SHMBENCH_TESTS=all (scripts/nightly-sweep) takes every one. SHMBENCH_SWEEP=NAME: that strategy
 * alone; SHMBENCH_SWEEP_PART=I/N: every N-th k, from I on. Built once more for each mutant of
 * core.ninja, with EXPECT_CAUGHT: the sweep must find those out.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/mman.h>

#include "layout.h"
#include "sweep.h"
#include "sweep_scenes.inc.h"

#ifndef SWEPT
#define SWEPT "spin" /* where a mutant is to be caught */
#endif
#define WORKERS 6u
#define KEYS_MAX 80u
#define IMAGES_KEPT 512u
/* An instruction is killed after in so many rounds of its loop; later ones only where
 * something changed that outlives the process: what is left was the same before. */
#define ROUNDS_MAX 64u

/* So many are shown, and end a scene: each may have waited for its time-out. */
#ifdef EXPECT_CAUGHT
#define FAILURES_ENOUGH 1u
#else
#define FAILURES_ENOUGH 8u
#endif

struct run {
	const struct scene *scene;
	const struct shmht_strategy *strategy;
	struct shmht *map;
	struct shmht_ctx *ctx;	  /* of the survivor */
	struct shmht_ctx *second; /* who asks for a lock that the survivor has */
	struct images images;
	unsigned char *pristine;
	uint64_t kills, same, images_met, images_repaired, failures;
	const char *where;
	unsigned int k;
};

static struct part part; /* of the places to kill at */

enum changes { CHANGES_NOTHING, CHANGES_KERNEL, CHANGES_REGION };

static uint64_t one_bucket(const void *key, size_t len, uint64_t seed)
{
	(void)key, (void)len, (void)seed;
	return 42;
}

/* ---- what must hold after a death ---------------------------------------- */

static void report(const char *text, void *arg)
{
	struct run *run = arg;

	if (run->failures < FAILURES_ENOUGH)
		fprintf(stderr, "  %s, %s, %s %u: %s\n", run->strategy->name, run->scene->name,
			run->where, run->k, text);
}

static void fail_run(struct run *run, const char *what, int r)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", what, r < 0 ? strerror(-r) : "wrong");
	report(text, run);
	run->failures++;
}

static void verify(struct run *run)
{
	const struct scene *s = run->scene;
	uint64_t before = run->failures, fresh = 1000;
	int r = shmht_recover(run->ctx);

	if (r) {
		fail_run(run, "a lock is stuck", r);
		return;
	}
	r = shmht_check(run->ctx, report, run);
	if (r)
		fail_run(run, "check()", r);
	for (uint64_t key = 1; key <= s->preload; key++) {
		enum may may = key == s->key ? s->key_may : s->others_may;

		if (s->op == op_churn && key == 3)
			may = OLD | ABSENT;
		if (!(state_of(run->ctx, key) & may))
			fail_run(run, "an entry is lost or torn", 0);
	}
	if (s->key > s->preload && !(state_of(run->ctx, s->key) & s->key_may))
		fail_run(run, "the new entry is torn", 0);
	/* And it goes on. */
	r = put(run->ctx, fresh, 0, false);
	if (!r)
		r = shmht_remove(run->ctx, &fresh, sizeof(fresh));
	if (r && run->failures == before)
		fail_run(run, "the next change", r);
}

/* ---- killing -------------------------------------------------------------- */

static void restore(struct run *run)
{
	memcpy(run->images.base, run->pristine, run->images.bytes);
}

static bool finds_it_taken(const struct run *run)
{
	return run->scene->how == WAITS || run->scene->how == ASKED_FOR;
}

static void victim(void *arg)
{
	struct run *run = arg;
	struct shmht_ctx *ctx;

	if (!run->scene->op) {
		stepper_start();
		if (shmht_ctx_open(run->map, &ctx, NULL))
			_exit(1);
		shmht_ctx_close(ctx);
		stepper_end();
		return;
	}
	if (run->scene->how == ATTACHES) {
		struct shmht *map;

		stepper_start();
		if (shmht_attach(shmht_fd(run->map), NULL, &map, NULL) ||
		    shmht_ctx_open(map, &ctx, NULL))
			_exit(1);
		run->scene->op(ctx);
		shmht_ctx_close(ctx);
		shmht_detach(map);
		stepper_end();
		return;
	}
	if (shmht_ctx_open(run->map, &ctx, NULL))
		_exit(1);
	shmht_ctx_set_timeout(ctx, finds_it_taken(run) ? 2000000 : 10000000000);
	stepper_start();
	run->scene->op(ctx);
	stepper_end();
}

/* Changes an entry to what it is. */
static int wait_for_it(void *arg)
{
	struct run *run = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(run->map, &ctx, NULL))
		return 1;
	shmht_ctx_set_timeout(ctx, 10000000000);
	return put(ctx, 7, 0, true) ? 2 : 0;
}

/* Kills the victim, and then one of two who wait for its lock, if it has it. */
static void kill_waited_for(struct run *run, pid_t victim_pid)
{
	pid_t dies = child_start(wait_for_it, run), lives = child_start(wait_for_it, run);
	int status;

	sleep_ns(1000000);
	stepper_kill(victim_pid);
	child_kill(dies);
	status = child_wait(lives);
	if (status)
		fail_run(run, "who waits does not get the lock", -status);
}

static void repairer(void *arg)
{
	struct run *run = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(run->map, &ctx, NULL))
		_exit(1);
	stepper_start();
	if (shmht_recover(ctx))
		_exit(1);
	stepper_end();
}

/* What the kernel does to life words, for an image that was taken before it could. */
static void mark_dead(struct run *run, pid_t pid)
{
	struct shm_slot *slots = (struct shm_slot *)(run->images.base + HEADER_BYTES);

	for (unsigned int i = 0; i < WORKERS; i++)
		if (ld(&slots[i].life) == (uint32_t)pid)
			st(&slots[i].life, FUTEX_OWNER_DIED);
}

/* Each image that a repair of the present one goes through is repaired in turn. */
static void sweep_repair(struct run *run)
{
	unsigned char *kept[IMAGES_KEPT], *first = malloc(run->images.bytes);
	const char *where = run->where;
	unsigned int nr = 0, steps = 0;
	uint64_t last = 0;
	pid_t pid;

	assert_non_null(first);
	memcpy(first, run->images.base, run->images.bytes);
	pid = stepper_fork(repairer, run);
	while (stepper_step(pid) == STEPPED && ++steps < 200000) {
		uint64_t hash = images_hash(&run->images);

		if (hash == last || !images_new(&run->images, hash))
			continue;
		last = hash;
		assert_true(nr < IMAGES_KEPT);
		kept[nr] = malloc(run->images.bytes);
		assert_non_null(kept[nr]);
		memcpy(kept[nr++], run->images.base, run->images.bytes);
	}
	stepper_kill(pid);
	run->where = "repair's image";
	for (unsigned int i = 0; i < nr; i++) {
		memcpy(run->images.base, kept[i], run->images.bytes);
		mark_dead(run, pid);
		verify(run);
		run->images_repaired++;
		free(kept[i]);
	}
	run->where = where;
	memcpy(run->images.base, first, run->images.bytes);
	free(first);
}

/* From the table as it was. Who is to wait finds the lock taken. */
static pid_t start_victim(struct run *run)
{
	restore(run);
	if (finds_it_taken(run))
		assert_rc(run->strategy->ops.lock(run->ctx, 0), 0);
	return stepper_fork(victim, run);
}

/* Whoever died in the queue, its living holder keeps the lock. */
static void ask(struct run *run, uint64_t timeout_ns)
{
	int r;

	shmht_ctx_set_timeout(run->second, timeout_ns);
	r = run->strategy->ops.lock(run->second, 0);
	if (r != -ETIMEDOUT)
		fail_run(run, "a second one gets the lock", r);
	if (!r)
		run->strategy->ops.unlock(run->second, 0);
}

static void end_victim(struct run *run, pid_t pid)
{
	stepper_kill(pid);
	if (run->scene->how == ASKED_FOR) {
		ask(run, 0);
		ask(run, 1000000); /* longer than until the first look */
	}
	if (finds_it_taken(run))
		run->strategy->ops.unlock(run->ctx, 0);
}

static void kill_at(struct run *run, const struct trace *trace, unsigned int k,
		    unsigned int repairs)
{
	pid_t pid = start_victim(run);
	enum step step = stepper_run_to(pid, trace, k);

	run->k = k;

	/* It took another way: files have other contents, objects other numbers. */
	if (step == STEP_ENDED && !finds_it_taken(run)) {
		end_victim(run, pid);
		pid = start_victim(run);
		step = stepper_step_many(pid, k);
	}
	if (run->scene->how == WAITED_FOR) {
		kill_waited_for(run, pid);
		repairs = 0; /* done already */
	} else {
		end_victim(run, pid);
	}
	assert_true(step != STEP_GONE);
	run->kills++;
	/* No life word that bears a dead thread's number. */
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct shm_slot *slot = (struct shm_slot *)(run->images.base + HEADER_BYTES) + i;

		if (ld(&slot->life) == (uint32_t)pid)
			fail_run(run, "the kernel has not marked the slot", 0);
	}
	if (repairs && images_new(&run->images, images_hash(&run->images)) &&
	    run->images_met++ % repairs == 0)
		sweep_repair(run);
	verify(run);
}

/* The victim's way, and after which of its steps what outlives it was another: the
 * region, or what the kernel does when it dies. */
static unsigned int find_changes(struct run *run, struct trace *trace, unsigned char *changed)
{
	uint64_t last, hash, kernel, kernel_last;
	unsigned int k = 0;
	pid_t pid;

	pid = start_victim(run);
	last = images_hash(&run->images);
	kernel_last = stepper_kernel_state(pid);
	trace_note(trace, pid);
	while (k < TRACE_MAX && stepper_step(pid) == STEPPED) {
		hash = images_hash(&run->images);
		kernel = stepper_kernel_state(pid);
		changed[++k] = hash != last			     ? CHANGES_REGION :
			       !kernel_last || kernel != kernel_last ? CHANGES_KERNEL :
								       CHANGES_NOTHING;
		trace_note(trace, pid);
		last = hash;
		kernel_last = kernel;
	}
	end_victim(run, pid);
	return k;
}

static void sweep_scene(struct run *run, unsigned int stride, unsigned int repairs)
{
	unsigned char *changed = calloc(TRACE_MAX + 1, 1);
	struct trace trace;
	unsigned int n;

	assert_non_null(changed);
	trace_open(&trace);
	run->where = "instruction";
	n = find_changes(run, &trace, changed);
	/* The oldest are looked for in thousands of bins, which changes nothing; and a
	 * loop's later rounds are stepped to. */
	if (stride > 1 && n > 10000)
		stride = n / 30;
	if (stride > 1 && run->scene->how == WAITED_FOR)
		stride *= 4; /* two processes more for each */
	for (unsigned int k = part.nr; k <= n && run->failures < FAILURES_ENOUGH; k += part.of) {
		if (changed[k] == CHANGES_NOTHING && trace.round[k] >= ROUNDS_MAX)
			run->same++;
		else if (k % stride == 0 || changed[k] == CHANGES_REGION)
			kill_at(run, &trace, k, changed[k] == CHANGES_REGION ? repairs : 0);
	}
	trace_close(&trace);
	free(changed);
}

/* ---- runs ----------------------------------------------------------------- */

static int lock_it(void *arg)
{
	struct run *run = arg;
	struct shmht_ctx *ctx;

	if (shmht_ctx_open(run->map, &ctx, NULL))
		return 1;
	shmht_ctx_set_timeout(ctx, 10000000000);
	(void)!run->strategy->ops.lock(ctx, 0);
	sleep_ns(10000000000);
	return 0;
}

/* Of a holder and one behind it in the queue. The pauses are for those who wait: that
 * they had no time to would be a weaker test, and no failure. */
static void leave_two_dead(struct run *run)
{
	pid_t holds = child_start(lock_it, run), waits;

	sleep_ns(20000000);
	waits = child_start(lock_it, run);
	sleep_ns(20000000);
	child_kill(waits);
	child_kill(holds);
}

static void run_open(struct run *run, const struct scene *scene,
		     const struct shmht_strategy *strategy, enum shmht_read read)
{
	struct shmht_config cfg = small_config(strategy, scene->capacity);

	cfg.read = read;
	cfg.max_workers = WORKERS;
	if (scene->chained)
		cfg.hash = one_bucket;
	*run = (struct run){ .scene = scene, .strategy = strategy };
	run->map = table_create(&cfg);
	run->ctx = context_open(run->map);
	run->second = context_open(run->map);
	for (uint64_t key = 1; key <= scene->preload; key++)
		assert_rc(put(run->ctx, key, 0, false), 0);
	if (scene->how == INHERITS)
		leave_two_dead(run);
	the_key = scene->key;
	images_open(&run->images, run->map);
	run->pristine = malloc(run->images.bytes);
	assert_non_null(run->pristine);
	memcpy(run->pristine, run->images.base, run->images.bytes);
}

static void run_close(struct run *run)
{
	restore(run);
	shmht_ctx_close(run->second);
	shmht_ctx_close(run->ctx);
	images_close(&run->images);
	free(run->pristine);
	shmht_destroy(run->map);
}

/* Scenes that a lock's own ways of waiting decide: a queue's; a semaphore's beside the
 * owner's word. */
static bool is_about(const struct scene *scene, const struct shmht_strategy *strategy)
{
	if (scene->op == op_search)
		return strategy->caps & SHMHT_CAP_SHARED_READERS;
	return (strategy->caps & SHMHT_CAP_FAIR || !strcmp(strategy->name, "sem")) &&
	       scene->how >= WAITED_FOR && scene->how != ATTACHES;
}

static void sweep(const struct shmht_strategy *strategy)
{
	const char *wanted = getenv("SHMBENCH_TESTS"), *only = getenv("SHMBENCH_SWEEP");
	bool all = wanted && !strcmp(wanted, "all");
	uint64_t kills = 0, same = 0, repaired = 0, failures = 0;
	/* The repair is the same code for all; its images are taken with one lock. */
	unsigned int repairs = strcmp(strategy->name, "spin") ? 0 : all ? 1 : 8;

	if (!(strategy->caps & SHMHT_CAP_RECOVERS) || strategy->caps & SHMHT_CAP_TEST_ONLY)
		return;
#ifdef EXPECT_CAUGHT
	if (strcmp(strategy->name, SWEPT))
		return;
#endif
	if (only && strcmp(only, strategy->name))
		return;
	part = stepper_part();
	stepper_pin();
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		uint64_t begin = shmht_monotonic_ns();
		struct run run;

		if (!all && !repairs && !scenes[i].brief && !is_about(&scenes[i], strategy))
			continue;
		alarm(all ? 3000 : 120);
		run_open(&run, &scenes[i], strategy, test_read);
		sweep_scene(&run, all ? 1 : 7, repairs);
		kills += run.kills;
		same += run.same;
		repaired += run.images_repaired;
		failures += run.failures;
		run_close(&run);
		if (all)
			printf("  %s: %" PRIu64 " kill points, %.1f s\n", scenes[i].name, run.kills,
			       (double)(shmht_monotonic_ns() - begin) * 1e-9);
#ifdef EXPECT_CAUGHT
		if (failures)
			break;
#endif
	}
	printf("sweep %s read=%s: %" PRIu64 " kill points, %" PRIu64
	       " more in later rounds of loops "
	       "that leave the same, %" PRIu64 " images of repairs, %" PRIu64 " failures\n",
	       strategy->name, read_names[test_read], kills, same, repaired, failures);
#ifdef EXPECT_CAUGHT
	assert_true(failures > 0);
#else
	assert_int_equal(failures, 0);
#endif
}

static const struct strategy_test tests[] = {
#ifdef EXPECT_CAUGHT
	{ "the sweep finds the mutant", sweep, TEST_MANY | TEST_LOCKED },
#else
	{ "killed after every instruction", sweep, TEST_MANY },
#endif
};

int main(void)
{
	return RUN_EVERY_STRATEGY("sweep", tests);
}
