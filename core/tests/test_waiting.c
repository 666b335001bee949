/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a lock: every operation keeps its deadline, names the holder and
 * its state, and neither loses its place nor gets in for nothing when signals
 * interrupt it. For every strategy that has somebody to wait for.
 */
#include "holder.h"

#define TIMEOUT (50 * MS)
/* How late a time-out may be reported on a busy machine; the best of several
 * tries has to be close. */
#define LATE_EVER (2000 * MS)
#define LATE_BEST ((UNDER_SANITIZER ? 100 : 15) * MS)

enum op {
	OP_INSERT,
	OP_UPDATE,
	OP_UPSERT,
	OP_SEARCH,
	OP_REMOVE,
	OP_FLUSH,
	OP_FOREACH,
	OP_REMOVE_OLDEST,
	OP_LOCK,
	NR_OPS
};

static int visit(const void *key, size_t key_len, const void *value, size_t value_len, void *arg)
{
	(void)key, (void)key_len, (void)value, (void)value_len;
	++*(int *)arg;
	return 0;
}

/* The table has key 1, not key 2. Outputs must stay as they were. */
static int attempt(struct shmht_ctx *ctx, enum op op)
{
	uint64_t one = 1, two = 2, value = 77, removed = 77;
	size_t len = 77;
	int visited = 0, r = 0;

	switch (op) {
	case OP_INSERT:
		r = put_number(ctx, two);
		break;
	case OP_UPDATE:
		r = shmht_update(ctx, &one, sizeof(one), &two, sizeof(two));
		break;
	case OP_UPSERT:
		r = shmht_upsert(ctx, &two, sizeof(two), &two, sizeof(two));
		break;
	case OP_SEARCH:
		r = shmht_search(ctx, &one, sizeof(one), &value, sizeof(value), &len);
		break;
	case OP_REMOVE:
		r = remove_number(ctx, one);
		break;
	case OP_FLUSH:
		r = shmht_flush(ctx);
		break;
	case OP_FOREACH:
		r = shmht_foreach(ctx, visit, &visited);
		break;
	case OP_REMOVE_OLDEST:
		r = shmht_remove_oldest(ctx, 50, &removed);
		break;
	default:
		r = SHMHT_CALL(ctx, lock, 0);
	}
	if (r)
		assert_true(value == 77 && removed == 77 && len == 77 && visited == 0);
	return r;
}

/* A search waits for the lock only where it takes it. */
static bool waits(enum op op)
{
	return op != OP_SEARCH || test_read == SHMHT_READ_LOCKED;
}

static void get_in(struct shmht_ctx *ctx, const struct shmht_strategy *strategy)
{
	assert_rc(attempt(ctx, OP_LOCK), 0);
	strategy->ops.unlock(ctx, 0);
}

static void times_out(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	struct shmht_holder found = { 0 };
	struct holder *holder;

	assert_rc(put_number(t.ctx, 1), 0);
	holder = holder_thread(t.map, 0);
	shmht_ctx_set_timeout(t.ctx, TIMEOUT);
	for (enum op op = 0; op < NR_OPS; op++) {
		uint64_t best = UINT64_MAX, tries = 0;

		if (!waits(op)) {
			assert_rc(attempt(t.ctx, op), 0); /* held or not */
			continue;
		}
		do {
			uint64_t contended = stats->contended, timeouts = stats->timeouts;
			uint64_t acquired = stats->acquired, ns = shmht_monotonic_ns(), wait_ns;

			assert_rc(attempt(t.ctx, op), -ETIMEDOUT);
			ns = shmht_monotonic_ns() - ns;
			if (ns < best)
				best = ns;
			assert_in_range(ns, TIMEOUT * 99 / 100, TIMEOUT + LATE_EVER);
			assert_int_equal(stats->contended, contended + 1);
			assert_int_equal(stats->timeouts, timeouts + 1);
			assert_int_equal(stats->acquired, acquired);
			wait_ns =
				(uint64_t)((double)stats->wait_ticks[contended % SHMHT_WAIT_RING] *
					   shmht_ns_per_tick());
			assert_in_range(wait_ns, TIMEOUT * 98 / 100, ns * 102 / 100);
		} while (best > TIMEOUT + LATE_BEST && ++tries < 10);
		assert_in_range(best, TIMEOUT * 99 / 100, TIMEOUT + LATE_BEST);

		shmht_ctx_holder(t.ctx, &found);
		assert_int_equal(found.pid, getpid());
		assert_int_equal(found.tid, holder->tid);
		assert_int_equal(found.state, SHMHT_HOLDER_RUNNING);
	}
	holder_let_go(holder);
	assert_count(t.ctx, 1);
	assert_true(has_number(t.ctx, 1)); /* the time-outs left no lock taken */
	table_close(&t);
}

