/* SPDX-License-Identifier: MIT */
/*
 * Bad scenarios: each is refused, with file, line and key, what was found and
 * what is allowed; and the odd but good ones are read.
 */
#include <errno.h>

#include "scenario_fixture.h"

struct bad {
	const char *text; /* of t.ini */
	const char *said; /* the beginning of the first line said */
};

static const struct bad bad_values[] = {
	{ "[a]\ncapcity = 5\n", "t.ini:2: key 'capcity': found an unknown key, did you mean "
				"'capacity'?, allowed: lock read " },
	{ "[a]\nrobustness = on\n", "t.ini:2: key 'robustness': found an unknown key, " },
	{ "[a]\nfleet = x\n", "t.ini:2: key 'fleet': found an unknown key, " },
	{ "[a]\n\n; c\nprocs = four\n", "t.ini:4: key 'procs': found 'four' (not a number), "
					"allowed 1 to 4Ki\n" },
	{ "[a]\nprocs = 0\n", "t.ini:2: key 'procs': found '0', allowed 1 to 4Ki\n" },
	{ "[a]\nprocs = -1\n", "t.ini:2: key 'procs': found '-1' (negative), allowed 1 to 4Ki\n" },
	{ "[a]\nprocs = 4097\n", "t.ini:2: key 'procs': found '4097', allowed 1 to 4Ki\n" },
	{ "[a]\nprocs = 1.5\n", "t.ini:2: key 'procs': found '1.5' (not a whole number), " },
	{ "[a]\nprocs = 4x\n", "t.ini:2: key 'procs': found '4x' (not a number with a known "
			       "unit), " },
	{ "[a]\nprocs =\n", "t.ini:2: key 'procs': found '' (empty), allowed 1 to 4Ki\n" },
	{ "[a]\nprocs = 1,,2\n", "t.ini:2: key 'procs': found '' (empty), " },
	{ "[a]\nprocs = 2,2\n", "t.ini:2: key 'procs': found '2' (twice in the list: two points "
				"of one name), " },
	{ "[a]\ncapacity = nan\n", "t.ini:2: key 'capacity': found 'nan' (not a number), " },
	{ "[a]\ncapacity = 99999999999999999999\n",
	  "t.ini:2: key 'capacity': found '99999999999999999999' (does not fit 64 bits), "
	  "allowed 1 to 4G\n" },
	{ "[a]\ncapacity = 20000000000Gi\n", "t.ini:2: key 'capacity': found '20000000000Gi' "
					     "(does not fit 64 bits), " },
	{ "[a]\ncapacity = 4000000001\n", "t.ini:2: key 'capacity': found '4000000001', " },
	{ "[a]\nseed = 18446744073709551616\n", "t.ini:2: key 'seed': found "
						"'18446744073709551616' (does not fit 64 bits)" },
	{ "[a]\nlock = futx\n", "t.ini:2: key 'lock': found 'futx', allowed futex, none, sem, " },
	{ "[a]\nlock = target:memcached\n", "t.ini:2: key 'lock': found 'target:memcached', " },
	{ "[a]\nlock = ./mine.so\n", "t.ini:2: key 'lock': found './mine.so' (a text in "
				     "memory names no files), allowed futex, " },
	{ "[a]\nlock = all, sem\n", "t.ini:2: key 'lock': found 'all' (stands alone, not in a "
				    "list), " },
	{ "[a]\nread = seqlok\n",
	  "t.ini:2: key 'read': found 'seqlok', allowed locked, seqlock, rcu, urcu, "
	  "urcu-qsbr; did you " },
	{ "[a]\nworkers = 4\n", "t.ini:2: key 'workers': found '4', allowed process, thread; how "
				"many there are is key 'procs'\n" },
	{ "[a]\nstripes = 3\n", "t.ini:2: key 'stripes': found '3' (not a power of two), allowed "
				"a power of two from 1 to 65536, auto\n" },
	{ "[a]\nstripes = 131072\n", "t.ini:2: key 'stripes': found '131072', " },
	{ "[a]\nkey_size = 0\n", "t.ini:2: key 'key_size': found '0', allowed 1 to 4095\n" },
	{ "[a]\nvalue_size = 64-32\n", "t.ini:2: key 'value_size': found '64-32' (the range is "
				       "reversed), " },
	{ "[a]\nvalue_size = 1Mi\n", "t.ini:2: key 'value_size': found '1Mi', " },
	{ "[a]\nvalue_size = -5\n", "t.ini:2: key 'value_size': found '-5' (negative), " },
	{ "[a]\npreload = 101%\n", "t.ini:2: key 'preload': found '101%', allowed 0% to 100%" },
	{ "[a]\nkeys = zipf:0\n", "t.ini:2: key 'keys': found 'zipf:0' (the exponent is above 0" },
	{ "[a]\nkeys = zipf:nan\n", "t.ini:2: key 'keys': found 'zipf:nan' (the exponent" },
	{ "[a]\nkeys = hotspot:20%\n", "t.ini:2: key 'keys': found 'hotspot:20%' (needs two " },
	{ "[a]\nkeys = unifrom\n", "t.ini:2: key 'keys': found 'unifrom', allowed uniform, zipf" },
	{ "[a]\nmix = search:0 insert:0\n", "t.ini:2: key 'mix': found 'search:0 insert:0' (the "
					    "weights sum to 0), " },
	{ "[a]\nmix = serch:90\n", "t.ini:2: key 'mix': found 'serch:90' (unknown operation "
				   "'serch', did you mean 'search'?), " },
	{ "[a]\nmix = search_all:1\n", "t.ini:2: key 'mix': found 'search_all:1' (unknown" },
	{ "[a]\nbatch = 33\n", "t.ini:2: key 'batch': found '33', allowed 1 to 32\n" },
	{ "[a]\nmix = search_many:1\nrate = 1k\n", "t.ini:3: key 'rate': found '1k', allowed "
						   "without search_many in the mix" },
	{ "[a]\nmix = search_many:1\nverify = linearizable\n",
	  "t.ini:3: key 'verify': found 'linearizable', allowed without search_many" },
	{ "[a]\nlock = target:limit\n", "t.ini:1: key 'mix': found 'search:90 insert:5 remove:5' "
					"(the default), allowed with lock target:limit: search" },
	{ "[a]\nlock = target:limit\nmix = search_many:1\n", "t.ini:3: key 'mix': found " },
	{ "[a]\nmix = search:1 search:2\n", "t.ini:2: key 'mix': found 'search:1 search:2' "
					    "('search' stands twice), " },
	{ "[a]\nmix = search:-1\n", "t.ini:2: key 'mix': found 'search:-1' (the weight of " },
	{ "[a]\nduration = 5\n", "t.ini:2: key 'duration': found '5' (a time needs a unit), " },
	{ "[a]\nduration = 1001h\n", "t.ini:2: key 'duration': found '1001h', allowed 0ns to " },
	{ "[a]\ntrials = 0\n", "t.ini:2: key 'trials': found '0', allowed 1 to 10k\n" },
	{ "[a]\nrate = 100k/s\n", "t.ini:2: key 'rate': found '100k/s' (only /proc may follow the "
				  "number), " },
	{ "[a]\nlatency = sampled:0\n", "t.ini:2: key 'latency': found 'sampled:0', allowed " },
	{ "[a]\nlatency = sampeld:64\n", "t.ini:2: key 'latency': found 'sampeld:64', allowed "
					 "sampled:N with N from 1 to 1Mi, every, off; did you "
					 "mean 'sampled'?\n" },
	{ "[a]\npin = cpus:\n", "t.ini:2: key 'pin': found 'cpus:' ('' is not a number), " },
	{ "[a]\npin = cpus:0+0\n", "t.ini:2: key 'pin': found 'cpus:0+0' (CPU 0 stands twice), " },
	{ "[a]\npin = cpus:3-1\n", "t.ini:2: key 'pin': found 'cpus:3-1' (the range is " },
	{ "[a]\npin = cpus:0-8191\n", "t.ini:2: key 'pin': found 'cpus:0-8191' (more than 1024" },
	{ "[a]\npages = 4m\n", "t.ini:2: key 'pages': found '4m', allowed 4k, thp, 2m" },
	{ "[a]\nmem = bind:x\n", "t.ini:2: key 'mem': found 'bind:x' ('x' is not a number), " },
	{ "[a]\nverify = linear\n", "t.ini:2: key 'verify': found 'linear', allowed "
				    "values, off, linearizable" },
	{ "[a]\nexpect = search.p99<50us\n", "t.ini:2: key 'expect': found 'search.p99<50us' "
					     "('search.p99<50us' has neither <= nor >=), " },
	{ "[a]\nexpect = search.p99<=50\n", "t.ini:2: key 'expect': found 'search.p99<=50' ('50' "
					    "is no time with a unit, such as 50us), " },
	{ "[a]\nexpect = find.p99<=5us\n", "t.ini:2: key 'expect': found 'find.p99<=5us' "
					   "('find.p99' is no metric), " },
	{ "[a]\nexpect = search.p98<=5us\n", "t.ini:2: key 'expect': found 'search.p98<=5us' "
					     "('p98' is no figure), " },
	{ "[a]\nexpect = stalled<=5\n", "t.ini:2: key 'expect': found 'stalled<=5' ('5' is no "
					"share from 0% to 100%), " },
	{ "[a]\nexpect = ops_per_s>=1ms\n", "t.ini:2: key 'expect': found 'ops_per_s>=1ms' " },
	{ "[a]\nexpect = response.all.p50<=1s\n",
	  "t.ini:2: key 'expect': found 'response.all.p50<=1s', 'response.all.p50': response times "
	  "need an open loop (rate = ...); a closed one has service.all.p50" },
	{ "[a]\nexpect = search.p99<=5us,\n", "t.ini:2: key 'expect': found 'search.p99<=5us,' "
					      "(empty item in the list), " },
};

