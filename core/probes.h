/* SPDX-License-Identifier: MIT */
/*
 * USDT probes: what a tracer can hang itself on, a nop where none does. Provider
 * `shmht`; each has the lock's address and that of stripe 0's lock, so that a script
 * knows the stripe: (arg0 - arg1) / 256. Where <sys/sdt.h> is missing there are none.
 *
 * acquire    the lock is held                     counted by stats.acquired
 * contended  the first try failed, a wait begins  stats.contended; a reader that waits
 *            for a bucket has its stripe's lock, one for a grace period a null pointer
 * park, wake before a wait in the kernel, before a wake-up call; stats.parks, .wakes
 * release    the lock is about to be given back. Where somebody died there are more of
 *            these: a look that found the stripe broken is no acquire yet
 * recover    the holder had died: the lock is ours  stats.recovered
 *
 * Without arguments, places where `shmbench torture` kills (kill = WHO:COUNT@PLACE):
 *
 * enter      a lock is about to be tried
 * fill       a change is noted, its cell is about to be filled
 * commit     all is prepared, the store that commits comes next
 * committed  that store is done, nothing else is
 * repair     what a dead holder had begun is finished or undone, and still noted
 * attach     a context has its slot, and nothing else yet
 *
 * Manual: the systemtap wiki's UserSpaceProbeImplementation; bpftrace(8), usdt.
 */
#ifndef SHMHT_PROBES_H
#define SHMHT_PROBES_H

#include "layout.h"

_Static_assert(sizeof(struct shm_stripe) == 256, "what scripts/perf/*.bt divide by");

#if !defined(SHMHT_NO_PROBES) && defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE(name, lock, ctx) DTRACE_PROBE2(shmht, name, lock, (ctx)->stripes)
#define PLACE(name) DTRACE_PROBE(shmht, name)
#endif
#endif

#ifndef PROBE
#define PROBE(name, lock, ctx) ((void)(lock), (void)(ctx))
#define PLACE(name) ((void)0)
#endif

#endif