static void timeout_zero(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct holder *holder;
	uint64_t best = UINT64_MAX;

	assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_set_timeout(t.ctx, 0);
	assert_true(has_number(t.ctx, 1)); /* a free lock is got all the same */
	holder = holder_thread(t.map, 0);
	for (int i = 0; i < 20; i++)
		for (enum op op = 0; op < NR_OPS; op++) {
			uint64_t ns = shmht_monotonic_ns();

			assert_rc(attempt(t.ctx, op), waits(op) ? -ETIMEDOUT : 0);
			ns = shmht_monotonic_ns() - ns;
			if (ns < best && waits(op))
				best = ns;
		}
	assert_true(best < MS / 2);
	holder_let_go(holder);
	assert_true(has_number(t.ctx, 1));
	table_close(&t);
}

/* A time-out of centuries is none, not one that wrapped around. */
static void timeout_for_ever(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct holder *holder = holder_child(t.map, 0);

	shmht_ctx_set_timeout(t.ctx, UINT64_MAX);
	holder_let_go_after(holder, TIMEOUT);
	assert_rc(put_number(t.ctx, 1), 0);
	holder_let_go(holder);
	table_close(&t);
}

/* The lock of one stripe keeps nobody out of the others. */
static void other_stripes_go_on(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);
	uint64_t waited = 0;
	struct holder *holder;
	struct table t;

	cfg.stripes = 4;
	t = table_open(&cfg);
	holder = holder_child(t.map, 2);
	shmht_ctx_set_timeout(t.ctx, 0);
	for (uint64_t k = 0; k < 1000; k++) {
		int r = put_number(t.ctx, k);

		assert_true(r == 0 || r == -ETIMEDOUT);
		waited += r != 0;
	}
	assert_in_range(waited, 150, 350); /* a quarter */
	assert_count(t.ctx, 1000 - waited);
	holder_let_go(holder);
	table_close(&t);
}

static enum shmht_holder_state state_of_holder(struct shmht_ctx *ctx, const struct holder *holder)
{
	struct shmht_holder found = { 0 };

	assert_rc(attempt(ctx, OP_UPDATE), -ETIMEDOUT);
	shmht_ctx_holder(ctx, &found);
	assert_int_equal(found.pid, holder->pid);
	assert_int_equal(found.tid, holder->tid);
	return found.state;
}

