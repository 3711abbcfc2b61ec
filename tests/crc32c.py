# SPDX-License-Identifier: Apache-2.0
"""CRC32C (Castagnoli) in plain Python, 32 bits a step: some 20 MB/s. For little-endian machines."""

import base64

TABLES = None


def make_tables():
    """By byte; by 16 bits with 2 zero bytes after them; by 16 bits."""
    byte = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        byte.append(value)

    def feed(crc, count):
        for _ in range(count):
            crc = byte[crc & 0xFF] ^ crc >> 8
        return crc
    return byte, [feed(word, 4) for word in range(65536)], [feed(word, 2) for word in range(65536)]


def crc32c(content, crc=0):
    global TABLES
    TABLES = TABLES or make_tables()
    byte, low, high = TABLES
    whole = len(content) & ~3
    crc ^= 0xFFFFFFFF
    for word in memoryview(content)[:whole].cast("I"):
        crc ^= word
        crc = low[crc & 0xFFFF] ^ high[crc >> 16]
    for value in content[whole:]:
        crc = byte[(crc ^ value) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def encode(content):
    """As in an object's crc32c field: base64 of the big-endian bytes."""
    return base64.b64encode(crc32c(content).to_bytes(4, "big")).decode()
