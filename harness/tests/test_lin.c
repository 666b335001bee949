/* SPDX-License-Identifier: MIT */
/*
 * The linearizability checks against histories whose verdict is known: from a
 * table that does one thing wrong once (27 ways), from a brute-force search
 * over all orders of small random histories, and from the logs' own making.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "verify/lin_check.h"
#include "verify/lin_history.h"
#include "worker/rng.h"

#define FUTURE 1u /* nonces: of the value to be written next */

static struct lin_history history;
static struct lin_search *search;

static int open_checker(void **state)
{
	(void)state;
	search = lin_search_create();
	return search ? lin_history_reserve(&history, 4096) : -1;
}

static int close_checker(void **state)
{
	(void)state;
	lin_search_free(search);
	lin_history_free(&history);
	return 0;
}

static struct lin_op *add(uint64_t start, uint64_t end, uint32_t worker, enum op_kind kind,
			  enum outcome outcome, uint64_t nonce)
{
	struct lin_op *op = &history.ops[history.nr++];
	enum lin_act act;

	assert_true(lin_act_of(kind, outcome, &act));
	*op = (struct lin_op){ .start = start,
			       .end = end,
			       .nonce = nonce,
			       .worker = worker,
			       .act = (uint8_t)act,
			       .kind = (uint8_t)kind,
			       .outcome = (uint8_t)outcome };
	return op;
}

/* ---- a table of one key that goes wrong once --------------------------- */

/* clang-format off */
#define FAULTS(X) \
	X(NONE) X(INSERT_LOST) X(INSERT_TWICE) X(INSERT_TWICE_KEEPS) X(INSERT_REFUSED) \
	X(INSERT_FOREIGN) X(INSERT_REPLACES) X(INSERT_AGAIN_LATER) X(UPDATE_LOST) \
	X(UPDATE_OF_NOTHING) X(UPDATE_ADDS) X(UPDATE_MISSES) X(UPDATE_MISSES_YET_DOES) \
	X(UPDATE_REMOVES) X(UPDATE_FOREIGN) X(REMOVE_LOST) X(REMOVE_OF_NOTHING) \
	X(REMOVE_MISSES) X(REMOVE_MISSES_YET_DOES) X(REMOVE_RESURRECTED) \
	X(REMOVE_RESTORES) X(READ_STALE) X(READ_FOREIGN) X(READ_FUTURE) \
	X(READ_REMOVED) X(READ_MISSES) X(READ_INITIAL) X(VANISHED)
/* clang-format on */

#define NAME(fault) FAULT_##fault,
enum fault { FAULTS(NAME) FAULT_NR };
#define TEXT(fault) #fault,
static const char *const fault_names[] = { FAULTS(TEXT) };

struct table {
	bool present;
	uint64_t nonce, before, removed; /* value; the ones it had before */
};

struct answer {
	enum outcome outcome;
	uint64_t nonce;
};

static struct answer right(struct table *t, enum op_kind kind, uint64_t nonce)
{
	struct answer answer = { OUTCOME_OK, nonce };

	if (kind == OP_INSERT && t->present) {
		answer.outcome = OUTCOME_EXISTS;
	} else if (kind != OP_INSERT && !t->present) {
		answer.outcome = OUTCOME_MISS;
	} else if (kind == OP_SEARCH) {
		answer.nonce = t->nonce;
	} else if (kind == OP_REMOVE) {
		t->present = false;
		t->removed = t->nonce;
	} else {
		t->before = t->present ? t->nonce : t->before;
		t->present = true;
		t->nonce = nonce;
	}
	return answer;
}

