#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fetch --inner: what is in a tunnel is judged as tcpdump judges it on the inner interface. With real tunnels where the
kernel has them, and with all kinds of frames made by hand."""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections import Counter

import harness
from daemon import program
from fleet import SECOND, packets_of, pcap_records, stamp
from harness import BUCKET, command, need, wait_capturing
from tap import Skip, check, equal


def fetch(lab, since, *words):
    path = os.path.join(lab.directory, "result.pcapng")
    if os.path.exists(path):
        os.unlink(path)
    done = subprocess.run(
        [program(), "fetch", "-b", BUCKET, "--from", stamp(int(since * SECOND)), "-w", path, *words],
        capture_output=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": lab.directory, "STORAGE_EMULATOR_HOST": lab.gcs.url})
    check(done.returncode in (0, 1), "status %d: %s" % (done.returncode, done.stderr.decode()))
    return [each[3] for each in packets_of(path)]


def plan(lab, since, *words):
    done = subprocess.run([program(), "find", "-b", BUCKET, "--from", stamp(int(since * SECOND)), "--json", *words],
                          capture_output=True, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "STORAGE_EMULATOR_HOST": lab.gcs.url})
    return json.loads(done.stdout)["plan"]


def check_same(found, wanted, what):
    missing, more = (sorted((one - other).elements()) for one, other in (
        (Counter(wanted), Counter(found)), (Counter(found), Counter(wanted))))
    check(not missing and not more, "%s: %d missing %s, %d too many %s of %d" % (
        what, len(missing), missing[:2], len(more), more[:2], len(wanted)))


def tcpdump(lab, link, frames, expression):
    """Those of the frames that tcpdump takes, one after the other."""
    path = os.path.join(lab.directory, "oracle.pcap")
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
        for number, each in enumerate(frames):
            file.write(struct.pack("=IIII", 1, number, len(each), len(each)) + each)
    run = [] if harness.is_real_root() else ["unshare", "-U"]
    done = subprocess.run([*run, "tcpdump", "--nano", "-r", path, "-w", "-", expression], capture_output=True,
                          check=False)
    # "expression rejects all packets": it cannot be of this link type.
    return [each[3] for each in pcap_records(done.stdout)] if done.stdout else []


# -- real tunnels ----------------------------------------------------------------------------------

KINDS = {
    # What ip(8) wants to know, how long everything before the inner packet is.
    "vxlan": ("vxlan id 42 dstport 8472 remote %s local %s dev %s", 50),
    "geneve": ("geneve id 42 remote %s", 50),
    "gretap": ("gretap remote %s local %s", 14 + 20 + 4),
    "gre": ("gre remote %s local %s", 14 + 20 + 4),
    "ipip": ("ipip remote %s local %s", 14 + 20),
}


def add_tunnel(lab, kind, number):
    """A tunnel inside of veth0, with 10.200.NUMBER.1 here and .2 there; None: the kernel has no such."""
    words, _ = KINDS[kind]
    name = "tun%d" % number
    here, there = ((words % where[:words.count("%s")]).split() for where in (
        ("10.99.0.2", "10.99.0.1", "veth0"), ("10.99.0.1", "10.99.0.2", "peer0")))
    if subprocess.run(["ip", "link", "add", name, "type", *here], capture_output=True, check=False).returncode:
        return None
    lab.links.append(name)
    lab.peer.run("ip", "link", "add", name, "type", *there)
    for run, last in ((command, 1), (lab.peer.run, 2)):
        run("ip", "link", "set", name, "addrgenmode", "none")
        run("ip", "address", "add", "10.200.%d.%d/24" % (number, last), "dev", name)
        run("ip", "link", "set", name, "up")
    return name


def talk(number):
    """Something of each kind, inside; a port that is closed answers with a reset."""
    address = "10.200.%d.2" % number
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for i in range(20):
            udp.sendto(b"x" * (i + 1), (address, 53 if i % 2 else 9999))
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.settimeout(10)
            check(tcp.connect_ex((address, 5432)) != 0, "somebody listens")


def without_checksums(packet, is_ethernet):
    """Of an IPv4 packet without options: they are filled in later than some see it."""
    at = 14 if is_ethernet else 0
    if is_ethernet and packet[12:14] != b"\x08\x00":
        return packet
    place = {6: 16, 17: 6}.get(packet[at + 9])
    if place is None:
        return packet
    place += at + 20
    return packet[:place] + b"\0\0" + packet[place + 2:]


def test_tunnels_of_the_kernel(lab):
    """--inner finds what a recording of the inner interface has."""
    need("tcpdump")
    lab.link(address=True)
    lab.bucket()
    since = time.time()
    tunnels = [(kind, number, add_tunnel(lab, kind, number)) for number, kind in enumerate(KINDS)]
    tunnels = [each for each in tunnels if each[2]]
    if not tunnels:
        raise Skip("this kernel has no tunnels")
    daemon = lab.daemon("-G", "0", "-s", "0", "--segment-index", "true").start_ready()
    wait_capturing()
    inner = {}
    for _, number, name in tunnels:
        path = os.path.join(lab.directory, name + ".pcap")
        inner[name] = subprocess.Popen(["tcpdump", "-i", name, "-U", "-s", "2000", "-B", "16384", "--nano", "--immediate-mode", "-Z", "root", "-w", path],
                                       stderr=subprocess.DEVNULL)
        wait_capturing(name)
        talk(number)
    time.sleep(0.5)
    recorded = {}
    for kind, number, name in tunnels:
        inner[name].send_signal(signal.SIGINT)
        inner[name].wait(10)
        with open(os.path.join(lab.directory, name + ".pcap"), "rb") as file:
            recorded[name] = [each[3] for each in pcap_records(file.read())]
    equal(daemon.stop(), 0, "exit status")
    for kind, number, name in tunnels:
        is_ethernet = kind in ("vxlan", "geneve", "gretap")
        for expression in ("port 53", "net 10.200.%d.0/24 and tcp[tcpflags] & tcp-rst != 0" % number,
                           "src host 10.200.%d.2" % number, "host 10.200.%d.1 and not udp" % number):
            wanted = tcpdump(lab, 1 if is_ethernet else 101, recorded[name], expression)
            check(wanted, "%s: of %d packets inside '%s' takes none" % (kind, len(recorded[name]), expression))
            found = [each[KINDS[kind][1]:] for each in fetch(
                lab, since, "--inner", "(%s) and net 10.200.%d.0/24" % (expression, number))]
            check_same([without_checksums(each, is_ethernet) for each in found],
                       [without_checksums(each, is_ethernet) for each in wanted], "%s: %s" % (kind, expression))
        # Outside there is nothing but the tunnel.
        equal(fetch(lab, since, "net 10.200.%d.0/24" % number), [], "without --inner")


# -- frames by hand --------------------------------------------------------------------------------

def ipv4(protocol, payload, source="10.7.0.1", destination="10.7.0.2"):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(destination)) + payload


def ipv6(protocol, payload, source="fd00:7::1", destination="fd00:7::2"):
    return struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64) + socket.inet_pton(
        socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + payload


def udp(source, destination, payload):
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(source, destination, flags):
    return struct.pack("!HHIIBBHHH", source, destination, 1, 1, 0x50, flags, 1000, 0, 0)


def ethernet(kind, payload, tag=None):
    vlan = struct.pack("!HH", 0x8100, tag) if tag is not None else b""
    return bytes.fromhex("020000000099020000000098") + vlan + struct.pack("!H", kind) + payload


def any_inner(draw):
    """(is it a frame?, bytes, its ethertype)"""
    ports = draw.choice([(40000, 53), (53, 40000), (41000, 5432), (5432, 41000)])
    payload = draw.choice([lambda: (17, udp(*ports, b"inside")), lambda: (6, tcp(*ports, draw.choice([2, 4, 16])))])()
    host = "10.244.%d.%d" % (draw.randrange(2), draw.randrange(1, 4))
    is_v6 = draw.random() < 0.3
    packet = ipv6(*payload, source="fd00:244::%d" % draw.randrange(1, 4)) if is_v6 else ipv4(*payload, source=host)
    return packet, 0x86DD if is_v6 else 0x0800


def any_frame(draw):
    """(the frame, link type of what is judged, that)"""
    packet, kind = any_inner(draw)
    framed = ethernet(kind, packet, tag=draw.choice([None, None, 7]))
    outside = (lambda payload: ethernet(0x86DD, ipv6(17, payload))) if draw.random() < 0.3 else (
        lambda payload: ethernet(0x0800, ipv4(17, payload)))
    options = struct.pack("!HBBI", 0x0102, 0, 1, 5) * draw.randrange(3)
    geneve = struct.pack("!BBH", len(options) // 4, 0, 0x6558) + bytes(4) + options
    geneve_ip = struct.pack("!BBH", 0, 0, kind) + bytes(4)
    vxlan = struct.pack("!II", 0x08000000, 42 << 8)
    gre = draw.choice([struct.pack("!H", 0), struct.pack("!H", 0x2000), struct.pack("!H", 0xB000)])
    fields = bytes(4 * bin(gre[0] & 0xB0).count("1"))
    which = draw.randrange(9)
    if which == 0:
        return outside(udp(50000, draw.choice([4789, 8472]), vxlan + framed)), 1, framed
    if which == 1:
        return outside(udp(50000, 6081, geneve + framed)), 1, framed
    if which == 2:
        return outside(udp(50000, 6081, geneve_ip + packet)), 101, packet
    if which == 3:
        return ethernet(0x0800, ipv4(47, gre + struct.pack("!H", 0x6558) + fields + framed)), 1, framed
    if which == 4:
        return ethernet(0x0800, ipv4(47, gre + struct.pack("!H", kind) + fields + packet)), 101, packet
    if which == 5:
        return ethernet(0x0800, ipv4(4 if kind == 0x0800 else 41, packet)), 101, packet
    if which == 6:  # no tunnel: another port, or no I
        plain = outside(udp(50000, draw.choice([4788, 8473]), vxlan + framed))
        return plain, 1, plain
    if which == 7:
        plain = outside(udp(50000, 4789, bytes(8) + framed))
        return plain, 1, plain
    return framed, 1, framed


def test_frames_of_all_kinds(lab):
    """A packet in a tunnel is judged by what is inside alone, any other as it is; also where a filter says "not"."""
    need("tcpdump")
    lab.link()
    lab.bucket()
    since = time.time()
    draw = random.Random(os.environ["KNT_SEED"])
    frames = [any_frame(draw) for _ in range(600)]
    words = ["-G", "0", "-s", "0", "--status-listen", "", "--segment-index"]
    indexed = lab.daemon(*words, "true", "-N", "indexed").start_ready()
    plain = lab.daemon(*words, "false", "-N", "plain", "-o", lab.spool + "2").start_ready()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("veth0", 0))
        for frame, _, _ in frames:
            sender.send(frame)
    for each in (indexed, plain):
        equal(each.stop(), 0, "exit status")
    sent = sorted(frame for frame, _, _ in frames)
    equal(sorted(fetch(lab, since, "-N", "indexed", "--inner")), sent, "everything")
    # The index knows what is inside, and that it is not outside.
    for words, bytes_read in ((["--inner", "host 1.2.3.4"], False), (["host 10.244.0.1"], True),
                              (["--inner", "host 10.244.0.1"], True)):
        equal(plan(lab, since, "-N", "indexed", *words)["bytes"] > 0, bytes_read, "what is to be read: %s" % words)
    for expression in ("port 53", "not port 53", "host 10.244.0.1", "host fd00:244::2", "tcp[tcpflags] & tcp-rst != 0",
                       "ip6", "udp and not port 5432", "port 4789 or port 6081", "net 10.7.0.0/24 or host fd00:7::2",
                       "net 10.244.1.0/24 and tcp", "proto 47", "vlan 7", "not ip", "greater 80"):
        wanted = []
        for link in (1, 101):
            here = [(outer, inner) for outer, its, inner in frames if its == link]
            taken = set(tcpdump(lab, link, [inner for _, inner in here], expression))
            wanted += [outer for outer, inner in here if inner in taken]
        for node in ("indexed", "plain"):
            found = fetch(lab, since, "-N", node, "--inner", expression)
            check_same(found, wanted, "%s: '%s'" % (node, expression))


if __name__ == "__main__":
    harness.main()
