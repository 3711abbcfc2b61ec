# SPDX-License-Identifier: Apache-2.0
"""Reading capture files back: unpacked by zcat and zstdcat, parsed by a few lines of our own."""

import struct
import subprocess
import sys
import zlib

from peer import MAGIC

LINK_TYPES = {1: "EN10MB", 113: "LINUX_SLL", 276: "LINUX_SLL2"}
SECTION = b"\x0a\x0d\x0d\x0a"  # the same in both byte orders
MAGICS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # nanoseconds a unit of the fraction


def blocks(content):
    """(type, body) of each block of a pcapng."""
    offset = 0
    while offset < len(content):
        if offset + 12 > len(content):
            raise ValueError("a block is cut at %d" % offset)
        kind, length = struct.unpack_from("=II", content, offset)
        if length < 12 or length % 4 or offset + length > len(content):
            raise ValueError("a block is cut at %d" % offset)
        if struct.unpack_from("=I", content, offset + length - 4)[0] != length:
            raise ValueError("the block at %d has two lengths" % offset)
        yield kind, content[offset + 8:offset + length - 4]
        offset += length


def options(content):
    """{code: value} of a pcapng block's options."""
    found, offset = {}, 0
    while True:
        code, length = struct.unpack_from("=HH", content, offset)
        if code == 0:
            return found
        found[code] = content[offset + 4:offset + 4 + length]
        offset += 4 + (length + 3) // 4 * 4


class Capture:
    """A pcap or pcapng file: records are (time in ns, bytes on the wire, captured bytes). Of a pcapng,
    options has those of each kind of block, statistics the numbers at the end."""

    def __init__(self, content):
        self.bytes, self.records, self.options, self.statistics = len(content), [], {}, None
        if content[:4] == SECTION:
            self.is_nano = True
            for kind, body in blocks(content):
                self.take_block(kind, body)
        else:
            self.read_pcap(content)

    def take_block(self, kind, body):
        """One block of a pcapng as ours are: one section, one interface, its packets, statistics."""
        if self.statistics is not None:
            raise ValueError("a block after the statistics")
        if kind == int.from_bytes(SECTION, "little"):
            magic, major, minor = struct.unpack_from("=IHH", body)
            if (magic, major, minor) != (0x1A2B3C4D, 1, 0):
                raise ValueError("no section header: %r" % body[:8])
            self.options["section"] = options(body[16:])
        elif kind == 1:
            link, _, self.snaplen = struct.unpack_from("=HHI", body)
            self.link_type = LINK_TYPES.get(link, str(link))
            self.options["interface"] = options(body[8:])
            if self.options["interface"][9] != b"\x09":
                raise ValueError("not in nanoseconds")
        elif kind == 6:
            _, high, low, caught, length = struct.unpack_from("=IIIII", body)
            self.records.append((high << 32 | low, length, body[20:20 + caught]))
        elif kind == 5:
            self.options["statistics"] = options(body[12:])
            names = {4: "received", 5: "dropped", 6: "accepted", 7: "dropped_by_os", 8: "delivered"}
            self.statistics = {name: int.from_bytes(self.options["statistics"][code], sys.byteorder)
                               for code, name in names.items()}
        else:
            raise ValueError("unknown block %d" % kind)

    def read_pcap(self, content):
        if len(content) < 24:
            raise ValueError("no pcap header: %d bytes" % len(content))
        magic, major, minor, _, _, self.snaplen, link = struct.unpack_from("=IHHiIII", content)
        if magic not in MAGICS or (major, minor) != (2, 4):
            raise ValueError("no pcap header: %r" % content[:24])
        self.is_nano = MAGICS[magic] == 1
        self.link_type = LINK_TYPES.get(link, str(link))
        offset = 24
        while offset < len(content):
            if offset + 16 > len(content):
                raise ValueError("a record's header is cut at %d" % offset)
            seconds, fraction, caught, length = struct.unpack_from("=IIII", content, offset)
            offset += 16
            if offset + caught > len(content):
                raise ValueError("a record is cut at %d" % offset)
            self.records.append((seconds * 10**9 + fraction * MAGICS[magic], length,
                                 content[offset:offset + caught]))
            offset += caught

    def numbers(self, stream):
        """The numbers of a stream's packets, in the order of the file."""
        return [number for which, number in self.numbered() if which == stream]

    def numbered(self):
        for _, _, packet in self.records:
            found = number_of(packet)
            if found:
                yield found

    def strangers(self):
        """The packets that are not numbered ones."""
        return [record for record in self.records if not number_of(record[2])]


def number_of(packet):
    """(stream, number), or None."""
    at = packet.find(MAGIC, 0, 80)
    if at < 8 or at + 16 > len(packet):
        return None
    return (int.from_bytes(packet[at - 6:at - 4], "big"),
            int.from_bytes(packet[at + 8:at + 16], "big"))


def unpack(path):
    """The bytes of the pcap in a file, by the tools that people have."""
    if path.endswith(".gz"):
        command = ["zcat", path]
    elif path.endswith(".zst"):
        command = ["zstdcat", path]
    else:
        with open(path, "rb") as file:
            return file.read()
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or done.stderr:
        raise ValueError("%s: %s" % (" ".join(command), done.stderr.decode()))
    return done.stdout


def read(path):
    return Capture(unpack(path))


def gzip_members(path):
    """What each gzip member of a file holds."""
    with open(path, "rb") as file:
        rest = file.read()
    members = []
    while rest:
        member = zlib.decompressobj(31)
        members.append(member.decompress(rest))
        if not member.eof:
            raise ValueError("the last member is cut")
        rest = member.unused_data
    return members