/* Does it wrong, if this is a moment for it. */
static bool wrong(enum fault fault, struct table *t, enum op_kind kind, uint64_t nonce,
		  struct answer *answer)
{
	struct table was = *t;

#define WHEN(kind_, present_)                             \
	if (kind != (kind_) || was.present != (present_)) \
		return false;                             \
	*answer = right(t, kind, nonce)
	switch (fault) {
	case FAULT_INSERT_LOST:
		WHEN(OP_INSERT, false);
		*t = was;
		return true;
	case FAULT_INSERT_TWICE:
	case FAULT_INSERT_TWICE_KEEPS:
		WHEN(OP_INSERT, true);
		answer->outcome = OUTCOME_OK;
		if (fault == FAULT_INSERT_TWICE)
			t->nonce = nonce;
		return true;
	case FAULT_INSERT_REFUSED:
		WHEN(OP_INSERT, false);
		*t = was;
		answer->outcome = OUTCOME_EXISTS;
		return true;
	case FAULT_INSERT_FOREIGN:
		WHEN(OP_INSERT, false);
		t->nonce = nonce + (1ull << 50);
		return true;
	case FAULT_INSERT_REPLACES:
		WHEN(OP_INSERT, true);
		t->nonce = nonce;
		return true;
	case FAULT_INSERT_AGAIN_LATER: /* a removed key comes back by itself */
		WHEN(OP_SEARCH, false);
		t->present = true;
		return true;
	case FAULT_UPDATE_LOST:
		WHEN(OP_UPDATE, true);
		*t = was;
		return true;
	case FAULT_UPDATE_OF_NOTHING:
	case FAULT_UPDATE_ADDS:
		WHEN(OP_UPDATE, false);
		answer->outcome = OUTCOME_OK;
		t->present = fault == FAULT_UPDATE_ADDS;
		t->nonce = nonce;
		return true;
	case FAULT_UPDATE_MISSES:
	case FAULT_UPDATE_MISSES_YET_DOES:
		WHEN(OP_UPDATE, true);
		answer->outcome = OUTCOME_MISS;
		if (fault == FAULT_UPDATE_MISSES)
			*t = was;
		return true;
	case FAULT_UPDATE_REMOVES:
		WHEN(OP_UPDATE, true);
		t->present = false;
		return true;
	case FAULT_UPDATE_FOREIGN:
		WHEN(OP_UPDATE, true);
		t->nonce = nonce + (1ull << 50);
		return true;
	case FAULT_REMOVE_LOST:
		WHEN(OP_REMOVE, true);
		*t = was;
		return true;
	case FAULT_REMOVE_OF_NOTHING:
		WHEN(OP_REMOVE, false);
		answer->outcome = OUTCOME_OK;
		return true;
	case FAULT_REMOVE_MISSES:
	case FAULT_REMOVE_MISSES_YET_DOES:
		WHEN(OP_REMOVE, true);
		answer->outcome = OUTCOME_MISS;
		if (fault == FAULT_REMOVE_MISSES)
			*t = was;
		return true;
	case FAULT_REMOVE_RESURRECTED: /* the value before the last comes back */
	case FAULT_REMOVE_RESTORES:
		WHEN(OP_REMOVE, true);
		if (fault == FAULT_REMOVE_RESTORES && !was.before)
			return *t = was, false;
		*t = was;
		if (fault == FAULT_REMOVE_RESTORES)
			t->nonce = was.before;
		return true;
	case FAULT_READ_STALE:
		if (!was.before || was.before == was.nonce)
			return false;
		WHEN(OP_SEARCH, true);
		answer->nonce = was.before;
		return true;
	case FAULT_READ_FOREIGN:
		WHEN(OP_SEARCH, true);
		answer->nonce = 1ull << 51;
		return true;
	case FAULT_READ_FUTURE:
		WHEN(OP_SEARCH, true);
		answer->nonce = FUTURE;
		return true;
	case FAULT_READ_REMOVED:
		if (!was.removed)
			return false;
		WHEN(OP_SEARCH, false);
		*answer = (struct answer){ OUTCOME_OK, was.removed };
		return true;
	case FAULT_READ_MISSES:
		WHEN(OP_SEARCH, true);
		answer->outcome = OUTCOME_MISS;
		return true;
	case FAULT_READ_INITIAL:
		if (was.nonce == history.nonce)
			return false;
		WHEN(OP_SEARCH, true);
		answer->nonce = history.nonce;
		return true;
	case FAULT_VANISHED: /* between two operations */
		if (!was.present)
			return false;
		t->present = false;
		*answer = right(t, kind, nonce);
		return true;
	case FAULT_NONE:
	case FAULT_NR:
		break;
	}
	return false;
#undef WHEN
}

/*
 * Writers take turns, so that what each must answer is certain; readers of a
 * second kind overlap them. Returns whether the fault came to pass, and was seen.
 */
