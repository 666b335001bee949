/* SPDX-License-Identifier: MIT */
/*
 * What attach, create and reopen refuse, and that they say what was found and
 * what was expected. Nothing that is refused leaks a descriptor or a mapping.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "support.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Refused by attach and by reopen alike unless `reopens`. */
static void refused_as(int fd, const struct shmht_strategy *strategy, int want, bool reopens,
		       const char *says, const char *says_too)
{
	unsigned int fds = count_descriptors(), maps = count_mappings();
	struct shmht *map = (struct shmht *)0x77;
	struct shmht_error err;

	memset(&err, 0x55, sizeof(err));
	assert_rc(shmht_attach(fd, NULL, &map, &err), want);
	assert_ptr_equal(map, (struct shmht *)0x77);
	assert_says(&err, says);
	assert_says(&err, says_too);
	assert_rc(shmht_attach(fd, NULL, &map, NULL), want);
	if (!reopens) {
		memset(&err, 0x55, sizeof(err));
		assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, &err), want);
		assert_says(&err, says);
		assert_says(&err, says_too);
	}
	assert_int_equal(count_descriptors(), fds);
	assert_int_equal(count_mappings(), maps);
}

#define HEADER_FIELD(name, size, wrong, is, reopens, ...)                           \
	{                                                                           \
#name, offsetof(struct shm_header, name), size, wrong, is, reopens, \
		{                                                                   \
			__VA_ARGS__                                                 \
		}                                                                   \
	}

/* The table: capacity 1000, 16-byte keys, 64-byte values, 1 stripe, 8 workers. */
static const struct wrong_field {
	const char *name;
	size_t off, size;
	uint64_t wrong;
	int want;
	bool reopens; /* a reopen need not mind */
	const char *says[2];
} wrong_fields[] = {
	HEADER_FIELD(magic, 8, 0x1234, -EPROTO, false, "0x0000000000001234", "0x31544848534d4853"),
	HEADER_FIELD(magic, 8, 0x53484d5348485431, -EPROTO, false, "magic", "0x31544848534d4853"),
	HEADER_FIELD(version, 4, 1, -EPROTO, false, "version is 1", "expected 3"),
	HEADER_FIELD(version, 4, 0, -EPROTO, false, "version is 0", "expected 3"),
	HEADER_FIELD(header_bytes, 4, 512, -EPROTO, false, "512", "4096"),
	HEADER_FIELD(layout_hash, 8, 0xabc, -EPROTO, false, "0x0000000000000abc", "expected 0x"),
	HEADER_FIELD(total_bytes, 8, 4096, -EPROTO, false, "is 4096", "expected 126976"),
	HEADER_FIELD(total_bytes, 8, UINT64_MAX, -EPROTO, false, "18446744073709551615", "126976"),
	HEADER_FIELD(capacity, 8, 5000, -EPROTO, false, "is 126976", "expected"),
	HEADER_FIELD(capacity, 8, 0, -EPROTO, false, "capacity is 0", "1 to"),
	HEADER_FIELD(capacity, 8, UINT64_MAX, -EPROTO, false, "18446744073709551615", "1 to"),
	HEADER_FIELD(capacity, 8, 1001, -EPROTO, false, "is ", "expected"),
	HEADER_FIELD(key_size, 4, 0, -EPROTO, false, "key_size is 0", "1 to 4095"),
	HEADER_FIELD(key_size, 4, 5000, -EPROTO, false, "key_size is 5000", "1 to 4095"),
	HEADER_FIELD(key_size, 4, 160, -EPROTO, false, "is 126976", "expected"),
	HEADER_FIELD(value_size, 4, UINT32_MAX, -EPROTO, false, "4294967295", "0 to 1048575"),
	HEADER_FIELD(value_size, 4, 640, -EPROTO, false, "is 126976", "expected"),
	HEADER_FIELD(stripes, 4, 0, -EPROTO, false, "stripes is 0", "at least 1"),
	HEADER_FIELD(stripes, 4, 3, -EPROTO, false, "stripes is 3", "power of two"),
	HEADER_FIELD(stripes, 4, 2, -EPROTO, false, "is ", "expected"),
	HEADER_FIELD(max_workers, 4, 0, -EPROTO, false, "max_workers is 0", "at least 1"),
	HEADER_FIELD(max_workers, 4, 9999, -EPROTO, false, "max_workers is 9999", "4096"),
	HEADER_FIELD(max_workers, 4, 9, -EPROTO, false, "is ", "expected"),
	HEADER_FIELD(pages, 4, 1, -EPROTO, false, "is 126976", "expected 2097152"),
	HEADER_FIELD(pages, 4, 77, -EPROTO, false, "pages is 77", "2 (2m)"),
	HEADER_FIELD(pid_namespace, 8, 1, -EPROTO, false, "pid_namespace is 1", "expected"),
	HEADER_FIELD(nr_buckets, 8, 249, -EPROTO, false, "is 249", "expected 256"),
	HEADER_FIELD(nr_cells, 8, 1u << 30, -EPROTO, false, "is 1073741824", "expected 1064"),
	HEADER_FIELD(slots_off, 8, 0, -EPROTO, false, "is 0", "expected 4096"),
	HEADER_FIELD(stripes_off, 8, 4096, -EPROTO, false, "is 4096", "expected 6144"),
	HEADER_FIELD(buckets_off, 8, UINT64_MAX, -EPROTO, false, "18446744073709551615", "6656"),
	HEADER_FIELD(cells_off, 8, 8, -EPROTO, false, "is 8", "expected 23040"),
	HEADER_FIELD(hash_seed, 8, 1, -EMEDIUMTYPE, true, "proof 0x", "gave 0x"),
	HEADER_FIELD(hash_proof, 8, 0x1717, -EMEDIUMTYPE, true, "0x0000000000001717", "proof 0x"),
	HEADER_FIELD(state, 8, 0, -EPROTO, false, "state is 0", "expected 1"),
	HEADER_FIELD(state, 8, 99, -EPROTO, false, "state is 99", "expected 1"),
	HEADER_FIELD(state, 8, 2, -EBUSY, true, "converted", "try again"),
	HEADER_FIELD(state, 8, 3, -ESTALE, false, "destroyed", "create a new"),
	HEADER_FIELD(read_mode, 8, 3, -EINVAL, true, "read = urcu", "no grace was given"),
	HEADER_FIELD(read_mode, 8, 4, -ENOSYS, true, "read mode is 4", "0 (locked)"),
	HEADER_FIELD(read_mode, 8, 1ull << 32, -ENOSYS, true, "read mode", "0 (locked)"),
	HEADER_FIELD(hash_keyed, 2, 1, -ENOKEY, true, "none was given", "hash_key"),
	HEADER_FIELD(hash_keyed, 2, 2, -EPROTO, true, "hash_keyed is 2", "0, 1"),
	HEADER_FIELD(robust, 8, 2, -EPROTO, false, "robust is 2", "0 (on)"),
	HEADER_FIELD(lock_hash, 8, 0x99, -EMEDIUMTYPE, true, "0x0000000000000099", "build has 0x"),
	HEADER_FIELD(strategy, 8, 0x73756767656265, -ENOSYS, true, "'ebeggus'", "not in this"),
	HEADER_FIELD(strategy, 8, 0, -ENOSYS, true, "''", "not in this"),
};

