/* SPDX-License-Identifier: MIT */
/*
 * Kills at named places: the table's USDT probes (core/probes.h) are a nop each, and
 * stand in a section of this program's file. A worker that is to die at one of them
 * has int3 put there through /proc/PID/mem while it runs; whoever comes by gets
 * SIGTRAP, and his handler kills him with SIGKILL: between the two instructions
 * around the nop, without a step of the program in between. Unarmed, it costs nothing.
 *
 * Manual: elf(5), proc(5); the systemtap wiki's UserSpaceProbeImplementation.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shmht_clock.h"
#include "torture/torture_internal.h"

#define NOP 0x90u
#define INT3 0xccu
#define COMES_BY_NS 200000000u /* or will not: others may be in its way */
#define MISSES_MAX 15u

static const char *const probe_of[PLACE_NR] = {
	NULL, "enter", "acquire", "fill", "commit", "committed", "release", "repair", "attach",
};

struct site {
	enum fault_place place;
	uintptr_t address;
};

struct places {
	size_t nr;
	uint32_t misses; /* in a row */
	struct site *sites;
};

/* ---- this program's sites ----------------------------------------------- */

static int add_bias(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(uintptr_t *)arg = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

/* The notes of a file that is mapped; NULL: it has none. */
static const unsigned char *find_notes(const unsigned char *elf, size_t bytes, size_t *ret_bytes)
{
	const Elf64_Ehdr *head = (const void *)elf;
	const Elf64_Shdr *sections = (const void *)(elf + head->e_shoff);
	const char *names;

	if (!head->e_shoff || head->e_shoff + head->e_shnum * sizeof(*sections) > bytes)
		return NULL;
	names = (const char *)elf + sections[head->e_shstrndx].sh_offset;
	for (size_t i = 0; i < head->e_shnum; i++)
		if (strcmp(names + sections[i].sh_name, ".note.stapsdt") == 0) {
			*ret_bytes = sections[i].sh_size;
			return elf + sections[i].sh_offset;
		}
	return NULL;
}

/* Without memory for it, a place has fewer sites, and is missed more often. */
static void add_site(struct places *places, enum fault_place place, uintptr_t address)
{
	struct site *more = realloc(places->sites, (places->nr + 1) * sizeof(*more));

	if (!more)
		return;
	places->sites = more;
	places->sites[places->nr++] = (struct site){ place, address };
}

/* Appends the sites of places among the notes. */
static void take_notes(const unsigned char *at, size_t bytes, uintptr_t bias, struct places *places)
{
	const unsigned char *end = at + bytes;

	while (at < end) {
		const Elf64_Nhdr *note = (const void *)at;
		/* Three addresses, then the provider's name and the probe's. */
		const unsigned char *text = at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);
		const char *provider = (const char *)text + 24;
		const char *name = provider + strlen(provider) + 1;
		uint64_t address;

		memcpy(&address, text, sizeof(address));
		for (int place = 1; place < PLACE_NR && strcmp(provider, "shmht") == 0; place++)
			if (strcmp(name, probe_of[place]) == 0)
				add_site(places, (enum fault_place)place, bias + address);
		at = text + ((note->n_descsz + 3u) & ~3u);
	}
}

static void read_file(const char *path, uintptr_t bias, struct places *places)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const unsigned char *notes;
	struct stat st = { .st_size = 0 };
	void *elf = MAP_FAILED;
	size_t bytes = 0;

	if (fd >= 0 && !fstat(fd, &st))
		elf = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (elf == MAP_FAILED)
		return;
	notes = find_notes(elf, (size_t)st.st_size, &bytes);
	if (notes)
		take_notes(notes, bytes, bias, places);
	munmap(elf, (size_t)st.st_size);
}

/* Those of the program, and of a lock built elsewhere. */
static struct places *read_places(const char *lock)
{
	const struct lock_file *file = lock_file_find(lock);
	struct places *places = calloc(1, sizeof(*places));
	uintptr_t bias = 0;
	Dl_info object;

	if (!places)
		return NULL;
	dl_iterate_phdr(add_bias, &bias);
	read_file("/proc/self/exe", bias, places);
	if (file && dladdr(file->file, &object))
		read_file(object.dli_fname, (uintptr_t)object.dli_fbase, places);
	return places;
}

/* Every one a nop of one byte: what is written over is one instruction. */
static bool are_nops(const struct places *places, enum fault_place place)
{
	size_t nr = 0;

	for (size_t i = 0; i < places->nr; i++) {
		if (places->sites[i].place != place)
			continue;
		nr++;
		if (*(const unsigned char *)places->sites[i].address != NOP)
			return false;
	}
	return nr > 0;
}

int places_open(struct storm *storm)
{
	enum fault_place place = storm->params->kill.place;

	if (!place)
		return 0;
	storm->outcome->has_place = true;
#if defined(__x86_64__)
	storm->places = read_places(storm->params->lock);
#endif
	if (storm->places && are_nops(storm->places, place))
		return 0;
	return torture_give_up(storm, TRIAL_NOT_MEASURED,
			       "kill at %s: this program has no such place; it takes x86-64 and a "
			       "build with <sys/sdt.h> (Debian: systemtap-sdt-dev)",
			       fault_place_names[place]);
}

void places_close(struct storm *storm)
{
	if (storm->places)
		free(storm->places->sites);
	free(storm->places);
	storm->places = NULL;
}

