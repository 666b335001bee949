/* SPDX-License-Identifier: MIT */
/*
 * Keys against each other, and against this machine. What can never be run is
 * an error of the scenario; what cannot be run here, or not by this lock, is
 * a skipped point with a reason, so that one file serves many machines.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lock/grace.h"
#include "run/host.h"
#include "run/legs.h"
#include "scenario/scenario_internal.h"
#include "scenario/units.h"
#include "target/target.h"
#include "worker/ops_trace.h"

/* The first of the keys that the user wrote; the last when none was written. */
static enum key_id blame(const struct draft *draft, enum key_id a, enum key_id b)
{
	return draft->given[a] ? a : b;
}

/* "FILE:LINE: key 'x': found '...', MESSAGE" at the key, or at the section for a default. */
__attribute__((format(printf, 3, 4))) static void point_error(const struct expansion *x,
							      enum key_id key, const char *fmt, ...)
{
	const char *found = scenario_keys[key].fallback, *origin = " (the default)";
	struct place place = x->section->place;
	char buf[SHOWN_MAX], *text;
	va_list ap;

	for (size_t i = 0; i < x->nr_axes; i++) {
		const struct axis *axis = &x->axes[i];

		if (axis->entry->key != key)
			continue;
		place = axis->entry->place;
		found = axis->items[axis->at];
		origin = "";
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	diag_at(&x->load->diag, place, "key '%s': found '%s'%s, %s", scenario_keys[key].name,
		shown(found, buf, sizeof(buf)), origin, text);
	free(text);
}

__attribute__((format(printf, 2, 3))) static void skip(char **ret_reason, const char *fmt, ...)
{
	char *reason;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&reason, fmt, ap) < 0)
		abort();
	va_end(ap);
	free(*ret_reason);
	*ret_reason = reason;
}

static bool check_length(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;

	if (params->ops && draft->given[KEY_DURATION] && params->duration_ns) {
		point_error(x, KEY_OPS, "allowed either ops or duration, not both");
		return false;
	}
	if (params->ops)
		params->duration_ns = 0;
	if (params->ops == 0 && params->duration_ns == 0) {
		point_error(x, KEY_DURATION,
			    "allowed more than 0: without ops nothing would be "
			    "measured");
		return false;
	}
	return true;
}

static bool check_region(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;
	struct shmht_error err = { "" };
	struct shmht_config cfg;
	uint64_t bytes;

	if (draft->stripes_auto)
		params->stripes = shmht_stripes_auto(params->capacity);
	cfg = params_table(params);
	if (shmht_region_bytes(&cfg, &bytes, &err) == 0)
		return true;
	point_error(x, KEY_CAPACITY, "no table can be made: %s", err.text);
	return false;
}

static bool check_keyspace(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;
	enum key_id key = KEY_KEYSPACE;

	if (draft->keyspace_is_capacity) {
		params->keyspace = params->capacity;
		if (!draft->given[KEY_KEYSPACE])
			key = blame(draft, KEY_CAPACITY, KEY_KEY_SIZE);
	}
	if (params->key_size >= sizeof(uint64_t) ||
	    params->keyspace <= 1ull << (8 * params->key_size))
		return true;
	point_error(x, key, "%llu distinct keys, allowed at most %llu with key_size = %u",
		    (unsigned long long)params->keyspace, 1ull << (8 * params->key_size),
		    params->key_size);
	return false;
}

/* In a file, relative to it; on the command line, to the current folder. */
static int resolve_path(const struct expansion *x, char *path, size_t size)
{
	char resolved[PARAMS_PATH_MAX];
	const char *file = NULL, *slash;
	int len;

	for (size_t i = 0; i < x->nr_axes; i++)
		if (x->axes[i].entry->key == KEY_OPS_FILE)
			file = x->axes[i].entry->place.file;
	slash = file && *path != '/' ? strrchr(file, '/') : NULL;
	if (!slash)
		return 0;
	len = snprintf(resolved, sizeof(resolved), "%.*s/%s", (int)(slash - file), file, path);
	if (len < 0 || (size_t)len >= size)
		return -1;
	memcpy(path, resolved, (size_t)len + 1);
	return 0;
}

static bool check_sizes(const struct expansion *x, const struct params *params,
			const struct ops_size *named)
{
	if (!named->line ||
	    (named->bytes >= params->value_min && named->bytes <= params->value_max))
		return true;
	point_error(x, KEY_OPS_FILE,
		    "line %llu: a value of %u bytes, allowed by value_size are %u to %u",
		    (unsigned long long)named->line, named->bytes, params->value_min,
		    params->value_max);
	return false;
}

