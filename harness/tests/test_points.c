/* SPDX-License-Identifier: MIT */
/* Sweeps: which points a section becomes, how they are named, what they hold. */
#include <errno.h>
#include <unistd.h>

#include "scenario_fixture.h"

static char scenario_path[64];

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(scenario_path, "/tmp/shmbench-points-XXXXXX");
	fd = mkstemp(scenario_path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(scenario_path);
}

/* text as a file, with up to three --set. */
static struct loaded load_with(const char *text, const struct scenario_request *options)
{
	const char *path = scenario_path;
	struct scenario_request request = *options;
	FILE *file = fopen(scenario_path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	request.paths = &path;
	request.nr_paths = 1;
	return load_request(&request);
}

#define SETS(...)                                                                        \
	&(struct scenario_request)                                                       \
	{                                                                                \
		.sets = (const char *const[]){ __VA_ARGS__ },                            \
		.nr_sets = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

static void lists_are_swept_in_the_files_order(void **state)
{
	struct loaded loaded = load_text("[a]\nprocs = 1, 2\ncapacity = 1k\nlock =sem,  spin\n"
					 "[b]\n");

	(void)state;
	assert_names(&loaded, "a/procs=1/lock=sem\na/procs=1/lock=spin\na/procs=2/lock=sem\n"
			      "a/procs=2/lock=spin\nb\n");
	assert_int_equal(loaded.scenario->points[3].params.procs, 2);
	assert_string_equal(loaded.scenario->points[3].params.lock, "spin");
	assert_int_equal(loaded.scenario->points[3].params.capacity, 1000);
	assert_string_equal(loaded.scenario->points[3].section, "a");
	unload(&loaded);
}

static void values_are_named_as_written(void **state)
{
	struct loaded loaded = load_text("[a]\nmix = search:1 , search:50 insert:50\n"
					 "capacity = 100k , 1.5k\n");

	(void)state;
	assert_names(&loaded, "a/mix=search:1/capacity=100k\na/mix=search:1/capacity=1.5k\n"
			      "a/mix=search:50 insert:50/capacity=100k\n"
			      "a/mix=search:50 insert:50/capacity=1.5k\n");
	unload(&loaded);
}

static void global_gives_defaults_wherever_it_stands(void **state)
{
	struct loaded loaded = load_text("[a]\nlock = sem, spin\n[global]\nprocs = 2, 4\n"
					 "trials = 3\n[b]\nprocs = 1\n");

	(void)state;
	/* global's keys come first, in their order; overridden ones stay in place. */
	assert_names(&loaded, "a/procs=2/lock=sem\na/procs=2/lock=spin\na/procs=4/lock=sem\n"
			      "a/procs=4/lock=spin\nb\n");
	assert_int_equal(loaded.scenario->points[0].params.trials, 3);
	assert_int_equal(loaded.scenario->points[4].params.procs, 1);
	unload(&loaded);
	loaded = load_text("[global]\nprocs = 2\nlock = sem, spin\n[a]\nkey_size = 8, 9\n"
			   "procs = 1, 3\n");
	assert_names(&loaded, "a/procs=1/lock=sem/key_size=8\na/procs=1/lock=sem/key_size=9\n"
			      "a/procs=1/lock=spin/key_size=8\na/procs=1/lock=spin/key_size=9\n"
			      "a/procs=3/lock=sem/key_size=8\na/procs=3/lock=sem/key_size=9\n"
			      "a/procs=3/lock=spin/key_size=8\na/procs=3/lock=spin/key_size=9\n");
	unload(&loaded);
}

/* What a lock cannot do is an error that says what it can; `all` leaves it out. */
static void a_lock_refuses_a_waiting_policy(void **state)
{
	struct loaded loaded = load_text("[a]\nlock = futex\nwait = own, park\n");

	(void)state;
	assert_int_not_equal(loaded.rc, 0);
	assert_string_equal(loaded.said, "t.ini:3: key 'wait': found 'park', allowed with lock "
					 "futex: own\n");
	unload(&loaded);
	loaded = load_text("[a]\nlock = spin\nwait = park\n");
	assert_string_equal(loaded.said, "t.ini:3: key 'wait': found 'park', allowed with lock "
					 "spin: own, spin, yield\n");
	unload(&loaded);
	loaded = load_text("[a]\nlock = all\nwait = park\nprocs = 2\n");
	assert_names(&loaded, "a/lock=ticket\na/lock=mcs\na/lock=clh\n");
	assert_int_equal(loaded.scenario->points[1].params.wait, SHMHT_WAIT_PARK);
	unload(&loaded);
}

static void all_is_every_lock_that_can_run(void **state)
{
	struct loaded loaded = load_text("[a]\nlock = all\nprocs = 1, 2\n");
	unsigned int at = 0;
	const struct shmht_strategy *strategy;
	char name[96];

	(void)state;
	assert_int_equal(loaded.rc, 0);
	for (unsigned int i = 0; (strategy = shmht_strategy_at(i)); i++) {
		for (unsigned int procs = 1; procs <= 2; procs++) {
			if (strategy->caps & SHMHT_CAP_TEST_ONLY ||
			    (strategy->caps & SHMHT_CAP_ONE_WORKER && procs > 1))
				continue;
			snprintf(name, sizeof(name), "a/lock=%s/procs=%u", strategy->name, procs);
			assert_true(at < loaded.scenario->nr_points);
			assert_string_equal(loaded.scenario->points[at].name, name);
			assert_string_equal(loaded.scenario->points[at].params.lock,
					    strategy->name);
			assert_null(loaded.scenario->points[at].skip_reason);
			at++;
		}
	}
	assert_true(at >= 9);
	assert_int_equal(at, loaded.scenario->nr_points);
	unload(&loaded);
}

static void what_cannot_run_here_is_skipped(void **state)
{
	struct loaded loaded = load_text("[a]\nlock = none\nprocs = 1, 2\n[b]\npin = cpus:8191\n"
					 "[c]\nmem = bind:1023\n[d]\n");

	(void)state;
	assert_names(&loaded, "a/procs=1\na/procs=2\nb\nc\nd\n");
	assert_null(loaded.scenario->points[0].skip_reason);
	assert_string_equal(loaded.scenario->points[1].skip_reason,
			    "lock none refuses a second worker; procs is 2");
	assert_non_null(strstr(loaded.scenario->points[2].skip_reason, "CPU 8191 is not among"));
	assert_string_equal(loaded.scenario->points[3].skip_reason,
			    "mem: this machine has no memory node 1023");
	assert_null(loaded.scenario->points[4].skip_reason);
	unload(&loaded);
}

static void set_replaces_in_place_or_appends(void **state)
{
	struct loaded loaded;

	(void)state;
	loaded = load_with("[a]\nprocs = 2\nlock = sem, spin\n[b]\ntrials = 2, 3\n",
			   SETS("procs=1,4", "seed = 7"));
	assert_names(&loaded, "a/procs=1/lock=sem\na/procs=1/lock=spin\na/procs=4/lock=sem\n"
			      "a/procs=4/lock=spin\nb/trials=2/procs=1\nb/trials=2/procs=4\n"
			      "b/trials=3/procs=1\nb/trials=3/procs=4\n");
	assert_int_equal(loaded.scenario->points[7].params.seed, 7);
	unload(&loaded);
	/* The last of a kind wins; a list of the file can be made a single value. */
	loaded = load_with("[a]\nprocs = 2, 4\n", SETS("procs=8,16", "procs=1"));
	assert_names(&loaded, "a\n");
	assert_int_equal(loaded.scenario->points[0].params.procs, 1);
	unload(&loaded);
}

static void set_errors_name_set(void **state)
{
	static const struct {
		const char *set, *said;
	} cases[] = {
		{ "procs", "--set: found 'procs', allowed KEY=VALUE\n" },
		{ "prcs=1", "--set: key 'prcs': found an unknown key, did you mean 'procs'?, " },
		{ "procs=x", "--set: key 'procs': found 'x' (not a number), allowed 1 to 4Ki\n" },
		{ "procs=", "--set: key 'procs': found '' (empty), allowed 1 to 4Ki\n" },
		{ "include=x", "--set: key 'include': found 'x', allowed only in a file\n" },
		{ "procs=\x1b", "--set: found 'procs=?' (a control character), allowed UTF-8 " },
		{ "preload=101k", "--set: key 'preload': found '101k', 101000 entries, " },
		{ "=", "--set: key '': found an unknown key, " },
		{ "", "--set: found '', allowed KEY=VALUE\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loaded loaded = load_with("[a]\n", SETS(cases[i].set));

		assert_int_equal(loaded.rc, -EINVAL);
		if (strncmp(loaded.said, cases[i].said, strlen(cases[i].said)) != 0)
			fail_msg("says %snot %s", loaded.said, cases[i].said);
		unload(&loaded);
	}
}

static void section_and_filter_select(void **state)
{
	static const char text[] = "[a]\nprocs = 1, 2\n[b]\nprocs = 1, 2\n";
	struct loaded loaded;

	(void)state;
	loaded = load_with(text, &(struct scenario_request){ .section = "b" });
	assert_names(&loaded, "b/procs=1\nb/procs=2\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .section = "a,b" });
	assert_names(&loaded, "a/procs=1\na/procs=2\nb/procs=1\nb/procs=2\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .section = "b, c,ab," });
	assert_string_equal(loaded.said, "--section: found 'c', allowed: a b\n"
					 "--section: found 'ab', allowed: a b\n"
					 "--section: found '', allowed: a b\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .filter = "^(a|b)/.*=2$" });
	assert_names(&loaded, "a/procs=2\nb/procs=2\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .section = "c" });
	assert_string_equal(loaded.said, "--section: found 'c', allowed: a b\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .section = "global" });
	assert_string_equal(loaded.said, "--section: found 'global', allowed: a b\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .filter = "procs=3" });
	assert_string_equal(loaded.said, "--filter: found 'procs=3', which matches none of 4 "
					 "points; --dry-run lists them\n");
	unload(&loaded);
	loaded = load_with(text, &(struct scenario_request){ .filter = "(" });
	assert_memory_equal(loaded.said, "--filter: found '(' (", 21);
	unload(&loaded);
}

static void too_many_points_are_refused_at_once(void **state)
{
	static const char list[] = "1,2,3,4,5,6,7,8,9,10";
	struct loaded loaded;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text),
		 "\n[a]\nprocs = %s\ntrials = %s\nkey_size = %s\nseed = %s\nops = %s\nvalue_size = "
		 "%s\ncapacity = %s\n",
		 list, list, list, list, list, list, list);
	loaded = load_text(text);
	assert_string_equal(loaded.said,
			    "t.ini:2: found 10000000 points in [a] (procs 10 x trials 10 x "
			    "key_size 10 x seed 10 x ops 10 x value_size 10 x capacity 10), "
			    "allowed at most 10000 in a run\n");
	unload(&loaded);
	snprintf(text, sizeof(text),
		 "[a]\nprocs = %s\ntrials = %s\nseed = %s\nvalue_size = %s\n[b]\n", list, list,
		 list, list);
	loaded = load_text(text);
	assert_string_equal(loaded.said, "t.ini:6: found 10001 points up to [b], allowed at most "
					 "10000 in a run\n");
	unload(&loaded);
}

static void an_error_of_a_swept_point_is_said_once(void **state)
{
	struct loaded loaded = load_text("[a]\npreload = 5, 500\ncapacity = 100\nprocs = 1,2,3\n");

	(void)state;
	assert_string_equal(loaded.said, "t.ini:2: key 'preload': found '500', 500 entries, "
					 "allowed at most capacity, 100\n");
	unload(&loaded);
}

static void nearer_length_replaces_the_other(void **state)
{
	struct loaded loaded;
	const struct params *params;

	(void)state;
	loaded = load_with("[global]\nduration = 1s\n[a]\n[b]\nops = 100\n[c]\nops = 0\n",
			   &(struct scenario_request){ 0 });
	assert_int_equal(loaded.rc, 0);
	params = &loaded.scenario->points[0].params;
	assert_true(params->ops == 0 && params->duration_ns == 1000000000);
	params = &loaded.scenario->points[1].params;
	assert_true(params->ops == 100 && params->duration_ns == 0);
	params = &loaded.scenario->points[2].params;
	assert_true(params->ops == 0 && params->duration_ns == 1000000000);
	unload(&loaded);
	loaded = load_with("[a]\nduration = 1s, 2s\n", SETS("ops=5"));
	assert_names(&loaded, "a\n");
	assert_int_equal(loaded.scenario->points[0].params.ops, 5);
	unload(&loaded);
}

static void keys_are_resolved(void **state)
{
	struct loaded loaded = load_text(
		"[a]\nstripes = auto\ncapacity = 10k\npreload = 25%\nvalue_size = 8-1Ki\n"
		"keys = hotspot:10%:90%\nmix = search:3 update:1\nlatency = every\n"
		"pin = cpus:1+0\nmem = bind:0\nkeyspace = 20k\npages = thp\nworkers = thread\n"
		"verify = off\ntimeout = 5ms\nhold = 1us\nthink = 2us\ninterval = 10ms\n"
		"expect = search.hit.p99 <= 50us, ops_per_s>=1.5M,stalled<=5%\n");
	const struct params *params;

	(void)state;
	assert_int_equal(loaded.rc, 0);
	assert_int_equal(loaded.scenario->nr_points, 1); /* expect does not sweep */
	params = &loaded.scenario->points[0].params;
	assert_int_equal(params->stripes, shmht_stripes_auto(10000));
	assert_int_equal(params->preload, 2500);
	assert_int_equal(params->keyspace, 20000);
	assert_true(params->value_min == 8 && params->value_max == 1024);
	assert_true(params->keys.kind == KEYS_HOTSPOT && params->keys.hot_keys == 0.1 &&
		    params->keys.hot_ops == 0.9);
	assert_true(params->mix[OP_SEARCH] == 0.75 && params->mix[OP_UPDATE] == 0.25 &&
		    params->mix[OP_INSERT] == 0 && params->mix[OP_REMOVE] == 0);
	assert_int_equal(params->latency, LATENCY_EVERY);
	assert_true(params->pin == PIN_CPUS && params->nr_pin_cpus == 2 &&
		    params->pin_cpus[0] == 1 && params->pin_cpus[1] == 0);
	assert_true(params->mem == MEM_BIND && params->mem_node == 0);
	assert_int_equal(params->pages, SHMHT_PAGES_THP);
	assert_int_equal(params->workers, WORKERS_THREAD);
	assert_int_equal(params->verify, VERIFY_OFF);
	assert_true(params->timeout_ns == 5000000 && params->hold_ns == 1000 &&
		    params->think_ns == 2000 && params->interval_ns == 10000000);
	assert_int_equal(params->nr_expect, 3);
	assert_string_equal(params->expect[0].metric, "search.hit.p99");
	assert_true(!params->expect[0].at_least && params->expect[0].bound == 50000);
	assert_string_equal(params->expect[0].text, "search.hit.p99<=50us");
	assert_true(params->expect[1].at_least && params->expect[1].bound == 1500000);
	assert_true(params->expect[2].bound == 0.05);
	unload(&loaded);
}

static enum shmht_robust robust_of(const struct loaded *loaded, size_t point)
{
	return loaded->scenario->points[point].params.robust;
}

static void robust_where_the_lock_can(void **state)
{
	struct loaded loaded = load_text("[a]\nlock = futex, mutex\nrobust = on, off\n");

	(void)state;
	assert_names(&loaded, "a/lock=futex/robust=on\na/lock=futex/robust=off\n"
			      "a/lock=mutex/robust=on\na/lock=mutex/robust=off\n");
	assert_int_equal(robust_of(&loaded, 0), SHMHT_ROBUST_ON);
	assert_int_equal(robust_of(&loaded, 1), SHMHT_ROBUST_OFF);
	/* What it is, not what was asked for. */
	assert_int_equal(robust_of(&loaded, 2), SHMHT_ROBUST_OFF);
	assert_int_equal(params_table(&loaded.scenario->points[1].params).robust, SHMHT_ROBUST_OFF);
	unload(&loaded);
	loaded = load_text("[a]\nlock = mutex-robust\nrobust = off\n");
	assert_non_null(strstr(loaded.said, "t.ini:3: key 'robust': found 'off', allowed with lock "
					    "mutex-robust: on;"));
	unload(&loaded);
	/* Only rows that differ: all that recover, then all that need not. */
	loaded = load_text("[a]\nlock = all\nrobust = on\nprocs = 2\n");
	for (size_t i = 0; i < loaded.scenario->nr_points; i++)
		assert_int_equal(robust_of(&loaded, i), SHMHT_ROBUST_ON);
	assert_true(loaded.scenario->nr_points >= 6);
	unload(&loaded);
	loaded = load_text("[a]\nlock = all\nrobust = off\nprocs = 2\n");
	for (size_t i = 0; i < loaded.scenario->nr_points; i++)
		assert_string_not_equal(loaded.scenario->points[i].params.lock, "mutex-robust");
	assert_true(loaded.scenario->nr_points >= 10);
	unload(&loaded);
}

/* The contract's defaults, each. */
static void defaults_are_the_contracts(void **state)
{
	static const char *const expected[][2] = {
		{ "lock", "futex" },
		{ "read", "locked" },
		{ "robust", "on" },
		{ "wait", "own" },
		{ "stripes", "1" },
		{ "workers", "process" },
		{ "procs", "1" },
		{ "capacity", "100k" },
		{ "key_size", "16" },
		{ "value_size", "64" },
		{ "preload", "50k" },
		{ "keyspace", "100k" },
		{ "keys", "uniform" },
		{ "mix", "search:90 insert:5 remove:5" },
		{ "batch", "32" },
		{ "ops_file", "none" },
		{ "duration", "500ms" },
		{ "warmup", "100ms" },
		{ "steady", "off" },
		{ "phases", "none" },
		{ "ops", "0" },
		{ "trials", "6" },
		{ "rate", "max" },
		{ "arrival", "poisson" },
		{ "latency", "sampled:64" },
		{ "interval", "100ms" },
		{ "hold", "0ns" },
		{ "think", "0ns" },
		{ "pin", "spread" },
		{ "pages", "4k" },
		{ "mem", "local" },
		{ "seed", "1" },
		{ "verify", "values" },
		{ "timeout", "1s" },
		{ "kill", "none" },
		{ "stop", "none" },
		{ "churn", "none" },
		{ "quota", "none" },
		{ "calm", "1s" },
		{ "expect", "none" },
	};
	struct loaded loaded = load_text("[a]\n");
	char value[256];
	const char *key;
	unsigned int nr = 0;

	(void)state;
	assert_int_equal(loaded.rc, 0);
	while (params_text(&loaded.scenario->points[0].params, nr, &key, value, sizeof(value))) {
		assert_true(nr < sizeof(expected) / sizeof(expected[0]));
		assert_string_equal(key, expected[nr][0]);
		assert_string_equal(value, expected[nr][1]);
		nr++;
	}
	assert_int_equal(nr, sizeof(expected) / sizeof(expected[0]));
	unload(&loaded);
}

/* What a result says of a point is a scenario that gives the same point. */
static void text_of_params_reads_back(void **state)
{
	static const char *const scenarios[] = {
		"[a]\n",
		"[a]\nops = 1234567\nkeys = zipf:1.0625\nlock = none\n",
		"[a]\nmix = search:1 insert:1 remove:1\nvalue_size = 0-1048575\nprocs = 4096\n",
		"[a]\nmix = search_many:3 update:7\nbatch = 7\n",
		"[a]\nkeys = hotspot:0.1%:33.3%\npin = cpus:0+5-9+3+1-2\nlatency = sampled:100\n",
		"[a]\nstripes = auto\npreload = 33%\ncapacity = 12345678\nkeys = latest\n",
		"[a]\nduration = 1.5s\nwarmup = 90s\nlatency = off\nmem = bind:7\npages = 2m\n",
		"[a]\nexpect = search.p99<=1.5ms, stalled <= 0.5%\nseed = 18446744073709551615\n",
		"[a]\nkeys = sequential\npin = none\nmem = interleave\nkey_size = 3\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct loaded first = load_text(scenarios[i]), second;
		char text[4096] = "[a]\n", value[1024], again[1024];
		const char *key;

		if (first.rc)
			fail_msg("%s: %s", scenarios[i], first.said);
		for (unsigned int k = 0;
		     params_text(&first.scenario->points[0].params, k, &key, value, sizeof(value));
		     k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s = %s\n", key,
				 value);
		second = load_text(text);
		if (second.rc)
			fail_msg("%s: %s", text, second.said);
		for (unsigned int k = 0;
		     params_text(&first.scenario->points[0].params, k, &key, value, sizeof(value));
		     k++) {
			assert_true(params_text(&second.scenario->points[0].params, k, &key, again,
						sizeof(again)));
			assert_string_equal(value, again);
		}
		/* Beyond the text: the numbers themselves. */
		assert_true(first.scenario->points[0].params.keys.hot_ops ==
			    second.scenario->points[0].params.keys.hot_ops);
		assert_true(first.scenario->points[0].params.keys.theta ==
			    second.scenario->points[0].params.keys.theta);
		unload(&first);
		unload(&second);
	}
}

/* One line per key, in the order of params_text, driven by the same table. */
static void keys_are_listed(void **state)
{
	struct loaded loaded = load_text("[a]\n");
	char *text, *line, *rest, value[256];
	const char *key;
	unsigned int idx = 0;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	scenario_list_keys(out);
	fclose(out);
	rest = text;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (!params_text(&loaded.scenario->points[0].params, idx++, &key, value,
				 sizeof(value)))
			key = "include";
		assert_memory_equal(line, key, strlen(key));
		assert_int_equal(line[strlen(key)], ' ');
		assert_non_null(strstr(line, "  - "));
	}
	assert_int_equal(idx, 41);
	free(text);
	unload(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_swept_in_the_files_order),
		cmocka_unit_test(values_are_named_as_written),
		cmocka_unit_test(global_gives_defaults_wherever_it_stands),
		cmocka_unit_test(a_lock_refuses_a_waiting_policy),
		cmocka_unit_test(robust_where_the_lock_can),
		cmocka_unit_test(all_is_every_lock_that_can_run),
		cmocka_unit_test(what_cannot_run_here_is_skipped),
		cmocka_unit_test(set_replaces_in_place_or_appends),
		cmocka_unit_test(set_errors_name_set),
		cmocka_unit_test(section_and_filter_select),
		cmocka_unit_test(too_many_points_are_refused_at_once),
		cmocka_unit_test(an_error_of_a_swept_point_is_said_once),
		cmocka_unit_test(nearer_length_replaces_the_other),
		cmocka_unit_test(keys_are_resolved),
		cmocka_unit_test(defaults_are_the_contracts),
		cmocka_unit_test(text_of_params_reads_back),
		cmocka_unit_test(keys_are_listed),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