/* A stopped holder is named as such, and never robbed. */
static void holder_stopped(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct holder *holder;
	int status;

	assert_rc(put_number(t.ctx, 1), 0);
	holder = holder_child(t.map, 0);
	shmht_ctx_set_timeout(t.ctx, TIMEOUT);
	assert_int_equal(state_of_holder(t.ctx, holder), SHMHT_HOLDER_RUNNING);
	assert_int_equal(kill(holder->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(holder->pid, &status, WUNTRACED), holder->pid);
	for (int i = 0; i < 3; i++)
		assert_int_equal(state_of_holder(t.ctx, holder), SHMHT_HOLDER_STOPPED);
	assert_int_equal(kill(holder->pid, SIGCONT), 0);
	holder_let_go(holder);
	assert_true(has_number(t.ctx, 1));
	table_close(&t);
}

/* Seed fault 4: the death of a holder must not hang anybody. It is told; where
 * the strategy recovers, the table goes on. */
static void holder_killed(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct holder *holder;

	assert_rc(put_number(t.ctx, 1), 0);
	holder = holder_child(t.map, 0);
	shmht_ctx_set_timeout(t.ctx, TIMEOUT);
	assert_int_equal(kill(holder->pid, SIGKILL), 0);
	/* First as a zombie, which still has a process id, then reaped. */
	assert_int_equal(waitid(P_PID, (id_t)holder->pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	for (int reaped = 0; reaped < 2; reaped++) {
		if (strategy->caps & SHMHT_CAP_RECOVERS)
			assert_true(has_number(t.ctx, 1));
		else
			assert_int_equal(state_of_holder(t.ctx, holder), SHMHT_HOLDER_DEAD);
		if (!reaped)
			assert_int_equal(child_wait(holder->pid), 1000 + SIGKILL);
	}
	table_close(&t);
}

/* When the dead holder's worker slot goes to somebody else, that one is not
 * accused of holding the lock. */
static void innocent_is_not_named(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht_holder found = { 0 };
	struct holder *holder;
	struct shmht_ctx *other;
	struct table t;

	if (strategy->caps & SHMHT_CAP_RECOVERS)
		return;
	cfg.max_workers = 2;
	t = table_open(&cfg);
	holder = holder_child(t.map, 0);
	child_kill(holder->pid);
	other = context_open(t.map); /* the only slot left is the dead one's */
	shmht_ctx_set_timeout(t.ctx, 0);
	assert_rc(put_number(t.ctx, 1), -ETIMEDOUT);
	shmht_ctx_holder(t.ctx, &found);
	assert_int_not_equal(found.tid, (pid_t)syscall(SYS_gettid));
	assert_int_not_equal(found.pid, getpid());
	shmht_ctx_close(other);
	table_close(&t);
}

/* Those who sleep are woken by the release, not by their time-out. */
static void release_wakes(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);

	assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	for (int i = 0; i < 10; i++) {
		struct holder *holder = holder_child(t.map, 0);
		uint64_t start = shmht_monotonic_ns();

		holder_let_go_after(holder, (uint64_t)i * MS);
		get_in(t.ctx, strategy);
		assert_true(shmht_monotonic_ns() - start < PATIENCE_NS / 3);
		holder_let_go(holder);
	}
	table_close(&t);
}

/* ---- signals (seed fault 5: an interrupted wait went in, then posted) ---- */

static atomic_uint signals;

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static timer_t storm_start(void)
{
	struct sigaction act = { .sa_handler = on_signal }; /* without SA_RESTART */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, MS }, { 0, MS } };
	timer_t timer;

	atomic_store(&signals, 0);
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	return timer;
}

static void signals_keep_the_deadline(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct shmht_ctx *other = context_open(t.map);
	struct holder *holder;
	timer_t timer;

	assert_rc(put_number(t.ctx, 1), 0);
	holder = holder_child(t.map, 0);
	shmht_ctx_set_timeout(t.ctx, 4 * TIMEOUT);
	timer = storm_start();
	for (enum op op = OP_INSERT; op <= OP_REMOVE; op++) {
		uint64_t ns = shmht_monotonic_ns();

		if (!waits(op))
			continue;
		assert_rc(attempt(t.ctx, op), -ETIMEDOUT);
		ns = shmht_monotonic_ns() - ns;
		assert_in_range(ns, 4 * TIMEOUT * 99 / 100, 4 * TIMEOUT + LATE_EVER);
	}
	timer_delete(timer);
	assert_true(atomic_load(&signals) > 50);
	/* Still taken, and by one. */
	shmht_ctx_set_timeout(other, 0);
	assert_rc(attempt(other, OP_LOCK), -ETIMEDOUT);
	holder_let_go(holder);
	assert_rc(attempt(t.ctx, OP_LOCK), 0);
	assert_rc(attempt(other, OP_LOCK), -ETIMEDOUT);
	strategy->ops.unlock(t.ctx, 0);
	shmht_ctx_close(other);
	table_close(&t);
}

static void signals_do_not_lose_the_lock(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	timer_t timer;

	assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	for (int i = 0; i < 3; i++) {
		struct holder *holder = holder_child(t.map, 0);

		timer = storm_start();
		holder_let_go_after(holder, 2 * TIMEOUT);
		get_in(t.ctx, strategy);
		assert_true(atomic_load(&signals) > 10);
		timer_delete(timer);
		holder_let_go(holder);
	}
	table_close(&t);
}

static uint64_t ns_of(uint64_t ticks)
{
	return (uint64_t)((double)ticks * shmht_ns_per_tick());
}

