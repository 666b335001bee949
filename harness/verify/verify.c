/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/lin_check.h"
#include "verify/value.h"

struct findings {
	char first[256];
};

static void note_first(const char *broken, void *arg)
{
	struct findings *findings = arg;

	if (!findings->first[0])
		snprintf(findings->first, sizeof(findings->first), "%s", broken);
}

static void fail(struct trial *trial, uint64_t errors, const char *what, const char *detail)
{
	trial->errors += errors;
	if (trial->status == TRIAL_FAILED)
		return;
	trial->status = TRIAL_FAILED;
	snprintf(trial->reason, sizeof(trial->reason), "%s%s", what, detail);
}

void verify_table(struct shmht *map, int64_t expected_count, struct trial *trial)
{
	struct findings findings = { "" };
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	uint64_t count = 0;
	char text[128];
	int broken, r = shmht_ctx_open(map, &ctx, &err);

	if (r) {
		fail(trial, 1, "the table cannot be opened for its check: ", err.text);
		return;
	}
	r = shmht_count(ctx, &count);
	if (r || count != (uint64_t)expected_count) {
		snprintf(text, sizeof(text), "%llu, inserts less removes are %lld",
			 (unsigned long long)count, (long long)expected_count);
		fail(trial, 1, "the table's count is ", r ? strerror(-r) : text);
	}
	broken = shmht_check(ctx, note_first, &findings);
	if (broken < 0)
		fail(trial, 1, "the table cannot be checked: ", strerror(-broken));
	else if (broken)
		fail(trial, (uint64_t)broken, "check: ", findings.first);
	shmht_ctx_close(ctx);
}

struct look {
	struct shmht_ctx *ctx;
	const struct params *params;
	uint64_t *key;
	unsigned char *value;
};

static bool look_up(void *arg, uint64_t id, bool *ret_present, uint64_t *ret_nonce)
{
	struct look *look = arg;
	size_t len = 0;
	int r;

	key_make(id, look->key, look->params->key_size);
	r = shmht_search(look->ctx, look->key, look->params->key_size, look->value,
			 look->params->value_max, &len);
	if (r && r != -ENOENT)
		return false;
	*ret_present = r == 0;
	if (r == 0)
		memcpy(ret_nonce, look->value, sizeof(*ret_nonce));
	return true;
}

void verify_linearizable(struct shmht *map, const struct lin *lin, const struct params *params,
			 uint32_t trial_number, const volatile int *stop, struct trial *trial)
{
	struct look look = { .params = params };
	struct shmht_error err = { "" };
	int r = shmht_ctx_open(map, &look.ctx, &err);

	look.key = malloc(params->key_size + 8u);
	look.value = malloc(params->value_max + 8u);
	if (r)
		fail(trial, 1, "the table cannot be opened for its check: ", err.text);
	else if (!look.key || !look.value)
		fail(trial, 1, "no memory to check linearizability", "");
	else
		lin_check(lin, params, trial_number, look_up, &look, shmht_ns_per_tick(), stop,
			  trial);
	if (!r)
		shmht_ctx_close(look.ctx);
	free(look.key);
	free(look.value);
}
