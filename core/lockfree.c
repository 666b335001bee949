/* SPDX-License-Identifier: MIT */
/*
 * Searches without a lock: one body for the read modes seqlock and rcu, whatever
 * the strategy. Writers (table_body.inc.h) keep these promises:
 *
 * - An entry appears and disappears by one release store (tag word, link), and
 *   a replacement is one store of a cell number.
 * - seqlock: the bucket's sequence (low half of its head) is odd from before
 *   the first change until after the last. Cells are reused at once: whatever
 *   was read counts only when the sequence is even and still the same. Every
 *   load of data is an acquire, and every store of data by a writer a release
 *   that follows the odd sequence: who has read any of it sees the odd one (H.
 *   Boehm, "Can Seqlocks Get Along with Programming Language Memory Models?",
 *   MSPC 2012). On x86-64 both are plain moves.
 * - rcu: cells and their links stay as they are until a grace period after
 *   their removal (rcu.c), so what was found is right. Sequences are odd only
 *   while a bucket is split, which can hide a key on its way: they are looked
 *   at after a miss alone.
 * - A stripe's `active` grows only, and it does so while the sequence of the
 *   bucket that is split is odd. A miss in the right sequence therefore needs
 *   one more look: does `active`, read after everything else, still name this
 *   bucket? A hit needs none, for the key was in the bucket.
 *
 * Before it is validated nothing is believed: cell numbers are compared with
 * the number of cells, lengths with their limits, and a walk along a chain that
 * others change ends when the sequence does.
 */
#include <sched.h>

#include "table.h"
#include "waiting.h"

#define STACK_WORDS (SEARCH_STACK_BYTES / 8)

/* A pass's answer beside those of a search: something changed, look again. */
#define AGAIN (-EAGAIN)

struct found {
	struct shm_bucket *bucket;
	struct shm_cell *cell;
	uint64_t head; /* of the bucket, when the pass began */
	uint64_t meta;
};

INLINE bool sequence_held(const struct found *f)
{
#ifdef SHMHT_MUTANT_TORN
	return (void)f, true; /* a test's negative control: see core.ninja */
#else
	return likely((uint32_t)ld(&f->bucket->head) == (uint32_t)f->head);
#endif
}

/* Is f->cell's key this one? */
INLINE bool is_key(struct found *f, const unsigned char *key, size_t key_len)
{
	f->meta = ld_acquire(&f->cell->meta);
	return likely(meta_key_len(f->meta) == key_len) &&
	       likely(words_equal(f->cell->words, key, key_len, true));
}

/* What cannot be right is a hostile peer's doing only if nobody was at work. */
INLINE int implausible(const struct found *f)
{
	return f->head & 1 || !sequence_held(f) ? AGAIN : -EUCLEAN;
}

static __attribute__((noinline)) int walk_chain(struct shmht_ctx *ctx, const unsigned char *key,
						size_t key_len, struct found *f)
{
	uint32_t cell = (uint32_t)(f->head >> 32);

	for (uint64_t steps = 0; cell; steps++) {
		if (!cell_valid(ctx, cell) || steps > ctx->nr_cells)
			return implausible(f);
		f->cell = cell_at(ctx, cell);
		if (is_key(f, key, key_len))
			return 0;
		if (!sequence_held(f))
			return AGAIN;
		cell = meta_next(f->meta);
	}
	return -ENOENT;
}

