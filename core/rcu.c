/* SPDX-License-Identifier: MIT */
/*
 * Read sections and grace periods between processes. liburcu's domains end at
 * the process; this one lives in the region: an epoch in the header, and one
 * word per context that holds the epoch its section began in (0: in none).
 *
 *	a section	word = epoch; loads ...; word = 0
 *	a writer	unlink; epoch += 1; barrier; look at all words
 *
 * A word of 0, or of an epoch from after the increment, belongs to a reader that
 * sees the unlinking. Epochs never wrap, so one look suffices where a phase bit
 * would need two. Papers: M. Desnoyers, P. McKenney, A. Stern, M. Dagenais, J.
 * Walpole, "User-Level Implementations of Read-Copy Update", IEEE TPDS 2012;
 * K. Fraser, "Practical lock-freedom", 2004, section 5.2.3 (epochs).
 *
 * The reader's store must come before its loads. A fence there would cost more
 * than all else in a section, so the writer pays: membarrier(2), the global
 * expedited command, which reaches every process that has registered. Where the
 * table's creator has none, the readers fence (header: rcu_fence).
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waiting.h"

/* A grace period that takes this long has a reader that is asleep, stopped or
 * dead: then, and each time it has doubled, somebody looks. */
#define STALL_NS 1000000u

static int membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0) < 0 ? -errno : 0;
}

bool rcu_membarrier_usable(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	return commands > 0 && commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED &&
	       commands & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
}

int rcu_ctx_open(struct shmht_ctx *ctx, struct shmht_error *err)
{
	struct shm_header *header = header_of(ctx->map);
	int r;

	ctx->head.fence = ld(&header->rcu_fence) != 0;
	if (!ctx->head.fence) {
		r = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
		if (r) {
			error_set(
				err,
				"the table's readers rely on membarrier(2), which its creator had "
				"and this process is refused: %s; allow the call",
				strerror(-r));
			return -ENOSYS;
		}
	}
	ctx->head.reader = (uint64_t *)(uintptr_t)&ctx->slot->reader[0];
	ctx->head.epoch = (const uint64_t *)(uintptr_t)&header->rcu_epoch;
	return 0;
}

int rcu_epoch_advance(struct shmht_ctx *ctx, uint64_t *ret_epoch)
{
	struct shm_header *header = header_of(ctx->map);
	/* Release, among others: who reads the new epoch sees what was unlinked. */
	uint64_t epoch = atomic_fetch_add(&header->rcu_epoch, 1) + 1;

	/* Between the unlinking and the look at the readers' words. */
	if (ctx->head.fence) {
		__sync_synchronize();
	} else {
		int r = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);

		if (unlikely(r))
			return r; /* filtered since: then nothing may be reused */
	}
	*ret_epoch = epoch;
	return 0;
}

/* The first slot from *idx on whose reader is in a section from before `epoch`. */
static bool find_blocker(struct shmht_ctx *ctx, uint64_t epoch, uint32_t *idx, uint64_t *ret_seen)
{
	struct shm_slot *slots = slots_of(ctx->map);
	uint32_t end = slots_ever(ctx->map);

	for (; *idx < end; ++*idx) {
		/* Acquire pairs with the releases in shmht_read_begin() and _end(): all
		 * that was read in earlier sections was read before. */
		*ret_seen = ld_acquire(&slots[*idx].reader[0]);
		if (*ret_seen && *ret_seen < epoch)
			return true;
	}
	return false;
}

/*
 * True when the section's owner is gone. The word is taken from it only as it
 * was seen: a successor in the slot clears the word itself, and can never put
 * that value there, because the epoch has passed it.
 */
static bool bury(struct shm_slot *slot, uint64_t seen)
{
	uint32_t tid = life_tid(atomic_load(&slot->life));

	if (tid && thread_state((pid_t)tid, ld_acquire(&slot->start_time)) != SHMHT_HOLDER_DEAD)
		return false;
	atomic_compare_exchange_strong(&slot->reader[0], &seen, 0);
	return true;
}

static int stalled(struct shmht_ctx *ctx, uint32_t idx)
{
	ctx->stats.timeouts++;
	ctx->holder_seen = holder_make(idx, atomic_load(&slots_of(ctx->map)[idx].generation));
	ctx->holder_tid = 0;
	return -ETIMEDOUT;
}

static int wait_for(struct shmht_ctx *ctx, uint64_t epoch, uint32_t idx, uint64_t seen)
{
	struct shm_slot *slots = slots_of(ctx->map);
	uint64_t start = shmht_ticks(), passed = 0;
	uint64_t look = wait_ticks(STALL_NS);
	int r = 0;

	PROBE(contended, NULL, ctx);
	for (unsigned int n = 0; find_blocker(ctx, epoch, &idx, &seen); n++) {
		ctx->stats.spins++;
		passed = shmht_ticks() - start;
		if (passed >= look || passed >= ctx->timeout_ticks) {
			if (bury(slots + idx, seen))
				continue;
			look *= 2;
		}
		if (passed >= ctx->timeout_ticks) {
			r = stalled(ctx, idx);
			break;
		}
		if (n < 64) {
			shmht_pause();
		} else if (passed < look) {
			sched_yield();
		} else {
			struct timespec nap = { .tv_nsec = STALL_NS / 10 };

			clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		}
	}
	ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() - start;
	return r;
}

int rcu_epoch_wait(struct shmht_ctx *ctx, uint64_t epoch, bool may_wait)
{
	uint64_t seen;
	uint32_t idx = 0;

#ifdef SHMHT_MUTANT_NO_GRACE
	return 0; /* a test's negative control: see core.ninja */
#endif
	if (likely(!find_blocker(ctx, epoch, &idx, &seen)))
		return 0;
	return may_wait ? wait_for(ctx, epoch, idx, seen) : -EBUSY;
}
