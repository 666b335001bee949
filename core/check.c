/* SPDX-License-Identifier: MIT */
/*
 * The structural check: walks everything once, takes no lock, believes
 * nothing. One bit per cell says whether it was met, so that a cell in two
 * places, a loop or a lost cell is found in O(cells).
 */
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "table.h"

/* Looking for a key's twin costs the chain's length for each of its cells: past
 * this depth a hostile chain could keep check() busy for hours. */
#define DUPLICATE_DEPTH 4096u

struct check {
	struct shmht_ctx *ctx;
	shmht_report_fn report;
	void *arg;
	int broken;
	uint64_t met_nr;
	uint64_t *met; /* a bit per cell */
};

__attribute__((format(printf, 2, 3))) static void broken(struct check *chk, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	chk->broken += chk->broken < INT32_MAX;
	if (!chk->report)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	chk->report(text, chk->arg);
}

/* False when the cell cannot be used: out of range, never handed out, or met. */
static bool meet(struct check *chk, uint64_t cell, uint64_t fresh, const char *where, uint64_t nr)
{
	if (cell == 0 || cell >= fresh) {
		broken(chk, "%s %llu: cell %llu is out of range (1..%llu)", where,
		       (unsigned long long)nr, (unsigned long long)cell,
		       (unsigned long long)(fresh - 1));
		return false;
	}
	if (chk->met[cell / 64] >> (cell % 64) & 1) {
		broken(chk, "%s %llu: cell %llu is in use elsewhere too", where,
		       (unsigned long long)nr, (unsigned long long)cell);
		return false;
	}
	chk->met[cell / 64] |= 1ull << (cell % 64);
	chk->met_nr++;
	return true;
}

static void check_entry(struct check *chk, uint64_t bucket, uint32_t cell, uint16_t tag,
			uint64_t last_stamp)
{
	struct shmht_ctx *ctx = chk->ctx;
	struct shm_cell *c = cell_at(ctx, cell);
	uint64_t meta = ld(&c->meta), h, home;
	unsigned char key[SHMHT_KEY_MAX + 1];
	uint32_t key_len = meta_key_len(meta);

	if (key_len < 1 || key_len > ctx->key_size) {
		broken(chk, "bucket %llu: cell %u has a key of %u bytes (1..%u)",
		       (unsigned long long)bucket, cell, key_len, ctx->key_size);
		return;
	}
	if (meta_value_len(meta) > ctx->value_size)
		broken(chk, "bucket %llu: cell %u has a value of %u bytes (0..%u)",
		       (unsigned long long)bucket, cell, meta_value_len(meta), ctx->value_size);
	words_read(c->words, key, key_len);
	h = hash_key(ctx->hash, key, key_len, ctx->hash_seed);
	home = (uint64_t)(target_guess(ctx, h).bucket - ctx->buckets);
	if (home != bucket)
		broken(chk, "bucket %llu: cell %u holds a key of bucket %llu",
		       (unsigned long long)bucket, cell, (unsigned long long)home);
	else if (tag && tag != tag_of_hash(h))
		broken(chk, "bucket %llu: cell %u has tag %04x, its key %04x",
		       (unsigned long long)bucket, cell, tag, tag_of_hash(h));
	if (ld(&c->stamp) > last_stamp)
		broken(chk, "bucket %llu: cell %u is younger than its stripe's last stamp",
		       (unsigned long long)bucket, cell);
}

/* Is the key of `cell` also in an earlier place of the bucket? */
static bool is_duplicate(struct check *chk, struct shm_bucket *b, uint32_t cell)
{
	struct shmht_ctx *ctx = chk->ctx;
	struct shm_cell *c = cell_at(ctx, cell);
	unsigned char key[SHMHT_KEY_MAX + 1];
	uint32_t key_len = meta_key_len(ld(&c->meta));
	struct place place;
	uint64_t h;

	if (key_len < 1 || key_len > ctx->key_size)
		return false;
	words_read(c->words, key, key_len);
	h = hash_key(ctx->hash, key, key_len, ctx->hash_seed);
	return find(ctx, b, h, key, key_len, &place) == 0 && place.cell != cell;
}

