/* SPDX-License-Identifier: MIT */
/*
 * One point of a scenario with every key resolved: what a worker, a generator
 * or a report needs to know, typed, and the same as text for results.
 */
#ifndef SHMBENCH_PARAMS_H
#define SHMBENCH_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lock/lock_file.h"
#include "shmht.h"
#include "stats/intervals.h"

enum op_kind { OP_SEARCH, OP_INSERT, OP_UPDATE, OP_REMOVE, OP_SEARCH_MANY, OP_NR };
extern const char *const op_names[OP_NR]; /* "search" ... "search_many" */

enum keydist_kind {
	KEYS_UNIFORM,
	KEYS_ZIPF,
	KEYS_HOTSPOT,
	KEYS_LATEST,
	KEYS_SEQUENTIAL,
	KEYS_RECORDED /* by ops_file */
};

struct keydist_params {
	enum keydist_kind kind;
	double theta;	 /* zipf, latest: exponent, > 0 */
	double hot_keys; /* hotspot: fraction of the keys ... */
	double hot_ops;	 /* ... that gets this fraction of the operations */
};

enum worker_kind { WORKERS_PROCESS, WORKERS_THREAD };
enum latency_mode { LATENCY_OFF, LATENCY_SAMPLED, LATENCY_EVERY };
enum verify_mode { VERIFY_OFF, VERIFY_VALUES, VERIFY_LINEARIZABLE };
enum pin_mode { PIN_SPREAD, PIN_COMPACT, PIN_CORES, PIN_NONE, PIN_CPUS };
enum arrival_kind { ARRIVAL_POISSON, ARRIVAL_CONSTANT, ARRIVAL_BURST, ARRIVAL_RAMP };
enum mem_mode { MEM_LOCAL, MEM_INTERLEAVE, MEM_BIND };

#define VALUE_NAMES_WRITER 16u /* bytes: shorter values do not say whose they are */

/* Fault plans of `shmbench torture`. */
enum fault_who { WHO_NONE, WHO_RANDOM, WHO_HOLDER };
extern const char *const fault_who_names[3]; /* "none" "random" "holder" */

/* Where a worker is killed: the probes of core/probes.h. */
enum fault_place {
	PLACE_ANY,
	PLACE_BEFORE_ACQUIRE,
	PLACE_AFTER_ACQUIRE,
	PLACE_MID_INSERT,
	PLACE_BEFORE_COMMIT,
	PLACE_AFTER_COMMIT,
	PLACE_BEFORE_RELEASE,
	PLACE_IN_REPAIR,
	PLACE_IN_ATTACH,
	PLACE_NR
};
extern const char *const fault_place_names[PLACE_NR];

struct kill_plan {
	enum fault_who who;
	uint64_t count; /* 0: until `duration` is over */
	uint64_t rate;	/* per second; 0: the next once all have worked since the last */
	enum fault_place place;
};

struct stop_plan {
	enum fault_who who;
	uint64_t down_ns, every_ns;
};

/* The crew together may run for cpu_ns in each period_ns; 0: as it likes. */
struct quota_plan {
	uint64_t cpu_ns, period_ns;
};

/* One phase of key `phases`: legs.h. */
enum leg_kind { LEG_LOAD, LEG_STEADY, LEG_SPIKE, LEG_DRAIN };
struct leg {
	enum leg_kind kind;
	double factor; /* of the rate; 0 where nothing is planned */
	uint64_t ns;   /* LEG_LOAD: 0; of a drain at the end: at most */
};
#define LEGS_MAX 16u

#define PARAMS_CPUS_MAX 1024
#define PARAMS_EXPECT_MAX 16
#define PARAMS_PATH_MAX 1024

/* "search.p99<=50us": metric, relation and bound (ns, or per second). */
struct expectation {
	char metric[48];
	bool at_least; /* >= ; else <= */
	double bound;  /* ns; ops_per_s: per second; stalled: 0..1 */
	char text[96];
};

struct params {
	char lock[LOCK_TEXT_MAX]; /* a strategy, target:NAME, or the path of a lock_file */
	enum shmht_read read;
	enum shmht_robust robust; /* what the lock makes of it: off where it strands */
	enum shmht_wait wait;
	uint32_t stripes; /* resolved: auto is a number here */
	enum worker_kind workers;
	uint32_t procs;
	uint64_t capacity;
	uint32_t key_size;
	uint32_t value_min, value_max; /* equal unless value_size is a range */
	uint64_t preload;	       /* entries, resolved */
	uint64_t keyspace;	       /* distinct keys, resolved */
	struct keydist_params keys;
	double mix[OP_NR];		 /* normalised: sums to 1; each key is an operation */
	uint32_t batch;			 /* keys of a search_many call */
	char ops_file[PARAMS_PATH_MAX];	 /* replayed instead of drawing; "": none */
	uint64_t duration_ns, warmup_ns; /* duration 0: by ops */
	struct leg legs[LEGS_MAX];	 /* [nr_legs]; none: one window of `duration` */
	uint32_t nr_legs;
	uint64_t ops; /* per worker; 0: by duration */
	uint32_t trials;
	double steady_slope; /* warm-up ends below it, share of the mean per window; 0: by time */
	uint64_t rate;	     /* operations per second; 0: closed loop */
	bool rate_per_proc;  /* ... of each worker; else of all together */
	enum arrival_kind arrival;
	uint32_t burst;		   /* ARRIVAL_BURST: operations planned for one moment */
	double ramp_from, ramp_to; /* ARRIVAL_RAMP: rates like rate ... */
	bool ramp_relative;	   /* ... or shares of it */
	enum latency_mode latency; /* an open loop times every operation */
	uint32_t sample_every;	   /* LATENCY_SAMPLED: one in that many, on average */
	uint64_t interval_ns;
	uint64_t hold_ns, think_ns;
	enum pin_mode pin;
	uint16_t pin_cpus[PARAMS_CPUS_MAX]; /* PIN_CPUS, in the order given */
	uint32_t nr_pin_cpus;
	enum shmht_pages pages;
	enum mem_mode mem;
	uint32_t mem_node;
	uint64_t seed;
	enum verify_mode verify;
	uint64_t timeout_ns;
	struct kill_plan kill;
	struct stop_plan stop;
	uint64_t churn_rate; /* workers that leave and come anew, per second; 0: none */
	struct quota_plan quota;
	uint64_t calm_ns; /* without faults, before the storm and after it */
	struct expectation expect[PARAMS_EXPECT_MAX];
	uint32_t nr_expect;
	struct interval_watch watch[INTERVAL_WATCHES]; /* no key: `plan` sets it */
	uint32_t nr_watch;
};

static inline bool params_have_faults(const struct params *params)
{
	return params->kill.who || params->stop.who || params->churn_rate || params->quota.cpu_ns;
}

/* What create makes of a point: one slot per worker, and some for observers. */
struct shmht_config params_table(const struct params *params);

/*
 * The point's parameters as text, in the order of `list keys`: what the
 * result's params object holds and what a scenario line would say.
 * Returns false past the last key. *ret_key is static; value goes to buf.
 */
bool params_text(const struct params *params, unsigned int idx, const char **ret_key, char *buf,
		 size_t size);

#endif
