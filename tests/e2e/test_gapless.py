# SPDX-License-Identifier: Apache-2.0
"""Not a packet missing that is not counted, and none twice: through rotations and reloads under load, and
when the machine cannot keep up. The full size takes some minutes:

    KNT_ROTATIONS=1000 KNT_RELOADS=100 KNT_RATE=200000 tests/e2e/test_gapless.py
"""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import packets
import peer
from harness import DROPS, command, main
from tap import check, diagnose, equal, wait_until

ROTATIONS = int(os.environ.get("KNT_ROTATIONS", "60"))
RELOADS = int(os.environ.get("KNT_RELOADS", "8"))
RATE = int(os.environ.get("KNT_RATE", "40000"))
GENERATE = os.path.join(os.environ.get("top_builddir", "build"), "tests", "bench", "generate")
RECORD_BYTES = 16 + 96
BUFFER = ["-B", "65536"]


class Traffic:
    """Numbered packets of stream 1, by the generator in the peer's namespace."""

    def __init__(self, lab, *arguments):
        had = peer.packets_out("peer0", lab.peer.process.pid)
        self.process = subprocess.Popen(
            ["nsenter", "--net=/proc/%d/ns/net" % lab.peer.process.pid, GENERATE, "-i", "peer0",
             "--numbered", "1", *arguments], stdout=subprocess.PIPE, text=True)
        # Only then can it be stopped: reloads may be done before it has begun.
        wait_until(lambda: peer.packets_out("peer0", lab.peer.process.pid) > had + 100, 60, "packets")

    def end(self, stop=False):
        """How many were sent."""
        if stop:
            self.process.terminate()
        answer = json.loads(self.process.communicate(timeout=300)[0])
        equal(self.process.returncode, 0, "exit status of the generator")
        return int(answer["sent"])


def numbers_of(objects):
    numbers = []
    for each in objects:
        numbers += each.capture.numbers(1)
    return numbers


def check_complete(lab, sent, what):
    """Every number once, in order of time, and no drop."""
    objects = lab.objects()
    dropped = lab.check_accounted(objects, sent)
    diagnose("%s: %d packets in %d files, %d dropped, at %d a second" % (
        what, sent, len(objects), dropped, RATE))
    equal(dropped, 0, "drops")
    lab.check_numbers(objects, sent)
    return objects


