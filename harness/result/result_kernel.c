/* SPDX-License-Identifier: MIT */
/*
 * The kernel's share in a trial's result; that of system calls was counted in a trial
 * of its own (run/rounds.h), the others in each. Per operation of the workers' own
 * windows, because that is where the counts were taken: with ops = N these are
 * longer than the trial's. The open loop's own sleeps are not the operations'.
 */
#include <math.h>
#include <string.h>

#include "result/result_internal.h"

/* Over all workers; NaN as soon as one of them does not know it. */
static double events_of(const struct trial *trial, enum kernel_event event, const char **why)
{
	double sum = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		const struct kernel_counts *kernel = &trial->workers[w].kernel;

		if (!kernel->known[event]) {
			*why = event <= KERNEL_FUTEX ? kernel->calls_reason :
						       kernel->hardware_reason;
			return NAN;
		}
		sum += (double)kernel->count[event];
	}
	return sum;
}

json_t *result_kernel_object(const struct trial *trial, const char *calls_reason)
{
	static const char *const keys[KERNEL_EVENTS] = {
		[KERNEL_SYSCALLS] = "syscalls_per_op",
		[KERNEL_FUTEX] = "futex_per_op",
		[KERNEL_CYCLES] = "cycles_per_op",
		[KERNEL_INSTRUCTIONS] = "instructions_per_op",
		[KERNEL_CACHE_MISSES] = "cache_misses_per_op",
		[KERNEL_DTLB_MISSES] = "dtlb_misses_per_op",
	};
	double ops = 0, faults = 0, switches = 0, harness_calls = 0;
	const char *calls_why = NULL, *hardware_why = NULL;
	json_t *object = json_object();
	int rc = 0;

	for (uint32_t w = 0; w < trial->nr_workers; w++) {
		const struct worker_result *worker = &trial->workers[w];

		ops += (double)worker->ops;
		faults += (double)worker->minor_faults;
		switches += (double)(worker->vol_ctx + worker->invol_ctx);
		harness_calls += (double)worker->harness_calls;
	}
	for (int event = 0; event < KERNEL_EVENTS; event++) {
		double sum = events_of(trial, event,
				       event <= KERNEL_FUTEX ? &calls_why : &hardware_why);

		if (event == KERNEL_SYSCALLS)
			sum -= harness_calls;
		rc |= json_object_set_new(object, keys[event], result_number(sum / ops));
	}
	rc |= json_object_set_new(object, "page_faults_per_op", result_number(faults / ops));
	rc |= json_object_set_new(object, "switches_per_op", result_number(switches / ops));
	rc |= json_object_set_new(object, "harness_calls", result_number(harness_calls));
	if (calls_why && !*calls_why)
		calls_why = calls_reason;
	rc |= json_object_set_new(object, "reason", result_string(calls_why));
	rc |= json_object_set_new(object, "hardware_reason", result_string(hardware_why));
	if (rc) {
		json_decref(object);
		return NULL;
	}
	return object;
}

void result_show_uncounted(const json_t *points, FILE *out)
{
	for (size_t i = 0; i < json_array_size(points); i++) {
		const json_t *point = json_array_get(points, i);
		const json_t *trial = json_array_get(json_object_get(point, "kernel_trials"), 0);
		const char *status = result_get_text(trial, "status");
		const char *name = result_get_text(point, "name");
		const char *why = result_get_text(trial, "reason");
		char clean_name[400], clean_why[400];

		if (!status || strcmp(status, "not_measured") != 0)
			continue;
		fprintf(out, "kernel/op of %s: not counted: %s\n",
			result_clean(name ? name : "(no name)", 80, clean_name, sizeof(clean_name)),
			result_clean(why ? why : "no reason was given", 80, clean_why,
				     sizeof(clean_why)));
	}
}
