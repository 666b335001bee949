/* SPDX-License-Identifier: MIT */
/*
 * Memory behind the region. Reserved in full at creation: a sparse memfd on an
 * exhausted machine is SIGBUS under the lock. Huge pages are a wish: every
 * step down says its reason, and what is had is what the kernel reports.
 */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shmht.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGETLBFS_SUPER 0x958458f6
#define RESERVE_CHUNK (64u << 20)

__attribute__((format(printf, 2, 3))) static void reason_add(struct shmht *map, const char *fmt,
							     ...)
{
	size_t len = strlen(map->pages_reason);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(map->pages_reason + len, sizeof(map->pages_reason) - len, fmt, ap);
	va_end(ap);
}

/* "MemAvailable:" and the like, in bytes; UINT64_MAX when not known. */
static uint64_t meminfo(const char *field)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	char line[128];
	uint64_t bytes = UINT64_MAX;
	size_t len = strlen(field);

	if (!f)
		return bytes;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, len) && sscanf(line + len, " %llu", &kib) == 1) {
			bytes = (uint64_t)kib << 10;
			break;
		}
	}
	fclose(f);
	return bytes;
}

static int open_memfd(unsigned int flags)
{
	int fd = memfd_create("shmht", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | flags);

	/* Before Linux 6.3 the flag is not known; the rest is the same. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("shmht", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	return fd < 0 ? -errno : fd;
}

/*
 * In chunks: a signal makes fallocate() undo its work and return EINTR, and a
 * timer that ticks faster than the whole reservation would never let it end.
 */
static int reserve(int fd, uint64_t bytes)
{
	if (ftruncate(fd, (off_t)bytes))
		return -errno;
	for (uint64_t off = 0; off < bytes;) {
		uint64_t len = bytes - off < RESERVE_CHUNK ? bytes - off : RESERVE_CHUNK;

		if (fallocate(fd, 0, (off_t)off, (off_t)len) == 0)
			off += len;
		else if (errno != EINTR)
			return errno == ENOSPC ? -ENOMEM : -errno;
	}
	return 0;
}

static int try_huge(struct shmht *map)
{
	int r, fd = open_memfd(MFD_HUGETLB | MFD_HUGE_2MB);

	if (fd < 0) {
		reason_add(map, "2m: %s; ", strerror(-fd));
		return fd;
	}
	r = reserve(fd, map->geo.total_bytes);
	if (r) {
		reason_add(map, "2m: needs %llu pages, see vm.nr_hugepages; ",
			   (unsigned long long)(map->geo.total_bytes / HUGE_BYTES));
		close(fd);
		return r;
	}
	map->fd = fd;
	map->pages_had = SHMHT_PAGES_2M;
	map->huge_bytes = map->geo.total_bytes;
	return 0;
}

static int try_small(struct shmht *map, struct shmht_error *err)
{
	uint64_t available = meminfo("MemAvailable:"), bytes = map->geo.total_bytes;
	int r, fd;

	/* The kernel would rather kill some process than refuse. */
	if (bytes > available) {
		error_set(err, "the table needs %llu bytes; available: %llu (MemAvailable)",
			  (unsigned long long)bytes, (unsigned long long)available);
		return -ENOMEM;
	}
	fd = open_memfd(0);
	if (fd < 0) {
		error_set(err, "memfd_create: %s", strerror(-fd));
		return fd;
	}
	r = reserve(fd, bytes);
	if (r) {
		error_set(err, "the table's %llu bytes cannot be reserved: %s",
			  (unsigned long long)bytes, strerror(-r));
		close(fd);
		return r;
	}
	map->fd = fd;
	map->pages_had = SHMHT_PAGES_4K;
	return 0;
}

/* Aligned to 2 MiB where huge pages are wanted: they cannot be mapped else. */
static int map_region(struct shmht *map, struct shmht_error *err)
{
	uint64_t bytes = map->geo.total_bytes;
	void *hint = NULL, *base;
	int flags = MAP_SHARED;

	if (map->geo.pages != SHMHT_PAGES_4K) {
		unsigned char *room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		uintptr_t at = (uintptr_t)room;

		if (room != MAP_FAILED) {
			at = (at + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
			hint = room + (at - (uintptr_t)room);
			/* Ours since the line above; the ends outside go back. */
			flags |= MAP_FIXED;
			if (at > (uintptr_t)room)
				munmap(room, at - (uintptr_t)room);
			munmap((unsigned char *)hint + bytes, HUGE_BYTES - (at - (uintptr_t)room));
		}
	}
	base = mmap(hint, bytes, map->observer ? PROT_READ : PROT_READ | PROT_WRITE, flags, map->fd,
		    0);
	if (base == MAP_FAILED) {
		int r = -errno;

		error_set(err, "the region's %llu bytes cannot be mapped %s: %s",
			  (unsigned long long)bytes, map->observer ? "read-only" : "read-write",
			  strerror(-r));
		if (hint)
			munmap(hint, bytes);
		return r;
	}
	map->base = base;
	return 0;
}

/* Bytes of this mapping that the page tables map by 2 MiB, as smaps says. */
static uint64_t huge_mapped(const struct shmht *map)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[256];
	uint64_t bytes = 0;
	bool ours = false;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned long long from, to, kib;

		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			ours = from == (uintptr_t)map->base;
		else if (ours && (sscanf(line, "ShmemPmdMapped: %llu", &kib) == 1 ||
				  sscanf(line, "FilePmdMapped: %llu", &kib) == 1))
			bytes += (uint64_t)kib << 10;
	}
	fclose(f);
	return bytes;
}

