/* SPDX-License-Identifier: MIT */
/*
 * The part of the table that knows no lock: finding a bucket, matching tags,
 * comparing and copying cells. All of it is inlined into every operation.
 *
 * Nothing here trusts the region: a cell number is compared with the number
 * of cells before it is used, a length with its limit, and a chain is followed
 * for at most as many steps as there are cells.
 */
#ifndef SHMHT_TABLE_H
#define SHMHT_TABLE_H

#include <errno.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "context.h"
#include "hash.h"

/* The compiler folds the template's constants only through inlining. */
#define INLINE static inline __attribute__((always_inline, unused))

#define SLOT_OVERFLOW BUCKET_SLOTS

/* Where an entry was found: the link word that names its cell, and the lane. */
struct place {
	shm_word *link;
	unsigned int shift; /* of the cell number in *link */
	unsigned int slot;  /* tag lane, or SLOT_OVERFLOW */
	uint32_t cell;
};

/*
 * A hash is cut in three that do not overlap: the top bits, 16 at most, choose
 * the stripe, 32 in the middle the bucket in it, the low 16 are the tag.
 */

/* The upper half of a product with a power of two: a shift to the right. */
INLINE uint64_t stripe_index(const struct shmht_ctx *ctx, uint64_t h)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)h * ctx->nr_stripes >> 64);
}

INLINE uint64_t active_make(uint32_t buckets, uint32_t mask)
{
	return buckets | (uint64_t)mask << 32;
}

INLINE uint64_t active_first(uint32_t bucket_bits)
{
	uint32_t buckets = bucket_bits < 32 && 1u << bucket_bits < ACTIVE_FIRST ?
				   1u << bucket_bits :
				   ACTIVE_FIRST;

	return active_make(buckets, buckets - 1);
}

/* Litwin's address: the hash modulo the next power of two, or modulo half of it
 * where that bucket has not been split off yet. */
INLINE uint32_t active_index(uint64_t active, uint64_t h)
{
	uint32_t mask = (uint32_t)(active >> 32), idx = (uint32_t)(h >> 16) & mask;

	return idx >= (uint32_t)active ? idx & mask >> 1 : idx;
}

INLINE struct shm_bucket *stripe_buckets(const struct shmht_ctx *ctx,
					 const struct shm_stripe *stripe)
{
	return ctx->buckets + ((size_t)(stripe - ctx->stripes) << ctx->bucket_bits);
}

/* Bucket of a hash in stripe k, given what `active` said. The last mask keeps a
 * hostile word inside the stripe. */
INLINE struct shm_bucket *bucket_at(const struct shmht_ctx *ctx, uint64_t k, uint64_t active,
				    uint64_t h)
{
	return (struct shm_bucket *)((unsigned char *)ctx->buckets + k * ctx->stripe_bytes) +
	       (active_index(active, h) & ctx->bucket_mask);
}

/* Where an operation goes: a guess until the stripe's lock is held, and then
 * right unless the stripe grew in between. */
struct target {
	struct shm_stripe *stripe;
	struct shm_bucket *bucket;
	uint64_t active;
};

INLINE struct target target_guess(const struct shmht_ctx *ctx, uint64_t h)
{
	uint64_t k = stripe_index(ctx, h);
	struct target to = { .stripe = ctx->stripes + k };

	to.active = ld(&to.stripe->active);
	to.bucket = bucket_at(ctx, k, to.active, h);
	return to;
}

INLINE struct shm_bucket *target_bucket(const struct shmht_ctx *ctx, const struct target *to,
					uint64_t h)
{
	uint64_t active = ld(&to->stripe->active);

	return likely(active == to->active) ? to->bucket :
					      bucket_at(ctx, stripe_index(ctx, h), active, h);
}

/* How many buckets of the stripe can hold entries. */
INLINE uint64_t buckets_active(const struct shmht_ctx *ctx, struct shm_stripe *stripe)
{
	uint64_t active = (uint32_t)ld(&stripe->active), all = 1ull << ctx->bucket_bits;

	return active < all ? active : all;
}

INLINE struct shm_stripe *pool_of(const struct shmht_ctx *ctx)
{
	return ctx->stripes + (1u << ctx->stripe_bits);
}

INLINE uint16_t tag_of_hash(uint64_t h)
{
	return (uint16_t)(h + !(uint16_t)h); /* 0 marks an empty lane */
}

#if defined(__SSE2__)
INLINE __m128i lanes_equal(__m128i lanes, uint16_t tag)
{
	return _mm_cmpeq_epi16(lanes, _mm_set1_epi16((short)tag));
}

