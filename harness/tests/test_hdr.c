/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram V2: the bytes against those of a writer written separately
 * (Python, from the format's description), strings of another library
 * (hdr-histogram-js 3.0.1), round trips, and input made to hurt. Compressed
 * bytes are never compared: they are zlib's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "result/base64.h"
#include "result/hdr.h"
#include "worker/rng.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SHMBENCH_SANITIZED)
#define NR_RANDOM 2000
#define BOMB_BYTES (8u << 20)
#else
#define NR_RANDOM 20000
#define BOMB_BYTES (64u << 20)
#endif

static const unsigned char golden_payload[] = {
	0x1c, 0x84, 0x93, 0x13, 0x00, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00,
	0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x3f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x04, 0x07, 0x02, 0x00, 0xd8, 0x04, 0xc1, 0x0f, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x40, 0xb1, 0x61, 0x06, 0xed, 0x95, 0x02, 0x02, 0xfd, 0x28, 0x10,
};
static const char golden_text[] = "HISTFAAAADR4nJNpmSzMwMAgwQABzFCaEYgFQAz7DxABFnYmhhssB/"
				  "kbQMBhYyLb26lMTH81BADbwAru";

static void record_many(struct hist *hist, uint64_t ns, uint64_t count)
{
	hist_record(hist, ns);
	hist->buckets[hist_bucket(ns)] += count - 1;
	hist->count += count - 1;
	hist->sum_ns += ns * (count - 1);
}

static void golden_hist(struct hist *hist)
{
	hist_reset(hist);
	record_many(hist, 0, 2);
	record_many(hist, 5, 1);
	record_many(hist, 7, 300);
	record_many(hist, 1001, (uint64_t)1 << 40);
	record_many(hist, 70000, 3);
	record_many(hist, 12345678901, 1);
	record_many(hist, ((uint64_t)1 << 36) - 1, 8);
}

/* The envelope checked, its content inflated to at most size bytes. */
static size_t unwrap(const char *text, unsigned char *payload, size_t size)
{
	static const unsigned char cookie[] = { 0x1c, 0x84, 0x93, 0x14 };
	unsigned char *data;
	uLongf payload_len = size;
	size_t len;

	assert_int_equal(base64_decode(text, &data, &len), 0);
	assert_true(len > 8);
	assert_memory_equal(data, cookie, 4);
	assert_int_equal((uint32_t)data[4] << 24 | data[5] << 16 | data[6] << 8 | data[7], len - 8);
	assert_int_equal(uncompress(payload, &payload_len, data + 8, len - 8), Z_OK);
	free(data);
	return payload_len;
}

static char *wrap(const unsigned char *payload, size_t len, uint32_t cookie)
{
	uLongf packed_len = compressBound(len);
	unsigned char *data = malloc(8 + packed_len);
	char *text;

	assert_non_null(data);
	assert_int_equal(compress(data + 8, &packed_len, payload, len), Z_OK);
	for (int i = 0; i < 4; i++) {
		data[i] = (unsigned char)(cookie >> (24 - 8 * i));
		data[4 + i] = (unsigned char)(packed_len >> (24 - 8 * i));
	}
	text = base64_encode(data, 8 + packed_len);
	assert_non_null(text);
	free(data);
	return text;
}

static void test_golden_bytes(void **state)
{
	unsigned char payload[4096];
	static struct hist hist;
	char *text;

	(void)state;
	golden_hist(&hist);
	text = hdr_encode(&hist);
	assert_non_null(text);
	assert_int_equal(unwrap(text, payload, sizeof(payload)), sizeof(golden_payload));
	assert_memory_equal(payload, golden_payload, sizeof(golden_payload));
	free(text);
}

static void test_golden_text_is_read(void **state)
{
	static struct hist hist, expected;

	(void)state;
	golden_hist(&expected);
	assert_int_equal(hdr_decode(golden_text, &hist), 0);
	assert_int_equal(hist.count, expected.count);
	assert_memory_equal(hist.buckets, expected.buckets, sizeof(hist.buckets));
	assert_int_equal(hist.min_ns, 0);
}

static void test_empty_histogram(void **state)
{
	unsigned char payload[64];
	static struct hist hist, got;
	char *text;

	(void)state;
	hist_reset(&hist);
	text = hdr_encode(&hist);
	assert_non_null(text);
	assert_int_equal(unwrap(text, payload, sizeof(payload)), 41);
	assert_int_equal(payload[40], 0); /* one count, of nothing */
	memset(&got, 0xff, sizeof(got));
	assert_int_equal(hdr_decode(text, &got), 0);
	assert_memory_equal(&got, &hist, sizeof(hist));
	free(text);
}

static void test_round_trip(void **state)
{
	static struct hist hist, got, again;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5, 0);
	for (int round = 0; round < 50; round++) {
		char *text;

		hist_reset(&hist);
		for (int i = 0; i < 2000; i++)
			record_many(&hist, rng_next(&rng) >> (28 + rng_below(&rng, 36)),
				    1 + (rng_next(&rng) >> (48 + rng_below(&rng, 16))));
		text = hdr_encode(&hist);
		assert_non_null(text);
		assert_int_equal(hdr_decode(text, &got), 0);
		assert_int_equal(got.count, hist.count);
		assert_memory_equal(got.buckets, hist.buckets, sizeof(hist.buckets));
		free(text);

		/* What was read is written and read again without a further change. */
		text = hdr_encode(&got);
		assert_non_null(text);
		assert_int_equal(hdr_decode(text, &again), 0);
		assert_memory_equal(again.buckets, got.buckets, sizeof(got.buckets));
		free(text);
	}
}