/*
 * MADV_COLLAPSE works whatever shmem_enabled says. Where it is not known
 * (before Linux 6.1) or fails, the pages stay small. Had means: nearly all.
 */
static void try_thp(struct shmht *map)
{
	if (madvise(map->base, map->geo.total_bytes, MADV_HUGEPAGE) && errno != EINVAL)
		reason_add(map, "thp: madvise: %s; ", strerror(errno));
	if (madvise(map->base, map->geo.total_bytes, MADV_COLLAPSE)) {
		reason_add(map, "thp: collapse: %s; ", strerror(errno));
		return;
	}
	map->huge_bytes = huge_mapped(map);
	if (map->huge_bytes >= map->geo.total_bytes / 10 * 9)
		map->pages_had = SHMHT_PAGES_THP;
	else
		reason_add(map, "thp: %llu of %llu bytes mapped huge; ",
			   (unsigned long long)map->huge_bytes,
			   (unsigned long long)map->geo.total_bytes);
}

int pages_create(struct shmht *map, struct shmht_error *err)
{
	int r = -ENOMEM;

	if (map->geo.pages == SHMHT_PAGES_2M)
		r = try_huge(map);
	if (r)
		r = try_small(map, err);
	if (r)
		return r;
	r = map_region(map, err);
	if (r) {
		close(map->fd);
		return r;
	}
	if (map->geo.pages != SHMHT_PAGES_4K && map->pages_had == SHMHT_PAGES_4K)
		try_thp(map);
	return 0;
}

int pages_map(struct shmht *map, struct shmht_error *err)
{
	struct statfs fs;

	if (fstatfs(map->fd, &fs) == 0 && fs.f_type == HUGETLBFS_SUPER) {
		map->pages_had = SHMHT_PAGES_2M;
		map->huge_bytes = map->geo.total_bytes;
	}
	return map_region(map, err);
}

int shmht_populate(const struct shmht *map)
{
	if (madvise(map->base, map->geo.total_bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* Before Linux 5.14: one read per page maps it; the memory is reserved. */
	for (uint64_t off = 0; off < map->geo.total_bytes; off += 4096)
		(void)*(volatile const unsigned char *)(map->base + off);
	return 0;
}
