/* SPDX-License-Identifier: MIT */
/*
 * A region that somebody else made: attached, or reopened under another lock.
 * What a peer may have written is compared with what this build derives from
 * the configuration; nothing else is taken from the header.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context.h"
#include "hash_choice.h"
#include "pages.h"
#include "region.h"
#include "table.h"

static int check_descriptor(int fd, uint64_t *ret_size, struct shmht_error *err)
{
	struct stat st_fd;
	int seals;

	if (fstat(fd, &st_fd)) {
		int r = -errno;

		error_set(err, "descriptor %d: %s", fd, strerror(-r));
		return r;
	}
	if (!S_ISREG(st_fd.st_mode)) {
		error_set(err, "descriptor %d has file type 0%o; expected a memfd", fd,
			  st_fd.st_mode & S_IFMT);
		return -EPROTO;
	}
	/* Before anything is mapped: what cannot shrink cannot raise SIGBUS. */
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS) {
		error_set(
			err,
			"descriptor %d has seals 0x%x; expected at least 0x%x (shrink, grow, seal)",
			fd, seals < 0 ? 0u : (unsigned int)seals, (unsigned int)SEALS);
		return -EPROTO;
	}
	if (st_fd.st_size < HEADER_BYTES) {
		error_set(err, "the region has %lld bytes; a header alone has %d",
			  (long long)st_fd.st_size, HEADER_BYTES);
		return -EPROTO;
	}
	*ret_size = (uint64_t)st_fd.st_size;
	return 0;
}

#define REFUSE_UNLESS(field, want, format)                                                   \
	do {                                                                                 \
		if (header->field != (want)) {                                               \
			error_set(err, "header: " #field " is " format "; expected " format, \
				  header->field, (want));                                    \
			return -EPROTO;                                                      \
		}                                                                            \
	} while (0)

/* header is a private copy: read once, so it cannot change under the checks. */
static int check_header(const struct shm_header *header, uint64_t size, struct geometry *ret_geo,
			struct shmht_error *err)
{
	struct shmht_config cfg;
	struct geometry geo;
	int r;

	REFUSE_UNLESS(magic, (uint64_t)LAYOUT_MAGIC, "0x%016lx");
	REFUSE_UNLESS(version, LAYOUT_VERSION, "%u");
	REFUSE_UNLESS(header_bytes, (uint32_t)HEADER_BYTES, "%u");
	REFUSE_UNLESS(layout_hash, (uint64_t)LAYOUT_HASH, "0x%016lx");
	REFUSE_UNLESS(total_bytes, size, "%lu");
	if (header->stripes == 0 || header->max_workers == 0) {
		error_set(err, "header: stripes is %u, max_workers is %u; expected at least 1",
			  header->stripes, header->max_workers);
		return -EPROTO;
	}
	cfg = (struct shmht_config){
		.capacity = header->capacity,
		.key_size = header->key_size,
		.value_size = header->value_size,
		.stripes = header->stripes,
		.max_workers = header->max_workers,
		.pages = (enum shmht_pages)header->pages,
	};
	r = geometry_compute(&cfg, &geo, err);
	if (r)
		return -EPROTO;
	REFUSE_UNLESS(total_bytes, geo.total_bytes, "%lu");
	REFUSE_UNLESS(nr_buckets, geo.nr_buckets, "%lu");
	REFUSE_UNLESS(nr_cells, geo.nr_cells, "%lu");
	REFUSE_UNLESS(slots_off, geo.slots_off, "%lu");
	REFUSE_UNLESS(stripes_off, geo.stripes_off, "%lu");
	REFUSE_UNLESS(buckets_off, geo.buckets_off, "%lu");
	REFUSE_UNLESS(cells_off, geo.cells_off, "%lu");
	REFUSE_UNLESS(pid_namespace, pid_namespace(), "%lu");
	*ret_geo = geo;
	return 0;
}

