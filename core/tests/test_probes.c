/* SPDX-License-Identifier: MIT */
/*
 * The USDT probes fire as often as the lock statistics count: each site of this
 * very program becomes a uprobe counter, inherited by the workers, and what the
 * kernel counted must be what they did. Where the kernel lets nobody count uprobes,
 * or the build has no <sys/sdt.h>, the test skips and says which.
 *
 * Manual: perf_event_open(2); elf(5) for the notes.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holder.h"

#define EXE "/proc/self/exe"
#define PMU_TYPE "/sys/bus/event_source/devices/uprobe/type"
#define SITES_MAX 512u
#define WORKERS 4u
#define ROUNDS 4000u
#define CPUS_MAX 16u /* on larger machines the workers stay on the first ones */

enum probe { ACQUIRE, CONTENDED, PARK, WAKE, RELEASE, RECOVER, PROBES };
static const char *const names[PROBES] = { "acquire", "contended", "park",
					   "wake",    "release",   "recover" };

struct site {
	enum probe probe;
	uint64_t offset; /* in the file */
	int fds[CPUS_MAX];
	uint64_t count;
};

static struct site sites[SITES_MAX];
static size_t nr_sites;
static int cpu_numbers[CPUS_MAX];
static unsigned int nr_cpus;

/* ---- the sites of one strategy in this program ----------------------------- */

static const unsigned char *elf;

/* The first section of a type, or of a name; NULL when there is none. */
static const Elf64_Shdr *section_find(uint32_t type, const char *name)
{
	const Elf64_Ehdr *head = (const void *)elf;
	const Elf64_Shdr *sections = (const void *)(elf + head->e_shoff);
	const char *texts = (const char *)elf + sections[head->e_shstrndx].sh_offset;

	for (size_t i = 0; i < head->e_shnum; i++)
		if (sections[i].sh_type == type &&
		    (!name || strcmp(texts + sections[i].sh_name, name) == 0))
			return sections + i;
	return NULL;
}

/* An operation that the test does not use: the kernel takes its time for each site. */
static bool is_unused(const char *function)
{
	static const char *const used[] = { "op_insert", "op_remove", "op_search" };

	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		if (strncmp(function, used[i], strlen(used[i])) == 0)
			return strstr(function, "_lockless") || strstr(function, "_oldest");
	return strncmp(function, "op_", 3) == 0;
}

/* In a function of that source file: local symbols follow their file's. */
static bool is_from(const char *file, uint64_t address)
{
	const Elf64_Shdr *table = section_find(SHT_SYMTAB, NULL);
	const Elf64_Shdr *sections = (const void *)(elf + ((const Elf64_Ehdr *)elf)->e_shoff);
	const Elf64_Sym *symbols = (const void *)(elf + table->sh_offset);
	const char *texts = (const char *)elf + sections[table->sh_link].sh_offset;
	bool inside = false;

	for (size_t i = 0; i < table->sh_info; i++) {
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FILE)
			inside = strcmp(texts + symbols[i].st_name, file) == 0;
		else if (inside && ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC &&
			 address - symbols[i].st_value < symbols[i].st_size)
			return !is_unused(texts + symbols[i].st_name);
	}
	return false;
}

static uint64_t file_offset(uint64_t address)
{
	const Elf64_Ehdr *head = (const void *)elf;
	const Elf64_Phdr *part = (const void *)(elf + head->e_phoff);

	for (size_t i = 0; i < head->e_phnum; i++)
		if (part[i].p_type == PT_LOAD && address - part[i].p_vaddr < part[i].p_filesz)
			return address - part[i].p_vaddr + part[i].p_offset;
	fail_msg("a probe at %#llx is in no segment", (unsigned long long)address);
	return 0;
}

/* Description: the site, a base and a semaphore, 8 bytes each; then two names. */
static void take_note(const unsigned char *description, const char *file)
{
	const char *provider = (const char *)description + 24;
	const char *name = provider + strlen(provider) + 1;
	uint64_t address;

	memcpy(&address, description, sizeof(address));
	if (strcmp(provider, "shmht") != 0 || !is_from(file, address))
		return;
	for (unsigned int i = 0; i < PROBES; i++)
		if (strcmp(name, names[i]) == 0 && nr_sites < SITES_MAX)
			sites[nr_sites++] = (struct site){ i, file_offset(address), .count = 0 };
}