/* One section is timed, and only the one that was asked for. */
static void sections_are_timed(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	uint64_t start;

	/* Nothing is that was not asked for. */
	for (enum op op = OP_INSERT; op < OP_LOCK; op++)
		(void)attempt(t.ctx, op);
	assert_int_equal(stats->timed, 0);
	(void)remove_number(t.ctx, 2);
	for (uint64_t n = 0; n < 20; n++) {
		shmht_ctx_time_section(t.ctx, true);
		start = shmht_ticks();
		assert_rc(put_number(t.ctx, 100), 0);
		assert_int_equal(stats->timed, n + 1);
		assert_int_equal(stats->timed_wait[n % SHMHT_WAIT_RING], 0);
		assert_in_range(stats->timed_hold[n % SHMHT_WAIT_RING], 1, shmht_ticks() - start);
		assert_true(stats->timed_again[n % SHMHT_WAIT_RING]);
		assert_rc(remove_number(t.ctx, 100), 0);
		assert_int_equal(stats->timed, n + 1);
	}
	/* Taken back. */
	shmht_ctx_time_section(t.ctx, true);
	shmht_ctx_time_section(t.ctx, false);
	assert_rc(put_number(t.ctx, 100), 0);
	assert_int_equal(stats->timed, 20);
	shmht_ctx_set_hold(t.ctx, 2 * MS);
	shmht_ctx_time_section(t.ctx, true);
	assert_rc(remove_number(t.ctx, 100), 0);
	assert_true(ns_of(stats->timed_hold[20 % SHMHT_WAIT_RING]) >= 2 * MS * 99 / 100);
	shmht_ctx_set_hold(t.ctx, 0);
	/* Where searches take the lock, one is timed too; else none, however often. */
	for (int i = 0; i < 3; i++) {
		uint64_t timed = stats->timed;

		shmht_ctx_time_section(t.ctx, true);
		assert_rc(attempt(t.ctx, OP_SEARCH), -ENOENT);
		assert_int_equal(stats->timed - timed, test_read == SHMHT_READ_LOCKED);
	}
	table_close(&t);
}

/* What was waited for is not what was held. */
static void wait_and_hold_are_told_apart(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	const struct shmht_lock_stats *stats = shmht_ctx_stats(t.ctx);
	struct holder *holder = holder_thread(t.map, 0);
	uint64_t wait, hold, all;

	shmht_ctx_set_timeout(t.ctx, PATIENCE_NS);
	shmht_ctx_time_section(t.ctx, true);
	holder_let_go_after(holder, 10 * MS);
	all = shmht_ticks();
	assert_rc(put_number(t.ctx, 1), 0);
	all = shmht_ticks() - all;
	holder_let_go(holder);
	assert_int_equal(stats->timed, 1);
	assert_false(stats->timed_again[0]);
	wait = stats->timed_wait[0];
	hold = stats->timed_hold[0];
	assert_int_equal(wait, stats->wait_ticks[(stats->contended - 1) % SHMHT_WAIT_RING]);
	assert_true(ns_of(wait) >= MS / 10); /* unless we slept as long as the holder */
	assert_true(wait + hold <= all);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "the section asked for is timed", sections_are_timed, 0 },
	{ "a timed section: wait and hold", wait_and_hold_are_told_apart, TEST_MANY },
	{ "time-out: each operation, holder named", times_out, TEST_MANY | TEST_WAITS },
	{ "time-out 0 tries once", timeout_zero, TEST_MANY | TEST_WAITS },
	{ "time-out of centuries", timeout_for_ever, TEST_MANY | TEST_WAITS },
	{ "a held stripe leaves the others alone", other_stripes_go_on, TEST_MANY | TEST_WAITS },
	{ "holder stopped: told, not robbed", holder_stopped, TEST_MANY | TEST_WAITS },
	{ "holder killed: told, nobody hangs", holder_killed, TEST_MANY | TEST_WAITS },
	{ "holder killed: its successor is not named", innocent_is_not_named,
	  TEST_MANY | TEST_WAITS },
	{ "release wakes the waiter", release_wakes, TEST_MANY | TEST_WAITS },
	{ "signals: the deadline holds, nobody gets in", signals_keep_the_deadline,
	  TEST_MANY | TEST_WAITS },
	{ "signals: the waiter gets the lock", signals_do_not_lose_the_lock,
	  TEST_MANY | TEST_WAITS },
};

STRATEGY_TESTS(waiting, tests);
