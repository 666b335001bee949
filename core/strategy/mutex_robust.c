/* SPDX-License-Identifier: MIT */
/*
 * mutex-robust: pthread mutex that survives its holder: the thread registers a
 * list of held mutexes with the kernel, which marks them and wakes a waiter when
 * the thread dies. The price is two stores of list links per operation.
 *
 * Manual: pthread_mutexattr_setrobust(3); kernel documentation, robust-futexes.
 * Fairness: none; running threads barge in.
 * Dead holder: the next acquire gets EOWNERDEAD, makes the mutex consistent and
 * goes on; it is counted in `recovered`. A stopped one is never robbed.
 * More workers than CPUs: waiters sleep.
 */
#include "table.h"
#include "waiting.h"

#define MUTEX_TYPE PTHREAD_MUTEX_NORMAL
#define MUTEX_ROBUST
#include "strategy/mutex_lock.inc.h"

#define LOCK_NAME "mutex-robust"
#define LOCK_SUMMARY "pthread mutex, robust: the kernel hands on what the dead held"
#define LOCK_PAPER "pthread_mutexattr_setrobust(3); kernel, robust-futexes"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "recovers: next one is told"
#define LOCK_OVERSUBSCRIBED "good: who waits, sleeps"
#define LOCK_CAPS (SHMHT_CAP_PARKS | SHMHT_CAP_RECOVERS | SHMHT_CAP_KERNEL_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_mutex_robust
#include "table_body.inc.h"