static void test_values_past_the_range(void **state)
{
	static struct hist hist, got;
	char *text;

	(void)state;
	hist_reset(&hist);
	record_many(&hist, (uint64_t)1 << 50, 3);
	text = hdr_encode(&hist);
	assert_non_null(text);
	assert_int_equal(hdr_decode(text, &got), 0);
	assert_int_equal(got.count, 3);
	assert_int_equal(got.buckets[HIST_BUCKETS - 1], 3);
	free(text);
}

/* Unit 1, 3 digits, up to an hour; index offset 1, and the ratio an integer. */
static void test_foreign_hour(void **state)
{
	static struct hist hist;

	(void)state;
	assert_int_equal(hdr_decode("HISTFAAAADN4nJNpmSzMwMDAz8DAwMjAwMDMAAEgNsO1yUsYYHwmptP8fPvzG"
				    "ma/Y7r8hpEJAKigCU8=",
				    &hist),
			 0);
	assert_int_equal(hist.count, 3000010);
	assert_int_equal(hist.buckets[hist_bucket(0)], 1);
	assert_int_equal(hist.buckets[hist_bucket(1)], 1);
	assert_int_equal(hist.buckets[hist_bucket(1000)], 7);
	assert_int_equal(hist.buckets[hist_bucket(123456)], 3000000);
	assert_int_equal(hist.buckets[hist_bucket(3600000000)], 1);
	assert_int_equal(hist.min_ns, 0);
	assert_int_equal(hist.max_ns, 3599761407); /* midpoint of 2^21 values */
	assert_int_equal(hist.sum_ns, 1 + 7 * 1000 + 3000000ull * 123487 + 3599761407);
}

/* Lowest 1000, so a unit of 512; 2 digits. */
static void test_foreign_unit(void **state)
{
	static struct hist hist;

	(void)state;
	assert_int_equal(hdr_decode("HISTFAAAACp4nJNpmSzMwMDAysDAwMjAwMDEAAbML0Ck9axTDFDAKMhxUFwIA"
				    "GlIBN0=",
				    &hist),
			 0);
	assert_int_equal(hist.count, 13);
	assert_int_equal(hist.min_ns, 4863); /* of 4608..5119 */
	assert_int_equal(hist.max_ns, 123469823);
	assert_int_equal(hist.sum_ns, 4 * 4863 + 9 * 123469823ull);
}