static uint64_t check_bucket(struct check *chk, uint64_t bucket, uint64_t last_stamp,
			     uint64_t fresh)
{
	struct shmht_ctx *ctx = chk->ctx;
	struct shm_bucket *b = ctx->buckets + bucket;
	uint64_t entries = 0, overflow = 0;
	uint32_t cell;

	if (ld(&b->head) & 1)
		broken(chk, "bucket %llu: sequence %u is odd: a mutation is under way",
		       (unsigned long long)bucket, (uint32_t)ld(&b->head));
	for (unsigned int slot = 0; slot < BUCKET_SLOTS; slot++) {
		uint16_t tag = (uint16_t)(ld(&b->tags[slot / 4]) >> 16 * (slot % 4));

		if (!tag)
			continue;
		cell = bucket_cell(b, slot, false);
		if (!meet(chk, cell, fresh, "bucket", bucket))
			continue;
		check_entry(chk, bucket, cell, tag, last_stamp);
		if (is_duplicate(chk, b, cell))
			broken(chk, "bucket %llu: the key of cell %u is there twice",
			       (unsigned long long)bucket, cell);
		entries++;
	}
	/* Ends: a cell met twice stops it. */
	for (cell = (uint32_t)(ld(&b->head) >> 32); cell;
	     cell = meta_next(ld(&cell_at(ctx, cell)->meta))) {
		if (!meet(chk, cell, fresh, "overflow of bucket", bucket))
			break;
		check_entry(chk, bucket, cell, 0, last_stamp);
		if (overflow++ < DUPLICATE_DEPTH && is_duplicate(chk, b, cell))
			broken(chk, "bucket %llu: the key of cell %u is there twice",
			       (unsigned long long)bucket, cell);
		entries++;
	}
	return entries;
}

/* A list of free cells against the length that is noted for it. */
static void check_chain(struct check *chk, uint64_t first, uint64_t len, uint64_t fresh,
			const char *what, uint64_t nr)
{
	uint64_t n = 0, cell;

	for (cell = first; cell && n < len;
	     cell = meta_next(ld(&cell_at(chk->ctx, (uint32_t)cell)->meta))) {
		if (!meet(chk, cell, fresh, what, nr))
			return;
		n++;
	}
	if (n != len)
		broken(chk, "%s %llu: %llu cells, noted are %llu", what, (unsigned long long)nr,
		       (unsigned long long)n, (unsigned long long)len);
}

/* Removed cells that wait for readers: linked by their stamps. */
static void check_limbo(struct check *chk, uint64_t limbo, uint64_t fresh, uint32_t k)
{
	uint64_t cell = (uint32_t)limbo, len = limbo >> 32, n;

	if (len > chk->ctx->map->geo.limbo / 2)
		broken(chk, "stripe %u: %llu removed cells wait for readers, at most %u may", k,
		       (unsigned long long)len, chk->ctx->map->geo.limbo / 2);
	for (n = 0; n < len && cell; n++) {
		if (!meet(chk, cell, fresh, "limbo of stripe", k))
			return;
		cell = (uint32_t)ld(&cell_at(chk->ctx, (uint32_t)cell)->stamp);
	}
	if (n != len)
		broken(chk, "limbo of stripe %u: %llu cells, noted are %llu", k,
		       (unsigned long long)n, (unsigned long long)len);
}

