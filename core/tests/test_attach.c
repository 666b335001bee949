/* SPDX-License-Identifier: MIT */
/*
 * Sharing by descriptor: two mappings at different addresses see one table,
 * whoever is attached survives a destroy, and the region cannot be resized.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

static uint64_t own_hash(const void *key, size_t len, uint64_t seed)
{
	const unsigned char *bytes = key;
	uint64_t h = seed;

	for (size_t i = 0; i < len; i++)
		h = h * 31 + bytes[i];
	return h;
}

static void two_addresses(const struct shmht_strategy *strategy)
{
	bool alone = strategy->caps & SHMHT_CAP_ONE_WORKER;
	struct table t = table_small(strategy, 1000);
	struct shmht *other = table_attach(shmht_fd(t.map));
	struct shmht_ctx *ctx;
	struct shmht_info a, b;

	assert_int_equal(count_mappings(), 2); /* really two, so two addresses */
	assert_int_not_equal(shmht_fd(other), shmht_fd(t.map));
	assert_rc(put_number(t.ctx, 1), 0);
	if (alone) {
		shmht_ctx_close(t.ctx);
		ctx = context_open(other);
		assert_true(has_number(ctx, 1));
		assert_rc(put_number(ctx, 2), 0);
		shmht_ctx_close(ctx);
		t.ctx = context_open(t.map);
	} else {
		ctx = context_open(other);
		assert_true(has_number(ctx, 1));
		for (uint64_t k = 2; k < 1000; k++)
			assert_rc(put_number(k & 1 ? ctx : t.ctx, k), 0);
		for (uint64_t k = 2; k < 1000; k++)
			assert_true(has_number(k & 1 ? t.ctx : ctx, k));
		assert_count(ctx, 999);
		assert_sound(ctx);
		shmht_ctx_close(ctx);
	}
	assert_true(has_number(t.ctx, 2));
	shmht_info(t.map, &a);
	shmht_info(other, &b);
	assert_int_equal(a.capacity, b.capacity);
	assert_int_equal(a.region_bytes, b.region_bytes);
	assert_int_equal(a.max_workers, b.max_workers);
	assert_string_equal(a.strategy, b.strategy);
	shmht_detach(other);
	table_close(&t);
}

static void what_is_asked_for(const struct shmht_strategy *strategy)
{
	struct shmht_attach_options opt = { .strategy = strategy->name,
					    .read = (int)test_read,
					    .hash = own_hash,
					    .flags = SHMHT_ATTACH_VERIFY };
	struct shmht_config cfg = small_config(strategy, 100);
	struct shmht *map, *other;
	struct shmht_ctx *ctx;

	cfg.hash = own_hash;
	cfg.hash_seed = 99;
	map = table_create(&cfg);
	assert_rc(shmht_attach(shmht_fd(map), &opt, &other, NULL), 0);
	ctx = context_open(other);
	assert_rc(put_number(ctx, 5), 0);
	shmht_ctx_close(ctx);
	ctx = context_open(map);
	assert_true(has_number(ctx, 5));
	shmht_ctx_close(ctx);
	shmht_detach(other);
	shmht_destroy(map);
}

static void descriptors_of_ones_own(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	unsigned int fds = count_descriptors(), maps = count_mappings();
	struct shmht *map = table_create(&cfg), *other;
	struct shmht_ctx *ctx;
	int fd = dup(shmht_fd(map));

	assert_true(fd >= 0);
	other = table_attach(fd);
	assert_true(fcntl(shmht_fd(other), F_GETFD) & FD_CLOEXEC);
	close(fd); /* the caller's: attach keeps its own */
	shmht_detach(map);
	map = table_attach(shmht_fd(other));
	ctx = context_open(map);
	assert_rc(put_number(ctx, 1), 0);
	shmht_ctx_close(ctx);
	shmht_detach(map);
	shmht_detach(other);
	assert_int_equal(count_descriptors(), fds);
	assert_int_equal(count_mappings(), maps);
}

/* Seed fault 12: destroy left others with mappings that dangled. */
static void survives_destroy(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 1000);
	struct shmht *map = table_create(&cfg), *other = table_attach(shmht_fd(map)), *late;
	struct shmht_ctx *ctx = context_open(other);
	struct shmht_error err = { "" };

	assert_rc(put_number(ctx, 1), 0);
	shmht_destroy(map);
	assert_true(has_number(ctx, 1));
	for (uint64_t k = 2; k <= 1000; k++)
		assert_rc(put_number(ctx, k), 0);
	shmht_ctx_close(ctx);
	ctx = context_open(other); /* an attached process goes on in full */
	assert_count(ctx, 1000);
	assert_sound(ctx);
	assert_rc(shmht_attach(shmht_fd(other), NULL, &late, &err), -ESTALE);
	assert_says(&err, "destroyed");
	shmht_ctx_close(ctx);
	shmht_detach(other);
}

