/* SPDX-License-Identifier: MIT */
/*
 * sysv: a System V semaphore for each lock, taken with SEM_UNDO. Every operation
 * enters the kernel twice, contended or not: the yardstick for what staying out of
 * it buys.
 *
 * One set serves a table: its stripes, the pool, and as the last one a count of
 * users. Identifiers outlive processes, and must not leak:
 * - every context adds 1 to the count, with SEM_UNDO: the kernel takes it back
 *   however a process ends. The first context makes the set, the last one
 *   removes it, and so does whoever gives up a map and finds no user. All
 *   this happens under an flock() of the table's memfd, on a description opened
 *   for it, which the death of a process unlocks too;
 * - when everybody is killed nobody is left to remove the set. So sets carry a
 *   key with a mark: making one removes those of this user that have had
 *   no user for a while.
 *
 * Manual: semop(2), semtimedop(2), sysvipc(7).
 * Fairness: order of arrival: the kernel takes the semaphore on behalf of the one
 * who has slept longest before it wakes him, so nobody barges in.
 * Dead holder: the kernel undoes the decrement; the next one finds the dead one's
 * thread id in `owner` and counts a recovery. A thread that ends while its
 * process goes on is not undone.
 * More workers than CPUs: waiters sleep, but every hand-over is a context switch.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sem.h>

#include "table.h"
#include "waiting.h"

#define KEY_MARK 0x53480000 /* the low half: any number that is free */
#define KEY_MASK 0xffff0000u
#define STALE_S 60
#define SEMS_MAX 32000u /* SEMMSL of the kernel, by default */

struct lock {
	shm_half set;	/* identifier + 1; 0: none yet */
	shm_half owner; /* tid, 0 when free */
	shm_half holder;
	shm_half number; /* in the set */
};

union semun_arg {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static int lock_init(struct lock *l)
{
	st(&l->set, 0);
	st(&l->owner, 0);
	st(&l->holder, 0);
	st(&l->number, 0);
	return 0;
}

/* ---- the lock ---------------------------------------------------------- */

INLINE int sem_change(struct lock *l, short by, short flags, const struct timespec *timeout)
{
	struct sembuf op = { (unsigned short)ld(&l->number), by, (short)(flags | SEM_UNDO) };

	return semtimedop((int)ld(&l->set) - 1, &op, 1, timeout) ? -errno : 0;
}

INLINE void taken_by(struct lock *l, struct shmht_ctx *ctx)
{
	/* Acquire pairs with the release in lock_release(): the order that the
	 * kernel's own locks give anyway, said so that ThreadSanitizer knows. */
	if (unlikely(ld_acquire(&l->owner)))
		note_recovered(ctx, l);
	st(&l->owner, ctx->tid);
}

INLINE bool lock_try(struct lock *l, struct shmht_ctx *ctx)
{
	if (sem_change(l, -1, IPC_NOWAIT, NULL))
		return false;
	taken_by(l, ctx);
	return true;
}

static int lock_wait(struct lock *l, struct shmht_ctx *ctx, uint64_t start_ticks)
{
	struct timespec end = wait_deadline(ctx, start_ticks), left;
	int64_t ns;
	int r;

	/* A signal ends the call, not the wait. */
	do {
		ns = (int64_t)end.tv_sec * 1000000000 + end.tv_nsec - (int64_t)shmht_monotonic_ns();
		if (ns <= 0)
			return -ETIMEDOUT;
		left = (struct timespec){ ns / 1000000000, ns % 1000000000 };
		note_park(ctx, l);
		r = sem_change(l, -1, 0, &left);
	} while (r == -EINTR);
	if (r == -EAGAIN)
		return -ETIMEDOUT;
	if (r)
		return -EUCLEAN; /* no such set or number: not what we wrote */
	taken_by(l, ctx);
	return 0;
}

INLINE void lock_release(struct lock *l, struct shmht_ctx *ctx)
{
	int r;

	st_release(&l->owner, 0);
	/* The kernel need not sleep for this; a filter or tracer may answer for it. */
	do
		r = sem_change(l, 1, 0, NULL);
	while (unlikely(r == -EINTR));
	/* Ours until we end: who waits is told so. */
	if (unlikely(r))
		st(&l->owner, ctx->tid);
}

INLINE uint32_t lock_owner_tid(struct lock *l)
{
	return ld(&l->owner);
}

/* ---- the set's life ---------------------------------------------------- */

/* A lock among processes that dies with its holder. */
static int guard_open(const struct shmht *map)
{
	char path[40];
	int fd, r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", map->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX)) {
		if (errno != EINTR) {
			r = -errno;
			close(fd);
			return r;
		}
	}
	return fd;
}

static struct lock *lock_at(const struct shmht *map, uint32_t k)
{
	return (struct lock *)stripes_of(map)[k].lock;
}

static int users_change(int set, uint32_t nr_locks, short by)
{
	struct sembuf op = { (unsigned short)nr_locks, by, SEM_UNDO | IPC_NOWAIT };
	int r;

	do
		r = semop(set, &op, 1) ? -errno : 0;
	while (r == -EINTR);
	return r;
}

