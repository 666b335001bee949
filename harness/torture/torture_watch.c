/* SPDX-License-Identifier: MIT */
/*
 * The watchdog. A lock is stranded when whoever waits for it is told again and
 * again that its holder is dead, or when nobody at all gets on; with a strategy
 * that does not recover, each kill is followed by trying every lock instead.
 * Nothing here waits without a deadline.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/supervise.h"
#include "shmht_clock.h"
#include "torture/torture_internal.h"

#define TRY_NS 25000000u  /* one attempt at a lock */
#define TRIES_MAX 60	  /* 1.5 s: a convoy of time slices is no strand */
#define IDLE_NS 20000000u /* who does nothing for so long, waits */
#define WAITERS_SHOWN 8u
#define DEAD_NAMED_STRANDS 3 /* time-outs in a row that name a dead holder */

__attribute__((format(printf, 2, 3))) static void say(struct torture_outcome *outcome,
						      const char *fmt, ...)
{
	size_t len = strlen(outcome->stuck);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(outcome->stuck + len, sizeof(outcome->stuck) - len, fmt, ap);
	va_end(ap);
}

static const char *state_name(enum shmht_holder_state state)
{
	static const char *const names[] = { "unknown", "running", "stopped", "dead" };

	return names[state];
}

/* The first stripe with something to tell: a dead holder or an armed intent. */
static uint32_t stripe_to_show(struct storm *storm, struct shmht_stripe_state *ret_state)
{
	for (uint32_t k = 0; k <= storm->params->stripes; k++)
		if (shmht_stripe_look(storm->ctx, k, ret_state) == 0 &&
		    (ret_state->holder.state == SHMHT_HOLDER_DEAD || ret_state->unfinished))
			return k;
	shmht_stripe_look(storm->ctx, 0, ret_state);
	return 0;
}

/* What worker i does, if it waits or has done nothing since `ops`. */
static bool say_waiter(struct storm *storm, uint32_t i, uint64_t ops, bool shown)
{
	const struct torture_part *part = &storm->control->parts[i];
	uint64_t since = atomic_load(&part->waits_since_ns), now = shmht_monotonic_ns();

	if (!since && (!storm->crew[i].pid || atomic_load(&part->ops) != ops))
		return false;
	if (!shown)
		return true;
	say(storm->outcome, "; worker %u (", i);
	if (storm->crew[i].pid)
		say(storm->outcome, "pid %d) ", (int)storm->crew[i].pid);
	else
		say(storm->outcome, "gone) ");
	if (storm->crew[i].sentenced)
		say(storm->outcome, "was killed");
	else if (since)
		say(storm->outcome, "waits %.2f s in %s of key %llu, told pid %d (%s)",
		    now > since ? (double)(now - since) * 1e-9 : 0.0,
		    op_names[atomic_load(&part->waits_kind) % OP_NR],
		    (unsigned long long)atomic_load(&part->waits_id), (int)part->told.pid,
		    state_name(part->told.state));
	else
		say(storm->outcome, "does not get on, and has not timed out yet");
	return true;
}

void watch_dump(struct storm *storm, const char *why)
{
	struct torture_outcome *outcome = storm->outcome;
	struct shmht_stripe_state state = { 0 };
	uint32_t k = stripe_to_show(storm, &state), procs = storm->params->procs, waiting = 0;
	uint64_t *ops = calloc(procs, sizeof(*ops));

	outcome->stuck[0] = '\0';
	say(outcome, "%s; %s %u: last acquired by pid %d (%s), %llu entries, under way: %s", why,
	    k == storm->params->stripes ? "pool" : "stripe", k, (int)state.holder.pid,
	    state_name(state.holder.state), (unsigned long long)state.count, state.under_way);
	for (uint32_t i = 0; ops && i < procs; i++)
		ops[i] = atomic_load(&storm->control->parts[i].ops);
	supervise_sleep(IDLE_NS);
	for (uint32_t i = 0; ops && i < procs; i++)
		waiting += say_waiter(storm, i, ops[i], waiting < WAITERS_SHOWN);
	if (waiting > WAITERS_SHOWN)
		say(outcome, "; %u more wait", waiting - WAITERS_SHOWN);
	free(ops);
}

/* Takes lock k and lets it go. 0, or -ETIMEDOUT: nobody will ever. */
static int try_lock(struct storm *storm, uint32_t k)
{
	struct shmht_holder holder;
	int dead = 0;

	shmht_ctx_set_timeout(storm->ctx, TRY_NS);
	for (int i = 0; i < TRIES_MAX && dead < DEAD_NAMED_STRANDS; i++) {
		int r = SHMHT_CALL(storm->ctx, lock, k);

		if (r != -ETIMEDOUT) {
			if (r == 0)
				((const struct shmht_ctx_head *)storm->ctx)
					->ops->unlock(storm->ctx, k);
			return r;
		}
		shmht_ctx_holder(storm->ctx, &holder);
		dead = holder.state == SHMHT_HOLDER_DEAD ? dead + 1 : 0;
	}
	return -ETIMEDOUT;
}

bool watch_stranded(struct storm *storm)
{
	/* The stripes, then the pool. */
	for (uint32_t k = 0; k <= storm->params->stripes; k++)
		if (try_lock(storm, k) == -ETIMEDOUT)
			return true;
	return false;
}

static int stranded(struct storm *storm, const char *why)
{
	watch_dump(storm, why);
	return 1;
}

int watch_tick(struct storm *storm)
{
	uint64_t now = shmht_monotonic_ns(), progress = 0, patience;

	patience = torture_patience_ns(storm->params);
	for (uint32_t i = 0; i < storm->params->procs; i++) {
		const struct torture_part *part = &storm->control->parts[i];
		uint64_t since = atomic_load(&part->waits_since_ns);

		progress += atomic_load(&part->ops);
		if (atomic_load(&part->stage) == STAGE_FAILED)
			return torture_give_up(storm, TRIAL_FAILED, "worker %u: %s", i,
					       part->error);
		if (part->errors) /* what follows from it is not news; collect() says it */
			return -1;
		/* It was woken late, or is stopped itself. */
		if (storm->crew[i].stopped_ns || storm->crew[i].sentenced)
			continue;
		if (atomic_load(&part->dead_named) >= DEAD_NAMED_STRANDS)
			return stranded(storm, "waits for a dead holder");
		if (since && now > since && now - since > patience)
			return stranded(storm, "one operation times out for ever");
	}
	if (progress != storm->progress) {
		storm->progress = progress;
		storm->progress_ns = now;
	} else if (now - storm->progress_ns > patience + storm->params->stop.down_ns) {
		return stranded(storm, "nobody gets on");
	}
	return 0;
}