/* One look. 0 and what was found, -ENOENT (validated), -EUCLEAN, AGAIN. */
INLINE int pass(struct shmht_ctx *ctx, uint64_t k, uint64_t h, const unsigned char *key,
		size_t key_len, bool rcu, struct found *f)
{
	struct shm_stripe *stripe = ctx->stripes + k;
	struct shm_bucket *b = bucket_at(ctx, k, ld_acquire(&stripe->active), h);
	unsigned int match;
	int r = -ENOENT;

	f->bucket = b;
	/* Acquire pairs with the release in sequence_end(): all of what made this
	 * sequence even is seen. */
	f->head = ld_acquire(&b->head);
	if (!rcu && unlikely(f->head & 1))
		return AGAIN;
	match = bucket_match(b, h);
	for (; match; match &= match - 1) {
		uint32_t cell = bucket_cell(b, (unsigned int)__builtin_ctz(match), true);

		if (unlikely(!cell_valid(ctx, cell)))
			return implausible(f);
		f->cell = cell_at(ctx, cell);
		if (is_key(f, key, key_len))
			return 0;
	}
	if (unlikely(f->head >> 32)) {
		/* A copy: what has its address taken lives in memory. */
		struct found walk = *f;

		r = walk_chain(ctx, key, key_len, &walk);
		if (r != -ENOENT) {
			*f = walk;
			return r;
		}
	}
	if (unlikely(f->head & 1) || !sequence_held(f) ||
	    unlikely(bucket_at(ctx, k, ld(&stripe->active), h) != b))
		return AGAIN;
	return r;
}

static __attribute__((noinline)) int copy_by_words(struct shmht_ctx *ctx, struct found f,
						   shm_word *words, unsigned char *to, uint32_t len,
						   size_t *ret_len)
{
	uint64_t stack[STACK_WORDS], *room = ctx->bounce ? ctx->bounce : stack;
	size_t i;

	for (i = 0; i < (len + 7u) / 8; i++)
		room[i] = ld_acquire(&words[i]);
	if (!sequence_held(&f))
		return AGAIN;
	for (i = 0; i < len / 8; i++)
		memcpy(to + 8 * i, &room[i], 8);
	for (i *= 8; i < len; i++)
		to[i] = (unsigned char)(room[i / 8] >> 8 * (i % 8));
	*ret_len = len;
	return 0;
}

/* seqlock: the value, validated before the first byte goes to the caller. */
INLINE int copy_validated(struct shmht_ctx *ctx, const struct found *f, void *value, size_t size,
			  size_t *ret_len)
{
	uint32_t len = meta_value_len(f->meta);
	shm_word *words = cell_value(ctx, f->cell);
	unsigned char *to = value;

	if (unlikely(len > ctx->value_size))
		return implausible(f);
	if (unlikely(len > size)) {
		if (!sequence_held(f))
			return AGAIN;
		*ret_len = len;
		return -ERANGE;
	}
	if (likely(len == 8 * STACK_WORDS)) {
		/* The usual length, in registers. */
		uint64_t a = ld_acquire(&words[0]), b = ld_acquire(&words[1]);
		uint64_t c = ld_acquire(&words[2]), d = ld_acquire(&words[3]);
		uint64_t e = ld_acquire(&words[4]), g = ld_acquire(&words[5]);
		uint64_t m = ld_acquire(&words[6]), n = ld_acquire(&words[7]);

		if (!sequence_held(f))
			return AGAIN;
		memcpy(to, &a, 8);
		memcpy(to + 8, &b, 8);
		memcpy(to + 16, &c, 8);
		memcpy(to + 24, &d, 8);
		memcpy(to + 32, &e, 8);
		memcpy(to + 40, &g, 8);
		memcpy(to + 48, &m, 8);
		memcpy(to + 56, &n, 8);
		*ret_len = len;
		return 0;
	}
	return copy_by_words(ctx, *f, words, to, len, ret_len);
}

/* rcu: inside a section, nobody writes to what was found. */
INLINE int copy_found(struct shmht_ctx *ctx, const struct found *f, void *value, size_t size,
		      size_t *ret_len)
{
	uint32_t len = meta_value_len(f->meta);

	if (unlikely(len > ctx->value_size))
		return -EUCLEAN;
	*ret_len = len;
	if (unlikely(len > size))
		return -ERANGE;
	words_copy_locked(cell_value(ctx, f->cell), value, len);
	return 0;
}

enum what { COPY_SEQLOCK, COPY_RCU, LOOKUP_RCU };