static int check_state(struct shm_header *header, bool converting_too, struct shmht_error *err)
{
	uint64_t state = ld(&header->state);

	switch (state) {
	case REGION_READY:
		return 0;
	case REGION_CONVERTING:
		if (converting_too)
			return 0;
		error_set(err, "the table is being converted to another strategy; try again, or "
			       "reopen it if its converter died");
		return -EBUSY;
	case REGION_DESTROYED:
		error_set(err, "the table was destroyed; create a new one");
		return -ESTALE;
	default:
		error_set(err, "header: state is %llu; expected 1 (ready)",
			  (unsigned long long)state);
		return -EPROTO;
	}
}

/* What the caller asked for against what the header says. */
static int check_wishes(struct shm_header *header, const struct shmht_attach_options *opt,
			const char *name, struct shmht_error *err)
{
	if (opt->strategy && strcmp(opt->strategy, name)) {
		error_set(err, "header: strategy is '%s'; asked for '%s'", name, opt->strategy);
		return -EMEDIUMTYPE;
	}
	if (opt->read >= 0 && (uint64_t)opt->read != ld(&header->read_mode)) {
		error_set(err, "header: read mode is %llu; asked for %d",
			  (unsigned long long)ld(&header->read_mode), opt->read);
		return -EMEDIUMTYPE;
	}
	return 0;
}

static int check_lock(struct shm_header *header, const struct shmht *map, struct shmht_error *err)
{
	if (ld(&header->lock_hash) != map->strategy->lock_hash) {
		error_set(err, "header: lock layout of %s is 0x%016llx; this build has 0x%016llx",
			  map->strategy->name, (unsigned long long)ld(&header->lock_hash),
			  (unsigned long long)map->strategy->lock_hash);
		return -EMEDIUMTYPE;
	}
	return 0;
}

static int verify_table(struct shmht *map, struct shmht_error *err)
{
	int broken = shmht_observe(map, NULL, NULL);

	if (broken > 0) {
		error_set(err, "check found %d broken invariants", broken);
		return -EUCLEAN;
	}
	return broken;
}

/* Maps and checks all but the strategy, which reopen is free to find gone. */
static int attach_map(int fd, struct shmht *map, struct shm_header *copy, bool converting_too,
		      struct shmht_error *err)
{
	uint64_t size = 0;
	ssize_t n;
	int r = check_descriptor(fd, &size, err);

	if (r)
		return r;
	n = pread(fd, copy, sizeof(*copy), 0);
	if (n != (ssize_t)sizeof(*copy)) {
		r = n < 0 ? -errno : -EPROTO;
		error_set(err, "the header cannot be read: %s",
			  n < 0 ? strerror(errno) : "too short");
		return r;
	}
	r = check_header(copy, size, &map->geo, err);
	if (r)
		return r;
	r = check_state(copy, converting_too, err);
	if (r)
		return r;
	map->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (map->fd < 0) {
		r = -errno;
		error_set(err, "descriptor %d cannot be duplicated: %s", fd, strerror(-r));
		return r;
	}
	r = pages_map(map, err);
	if (r) {
		close(map->fd);
		return r;
	}
	/* A peer may have written between the read and the mapping. */
	if (memcmp(map->base, copy, offsetof(struct shm_header, state))) {
		error_set(err, "the header changed while it was being attached");
		munmap(map->base, map->geo.total_bytes);
		close(map->fd);
		return -EPROTO;
	}
	return 0;
}

int shmht_attach(int fd, const struct shmht_attach_options *opt, struct shmht **ret_map,
		 struct shmht_error *err)
{
	static const struct shmht_attach_options any = { .read = -1 };
	struct shmht *map = calloc(1, sizeof(*map));
	char name[SHMHT_NAME_MAX];
	struct shm_header copy;
	int r;

