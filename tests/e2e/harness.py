# SPDX-License-Identifier: Apache-2.0
"""The laboratory of an end-to-end test: network and mount namespaces of its own, a veth pair with a
sender at the far end, a fake bucket, a spool, and the real program. A script ends with
`harness.main()`.

Every test gets a fresh Lab; everything in it is on a tmpfs that only its namespace sees.
Environment: KNT_PROGRAM is the program under test (else the build folder's), KNT_KEEP=1 shows
all logs."""

import calendar
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
import packets
import tap
from daemon import PATIENCE_S, Daemon, program
from fake_gcs import FakeGcs
from tap import Failure, Skip, check, contains, equal, wait_until, within  # noqa: F401 (for the tests)

HERE = os.path.dirname(os.path.abspath(__file__))
BUCKET = "bucket"
NODE = "node1"
DROPS = ("kernel", "interface", "budget", "disk", "rejected")
# Many segments of few packets: one of MEGABYTE_PACKETS packets of 1514 bytes each.
SMALL = ["-G", "0", "-C", "1", "-s", "0", "-B", "32768"]
MEGABYTE_PACKETS = 654
FOLDERS = ("capturing", "ready", "sending", "rejected", "metadata", "upload-state")


def is_real_root():
    """Root of the machine, not only of a user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as uid_map:
        return os.geteuid() == 0 and int(uid_map.read().split()[2]) > 1


def command(*argv, **options):
    """Run a tool that has to succeed; returns its output."""
    done = subprocess.run([str(each) for each in argv], capture_output=True, text=True, check=False,
                          timeout=60, **options)
    if done.returncode:
        raise Failure("%s: %s%s" % (" ".join(map(str, argv)), done.stdout, done.stderr))
    return done.stdout


def is_capturing(interface):
    """Does some packet socket run on the interface?"""
    index = str(socket.if_nametoindex(interface))
    with open("/proc/self/net/packet", encoding="ascii") as file:
        sockets = [line.split() for line in file.readlines()[1:]]
    return any(each[4:6] == [index, "1"] for each in sockets)


def wait_capturing(interface="veth0", timeout=PATIENCE_S):
    wait_until(lambda: is_capturing(interface), timeout, "capture on " + interface)


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(tool + " is not installed")


def check_tcpdump(path, count):
    """tcpdump sees `count` packets in a file."""
    need("tcpdump")
    unpack = "zstdcat" if path.endswith(".zst") else "zcat -f"
    # The root of a user namespace cannot become the account that tcpdump wants to be.
    run = "tcpdump" if is_real_root() else "unshare -U tcpdump"
    seen = command("sh", "-c", unpack + ' "$1" | ' + run + " -n -q -r - | wc -l", "sh", path)
    equal(int(seen), count, "tcpdump's packets")


def nanoseconds(text):
    """A time as the metadata have it, since 1970."""
    whole, _, fraction = text[:-1].partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction.ljust(9, "0"))


@contextlib.contextmanager
def silent_name_server(lab, options="options timeout:30 attempts:5\n"):
    """It takes questions and answers none; whoever asks is to wait for minutes."""
    conf = lab.configure("nameserver 127.0.0.1\n" + options, "resolv.conf")
    nss = lab.configure("hosts: files dns\n", "nsswitch.conf")
    mounted = [(conf, "/etc/resolv.conf"), (nss, "/etc/nsswitch.conf")]
    for each in mounted:
        command("mount", "--bind", *each)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 53))
            yield server
    finally:
        for _, where in mounted:
            command("umount", where)


class Object:
    """One delivered object: its name, metadata and the file that holds it."""

    def __init__(self, name, resource, path):
        self.name, self.resource, self.path = name, resource, path
        self.file_name = name.rsplit("/", 1)[-1]
        self.metadata = resource.get("metadata", {})
        self.unpacked = None

    def number(self, key):
        return int(self.metadata.get(key, "0"))

    def lost_before(self, *reasons):
        """Packets of other files that it states, for these reasons or for all: not of its own."""
        entries = [each.split() for each in self.metadata.get("lost-before", "").split(", ") if each]
        return sum(int(packets) for _, _, _, packets, reason in entries if not reasons or reason in reasons)

    def missing(self, reason):
        """What it states as lost for this reason: its own drops, and what happened to others."""
        return self.number("drops-" + reason) + self.lost_before(reason)

    @property
    def capture(self):
        self.unpacked = self.unpacked or packets.read(self.path)
        return self.unpacked


class Peer:
    """The process at the far end; see peer.py."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "-n", sys.executable, os.path.join(HERE, "peer.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        own = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink("/proc/%d/ns/net" % self.process.pid) != own, 10,
                   "the peer's namespace")

    def order(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer.get("failure"):
            raise Failure("sender: " + answer["failure"])
        return answer

    def run(self, *argv):
        """A command in the peer's namespace."""
        return command("nsenter", "--net=/proc/%d/ns/net" % self.process.pid, *argv)

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Lab:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="knt-e2e-")
        self.is_mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=600m,mode=755", "knt-e2e", self.directory],
            check=False, capture_output=True).returncode == 0
        self.spool = os.path.join(self.directory, "spool")
        self.servers, self.daemons, self.links = [], [], []
        self.peer = Peer()
        self.peer.run("ip", "link", "set", "lo", "up")
        self.gcs = None

    # -- network -----------------------------------------------------------------------------------

    def link(self, index=0, address=False):
        """The veth pair veth<index> (here) – peer<index> (there), silent: no IPv6, no answers."""
        here, there = "veth%d" % index, "peer%d" % index
        command("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        command("ip", "link", "set", there, "netns", self.peer.process.pid)
        command("ip", "link", "set", here, "addrgenmode", "none")
        self.peer.run("ip", "link", "set", there, "addrgenmode", "none")
        if address:  # 10.99.INDEX.1 here, .2 there; neighbours are known, so that nobody asks
            here_hardware = "02:00:00:00:%02x:01" % index
            there_hardware = "02:00:00:00:%02x:02" % index
            command("ip", "link", "set", here, "address", here_hardware)
            self.peer.run("ip", "link", "set", there, "address", there_hardware)
            command("ip", "address", "add", "10.99.%d.1/24" % index, "dev", here)
            self.peer.run("ip", "address", "add", "10.99.%d.2/24" % index, "dev", there)
        command("ip", "link", "set", here, "up")
        self.peer.run("ip", "link", "set", there, "up", "multicast", "off")
        if address:
            command("ip", "neighbour", "add", "10.99.%d.2" % index, "lladdr", there_hardware,
                    "dev", here)
            self.peer.run("ip", "neighbour", "add", "10.99.%d.1" % index, "lladdr", here_hardware,
                          "dev", there)
        self.links.append(here)
        self.wait_link(index)
        return here

    def wait_link(self, index=0):
        """Until both ends are up: before, the kernel drops what is sent without a word."""
        wait_until(lambda: "state UP" in command("ip", "link", "show", "veth%d" % index)
                   and "state UP" in self.peer.run("ip", "link", "show", "peer%d" % index), 10,
                   "the link is up")

    def unlink(self, here):
        if here in self.links:
            self.links.remove(here)
        command("ip", "link", "delete", here)

    def send(self, count, stream=1, index=0, **more):
        """Send numbered packets; returns when all are through the veth, in the capture's ring."""
        answer = self.peer.order(do="send", interface="peer%d" % index, stream=stream, count=count,
                                 **more)
        equal(answer["sent"], count, "packets sent")
        check(answer["left"] >= count, "sender: only %d packets left" % answer["left"])
        return answer

    def send_megabytes(self, count, **more):
        """Packets for `count` segments of SMALL and a bit of another. Returns how many."""
        packets_sent = count * MEGABYTE_PACKETS + 10
        self.send(packets_sent, sizes=[1514], rate=20000, **more)
        return packets_sent

    @contextlib.contextmanager
    def traffic(self, stream=1, index=0, **more):
        """Send in the background; gives a dict that is filled at the end (sent, marks)."""
        result = {}
        self.peer.order(do="start", interface="peer%d" % index, stream=stream, **more)
        try:
            yield result
        finally:
            result.update(self.peer.order(do="stop", stream=stream))

    # -- bucket ------------------------------------------------------------------------------------

    def serve(self, server):
        self.servers.append(server.start())
        return server

    def bucket(self, **options):
        """Start the fake bucket; without tokens it is an emulator."""
        self.gcs = self.serve(FakeGcs(os.path.join(self.directory, "objects"), **options))
        return self.gcs

    def objects(self):
        """What is in the bucket, in the order in which it was captured."""
        found = [Object(name, resource, self.gcs.path(bucket, name))
                 for (bucket, name), resource in self.gcs.objects.items()]
        return sorted(found, key=lambda each: each.name)

    # -- the program -------------------------------------------------------------------------------

    def configure(self, text, name="test.conf"):
        """Write a configuration file; returns its path."""
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def daemon(self, *arguments, environment=None, config=None, plain=False, log_format="json", **more):
        """A program, not yet started. plain: without the usual node, bucket and interface.

        log_format: json, whose events tests wait for; text, where the test is about what a person reads; None,
        where the configuration says it."""
        config = config or self.configure("# nothing\n", "empty.conf")
        usual = ["--config", config, "-o", self.spool]
        usual += ["--log-format", log_format] if log_format else []
        # On a slow machine, what was recorded last arrives at the stop all the same.
        for flag, value in (("-N", NODE), ("-b", BUCKET), ("-i", "veth0"),
                            ("--daemon-user", "root"), ("--daemon-shutdown-deadline", "20")):
            if not plain and flag not in arguments:
                usual += [flag, value]
        given = {}
        if self.gcs and self.gcs.tokens is None:
            given["STORAGE_EMULATOR_HOST"] = self.gcs.url
        given.update(environment or {})
        made = Daemon(self.directory, [*usual, *arguments], given, **more)
        self.daemons.append(made)
        return made

    def run(self, *arguments, timeout=PATIENCE_S, **more):
        """Run the program to its end, as in a terminal; returns (exit status, output)."""
        made = self.daemon(*arguments, with_notify=False, log_format="text", **more).start()
        status = made.wait(timeout)
        return status, made.log()

    def spool_files(self, *folders):
        """Relative names of all files in folders of the spool (default: all that hold segments)."""
        # One that moves while the folders are listed is in none of them: until two listings agree.
        found = self._list_spool(folders)
        for _ in range(20):
            before, found = found, self._list_spool(folders)
            if before == found:
                break
        return found

    def _list_spool(self, folders):
        found = []
        for folder in folders or FOLDERS:
            for where, _, names in os.walk(os.path.join(self.spool, folder)):
                found += [os.path.relpath(os.path.join(where, name), self.spool) for name in names]
        return sorted(found)

    # -- what every test asks ----------------------------------------------------------------------

    def check_numbers(self, objects, expected, stream=1, interface=None):
        """The numbers of a stream arrived exactly once, in order. expected: a count or range."""
        wanted = range(expected) if isinstance(expected, int) else expected
        numbers = []
        for each in objects:
            if interface in (None, each.metadata.get("interface")):
                numbers += each.capture.numbers(stream)
        if numbers == list(wanted):
            return
        lost = sorted(set(wanted) - set(numbers))
        extra = sorted(set(numbers) - set(wanted))
        twice = len(numbers) - len(set(numbers))
        raise Failure("stream %d: %d packets of %d; %d lost %s, %d twice, %d unknown %s%s" % (
            stream, len(numbers), len(wanted), len(lost), lost[:5], twice, len(extra), extra[:5],
            ", out of order" if not lost and not extra and not twice else ""))

    @staticmethod
    def check_accounted(objects, sent):
        """sent = recorded + lost, and the metadata say what is in the files."""
        recorded = 0
        for each in objects:
            equal(each.number("packets"), len(each.capture.records), "packets of " + each.name)
            equal(each.number("pcap-bytes"), each.capture.bytes, "pcap-bytes of " + each.name)
            times = [record[0] for record in each.capture.records]
            for key, when in (("first", min), ("last", max)):
                equal(nanoseconds(each.metadata[key]) if each.metadata[key] else None,
                      when(times) if times else None, "%s of %s" % (key, each.name))
            recorded += each.number("packets")
        dropped = sum(each.missing(reason) for each in objects for reason in DROPS)
        equal(recorded + dropped, sent, "recorded + dropped")
        return dropped

    def check_spool_empty(self):
        equal(self.spool_files(), [], "files left in the spool")

    def check_quiet(self):
        """Nothing was sent that the service would frown at, each fault that was asked for came to pass,
        and no sanitizer spoke."""
        for server in self.servers:
            equal(server.faults_left(), [], "faults that %s never had" % type(server).__name__)
            equal(server.violations, [], "violations that %s saw" % type(server).__name__)
        for each in self.daemons:
            equal(each.complaints(), [], "sanitizer reports")

    def close(self, has_failed):
        for each in self.daemons:
            each.close()
        if has_failed or os.environ.get("KNT_KEEP"):
            for index, each in enumerate(self.daemons):
                lines = each.log().splitlines()
                cut = lines if len(lines) < 80 else lines[:20] + ["…"] + lines[-60:]
                tap.diagnose("-- log of run %d: %s" % (index, " ".join(each.arguments)))
                tap.diagnose("\n".join(cut))
            for server in self.servers:
                tap.diagnose("-- %s: violations %r" % (type(server).__name__,
                                                       server.violations[:10]))
        for server in self.servers:
            server.stop()
        self.peer.close()
        for here in list(self.links):
            subprocess.run(["ip", "link", "delete", here], check=False, capture_output=True)
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.directory], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def laboratory():
    lab = Lab()
    try:
        yield lab
        lab.check_quiet()
    except BaseException as reason:
        lab.close(has_failed=not isinstance(reason, Skip))
        raise
    lab.close(has_failed=False)