static void cannot_be_resized(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 1000);
	int fd = shmht_fd(t.map), seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct shmht_info info;

	shmht_info(t.map, &info);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	errno = 0;
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, (off_t)info.region_bytes + 4096), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)info.region_bytes);
	assert_rc(put_number(t.ctx, 1), 0);
	table_close(&t);
}

/* ---- another process, which has nothing but the descriptor --------------- */

struct child_arg {
	int socket;
};

static int receive_fd(int sock)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !(cmsg = CMSG_FIRSTHDR(&msg)))
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static int send_fd(int sock, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .room = { 0 } };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int attach_received(void *arg)
{
	struct child_arg *a = arg;
	int fd = receive_fd(a->socket);
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (fd < 0 || shmht_attach(fd, NULL, &map, NULL))
		return 1;
	if (shmht_ctx_open(map, &ctx, NULL))
		return 2;
	for (uint64_t k = 0; k < 500; k++)
		if (put_number(ctx, k) != (k < 10 ? -EEXIST : 0))
			return 3;
	shmht_ctx_close(ctx);
	shmht_detach(map);
	return 0;
}

/* The child is forked before there is a table: it inherits nothing of it. */
static void by_socket(const struct shmht_strategy *strategy)
{
	struct child_arg arg;
	struct table t;
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	arg.socket = pair[1];
	pid = child_start(attach_received, &arg);
	t = table_small(strategy, 500);
	for (uint64_t k = 0; k < 10; k++)
		assert_rc(put_number(t.ctx, k), 0);
	if (strategy->caps & SHMHT_CAP_ONE_WORKER)
		shmht_ctx_close(t.ctx);
	assert_int_equal(send_fd(pair[0], shmht_fd(t.map)), 0);
	assert_int_equal(child_wait(pid), 0);
	if (strategy->caps & SHMHT_CAP_ONE_WORKER)
		t.ctx = context_open(t.map);
	assert_count(t.ctx, 500);
	for (uint64_t k = 0; k < 500; k++)
		assert_true(has_number(t.ctx, k));
	close(pair[0]);
	close(pair[1]);
	table_close(&t);
}

/* `none` refuses whoever comes second, from another mapping too. */
static void one_worker_only(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct shmht *other = table_attach(shmht_fd(t.map));
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;

	if (strategy->caps & SHMHT_CAP_ONE_WORKER) {
		assert_rc(shmht_ctx_open(other, &ctx, &err), -EUSERS);
		assert_says(&err, strategy->name);
		assert_says(&err, "one context");
		shmht_ctx_close(t.ctx);
		t.ctx = context_open(other);
		assert_rc(shmht_ctx_open(t.map, &ctx, &err), -EUSERS);
	}
	shmht_ctx_close(t.ctx);
	shmht_detach(other);
	t.ctx = context_open(t.map);
	table_close(&t);
}

/* Seed fault 12: descriptor 0 is one like any other. */
static void descriptor_zero(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	int saved = dup(0);
	struct shmht *map, *other;

	close(0);
	map = table_create(&cfg);
	assert_int_equal(shmht_fd(map), 0);
	other = table_attach(0);
	shmht_detach(other);
	shmht_destroy(map);
	if (saved >= 0) {
		assert_int_equal(dup2(saved, 0), 0);
		close(saved);
	}
}

static void populate(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10000);

	assert_rc(put_number(t.ctx, 1), 0);
	assert_rc(shmht_populate(t.map), 0);
	assert_true(has_number(t.ctx, 1));
	table_close(&t);
}

/* Whatever the machine has: the table works, and says what it got and why. */
static void pages(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 20000);
	struct shmht_info info;

	for (int wish = SHMHT_PAGES_4K; wish <= SHMHT_PAGES_2M; wish++) {
		struct table t;
		struct shmht *other;

		cfg.pages = (enum shmht_pages)wish;
		t = table_open(&cfg);
		other = table_attach(shmht_fd(t.map));
		for (uint64_t k = 0; k < 20000; k++)
			assert_rc(put_number(t.ctx, k), 0);
		shmht_info(t.map, &info);
		assert_int_equal(info.pages_wanted, wish);
		assert_true(info.pages_had == info.pages_wanted || *info.pages_reason);
		assert_int_equal(info.region_bytes % (wish ? 2097152 : 4096), 0);
		assert_true(info.huge_bytes <= info.region_bytes);
		assert_true(wish != SHMHT_PAGES_4K || !info.huge_bytes);
		shmht_detach(other);
		table_close(&t);
	}
}

