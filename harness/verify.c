/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include <stdio.h>
#include <string.h>

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
