/* SPDX-License-Identifier: MIT */
/*
 * HdrHistogram's V2 compressed form, as its Java, C and JavaScript libraries
 * exchange it:
 *
 *	base64 of	be32 0x1c849314, be32 length, zlib stream of
 *	payload		be32 0x1c849313, be32 length of the counts in bytes,
 *			be32 index offset (0), be32 significant digits,
 *			be64 lowest, be64 highest, be64 (double) ratio 1.0
 *	counts		ZigZag LEB128, at most 9 bytes each, the ninth with all
 *			8 bits; a negative one stands for that many zeros
 *
 * Its buckets: 2^m values of width 1, 2^m being the first power of two that
 * resolves the wanted digits, then 2^(m-1) per power of two. At 3 digits
 * m = 11, so that each of our buckets is 8 of its, none cut in two.
 *
 * The decoder reads other people's files: the counts are inflated through a
 * small window and every one of them takes its place in an array whose size
 * the header gave, so a bomb ends after at most 9 bytes per place.
 */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "result/base64.h"
#include "result/hdr.h"

#define COOKIE_PLAIN 0x1c849303u
#define COOKIE_COMPRESSED 0x1c849304u
#define COOKIE_WORD_SIZE 0xf0u /* a nibble that readers ignore; 1 is written */
#define DIGITS 3u
#define HIGHEST ((uint64_t)1 << HIST_MAX_BITS)
#define LEB128_MAX 9u
#define PAYLOAD_HEADER 40u
#define ENVELOPE 8u

/* Bucket geometry that follows from digits, lowest and highest. */
struct geometry {
	unsigned int sub_bits;	/* m */
	unsigned int unit_bits; /* log2 of the unit, from lowest */
	uint32_t places;	/* length of the counts array */
};

/* -EINVAL when no writer makes such a histogram. */
static int geometry_of(uint32_t digits, uint64_t lowest, uint64_t highest, struct geometry *ret_geo)
{
	uint64_t single_unit = 2;
	unsigned int powers = 1;
	struct geometry geo;

	if (digits < 1 || digits > 5 || lowest < 1 || lowest > INT64_MAX / 2 ||
	    highest > INT64_MAX || highest < 2 * lowest)
		return -EINVAL;
	for (uint32_t i = 0; i < digits; i++)
		single_unit *= 10;
	geo.sub_bits = 64u - (unsigned int)__builtin_clzll(single_unit - 1);
	geo.unit_bits = 63u - (unsigned int)__builtin_clzll(lowest);
	if (geo.sub_bits + geo.unit_bits > 61)
		return -EINVAL;
	while (geo.sub_bits + geo.unit_bits + powers - 1 < 63 &&
	       highest >> (geo.sub_bits + geo.unit_bits + powers - 1))
		powers++;
	geo.places = (powers + 1) << (geo.sub_bits - 1);
	*ret_geo = geo;
	return 0;
}

static uint32_t place_of(const struct geometry *geo, uint64_t value)
{
	uint64_t first = ((uint64_t)1 << (geo->sub_bits + geo->unit_bits)) - 1;
	unsigned int power = 64u - (unsigned int)__builtin_clzll(value | first) - geo->sub_bits -
			     geo->unit_bits;

	return (power << (geo->sub_bits - 1)) + (uint32_t)(value >> (power + geo->unit_bits));
}

static uint64_t place_midpoint(const struct geometry *geo, uint32_t place)
{
	unsigned int power = place >> (geo->sub_bits - 1), shift;

	power = power ? power - 1 : 0;
	shift = power + geo->unit_bits;
	return ((uint64_t)(place - (power << (geo->sub_bits - 1))) << shift) +
	       (((uint64_t)1 << shift) - 1) / 2;
}

/* ---- writing ---------------------------------------------------------- */

static size_t put_count(unsigned char *out, int64_t count)
{
	uint64_t bits = (uint64_t)count << 1 ^ (uint64_t)(count >> 63);
	size_t len = 0;

	while (len < LEB128_MAX - 1 && bits >> 7) {
		out[len++] = (unsigned char)(bits | 0x80);
		bits >>= 7;
	}
	out[len++] = (unsigned char)bits;
	return len;
}

static void put_be32(unsigned char *out, uint32_t value)
{
	value = htobe32(value);
	memcpy(out, &value, sizeof(value));
}

static void put_be64(unsigned char *out, uint64_t value)
{
	value = htobe64(value);
	memcpy(out, &value, sizeof(value));
}