static void elf_map(void)
{
	int fd = open(EXE, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	elf = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(elf != MAP_FAILED);
	close(fd);
}

static void find_sites(const char *file)
{
	const Elf64_Shdr *notes;
	const unsigned char *at, *end;

	nr_sites = 0;
	if (!elf)
		elf_map();
	notes = section_find(SHT_NOTE, ".note.stapsdt");
	if (!notes)
		return;
	at = elf + notes->sh_offset;
	end = at + notes->sh_size;
	while (at < end) {
		const Elf64_Nhdr *note = (const void *)at;
		size_t name = (note->n_namesz + 3u) & ~3u;

		take_note(at + sizeof(*note) + name, file);
		at += sizeof(*note) + name + ((note->n_descsz + 3u) & ~3u);
	}
}

/* ---- counting ------------------------------------------------------------ */

static int pmu_type(void)
{
	FILE *f = fopen(PMU_TYPE, "re");
	int type = -1;

	if (!f || fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

/* The CPUs that the workers will be on. */
static unsigned int cpus_use(void)
{
	cpu_set_t cpus, first;
	unsigned int nr = 0;

	CPU_ZERO(&first);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	for (int i = 0; i < CPU_SETSIZE && nr < CPUS_MAX; i++)
		if (CPU_ISSET(i, &cpus)) {
			CPU_SET(i, &first);
			cpu_numbers[nr++] = i;
		}
	assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0);
	return nr;
}

/* Whoever runs this program. Counting what children inherit loses some of it when
 * they share a CPU. 0 or negative errno. */
static int open_sites(int type)
{
	struct rlimit files;
	int r = 0;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	nr_cpus = cpus_use();
	for (size_t i = 0; i < nr_sites * nr_cpus; i++) {
		struct site *site = sites + i / nr_cpus;
		struct perf_event_attr attr = { .type = (uint32_t)type,
						.size = sizeof(attr),
						.config1 = (uint64_t)(uintptr_t)EXE,
						.config2 = site->offset };
		int *fd = &site->fds[i % nr_cpus];

		*fd = -1;
		if (!r)
			*fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu_numbers[i % nr_cpus],
					   -1, PERF_FLAG_FD_CLOEXEC);
		if (!r && *fd < 0)
			r = -errno;
	}
	return r;
}

static void *close_site(void *arg)
{
	struct site *site = arg;

	for (unsigned int i = 0; i < nr_cpus; i++) {
		uint64_t count = 0;

		if (site->fds[i] < 0)
			continue;
		if (read(site->fds[i], &count, sizeof(count)) == sizeof(count))
			site->count += count;
		close(site->fds[i]);
	}
	return NULL;
}

/* Side by side: the kernel waits for a grace period of its own for each. */
static void close_sites(uint64_t counts[PROBES])
{
	pthread_t threads[SITES_MAX];

	memset(counts, 0, PROBES * sizeof(*counts));
	for (size_t i = 0; i < nr_sites; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, close_site, &sites[i]), 0);
	for (size_t i = 0; i < nr_sites; i++) {
		pthread_join(threads[i], NULL);
		counts[sites[i].probe] += sites[i].count;
	}
}

/* Opens them, or skips the test. */
static void start_counting(const char *file)
{
	uint64_t counts[PROBES];
	int r, type = pmu_type();

	find_sites(file);
	if (!nr_sites) {
		print_message("built without <sys/sdt.h>: no probes\n");
		skip();
	}
	r = type < 0 ? -ENOENT : open_sites(type);
	if (r) {
		print_message("uprobes cannot be counted here: %s\n", strerror(-r));
		close_sites(counts);
		skip();
	}
}

/* ---- the load ------------------------------------------------------------ */

struct crew {
	struct shmht *map;
	atomic_uint next;
	struct shmht_lock_stats stats[WORKERS];
};

static int work(void *arg)
{
	struct crew *crew = arg;
	unsigned int worker = atomic_fetch_add(&crew->next, 1);
	struct shmht_ctx *ctx;
	struct shmht *map;

	if (shmht_attach(shmht_fd(crew->map), NULL, &map, NULL) || shmht_ctx_open(map, &ctx, NULL))
		return 1;
	shmht_ctx_set_timeout(ctx, PATIENCE_NS);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		put_number(ctx, worker * ROUNDS + i);
		has_number(ctx, i);
		remove_number(ctx, worker * ROUNDS + i);
	}
	crew->stats[worker] = *shmht_ctx_stats(ctx);
	shmht_ctx_close(ctx);
	shmht_detach(map);
	return 0;
}

/* A dead one holds the lock when they begin: one of them takes it over. */
static void test_counts(void **state)
{
	const struct shmht_strategy *strategy = shmht_strategy_find("futex");
	struct shmht_config cfg = small_config(strategy, 10000);
	struct crew *crew = shared_memory(sizeof(*crew));
	struct shmht_lock_stats sum = { 0 };
	uint64_t counts[PROBES];
	struct holder *holder;
	pid_t pids[WORKERS];

	(void)state;
	crew->map = table_create(&cfg);
	holder = holder_child(crew->map, 0);
	kill(holder->pid, SIGKILL);
	child_wait(holder->pid);
	start_counting("futex.c");
	for (unsigned int i = 0; i < WORKERS; i++)
		pids[i] = child_start(work, crew);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(child_wait(pids[i]), 0);
	close_sites(counts);
	shmht_destroy(crew->map);
	for (unsigned int i = 0; i < WORKERS; i++) {
		sum.acquired += crew->stats[i].acquired;
		sum.contended += crew->stats[i].contended;
		sum.parks += crew->stats[i].parks;
		sum.wakes += crew->stats[i].wakes;
		sum.recovered += crew->stats[i].recovered;
	}
	print_message("%" PRIu64 " acquired, %" PRIu64 " contended, %" PRIu64 " parks, %" PRIu64
		      " wakes\n",
		      sum.acquired, sum.contended, sum.parks, sum.wakes);
	assert_true(sum.acquired > (uint64_t)WORKERS * ROUNDS && sum.contended > 0);
	assert_int_equal(counts[ACQUIRE], sum.acquired);
	assert_int_equal(counts[CONTENDED], sum.contended);
	assert_int_equal(counts[PARK], sum.parks);
	assert_int_equal(counts[WAKE], sum.wakes);
	assert_int_equal(counts[RELEASE], sum.acquired);
	assert_int_equal(counts[RECOVER], 1);
	assert_int_equal(sum.recovered, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(test_counts) };

	alarm(120);
	return cmocka_run_group_tests_name("probes", tests, NULL, NULL);
}
