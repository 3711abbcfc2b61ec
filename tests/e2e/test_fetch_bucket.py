#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find and fetch with a bucket that fails, and with somebody who does not wait for the end."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import index_reader
import packets
import tap
from daemon import program
from fake_gcs import EVERYTHING, FakeGcs
from tap import check, contains, equal
from test_fetch_answers import FRAME, START_S, WINDOW, pcap
from test_fetch_answers import Lab as Fleet

QUERIES = int(os.environ.get("KNT_QUERIES", "12"))


class Lab:
    def __init__(self, directory, gcs):
        self.directory, self.gcs = directory, gcs
        self.result = os.path.join(directory, "result.pcapng")

    def put(self, content, node="node-1", extension=".pcap"):
        self.gcs.put("bucket", "%s/%s_20261123T140000.000Z_eth0_00000001%s" % (node, node, extension), content)

    def start(self, command, *words, bucket="gs://bucket", **options):
        window = () if "--from" in words else WINDOW
        environment = {**os.environ, "HOME": self.directory, "TZ": "UTC", "STORAGE_EMULATOR_HOST": self.gcs.url}
        return subprocess.Popen([program(), command, "-b", bucket, *window, *words],
                                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}, env=environment)

    def run(self, command, *words, status=0):
        process = self.start(command, *words)
        out, err = process.communicate(timeout=120)
        said = err.decode("utf-8", "replace")
        equal(process.returncode, status, "status of %s %s: %s" % (command, " ".join(words), said))
        return out, said

    def fetch(self, *words, status=0):
        _, said = self.run("fetch", "-w", self.result, *words, status=status)
        return self.packets(self.result), said

    @staticmethod
    def packets(path):
        if not os.path.exists(path):
            return 0
        with open(path, "rb") as file:
            return sum(1 for kind, _ in packets.blocks(file.read()) if kind == 6)


def big(count=100):
    """Longer than what is read at a time: three parts."""
    return pcap(count=count, packet=FRAME + bytes(30000))


def test_an_object_that_goes_half_way(lab):
    """What was read of it is in the result, the rest of it is missing, and the other object is whole."""
    for strict, status in (((), 0), (("--strict",), 2)):
        lab.put(big())
        lab.put(pcap(), node="node-2")
        lab.gcs.fault("media", after=5, gone=True)
        count, said = lab.fetch("-j", "1", *strict, status=status)
        check(10 + 30 < count < 110, "%d packets: %s" % (count, said))
        contains(said, "node-1 eth0")
        contains(said, "lost")
        lab.gcs.clear_faults()


def test_no_right_to_read(lab):
    lab.put(pcap())
    lab.gcs.permissions = EVERYTHING - {"storage.objects.get"}
    _, said = lab.fetch(status=78)
    contains(said, "storage.objects.get")
    contains(said, "roles/storage.objectViewer")
    lab.gcs.permissions = EVERYTHING - {"storage.objects.list"}
    _, said = lab.run("find", status=78)
    contains(said, "storage.objects.list")


def test_interruptions(lab):
    """130 at once, whatever is being waited for; what is there of the result can be read."""
    for kind in ("list", "media"):
        lab.put(big())
        lab.gcs.fault(kind, after=0, times=0, delay=60)
        process = lab.start("fetch", "-w", lab.result)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=20)
        equal(process.returncode, 130, "status")
        check(time.monotonic() - began < 5, "it took %g s" % (time.monotonic() - began))
        lab.gcs.clear_faults()
    # With half of it written.
    lab.put(pcap(second=100), node="node-2")
    lab.gcs.fault("media", after=4, times=0, delay=60)
    process = lab.start("fetch", "-j", "1", "-w", lab.result)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    equal(process.returncode, 130, "status")
    check(not os.path.exists(lab.result) and os.path.exists(lab.result + ".part"), "no FILE.part, or FILE")
    lab.packets(lab.result + ".part")


def test_a_pipe_that_nobody_reads(lab):
    """The second Ctrl-C ends it."""
    lab.put(big())
    process = lab.start("fetch", "-w", "-")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    equal(process.wait(timeout=5) in (130, -signal.SIGINT), True, "ended by it")
    process.stdout.close()
    process.stderr.close()