/*
 * The value under which a bucket goes out: its midpoint, rounded down, kept
 * within [min, max] as hist_percentile() does. Readers report the upper edge
 * of their bucket: for a whole bucket of ours that is this midpoint again.
 */
static uint64_t export_value(const struct hist *hist, uint32_t bucket)
{
	uint64_t value = (uint64_t)hist_bucket_value(bucket);

	if (value < hist->min_ns)
		value = hist->min_ns;
	if (value > hist->max_ns)
		value = hist->max_ns;
	return value < HIGHEST ? value : HIGHEST;
}

/* places counts; up to and with the last that is not 0, as other writers do. */
static size_t put_counts(unsigned char *out, const uint64_t *counts, uint32_t places)
{
	size_t len = 0;

	while (places > 1 && counts[places - 1] == 0)
		places--;
	for (uint32_t i = 0; i < places;) {
		uint32_t zeros = 0;

		while (i + zeros < places && counts[i + zeros] == 0)
			zeros++;
		if (zeros > 1) {
			len += put_count(out + len, -(int64_t)zeros);
			i += zeros;
		} else {
			len += put_count(out + len, (int64_t)counts[i++]);
		}
	}
	return len;
}

/* *ret_len bytes, malloc'ed. */
static unsigned char *make_payload(const struct hist *hist, size_t *ret_len)
{
	static const double ratio = 1.0;
	struct geometry geo;
	unsigned char *payload;
	uint64_t *counts, ratio_bits;
	size_t len;

	if (geometry_of(DIGITS, 1, HIGHEST, &geo))
		return NULL;
	counts = calloc(geo.places, sizeof(*counts));
	/* At most one run of zeros beside each of our buckets. */
	payload = malloc(PAYLOAD_HEADER + (2 * HIST_BUCKETS + 1) * LEB128_MAX);
	if (!counts || !payload) {
		free(counts);
		free(payload);
		return NULL;
	}
	for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
		if (hist->buckets[i])
			counts[place_of(&geo, export_value(hist, i))] += hist->buckets[i];
	}
	len = put_counts(payload + PAYLOAD_HEADER, counts, geo.places);
	free(counts);
	memcpy(&ratio_bits, &ratio, sizeof(ratio_bits));
	put_be32(payload, COOKIE_PLAIN | 0x10);
	put_be32(payload + 4, (uint32_t)len);
	put_be32(payload + 8, 0);
	put_be32(payload + 12, DIGITS);
	put_be64(payload + 16, 1);
	put_be64(payload + 24, HIGHEST);
	put_be64(payload + 32, ratio_bits);
	*ret_len = PAYLOAD_HEADER + len;
	return payload;
}

char *hdr_encode(const struct hist *hist)
{
	unsigned char *payload, *envelope = NULL;
	uLongf packed_len;
	char *text = NULL;
	size_t len;

	payload = make_payload(hist, &len);
	if (!payload)
		return NULL;
	packed_len = compressBound(len);
	envelope = malloc(ENVELOPE + packed_len);
	if (!envelope || compress(envelope + ENVELOPE, &packed_len, payload, len) != Z_OK)
		goto out;
	put_be32(envelope, COOKIE_COMPRESSED | 0x10);
	put_be32(envelope + 4, (uint32_t)packed_len);
	text = base64_encode(envelope, ENVELOPE + packed_len);
out:
	free(envelope);
	free(payload);
	return text;
}

/* ---- reading ---------------------------------------------------------- */

/* The inflated payload, a byte at a time. */
struct source {
	z_stream zlib;
	unsigned char window[4096];
	size_t pos, len;
	int ended;
};

/* The next byte; -1 at the end and when the stream is damaged (ended tells). */
static int next_byte(struct source *source)
{
	int rc = Z_OK;

	if (source->pos == source->len) {
		if (source->ended)
			return -1;
		source->zlib.next_out = source->window;
		source->zlib.avail_out = sizeof(source->window);
		while (source->zlib.avail_out && rc == Z_OK)
			rc = inflate(&source->zlib, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return -1;
		source->ended = rc == Z_STREAM_END;
		source->pos = 0;
		source->len = sizeof(source->window) - source->zlib.avail_out;
		if (source->len == 0)
			return -1;
	}
	return source->window[source->pos++];
}

static int take_bytes(struct source *source, unsigned char *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int byte = next_byte(source);

		if (byte < 0)
			return -EINVAL;
		out[i] = (unsigned char)byte;
	}
	return 0;
}

