# SPDX-License-Identifier: Apache-2.0
"""A second opinion on kube-node-tracer-index(5): reads a capture file's index, and makes the keys of its packets again,
from the manual alone. Nothing here is the program's own code.

As a program: index_reader.py FILE... checks each file against its index, and prints what is in it."""

import ipaddress
import itertools
import os
import struct
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
# pylint: disable=wrong-import-position
import packets
from crc32c import crc32c

CONVERSATIONS, MEMBERS, ADDRESSES, FACTS = 1, 2, 3, 4
GZIP_PIECE = bytes.fromhex("1f8b0804000000000003")
ZSTD_PIECE = bytes.fromhex("5a2a4d18")
TAGS = (0x8100, 0x88A8, 0x9100)
OPAQUE, IPV4, IPV6, ARP = range(4)
LATER_FRAGMENT, OPTIONS, NO_PORTS, ODD_VERSION, INNER = 1, 2, 4, 8, 16


class Damaged(ValueError):
    """The file has an index, and it is not as it should be."""


class Reader:
    """Numbers out of the plain bytes of a section."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, count):
        if self.at + count > len(self.content):
            raise Damaged("a section is too short")
        self.at += count
        return self.content[self.at - count:self.at]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Damaged("a number without an end")

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def end(self):
        if self.at != len(self.content):
            raise Damaged("%d bytes are left" % (len(self.content) - self.at))


def pieces(content):
    """What the empty members, or the skippable frames, of a section hold."""
    held, at = b"", 0
    while at < len(content):
        if content[at:at + 4] == ZSTD_PIECE:
            length = struct.unpack_from("<I", content, at + 4)[0]
            held += content[at + 8:at + 8 + length]
            at += 8 + length
            continue
        if content[at:at + 10] != GZIP_PIECE:
            raise Damaged("no piece at %d" % at)
        extra, name, length = struct.unpack_from("<H2sH", content, at + 10)
        if extra != length + 4 or name != b"KN" or length > 15360:
            raise Damaged("no piece of ours at %d" % at)
        held += content[at + 16:at + 16 + length]
        at += 16 + length
        if content[at:at + 10] != b"\x03" + bytes(9):
            raise Damaged("a piece that is not an empty member, at %d" % at)
        at += 10
    return held


class Index:
    """The index of a file's bytes. has_footer is false if it has none; Damaged is raised for one that is not right."""

    def __init__(self, content):
        self.content, self.has_footer = content, False
        for end, head in ((10, 16), (0, 8)):
            if content[-8 - end:len(content) - end] == b"KNTINDEX":
                self.read_footer(len(content) - end - 96, end, head)
                break

    def read_footer(self, fixed, end, head):
        (self.version, self.flags, self.link_type, self.snaplen, self.data_bytes, self.packets, self.earliest,
         self.latest, self.member_count, self.conversation_count, index_bytes, sections, self.key_version, must,
         zeros, zero, crc) = struct.unpack_from("<BBHIQQqqIIQHBB20sII", self.content, fixed)
        directory = fixed - 24 * sections
        self.footer_bytes = len(self.content) - directory + head
        if (self.version, must, zeros, zero) != (1, 0, bytes(20), 0):
            raise Damaged("another version")
        if crc32c(self.content[directory:fixed + 84]) != crc:
            raise Damaged("the footer's checksum differs")
        if len(pieces(self.content[directory - head:])) != 96 + 24 * sections:
            raise Damaged("the footer is not one piece")
        self.sections, offset = [], self.data_bytes
        for i in range(sections):
            kind, flags, stored, plain, crc, first, members = struct.unpack_from("<HHIIIII", self.content,
                                                                                directory + 24 * i)
            stored_bytes = self.content[offset:offset + stored]
            if crc32c(stored_bytes) != crc:
                raise Damaged("the checksum of section %d differs" % i)
            inflated = zlib.decompress(pieces(stored_bytes), wbits=-15)
            if len(inflated) != plain or flags:
                raise Damaged("section %d has %d bytes, not %d" % (i, len(inflated), plain))
            self.sections.append((kind, first, members, inflated))
            offset += stored
        if offset - self.data_bytes != index_bytes or offset + self.footer_bytes != len(self.content):
            raise Damaged("the sections do not end at the footer")
        self.index_bytes = len(self.content) - self.data_bytes
        self.tail_bytes = self.index_bytes - sum(
            struct.unpack_from("<I", self.content, directory + 24 * i + 4)[0]
            for i, section in enumerate(self.sections) if section[0] == CONVERSATIONS)
        self.read_sections()
        self.has_footer = True

    def read_sections(self):
        groups = {kind: [each for each in self.sections if each[0] == kind] for kind in range(1, 5)}
        if len(groups[MEMBERS]) != 1 or len(groups[FACTS]) != 1:
            raise Damaged("not one of MEMBERS and FACTS")
        order = [each[0] for each in self.sections]
        if order != ([CONVERSATIONS] * len(groups[CONVERSATIONS]) + [MEMBERS] +
                     [ADDRESSES] * len(groups[ADDRESSES]) + [FACTS]):
            raise Damaged("the order of sections: %r" % order)
        self.facts = dict(line.split("=", 1) for line in groups[FACTS][0][3].decode().splitlines())
        self.read_members(groups[MEMBERS][0])
        # For each member {(one address, other, port, type): (TCP flags, hints)}.
        self.keys = [{} for _ in range(self.member_count)]
        count = 0
        for conversations, addresses in itertools.zip_longest(groups[CONVERSATIONS], groups[ADDRESSES]):
            if not conversations or not addresses or conversations[1:3] != addresses[1:3]:
                raise Damaged("a group is incomplete")
            count += self.read_group(conversations, addresses)
        if count != self.conversation_count:
            raise Damaged("%d conversations, not %d" % (count, self.conversation_count))

    def read_members(self, section):
        reader, before, self.members = Reader(section[3]), 0, []
        for _ in range(self.member_count):
            stored, plain, count = reader.varint(), reader.varint(), reader.varint()
            earliest = latest = None
            if count:
                earliest = before + reader.zigzag()
                before = latest = earliest + reader.varint()
            self.members.append((stored, plain, count, earliest, latest))
        bitmap = reader.take((self.member_count + 7) // 8) if self.flags & 1 else bytes(self.member_count)
        self.unlisted = [bool(bitmap[i // 8] >> i % 8 & 1) for i in range(self.member_count)]
        reader.end()
        if sum(each[0] for each in self.members) != self.data_bytes:
            raise Damaged("the members are not the file's")
        times = [each for each in self.members if each[2]]
        if (self.packets, self.earliest, self.latest) != (
                sum(each[2] for each in times), min((each[3] for each in times), default=0),
                max((each[4] for each in times), default=0)):
            raise Damaged("the footer's packets and times")

    @staticmethod
    def read_addresses(content):
        reader, addresses, number = Reader(content), [], 0
        for _ in range(reader.varint()):
            number += reader.varint()
            addresses.append(struct.pack(">I", number))
        before = bytes(16)
        for _ in range(reader.varint()):
            shared = reader.take(1)[0]
            before = before[:shared] + reader.take(16 - shared)
            addresses.append(before)
        types = [struct.unpack("<HBBBB", reader.take(6)) for _ in range(reader.varint())]
        reader.end()
        for length in (4, 16):
            listed = [each for each in addresses if len(each) == length]
            if listed != sorted(set(listed)):
                raise Damaged("addresses are not sorted")
        return addresses, types

    def read_group(self, conversations, addresses):
        addresses, types = self.read_addresses(addresses[3])
        _, first, members, content = conversations
        reader, one, other, listed, order = Reader(content), 0, 0, [], []
        count = reader.varint()
        for i in range(count):
            step = reader.zigzag()
            if step or i == 0:
                one += step
                other = one
            other += reader.zigzag()
            kind, port = types[reader.varint()], reader.varint()
            key = addresses[one], addresses[other], port, kind
            order.append((one, other, port, struct.unpack(">Q", struct.pack(">HHBBBB", 0, *kind))))
            length, number, numbers = reader.varint(), 0, []
            for _ in range(length):
                number += reader.varint()
                numbers.append(number)
            if not length:
                bitmap = reader.take((members + 7) // 8)
                numbers = [n for n in range(members) if bitmap[n // 8] >> n % 8 & 1]
            listed += [(key, first + n) for n in numbers]
        if order != sorted(order):
            raise Damaged("conversations are not sorted")
        flags, low, high = (reader.take(len(listed)) for _ in range(3))
        reader.end()
        for i, (key, member) in enumerate(listed):
            if key in self.keys[member]:
                raise Damaged("a conversation stands there twice")
            self.keys[member][key] = flags[i], low[i] | high[i] << 8
        return count


# -- the keys of a packet --------------------------------------------------------------------------


def number(content, at, size=2):
    return int.from_bytes(content[at:at + size], "big")


def network_of(link_type, packet):
    """Ethertype of the frame, ethertype behind the tags, tags, where the network header begins."""
    if link_type == 101:
        nibble = packet[0] >> 4 if packet else 0
        found = {4: 0x0800, 6: 0x86DD}.get(nibble, 0)
        return found, found, 0, 0
    if link_type not in (1, 113, 276):
        return 0, 0, 0, len(packet)
    at, offset = {1: (12, 14), 113: (14, 16), 276: (0, 20)}[link_type]
    if len(packet) < offset:
        return 0, 0, 0, len(packet)
    first = inner = number(packet, at)
    tags = 0
    while tags < 2 and inner in TAGS and len(packet) >= offset + 4:
        inner = number(packet, offset + 2)
        tags, offset = tags + 1, offset + 4
    return first if first >= 0x600 else 0, inner if inner >= 0x600 else 0, tags, offset


def hint_of(port):
    return 1 << (port & 1) if port < 32768 else 1 << (2 + port % 14)


def key_of(link_type, packet, tunnel=None):
    """(one address, other, port, type), (TCP flags, hints), (protocol, transport header or None)."""
    first, inner, tags, offset = network_of(link_type, packet)
    net = packet[offset:]
    vlan, mark = (tags, 0) if tunnel is None else (tunnel << 4 | tags, INNER)
    kind = OPAQUE
    if inner == 0x0800 and len(net) >= 20:
        kind = IPV4
    elif inner == 0x86DD and len(net) >= 40:
        kind = IPV6
    elif inner in (0x0806, 0x8035) and len(net) >= 28:
        kind = ARP
    if kind == OPAQUE:
        units = (len(packet) + 15) // 16
        return ((bytes(4), bytes(4), inner if tags else 0, (first, OPAQUE, vlan, 0, (units if units <= 5 else 0) | mark)),
                (0, 0), (0, None))
    if kind == ARP:
        return ((*sorted((net[14:18], net[24:28])), inner if tags else 0, (first, ARP, vlan, 0, mark)), (0, 0), (0, None))
    flags = 0
    if kind == IPV4:
        protocol, ends, header = net[9], (net[12:16], net[16:20]), (net[0] & 15) * 4
        flags |= (ODD_VERSION if net[0] >> 4 != 4 else 0) | (OPTIONS if header != 20 else 0)
        is_later = number(net, 6) & 0x1FFF != 0
    else:
        protocol, ends, header = net[6], (net[8:24], net[24:40]), 40
        flags |= ODD_VERSION if net[0] >> 4 != 6 else 0
        is_later = False
    transport = None if is_later else net[header:]
    port, tcp, hints = 0, 0, 0
    if is_later:
        flags |= LATER_FRAGMENT
    elif protocol in (6, 17, 132):
        if len(transport) < 4:
            flags |= NO_PORTS
        else:
            port, higher = sorted((number(transport, 0), number(transport, 2)))
            hints = hint_of(higher)
            tcp = transport[13] if protocol == 6 and len(transport) > 13 else 0
    elif (kind, protocol) in ((IPV4, 1), (IPV6, 58)):
        if transport:
            port = transport[0]
        else:
            flags |= NO_PORTS
    outer = transport if header >= 20 else None
    return (*sorted(ends), port, (first, kind, vlan, protocol, flags | mark)), (tcp, hints), (protocol, outer, kind)


def inside(protocol, transport, kind=0):
    """(tunnel, link type, packet) of what a packet tunnels, or None."""
    if transport is None:
        return None
    payload, numbers = 0x6558, ()
    if protocol == 17 and len(transport) >= 4:
        port = number(transport, 2)
        if port in (4789, 8472):
            return (0, 1, transport[16:]) if len(transport) <= 8 or transport[8] & 8 else None
        if port != 6081:
            return None
        numbers, header = (1, 6), 16
        if len(transport) >= 16:
            if transport[8] >> 6:
                return None
            payload, header = number(transport, 10), 16 + 4 * (transport[8] & 63)
    elif protocol == 47:
        numbers, header = (2, 3), 4
        if len(transport) >= 4:
            bits = number(transport, 0)
            if bits & 0x4007:
                return None
            payload = number(transport, 2)
            header += 4 * sum(bool(bits & bit) for bit in (0x8000, 0x2000, 0x1000))
    elif protocol in (4, 41) and kind == IPV4:
        return 4 if protocol == 4 else 5, 101, transport
    else:
        return None
    if payload == 0x6558:
        return numbers[0], 1, transport[header:]
    return (numbers[1], 101, transport[header:]) if payload in (0x0800, 0x86DD) else None


def keys_of(link_type, packet):
    """{key: (TCP flags, hints)} of a packet: one, or two if it is a tunnel's."""
    key, facts, found = key_of(link_type, packet)
    keys, tunnelled = {key: facts}, inside(*found)
    if tunnelled:
        key, facts, _ = key_of(tunnelled[1], tunnelled[2], tunnelled[0])
        keys[key] = facts
    return keys


# -- a whole file ----------------------------------------------------------------------------------


def frame_bytes(content, at):
    """How long the zstd frame is that begins there (RFC 8878)."""
    descriptor = content[at + 4]
    is_single = descriptor >> 5 & 1
    size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    start, at = at, at + 5 + (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3] + size
    while True:
        header = int.from_bytes(content[at:at + 3], "little")
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        if header & 1:
            return at - start + (4 if descriptor & 4 else 0)


def members_of(content, end):
    """(stored bytes, plain content) of each member before the index."""
    at = 0
    while at < end:
        if content[at:at + 2] == b"\x1f\x8b":
            inflate = zlib.decompressobj(wbits=31)
            plain = inflate.decompress(content[at:end])
            length = end - at - len(inflate.unused_data)
        else:
            length = frame_bytes(content, at)
            plain = subprocess.run(["zstd", "-dcq"], input=content[at:at + length], stdout=subprocess.PIPE,
                                   check=True).stdout
        yield length, plain
        at += length


def check(content):
    """The index of a file says what is in the file; returns it. Damaged, where it does not."""
    index = Index(content)
    if not index.has_footer:
        raise Damaged("there is no index")
    start = b""
    for i, (stored, plain) in enumerate(members_of(content, index.data_bytes)):
        start = start or plain
        capture = packets.Capture(plain if i == 0 else start + plain)
        unit = 1 if index.flags & 2 else 1000
        times = [when // unit for when, _, _ in capture.records]
        wanted = (stored, len(plain), len(times), min(times, default=None), max(times, default=None))
        if index.members[i] != wanted:
            raise Damaged("member %d: %r, not %r" % (i, index.members[i], wanted))
        keys = {}
        for _, _, packet in capture.records:
            for key, facts in keys_of(index.link_type, packet).items():
                before = keys.get(key, (0, 0))
                keys[key] = before[0] | facts[0], before[1] | facts[1]
        check_keys(index, i, keys)
    if i + 1 != index.member_count:
        raise Damaged("%d members, not %d" % (i + 1, index.member_count))
    return index


def check_keys(index, member, keys):
    """A listed member has exactly its keys; of an unlisted one, those that stand there are true."""
    listed = index.keys[member]
    if index.unlisted[member]:
        if not set(listed) <= set(keys):
            raise Damaged("member %d has keys that are not its own" % member)
    elif listed != keys:
        different = [key for key in set(listed) | set(keys) if listed.get(key) != keys.get(key)]
        raise Damaged("member %d, %s: %r, not %r" % (member, different[0], listed.get(different[0]),
                                                     keys.get(different[0])))


def main():
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            index = check(file.read())
        print("%s: %d members, %d packets, %d conversations, %d bytes of %d (%.3f %%)" % (
            path, index.member_count, index.packets, index.conversation_count, index.index_bytes,
            index.data_bytes, 100 * index.index_bytes / index.data_bytes))
        for key in sorted({key for member in index.keys for key in member}, key=repr):
            print("  %s %s port %d type %r" % (*map(ipaddress.ip_address, key[:2]), *key[2:]))


if __name__ == "__main__":
    main()