INLINE unsigned int lanes_match(__m128i lanes, uint16_t tag)
{
	__m128i equal = lanes_equal(lanes, tag);

	return (unsigned int)_mm_movemask_epi8(_mm_packs_epi16(equal, equal)) & 0xffu;
}
#endif

/* Bit i: lane i equals tag. */
INLINE unsigned int tags_match(uint64_t lo, uint64_t hi, uint16_t tag)
{
#if defined(__SSE2__)
	return lanes_match(_mm_set_epi64x((long long)hi, (long long)lo), tag);
#else
	const uint64_t ones = 0x0001000100010001ull, low = 0x7fff7fff7fff7fffull;
	uint64_t x = lo ^ tag * ones, y = hi ^ tag * ones;

	/* The high bit of each lane that is zero, exactly; gathered by a multiply. */
	x = ~(((x & low) + low) | x | low);
	y = ~(((y & low) + low) | y | low);
	return (unsigned int)((x >> 15) * 0x0001000200040008ull >> 48 & 0xfu) |
	       (unsigned int)((y >> 15) * 0x0001000200040008ull >> 48 & 0xfu) << 4;
#endif
}

/*
 * The lanes of a bucket that may be this hash's. An acquire, which pairs with the
 * release of a tag word in add_entry(): a lane that is seen has its cell number
 * and its cell. On x86-64, which keeps loads in order, both words come by one: a
 * writer changes one lane at a time, so words of two moments, or a lane in two
 * pieces, say no more than that this lane is changing, and either answer is right.
 */
#if defined(__x86_64__) && defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#define LANES_BY_ONE_LOAD

INLINE __m128i lanes_load(const struct shm_bucket *b)
{
	__m128i lanes;

	__asm__ volatile("movups %1, %0"
			 : "=x"(lanes)
			 : "m"(*(const __m128i *)(uintptr_t)b->tags)
			 : "memory");
	return lanes;
}
#endif

INLINE unsigned int bucket_match(struct shm_bucket *b, uint64_t h)
{
#ifdef LANES_BY_ONE_LOAD
	return lanes_match(lanes_load(b), tag_of_hash(h));
#else
	return tags_match(ld_acquire(&b->tags[0]), ld_acquire(&b->tags[1]), tag_of_hash(h));
#endif
}

INLINE struct shm_cell *cell_at(const struct shmht_ctx *ctx, uint32_t cell)
{
	return (struct shm_cell *)(ctx->cells + cell * ctx->cell_bytes);
}

INLINE shm_word *cell_value(const struct shmht_ctx *ctx, const struct shm_cell *c)
{
	return (shm_word *)((uintptr_t)c + ctx->value_off);
}

/* Cell 0 is "none", so it is out of range too. */
INLINE bool cell_valid(const struct shmht_ctx *ctx, uint32_t cell)
{
	return likely((uint64_t)cell - 1 < ctx->cells_usable);
}

INLINE uint32_t meta_next(uint64_t meta)
{
	return (uint32_t)meta;
}

INLINE uint32_t meta_key_len(uint64_t meta)
{
	return (uint32_t)(meta >> 32) & 0xfffu;
}

INLINE uint32_t meta_value_len(uint64_t meta)
{
	return (uint32_t)(meta >> 44);
}

INLINE uint64_t meta_make(uint32_t next, size_t key_len, size_t value_len)
{
	return next | (uint64_t)key_len << 32 | (uint64_t)value_len << 44;
}

INLINE uint64_t link_set(uint64_t word, unsigned int shift, uint32_t cell)
{
	return (word & ~(0xffffffffull << shift)) | (uint64_t)cell << shift;
}