static void each_header_field(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 1000);
	int fd = shmht_fd(t.map);

	for (size_t i = 0; i < sizeof(wrong_fields) / sizeof(wrong_fields[0]); i++) {
		const struct wrong_field *f = &wrong_fields[i];
		uint64_t right = 0, wrong = f->wrong;
		struct shmht *map;

		assert_int_equal(pread(fd, &right, f->size, (off_t)f->off), f->size);
		assert_true(right != wrong);
		assert_int_equal(pwrite(fd, &wrong, f->size, (off_t)f->off), f->size);
		refused_as(fd, strategy, f->want, f->reopens, f->says[0], f->says[1]);
		assert_int_equal(pwrite(fd, &right, f->size, (off_t)f->off), f->size);
		map = table_attach(fd); /* that alone was wrong */
		shmht_detach(map);
	}
	assert_rc(put_number(t.ctx, 1), 0);
	table_close(&t);
}

/* A strategy's name that fills its field: nothing is read past it. */
static void name_without_end(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 1000);
	char name[SHMHT_NAME_MAX], right[SHMHT_NAME_MAX];
	int fd = shmht_fd(t.map);

	memset(name, 'x', sizeof(name));
	assert_int_equal(pread(fd, right, sizeof(right), 184), sizeof(right));
	assert_int_equal(pwrite(fd, name, sizeof(name), 184), sizeof(name));
	refused_as(fd, strategy, -ENOSYS, true, "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'", "not in");
	assert_int_equal(pwrite(fd, right, sizeof(right), 184), sizeof(right));
	table_close(&t);
}

/* ---- other things than a table ------------------------------------------- */