/* Of marked sets without a user, those that nobody can be about to enter. */
static void remove_stale(void)
{
	struct seminfo info;
	int last = semctl(0, 0, SEM_INFO, &info);
	time_t now = time(NULL);
	uid_t user = geteuid();

	for (int i = 0; i <= last; i++) {
		struct semid_ds ds;
		union semun_arg arg = { .buf = &ds };
		int set = semctl(i, 0, SEM_STAT, arg);

		if (set < 0 || ((uint32_t)ds.sem_perm.__key & KEY_MASK) != KEY_MARK ||
		    ds.sem_perm.uid != user || ds.sem_nsems < 3 || now - ds.sem_ctime < STALE_S ||
		    now - ds.sem_otime < STALE_S)
			continue;
		if (semctl(set, (int)ds.sem_nsems - 1, GETVAL) == 0)
			semctl(set, 0, IPC_RMID);
	}
}

static int set_create(uint32_t nr_locks, struct shmht_error *err)
{
	unsigned short *values = calloc(nr_locks + 1u, sizeof(*values));
	uint32_t key = (uint32_t)shmht_monotonic_ns();
	int set = -1, r = -ENOMEM;

	if (!values)
		return r;
	remove_stale();
	for (int tries = 0; set < 0 && tries < 65536; tries++, key++) {
		set = semget((key_t)(KEY_MARK | (key & ~KEY_MASK)), (int)nr_locks + 1,
			     IPC_CREAT | IPC_EXCL | 0600);
		r = set < 0 ? -errno : 0;
		if (r && r != -EEXIST)
			break;
	}
	for (uint32_t i = 0; i < nr_locks; i++)
		values[i] = 1;
	if (!r && semctl(set, 0, SETALL, (union semun_arg){ .array = values })) {
		r = -errno;
		semctl(set, 0, IPC_RMID);
	}
	free(values);
	if (r)
		error_set(err,
			  "strategy sysv cannot make a set of %u semaphores: %s; see `ipcs -ls` "
			  "for the limits and `ipcs -s` for what is in use",
			  nr_locks + 1, strerror(-r));
	return r ? r : set;
}

/* The first user of a set; without him nobody would remove it. */
static int join_new(int set, uint32_t nr_locks, struct shmht_error *err)
{
	int r = users_change(set, nr_locks, 1);

	if (r) {
		error_set(err, "strategy sysv: new semaphore set %d: %s", set, strerror(-r));
		semctl(set, 0, IPC_RMID);
	}
	return r;
}

static int ctx_enter(struct shmht_ctx *ctx, struct shmht_error *err)
{
	const struct shmht *map = ctx->map;
	uint32_t nr_locks = map->geo.stripes + 1;
	int guard, set, r;

	if (nr_locks >= SEMS_MAX) {
		error_set(err,
			  "strategy sysv has a semaphore per stripe, at most %u; stripes is %u",
			  SEMS_MAX - 2, map->geo.stripes);
		return -EINVAL;
	}
	guard = guard_open(map);
	if (guard < 0) {
		error_set(err, "strategy sysv cannot lock the table's descriptor: %s",
			  strerror(-guard));
		return guard;
	}
	set = (int)ld(&lock_at(map, 0)->set) - 1;
	r = set < 0 ? -EINVAL : users_change(set, nr_locks, 1);
	if (r == -EINVAL || r == -EIDRM || r == -EFBIG) {
		/* None yet, or its last user has gone: nobody holds a lock. */
		set = set_create(nr_locks, err);
		r = set < 0 ? set : join_new(set, nr_locks, err);
		for (uint32_t k = 0; !r && k < nr_locks; k++) {
			st(&lock_at(map, k)->number, k);
			st_release(&lock_at(map, k)->set, (uint32_t)set + 1);
		}
	} else if (r) {
		error_set(err, "strategy sysv: semaphore set %d: %s", set, strerror(-r));
	}
	close(guard);
	if (!r)
		ctx->kernel_object = set + 1;
	return r;
}

static void remove_unused(int set, uint32_t nr_locks)
{
	if (semctl(set, (int)nr_locks, GETVAL) == 0)
		semctl(set, 0, IPC_RMID);
}

static void ctx_leave(struct shmht_ctx *ctx)
{
	uint32_t nr_locks = ctx->map->geo.stripes + 1;
	int set = ctx->kernel_object - 1, guard;

	if (set < 0)
		return;
	guard = guard_open(ctx->map);
	users_change(set, nr_locks, -1);
	remove_unused(set, nr_locks);
	if (guard >= 0)
		close(guard);
}

/* After users that were killed. */
static void map_leave(struct shmht *map)
{
	int guard = guard_open(map), set = (int)ld(&lock_at(map, 0)->set) - 1;

	/* After a reopen the slots are another strategy's, and no context was open. */
	if (set >= 0 && ld(&header_of(map)->generation) == map->generation)
		remove_unused(set, map->geo.stripes + 1);
	if (guard >= 0)
		close(guard);
}

#define LOCK_CTX_ENTER ctx_enter
#define LOCK_CTX_LEAVE ctx_leave
#define LOCK_MAP_LEAVE map_leave
#define LOCK_HAS_OWNER_TID
#define LOCK_NAME "sysv"
#define LOCK_SUMMARY "System V semaphore with SEM_UNDO: two system calls per operation"
#define LOCK_PAPER "semop(2), sysvipc(7)"
#define LOCK_FAIRNESS "fair: the kernel hands over in order of arrival"
#define LOCK_DEAD_HOLDER "recovers: the kernel undoes it"
#define LOCK_OVERSUBSCRIBED "bad: switches at each turn"
#define LOCK_CAPS \
	(SHMHT_CAP_PARKS | SHMHT_CAP_FAIR | SHMHT_CAP_RECOVERS | SHMHT_CAP_KERNEL_RECOVERS)
#define LOCK_SYMBOL shmht_strategy_sysv
#include "table_body.inc.h"
