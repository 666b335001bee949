/* SPDX-License-Identifier: MIT */
/*
 * What a user could pick instead of this table: the same op streams and records
 * over another library's store. A target's context begins with shmht_ctx_head
 * and brings its own operations, so the measured loop calls it through the very
 * same inline functions: one indirect call per operation, for it as for us, and
 * no branch that asks whose table it is.
 *
 * Operations return what shmht.h says (-EEXIST, -ENOENT ...); a target has no
 * capacity, so -ENOSPC never comes. Only insert, update, search and remove exist.
 */
#ifndef SHMBENCH_TARGET_H
#define SHMBENCH_TARGET_H

#include "scenario/params.h"
#include "shmht.h"

#define TARGET_PREFIX "target:"

struct target_table; /* each target's own */

struct target {
	const char *name;    /* after the prefix */
	const char *summary; /* one line */
	const char *missing; /* why it is not in this build; NULL: it is */
	const char *program; /* that it runs, looked for in PATH; NULL: none */
	bool one_process;    /* its workers are threads, ... */
	bool processes_only; /* ... and these are never: what they open is per process */
	bool searches_only;  /* it keeps nothing: no other operation, no value to verify */
	/* one_process: in the workers' process; otherwise in the supervisor, before
	 * the workers are forked. 0, or a negative errno with the reason in err. */
	int (*create)(const struct params *params, struct target_table **ret_table,
		      struct shmht_error *err);
	/* In each worker, which alone uses the context. Unless one_process, the table
	 * is the copy that fork made of the supervisor's: what must not cross a fork
	 * is opened here. */
	int (*open)(struct target_table *table, struct shmht_ctx **ret_ctx,
		    struct shmht_error *err);
	void (*close)(struct shmht_ctx *ctx);
	/* NULL, or: from true to false only inserts come, for keys that are new, and
	 * they may be gathered; their first error is that of a later one, or of this. */
	int (*bulk)(struct shmht_ctx *ctx, bool on);
	/* Entries, once no context is open. In the process that created it. */
	int (*count)(struct target_table *table, uint64_t *ret_count);
	void (*destroy)(struct target_table *table);
};

/* Why the point cannot run here: the library, or the program. NULL: it can. */
const char *target_missing(const struct target *target, char *buf, size_t size);
/* NULL: past the end. Those that this build lacks are among them. */
const struct target *target_at(unsigned int idx);
/* Of a lock's name, "target:NAME". NULL: no target. */
const struct target *target_find(const char *lock);

#endif