/* What a recorded stream leaves no choice of: keys, mix, keyspace, how many workers. */
static bool check_trace(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;
	const enum key_id others[] = { KEY_KEYS, KEY_MIX };
	const struct ops_trace *trace;
	char why[OPS_TRACE_WHY_MAX];

	if (!params->ops_file[0])
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!draft->given[others[i]])
			continue;
		point_error(x, others[i], "allowed either ops_file or keys and mix, not both");
		return false;
	}
	if (params_have_faults(params)) {
		point_error(x, KEY_OPS_FILE,
			    "not allowed with faults: whose keys are whose "
			    "is up to the torture there");
		return false;
	}
	if (resolve_path(x, params->ops_file, sizeof(params->ops_file))) {
		point_error(x, KEY_OPS_FILE, "allowed are at most %zu bytes, folder included",
			    sizeof(params->ops_file) - 1);
		return false;
	}
	if (ops_trace_get(params->ops_file, &trace, why, sizeof(why))) {
		point_error(x, KEY_OPS_FILE, "%s", why);
		return false;
	}
	if (params->procs > trace->nr_workers) {
		point_error(
			x, KEY_OPS_FILE,
			"which has the streams of %u workers, allowed at most as many: procs is "
			"%u",
			trace->nr_workers, params->procs);
		return false;
	}
	if (!check_sizes(x, params, &trace->shortest) || !check_sizes(x, params, &trace->longest))
		return false;
	params->keys = (struct keydist_params){ .kind = KEYS_RECORDED };
	memcpy(params->mix, trace->mix, sizeof(params->mix));
	if (!draft->given[KEY_KEYSPACE]) {
		draft->keyspace_is_capacity = false;
		params->keyspace = trace->keyspace;
	} else if (!draft->keyspace_is_capacity && params->keyspace < trace->keyspace) {
		point_error(x, KEY_KEYSPACE, "allowed at least the %llu of ops_file",
			    (unsigned long long)trace->keyspace);
		return false;
	}
	return true;
}

static bool check_preload(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;
	bool given = draft->given[KEY_PRELOAD];

	if (draft->preload_is_share)
		params->preload = (uint64_t)(draft->preload_share * (double)params->capacity);
	/* Nobody asked for that many: a small keyspace alone is no error. */
	if (!given && params->preload > params->keyspace)
		params->preload = params->keyspace;
	if (params->preload > params->capacity) {
		point_error(x, KEY_PRELOAD, "%llu entries, allowed at most capacity, %llu",
			    (unsigned long long)params->preload,
			    (unsigned long long)params->capacity);
		return false;
	}
	if (params->preload > params->keyspace) {
		point_error(x, KEY_PRELOAD, "%llu entries, allowed at most keyspace, %llu",
			    (unsigned long long)params->preload,
			    (unsigned long long)params->keyspace);
		return false;
	}
	return true;
}

static bool check_load(const struct expansion *x, struct draft *draft)
{
	struct params *params = &draft->params;

	/* Every operation has its start and end read for the schedule's sake. */
	if (params->rate) {
		params->latency = LATENCY_EVERY;
		return true;
	}
	if (params->arrival == ARRIVAL_RAMP) {
		point_error(x, KEY_ARRIVAL,
			    "a ramp needs an open loop: set rate, for example rate = 100k");
		return false;
	}
	for (uint32_t i = 0; i < params->nr_expect; i++) {
		const char *metric = params->expect[i].metric;

		if (strncmp(metric, "response.", 9) != 0)
			continue;
		point_error(x, KEY_EXPECT,
			    "'%s': response times need an open loop (rate = ...); a closed one has "
			    "service.%s",
			    metric, metric + 9);
		return false;
	}
	return true;
}

static bool check_phases(const struct expansion *x, struct params *params)
{
	char why[256];

	if (!params->nr_legs)
		return true;
	if (params_have_faults(params))
		point_error(x, KEY_PHASES,
			    "not allowed with faults, which have phases of their own");
	else if (!legs_resolve(params, why, sizeof(why)))
		point_error(x, KEY_PHASES, "%s", why);
	else if (legs_load(params) && !params->preload)
		point_error(x, KEY_PHASES, "phase 'load' needs something to load: preload is 0");
	else
		return true;
	return false;
}