static const struct bad bad_structure[] = {
	{ "", "t.ini: found no section to run, " },
	{ "\n; only a comment\n", "t.ini: found no section to run, " },
	{ "[global]\nprocs = 2\n", "t.ini: found no section to run, " },
	{ "procs = 2\n[a]\n", "t.ini:1: key 'procs': found before the first section, " },
	{ "[a]\nprocs\n", "t.ini:2: found neither key nor section, allowed 'key = value' or " },
	{ "[a]\nprocs = 1\nprocs = 2\n", "t.ini:3: key 'procs': found '2' again, allowed once in "
					 "a section; the first is at line 2\n" },
	{ "[a]\n[b]\n[a]\n", "t.ini:3: found section [a] again, allowed once; the first is at "
			     "line 1\n" },
	{ "[a]\n[global]\n[global]\n", "t.ini:3: found section [global] again, " },
	{ "[a\nprocs = 1\n", "t.ini:1: found a section without ']', allowed [NAME]\n" },
	{ "[a] procs = 1\n", "t.ini:1: found text after ']', " },
	{ "[]\n", "t.ini:1: found section name '', allowed letters, " },
	{ "[a/b]\n", "t.ini:1: found section name 'a/b', allowed letters, " },
	{ "[a]\nmix = search:90\n  insert:10\n", "t.ini:3: found an indented line, allowed " },
	{ "[a]\n\tprocs = 2\n", "t.ini:2: found an indented line, allowed " },
	{ "[a]\nprocs = \x1b[31m1\n", "t.ini:2: found a control character, allowed UTF-8 text\n" },
	{ "[a]\nlock = \xff\xfe\n", "t.ini:2: found bytes that are not UTF-8, allowed UTF-8" },
	{ "[a]\ninclude = b.ini\n", "t.ini:2: key 'include': found 'b.ini', allowed only in a "
				    "file\n" },
};

