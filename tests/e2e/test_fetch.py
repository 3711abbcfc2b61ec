#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find and fetch, on what a fleet has uploaded: what they find is what tcpdump finds in all of its packets,
in order of time, and no more is read than has to be."""

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter

import packets
import tap
from daemon import program
from tap import check, equal

START_S = 1795442400  # 2026-11-23T14:00:00Z
MINUTE = 60 * 10**9
QUERIES = int(os.environ.get("KNT_QUERIES", "40"))
TOP = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


class Lab:
    """A fleet in a folder, and all of its packets as (time, lengths, bytes) by type of link."""

    def __init__(self, directory):
        self.directory = directory
        self.seed = int(os.environ["KNT_SEED"])  # tap.run() has set it
        self.random = random.Random(self.seed)
        self.bucket = os.path.join(directory, "bucket")
        self.links = (1, 101, 276)
        self.nodes = 0

    def make(self, nodes=8, objects=12, each=600, unit_ns=1):
        self.nodes = nodes
        subprocess.run([os.path.join(TOP, "tests/e2e/make_fleet"), self.bucket,
                        os.path.join(self.directory, "all"), str(self.seed), str(nodes), str(objects),
                        str(each), str(START_S), str(unit_ns)], check=True, stdout=subprocess.DEVNULL)

    def run(self, *words, status=0, **options):
        done = subprocess.run([program(), *words], capture_output=True, timeout=120, check=False,
                              env={**os.environ, "HOME": self.directory, "TZ": "UTC"}, **options)
        if done.returncode != status:
            raise tap.Failure("%s: status %d, not %d: %s%s" % (
                " ".join(words), done.returncode, status, done.stdout[-2000:].decode("utf-8", "replace"),
                done.stderr.decode("utf-8", "replace")))
        return done

    def search(self, command, window, *words, status=0):
        since, until = (each if isinstance(each, str) else stamp(each) for each in window)
        return self.run(command, "-b", "file://" + self.bucket, "--from", since, "--to", until, *words,
                        status=status)

    def fetch(self, window, *words, status=0):
        """The result's packets as (time, captured, original, bytes), and what was said."""
        path = os.path.join(self.directory, "result.pcapng")
        if os.path.exists(path):
            os.unlink(path)
        done = self.search("fetch", window, "-w", path, *words, status=status)
        return packets_of(path), done.stderr.decode()

    def expected(self, window, expression):
        """By tcpdump, of all that there is. A link type for which the filter does not compile has none."""
        found = []
        for link in self.links:
            done = subprocess.run(["tcpdump", "--nano", "-r", os.path.join(self.directory, "all-%d.pcap" % link),
                                   "-w", "-", expression], capture_output=True, check=False)
            if done.returncode == 0:
                found += [each for each in pcap_records(done.stdout) if window[0] <= each[0] < window[1]]
        return found


