/* SPDX-License-Identifier: MIT */
/*
 * The table of keys: the one list that parsing, defaults, error messages,
 * `list keys` and results are driven by. A new key is a row here, a field in
 * params.h, and, where counts, times and words do not do, a pair of functions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lock/grace.h"
#include "scenario/scenario_internal.h"
#include "scenario/units.h"

_Static_assert(sizeof(enum shmht_wait) == sizeof(unsigned int) &&
		       sizeof(enum shmht_read) == sizeof(unsigned int) &&
		       sizeof(enum shmht_robust) == sizeof(unsigned int),
	       "words are stored as unsigned");

static const struct word read_words[] = {
	{ "locked", SHMHT_READ_LOCKED }, { "seqlock", SHMHT_READ_SEQLOCK },
	{ "rcu", SHMHT_READ_RCU },	 { "urcu", SHMHT_READ_URCU },
	{ "urcu-qsbr", READ_URCU_QSBR }, { NULL, 0 },
};
static const struct word robust_words[] = {
	{ "on", SHMHT_ROBUST_ON },
	{ "off", SHMHT_ROBUST_OFF },
	{ NULL, 0 },
};
static const struct word wait_words[] = {
	{ "own", SHMHT_WAIT_OWN },
	{ "spin", SHMHT_WAIT_SPIN },
	{ "yield", SHMHT_WAIT_YIELD },
	{ "park", SHMHT_WAIT_PARK },
	{ NULL, 0 },
};
static const struct word workers_words[] = {
	{ "process", WORKERS_PROCESS },
	{ "thread", WORKERS_THREAD },
	{ NULL, 0 },
};
static const struct word pages_words[] = {
	{ "4k", SHMHT_PAGES_4K },
	{ "thp", SHMHT_PAGES_THP },
	{ "2m", SHMHT_PAGES_2M },
	{ NULL, 0 },
};
static const struct word verify_words[] = {
	{ "values", VERIFY_VALUES },
	{ "off", VERIFY_OFF },
	{ "linearizable", VERIFY_LINEARIZABLE },
	{ NULL, 0 },
};

#define FIELD(member) .field = offsetof(struct params, member)
#define COUNT64(member, low, high) .kind = KIND_COUNT64, FIELD(member), .min = (low), .max = (high)
#define COUNT32(member, low, high) .kind = KIND_COUNT32, FIELD(member), .min = (low), .max = (high)
#define TIME(member, low) .kind = KIND_TIME, FIELD(member), .min = (low), .max = TIME_MAX_NS
#define WORDS(member, list) .kind = KIND_WORD, FIELD(member), .words = (list)
#define OWN(word, text) \
	.kind = KIND_OWN, .parse = value_##word, .format = format_##word, .values = (text)

const struct key scenario_keys[KEY_NR] = {
	[KEY_LOCK] = { "lock", "futex",
		       "lock strategy; all = each that can run the point; a path = built elsewhere",
		       OWN(lock, NULL) },
	[KEY_READ] = { "read", "locked",
		       "how searches read: under the lock; optimistic copy; wait-free, zero-copy; "
		       "as rcu, but by liburcu (memb, qsbr), workers being threads",
		       WORDS(read, read_words) },
	[KEY_ROBUST] = { "robust", "on",
			 "take over a dead holder's lock, where the strategy can; else off",
			 WORDS(robust, robust_words) },
	[KEY_WAIT] = { "wait", "own",
		       "how a contended acquire waits, where the lock has the choice",
		       .hint = "what a lock allows is told by `shmbench list strategies`",
		       WORDS(wait, wait_words) },
	[KEY_STRIPES] = { "stripes", "1",
			  "locks of the table; auto = 16 per CPU, at least 64 entries each",
			  OWN(stripes, "a power of two from 1 to 65536, auto") },
	[KEY_WORKERS] = { "workers", "process", "what a worker is; how many is procs",
			  .hint = "how many there are is key 'procs'",
			  WORDS(workers, workers_words) },
	[KEY_PROCS] = { "procs", "1", "how many workers", COUNT32(procs, 1, SHMHT_WORKERS_MAX) },
	[KEY_CAPACITY] = { "capacity", "100k", "entries that always fit",
			   COUNT64(capacity, 1, SHMHT_CAPACITY_MAX) },
	[KEY_KEY_SIZE] = { "key_size", "16", "longest key, bytes",
			   COUNT32(key_size, 1, SHMHT_KEY_MAX) },
	[KEY_VALUE_SIZE] = { "value_size", "64", "longest value, bytes; or shortest-longest",
			     OWN(value_size, "0 to 1048575, a range such as 64-1Ki") },
	[KEY_PRELOAD] = { "preload", "50%",
			  "entries loaded before the clock starts; by default at most keyspace",
			  OWN(preload, "0% to 100% of capacity, a number of entries") },
	[KEY_KEYSPACE] = { "keyspace", "capacity", "distinct keys that operations draw from",
			   OWN(keyspace, "capacity, a number from 1 to 1024Gi") },
	[KEY_KEYS] = { "keys", "uniform", "how keys are drawn",
		       OWN(keys,
			   "uniform, zipf:0.99, hotspot:20%:80% (share of keys, of operations), "
			   "latest, sequential") },
	[KEY_MIX] = { "mix", "search:90 insert:5 remove:5", "weights of the operations",
		      OWN(mix, "OPERATION:WEIGHT ..., operations search insert update remove "
			       "search_many") },
	[KEY_BATCH] = { "batch", "32", "keys of each search_many call; each counts as an operation",
			COUNT32(batch, 1, SHMHT_MANY_MAX) },
	[KEY_OPS_FILE] = { "ops_file", "none",
			   "a recorded stream that is replayed instead of keys and mix",
			   OWN(ops_file, "none, FILE written by `shmbench run --record`, or CSV: "
					 "WORKER,OPERATION,KEY[,VALUE_SIZE]; relative to the "
					 "scenario file that names it") },
	[KEY_DURATION] = { "duration", "500ms", "measured time of a trial", TIME(duration_ns, 0) },
	[KEY_WARMUP] = { "warmup", "100ms", "time before it", TIME(warmup_ns, 0) },
	[KEY_STEADY] = { "steady", "off",
			 "warm-up goes on, at most 10 times warmup, until the rate's slope is below",
			 OWN(steady,
			     "off, slope:2% (of the mean, per interval, over the last 5)") },
	[KEY_PHASES] = { "phases", "none",
			 "a trial in phases, each reported by itself, of `duration` unless it says",
			 OWN(phases, "none, a list of load (preload, by the clock; first), "
				     "steady[:TIME], spike:Kx[:TIME] (K times rate), drain[:TIME] "
				     "(nothing new; last: until all is done)") },
	[KEY_OPS] = { "ops", "0", "operations per worker instead of duration; 0 = by duration",
		      COUNT64(ops, 0, 1000000000000000) },
	[KEY_TRIALS] = { "trials", "6", "how often each point is run, interleaved with the others",
			 COUNT32(trials, 1, 10000) },
	[KEY_RATE] = { "rate", "max",
		       "operations per second on a schedule (open loop); max = closed loop",
		       OWN(rate, "max, 100k (of all workers), 100k/proc (of each)") },
	[KEY_ARRIVAL] = { "arrival", "poisson", "how an open loop's operations are planned",
			  OWN(arrival,
			      "poisson, constant, burst:N (N at one moment), ramp:A:B (rate from A "
			      "to B, as rate counts or in % of it)") },
	[KEY_LATENCY] = { "latency", "sampled:64",
			  "which operations are timed; one in 64, at random; open loop: every",
			  OWN(latency, "sampled:N with N from 1 to 1Mi, every, off") },
	[KEY_INTERVAL] = { "interval", "100ms", "length of the slices a trial is cut into",
			   TIME(interval_ns, 1000000) },
	[KEY_HOLD] = { "hold", "0ns", "extra busy time inside the critical section",
		       TIME(hold_ns, 0) },
	[KEY_THINK] = { "think", "0ns", "extra busy time between operations", TIME(think_ns, 0) },
	[KEY_PIN] = { "pin", "spread", "which CPU a worker is bound to",
		      OWN(pin, "spread, compact, cores, none, a list such as cpus:0+2-3") },
	[KEY_PAGES] = { "pages", "4k", "page size of the table; a fallback is flagged",
			WORDS(pages, pages_words) },
	[KEY_MEM] = { "mem", "local", "memory node of the table",
		      OWN(mem, "local, interleave, bind:NODE") },
	[KEY_SEED] = { "seed", "1", "same seed, same operations", COUNT64(seed, 0, UINT64_MAX) },
	[KEY_VERIFY] = { "verify", "values", "check every hit, and the table after each trial",
			 WORDS(verify, verify_words) },
	[KEY_TIMEOUT] = { "timeout", "1s", "how long an operation waits for its lock",
			  TIME(timeout_ns, 0) },
	[KEY_KILL] = { "kill", "none",
		       "torture: SIGKILL for random workers, or for whoever holds a lock; how many "
		       "in all, how many per second",
		       OWN(kill, "none, WHO:COUNT, WHO:RATE/s, WHO:COUNT:RATE/s, each also with "
				 "@PLACE; WHO is random, holder; PLACE is before-acquire, "
				 "after-acquire, mid-insert, before-commit, after-commit, "
				 "before-release, in-repair, in-attach") },
	[KEY_STOP] = { "stop", "none",
		       "torture: SIGSTOP for DOWN, then SIGCONT; one such stop in every EVERY",
		       OWN(stop,
			   "none, DOWN/EVERY such as 10ms/100ms (random), WHO:DOWN/EVERY; WHO "
			   "is random, holder") },
	[KEY_CHURN] = { "churn", "none",
			"torture: workers that leave in order and are replaced, per second",
			OWN(churn, "none, RATE/s") },
	[KEY_QUOTA] = { "quota", "none",
			"torture: all workers together may run for CPU in each PERIOD, and are "
			"stopped by the kernel's scheduler when they have, with locks or without",
			OWN(quota, "none, CPU/PERIOD such as 20ms/100ms") },
	[KEY_CALM] = { "calm", "1s", "torture: time without faults, before the storm and after it",
		       TIME(calm_ns, 1000000) },
	[KEY_EXPECT] = { "expect", "none", "checked after the run; a list of metric and bound",
			 OWN(expect,
			     "none, METRIC<=VALUE, METRIC>=VALUE; METRIC is "
			     "[response.|service.]OP.FIGURE, ops_per_s, stalled; OP search search.hit search.miss insert update remove search_many all; "
			     "FIGURE p50 p90 p99 p999 p9999 max mean") },
	[KEY_INCLUDE] = { "include", "", "scenario file that is read before this one",
			  .kind = KIND_OWN, .values = "FILE, relative to the one that names it" },
};

const struct key *key_find(const char *name)
{
	for (size_t i = 0; i < KEY_NR; i++)
		if (strcmp(scenario_keys[i].name, name) == 0)
			return &scenario_keys[i];
	return NULL;
}

static int parse_number(const struct key *key, const char *text, struct params *params, char *why,
			size_t size)
{
	char *field = (char *)params + key->field;
	uint64_t value;
	uint32_t narrow;
	int rc = key->kind == KIND_TIME ? units_parse_time(text, &value) :
					  units_parse_count(text, &value);

	if (rc) {
		if (key->kind == KIND_TIME && units_parse_count(text, &value) == 0)
			snprintf(why, size, "a time needs a unit");
		else
			why_not_number(text, rc, why, size);
		return -EINVAL;
	}
	if (value < key->min || value > key->max)
		return -EINVAL;
	if (key->kind == KIND_COUNT32) {
		narrow = (uint32_t)value;
		memcpy(field, &narrow, sizeof(narrow));
	} else {
		memcpy(field, &value, sizeof(value));
	}
	return 0;
}

int key_parse(const struct key *key, const char *text, struct draft *draft, char *why, size_t size)
{
	why[0] = '\0';
	if (*text == '\0') {
		snprintf(why, size, "empty");
		return -EINVAL;
	}
	if (key->kind == KIND_OWN)
		return key->parse(text, draft, why, size);
	if (key->kind != KIND_WORD)
		return parse_number(key, text, &draft->params, why, size);
	for (const struct word *word = key->words; word->name; word++) {
		if (strcmp(word->name, text) == 0) {
			memcpy((char *)&draft->params + key->field, &word->value,
			       sizeof(word->value));
			return 0;
		}
	}
	return -EINVAL;
}

void key_format(const struct key *key, const struct params *params, char *buf, size_t size)
{
	const char *field = (const char *)params + key->field;
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (key->kind == KIND_OWN) {
		key->format(params, buf, size);
		return;
	}
	if (key->kind == KIND_COUNT64 || key->kind == KIND_TIME)
		memcpy(&wide, field, sizeof(wide));
	else
		memcpy(&narrow, field, sizeof(narrow));
	if (key->kind == KIND_TIME) {
		units_format_time(wide, buf, size);
	} else if (key->kind == KIND_WORD) {
		const struct word *word = key->words;

		while (word->name && word->value != narrow)
			word++;
		snprintf(buf, size, "%s", word->name ? word->name : "?");
	} else {
		units_format_count(key->kind == KIND_COUNT64 ? wide : narrow, buf, size);
	}
}

/* Words, for messages and for suggestions. idx from 0; NULL past the last. */
static const char *key_word(const struct key *key, unsigned int idx)
{
	static const char *const keys_words[] = { "uniform", "zipf", "hotspot", "latest",
						  "sequential" };
	static const char *const pin_words[] = { "spread", "compact", "cores", "none", "cpus" };
	static const char *const latency_list[] = { "sampled", "every", "off" };
	static const char *const arrival_words[] = { "poisson", "constant", "burst", "ramp" };
	static const char *const steady_words[] = { "off", "slope" };
	static const char *const phase_words[] = { "none", "load", "steady", "spike", "drain" };
	static const char *const who_words[] = { "none", "random", "holder" };
	static const char *const mem_words[] = { "local", "interleave", "bind" };
	const struct shmht_strategy *strategy;

	if (key->kind == KIND_WORD)
		return key->words[idx].name;
	switch (key - scenario_keys) {
	case KEY_LOCK:
		if (idx == 0)
			return "all";
		strategy = shmht_strategy_at(idx - 1);
		return strategy ? strategy->name : NULL;
	case KEY_KEYS:
		return idx < 5 ? keys_words[idx] : NULL;
	case KEY_PIN:
		return idx < 5 ? pin_words[idx] : NULL;
	case KEY_RATE:
		return idx < 1 ? "max" : NULL;
	case KEY_ARRIVAL:
		return idx < 4 ? arrival_words[idx] : NULL;
	case KEY_STEADY:
		return idx < 2 ? steady_words[idx] : NULL;
	case KEY_PHASES:
		return idx < 5 ? phase_words[idx] : NULL;
	case KEY_KILL:
	case KEY_STOP:
		return idx < 3 ? who_words[idx] : NULL;
	case KEY_CHURN:
	case KEY_QUOTA:
		return idx < 1 ? "none" : NULL;
	case KEY_LATENCY:
		return idx < 3 ? latency_list[idx] : NULL;
	case KEY_MEM:
		return idx < 3 ? mem_words[idx] : NULL;
	case KEY_STRIPES:
		return idx < 1 ? "auto" : NULL;
	case KEY_KEYSPACE:
		return idx < 1 ? "capacity" : NULL;
	default:
		return NULL;
	}
}