static const struct bad bad_together[] = {
	{ "[a]\nkey_size = 1\nkeyspace = 257\n", "t.ini:3: key 'keyspace': found '257', 257 "
						 "distinct keys, allowed at most 256 with key_size "
						 "= 1\n" },
	{ "[a]\nkey_size = 2\n", "t.ini:2: key 'key_size': found '2', 100000 distinct keys, "
				 "allowed at most 65536 with key_size = 2\n" },
	{ "[a]\ncapacity = 10\npreload = 11\n", "t.ini:3: key 'preload': found '11', 11 entries, "
						"allowed at most capacity, 10\n" },
	{ "[a]\nkeyspace = 10\npreload = 50%\n", "t.ini:3: key 'preload': found '50%', 50000 "
						 "entries, allowed at most keyspace, 10\n" },
	{ "[global]\npreload = 100\n[a]\n[b]\nkeyspace = 10\n",
	  "t.ini:2: key 'preload': found '100', 100 entries, allowed at most keyspace, 10\n" },
	{ "[a]\nops = 5\nduration = 1s\n", "t.ini:2: key 'ops': found '5', allowed either ops or "
					   "duration, not both\n" },
	{ "[a]\nduration = 0\n", "t.ini:2: key 'duration': found '0', allowed more than 0" },
};

static void check_bad(const struct bad *cases, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct loaded loaded = load_text(cases[i].text);

		if (loaded.rc != -EINVAL)
			fail_msg("is not refused: %s", cases[i].text);
		if (strncmp(loaded.said, cases[i].said, strlen(cases[i].said)) != 0)
			fail_msg("of: %s\nsays: %s\nnot:  %s", cases[i].text, loaded.said,
				 cases[i].said);
		unload(&loaded);
	}
}

static void bad_values_are_named(void **state)
{
	(void)state;
	check_bad(bad_values, sizeof(bad_values) / sizeof(bad_values[0]));
}

static void bad_structure_is_named(void **state)
{
	(void)state;
	check_bad(bad_structure, sizeof(bad_structure) / sizeof(bad_structure[0]));
}

static void keys_that_contradict_are_named(void **state)
{
	(void)state;
	check_bad(bad_together, sizeof(bad_together) / sizeof(bad_together[0]));
}