def stamp(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + ".%09dZ" % (ns % 10**9)


def pcap_records(content):
    """(time, captured, original, bytes) of a file with nanoseconds in this machine's order."""
    at, found = 24, []
    while at < len(content):
        seconds, fraction, captured, original = (int.from_bytes(content[at + i:at + i + 4], "little")
                                                 for i in (0, 4, 8, 12))
        at += 16 + captured
        found.append((seconds * 10**9 + fraction, captured, original, content[at - captured:at]))
    return found


def packets_of(path):
    """Of a result: pcapng with any number of interfaces."""
    return [each for _, each in packets_and_links_of(path)]


def packets_and_links_of(path):
    """The same, each behind its type of link."""
    with open(path, "rb") as file:
        content = file.read()
    resolutions, links, found = [], [], []
    for kind, body in packets.blocks(content):
        if kind == 1:
            resolutions.append(packets.options(body[8:])[9][0])
            links.append(int.from_bytes(body[:2], "little"))
        elif kind == 6:
            interface, high, low, captured, original = (int.from_bytes(body[i:i + 4], "little")
                                                        for i in range(0, 20, 4))
            unit = 10 ** (9 - resolutions[interface])
            found.append((links[interface], ((high << 32 | low) * unit, captured, original,
                                             body[20:20 + captured])))
    return found


def names_of(path):
    with open(path, "rb") as file:
        return [packets.options(body[8:])[2].decode()
                for kind, body in packets.blocks(file.read()) if kind == 1]


def window_of(lab, minutes=12):
    """A random window, often of whole minutes, where files end."""
    since = START_S * 10**9 + lab.random.randrange(minutes * 60) * 10**9
    if lab.random.random() < 0.4:
        since = START_S * 10**9 + lab.random.randrange(minutes) * MINUTE
    return since, since + lab.random.choice([1, 10, 30, 60, 61, 180, 600]) * 10**9


ATOMS = [
    lambda draw: "host 10.0.%d.%d" % (draw.randrange(20), draw.randrange(2, 22)),
    lambda draw: "src host 10.0.%d.%d" % (draw.randrange(20), draw.randrange(2, 22)),
    lambda draw: "net 10.0.%d.0/28" % draw.randrange(20),
    lambda draw: "net 101.%d.0.0/16" % draw.randrange(256),
    lambda draw: "port %d" % draw.choice([53, 443, 5432, 8080, 6379, 10250]),
    lambda draw: "dst port %d" % draw.choice([53, 443, 5432, 8080]),
    lambda draw: "portrange 40000-40100",
    lambda draw: "tcp[tcpflags] & tcp-rst != 0",
    lambda draw: "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    lambda draw: "icmp[icmptype] == icmp-unreach",
    lambda draw: "ip6",
    lambda draw: "ip6 host fd00::a00:%x" % (draw.randrange(20) << 8 | draw.randrange(2, 22)),
    lambda draw: "arp",
    lambda draw: "udp",
    lambda draw: "greater %d" % draw.choice([60, 100, 150]),
    lambda draw: "ip[6:2] & 0x1fff != 0",
    lambda draw: "ip[0] & 0xf > 5",
    lambda draw: "udp port 8472",
    lambda draw: "vlan %d" % draw.randrange(100, 104),
    lambda draw: "ether host 02:00:00:00:%02x:02" % draw.randrange(20),
]


def expression_of(draw):
    words = [draw.choice(ATOMS)(draw) for _ in range(draw.choice([1, 1, 2, 2, 3]))]
    text = words[0]
    for word in words[1:]:
        text = "(%s) %s %s(%s)" % (text, draw.choice(["and", "and", "or"]), draw.choice(["", "", "not "]), word)
    return text


def test_random_queries(lab):
    """Equal to tcpdump in all of them, as multisets; and ours is in order of time."""
    lab.make()
    sizes = {}
    for _ in range(QUERIES):
        window, expression = window_of(lab), expression_of(lab.random)
        wanted = lab.expected(window, expression)
        words = [expression]
        if lab.random.random() < 0.2:
            words = ["--memory", "16MiB", "-j", str(lab.random.choice([1, 2, 7])), *words]
        found, said = lab.fetch(window, *words, status=0 if wanted else 1)
        equal([each[0] for each in found], sorted(each[0] for each in found), "order of %s" % expression)
        missing, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
        check(not missing and not more, "%s in %s: %d missing, %d too many of %d: %s" % (
            expression, [stamp(each) for each in window], sum(missing.values()), sum(more.values()),
            len(wanted), said))
        sizes[expression] = len(found)
    check(sum(1 for each in sizes.values() if each) > QUERIES // 4, "hardly anything was found: %s" % sizes)


def test_packets_of_the_same_time(lab):
    """By node, interface, file and place in it, however many threads there are, and with little memory."""
    lab.make(unit_ns=10**8)
    window = (START_S * 10**9 + 7 * MINUTE // 10, START_S * 10**9 + 9 * MINUTE)
    path = os.path.join(lab.directory, "result.pcapng")
    for expression in ("", "host 10.0.3.5 or host 10.0.1.7 or port 53"):
        wanted = {}
        for link in lab.links:
            lab.links = (link,)
            # The file has them in this order; it is kept where times are the same.
            wanted[link] = sorted(lab.expected(window, expression), key=lambda each: each[0])
        lab.links = tuple(wanted)
        for words in (("-j", "1"), ("-j", "16"), ("-j", "64", "--memory", "16MiB")):
            lab.fetch(window, *words, expression)
            found = packets_and_links_of(path)
            equal(len(found), sum(len(each) for each in wanted.values()), "packets")
            for link, each in wanted.items():
                check([one for other, one in found if other == link] == each, "order with %s, of %s" % (words, link))


def test_names_of_interfaces(lab):
    lab.make(nodes=3, objects=3)
    lab.fetch((START_S * 10**9, START_S * 10**9 + 3 * MINUTE))
    names = names_of(os.path.join(lab.directory, "result.pcapng"))
    equal(set(names), {"node-00/eth0", "node-00/eth1", "node-01/eth0", "node-02/eth0"}, "names")


@contextlib.contextmanager
def around():
    with tempfile.TemporaryDirectory(prefix="knt-fetch-") as directory:
        yield Lab(directory)


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        tap.skip_all("tcpdump is missing")
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], around)