static bool play(enum fault fault, uint64_t seed, bool readers)
{
	struct table t = { .present = seed & 1, .nonce = 7 }, good = t;
	uint64_t now = 100, nonce = 100, future = 0;
	struct rng rng;
	bool done = false, visible = false;

	rng_seed(&rng, seed, 1);
	history.nr = 0;
	history.present = t.present;
	history.nonce = 7;
	for (uint32_t i = 0; i < 200; i++) {
		enum op_kind kind = (enum op_kind)rng_below(&rng, OP_SEARCH_MANY);
		uint64_t end = now + 1 + rng_below(&rng, 20);
		struct answer answer, expected = right(&good, kind, ++nonce);
		bool here = !done && i > 20 && wrong(fault, &t, kind, nonce, &answer);

		if (here)
			done = true;
		else
			answer = right(&t, kind, nonce);
		if (readers && rng_below(&rng, 4) == 0 && !done)
			add(now - 5, end + 5, 9, OP_SEARCH, t.present ? OUTCOME_OK : OUTCOME_MISS,
			    t.nonce);
		if (answer.outcome == OUTCOME_OK && kind == OP_SEARCH && answer.nonce == FUTURE)
			future = history.nr + 1;
		add(now, end, i % 3, kind, answer.outcome, answer.nonce);
		if (future && lin_is_write(&history.ops[history.nr - 1])) {
			history.ops[future - 1].nonce = history.ops[history.nr - 1].nonce;
			future = 0;
		}
		now = end + 1 + rng_below(&rng, 5);
		visible |= answer.outcome != expected.outcome ||
			   (kind == OP_SEARCH && answer.outcome == OUTCOME_OK &&
			    answer.nonce != expected.nonce);
	}
	add(now, now + 1, LIN_FINAL, OP_SEARCH, t.present ? OUTCOME_OK : OUTCOME_MISS, t.nonce);
	visible |= t.present != good.present || (t.present && t.nonce != good.nonce);
	return done && visible;
}

static bool holds(struct lin_violation *ret_violation)
{
	enum lin_verdict verdict;

	lin_history_prepare(&history);
	if (!lin_witness(&history, ret_violation)) {
		struct lin_violation other;

		/* The two agree: the witness check is implied by the search. */
		assert_int_equal(lin_search_whole(search, &history, &other), LIN_VIOLATED);
		return false;
	}
	verdict = lin_search_whole(search, &history, ret_violation);
	assert_true(verdict == LIN_OK || verdict == LIN_VIOLATED);
	return verdict == LIN_OK;
}

static void test_faults_are_found(void **state)
{
	struct lin_violation violation;

	(void)state;
	for (int fault = 1; fault < FAULT_NR; fault++) {
		uint32_t played = 0, seed = 0;

		for (; played < 40 && seed < 2000; seed++) {
			char *text;

			if (!play((enum fault)fault, seed, seed & 2))
				continue;
			played++;
			if (holds(&violation))
				fail_msg("%s, seed %u: not found", fault_names[fault], seed);
			text = lin_explain(search, &history, 5, &violation, 1.0);
			assert_non_null(text);
			assert_non_null(strstr(text, "key 5: "));
			free(text);
		}
		if (played < 40)
			fail_msg("%s came to pass %u times only", fault_names[fault], played);
	}
	assert_true(FAULT_NR - 1 >= 20);
}

static void test_no_false_alarm(void **state)
{
	struct lin_violation violation;

	(void)state;
	for (uint32_t seed = 0; seed < 3000; seed++) {
		play(FAULT_NONE, seed, seed & 2);
		if (!holds(&violation))
			fail_msg("seed %u: operation %u: %s", seed, violation.op, violation.what);
	}
}

/* ---- against all orders ------------------------------------------------ */

static bool any_order(uint32_t left, bool present, uint64_t nonce)
{
	uint64_t first_end = UINT64_MAX;
	bool must = false;

	for (uint32_t i = 0; i < history.nr; i++) {
		if (!(left >> i & 1) || history.ops[i].end == LIN_NEVER)
			continue;
		must = true;
		if (history.ops[i].end < first_end)
			first_end = history.ops[i].end;
	}
	if (!must)
		return true; /* what never came back need not have happened */
	for (uint32_t i = 0; i < history.nr; i++) {
		const struct lin_op *op = &history.ops[i];
		struct table t = { .present = present, .nonce = nonce };
		struct answer answer;

		if (!(left >> i & 1) || op->start > first_end)
			continue;
		answer = right(&t, (enum op_kind)op->kind, op->nonce);
		if (answer.outcome != (enum outcome)op->outcome ||
		    (op->act == LIN_READ && answer.nonce != op->nonce))
			continue;
		if (any_order(left & ~(1u << i), t.present, t.nonce))
			return true;
	}
	return false;
}

