# SPDX-License-Identifier: MIT
"""HdrHistogram V2, read back from the format alone: shares no code with the writer."""
import base64
import struct
import zlib


def decode_v2(text):
    """Counts per value of an HdrHistogram V2 string, written from its format alone."""
    raw = base64.b64decode(text)
    cookie, length = struct.unpack(">ii", raw[:8])
    assert cookie & ~0xf0 == 0x1c849304, hex(cookie)
    body = zlib.decompress(raw[8:8 + length])
    cookie, size, _, digits, lowest, highest, _ = struct.unpack(">iiiiqqd", body[:40])
    assert cookie & ~0xf0 == 0x1c849303 and lowest == 1
    sub = 1 << (2 * 10 ** digits - 1).bit_length()
    at, index, counts = 40, 0, {}
    while at < 40 + size:
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            if shift == 56:
                value |= byte << shift
                break
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        value = (value >> 1) ^ -(value & 1)
        if value < 0:
            index -= value
            continue
        if value:
            bucket = max(0, (index // (sub // 2)) - 1)
            offset = index - bucket * (sub // 2)
            counts[(offset << bucket) + (1 << bucket >> 1)] = value
        index += 1
    return counts


def percentile(counts, fraction):
    rank, below = -(-fraction * sum(counts.values()) // 1), 0
    for value in sorted(counts):
        below += counts[value]
        if below >= rank:
            return value
    raise AssertionError


def bucket(ns):
    """The lowest value of our bucket: 128 of them to a power of two."""
    shift = max(0, ns.bit_length() - 8)
    return ns >> shift << shift


def width(ns):
    return 1 << max(0, ns.bit_length() - 8)
