/* SPDX-License-Identifier: MIT */
/*
 * mutex: pthread mutex, PTHREAD_PROCESS_SHARED, normal type: the yardstick that
 * most programs would reach for.
 *
 * Manual: pthread_mutexattr_setpshared(3), pthread_mutex_clocklock(3).
 * Fairness: none; running threads barge in.
 * Dead holder: stays locked; waiters time out for ever.
 * More workers than CPUs: waiters sleep.
 */
#include "table.h"
#include "waiting.h"

#define MUTEX_TYPE PTHREAD_MUTEX_NORMAL
#include "strategy/mutex_lock.inc.h"

#define LOCK_NAME "mutex"
#define LOCK_SUMMARY "pthread mutex, process-shared: the yardstick"
#define LOCK_PAPER "pthread_mutexattr_setpshared(3), POSIX.1-2017"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "strands 100% (98..100)"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS SHMHT_CAP_PARKS
#define LOCK_SYMBOL shmht_strategy_mutex
#include "table_body.inc.h"