def test_a_broken_run_goes_on(lab):
    """By --cache; also where a file of it was damaged."""
    cache = os.path.join(lab.directory, "cache")
    lab.put(big(150))
    lab.gcs.fault("media", after=4, times=0, status=404, text="No such object",
                  headers={"X-GUploader-UploadID": "fake"})
    lab.fetch("--cache", cache)
    lab.gcs.clear_faults()
    before = lab.gcs.count("media")
    count, _ = lab.fetch("--cache", cache)
    equal(count, 150, "packets")
    first = lab.gcs.count("media") - before
    count, _ = lab.fetch("--cache", cache)
    equal((count, lab.gcs.count("media") - before - first), (150, 0), "packets, and reads of all that is kept")
    check(first < 7, "%d reads after the broken run" % first)
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        with open(path, "r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
        equal(os.stat(path).st_mode & 0o077, 0, "nobody else may read it")
    count, _ = lab.fetch("--cache", cache)
    equal(count, 150, "packets")
    check(lab.gcs.count("media") - before - first > 5, "damaged files were believed")


def upload_fleet(lab, fleet):
    """As its recorders would have: what is known of a file is in its metadata, but for old ones."""
    for path in fleet.files():
        with open(path, "rb") as file:
            content = file.read()
        facts = {}
        try:
            index = index_reader.Index(content)
            if index.has_footer:
                facts = {**index.facts, "index": "1:%d:%d" % (index.index_bytes, index.tail_bytes)}
        except index_reader.Damaged:
            pass
        more = {"metadata": facts} if facts else {}
        lab.gcs.put("bucket", os.path.relpath(path, fleet.fleet), content, **more)


def test_metadata_leave_nothing_out(lab):
    """The same packets from the bucket as from a folder, where nothing is known before a file is read."""
    fleet = Fleet(lab.directory)
    fleet.make(nodes=6, objects=8, each=240, seed=random.randrange(1 << 30))
    upload_fleet(lab, fleet)
    sizes = []
    for _ in range(QUERIES):
        since = START_S + random.randrange(0, 480, random.choice((1, 60)))
        until = since + random.choice((1, 10, 60, 61, 180))
        window = ("--from", "@%d" % since, "--to", "@%d" % until)
        words = (*window, "--all", random.choice(("", "udp", "host 10.0.2.3 or host 10.0.4.7", "port 5432", "arp")))
        both = []
        for where in ("gs://bucket", "file://" + fleet.fleet):
            done = lab.start("fetch", "-q", "-w", lab.result, *words, bucket=where)
            _, said = done.communicate(timeout=60)
            check(done.returncode in (0, 1), "status %d: %s" % (done.returncode, said))
            with open(lab.result, "rb") as file:
                both.append([body for kind, body in packets.blocks(file.read()) if kind == 6])
        equal(len(both[0]), len(both[1]), "packets of %s" % (words,))
        equal([each[4:] for each in both[0]], [each[4:] for each in both[1]], "packets of %s" % (words,))
        sizes.append(len(both[0]))
    check(sum(sizes) > 0, "nothing was found")


def test_who_waits_knows_for_what(lab):
    """Before the first answer: perhaps there is no network, or no credentials. Once."""
    lab.put(pcap())
    lab.gcs.fault("list", times=3, status=503)
    _, said = lab.run("find")
    equal(said.count("trying again"), 1, "lines about it in %s" % said)
    contains(said, "503")
    lab.gcs.fault("media", times=1, status=503)
    _, said = lab.run("find")
    equal(said.count("trying again"), 0, "lines about it in %s" % said)


def test_a_bucket_that_falls_silent(lab):
    """While packets are read: no result that looks as if it were all."""
    for node in range(12):
        lab.put(pcap(), node="node-%d" % node)
    lab.gcs.fault("media", after=14, times=0, status=503, retry_after="3600")
    for command in (("fetch", "-w", lab.result), ("fetch", "-j", "1", "-w", lab.result)):
        _, said = lab.run(*command, status=69)
        contains(said, "503")
        check(not os.path.exists(lab.result), "there is a result")


def test_json_of_a_failure(lab):
    """A bucket that answers nothing is 69, in words."""
    lab.gcs.fault("list", times=0, status=503, retry_after="3600")
    _, said = lab.run("find", "--json", status=69)
    contains(said, "error")


@contextlib.contextmanager
def around():
    with tempfile.TemporaryDirectory(prefix="knt-fetch-") as directory, \
            FakeGcs(os.path.join(directory, "objects")) as gcs:
        yield Lab(directory, gcs)
        equal(gcs.violations, [], "violations")


if __name__ == "__main__":
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], around)
