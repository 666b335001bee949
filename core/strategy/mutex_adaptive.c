/* SPDX-License-Identifier: MIT */
/*
 * mutex-adaptive: pthread mutex of glibc's adaptive type: spins for up to about
 * a hundred looks (glibc.pthread.mutex_spin_count), guided by what earlier
 * waits took, then sleeps. What hybrid is to be compared with.
 *
 * Manual: pthread_mutexattr_settype(3), glibc manual, POSIX Thread Tunables.
 * Its pthread_mutex_clocklock() spins as pthread_mutex_lock() does.
 * Fairness: none; running threads barge in.
 * Dead holder: stays locked; waiters time out for ever.
 * More workers than CPUs: waiters sleep after a short spin.
 */
#include "table.h"
#include "waiting.h"

#define MUTEX_TYPE PTHREAD_MUTEX_ADAPTIVE_NP
#include "strategy/mutex_lock.inc.h"

#define LOCK_NAME "mutex-adaptive"
#define LOCK_SUMMARY "pthread mutex, adaptive: glibc's spin, then park"
#define LOCK_PAPER "pthread_mutexattr_settype(3); glibc manual, tunables"
#define LOCK_FAIRNESS "unfair: running threads barge in"
#define LOCK_DEAD_HOLDER "strands 100% (98..100)"
#define LOCK_OVERSUBSCRIBED "good: spins briefly"
#define LOCK_CAPS (SHMHT_CAP_SPINS | SHMHT_CAP_PARKS)
#define LOCK_SYMBOL shmht_strategy_mutex_adaptive
#include "table_body.inc.h"
