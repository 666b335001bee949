/* SPDX-License-Identifier: MIT */
/*
 * A seqlock search as most are: keys of 9 to 16 bytes, XXH3, a value of 64 bytes or a miss,
 * nobody at work. Part of lockfree.c. It calls nothing, and what it finds to be
 * otherwise it leaves by a jump at its end, so that little lives in registers that
 * it would have to save: 40 instructions less than search() around the same
 * loads, and of these searches the reorder window holds one more at a time.
 */

#if defined(__x86_64__) && defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
/*
 * Wider than a word, or across two: what was torn by a writer is refused by the
 * sequence like all else that changed. x86-64 keeps loads in order, so the second
 * look at the sequence comes after these; the compiler is told by the fence in
 * search_seqlock(). Elsewhere, and for ThreadSanitizer, word by word by acquires.
 */
struct line {
	__m128i a, b, c, d; /* no array: it would live in memory */
};

INLINE __m128i load16(const __m128i *from)
{
	__m128i v;

	__asm__ volatile("movups %1, %0" : "=x"(v) : "m"(*from));
	return v;
}

INLINE struct line line_load(const shm_word *words)
{
	const __m128i *from = (const __m128i *)(uintptr_t)words;

	return (struct line){ load16(from), load16(from + 1), load16(from + 2), load16(from + 3) };
}

INLINE void line_store(const struct line *line, void *value)
{
	__m128i *to = value;

	_mm_storeu_si128(to, line->a);
	_mm_storeu_si128(to + 1, line->b);
	_mm_storeu_si128(to + 2, line->c);
	_mm_storeu_si128(to + 3, line->d);
}

INLINE bool plain_key(shm_word *words, const unsigned char *key, size_t len)
{
	return ends_equal(words, key, len);
}
#else
struct line {
	uint64_t part[8];
};

INLINE struct line line_load(shm_word *words)
{
	struct line line;

	for (int i = 0; i < 8; i++)
		line.part[i] = ld_acquire(&words[i]);
	return line;
}

INLINE void line_store(const struct line *line, void *to)
{
	memcpy(to, line, sizeof(*line));
}

INLINE bool plain_key(shm_word *words, const unsigned char *key, size_t len)
{
	return words_equal(words, key, len, true);
}
#endif

static __attribute__((noinline)) int search_seqlock_any(struct shmht_ctx *ctx, const void *key,
							size_t key_len, void *value, size_t size,
							size_t *ret_len)
{
	struct wanted w = { .value = value, .size = size, .ret_len = ret_len };

	return search(ctx, key, key_len, COPY_SEQLOCK, &w);
}

/* The loads and their order are those of pass() and copy_validated(). */
int search_seqlock(struct shmht_ctx *ctx, const void *key, size_t key_len, void *value, size_t size,
		   size_t *ret_len)
{
	struct found f;
	struct line line;
	uint32_t cell;
	uint64_t h, k, active;
	shm_word *words;

	if (unlikely(key_len - 9 >= 8) || unlikely(!ctx->plain) || unlikely(size < sizeof(line)))
		return search_seqlock_any(ctx, key, key_len, value, size, ret_len);
	h = hash_key(NULL, key, key_len, ctx->hash_seed);
	k = stripe_index(ctx, h);
	words = &ctx->stripes[k].active;
	active = ld_acquire(words);
	f.bucket = bucket_at(ctx, k, active, h);
	f.head = ld_acquire(&f.bucket->head);
	if (!bucket_first(f.bucket, h, &cell)) {
		if (likely(!(f.head >> 32 | (f.head & 1))) && sequence_held(&f) &&
		    likely(ld(words) == active))
			return -ENOENT;
		return search_seqlock_any(ctx, key, key_len, value, size, ret_len);
	}
	if (!cell_valid(ctx, cell))
		return search_seqlock_any(ctx, key, key_len, value, size, ret_len);
	f.cell = cell_at(ctx, cell);
	if (unlikely(!lengths_are(f.cell, key_len, sizeof(line), true)) ||
	    unlikely(!plain_key(f.cell->words, key, key_len)))
		return search_seqlock_any(ctx, key, key_len, value, size, ret_len);
	line = line_load(cell_value(ctx, f.cell));
	atomic_signal_fence(memory_order_acquire);
	f.head &= ~1ull; /* one that was odd is held by none */
	if (!sequence_held(&f))
		return search_seqlock_any(ctx, key, key_len, value, size, ret_len);
	line_store(&line, value);
	*ret_len = sizeof(line);
	return 0;
}