static void check_stripe(struct check *chk, uint32_t k, uint64_t fresh)
{
	struct shmht_ctx *ctx = chk->ctx;
	struct shm_stripe *stripe = ctx->stripes + k;
	uint64_t first = (uint64_t)(stripe_buckets(ctx, stripe) - ctx->buckets), entries = 0;
	uint64_t active = ld(&stripe->active), buckets = (uint32_t)active;
	uint64_t loaded = ld(&stripe->loaded), spare = ld(&stripe->spare_mag);

	/* The mask is the smallest of ones that covers the buckets in use. */
	if (!buckets || buckets > 1ull << ctx->bucket_bits || buckets - 1 > active >> 32 ||
	    (active >> 32 & ((active >> 32) + 1)) || (buckets > 1 && buckets <= (active >> 33) + 1))
		broken(chk, "stripe %u: %llu buckets in use with mask 0x%llx", k,
		       (unsigned long long)buckets, (unsigned long long)(active >> 32));
	for (uint64_t b = first; b < first + (1ull << ctx->bucket_bits); b++)
		entries += check_bucket(chk, b, ld(&stripe->last_stamp), fresh);
	if (entries != ld(&stripe->count))
		broken(chk, "stripe %u: %llu entries, its count says %llu", k,
		       (unsigned long long)entries, (unsigned long long)ld(&stripe->count));
	check_chain(chk, (uint32_t)loaded, loaded >> 32, fresh, "free cells of stripe", k);
	check_chain(chk, (uint32_t)spare, spare >> 32, fresh, "spare cells of stripe", k);
	check_limbo(chk, ld(&stripe->limbo), fresh, k);
	check_limbo(chk, ld(&stripe->limbo_closed), fresh, k);
	if (ld(&stripe->intent[INTENT_ARMED]) | ld(&stripe->intent[INTENT_SWAP]))
		broken(chk, "stripe %u: an intent is armed: a mutation is unfinished", k);
}

static void check_pool(struct check *chk, uint64_t fresh)
{
	struct shm_stripe *pool = pool_of(chk->ctx);
	uint64_t chains = ld(&pool->loaded), nr = chains >> 32, first = (uint32_t)chains, n = 0;

	while (first && n < nr) {
		uint64_t link;

		if (first >= fresh) {
			broken(chk, "pool: chain %llu starts at cell %llu (1..%llu)",
			       (unsigned long long)n, (unsigned long long)first,
			       (unsigned long long)(fresh - 1));
			return;
		}
		link = ld(&cell_at(chk->ctx, (uint32_t)first)->stamp);
		if (chk->met[first / 64] >> (first % 64) & 1) {
			broken(chk, "pool: cell %llu is in use elsewhere too",
			       (unsigned long long)first);
			return;
		}
		/* An empty chain is none; and linked to itself it would never end. */
		if (!(link >> 32)) {
			broken(chk, "pool: chain %llu has no cells", (unsigned long long)n);
			return;
		}
		check_chain(chk, first, link >> 32, fresh, "pool chain", n);
		first = (uint32_t)link;
		n++;
	}
	if (ld(&pool->intent[INTENT_ARMED]) | ld(&pool->intent[INTENT_SWAP]))
		broken(chk, "pool: an intent is armed: a transfer is unfinished");
	if (n != nr)
		broken(chk, "pool: %llu chains, noted are %llu", (unsigned long long)n,
		       (unsigned long long)nr);
}

int shmht_check(struct shmht_ctx *ctx, shmht_report_fn report, void *arg)
{
	struct check chk = { .ctx = ctx, .report = report, .arg = arg };
	uint64_t fresh, bytes;

	if (!ctx->map)
		return -ESTALE;
	bytes = ctx->nr_cells / 64 * 8 + 8;
	chk.met = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (chk.met == MAP_FAILED)
		return -ENOMEM;
	fresh = ld(&pool_of(ctx)->spare_mag);
	if (fresh < 1 || fresh > ctx->nr_cells) {
		broken(&chk, "pool: next fresh cell is %llu (1..%llu)", (unsigned long long)fresh,
		       (unsigned long long)ctx->nr_cells);
		fresh = fresh < 1 ? 1 : ctx->nr_cells;
	}
	for (uint32_t k = 0; k < 1u << ctx->stripe_bits; k++)
		check_stripe(&chk, k, fresh);
	check_pool(&chk, fresh);
	if (chk.met_nr != fresh - 1)
		broken(&chk, "%llu cells were handed out, %llu were found",
		       (unsigned long long)(fresh - 1), (unsigned long long)chk.met_nr);
	munmap(chk.met, bytes);
	return chk.broken;
}
