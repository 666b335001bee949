/* SPDX-License-Identifier: MIT */
/*
 * The names and the end of a trial's data: everything else about it is made by
 * the runner and read by the report.
 */
#include "run/trial.h"

#include <stdlib.h>

const char *const hist_class_names[HIST_CLASSES] = {
	[HIST_SEARCH_HIT] = "search.hit", [HIST_SEARCH_MISS] = "search.miss",
	[HIST_INSERT] = "insert",	  [HIST_UPDATE] = "update",
	[HIST_REMOVE] = "remove",	  [HIST_SEARCH_MANY] = "search_many",
};

const char *const outcome_names[OUTCOME_NR] = {
	[OUTCOME_OK] = "ok",	 [OUTCOME_MISS] = "miss",	[OUTCOME_EXISTS] = "exists",
	[OUTCOME_FULL] = "full", [OUTCOME_TIMEOUT] = "timeout",
};

void trial_free(struct trial *trial)
{
	if (!trial)
		return;
	free(trial->workers);
	if (trial->torture) {
		free(trial->torture->before);
		free(trial->torture->after);
		free(trial->torture->fresh);
		free(trial->torture);
		trial->torture = NULL;
	}
	free(trial->intervals);
	free(trial->legs);
	trial->legs = NULL;
	trial->nr_legs = 0;
	free(trial->history);
	trial->history = NULL;
	trial->intervals = NULL;
	trial->nr_intervals = 0;
	trial->workers = NULL;
	trial->nr_workers = 0;
}