static void every_error_is_said_at_once(void **state)
{
	struct loaded loaded = load_text("[global]\ntrials = 0\n[a]\nprocs = x\nfoo = 1\nline\n"
					 "duration = 1s, 2, 3s, 4\n[b]\nmix = a:1\n");
	const char *at = loaded.said;
	static const char *const starts[] = {
		"t.ini:2: key 'trials'",
		"t.ini:4: key 'procs'",
		"t.ini:5: key 'foo'",
		"t.ini:6: found neither ",
		"t.ini:7: key 'duration': found '2'",
		"t.ini:7: key 'duration': found '4'",
		"t.ini:9: key 'mix'",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		assert_non_null(at);
		if (strncmp(at, starts[i], strlen(starts[i])) != 0)
			fail_msg("says %s, not %s", at, starts[i]);
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	assert_string_equal(at, "");
	unload(&loaded);
}

static void long_lines_and_names_are_refused(void **state)
{
	char text[1024];
	struct loaded loaded;

	(void)state;
	/* 198 characters fit, 199 do not: trailing zeros keep the value good. */
	for (int len = 198; len <= 199; len++) {
		snprintf(text, sizeof(text), "[a]\nprocs = %0*d\n", len - 8, 3);
		loaded = load_text(text);
		if (len == 198) {
			assert_int_equal(loaded.rc, 0);
			assert_int_equal(loaded.scenario->points[0].params.procs, 3);
		} else {
			assert_string_equal(loaded.said, "t.ini:2: found a line of 199 "
							 "characters, allowed at most 198\n");
		}
		unload(&loaded);
	}
	for (int len = 49; len <= 50; len++) {
		snprintf(text, sizeof(text), "[%0*d]\n", len, 7);
		loaded = load_text(text);
		if (len == 49) {
			assert_int_equal(strlen(loaded.scenario->points[0].name), 49);
		} else {
			assert_string_equal(loaded.said, "t.ini:1: found a section name of 50 "
							 "characters, allowed at most 49\n");
		}
		unload(&loaded);
	}
	/* A comment may be as long as it likes; what follows keeps its line number. */
	snprintf(text, sizeof(text), "; %0500d\n[a]\nprocs = 0\n", 1);
	loaded = load_text(text);
	assert_memory_equal(loaded.said, "t.ini:3: ", 9);
	unload(&loaded);
}

static void binary_text_is_refused(void **state)
{
	static const char text[] = "[a]\nprocs = 1\n\0\x01\x02";
	struct loaded loaded = load_bytes(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(loaded.said, "t.ini:3: found a NUL byte (a binary file), allowed "
					 "text\n");
	unload(&loaded);
}

static void odd_but_good_text_is_read(void **state)
{
	struct loaded loaded = load_text("\xef\xbb\xbf; caf\xc3\xa9\r\n[ a ] ; c\r\n"
					 "procs=2 ; two\r\n# c\r\n  ; indented\r\n   \r\n"
					 "keyspace : 5k\r\n[b]");

	(void)state;
	assert_names(&loaded, "a\nb\n");
	assert_int_equal(loaded.scenario->points[0].params.procs, 2);
	assert_int_equal(loaded.scenario->points[0].params.keyspace, 5000);
	/* Nobody asked for a preload: the default gives way to a small keyspace. */
	assert_int_equal(loaded.scenario->points[0].params.preload, 5000);
	assert_int_equal(loaded.scenario->points[1].params.preload, 50000);
	unload(&loaded);
}

static void many_errors_end(void **state)
{
	char *text = malloc(1u << 20);
	struct loaded loaded;
	size_t len;

	(void)state;
	assert_non_null(text);
	memcpy(text, "[a]\n", 4);
	for (len = 4; len + 16 < 1u << 20;)
		len += (size_t)sprintf(text + len, "k%zu=1\n", len);
	loaded = load_bytes(text, len);
	assert_non_null(strstr(loaded.said, "\n... and "));
	unload(&loaded);
	for (len = 0; len + 16 < 1u << 20;)
		len += (size_t)sprintf(text + len, "[s%zu]\n", len);
	loaded = load_bytes(text, len);
	assert_string_equal(loaded.said, "t.ini:10001: found more than 10000 sections\n");
	unload(&loaded);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(bad_structure_is_named),
		cmocka_unit_test(keys_that_contradict_are_named),
		cmocka_unit_test(every_error_is_said_at_once),
		cmocka_unit_test(long_lines_and_names_are_refused),
		cmocka_unit_test(binary_text_is_refused),
		cmocka_unit_test(odd_but_good_text_is_read),
		cmocka_unit_test(many_errors_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