/* ---- arming --------------------------------------------------------------- */

static void die_here(int sig)
{
	(void)sig;
	kill(getpid(), SIGKILL);
}

void places_child_begins(void)
{
	struct sigaction action = { .sa_handler = die_here };

	sigaction(SIGTRAP, &action, NULL);
}

int places_arm(const struct places *places, enum fault_place place, pid_t pid, bool armed)
{
	unsigned char code = armed ? INT3 : NOP;
	char path[40];
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* 0 bytes written: its memory is gone, it has come by before all was armed. */
	for (size_t i = 0; i < places->nr && !r; i++)
		if (places->sites[i].place == place &&
		    pwrite(fd, &code, 1, (off_t)places->sites[i].address) < 0)
			r = -errno;
	close(fd);
	return r;
}

/* ---- killing -------------------------------------------------------------- */

/* Dead, and not reaped yet. */
static bool is_dead(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

static bool arm(struct storm *storm, uint32_t i, enum fault_place place)
{
	int r = places_arm(storm->places, place, storm->crew[i].pid, true);

	if (r && !is_dead(storm->crew[i].pid)) {
		torture_give_up(storm, TRIAL_NOT_MEASURED,
				"worker %u: its code cannot be changed through /proc/PID/mem: %s",
				i, strerror(-r));
		return false;
	}
	storm->crew[i].aimed = true;
	return true;
}

/* One of those aimed at that has died; procs: none has in time. */
static uint32_t wait_for_death(struct storm *storm)
{
	uint64_t end = shmht_monotonic_ns() + COMES_BY_NS;
	uint32_t procs = storm->params->procs;

	do {
		for (uint32_t i = 0; i < procs; i++)
			if (storm->crew[i].aimed && storm->crew[i].pid &&
			    is_dead(storm->crew[i].pid))
				return i;
		usleep(50);
	} while (shmht_monotonic_ns() < end);
	return procs;
}

/* Whoever dies of it all the same, for he had come by already, is counted when reaped. */
static void disarm_all(struct storm *storm, enum fault_place place)
{
	for (uint32_t i = 0; i < storm->params->procs; i++)
		if (storm->crew[i].aimed && storm->crew[i].pid)
			places_arm(storm->places, place, storm->crew[i].pid, false);
}

/* His death is counted, but for whether it was at the plan's place. */
static void has_died(struct storm *storm, uint32_t i)
{
	storm->crew[i].aimed = false;
	storm->crew[i].sentenced = true;
	storm->outcome->kills++;
}

/* One worker, at a place that everybody comes by. Others may be aimed at already. */
static bool kill_at(struct storm *storm, enum fault_place place)
{
	uint32_t i = faults_choose(storm, storm->params->kill.who);
	uint64_t end = shmht_monotonic_ns() + COMES_BY_NS;
	bool dead = false;

	if (i == storm->params->procs || !arm(storm, i, place))
		return false;
	atomic_store(&storm->control->last_kill, shmht_ticks());
	kill(storm->crew[i].pid, SIGCONT); /* a holder was stopped to be caught */
	while (!dead && shmht_monotonic_ns() < end) {
		usleep(50);
		dead = is_dead(storm->crew[i].pid);
	}
	if (dead)
		has_died(storm, i);
	else
		places_arm(storm->places, place, storm->crew[i].pid, false);
	return dead;
}

/*
 * Somebody dies in a change, and the next one while he repairs it. All are aimed at
 * before, for the next one may be there at once; he who was to die first may die
 * repairing what was left before.
 */
static bool kill_repairing(struct storm *storm)
{
	uint32_t procs = storm->params->procs, i;

	for (i = 0; i < procs; i++)
		if (storm->crew[i].pid && !storm->crew[i].sentenced && !storm->crew[i].stopped_ns &&
		    !arm(storm, i, PLACE_IN_REPAIR))
			return false;
	i = kill_at(storm, PLACE_BEFORE_COMMIT) ? wait_for_death(storm) : procs;
	disarm_all(storm, PLACE_IN_REPAIR);
	if (i == procs)
		return false;
	has_died(storm, i);
	return true;
}

/* One leaves in order; he who comes for him dies on his way in, and is counted then. */
static void kill_attaching(struct storm *storm)
{
	uint32_t i = faults_choose(storm, WHO_RANDOM);
	bool under_way = storm->aim_next;

	for (uint32_t k = 0; k < storm->params->procs; k++)
		under_way |= storm->crew[k].aimed;
	if (i < storm->params->procs && !under_way) {
		storm->aim_next = true;
		atomic_store(&storm->control->parts[i].leave, 1);
	}
}

void places_kill(struct storm *storm, enum fault_place place)
{
	bool dead;

	if (place == PLACE_IN_ATTACH) {
		kill_attaching(storm);
		return;
	}
	dead = place == PLACE_IN_REPAIR ? kill_repairing(storm) : kill_at(storm, place);
	if (dead) {
		storm->outcome->kills_at_place++;
		storm->places->misses = 0;
	} else {
		storm->outcome->aimed_missed++;
		if (++storm->places->misses == MISSES_MAX)
			torture_give_up(storm, TRIAL_NOT_MEASURED,
					"nobody came by %s in %u tries of %u ms: does the mix do "
					"that, does the strategy recover?",
					fault_place_names[place], MISSES_MAX,
					COMES_BY_NS / 1000000);
	}
}
