#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What find and fetch say and how they end, where something is not as it should be: files that are damaged,
hostile or of other tools, outputs that cannot be written, names that are no text."""

import contextlib
import gzip
import json
import os
import resource
import shutil
import struct
import subprocess
import tempfile
import time

import packets
import tap
from daemon import is_sanitized, program
from tap import check, contains, equal

START_S = 1795442400  # 2026-11-23T14:00:00Z
TOP = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
WINDOW = ("--from", "2026-11-23T14:00:00Z", "--to", "2026-11-23T14:03:00Z")
ETHERNET, RAW = 1, 101
UDP = bytes.fromhex("450000200000000040110000" "0a000001" "0a000002" "003500350010000000000000")
FRAME = bytes.fromhex("020000000001" "020000000002" "0800") + UDP


class Lab:
    def __init__(self, directory):
        self.directory = directory
        self.bucket = self.fleet = os.path.join(directory, "bucket")
        self.result = os.path.join(directory, "result.pcapng")

    def make(self, nodes, objects, each, seed=5):
        """A fleet, beside the bucket."""
        self.fleet = os.path.join(self.directory, "fleet")
        subprocess.run([os.path.join(TOP, "tests/e2e/make_fleet"), self.fleet, os.path.join(self.directory, "all"),
                        str(seed), str(nodes), str(objects), str(each), str(START_S)], check=True,
                       stdout=subprocess.DEVNULL)

    def files(self):
        return sorted(os.path.join(where, name) for where, _, names in os.walk(self.fleet) for name in names)

    def put(self, content, node="node-1", minute=0, extension=".pcap", sequence=1, bucket=None):
        folder = os.path.join(os.fsencode(bucket or self.bucket), os.fsencode(node))
        os.makedirs(folder, exist_ok=True)
        name = os.fsencode("%s_20261123T14%02d00.000Z_eth0_%08d%s" % (node, minute, sequence, extension))
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)

    def search(self, command, *words, status=0, memory=None, stdout=subprocess.PIPE):
        def limit():
            if memory and not is_sanitized():
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        done = subprocess.run([program(), command, "-b", "file://" + self.bucket, *WINDOW, *words], check=False,
                              stdout=stdout, stderr=subprocess.PIPE, timeout=120, preexec_fn=limit,
                              env={**os.environ, "HOME": self.directory, "TZ": "UTC"})
        said = done.stderr.decode("utf-8", "replace")
        equal(done.returncode, status, "status of %s %s: %s" % (command, " ".join(words), said))
        return done.stdout, said

    def fetch(self, *words, **options):
        """How many packets there are in the result, and what was said."""
        if os.path.exists(self.result):
            os.unlink(self.result)
        _, said = self.search("fetch", "-w", self.result, *words, **options)
        with open(self.result, "rb") as file:
            return sum(1 for kind, _ in packets.blocks(file.read()) if kind == 6), said


def pcap(link=ETHERNET, count=10, packet=FRAME, second=0, order="<"):
    head = struct.pack(order + "IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)
    return head + b"".join(struct.pack(order + "IIII", START_S + second + i, 1, len(packet), len(packet)) + packet
                           for i in range(count))


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(count=10, between=b""):
    content = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    content += block(1, struct.pack("<HHI", ETHERNET, 0, 262144)) + between
    for i in range(count):
        ticks = (START_S + i) * 10**6
        content += block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xffffffff, len(FRAME), len(FRAME)) + FRAME)
    return content


def needs(tool):
    def wrap(test):
        def run(lab):
            if not shutil.which(tool):
                raise tap.Skip("%s is missing" % tool)
            test(lab)
        run.__name__ = test.__name__
        return run
    return wrap


def test_failures_are_no_empty_answers(lab):
    """1 says that nothing matched; a search that could not be made has another status."""
    lab.put(pcap())
    for command, *words in (("find",), ("fetch", "-w", lab.result)):
        _, said = lab.search(command, *words, "host", "no-such-name.invalid", status=69)
        contains(said, "no-such-name.invalid")
        _, said = lab.search(command, *words, "--cache", "/proc/nothing/here", "udp", status=64)
        contains(said, "--cache")
        _, said = lab.search(command, *words, "--cache", os.path.join(lab.bucket, "node-1", "x\0"[:1] * 300), "udp",
                             status=64)
    _, said = lab.search("fetch", "-w", os.path.join(lab.directory, "nowhere", "x"), "udp", status=74)
    contains(said, "nowhere")
    lab.bucket = os.path.join(lab.directory, "nowhere")
    _, said = lab.search("find", "udp", status=78)
    contains(said, "does not exist")


def test_json_is_all_there_is(lab):
    """Also where there is a warning: on standard error is one JSON object, and nothing else."""
    lab.put(pcap(ETHERNET))
    lab.put(pcap(RAW, packet=UDP), node="node-2")
    _, said = lab.fetch("--json", "udp")
    answer = json.loads(said)
    equal(answer["result"]["packets"], 20, "packets")
    contains(answer["result"]["warning"], "several link types")
    _, said = lab.search("fetch", "--json", "--limit", "10B", "-w", lab.result, "udp", status=2)
    answer = json.loads(said)
    check(answer["plan"]["bytes"] > answer["plan"]["limit"] == 10, "limit: %s" % answer["plan"])


def test_names_that_are_no_text(lab):
    lab.put(pcap(), node="node-\udcff")
    out, _ = lab.search("find", "--json", "udp")
    equal(json.loads(out)["objects"][0]["node"], "node-?", "node")
    lab.fetch("--json", "udp")


def test_output_that_cannot_be_written(lab):
    """74, and why; but nothing where whoever read the pipe has seen enough."""
    lab.put(pcap())
    with open("/dev/full", "wb") as full:
        for words in ((), ("-q",), ("--json",)):
            _, said = lab.search("find", *words, stdout=full, status=74)
            contains(said, "No space left")
    for command, *words in (("find", "-q"), ("find", "--json", "-q"), ("fetch", "-q", "-w", "-")):
        reader, writer = os.pipe()
        os.close(reader)
        _, said = lab.search(command, *words, stdout=writer, status=74)
        os.close(writer)
        check("error" not in said, "said of a closed pipe: %s" % said)


def test_a_filter_that_some_files_have_no_use_for(lab):
    """Of a file without an index its type of link is known only when it is read."""
    lab.put(pcap(ETHERNET))
    lab.put(pcap(RAW, packet=UDP), node="node-2")
    count, said = lab.fetch("udp and not vlan")
    equal(count, 10, "packets")
    contains(said, "1 file was not searched")
    count, said = lab.fetch("--json", "--strict", "udp and not vlan", status=2)
    equal(json.loads(said)["plan"]["not_searched"], 1, "files in JSON")


def test_several_interfaces_in_a_file(lab):
    """Each with its own type of link and unit of time; of what cannot be taken at least that is said."""
    units = (10**6, 10**9, 10**3, 1 << 20)
    content = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    for code, link in ((6, ETHERNET), (9, RAW), (3, ETHERNET), (0x80 | 20, ETHERNET)):
        content += block(1, struct.pack("<HHI", link, 0, 262144) + struct.pack("<HHBxxxHH", 9, 1, code, 0, 0))

    def packet(interface, second, frame):
        ticks = second * units[interface % 4]
        return block(6, struct.pack("<IIIII", interface, ticks >> 32, ticks & 0xffffffff, len(frame), len(frame)) + frame)
    for i in range(40):
        content += packet(i % 4, START_S + 40 - i, UDP if i % 4 == 1 else FRAME)
    lab.put(content, extension=".pcapng")
    count, said = lab.fetch("--strict", "udp", status=2)
    equal(count, 40, "packets")
    check("lost" not in said and "behind later ones" not in said, "said: %s" % said)
    with open(lab.result, "rb") as file:
        kinds = packets.blocks(file.read())
    equal(sum(1 for kind, _ in kinds if kind == 1), 4, "interfaces")
    for sequence, more in enumerate((block(3, struct.pack("<I", len(FRAME)) + FRAME),
                                     block(2, struct.pack("<HHIIII", 0, 0, 0, 0, len(FRAME), len(FRAME)) + FRAME),
                                     packet(70, START_S, FRAME)), 2):
        lab.put(content + more + content, node="node-%d" % sequence, extension=".pcapng")
        count, said = lab.fetch("--node", "node-%d" % sequence, "udp")
        equal(count, 80, "packets")
        contains(said, "lost (1 packets without")


def test_a_pipe_that_does_not_block(lab):
    """As those of ssh and of many programs that start others: whoever writes has to wait by itself."""
    lab.put(pcap(count=150, packet=FRAME + bytes(30000)))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with subprocess.Popen([program(), "fetch", "-b", "file://" + lab.bucket, *WINDOW, "-w", "-"], stdout=writer,
                          stderr=subprocess.PIPE, env={**os.environ, "HOME": lab.directory}) as process:
        os.close(writer)
        time.sleep(0.5)
        with os.fdopen(reader, "rb") as file:
            content = file.read()
        said = process.stderr.read()
        equal(process.wait(), 0, "status: %s" % said)
    equal(sum(1 for kind, _ in packets.blocks(content) if kind == 6), 150, "packets")


def test_quiet_says_what_is_missing(lab):
    lab.put(gzip.compress(pcap()) + gzip.compress(pcap(second=20))[:-30], extension=".pcap.gz")
    _, said = lab.fetch("-q", "udp")
    contains(said, "lost")
    check("window" not in said and "plan" not in said, "said: %s" % said)


def test_hostile_files(lab):
    """Sixteen of a kind at a time, with little memory; each is a line of the answer at most, never its end."""
    memory = 256 << 20
    big = block(0x0bad, b"\0" * ((16 << 20) - 12))
    zeros = gzip.compress(b"\0" * (64 << 20))
    for node in range(16):
        lab.put(pcapng(between=big), node="big-%d" % node, extension=".pcapng")
        lab.put(zeros * 16, node="zeros-%d" % node, extension=".pcap.gz")
        lab.put(gzip.compress(pcap()) + zeros * 16, node="tail-%d" % node, extension=".pcap.gz")
    for words in (("-j", "16"), ("-j", "64", "--memory", "16MiB")):
        count, said = lab.fetch(*words, memory=memory)
        equal(count, 16 * 20, "packets")
        for kind, is_lost in (("big", False), ("zeros", True), ("tail", True)):
            equal(sum("%s-" % kind in line and "lost" in line for line in said.splitlines()), 16 * is_lost, kind)


@needs("zstd")
def test_large_windows(lab):
    """Frames with windows of 8 MiB, also packed twice; and one of 2 GiB, for which there is no memory."""
    path = os.path.join(lab.directory, "file")
    with open(path, "wb") as file:
        file.write(pcap(count=10) + b"".join(pcap(count=10, packet=FRAME + os.urandom(65000)) for _ in range(14)))
    once = subprocess.run(["zstd", "-q", "--ultra", "-19", "-c", path], check=True, capture_output=True).stdout
    twice = subprocess.run(["zstd", "-q", "--ultra", "-19", "-c"], input=once, check=True,
                           capture_output=True).stdout
    long = subprocess.run(["zstd", "-q", "--ultra", "--long=31", "-c"], input=pcap(), check=True,
                          capture_output=True).stdout
    for node in range(16):
        lab.put(once, node="once-%d" % node, extension=".pcap.zst")
        lab.put(twice, node="twice-%d" % node, extension=".pcap.zst")
    lab.put(long, node="long", extension=".pcap.zst")
    count, said = lab.fetch("-j", "16", memory=256 << 20)
    equal(count, 32 * 150, "packets")
    contains(said, "long eth0")


def test_files_one_behind_the_other(lab):
    """As after cat, rsync --append or a bucket's compose: the last one's index is not that of all."""
    lab.make(nodes=1, objects=6, each=200)
    lab.bucket = lab.fleet
    total, _ = lab.fetch()
    files = [each for each in lab.files() if each.endswith(".gz")]
    contents = [open(each, "rb").read() for each in files]
    for i, some in enumerate((contents[:2], contents[1:3], contents[:3], [contents[0], gzip.compress(pcap())])):
        lab.bucket = os.path.join(lab.directory, "single-%d" % i)
        counts = []
        for j, each in enumerate(some + [b"".join(some)]):
            lab.bucket = os.path.join(lab.directory, "single-%d-%d" % (i, j))
            lab.put(each, extension=".pcap.gz")
            counts.append(lab.fetch("--all")[0])
        equal(counts[-1], sum(counts[:-1]), "packets of all and of each: %s" % counts)
        check(0 < counts[-1] <= total + 10, "packets: %s" % counts)


def test_a_temporary_file_that_is_not_possible(lab):
    """More than there is memory for, in order: that needs a folder."""
    for node in range(40):
        lab.put(pcap(count=160, packet=FRAME + bytes(4000)), node="node-%d" % node)
    words = ("--memory", "16MiB", "-w")
    os.environ["TMPDIR"] = os.path.join(lab.directory, "nowhere")
    try:
        _, said = lab.search("fetch", *words, "-", status=74)
        contains(said, "TMPDIR")
        contains(said, os.environ["TMPDIR"])
        _, said = lab.search("fetch", *words, lab.result)
        # A pipe or a device is not where packets can wait.
        _, said = lab.search("fetch", *words, "/dev/null", status=74)
        contains(said, os.environ["TMPDIR"])
    finally:
        del os.environ["TMPDIR"]


@contextlib.contextmanager
def around():
    with tempfile.TemporaryDirectory(prefix="knt-fetch-") as directory:
        yield Lab(directory)


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        tap.skip_all("tcpdump is missing")
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], around)