/* The default first, then the other strategies in the order of reports. */
static void allowed_locks(char *buf, size_t size)
{
	const char *fallback = scenario_keys[KEY_LOCK].fallback;
	const struct shmht_strategy *strategy;
	size_t len = (size_t)snprintf(buf, size, "%s", fallback);

	for (unsigned int i = 0; (strategy = shmht_strategy_at(i)) && len < size; i++)
		if (strcmp(strategy->name, fallback) != 0 &&
		    !(strategy->caps & SHMHT_CAP_TEST_ONLY))
			len += (size_t)snprintf(buf + len, size - len, ", %s", strategy->name);
	if (len < size)
		snprintf(buf + len, size - len, ", all, target:NAME, ./FILE.so");
}

void key_allowed(const struct key *key, char *buf, size_t size)
{
	char low[32], high[32];
	size_t len = 0;

	if (key == &scenario_keys[KEY_LOCK]) {
		allowed_locks(buf, size);
	} else if (key->kind == KIND_OWN) {
		snprintf(buf, size, "%s", key->values);
	} else if (key->kind == KIND_WORD) {
		for (const struct word *word = key->words; word->name && len < size; word++)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? ", " : "",
						word->name);
	} else {
		if (key->kind == KIND_TIME) {
			units_format_time(key->min, low, sizeof(low));
			units_format_time(key->max, high, sizeof(high));
		} else {
			units_format_count(key->min, low, sizeof(low));
			units_format_count(key->max, high, sizeof(high));
		}
		snprintf(buf, size, "%s to %s", low, high);
	}
}