static void test_foreign_five_digits(void **state)
{
	static struct hist hist;

	(void)state;
	assert_int_equal(hdr_decode("HISTFAAAACZ42pNpmSzMwMDAyQABrFCaEYyAwP4DROD+UQ62qzv7mJgAaVAGW"
				    "A==",
				    &hist),
			 0);
	assert_int_equal(hist.count, 4);
	assert_int_equal(hist.buckets[hist_bucket(70000)], 3);
	assert_int_equal(hist.buckets[hist_bucket(12345678901)], 1);
	assert_int_equal(hist.min_ns, 70000);
}

/* ---- refusals ---------------------------------------------------------- */

static void expect_refused(const char *text)
{
	static struct hist hist;

	memset(&hist, 0x5a, sizeof(hist));
	assert_int_equal(hdr_decode(text, &hist), -EINVAL);
	for (size_t i = 0; i < sizeof(hist); i++)
		assert_int_equal(((unsigned char *)&hist)[i], 0x5a); /* untouched */
}

static void test_not_base64(void **state)
{
	static const char *const texts[] = { "",	 "A",	     "AAA",	  "====",
					     "A===",	 "HIST FAA", "HIST\nFAA", "HISTFAA!",
					     "AA==AAAA", "HISTFB==", "AB==",	  "AAB=" };

	unsigned char *data;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		expect_refused(texts[i]);
		if (i) /* "" is base64, of nothing */
			assert_int_equal(base64_decode(texts[i], &data, &len), -EINVAL);
	}
}

static void test_base64_vectors(void **state)
{
	/* RFC 4648, section 10. */
	static const char *const texts[] = { "",	 "Zg==",     "Zm8=",	"Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };

	(void)state;
	for (size_t len = 0; len <= 6; len++) {
		char *text = base64_encode("foobar", len);
		unsigned char *data;
		size_t got;

		assert_string_equal(text, texts[len]);
		assert_int_equal(base64_decode(text, &data, &got), 0);
		assert_int_equal(got, len);
		assert_memory_equal(data, "foobar", len);
		free(data);
		free(text);
	}
}

static void refuse_payload(const unsigned char *payload, size_t len, uint32_t cookie)
{
	char *text = wrap(payload, len, cookie);

	expect_refused(text);
	free(text);
}

static void test_each_header_field_wrong(void **state)
{
	static const struct {
		unsigned int at, len;
		unsigned char value;
	} wrong[] = {
		{ 0, 1, 0x1d },	 { 3, 1, 0x01 }, /* V0 */
		{ 3, 1, 0x14 },	 { 7, 1, 0x17 }, /* a count cut off */
		{ 7, 1, 0x19 },	 { 4, 4, 0xff },  { 11, 1, 1 }, { 15, 1, 0 },
		{ 15, 1, 6 },	 { 12, 4, 0xff }, { 23, 1, 0 }, { 16, 8, 0xff },
		{ 24, 8, 0 },	 { 24, 8, 0xff }, { 27, 1, 0 }, /* highest 0 */
		{ 32, 1, 0x40 },
	};
	unsigned char payload[sizeof(golden_payload)];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(payload, golden_payload, sizeof(payload));
		memset(payload + wrong[i].at, wrong[i].value, wrong[i].len);
		refuse_payload(payload, sizeof(payload), 0x1c849314);
	}
	memcpy(payload, golden_payload, sizeof(payload));
	payload[27] = 1; /* highest 2^32: the counts go past its end */
	payload[24] = payload[25] = payload[26] = 0;
	refuse_payload(payload, sizeof(payload), 0x1c849314);
	refuse_payload(golden_payload, sizeof(golden_payload), 0x1c849313);
	refuse_payload(golden_payload, sizeof(golden_payload), 0x1c849302);
}

/* A payload whose counts are the given bytes. */
static void refuse_counts(const unsigned char *counts, size_t len)
{
	unsigned char *payload = malloc(40 + len);

	assert_non_null(payload);
	memcpy(payload, golden_payload, 40);
	for (int i = 0; i < 4; i++)
		payload[4 + i] = (unsigned char)(len >> (24 - 8 * i));
	memcpy(payload + 40, counts, len);
	refuse_payload(payload, 40 + len, 0x1c849314);
	free(payload);
}