static void random_history(struct rng *rng)
{
	static const enum outcome bad[] = { OUTCOME_MISS, OUTCOME_EXISTS, OUTCOME_MISS,
					    OUTCOME_MISS };

	history.nr = 0;
	history.present = rng_below(rng, 2);
	history.nonce = 7;
	for (uint32_t i = 0, nr = 2 + (uint32_t)rng_below(rng, 6); i < nr; i++) {
		enum op_kind kind = (enum op_kind)rng_below(rng, OP_SEARCH_MANY);
		enum outcome outcome = rng_below(rng, 3) ? OUTCOME_OK : bad[kind];
		uint64_t start = 100 + rng_below(rng, 20), nonce = 10 + i;

		if (kind == OP_SEARCH)
			nonce = rng_below(rng, 4) ? 10 + rng_below(rng, nr) : 7;
		add(start, start + rng_below(rng, 15), i, kind, outcome, nonce);
		if (kind != OP_SEARCH && outcome == OUTCOME_OK && rng_below(rng, 8) == 0)
			history.ops[i].end = LIN_NEVER;
	}
}

static void test_agrees_with_all_orders(void **state)
{
	uint32_t linearizable = 0, violated = 0;
	struct lin_violation violation;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3, 3);
	for (uint32_t i = 0; i < 200000; i++) {
		bool expected, found;

		random_history(&rng);
		found = holds(&violation);
		expected = any_order((1u << history.nr) - 1, history.present, history.nonce);
		if (found != expected)
			fail_msg("history %u: search says %d, all orders say %d", i, found,
				 expected);
		linearizable += expected;
		violated += !expected;
		if (!expected && i % 16 == 0) {
			char *text = lin_explain(search, &history, i, &violation, 1.0);

			assert_non_null(text);
			free(text);
		}
	}
	assert_true(linearizable > 5000 && violated > 5000);
}

/* ---- what is shown ----------------------------------------------------- */

static void test_shortest_history(void **state)
{
	struct lin_violation violation;
	char *text;

	(void)state;
	play(FAULT_NONE, 4, true);
	history.nr--; /* the final look */
	add(90000, 90010, 0, OP_INSERT, OUTCOME_OK, 9001);
	history.ops[history.nr - 1].act = LIN_ADD;
	add(90020, 90030, 1, OP_REMOVE, OUTCOME_OK, 0);
	for (uint32_t i = 0; i < 50; i++)
		add(90040 + 10 * i, 90045 + 10 * i, i % 3, OP_SEARCH, OUTCOME_MISS, 0);
	add(91000, 91010, 2, OP_SEARCH, OUTCOME_OK, 9001); /* it was removed */
	assert_false(holds(&violation));
	text = lin_explain(search, &history, 77, &violation, 1.0);
	assert_non_null(text);
	/* The remove, or a miss, and the search: the other fifty are not needed. */
	assert_non_null(strstr(text, "shortest history that shows it, 2 of"));
	assert_non_null(strstr(text, "search ok  value 0.9001"));
	free(text);
}

/* ---- logs -------------------------------------------------------------- */

static struct params many_workers(uint64_t keyspace)
{
	struct params params = { .procs = SHMHT_WORKERS_MAX,
				 .keyspace = keyspace,
				 .keys = { .kind = KEYS_ZIPF, .theta = 0.99 },
				 .verify = VERIFY_LINEARIZABLE,
				 .capacity = 1000 };

	return params;
}

static void record(struct lin *lin, uint64_t at, uint64_t id)
{
	lin_begin(&lin->logs[0], at, OP_SEARCH, id, 0);
	lin_end(lin, &lin->logs[0], at + 1, OUTCOME_MISS, 0);
}

/* What is kept of a key is everything, whatever was forgotten. */
static void test_full_log_forgets_keys(void **state)
{
	struct params params = many_workers(100000);
	struct lin *lin = lin_create(&params);
	const struct lin_log *log = &lin->logs[0];
	uint32_t *seen = calloc(5000, sizeof(*seen));
	uint32_t kept = 0;

	(void)state;
	assert_non_null(lin);
	for (uint32_t i = 0; i < 20000; i++)
		record(lin, 100 + 10 * i, i % 5000);
	assert_true(log->threshold < 1ull << 32 && !log->closed && !log->moving);
	assert_true(log->nr && log->nr < log->room);
	for (uint64_t i = 0; i < log->nr; i++) {
		seen[lin_key(&log->records[i])]++;
		assert_true(i == 0 || log->records[i - 1].start < log->records[i].start);
	}
	for (uint32_t id = 0; id < 5000; id++) {
		assert_int_equal(seen[id], lin_in_sample(lin, log->threshold, id) ? 4 : 0);
		kept += seen[id] > 0;
	}
	assert_true(kept > 50);
	free(seen);
	lin_destroy(lin);
}

