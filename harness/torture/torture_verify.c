/* SPDX-License-Identifier: MIT */
/*
 * After the storm nobody is left but us: every key must be what the account
 * says; of an operation that was cut off, either. Then count and structure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture/torture.h"
#include "verify/value.h"
#include "verify/verify.h"

static void fail(struct trial *trial, const char *what)
{
	trial->errors++;
	if (trial->status == TRIAL_FAILED)
		return;
	trial->status = TRIAL_FAILED;
	snprintf(trial->reason, sizeof(trial->reason), "%s", what);
}

/* Returns whether the key is there; -1 when the table does not answer. */
static int verify_key(struct shmht_ctx *ctx, const struct params *params,
		      const struct torture_control *control, uint64_t id, uint64_t *key,
		      unsigned char *value, struct trial *trial)
{
	uint64_t committed, open;
	char text[200];
	size_t len = 0;
	int r;

	key_make(id, key, params->key_size);
	r = shmht_search(ctx, key, params->key_size, value, params->value_max, &len);
	if (r && r != -ENOENT) {
		snprintf(text, sizeof(text), "after the storm, search of key %llu: %s",
			 (unsigned long long)id, strerror(-r));
		fail(trial, text);
		return -1;
	}
	torture_expected(control, id, &committed, &open);
	trial->checked++;
	if (!torture_shows(committed, id, r, value, len) &&
	    !torture_shows(open, id, r, value, len)) {
		snprintf(text, sizeof(text),
			 "key %llu: %s after the storm, committed was version %llu (%s)",
			 (unsigned long long)id, r ? "absent" : "another value",
			 (unsigned long long)(committed >> 1), committed & 1 ? "there" : "absent");
		fail(trial, text);
	}
	return r == 0;
}

void torture_verify(struct shmht *map, const struct params *params,
		    const struct torture_control *control, struct trial *trial)
{
	uint64_t *key = aligned_alloc(64, (params->key_size + 127u) / 64 * 64);
	unsigned char *value = aligned_alloc(64, (params->value_max + 127u) / 64 * 64);
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx = NULL;
	int64_t there = 0;
	int r = 0;

	if (!key || !value || shmht_ctx_open(map, &ctx, &err)) {
		fail(trial, *err.text ? err.text : "no memory to verify the table");
		goto out;
	}
	for (uint64_t id = 0; id < params->keyspace && r >= 0; id++) {
		r = verify_key(ctx, params, control, id, key, value, trial);
		there += r > 0;
	}
	shmht_ctx_close(ctx);
	if (r >= 0)
		verify_table(map, there, trial);
out:
	free(key);
	free(value);
}