def post(url, what):
    """POST a JSON value (to a server's /_control); returns the answer."""
    request = urllib.request.Request(url, json.dumps(what).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def set_up_namespace():
    """Inside: loopback up, nothing that speaks by itself, nothing forwarded."""
    command("ip", "link", "set", "lo", "up")
    for name, value in (("ipv6/conf/default/disable_ipv6", "1"),
                        ("ipv6/conf/all/disable_ipv6", "1"),
                        ("ipv4/ip_forward", "0")):
        path = "/proc/sys/net/" + name
        if os.path.exists(path):
            with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
                file.write(value)


def enter_namespaces():
    """Run this script again in namespaces of its own; returns in there."""
    if os.environ.get("KNT_E2E_INSIDE"):
        return
    for tool in ("unshare", "nsenter", "ip", "mount", "zcat"):
        if not shutil.which(tool):
            tap.skip_all(tool + " is not installed")
    for how in (["-nm", "--propagation", "private"], ["-Urnm", "--propagation", "private"]):
        # Root without the capability has to try as everybody else does.
        if subprocess.run(["unshare", *how, "true"], check=False,
                          capture_output=True).returncode == 0:
            os.environ["KNT_E2E_INSIDE"] = "1"
            os.execvp("unshare", ["unshare", *how, sys.executable, *sys.argv])
    tap.skip_all("no network namespace can be made here (unshare is refused)")


def main():
    """Run the functions test_* of the calling script."""
    enter_namespaces()
    if not os.access(program(), os.X_OK):
        print("Bail out! no program at " + program())
        sys.exit(1)
    # Nothing outlives the test, also when make gives up on it.
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
    set_up_namespace()
    script = sys.modules["__main__"]
    tests = [value for name, value in vars(script).items()
             if name.startswith("test_") and callable(value)]
    tap.run(tests, getattr(script, "laboratory", laboratory))