	if (!map)
		return -ENOMEM;
	if (!opt)
		opt = &any;
	map->observer = opt->flags & SHMHT_ATTACH_OBSERVE;
	r = attach_map(fd, map, &copy, false, err);
	if (r)
		goto out_free;
	header_get_strategy(&copy, name);
	if (ld(&copy.read_mode) > SHMHT_READ_URCU) {
		error_set(err,
			  "header: read mode is %llu; allowed: 0 (locked), 1 (seqlock), 2 (rcu), 3 "
			  "(urcu)",
			  (unsigned long long)ld(&copy.read_mode));
		r = -ENOSYS;
		goto out_detach;
	}
	map->read = (enum shmht_read)ld(&copy.read_mode);
	map->generation = ld(&copy.generation);
	r = check_wishes(&copy, opt, name, err);
	if (r)
		goto out_detach;
	map->grace = map->observer ? NULL : opt->grace;
	r = map->observer ? 0 : grace_check(map->read, map->grace, err);
	if (r)
		goto out_detach;
	r = find_strategy(name, map->read, &map->strategy, err);
	if (r)
		goto out_detach;
	map->wait = (enum shmht_wait)ld(&copy.wait);
	if (check_wait(map->strategy, ld(&copy.wait), err)) {
		r = -EPROTO;
		goto out_detach;
	}
	map->robust = (enum shmht_robust)ld(&copy.robust);
	if (check_robust(ld(&copy.robust), err)) {
		r = -EPROTO;
		goto out_detach;
	}
	r = hash_agree(map, &copy, opt, err);
	if (!r)
		r = check_lock(&copy, map, err);
	if (!r && opt->flags & SHMHT_ATTACH_VERIFY)
		r = verify_table(map, err);
	if (r)
		goto out_detach;
	*ret_map = map;
	return 0;

out_detach:
	munmap(map->base, map->geo.total_bytes);
	close(map->fd);
out_free:
	hash_forget(map);
	free(map);
	return r;
}

static int convert(struct shmht *map, const struct shmht_strategy *strategy, enum shmht_read read,
		   enum shmht_robust robust, struct shmht_error *err)
{
	struct shm_header *header = header_of(map);
	uint64_t self = (uint64_t)gettid(), other = atomic_load(&header->converter), before;
	int r;

	/* A converter that lives is not disturbed; one that died is succeeded. */
	if (other &&
	    thread_state((pid_t)other, ld_acquire(&header->converter_start)) != SHMHT_HOLDER_DEAD) {
		error_set(err, "thread %llu is converting the table", (unsigned long long)other);
		return -EBUSY;
	}
	if (!atomic_compare_exchange_strong(&header->converter, &other, self)) {
		error_set(err, "another process is converting the table");
		return -EBUSY;
	}
	/* Pairs with the acquire above, in the next converter. */
	st_release(&header->converter_start, thread_start_time((pid_t)self));
	/* Sequentially consistent: pairs with slot_claim() in context.c. */
	before = atomic_exchange(&header->state, REGION_CONVERTING);
	if (contexts_alive(map)) {
		/* CONVERTING, when a converter died half-way: it still is. */
		atomic_store(&header->state, before);
		st_release(&header->converter, 0);
		error_set(err, "a context of this table is alive; close it before reopening");
		return -EBUSY;
	}
	/* From here on a death leaves CONVERTING, and all of this is done again. */
	atomic_fetch_add(&header->generation, 1);
	r = init_locks(map, strategy, err);
	if (r)
		return r;
	header_set_strategy(header, strategy, read, SHMHT_WAIT_OWN, robust);
	atomic_store(&header->state, REGION_READY);
	st_release(&header->converter, 0);
	return 0;
}

int shmht_reopen(int fd, const char *name, enum shmht_read read, struct shmht_error *err)
{
	const struct shmht_strategy *strategy;
	struct shmht map = { .fd = -1 };
	struct shm_header copy;
	int r = find_strategy(name, read, &strategy, err);

	if (r)
		return r;
	r = attach_map(fd, &map, &copy, true, err);
	if (r)
		return r;
	/* A converter that died has changed it to what it was. */
	r = check_robust(ld(&copy.robust), err) ?
		    -EPROTO :
		    convert(&map, strategy, read, (enum shmht_robust)ld(&copy.robust), err);
	munmap(map.base, map.geo.total_bytes);
	close(map.fd);
	return r;
}