/* A shorter value does not say who wrote it: value.h. */
static bool check_verify(const struct expansion *x, const struct draft *draft)
{
	const struct params *params = &draft->params;

	if (params->verify != VERIFY_LINEARIZABLE || params->value_min >= VALUE_NAMES_WRITER)
		return true;
	point_error(x, KEY_VERIFY, "allowed with values of at least %u bytes: value_size is %u",
		    VALUE_NAMES_WRITER, params->value_min);
	return false;
}

/* The keys of a call go in together and come back together. */
static bool check_many(const struct expansion *x, const struct params *params)
{
	if (params->mix[OP_SEARCH_MANY] <= 0)
		return true;
	if (params->rate)
		point_error(x, KEY_RATE,
			    "allowed without search_many in the mix: an open loop "
			    "plans each operation by itself");
	else if (params->verify == VERIFY_LINEARIZABLE)
		point_error(x, KEY_VERIFY,
			    "allowed without search_many in the mix, whose keys "
			    "have one time for all");
	else
		return true;
	return false;
}

/* liburcu sees the readers of its own process alone. */
static bool check_read(const struct expansion *x, struct draft *draft, char **ret_skip)
{
	struct params *params = &draft->params;
	const char *missing = grace_missing(params->read);

	if (!read_is_urcu(params->read))
		return true;
	if (draft->given[KEY_WORKERS] && params->workers != WORKERS_THREAD) {
		point_error(x, KEY_WORKERS,
			    "allowed with read = urcu or urcu-qsbr: thread; liburcu protects the "
			    "threads of one process, read = rcu is for processes");
		return false;
	}
	params->workers = WORKERS_THREAD;
	if (missing)
		skip(ret_skip, "read %s: %s", params->read == READ_URCU_QSBR ? "urcu-qsbr" : "urcu",
		     missing);
	return true;
}

/* A killed thread takes its whole process along. */
static bool check_faults(const struct expansion *x, const struct params *params)
{
	enum key_id key = params->kill.who   ? KEY_KILL :
			  params->stop.who   ? KEY_STOP :
			  params->churn_rate ? KEY_CHURN :
					       KEY_QUOTA;

	if (params->workers != WORKERS_THREAD || !params_have_faults(params))
		return true;
	point_error(x, key, "allowed with workers = process only: faults happen to processes");
	return false;
}

static void check_cpus(const struct params *params, char **ret_skip)
{
	uint16_t allowed[PARAMS_CPUS_MAX];
	unsigned int nr = host_cpus_allowed(allowed, PARAMS_CPUS_MAX);

	for (uint32_t i = 0; i < params->nr_pin_cpus; i++) {
		unsigned int k = 0;

		while (k < nr && allowed[k] != params->pin_cpus[i])
			k++;
		if (k == nr) {
			skip(ret_skip, "pin: CPU %u is not among the %u that this process may use",
			     params->pin_cpus[i], nr);
			return;
		}
	}
}

static void check_node(const struct params *params, char **ret_skip)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u", params->mem_node);
	if (access(path, F_OK))
		skip(ret_skip, "mem: this machine has no memory node %u", params->mem_node);
}

/* An error that names what the strategy allows. */
static void wait_refused(const struct expansion *x, const struct params *params,
			 const struct shmht_strategy *strategy)
{
	char allowed[64] = "own";

	for (unsigned int w = SHMHT_WAIT_SPIN; w < SHMHT_WAIT_NR; w++) {
		if (strategy->waits >> w & 1) {
			strcat(allowed, ", ");
			strcat(allowed, shmht_wait_name((enum shmht_wait)w));
		}
	}
	point_error(x, KEY_WAIT, "allowed with lock %s: %s", params->lock, allowed);
}

/*
 * What the lock makes of `robust`. One that strands has none: asked for by `all`,
 * such a point would be the one with robust = off again.
 */
static enum verdict check_robust(const struct expansion *x, struct draft *draft,
				 const struct shmht_strategy *strategy)
{
	struct params *params = &draft->params;
	bool can = strategy && strategy->caps & SHMHT_CAP_RECOVERS;
	bool must = can && strategy->caps & SHMHT_CAP_KERNEL_RECOVERS;

	if (must && params->robust == SHMHT_ROBUST_OFF) {
		if (x->nr_all_locks)
			return VERDICT_LEAVE_OUT;
		point_error(
			x, KEY_ROBUST,
			"allowed with lock %s: on; the kernel hands its lock on, so what a dead "
			"holder left half done has to be repaired",
			params->lock);
		return VERDICT_ERROR;
	}
	if (can || params->robust == SHMHT_ROBUST_OFF)
		return VERDICT_RUN;
	if (x->nr_all_locks && draft->given[KEY_ROBUST])
		return VERDICT_LEAVE_OUT;
	params->robust = SHMHT_ROBUST_OFF;
	return VERDICT_RUN;
}