static void test_hot_keys_stay(void **state)
{
	struct params params = many_workers(8);
	struct lin *lin = lin_create(&params);
	const struct lin_log *log = &lin->logs[0];

	(void)state;
	assert_non_null(lin);
	for (uint32_t i = 0; i < 20000; i++)
		record(lin, 100 + 10 * i, i % 8);
	/* All are hot: from some moment on nothing is recorded, up to it everything. */
	assert_true(log->closed && log->nr + 2 >= log->room);
	for (uint64_t i = 0; i < log->nr; i++)
		assert_true(log->records[i].start == 100 + 10 * i &&
			    log->records[i].start < log->closed);
	lin_destroy(lin);
}

static bool final_absent(void *arg, uint64_t key, bool *ret_present, uint64_t *ret_nonce)
{
	(void)arg, (void)key;
	*ret_present = false;
	*ret_nonce = 0;
	return true;
}

/* A worker that dies in an insert: both ends of the story are told as true. */
static void test_killed_operation_is_maybe(void **state)
{
	struct params params = {
		.procs = 2, .keyspace = 10, .capacity = 10, .keys = { .kind = KEYS_UNIFORM }
	};

	(void)state;
	for (int seen = 0; seen < 2; seen++) {
		struct lin *lin = lin_create(&params);
		struct trial trial = { 0 };
		volatile int stop = 0;

		assert_non_null(lin);
		lin_begin(&lin->logs[0], 100, OP_INSERT, 3, 42); /* killed */
		lin_begin(&lin->logs[1], 200, OP_SEARCH, 3, 0);
		lin_end(lin, &lin->logs[1], 210, seen ? OUTCOME_OK : OUTCOME_MISS, 42);
		lin_begin(&lin->logs[1], 220, OP_REMOVE, 3, 0);
		lin_end(lin, &lin->logs[1], 230, seen ? OUTCOME_OK : OUTCOME_MISS, 0);
		lin->logs[1].net[3] = 0; /* the killed one counted nothing */
		lin_check(lin, &params, 0, final_absent, NULL, 1.0, &stop, &trial);
		assert_int_equal(trial.lin.violations, 0);
		assert_int_equal(trial.lin.keys, 1);
		assert_int_equal(trial.lin.operations, 3);
		assert_int_equal(trial.lin.searched, 3);
		assert_int_equal(trial.status, TRIAL_OK);
		trial_free(&trial);
		lin_destroy(lin);
	}
}

/* Whatever the sample, each key's inserts less its removes are compared. */
static void test_balance_of_every_key(void **state)
{
	struct params params = {
		.procs = 1, .keyspace = 10, .capacity = 10, .keys = { .kind = KEYS_UNIFORM }
	};
	struct lin *lin = lin_create(&params);
	struct trial trial = { 0 };
	volatile int stop = 0;

	(void)state;
	assert_non_null(lin);
	lin->logs[0].net[4] = 1;
	lin_check(lin, &params, 0, final_absent, NULL, 1.0, &stop, &trial);
	assert_int_equal(trial.status, TRIAL_FAILED);
	assert_int_equal(trial.errors, 1);
	assert_non_null(strstr(trial.reason, "key 4 is not there"));
	assert_int_equal(trial.lin.balanced_keys, 10);
	trial_free(&trial);
	lin_destroy(lin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults_are_found),
		cmocka_unit_test(test_no_false_alarm),
		cmocka_unit_test(test_agrees_with_all_orders),
		cmocka_unit_test(test_shortest_history),
		cmocka_unit_test(test_full_log_forgets_keys),
		cmocka_unit_test(test_hot_keys_stay),
		cmocka_unit_test(test_killed_operation_is_maybe),
		cmocka_unit_test(test_balance_of_every_key),
	};

	return cmocka_run_group_tests_name("lin", tests, open_checker, close_checker);
}