INLINE uint64_t load8(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* The first n (1..7) bytes, zero-padded, without reading past them. */
INLINE uint64_t load_tail(const unsigned char *p, size_t n)
{
	uint32_t a, b;

	if (n >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		return a | (uint64_t)b << 8 * (n - 4);
	}
	return p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

/* lockless: an acquire, for lockfree.c; the same move on x86-64. */
INLINE uint64_t word_load(shm_word *word, bool lockless)
{
	return lockless ? ld_acquire(word) : ld(word);
}

INLINE bool words_equal(shm_word *words, const unsigned char *bytes, size_t len, bool lockless)
{
	size_t i;

	/* The usual lengths without a loop: the last word is the key's last eight
	 * bytes, less those that the first has. */
	if (likely(len - 9 < 8))
		return !((word_load(&words[0], lockless) ^ load8(bytes)) |
			 (word_load(&words[1], lockless) ^
			  load8(bytes + len - 8) >> 8 * (16 - len)));
	for (i = 0; i < len / 8; i++)
		if (word_load(&words[i], lockless) != load8(bytes + 8 * i))
			return false;
	return !(len & 7) || word_load(&words[i], lockless) == load_tail(bytes + 8 * i, len & 7);
}

/*
 * Keys of 9 to 16 bytes by their first and their last eight, as they lie in the
 * cell: no shift, unlike words_equal(). The second load lies across two words:
 * for who holds the lock, or validates what it has read.
 */
INLINE bool ends_equal(shm_word *words, const unsigned char *key, size_t len)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(__SANITIZE_THREAD__)
	typedef uint64_t __attribute__((may_alias, aligned(1))) any_word;
	const unsigned char *last = (const unsigned char *)(uintptr_t)words + len - 8;

	return !((ld_acquire(&words[0]) ^ load8(key)) |
		 (*(const volatile any_word *)last ^ load8(key + len - 8)));
#else
	return words_equal(words, key, len, true);
#endif
}

/* lockless: releases, for lockfree.c; the same moves on x86-64. */
INLINE void word_write(shm_word *word, uint64_t value, bool lockless)
{
	if (lockless)
		st_release(word, value);
	else
		st(word, value);
}

INLINE void words_write(shm_word *words, const unsigned char *bytes, size_t len, bool lockless)
{
	size_t i;

	for (i = 0; i < len / 8; i++)
		word_write(&words[i], load8(bytes + 8 * i), lockless);
	if (len & 7)
		word_write(&words[i], load_tail(bytes + 8 * i, len & 7), lockless);
}

INLINE void words_read(shm_word *words, unsigned char *bytes, size_t len)
{
	uint64_t v;
	size_t i;

	for (i = 0; i < len / 8; i++) {
		v = ld(&words[i]);
		memcpy(bytes + 8 * i, &v, 8);
	}
	if (len & 7) {
		v = ld(&words[i]);
		for (size_t k = 0; k < (len & 7); k++)
			bytes[8 * i + k] = (unsigned char)(v >> 8 * k);
	}
}

/*
 * Half of a word that is written whole: one load instead of a load and shifts.
 * Both halves of an aligned word are single-copy atomic on x86-64 and ARMv8.
 * ThreadSanitizer pairs only accesses of one size, so there a lockless reader
 * takes the whole word.
 */
INLINE uint32_t half_load(shm_word *words, unsigned int i, bool lockless)
{
#if defined(__SANITIZE_THREAD__)
	const bool whole = lockless;
#else
	const bool whole = __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;
#endif
	typedef _Atomic uint32_t __attribute__((may_alias)) half;

	if (whole)
		return (uint32_t)(word_load(&words[i / 2], lockless) >> 32 * (i % 2));
	return lockless ? ld_acquire((half *)words + i) : ld((half *)words + i);
}

INLINE uint32_t bucket_cell(struct shm_bucket *b, unsigned int slot, bool lockless)
{
	return half_load(b->cells, slot, lockless);
}

/*
 * The cell of the first lane that bucket_match() would find; false: there is none. What
 * compares lanes of 16 bits finds two bits for each, which is where a lane's number of
 * 32 bits begins, but for a factor of two: a handful of instructions less.
 */
INLINE bool bucket_first(struct shm_bucket *b, uint64_t h, uint32_t *ret_cell)
{
#ifdef LANES_BY_ONE_LOAD
	unsigned int match = (unsigned int)_mm_movemask_epi8(
		lanes_equal(lanes_load(b), tag_of_hash(h)));
	typedef _Atomic uint32_t __attribute__((may_alias)) half;

	if (!match)
		return false;
	*ret_cell = ld_acquire(
		(half *)((uintptr_t)b->cells + 2 * (uintptr_t)(unsigned int)__builtin_ctz(match)));
#else
	unsigned int match = bucket_match(b, h);

	if (!match)
		return false;
	*ret_cell = bucket_cell(b, (unsigned int)__builtin_ctz(match), true);
#endif
	return true;
}

/* Does the cell hold a key and a value of these lengths? Both in one compare. */
INLINE bool lengths_are(struct shm_cell *c, size_t key_len, uint32_t value_len, bool lockless)
{
	return half_load(&c->meta, 1, lockless) == ((uint32_t)key_len | value_len << 12);
}

static __attribute__((noinline, unused)) void copy_any(unsigned char *to, const unsigned char *from,
						       size_t len)
{
	if (len) /* the buffer may be NULL then */
		memcpy(to, from, len);
}

/* words_read() where the lock keeps every writer away: plain and wide. A line's
 * worth, the default value size, takes eight instructions and no call. */
INLINE void words_copy_locked(const shm_word *words, unsigned char *bytes, size_t len)
{
	const unsigned char *from = (const unsigned char *)(uintptr_t)words;

	if (likely(len == 64))
		memcpy(bytes, from, 64);
	else
		copy_any(bytes, from, len);
}

/* Bounded by the number of cells: a loop in the chain ends as -EUCLEAN. */
static __attribute__((noinline, unused)) int find_overflow(struct shmht_ctx *ctx,
							   struct shm_bucket *b,
							   const unsigned char *key, size_t key_len,
							   struct place *place)
{
	shm_word *link = &b->head;
	unsigned int shift = 32;

	for (uint64_t steps = 0; steps < ctx->nr_cells; steps++) {
		uint32_t cell = (uint32_t)(ld(link) >> shift);
		struct shm_cell *c;

		if (!cell)
			return -ENOENT;
		if (!cell_valid(ctx, cell))
			return -EUCLEAN;
		c = cell_at(ctx, cell);
		if (meta_key_len(ld(&c->meta)) == key_len &&
		    words_equal(c->words, key, key_len, false)) {
			*place = (struct place){ link, shift, SLOT_OVERFLOW, cell };
			return 0;
		}
		link = &c->meta;
		shift = 0;
	}
	return -EUCLEAN;
}

/* Among the bucket's lanes. 0, -ENOENT or -EUCLEAN. */
INLINE int find_lane(struct shmht_ctx *ctx, struct shm_bucket *b, uint64_t h,
		     const unsigned char *key, size_t key_len, unsigned int *ret_slot,
		     uint32_t *ret_number, struct shm_cell **ret_cell)
{
	unsigned int match;

	match = bucket_match(b, h);
	for (; match; match &= match - 1) {
		unsigned int slot = (unsigned int)__builtin_ctz(match);
		uint32_t cell = bucket_cell(b, slot, false);
		struct shm_cell *c;

		if (!cell_valid(ctx, cell))
			return -EUCLEAN;
		c = cell_at(ctx, cell);
		if (likely(meta_key_len(ld(&c->meta)) == key_len &&
			   words_equal(c->words, key, key_len, false))) {
			*ret_slot = slot;
			*ret_number = cell;
			*ret_cell = c;
			return 0;
		}
	}
	return -ENOENT;
}

/* Where an entry is, for those who will change it. 0, -ENOENT or -EUCLEAN. */
INLINE int find(struct shmht_ctx *ctx, struct shm_bucket *b, uint64_t h, const unsigned char *key,
		size_t key_len, struct place *place)
{
	struct shm_cell *c;
	unsigned int slot;
	uint32_t cell;
	int r = find_lane(ctx, b, h, key, key_len, &slot, &cell, &c);

	if (!r)
		/* The number that was checked: read again, it could be another. */
		*place = (struct place){ &b->cells[slot / 2], 32 * (slot % 2), slot, cell };
	else if (unlikely(ld_acquire(&b->head) >> 32) && r == -ENOENT)
		r = find_overflow(ctx, b, key, key_len, place);
	return r;
}

/* Its cell alone: a search keeps less in registers. */
INLINE int find_cell(struct shmht_ctx *ctx, struct shm_bucket *b, uint64_t h,
		     const unsigned char *key, size_t key_len, struct shm_cell **ret_cell)
{
	struct place place;
	unsigned int slot;
	uint32_t cell;
	int r = find_lane(ctx, b, h, key, key_len, &slot, &cell, ret_cell);

	if (unlikely(r == -ENOENT) && unlikely(ld_acquire(&b->head) >> 32)) {
		r = find_overflow(ctx, b, key, key_len, &place);
		if (!r)
			*ret_cell = cell_at(ctx, place.cell);
	}
	return r;
}

/* All lines of a cell, or its first 512 bytes, what is longer being fetched ahead
 * by the hardware. Cells begin at multiples of CELL_ALIGN, half a line, and their
 * sizes are such multiples: the last half line is on the last line. */
INLINE void prefetch_cell(const struct shmht_ctx *ctx, const struct shm_cell *cell)
{
	const unsigned char *bytes = (const unsigned char *)cell;
	uint32_t last = (ctx->cell_bytes < 512 ? (uint32_t)ctx->cell_bytes : 512) - CELL_ALIGN;

	__builtin_prefetch(bytes);
	for (uint32_t at = LINE_BYTES; at < last; at += LINE_BYTES)
		__builtin_prefetch(bytes + at);
	__builtin_prefetch(bytes + last);
}

INLINE int check_key(const struct shmht_ctx *ctx, size_t key_len)
{
	if (unlikely(key_len - 1 >= ctx->key_size))
		return key_len ? -E2BIG : -EINVAL;
	return 0;
}

#endif
