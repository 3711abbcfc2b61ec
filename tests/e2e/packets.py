# SPDX-License-Identifier: Apache-2.0
"""Reading capture files back: unpacked by zcat and zstdcat, parsed by twenty lines of our own."""

import struct
import subprocess
import zlib

from peer import MAGIC

LINK_TYPES = {1: "EN10MB", 113: "LINUX_SLL", 276: "LINUX_SLL2"}
MAGICS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # nanoseconds a unit of the fraction


class Capture:
    """A pcap file: records are (time in ns, bytes on the wire, captured bytes)."""

    def __init__(self, content):
        if len(content) < 24:
            raise ValueError("no pcap header: %d bytes" % len(content))
        magic, major, minor, _, _, self.snaplen, link = struct.unpack_from("=IHHiIII", content)
        if magic not in MAGICS or (major, minor) != (2, 4):
            raise ValueError("no pcap header: %r" % content[:24])
        self.is_nano = MAGICS[magic] == 1
        self.link_type = LINK_TYPES.get(link, str(link))
        self.bytes = len(content)
        self.records, offset = [], 24
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