/* A target has no parts to choose from: what would choose one is an error. */
static bool check_target(const struct expansion *x, struct draft *draft,
			 const struct target *target, char **ret_skip)
{
	struct params *params = &draft->params;
	const struct {
		enum key_id key;
		bool wrong;
	} keys[] = {
		{ KEY_READ, params->read != SHMHT_READ_LOCKED },
		{ KEY_WAIT, params->wait != SHMHT_WAIT_OWN },
		{ KEY_STRIPES, draft->stripes_auto || params->stripes != 1 },
		{ KEY_HOLD, params->hold_ns != 0 },
		{ KEY_PAGES, params->pages != SHMHT_PAGES_4K },
		{ KEY_VERIFY, params->verify == VERIFY_LINEARIZABLE },
		{ KEY_KILL, params->kill.who != WHO_NONE },
		{ KEY_STOP, params->stop.who != WHO_NONE },
		{ KEY_CHURN, params->churn_rate != 0 },
		{ KEY_QUOTA, params->quota.cpu_ns != 0 },
	};
	const char *missing;
	bool good = true;
	char buf[128];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!keys[i].wrong)
			continue;
		point_error(x, keys[i].key, "not allowed with lock %s, which is not our table",
			    params->lock);
		good = false;
	}
	if (target->searches_only) {
		if (params->mix[OP_SEARCH] < 1) {
			point_error(x, KEY_MIX, "allowed with lock %s: search:100 alone",
				    params->lock);
			good = false;
		}
		params->verify = VERIFY_OFF; /* it has no values */
	} else if (params->mix[OP_SEARCH_MANY] > 0) {
		point_error(x, KEY_MIX, "search_many is not allowed with lock %s, which has none",
			    params->lock);
		good = false;
	}
	if (target->one_process)
		params->workers = WORKERS_THREAD;
	if (target->processes_only)
		params->workers = WORKERS_PROCESS;
	missing = target_missing(target, buf, sizeof(buf));
	if (missing)
		skip(ret_skip, "lock %s: %s", params->lock, missing);
	return good;
}

enum verdict point_check(const struct expansion *x, struct draft *draft, char **ret_skip_reason)
{
	const struct params *params = &draft->params;
	const struct shmht_strategy *strategy = lock_strategy(params->lock);
	const struct target *target = target_find(params->lock);
	enum verdict robust;
	bool good;

	if (strategy && strategy->caps & SHMHT_CAP_ONE_WORKER && params->procs > 1) {
		if (x->nr_all_locks)
			return VERDICT_LEAVE_OUT;
		skip(ret_skip_reason, "lock %s refuses a second worker; procs is %u", params->lock,
		     params->procs);
	}
	good = true;
	if (strategy && params->wait != SHMHT_WAIT_OWN && !(strategy->waits >> params->wait & 1)) {
		if (x->nr_all_locks)
			return VERDICT_LEAVE_OUT;
		wait_refused(x, params, strategy);
		good = false;
	}
	robust = check_robust(x, draft, strategy);
	if (robust == VERDICT_LEAVE_OUT)
		return robust;
	good &= robust == VERDICT_RUN;
	good &= check_length(x, draft);
	good &= check_load(x, draft);
	good &= check_verify(x, draft);
	good &= check_read(x, draft, ret_skip_reason);
	good &= check_faults(x, params);
	good &= check_many(x, params);
	good &= target ? check_target(x, draft, target, ret_skip_reason) : check_region(x, draft);
	/* In this order: each uses what the one before resolved. */
	good = check_trace(x, draft) && check_keyspace(x, draft) && check_preload(x, draft) &&
	       check_phases(x, &draft->params) && good;
	if (params->pin == PIN_CPUS)
		check_cpus(params, ret_skip_reason);
	if (params->mem == MEM_BIND)
		check_node(params, ret_skip_reason);
	if (good)
		return VERDICT_RUN;
	free(*ret_skip_reason);
	*ret_skip_reason = NULL;
	return VERDICT_ERROR;
}
