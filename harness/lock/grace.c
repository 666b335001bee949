/* SPDX-License-Identifier: MIT */
/*
 * liburcu (Desnoyers et al., IEEE TPDS 23(2), 2012) as grace objects: memb, whose
 * writers order readers by membarrier(2), and qsbr, whose readers do nothing but say
 * now and then that they use nothing. Here they say so after each section and each
 * change, which costs a load and a compare while no grace period runs.
 *
 * A grace period is waited for by the writer who needs it. call_rcu() would not hold
 * him up, but its thread takes the workers' CPUs and sleeps 10 ms between batches, which
 * is longer than a stripe's limbo lasts.
 */
#include "lock/grace.h"

#include "targets.h"

#ifdef HAVE_URCU

#include <stdatomic.h>
#include <stddef.h>

/* Read sections inline, as for everyone whose licence agrees with the LGPL; but by
 * calls where ThreadSanitizer would see one half of liburcu's own synchronisation. */
#ifndef __SANITIZE_THREAD__
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

/*
 * liburcu is not instrumented: to ThreadSanitizer its sections order nothing. This
 * says what they promise, that a section that a grace period waited for happened before
 * its end; a wait that returns too early is still seen, as the section's later loads
 * are not covered.
 */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
/* Nothing else's: an atomic's address would order more than grace periods do. */
static char memb_sections, qsbr_sections;
#define SECTION_ENDED(flavour) __tsan_release(&flavour##_sections)
#define SECTIONS_SEEN(flavour) __tsan_acquire(&flavour##_sections)
#else
#define SECTION_ENDED(flavour) ((void)0)
#define SECTIONS_SEEN(flavour) ((void)0)
#endif

/*
 * Numbers of grace periods, so that one serves all who began to wait before it did:
 * what started at n is over when one that began as the n-th or later is. begun is
 * counted before the grace period begins; sequentially consistent, as is done.
 */
struct periods {
	_Atomic uint64_t begun, done;
};

static uint64_t period_next(struct periods *periods)
{
	return atomic_load(&periods->begun) + 1;
}

static bool period_over(struct periods *periods, uint64_t number)
{
	return atomic_load(&periods->done) >= number;
}

static void period_end(struct periods *periods, uint64_t number)
{
	uint64_t done = atomic_load(&periods->done);

	while (done < number && !atomic_compare_exchange_weak(&periods->done, &done, number))
		;
}

/* Contexts of this thread: liburcu wants each thread registered once. */
static _Thread_local unsigned int memb_users, qsbr_users;

#define GRACE_WAIT(flavour)                                                               \
	static struct periods flavour##_periods;                                          \
	static uint64_t flavour##_start(void)                                             \
	{                                                                                 \
		return period_next(&flavour##_periods);                                   \
	}                                                                                 \
	static bool flavour##_wait(uint64_t started)                                      \
	{                                                                                 \
		bool over = period_over(&flavour##_periods, started);                     \
                                                                                          \
		if (!over) {                                                              \
			uint64_t own = atomic_fetch_add(&flavour##_periods.begun, 1) + 1; \
                                                                                          \
			urcu_##flavour##_synchronize_rcu();                               \
			SECTIONS_SEEN(flavour);                                           \
			period_end(&flavour##_periods, own);                              \
		}                                                                         \
		return !over;                                                             \
	}
GRACE_WAIT(memb)
GRACE_WAIT(qsbr)

static void memb_enter(void)
{
	if (!memb_users++)
		urcu_memb_register_thread();
}

static void memb_leave(void)
{
	if (!--memb_users)
		urcu_memb_unregister_thread();
}

static void memb_begin(void)
{
	urcu_memb_read_lock();
}

static void memb_end(void)
{
	SECTION_ENDED(memb);
	urcu_memb_read_unlock();
}

/* Registered threads are online: waited for until they say something. */
static void qsbr_enter(void)
{
	if (qsbr_users++)
		return;
	urcu_qsbr_register_thread();
	urcu_qsbr_thread_offline();
}

static void qsbr_leave(void)
{
	if (!--qsbr_users)
		urcu_qsbr_unregister_thread();
}

static void qsbr_begin(void)
{
	if (__builtin_expect(!urcu_qsbr_read_ongoing(), 0))
		urcu_qsbr_thread_online();
}

static void qsbr_end(void)
{
	SECTION_ENDED(qsbr);
	urcu_qsbr_quiescent_state();
}

/* Offline it stays: to say that it is quiescent would bring it back online. */
static void qsbr_quiescent(void)
{
	if (urcu_qsbr_read_ongoing())
		urcu_qsbr_quiescent_state();
}

static void qsbr_rest(void)
{
	if (urcu_qsbr_read_ongoing())
		urcu_qsbr_thread_offline();
}

static const struct shmht_grace grace_memb = {
	.name = "urcu-memb",
	.enter = memb_enter,
	.leave = memb_leave,
	.read_begin = memb_begin,
	.read_end = memb_end,
	.start = memb_start,
	.wait = memb_wait,
};

static const struct shmht_grace grace_qsbr = {
	.name = "urcu-qsbr",
	.enter = qsbr_enter,
	.leave = qsbr_leave,
	.read_begin = qsbr_begin,
	.read_end = qsbr_end,
	.start = qsbr_start,
	.wait = qsbr_wait,
	.quiescent = qsbr_quiescent,
	.rest = qsbr_rest,
};

const struct shmht_grace *grace_of(enum shmht_read read)
{
	return read == SHMHT_READ_URCU ? &grace_memb : read == READ_URCU_QSBR ? &grace_qsbr : NULL;
}

const char *grace_missing(enum shmht_read read)
{
	(void)read;
	return NULL;
}

#else

#include <stddef.h>

const struct shmht_grace *grace_of(enum shmht_read read)
{
	(void)read;
	return NULL;
}

const char *grace_missing(enum shmht_read read)
{
	return read_is_urcu(read) ? WHY_NO_URCU : NULL;
}

#endif