/* By a descriptor that cannot write, beside a context that does. */
static void observer(const struct shmht_strategy *strategy)
{
	static const struct shmht_attach_options observe = { .read = -1,
							     .flags = SHMHT_ATTACH_OBSERVE };
	struct table t = table_small(strategy, 100);
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx = NULL;
	struct shmht *map;
	char path[64];
	uint64_t before;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmht_fd(t.map));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_rc(shmht_attach(fd, NULL, &map, &err), -EACCES);
	assert_says(&err, "read-write");
	assert_rc(shmht_attach(fd, &observe, &map, &err), 0);
	close(fd);
	assert_rc(shmht_ctx_open(map, &ctx, &err), -EACCES);
	assert_null(ctx);
	assert_rc(shmht_observe(map, NULL, NULL), 0);
	before = shmht_fingerprint(map);
	assert_true(shmht_fingerprint(map) == before);
	assert_rc(put_number(t.ctx, 1), 0);
	assert_true(shmht_fingerprint(map) != before);
	assert_rc(shmht_observe(map, NULL, NULL), 0);
	shmht_destroy(map); /* not its to destroy */
	assert_rc(put_number(t.ctx, 2), 0);
	map = table_attach(shmht_fd(t.map));
	shmht_detach(map);
	table_close(&t);
}

static struct shmht_stripe_state stripe_seen(struct shmht *map, uint32_t k)
{
	struct shmht_stripe_state state = { .count = 0 };

	assert_rc(shmht_observe_stripe(map, k, &state), 0);
	return state;
}

/* Who is there, and who has a lock now: by the shared bytes alone. */
static void users_and_holders(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	const struct shmht_ops *ops = ((struct shmht_ctx_head *)t.ctx)->ops;
	struct shmht_stripe_state state;
	struct shmht_user user;
	struct shmht_info info;
	uint64_t count = 0;
	pid_t tid = (pid_t)syscall(SYS_gettid);

	shmht_info(t.map, &info);
	assert_rc(shmht_observe_user(t.map, 0, &user), 0);
	assert_int_equal(user.pid, getpid());
	assert_int_equal(user.tid, tid);
	assert_int_equal(user.state, SHMHT_HOLDER_RUNNING);
	assert_false(user.reading);
	assert_rc(shmht_observe_user(t.map, 1, &user), -ENOENT);
	assert_rc(shmht_observe_user(t.map, info.max_workers, &user), -EINVAL);
	assert_rc(shmht_observe_stripe(t.map, info.stripes + 1, &state), -EINVAL);

	assert_rc(put_number(t.ctx, 1), 0);
	assert_rc(shmht_observe_count(t.map, &count), 0);
	assert_int_equal(count, 1);
	state = stripe_seen(t.map, 0);
	assert_false(state.held);
	assert_rc(ops->lock(t.ctx, 0), 0);
	state = stripe_seen(t.map, 0);
	assert_int_equal(state.held, state.names_holder);
	if (state.held) {
		assert_int_equal(state.holder.tid, tid);
		assert_int_equal(state.holder.pid, getpid());
	}
	if (strategy->caps & SHMHT_CAP_RECOVERS)
		assert_true(state.held);
	ops->unlock(t.ctx, 0);
	assert_false(stripe_seen(t.map, 0).held);
	table_close(&t);
}

/* Every byte of the region lies somewhere, and in as much of it as there is. */
static void places(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	uint64_t words[6] = { 0 }, locks = 0;
	static const char *const parts[] = { "header", "slot", "stripe", "pool", "bucket", "cell" };
	struct shmht_place place;
	struct shmht_info info;

	shmht_info(t.map, &info);
	for (uint64_t offset = 0; offset < info.region_bytes; offset += 8) {
		assert_rc(shmht_observe_place(t.map, offset, &place), 0);
		for (size_t i = 0; i < 6; i++)
			words[i] += strcmp(place.part, parts[i]) == 0;
		locks += strcmp(place.part, "stripe") == 0 && strcmp(place.field, "lock") == 0;
	}
	assert_rc(shmht_observe_place(t.map, info.region_bytes, &place), -EINVAL);
	assert_rc(shmht_observe_place(t.map, UINT64_MAX, &place), -EINVAL);
	assert_int_equal(words[0], 4096 / 8);
	assert_int_equal(words[1], info.max_workers * 256 / 8);
	assert_int_equal(words[2], info.stripes * 256 / 8);
	assert_int_equal(words[3], 256 / 8);
	assert_int_equal(words[4], info.buckets * 64 / 8);
	assert_int_equal(words[5], info.cells * info.cell_bytes / 8);
	assert_int_equal(locks, info.stripes * 64 / 8);
	table_close(&t);
}

static const struct strategy_test tests[] = {
	{ "two mappings, one table", two_addresses, 0 },
	{ "attach with everything asked for", what_is_asked_for, 0 },
	{ "descriptors and mappings of one's own, none leaks", descriptors_of_ones_own, 0 },
	{ "the attached survive a destroy", survives_destroy, 0 },
	{ "sealed: cannot be resized", cannot_be_resized, 0 },
	{ "attach by a descriptor from a socket", by_socket, 0 },
	{ "one worker only, where the strategy says so", one_worker_only, 0 },
	{ "descriptor 0", descriptor_zero, TEST_ONCE },
	{ "observed read-only", observer, 0 },
	{ "users and holders, as who observes sees them", users_and_holders, 0 },
	{ "what lies where", places, TEST_ONCE },
	{ "populate", populate, TEST_ONCE },
	{ "pages: a wish, and an honest answer", pages, TEST_ONCE },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("attach", tests);
}