/* A memfd with these first bytes of a good table, of `size`, with `seals`. */
static int copy_of(const struct shmht *map, uint64_t size, int seals)
{
	int fd = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shmht_info info;
	char *bytes;

	assert_true(fd >= 0);
	shmht_info(map, &info);
	bytes = calloc(1, info.region_bytes);
	assert_non_null(bytes);
	assert_int_equal(pread(shmht_fd(map), bytes, info.region_bytes, 0), info.region_bytes);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (info.region_bytes < size)
		size = info.region_bytes;
	assert_int_equal(pwrite(fd, bytes, size, 0), size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	free(bytes);
	return fd;
}

static void sizes_and_seals(const struct shmht_strategy *strategy)
{
	static const struct {
		int64_t size; /* more than the region's */
		int seals, want;
		const char *says[2];
	} cases[] = {
		{ 0, 0, -EPROTO, { "seals 0x0", "0x7" } },
		{ 0, F_SEAL_SHRINK | F_SEAL_GROW, -EPROTO, { "seals 0x6", "0x7" } },
		{ 0, F_SEAL_SHRINK | F_SEAL_SEAL, -EPROTO, { "seals 0x3", "0x7" } },
		{ 0, F_SEAL_GROW | F_SEAL_SEAL, -EPROTO, { "seals 0x5", "0x7" } },
		{ 4096, SEALS, -EPROTO, { "is 126976", "expected 131072" } },
		{ -4096, SEALS, -EPROTO, { "is 126976", "expected 122880" } },
		{ 1, SEALS, -EPROTO, { "is 126976", "expected 126977" } },
		{ 4096 - 126976, SEALS, -EPROTO, { "is 126976", "expected 4096" } },
		{ 4095 - 126976, SEALS, -EPROTO, { "4095 bytes", "4096" } },
		{ 100 - 126976, SEALS, -EPROTO, { "100 bytes", "4096" } },
		{ 0 - 126976, SEALS, -EPROTO, { "0 bytes", "4096" } },
	};
	struct table t = table_small(strategy, 1000);
	struct shmht *map;
	int fd;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = copy_of(t.map, (uint64_t)(126976 + cases[i].size), cases[i].seals);
		refused_as(fd, strategy, cases[i].want, false, cases[i].says[0], cases[i].says[1]);
		close(fd);
	}
	fd = copy_of(t.map, 126976, SEALS); /* the copy itself is good */
	map = table_attach(fd);
	shmht_detach(map);
	close(fd);
	table_close(&t);
}

static void not_a_memfd(const struct shmht_strategy *strategy)
{
	FILE *file = tmpfile();
	int pipes[2], fd;

	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), 1 << 20), 0);
	refused_as(fileno(file), strategy, -EPROTO, false, "seals", "expected");
	fclose(file);
	assert_int_equal(pipe(pipes), 0);
	refused_as(pipes[0], strategy, -EPROTO, false, "file type", "memfd");
	refused_as(pipes[1], strategy, -EPROTO, false, "file type", "memfd");
	close(pipes[0]);
	close(pipes[1]);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	refused_as(fd, strategy, -EPROTO, false, "file type", "memfd");
	close(fd);
	refused_as(fd, strategy, -EBADF, false, "descriptor", "");
	refused_as(-1, strategy, -EBADF, false, "descriptor -1", "");
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	refused_as(fd, strategy, -EPROTO, false, "file type", "memfd");
	close(fd);
}

static void read_only(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmht_fd(t.map));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	refused_as(fd, strategy, -EACCES, false, "read-write", "");
	close(fd);
	table_close(&t);
}

/* ---- what the caller asked for ------------------------------------------- */

static uint64_t hash_a(const void *key, size_t len, uint64_t seed)
{
	return ((const unsigned char *)key)[len - 1] + seed;
}

/* Alike but for keys of one length. */
static uint64_t hash_b(const void *key, size_t len, uint64_t seed)
{
	return hash_a(key, len, seed) + (len == 13);
}

static void asked_for(int fd, const struct shmht_attach_options *opt, const char *says,
		      const char *says_too)
{
	unsigned int fds = count_descriptors(), maps = count_mappings();
	struct shmht *map = (struct shmht *)0x77;
	struct shmht_error err;

	memset(&err, 0x55, sizeof(err));
	assert_rc(shmht_attach(fd, opt, &map, &err), -EMEDIUMTYPE);
	assert_ptr_equal(map, (struct shmht *)0x77);
	assert_says(&err, says);
	assert_says(&err, says_too);
	assert_int_equal(count_descriptors(), fds);
	assert_int_equal(count_mappings(), maps);
}

