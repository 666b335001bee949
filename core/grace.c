/* SPDX-License-Identifier: MIT */
/*
 * Grace periods: rcu's own (rcu.c), or the caller's (read = urcu), who brings what
 * protects the threads of his process. The yardstick for the former: one search
 * body, one limbo, another protection.
 *
 * Such an object sees the readers of its own process only, so contexts that rely
 * on another one are refused. Each writes into its slot what it relies on, and then
 * looks at all others; of two that come at the same moment at least one sees
 * the other.
 *
 * Quiescent-state-based objects wait for a thread until it says that it uses nothing.
 * A grace period is waited for under a stripe's lock, and whoever waits for that lock
 * says nothing meanwhile: each would wait for the other. So who has to wait for a
 * lock rests first. Sections take no locks, hence no pointer is lost by it.
 */
#include <errno.h>
#include <unistd.h>

#include "waiting.h"

int grace_check(enum shmht_read read, const struct shmht_grace *grace, struct shmht_error *err)
{
	if (read != SHMHT_READ_URCU)
		return 0;
	if (!grace) {
		error_set(err,
			  "read = urcu, and no grace was given; pass the struct shmht_grace of "
			  "this process, or use read = rcu, which needs none");
		return -EINVAL;
	}
	if (!grace->enter || !grace->leave || !grace->read_begin || !grace->read_end ||
	    !grace->start || !grace->wait) {
		error_set(err,
			  "grace '%.32s' lacks a function; only quiescent and rest are optional",
			  grace->name ? grace->name : "(no name)");
		return -EINVAL;
	}
	return 0;
}

static int check_others(struct shmht_ctx *ctx, struct shmht_error *err)
{
	struct shm_slot *slots = slots_of(ctx->map);
	uint64_t object = (uint64_t)(uintptr_t)ctx->map->grace;

	for (uint32_t i = 0; i < ctx->map->geo.max_workers; i++) {
		/* 0: nobody, or somebody who will look after us. */
		uint64_t pid = atomic_load(&slots[i].grace_pid);
		uint32_t tid = life_tid(atomic_load(&slots[i].life));

		if (slots + i == ctx->slot || !pid || !tid ||
		    thread_state((pid_t)tid, ld_acquire(&slots[i].start_time)) == SHMHT_HOLDER_DEAD)
			continue;
		if (pid != (uint64_t)getpid())
			error_set(err,
				  "read = urcu is for threads of one process: process %llu has a "
				  "context, this is process %d; use read = rcu between processes",
				  (unsigned long long)pid, (int)getpid());
		else if (ld(&slots[i].grace_object) != object)
			error_set(err, "a context that relies on another grace is alive in this "
				       "process; give all maps of a table the same one");
		else
			continue;
		return -EXDEV;
	}
	return 0;
}

int grace_ctx_open(struct shmht_ctx *ctx, struct shmht_error *err)
{
	int r;

	st(&ctx->slot->grace_object, (uint64_t)(uintptr_t)ctx->map->grace);
	/* Sequentially consistent, as the loads in check_others() are. */
	atomic_store(&ctx->slot->grace_pid, (uint64_t)getpid());
	r = check_others(ctx, err);
	if (r) {
		atomic_store(&ctx->slot->grace_pid, 0);
		return r;
	}
	ctx->head.grace = ctx->map->grace;
	ctx->announces = ctx->head.grace->quiescent || ctx->head.grace->rest;
	ctx->leaves_late = ctx->announces;
	ctx->head.grace->enter();
	return 0;
}

void grace_ctx_close(struct shmht_ctx *ctx)
{
	if (!ctx->head.grace)
		return;
	if (ctx->head.depth)
		ctx->head.grace->read_end();
	ctx->head.grace->leave();
	atomic_store(&ctx->slot->grace_pid, 0);
}

int grace_start(struct shmht_ctx *ctx, uint64_t *ret_started)
{
	if (ctx->read == SHMHT_READ_RCU)
		return rcu_epoch_advance(ctx, ret_started);
	*ret_started = ctx->head.grace->start();
	return 0;
}

int grace_wait(struct shmht_ctx *ctx, uint64_t started)
{
	uint64_t start;

	if (ctx->read == SHMHT_READ_RCU)
		return rcu_epoch_wait(ctx, started, true);
	start = shmht_ticks();
	if (ctx->head.grace->wait(started))
		ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() -
										  start;
	return 0;
}

void grace_quiescent(struct shmht_ctx *ctx)
{
	if (ctx->head.grace->quiescent)
		ctx->head.grace->quiescent();
}

void grace_rest(struct shmht_ctx *ctx)
{
	if (ctx->head.grace->rest)
		ctx->head.grace->rest();
}

void shmht_ctx_rest(struct shmht_ctx *ctx)
{
	if (ctx->head.grace && !ctx->head.depth)
		grace_rest(ctx);
}
