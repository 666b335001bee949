/* SPDX-License-Identifier: MIT */
/* What was seen of a table, as lines; a dash where something is not known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "result/result_internal.h"
#include "scenario/units.h"
#include "top/top.h"

static const char *rate(double per_s, char *buf, size_t size)
{
	result_format_rate(per_s, buf, size);
	return *buf ? buf : "-";
}

static const char *ns(double value, char *buf, size_t size)
{
	struct result_glyphs glyphs = result_glyphs();

	result_format_ns(value, &glyphs, buf, size);
	return *buf ? buf : "-";
}

static const char *percent(double share, char *buf, size_t size)
{
	if (share >= 0 && share < 10)
		snprintf(buf, size, "%.1f", share * 100);
	else
		snprintf(buf, size, "-");
	return buf;
}

static void show_table(const struct top *top, const char *eol, FILE *out)
{
	const struct shmht_info *info = &top->info;
	char capacity[32], share[16];

	units_format_count(info->capacity, capacity, sizeof(capacity));
	fprintf(out, "table  pid %d, fd %d: %s, read %s, %u stripe%s, capacity %s, %.1f MiB: ",
		(int)top->pid, top->fd, info->strategy, shmht_read_name(info->read), info->stripes,
		info->stripes == 1 ? "" : "s", capacity,
		(double)info->region_bytes / (double)(1u << 20));
	if (top->count == UINT64_MAX)
		fprintf(out, "- entries%s", eol);
	else
		fprintf(out, "%llu entries (%s %%)%s", (unsigned long long)top->count,
			percent((double)top->count / (double)info->capacity, share, sizeof(share)),
			eol);
}

static void show_run(const struct top_run *run, const char *eol, FILE *out)
{
	static const char *const phases[] = { "setting up", "loading", "warming up", "measuring",
					      "over" };
	char point[sizeof(run->control->point)], name[128], text[4][32];

	if (!run->control) {
		fprintf(out,
			"rate   -: no run of this build of shmbench has it; a table counts "
			"no operations%s",
			eol);
		return;
	}
	memcpy(point, run->control->point, sizeof(point));
	point[sizeof(point) - 1] = '\0';
	fprintf(out, "rate   %s ops/s, p50 %s, p99 %s, p99.9 %s: %s, trial %u, %s%s",
		rate(run->total, text[0], sizeof(text[0])),
		ns(run->p50_ns, text[1], sizeof(text[1])),
		ns(run->p99_ns, text[2], sizeof(text[2])),
		ns(run->p999_ns, text[3], sizeof(text[3])),
		result_clean(point, 60, name, sizeof(name)), run->control->trial + 1,
		phases[run->phase], eol);
}

/* What asks for attention first: sleepers, then holders, then entries. */
static int by_trouble(const void *a, const void *b)
{
	const struct top_stripe *x = a, *y = b;

	if (x->asleep != y->asleep)
		return x->asleep > y->asleep ? -1 : 1;
	if (x->held != y->held)
		return x->held > y->held ? -1 : 1;
	if (x->state.count != y->state.count)
		return x->state.count > y->state.count ? -1 : 1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static void show_stripe(const struct top *top, const struct top_stripe *stripe, const char *eol,
			FILE *out)
{
	static const char *const states[] = { "", "", ", STOPPED", ", DEAD" };
	char nr[16] = "pool", entries[24] = "-", held[16] = "-", asleep[16] = "-", holder[48] = "-";
	const struct shmht_holder *who = &stripe->state.holder;

	if (stripe->nr < top->info.stripes) {
		snprintf(nr, sizeof(nr), "%u", stripe->nr);
		snprintf(entries, sizeof(entries), "%llu", (unsigned long long)stripe->state.count);
	}
	if (stripe->state.names_holder && top->looks)
		percent((double)stripe->held / top->looks, held, sizeof(held));
	/* semtimedop(2) names a semaphore of the kernel's, no place in the table. */
	if (top->sleepers_known && top->looks && strcmp(top->info.strategy, "sysv") != 0)
		snprintf(asleep, sizeof(asleep), "%.1f", (double)stripe->asleep / top->looks);
	if (who->tid)
		snprintf(holder, sizeof(holder), "%d%s", (int)who->tid, states[who->state & 3]);
	fprintf(out, "%8s %12s %7s %8s  %s%s%s", nr, entries, held, asleep, holder,
		stripe->state.unfinished && who->state == SHMHT_HOLDER_DEAD ?
			", change unfinished" :
			"",
		eol);
}

static void show_stripes(const struct top *top, uint32_t rows, const char *eol, FILE *out)
{
	struct top_stripe *sorted = malloc(top->nr_stripes * sizeof(*sorted));
	uint32_t nr = top->nr_stripes < rows ? top->nr_stripes : rows;

	if (!sorted)
		return;
	memcpy(sorted, top->stripes, top->nr_stripes * sizeof(*sorted));
	qsort(sorted, top->nr_stripes, sizeof(*sorted), by_trouble);
	fprintf(out, "%s%8s %12s %7s %8s  %s%s", eol, "stripe", "entries", "held%", "asleep",
		"last holder (thread)", eol);
	for (uint32_t i = 0; i < nr; i++)
		show_stripe(top, &sorted[i], eol, out);
	if (nr < top->info.stripes + 1)
		fprintf(out, "%8s %u more, with fewer sleepers, then holders, then entries%s",
			"and", top->info.stripes + 1 - nr, eol);
	free(sorted);
}

static const char *describe_wait(const struct top_user *user, char *buf, size_t size)
{
	static const char *const words[] = {
		[TOP_WAIT_NONE] = "",
		[TOP_WAIT_STRIPE] = "stripe",
		[TOP_WAIT_POOL] = "the pool",
		[TOP_WAIT_QUEUE] = "its turn in a queue",
		[TOP_WAIT_SEMAPHORE] = "a semaphore",
		[TOP_WAIT_UNKNOWN] = "-",
	};

	snprintf(buf, size, "%s", words[user->wait]);
	if (user->wait == TOP_WAIT_STRIPE)
		snprintf(buf, size, "stripe %u", user->stripe);
	return buf;
}

static void show_users(const struct top *top, uint32_t rows, const char *eol, FILE *out)
{
	static const char *const states[] = { "-", "alive", "STOPPED", "DEAD" };
	char wait[32], ops[32], cpu[16], delay[16];
	uint32_t shown = 0, nr = 0;

	fprintf(out, "%s%8s %8s  %-8s %6s %7s %8s  %s%s", eol, "process", "thread", "state", "CPU%",
		"delay%", "ops/s", "asleep for", eol);
	for (uint32_t i = 0; i < top->info.max_workers; i++) {
		const struct top_user *user = &top->users[i];

		if (!user->there || nr++ >= rows)
			continue;
		shown++;
		fprintf(out, "%8d %8d  %-8s %6s %7s %8s  %s%s%s", (int)user->user.pid,
			(int)user->user.tid, states[user->user.state & 3],
			percent(user->cpu, cpu, sizeof(cpu)),
			percent(user->delay, delay, sizeof(delay)),
			rate(user->ops_per_s, ops, sizeof(ops)),
			describe_wait(user, wait, sizeof(wait)),
			user->user.reading ? " (in a read section)" : "", eol);
	}
	if (!nr)
		fprintf(out, "%8s: the table is open, and nobody has a context of it%s", "nobody",
			eol);
	if (shown < nr)
		fprintf(out, "%8s %u more%s", "and", nr - shown, eol);
}

void top_show(const struct top *top, uint32_t rows, const char *eol, FILE *out)
{
	show_table(top, eol, out);
	show_run(&top->run, eol, out);
	show_stripes(top, rows, eol, out);
	show_users(top, rows, eol, out);
}
