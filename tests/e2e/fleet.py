# SPDX-License-Identifier: Apache-2.0
"""What a fleet has uploaded (make_fleet.c), in a folder or in the fake bucket, for tests of find and fetch: what they
find is what tcpdump finds in all of its packets."""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
import packets
import tap
from daemon import program
from fake_gcs import EVERYTHING, FakeGcs  # noqa: F401 (for the tests)
from tap import check, equal

START_S = 1795442400  # 2026-11-23T14:00:00Z
START = START_S * 10**9
SECOND = 10**9
MINUTE = 60 * SECOND
BUCKET = "bucket"
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("top_builddir", os.path.join(HERE, "..", "..", "build"))
PATIENCE_S = 120


def stamp(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // SECOND)) + ".%09dZ" % (ns % SECOND)


def minutes(first, last):
    """The window of these minutes of the fleet."""
    return START + int(first * MINUTE), START + int(last * MINUTE)


class Fleet:
    """A fleet's objects, and all of its packets as (time, lengths, bytes) by type of link."""

    def __init__(self, directory):
        self.directory = directory
        self.seed = int(os.environ["KNT_SEED"])  # tap.run() has set it
        self.random = random.Random(self.seed)
        self.bucket = os.path.join(directory, "folder")
        self.links = (1, 101, 276)
        self.facts = {}  # of each object
        self.gcs = None

    def make(self, nodes=8, objects=12, each=600, *words):
        subprocess.run([os.path.join(TOP, "tests/e2e/make_fleet"), self.bucket, self.path("all"), str(self.seed),
                        str(nodes), str(objects), str(each), str(START_S), *words], check=True,
                       stdout=subprocess.DEVNULL)
        with open(self.path("all.facts"), encoding="ascii") as file:
            for text in file.read().split("\n\n")[:-1]:
                name, *lines = text.split("\n")
                self.facts[name] = dict(line.split("=", 1) for line in lines)
        return self

    def path(self, name):
        return os.path.join(self.directory, name)

    def content(self, name):
        with open(os.path.join(self.bucket, name), "rb") as file:
            return file.read()

    def change(self, name, content):
        with open(os.path.join(self.bucket, name), "wb") as file:
            file.write(content)

    def remove(self, name):
        os.unlink(os.path.join(self.bucket, name))

    def names(self, *parts):
        """Of the objects whose names have all of these."""
        return sorted(name for name in self.facts if all(part in name for part in parts))

    def serve(self, with_metadata=True, **options):
        """The same objects in the fake bucket; searches go there from now on."""
        self.gcs = FakeGcs(self.path("objects"), **options).start()
        for name in self.names():
            more = {"metadata": self.facts[name]} if with_metadata else {}
            self.gcs.put(BUCKET, name, self.content(name), **more)
        return self.gcs

    # -- searches ----------------------------------------------------------------------------------

    def environment(self, **more):
        emulator = {"STORAGE_EMULATOR_HOST": self.gcs.url} if self.gcs else {}
        return {**os.environ, "HOME": self.directory, "TZ": "UTC", **emulator, **more}

    def where(self):
        return "gs://" + BUCKET if self.gcs else "file://" + self.bucket

    def command(self, command, window, *words):
        since, until = (each if isinstance(each, str) else stamp(each) for each in window)
        return [program(), command, "-b", self.where(), "--from", since, "--to", until, *words]

    def run(self, *words, status=0, wrapper=(), environment=None, **options):
        done = subprocess.run([*wrapper, program(), *words], capture_output=True, timeout=PATIENCE_S, check=False,
                              env=self.environment(**(environment or {})), **options)
        if done.returncode != status:
            raise tap.Failure("%s: status %d, not %d: %s%s" % (
                " ".join(words), done.returncode, status, done.stdout[-2000:].decode("utf-8", "replace"),
                done.stderr.decode("utf-8", "replace")))
        check(b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr.decode())
        return done

    def search(self, command, window, *words, **options):
        return self.run(*self.command(command, window, *words)[1:], **options)

    def find(self, window, *words, **options):
        """The names of the objects, and what was said."""
        done = self.search("find", window, "-q", *words, **options)
        return done.stdout.decode().splitlines(), done.stderr.decode()

    def fetch(self, window, *words, name="result.pcapng", **options):
        """The result's packets as (time, captured, original, bytes), and what was said."""
        path = self.path(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        done = self.search("fetch", window, "-w", path, *words, **options)
        return packets_of(path), done.stderr.decode()

    def fetch_json(self, window, *words, **options):
        found, said = self.fetch(window, "--json", *words, **options)
        return found, json.loads(said)

    def find_json(self, window, *words, **options):
        return json.loads(self.search("find", window, "--json", *words, **options).stdout)

    # -- the oracle --------------------------------------------------------------------------------

    def expected(self, window, expression=""):
        """By tcpdump, of all that there is. A link type for which the filter does not compile has none."""
        found = []
        for link in self.links:
            done = subprocess.run(["tcpdump", "--nano", "-r", self.path("all-%d.pcap" % link), "-w", "-",
                                   expression], capture_output=True, check=False)
            if done.returncode == 0:
                found += [each for each in pcap_records(done.stdout) if window[0] <= each[0] < window[1]]
        return found

    def check_found(self, found, wanted, what):
        """Equal as multisets; and ours is in order of time."""
        equal([each[0] for each in found], sorted(each[0] for each in found), "order of " + what)
        missing, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
        check(not missing and not more, "%s: %d missing, %d too many of %d" % (
            what, sum(missing.values()), sum(more.values()), len(wanted)))

    def check_fetches(self, window, expression, *words, less=(), **options):
        """All that tcpdump finds but `less`; returns what was said."""
        wanted = self.expected(window, expression)
        for each in less:
            wanted.remove(each)
        found, said = self.fetch(window, *words, expression, status=options.pop("status", 0 if wanted else 1),
                                 **options)
        self.check_found(found, wanted, "%s: %s" % (expression, said))
        return said

    def close(self):
        if self.gcs:
            self.gcs.stop()


# -- files -----------------------------------------------------------------------------------------

def pcap_records(content):
    """(time, captured, original, bytes) of a classic file in this machine's order."""
    at, found = 24, []
    unit = packets.MAGICS[int.from_bytes(content[:4], "little")]
    while at < len(content):
        seconds, fraction, captured, original = (int.from_bytes(content[at + i:at + i + 4], "little")
                                                 for i in (0, 4, 8, 12))
        at += 16 + captured
        found.append((seconds * SECOND + fraction * unit, captured, original, content[at - captured:at]))
    return found


def blocks_of(path):
    with open(path, "rb") as file:
        return list(packets.blocks(file.read()))


def packets_of(path):
    """Of a result: pcapng with any number of interfaces."""
    resolutions, found = [], []
    for kind, body in blocks_of(path):
        if kind == 1:
            resolutions.append(packets.options(body[8:])[9][0])
        elif kind == 6:
            interface, high, low, captured, original = (int.from_bytes(body[i:i + 4], "little")
                                                        for i in range(0, 20, 4))
            unit = 10 ** (9 - resolutions[interface])
            found.append(((high << 32 | low) * unit, captured, original, body[20:20 + captured]))
    return found


def names_of(path):
    """Of a result's interfaces."""
    return [packets.options(body[8:])[2].decode() for kind, body in blocks_of(path) if kind == 1]


def statistics_of(path):
    """The options of a result's statistics, interface by interface."""
    return [packets.options(body[12:]) for kind, body in blocks_of(path) if kind == 5]


# -- the laboratory --------------------------------------------------------------------------------

@contextlib.contextmanager
def laboratory():
    with tempfile.TemporaryDirectory(prefix="knt-fetch-") as directory:
        made = Fleet(directory)
        try:
            yield made
            if made.gcs:
                equal(made.gcs.violations, [], "violations that the bucket saw")
                equal(made.gcs.faults_left(), [], "faults that never came")
        finally:
            made.close()