struct wanted {
	void *value;
	size_t size;
	const void **ret_value;
	size_t *ret_len;
};

INLINE int attempt(struct shmht_ctx *ctx, uint64_t h, const void *key, size_t key_len,
		   enum what what, const struct wanted *w)
{
	struct found f;
	int r = pass(ctx, stripe_index(ctx, h), h, key, key_len, what != COPY_SEQLOCK, &f);

	if (unlikely(r))
		return r;
	if (what == COPY_SEQLOCK)
		return copy_validated(ctx, &f, w->value, w->size, w->ret_len);
	if (what == COPY_RCU)
		return copy_found(ctx, &f, w->value, w->size, w->ret_len);
	if (unlikely(meta_value_len(f.meta) > ctx->value_size))
		return -EUCLEAN;
	*w->ret_value = (const void *)(uintptr_t)(cell_value(ctx, f.cell));
	*w->ret_len = meta_value_len(f.meta);
	return 0;
}

/* Something changed under the first look: until it stands still, or the
 * deadline. The wait is one for the stripe's holder, and counts as such. */
static __attribute__((noinline)) int insist(struct shmht_ctx *ctx, uint64_t h, const void *key,
					    size_t key_len, enum what what, struct wanted w)
{
	uint64_t start = shmht_ticks(), look = wait_ticks(1000000), next = look;
	uint32_t k = (uint32_t)stripe_index(ctx, h);
	int r;

	PROBE(contended, ctx->stripes + stripe_index(ctx, h), ctx);
	for (unsigned int n = 1;; n++) {
		if (wait_expired(ctx, start)) {
			ctx->map->strategy->note_holder(ctx, (uint32_t)stripe_index(ctx, h));
			r = -ETIMEDOUT;
			break;
		}
		/* Its writer may be dead: the sequence is odd until somebody repairs. */
		if (shmht_ticks() - start >= next) {
			ctx->map->strategy->recover(ctx, k);
			next = shmht_ticks() - start + look;
		}
		ctx->stats.spins++;
		/* Its writer may need this CPU. */
		if (n % 128)
			shmht_pause();
		else
			sched_yield();
		r = attempt(ctx, h, key, key_len, what, &w);
		if (r != AGAIN)
			break;
	}
	ctx->stats.wait_ticks[ctx->stats.contended++ % SHMHT_WAIT_RING] = shmht_ticks() - start;
	return r;
}

INLINE int search(struct shmht_ctx *ctx, const void *key, size_t key_len, enum what what,
		  const struct wanted *w)
{
	uint64_t h;
	int r = check_key(ctx, key_len);

	if (unlikely(r))
		return r;
	h = hash_key(ctx->hash, key, key_len, ctx->hash_seed);
	r = attempt(ctx, h, key, key_len, what, w);
	return likely(r != AGAIN) ? r : insist(ctx, h, key, key_len, what, *w);
}

#include "lockfree_plain.inc.h"

int search_rcu(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
	       size_t *ret_len)
{
	struct wanted w = { .value = value, .size = size, .ret_len = ret_len };
	int r = shmht_read_begin(ctx);

	if (unlikely(r))
		return r;
	r = search(ctx, key, key_len, COPY_RCU, &w);
	shmht_read_end(ctx);
	return r;
}

int lookup_rcu(struct shmht_ctx *ctx, const void *key, size_t key_len, const void **ret_value,
	       size_t *ret_len)
{
	struct wanted w = { .ret_value = ret_value, .ret_len = ret_len };

	if (unlikely(!ctx->head.depth))
		return -EINVAL;
	return search(ctx, key, key_len, LOOKUP_RCU, &w);
}

int lookup_unsupported(struct shmht_ctx *ctx, const void *key, size_t key_len,
		       const void **ret_value, size_t *ret_len)
{
	(void)ctx, (void)key, (void)key_len, (void)ret_value, (void)ret_len;
	return -EOPNOTSUPP;
}

#include "lockfree_many.inc.h"
