/* SPDX-License-Identifier: MIT */
/*
 * Keys and values between the caller's bytes and the region's words: every
 * length at every alignment, padded with zeros, and never a byte outside. The
 * caller's buffer ends (or begins) at a page that may not be touched, so that a
 * read too far is a crash and not luck.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "table.h"
#include "support.h"

#define PAGE 4096u
#define LEN_MAX 200u
#define WORDS ((LEN_MAX + 7) / 8)
#define GUARD 0xa5a5a5a5a5a5a5a5ull

/* Two pages that can be used, between two that cannot. */
static unsigned char *make_room(void)
{
	unsigned char *room = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(room != MAP_FAILED);
	assert_int_equal(mprotect(room + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
	return room + PAGE;
}

/* len bytes at the room's very end, at its very start, or `place` bytes in. */
#define PLACES 10u
static unsigned char *place_bytes(unsigned char *room, unsigned int place, size_t len)
{
	memset(room, 0x5a, 2 * PAGE);
	if (place == 0)
		return room + 2 * PAGE - len;
	return place == 1 ? room : room + 64 + place - 2;
}

static void fill_bytes(unsigned char *bytes, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(mix64(seed + i) | 1); /* none looks like padding */
}

/* Everything of the room but the bytes is as place_bytes() left it. */
static void assert_rest_untouched(const unsigned char *room, const unsigned char *bytes, size_t len)
{
	for (const unsigned char *p = room; p < room + 2 * PAGE; p++)
		if ((p < bytes || p >= bytes + len) && *p != 0x5a)
			fail_msg("length %zu: byte %td was written", len, p - bytes);
}

static void tail(const struct shmht_strategy *strategy)
{
	unsigned char *room = make_room();

	(void)strategy;
	for (size_t n = 1; n < 8; n++)
		for (unsigned int place = 0; place < PLACES; place++) {
			unsigned char *bytes = place_bytes(room, place, n);
			uint64_t want = 0;

			fill_bytes(bytes, n, n);
			for (size_t i = 0; i < n; i++)
				want |= (uint64_t)bytes[i] << 8 * i;
			assert_int_equal(load_tail(bytes, n), want);
		}
	munmap(room - PAGE, 4 * PAGE);
}

/* words[1..] with a guard word on either side. */
static void write_words(const struct shmht_strategy *strategy)
{
	unsigned char *room = make_room();

	(void)strategy;
	for (size_t len = 0; len <= LEN_MAX; len++)
		for (unsigned int place = 0; place < PLACES; place++) {
			unsigned char *bytes = place_bytes(room, place, len);
			shm_word words[WORDS + 2];
			size_t used = (len + 7) / 8;

			for (size_t i = 0; i < WORDS + 2; i++)
				st(&words[i], GUARD);
			fill_bytes(bytes, len, len);
			words_write(words + 1, bytes, len, false);
			for (size_t i = 0; i < used; i++) {
				uint64_t want = 0;

				for (size_t k = 0; k < 8 && 8 * i + k < len; k++)
					want |= (uint64_t)bytes[8 * i + k] << 8 * k;
				assert_int_equal(ld(&words[1 + i]), want);
			}
			assert_int_equal(ld(&words[0]), GUARD);
			for (size_t i = 1 + used; i < WORDS + 2; i++)
				assert_int_equal(ld(&words[i]), GUARD);
		}
	munmap(room - PAGE, 4 * PAGE);
}

/* The words end where memory does too: a copy may not run over their padding. */
static shm_word *place_words(unsigned char *room, size_t len)
{
	return (shm_word *)(void *)(room + 2 * PAGE - (len + 7) / 8 * 8);
}

static void read_words(const struct shmht_strategy *strategy)
{
	unsigned char *room = make_room(), *shared = make_room(), want[LEN_MAX];

	(void)strategy;
	for (size_t len = 0; len <= LEN_MAX; len++)
		for (unsigned int place = 0; place < PLACES; place++)
			for (int locked = 0; locked < 2; locked++) {
				unsigned char *bytes = place_bytes(room, place, len);
				shm_word *words = place_words(shared, len);

				fill_bytes(want, len, len);
				words_write(words, want, len, true);
				if (locked)
					words_copy_locked(words, bytes, len);
				else
					words_read(words, bytes, len);
				assert_memory_equal(bytes, want, len);
				assert_rest_untouched(room, bytes, len);
			}
	munmap(room - PAGE, 4 * PAGE);
	munmap(shared - PAGE, 4 * PAGE);
}

/* Equal to itself; different as soon as one bit of one byte is, whichever. */
static void equal_words(const struct shmht_strategy *strategy)
{
	unsigned char *room = make_room(), *shared = make_room();

	(void)strategy;
	for (size_t len = 1; len <= LEN_MAX; len++)
		for (unsigned int place = 0; place < PLACES; place++) {
			unsigned char *bytes = place_bytes(room, place, len);
			shm_word *words = place_words(shared, len);

			fill_bytes(bytes, len, len);
			words_write(words, bytes, len, false);
			assert_true(words_equal(words, bytes, len, false));
			for (size_t i = 0; i < len; i++) {
				unsigned char bit = (unsigned char)(1u << (i + place) % 8);

				bytes[i] ^= bit;
				if (words_equal(words, bytes, len, false))
					fail_msg("length %zu: byte %zu is not compared", len, i);
				bytes[i] ^= bit;
			}
			/* What stands beside the bytes is not part of them. */
			if (place > 1) {
				bytes[-1] ^= 0xff;
				bytes[len] ^= 0xff;
				assert_true(words_equal(words, bytes, len, false));
			}
		}
	munmap(room - PAGE, 4 * PAGE);
	munmap(shared - PAGE, 4 * PAGE);
}

static const struct strategy_test tests[] = {
	{ "words: the tail of a key", tail, TEST_ONCE },
	{ "words: written, every length and alignment", write_words, TEST_ONCE },
	{ "words: read, every length and alignment", read_words, TEST_ONCE },
	{ "words: compared, every byte counts", equal_words, TEST_ONCE },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("words", tests);
}