static void other_than_asked_for(const struct shmht_strategy *strategy)
{
	struct shmht_attach_options opt = { .strategy = "something", .read = -1 };
	struct shmht_config cfg = small_config(strategy, 100);
	struct shmht *map, *other;

	map = table_create(&cfg);
	asked_for(shmht_fd(map), &opt, strategy->name, "something");
	opt = (struct shmht_attach_options){ .read = SHMHT_READ_SEQLOCK };
	asked_for(shmht_fd(map), &opt, "read mode is 0", "for 1");
	opt = (struct shmht_attach_options){ .read = SHMHT_READ_RCU };
	asked_for(shmht_fd(map), &opt, "read mode is 0", "for 2");
	opt = (struct shmht_attach_options){ .read = -1, .hash = hash_a };
	asked_for(shmht_fd(map), &opt, "proof 0x", "function");
	shmht_destroy(map);

	cfg.hash = hash_a;
	map = table_create(&cfg);
	opt = (struct shmht_attach_options){ .read = -1, .hash = NULL };
	asked_for(shmht_fd(map), &opt, "proof 0x", "function");
	opt.hash = hash_b;
	asked_for(shmht_fd(map), &opt, "proof 0x", "function");
	opt.hash = hash_a;
	assert_rc(shmht_attach(shmht_fd(map), &opt, &other, NULL), 0);
	shmht_detach(other);
	shmht_destroy(map);
}

/* ATTACH_VERIFY looks inside, at stripes and buckets; attach alone does not. */
static void verify_finds_damage(const struct shmht_strategy *strategy)
{
	struct shmht_attach_options opt = { .read = -1, .flags = SHMHT_ATTACH_VERIFY };
	struct table t = table_small(strategy, 1000);
	struct shmht_error err = { "" };
	static const off_t offs[] = { 4096 + 8 * 256 + 128 /* a count */, 6656 + 8 /* tags */ };
	uint64_t right, wrong;
	struct shmht *map;
	int fd = shmht_fd(t.map);

	assert_rc(put_number(t.ctx, 1), 0);
	shmht_ctx_close(t.ctx);
	assert_rc(shmht_attach(fd, &opt, &map, &err), 0);
	shmht_detach(map);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pread(fd, &right, 8, offs[i]), 8);
		wrong = right ^ 0x1234;
		assert_int_equal(pwrite(fd, &wrong, 8, offs[i]), 8);
		assert_rc(shmht_attach(fd, &opt, &map, &err), -EUCLEAN);
		assert_says(&err, "1 broken");
		map = table_attach(fd);
		shmht_detach(map);
		assert_int_equal(pwrite(fd, &right, 8, offs[i]), 8);
	}
	t.ctx = context_open(t.map);
	table_close(&t);
}

static void create_refuses(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	unsigned int fds = count_descriptors(), maps = count_mappings();
	struct shmht *map = (struct shmht *)0x77;
	struct shmht_error err = { "" };

	cfg.strategy = "no such lock";
	assert_rc(shmht_create(&cfg, &map, &err), -ENOSYS);
	assert_says(&err, "'no such lock'");
	cfg.strategy = NULL;
	assert_rc(shmht_create(&cfg, &map, &err), -ENOSYS);
	assert_rc(shmht_create(&cfg, &map, NULL), -ENOSYS);
	/* More than the machine has: refused, not killed later. */
	cfg = small_config(strategy, SHMHT_CAPACITY_MAX);
	cfg.value_size = 4096;
	assert_rc(shmht_create(&cfg, &map, &err), -ENOMEM);
	assert_says(&err, "bytes");
	assert_ptr_equal(map, (struct shmht *)0x77);
	assert_int_equal(count_descriptors(), fds);
	assert_int_equal(count_mappings(), maps);
}

static const struct strategy_test tests[] = {
	{ "attach: each header field wrong in turn", each_header_field, TEST_LOCKED },
	{ "attach: a strategy's name without end", name_without_end, TEST_LOCKED },
	{ "attach: wrong size, wrong seals, truncated", sizes_and_seals, TEST_LOCKED },
	{ "attach: not a memfd", not_a_memfd, TEST_ONCE },
	{ "attach: read-only descriptor", read_only, TEST_LOCKED },
	{ "attach: other strategy, read mode or hash than asked for", other_than_asked_for,
	  TEST_LOCKED },
	{ "attach: VERIFY finds damage", verify_finds_damage, TEST_LOCKED },
	{ "create: no such strategy, no memory", create_refuses, TEST_LOCKED },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("refusals", tests);
}
