/* SPDX-License-Identifier: MIT */
/*
 * `gate --instructions`: instructions of the worker per operation, by callgrind.
 * Noise, neighbours and where the linker put a function do not move this figure,
 * so it finds what costs 1 % where time does not. It says nothing about what an
 * instruction costs: a cache miss more is one load as before.
 *
 * A worker also sets up, the same however long it runs: so each figure is the
 * difference between a longer and a shorter run of the same stream. Two figures a
 * side; what they differ by is all the noise there is (the length of a line in
 * /proc, say), and [L, U] is the worst pairing of them.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "gate/gate.h"
#include "gate/gate_spawn.h"
#include "result/result_internal.h"

#define SHORT_OPS 20000u
#define LONG_OPS 220000u
#define REPEATS 2
/* Where no clock decides what is done, two counts of one build were up to about 0.1 %
 * apart: five times that is ignored. */
#define COUNT_IGNORE 0.005
#define COUNT_DETECT 0.01

/* "totals: N" of a callgrind profile; NaN without. */
static double read_totals(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	double totals = NAN;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "totals: ", 8) == 0)
			totals = strtod(line + 8, NULL);
	if (file)
		fclose(file);
	return totals;
}

/* Reads and removes the profiles of a folder: sum over all processes but one. */
static double take_profiles(const char *folder, pid_t except)
{
	DIR *dir = opendir(folder);
	double sum = 0;
	unsigned int found = 0;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[600];

		if (strncmp(entry->d_name, GATE_PROFILE, strlen(GATE_PROFILE)) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (strtol(entry->d_name + strlen(GATE_PROFILE), NULL, 10) != except) {
			sum += read_totals(path);
			found++;
		}
		unlink(path);
	}
	if (dir)
		closedir(dir);
	return found ? sum : NAN;
}

static int count_run(const struct gate_request *request, const struct gate_point *point,
		     enum gate_side side, uint64_t ops, const char *folder, double *ret_sum,
		     char *why, size_t size)
{
	pid_t pid = 0;
	int r = gate_profile(request, point, side, ops, folder, &pid, why, size);

	/* The supervisor polls as long as it takes: only its worker is counted. */
	*ret_sum = take_profiles(folder, pid);
	if (!r && !(*ret_sum > 0)) {
		snprintf(why, size, "%s: callgrind left no profile of the worker",
			 gate_side_names[side]);
		r = -EIO;
	}
	return r;
}

static int count_per_op(const struct gate_request *request, const struct gate_point *point,
			enum gate_side side, const char *folder, double *ret_per_op, char *why,
			size_t size)
{
	double less, more;
	int r = count_run(request, point, side, SHORT_OPS, folder, &less, why, size);

	if (!r)
		r = count_run(request, point, side, LONG_OPS, folder, &more, why, size);
	if (r)
		return r;
	*ret_per_op = (more - less) / (LONG_OPS - SHORT_OPS);
	if (*ret_per_op > 0)
		return 0;
	snprintf(why, size, "%s: found %g instructions per operation, expected more than 0",
		 gate_side_names[side], *ret_per_op);
	return -EIO;
}

static void judge(const double per_op[GATE_SIDES][REPEATS], struct gate_row *row)
{
	const double *base = per_op[GATE_BASE], *head = per_op[GATE_HEAD];

	row->counted = true;
	row->before = (base[0] + base[1]) / 2;
	row->after = (head[0] + head[1]) / 2;
	row->estimate = log(row->after / row->before);
	row->low = log(fmin(head[0], head[1]) / fmax(base[0], base[1]));
	row->high = log(fmax(head[0], head[1]) / fmin(base[0], base[1]));
	row->n = REPEATS;
	row->look = GATE_LOOKS;
	row->verdict = row->low > log1p(COUNT_IGNORE)	? GATE_REGRESSION :
		       row->high < -log1p(COUNT_IGNORE) ? GATE_IMPROVEMENT :
		       row->high < log1p(COUNT_DETECT)	? GATE_PASS :
							  GATE_PENDING;
}

static int count_point(const struct gate_request *request, struct gate_point *point,
		       const char *folder)
{
	double per_op[GATE_SIDES][REPEATS];
	char why[600];
	int side = GATE_BASE, r = 0;

	for (int k = 0; !r && k < REPEATS; k++)
		for (side = GATE_BASE; !r && side < GATE_SIDES; side++)
			r = count_per_op(request, point, (enum gate_side)side, folder,
					 &per_op[side][k], why, sizeof(why));
	if (r == -EINTR)
		return r;
	if (r) {
		gate_set_aside(point, r, (enum gate_side)(side - 1), why);
		return 0;
	}
	strcpy(point->metrics[point->nr_metrics].name, "instructions");
	point->metrics[point->nr_metrics].quantile = 0;
	judge(per_op, &point->rows[point->nr_metrics]);
	point->nr_counted = 1;
	return 0;
}

static bool one_worker(const struct gate_suite *suite, const struct gate_point *point)
{
	for (int side = 0; side < GATE_SIDES; side++)
		if (result_get_number(gate_listed(suite->identities[side], point->name), "procs") !=
		    1)
			return false;
	return !point->open_loop;
}

int gate_count_instructions(const struct gate_request *request, struct gate_suite *suite)
{
	static const char *const version[] = { "valgrind", "--version", NULL };
	const char *base = getenv("TMPDIR");
	char folder[400], err[200], *out = NULL;
	int status = 0, r;

	r = gate_spawn(version, 20, &out, err, sizeof(err), NULL, &status);
	free(out);
	if (r == -EINTR)
		return r;
	if (r || status)
		return gate_refuse(suite, EXIT_NOT_MEASURED,
				   "--instructions: found no valgrind that runs, expected the "
				   "package valgrind (apt-get install valgrind)");
	snprintf(folder, sizeof(folder), "%.300s/shmbench-count-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(folder))
		return gate_refuse(suite, EXIT_NOT_MEASURED,
				   "--instructions: no folder for profiles; see TMPDIR");
	for (uint32_t i = 0; !r && i < suite->nr_points; i++)
		if (suite->points[i].state == GATE_MEASURED && one_worker(suite, &suite->points[i]))
			r = count_point(request, &suite->points[i], folder);
	rmdir(folder);
	return r;
}