static int take_count(struct source *source, int64_t *ret_count, uint32_t *left)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < LEB128_MAX; i++) {
		int byte = *left ? next_byte(source) : -1;

		if (byte < 0)
			return -EINVAL;
		--*left;
		if (i == LEB128_MAX - 1) {
			bits |= (uint64_t)byte << 56;
			break;
		}
		bits |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			break;
	}
	*ret_count = (int64_t)(bits >> 1 ^ -(bits & 1));
	return 0;
}

static int enter(struct hist *hist, uint64_t value, uint64_t count)
{
	uint64_t sum;

	if (__builtin_mul_overflow(value, count, &sum) ||
	    __builtin_add_overflow(hist->sum_ns, sum, &hist->sum_ns) ||
	    __builtin_add_overflow(hist->count, count, &hist->count))
		return -EINVAL; /* centuries of latencies: not a histogram of anything */
	if (hist->count == count || value < hist->min_ns)
		hist->min_ns = value;
	if (value > hist->max_ns)
		hist->max_ns = value;
	hist->buckets[hist_bucket(value)] += count;
	return 0;
}

static uint32_t get_be32(const unsigned char *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return be32toh(value);
}

static uint64_t get_be64(const unsigned char *in)
{
	uint64_t value;

	memcpy(&value, in, sizeof(value));
	return be64toh(value);
}

/*
 * A shifted array, or a ratio other than 1, says that the values are others than
 * the places. hdr-histogram-js (seen: 3.0.1) writes an offset of 1 and the ratio
 * as an integer, and means neither.
 */
static int plain_values(uint32_t index_offset, uint64_t ratio)
{
	return (index_offset == 0 && ratio == 0x3ff0000000000000u) ||
	       (index_offset <= 1 && ratio == 1);
}

static int read_payload(struct source *source, struct hist *hist)
{
	unsigned char head[PAYLOAD_HEADER];
	struct geometry geo;
	uint32_t left;
	int rc;

	rc = take_bytes(source, head, sizeof(head));
	if (rc)
		return rc;
	left = get_be32(head + 4);
	if ((get_be32(head) & ~COOKIE_WORD_SIZE) != COOKIE_PLAIN ||
	    !plain_values(get_be32(head + 8), get_be64(head + 32)))
		return -EINVAL;
	rc = geometry_of(get_be32(head + 12), get_be64(head + 16), get_be64(head + 24), &geo);
	if (rc)
		return rc;
	for (uint32_t place = 0; left;) {
		int64_t count;

		rc = take_count(source, &count, &left);
		if (rc)
			return rc;
		if (count < 0) {
			if (count < -(int64_t)(geo.places - place))
				return -EINVAL;
			place += (uint32_t)-count;
			continue;
		}
		if (place >= geo.places)
			return -EINVAL;
		rc = count ? enter(hist, place_midpoint(&geo, place), (uint64_t)count) : 0;
		if (rc)
			return rc;
		place++;
	}
	return next_byte(source) < 0 && source->ended ? 0 : -EINVAL;
}

static int read_envelope(const unsigned char *envelope, size_t len, struct hist *hist)
{
	struct source source = { 0 };
	int rc;

	if (len < ENVELOPE || len - ENVELOPE > UINT32_MAX ||
	    (get_be32(envelope) & ~COOKIE_WORD_SIZE) != COOKIE_COMPRESSED ||
	    get_be32(envelope + 4) != len - ENVELOPE)
		return -EINVAL;
	source.zlib.next_in = (z_const Bytef *)(uintptr_t)(envelope + ENVELOPE);
	source.zlib.avail_in = (uInt)(len - ENVELOPE);
	if (inflateInit(&source.zlib) != Z_OK)
		return -ENOMEM;
	rc = read_payload(&source, hist);
	inflateEnd(&source.zlib);
	return rc;
}

int hdr_decode(const char *text, struct hist *ret_hist)
{
	unsigned char *envelope;
	struct hist *hist;
	size_t len;
	int rc;

	rc = base64_decode(text, &envelope, &len);
	if (rc)
		return rc;
	hist = calloc(1, sizeof(*hist));
	rc = hist ? read_envelope(envelope, len, hist) : -ENOMEM;
	if (!rc)
		*ret_hist = *hist;
	free(hist);
	free(envelope);
	return rc;
}