static void test_hostile_counts(void **state)
{
	static const unsigned char lowest[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	static const unsigned char unended[] = { 0x80, 0x80 };
	/* The runs of zeros end one place past the array (28672), then a count. */
	static const unsigned char past[] = { 0xff, 0xbf, 0x03, 0x02 };
	/* 2^62 samples of 8: the product overflows, and is 0. */
	static const unsigned char product[] = { 0x0f, 0x80, 0x80, 0x80, 0x80,
						 0x80, 0x80, 0x80, 0x80, 0x80 };
	/* 2^62 samples each of 1 to 9: the sum overflows. */
	unsigned char sums[1 + 9 * 9];

	(void)state;
	refuse_counts(lowest, sizeof(lowest));
	refuse_counts(unended, sizeof(unended));
	refuse_counts(past, sizeof(past));
	refuse_counts(product, sizeof(product));
	memset(sums, 0x80, sizeof(sums));
	sums[0] = 0;
	refuse_counts(sums, sizeof(sums));
}

/* 64 MiB of zeros compress to 64 KiB: to be refused after as many places as exist,
 * not after having been blown up. */
static void test_bomb(void **state)
{
	size_t len = BOMB_BYTES;
	unsigned char *zeros = calloc(1, len);

	(void)state;
	assert_non_null(zeros);
	refuse_counts(zeros, len);
	memcpy(zeros, golden_payload, sizeof(golden_payload)); /* and behind the end */
	refuse_payload(zeros, len, 0x1c849314);
	free(zeros);
}

/* Every prefix, and every byte replaced: refused, or read as something whole. */
static void test_damaged_text(void **state)
{
	char text[sizeof(golden_text)];
	static struct hist hist;
	unsigned int read = 0;

	(void)state;
	for (size_t len = 0; len < sizeof(golden_text) - 1; len++) {
		memcpy(text, golden_text, len);
		text[len] = 0;
		expect_refused(text);
	}
	for (size_t i = 0; i < sizeof(golden_text) - 1; i++) {
		for (int c = 1; c < 256; c++) {
			int rc;

			if ((char)c == golden_text[i])
				continue;
			memcpy(text, golden_text, sizeof(text));
			text[i] = (char)c;
			rc = hdr_decode(text, &hist);
			assert_true(rc == 0 || rc == -EINVAL);
			read += rc == 0;
		}
	}
	/* Bits that zlib's checksum does not cover: cookie nibble, header level. */
	assert_true(read < 100);
}

/* The envelope is sound, the payload random: the parser behind zlib. */
static void test_random_payloads(void **state)
{
	unsigned char payload[40 + 200];
	static struct hist hist;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11, 0);
	for (int round = 0; round < NR_RANDOM; round++) {
		size_t len = 40 + rng_below(&rng, 200);
		uint64_t total = 0;
		char *text;
		int rc;

		memcpy(payload, golden_payload, 40);
		for (size_t i = 40; i < len; i++)
			payload[i] = (unsigned char)rng_next(&rng);
		if (rng_below(&rng, 2))
			payload[rng_below(&rng, 40)] ^= (unsigned char)(1u << rng_below(&rng, 8));
		else
			payload[7] = (unsigned char)(len - 40);
		text = wrap(payload, len, 0x1c849314);
		rc = hdr_decode(text, &hist);
		free(text);
		assert_true(rc == 0 || rc == -EINVAL);
		if (rc)
			continue;
		for (uint32_t i = 0; i < HIST_BUCKETS; i++)
			total += hist.buckets[i];
		assert_int_equal(total, hist.count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_bytes),
		cmocka_unit_test(test_golden_text_is_read),
		cmocka_unit_test(test_empty_histogram),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_values_past_the_range),
		cmocka_unit_test(test_foreign_hour),
		cmocka_unit_test(test_foreign_unit),
		cmocka_unit_test(test_foreign_five_digits),
		cmocka_unit_test(test_not_base64),
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_each_header_field_wrong),
		cmocka_unit_test(test_hostile_counts),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_damaged_text),
		cmocka_unit_test(test_random_payloads),
	};

	return cmocka_run_group_tests_name("hdr", tests, NULL, NULL);
}