/* Two rows of the matrix; longer texts are no typing errors of our short words. */
static unsigned int levenshtein(const char *a, const char *b)
{
	enum { LEN_MAX = 32 };
	unsigned int row[LEN_MAX + 1], diagonal, above, cost;
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > LEN_MAX || len_b > LEN_MAX)
		return LEN_MAX;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= len_a; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len_b; j++) {
			above = row[j];
			cost = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < cost)
				cost = above + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
			diagonal = above;
		}
	}
	return row[len_b];
}

/* Further away than half of what was typed is another word, not a slip. */
void nearest_begin(struct nearest *nearest, const char *text)
{
	nearest->text = text;
	nearest->best = NULL;
	nearest->distance = (unsigned int)strlen(text) / 2 + 1;
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	unsigned int distance = levenshtein(nearest->text, candidate);

	if (distance < nearest->distance) {
		nearest->best = candidate;
		nearest->distance = distance;
	}
}

const char *key_nearest_value(const struct key *key, const char *text)
{
	struct nearest nearest;
	const char *word;
	char head[40];

	/* "zipff:0.9": only what stands before the colon is a word. */
	snprintf(head, sizeof(head), "%.*s", (int)strcspn(text, ":"), text);
	nearest_begin(&nearest, head);
	for (unsigned int i = 0; (word = key_word(key, i)); i++)
		nearest_offer(&nearest, word);
	return nearest.best && nearest.distance ? nearest.best : NULL;
}