def test_rotations(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-C", "1", *BUFFER, "--upload-workers", "4", "-W",
                        "100000").start_ready()
    count = ROTATIONS * (1000000 // RECORD_BYTES + 1) + 100
    sent = Traffic(lab, "--rate", str(RATE), "--sizes", "100", "--count", str(count)).end()
    daemon.wait_event("segment-finished", timeout=60, count=ROTATIONS)
    wait_until(lambda: len(lab.spool_files("ready")) < 10, 300, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    objects = check_complete(lab, sent, "%d rotations" % ROTATIONS)
    check(len(objects) > ROTATIONS, "%d files" % len(objects))


CHANGES = (
    'capture: { filter = "udp"; buffer = "64MiB"; };',
    'capture: { filter = "udp"; buffer = "64MiB"; snaplen = 80; };',
    'capture: { snaplen = 80; buffer = "64MiB"; }; segment: { age = 1; };',
    'capture: { snaplen = 80; buffer = "64MiB"; }; segment: { age = 0; size = "3M"; };',
    'capture: { buffer = "64MiB"; }; segment: { compression = "zstd"; };',
    'capture: { buffer = "64MiB"; }; segment: { compression = "none"; };',
    'capture: { buffer = "64MiB"; direction = "in"; };',
    'capture: { buffer = "64MiB"; };',
)


def reloads(lab, texts, what):
    lab.link()
    lab.bucket()
    path = lab.configure(CHANGES[-1], "changing.conf")
    daemon = lab.daemon(config=path).start_ready()
    traffic = Traffic(lab, "--rate", str(RATE), "--sizes", "100")
    for text in texts:
        lab.configure(text, "changing.conf")
        daemon.reload(timeout=60)
    sent = traffic.end(stop=True)
    wait_until(lambda: len(lab.spool_files("ready", "sending")) < 2, 120, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    equal(len(daemon.events("reloaded")), len(texts), "reloads")
    return check_complete(lab, sent, what)


def test_reloads_that_change_nothing(lab):
    reloads(lab, [CHANGES[-1]] * RELOADS, "%d reloads without a change" % RELOADS)


def test_reloads_that_change(lab):
    """Filter, snaplen, rotation, compression, direction: each opens, ends or encodes anew."""
    objects = reloads(lab, [CHANGES[i % len(CHANGES)] for i in range(RELOADS)],
                      "%d reloads with one" % RELOADS)
    check(len({each.name.rsplit(".", 1)[-1] for each in objects}) == 3, "gzip, zstd and none")
    check({each.metadata["snaplen"] for each in objects} == {"96", "80"}, "both snaplens")


def counted_at_the_end(daemon):
    """What the log says of the run: packets recorded."""
    return daemon.events("stopped")[-1]["packets"]


def check_overload(lab, daemon, sent):
    objects = lab.objects()
    numbers = numbers_of(objects)
    equal(len(numbers), len(set(numbers)), "packets recorded twice")
    equal(numbers, sorted(numbers), "packets in order")
    dropped = lab.check_accounted(objects, sent)
    equal(counted_at_the_end(daemon), len(numbers), "packets that the log tells")
    told = {reason: sum(each.missing(reason) for each in objects) for reason in DROPS}
    diagnose("sent %d = recorded %d + dropped %d %r" % (sent, len(numbers), dropped, told))
    check(dropped > 0, "there was no overload")
    return dropped


def test_overload(lab):
    """A small ring, a sender at full speed, and a program that does not run for a while."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-C", "2", "-B", "512", "-W", "1000").start_ready()
    traffic = Traffic(lab, "--sizes", "100", "--seconds", "4")
    for _ in range(3):
        time.sleep(0.4)
        daemon.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        daemon.send_signal(signal.SIGCONT)
    sent = traffic.end()
    equal(daemon.stop(), 0, "exit status")
    check_overload(lab, daemon, sent)


def test_memory_is_full(lab):
    """The recorder stands still: 24 MiB of chunks, then the ring hold the packets; it is said and counted."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-C", "4", "-s", "0", *BUFFER, "--daemon-core-dumps", "true",
                        "--daemon-shutdown-deadline", "0",
                        "--status-listen", "127.0.0.1:19666").start_ready()
    sent = 24000  # of 1514 bytes: 36 MB
    lab.send(10)
    daemon.wait_for(lambda: lab.spool_files("capturing"), 10, "an open segment")
    with daemon.frozen("rec-veth0"):
        lab.send(sent - 10, first=10, sizes=[1514], rate=20000)
        daemon.wait_event("memory-full", severity="WARNING")
    daemon.wait_event("memory-has-room", severity="NOTICE")
    with urllib.request.urlopen("http://127.0.0.1:19666/metrics", timeout=10) as answer:
        waits = re.search(r"chunk_waits_total (\d+)", answer.read().decode())
    check(waits and int(waits.group(1)) > 0, "the counter of waits")
    lab.gcs.stop()  # it would take its time for so much
    equal(daemon.stop(), 0, "exit status")
    recorded = sum(each["packets"] for each in daemon.events("segment-finished"))
    equal(recorded, sent, "packets recorded")
    objects = lab.objects()
    numbers = numbers_of(objects)
    # One whose answer was lost as the bucket stopped is in both.
    there = {each.file_name for each in objects}
    for name in lab.spool_files("ready", "sending"):
        if os.path.basename(name) in there:
            continue
        numbers += packets.read(os.path.join(lab.spool, name)).numbers(1)
    equal(sorted(numbers), list(range(sent)), "numbers in bucket and spool")


def test_overload_of_an_interface_that_goes(lab):
    """What its ring could not hold is told, though it is gone."""
    lab.link()
    lab.link(1)
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-i", "veth*", "-B", "512").start_ready()
    daemon.send_signal(signal.SIGSTOP)
    sent = Traffic(lab, "--sizes", "100", "--count", "200000").end()
    command("ip", "link", "delete", "veth0")
    lab.links.remove("veth0")
    daemon.send_signal(signal.SIGCONT)
    daemon.wait_event("segment-finished", name=".*veth0.*")
    equal(daemon.stop(), 0, "exit status")
    dropped = check_overload(lab, daemon, sent)
    check(dropped < sent, "nothing of its ring was recorded")


if __name__ == "__main__":
    main()
