/* SPDX-License-Identifier: MIT */
/* The logs' memory, which keys are hot, and what a full log forgets. */
#include <string.h>
#include <sys/mman.h>

#include "verify/lin.h"
#include "worker/keydist.h"

static size_t page_up(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

static void mark_hot(struct lin *lin, const struct params *params)
{
	struct keydist dist;
	uint64_t nr = params->keyspace < LIN_HOT_KEYS ? params->keyspace : LIN_HOT_KEYS;

	keydist_init(&dist, &params->keys, params->keyspace, params->preload, 0, params->procs);
	for (uint64_t rank = 1; rank <= nr; rank++) {
		uint32_t hash = lin_hash(keydist_rank_to_id(&dist, rank));

		lin->hot[hash >> 20 >> 6] |= 1ull << (hash >> 20 & 63);
	}
}

struct lin *lin_create(const struct params *params)
{
	uint32_t procs = params->procs;
	uint64_t room = LIN_RECORDS_MAX / procs;
	size_t head = page_up(sizeof(struct lin) + procs * sizeof(struct lin_log));
	size_t of_log = page_up((room + 1) * sizeof(struct lin_record));
	bool counted = params->keyspace <= LIN_NET_BYTES_MAX / sizeof(int32_t) / procs;
	size_t of_net = counted ? page_up(params->keyspace * sizeof(int32_t)) : 0;
	size_t bytes = head + procs * (of_log + of_net);
	struct lin *lin = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = (char *)lin + head;

	if (lin == MAP_FAILED)
		return NULL;
	lin->bytes = bytes;
	lin->nr_logs = procs;
	mark_hot(lin, params);
	for (uint32_t i = 0; i < procs; i++, at += of_log + of_net)
		lin->logs[i] = (struct lin_log){
			.room = room,
			.threshold = 1ull << 32,
			.records = (struct lin_record *)at,
			.net = counted ? (int32_t *)(at + of_log) : NULL,
		};
	return lin;
}

void lin_destroy(struct lin *lin)
{
	if (lin)
		munmap(lin, lin->bytes);
}

void lin_make_room(const struct lin *lin, struct lin_log *log, uint64_t start)
{
	uint64_t nr = log->nr, kept = nr;

	log->moving = 1;
	atomic_signal_fence(memory_order_seq_cst);
	do {
		log->threshold /= 2;
		nr = kept;
		kept = 0;
		for (uint64_t i = 0; i < nr; i++)
			if (lin_in_sample(lin, log->threshold, lin_key(&log->records[i])))
				log->records[kept++] = log->records[i];
	} while (kept > log->room / 2 && log->threshold);
	/* The present one is still in its place behind the old end. */
	if (kept > log->room / 2) {
		log->closed = start;
	} else if (lin_in_sample(lin, log->threshold, lin_key(&log->records[log->nr]))) {
		log->records[kept++] = log->records[log->nr];
	}
	log->nr = kept;
	atomic_signal_fence(memory_order_seq_cst);
	log->moving = 0;
}