const char *key_nearest_name(const char *name)
{
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (size_t i = 0; i < KEY_NR; i++)
		nearest_offer(&nearest, scenario_keys[i].name);
	return nearest.best;
}

bool draft_init(struct draft *draft, char *why, size_t size)
{
	char detail[SCENARIO_WHY_MAX];

	memset(draft, 0, sizeof(*draft));
	for (size_t i = 0; i < KEY_INCLUDE; i++) {
		const struct key *key = &scenario_keys[i];

		if (key_parse(key, key->fallback, draft, detail, sizeof(detail))) {
			snprintf(why, size, "key '%s': its default '%s' is not in this build",
				 key->name, key->fallback);
			return false;
		}
	}
	return true;
}

/* "futex, mutex, all" -> as it is; "1 to 4Ki" -> "1; 1 to 4Ki": the default stands first. */
void scenario_list_keys(FILE *out)
{
	char allowed[512];
	size_t len;

	for (size_t i = 0; i < KEY_NR; i++) {
		const struct key *key = &scenario_keys[i];

		key_allowed(key, allowed, sizeof(allowed));
		len = strlen(key->fallback);
		fprintf(out, "%-10s  ", key->name);
		if (len && (strncmp(allowed, key->fallback, len) != 0 ||
			    (allowed[len] != ',' && allowed[len] != '\0')))
			fprintf(out, "%s (%s)", key->fallback, allowed);
		else
			fprintf(out, "%s", allowed);
		fprintf(out, "  - %s\n", key->meaning);
	}
}
