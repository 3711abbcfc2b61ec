#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder records and uploads, fetch reads it back: everything that was sent is found, whatever is recorded how,
and what was not recorded is said."""

import os
import subprocess
import time

import harness
import packets
from daemon import program
from fleet import SECOND, names_of, packets_of, stamp
from harness import BUCKET, check_tcpdump, need
from tap import check, contains, equal

# How each node records: format, codec, index, times.
NODES = {
    "node-a": ["--segment-index", "true"],
    "node-b": ["--segment-index", "true", "-c", "zstd", "--capture-format", "pcapng"],
    "node-c": ["--segment-index", "true", "-c", "zstd", "--upload-layout", "time"],
    "node-d": ["--segment-index", "false", "--capture-format", "pcapng"],
    "node-e": ["--segment-index", "false", "-c", "zstd"],
    "node-f": ["-c", "none", "--capture-precision", "nano"],
}


def search(lab, command, since, *words, status=0):
    """Ends a second after everything was sent: a window that is over."""
    done = subprocess.run(
        [program(), command, "-b", BUCKET, "--from", stamp(int(since * SECOND)), "--to",
         stamp(int((time.time() + 1) * SECOND)), *words],
        capture_output=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": lab.directory, "STORAGE_EMULATOR_HOST": lab.gcs.url, "TZ": "UTC"})
    equal(done.returncode, status, "status of %s: %s" % (command, done.stderr.decode()))
    return done


def fetch(lab, since, *words, status=0):
    """(time, stream, number) of the packets that are found, and what was said."""
    path = os.path.join(lab.directory, "result.pcapng")
    done = search(lab, "fetch", since, "-w", path, *words, status=status)
    found = packets_of(path)
    equal([each[0] for each in found], sorted(each[0] for each in found), "order")
    return [(each[0], *packets.number_of(each[3])) for each in found], done.stderr.decode()


def recorders(lab, nodes, *arguments):
    # Nobody serves metrics: there is one port of the usual number.
    return [lab.daemon("-N", node, "--status-listen", "", "-o", os.path.join(lab.directory, "spool-" + node), "-i", "veth0", "-b", BUCKET,
                       "--daemon-user", "root", "--daemon-shutdown-deadline", "20", "-s", "0", *words, *arguments,
                       plain=True).start_ready() for node, words in nodes.items()]


def end(daemons):
    for each in daemons:
        each.send_signal(15)
    for each in daemons:
        equal(each.wait(), 0, "exit status")


def test_everything_is_found_again(lab):
    need("tcpdump", "zstd")
    lab.link()
    lab.bucket()
    since = time.time()
    daemons = recorders(lab, NODES, "-G", "0")
    for part in range(3):
        if part:
            for each in daemons:
                each.end_segment()
            lab.gcs.wait_for(lambda part=part: len(lab.gcs.names()) >= len(NODES) * part, 30, "objects")
        lab.send(1000, stream=1000, first=1000 * part, sizes=[80, 600, 1500])
        lab.send(10, stream=53, first=10 * part)
    end(daemons)
    fetch(lab, since, "--strict", "host 10.98.0.2", status=2)  # the window begins before the recorders
    found, said = fetch(lab, since, "host 10.98.0.2")
    equal(len(found), 3030 * len(NODES), "packets: " + said)
    equal(sorted(names_of(os.path.join(lab.directory, "result.pcapng"))),
          ["%s/veth0" % node for node in sorted(NODES)], "interfaces")
    for node in NODES:
        found, said = fetch(lab, since, "-N", node, "udp port 1000")
        equal([number for _, _, number in found], list(range(3000)), "%s: %s" % (node, said))
        found, said = fetch(lab, since, "-N", node, "udp dst port 53 and host 10.98.0.1")
        equal([number for _, _, number in found], list(range(30)), "%s: %s" % (node, said))
        check_tcpdump(os.path.join(lab.directory, "result.pcapng"), 30)
    # From the first packet to the last, nothing is missing; before it, nobody was there.
    lines = [line for line in said.splitlines() if line.startswith("  ") and "clock not synchronised" not in line]
    check(all("not recorded (recorded since" in line or "newer than the bucket (recorder was stopped" in line
              for line in lines), "coverage: %s" % lines)


def test_part_of_the_time(lab):
    """A window in the middle has what was sent in it, to the packet."""
    lab.link()
    lab.bucket()
    since = time.time()
    daemons = recorders(lab, {node: NODES[node] for node in ("node-a", "node-b")}, "-G", "0")
    with lab.traffic(stream=7, rate=2000) as sent:
        for each in daemons:
            time.sleep(0.4)
            each.end_segment()
        time.sleep(0.4)
    end(daemons)
    everything, _ = fetch(lab, since, "udp port 7")
    equal(len(everything), 2 * sent["sent"], "packets")
    first, last = (everything[int(len(everything) * share)][0] for share in (0.3, 0.7))
    path = os.path.join(lab.directory, "part.pcapng")
    subprocess.run([program(), "fetch", "-b", BUCKET, "--from", stamp(first), "--to", stamp(last), "-w", path,
                    "--strict", "udp port 7"], check=True, capture_output=True, timeout=60,
                   env={"HOME": lab.directory, "STORAGE_EMULATOR_HOST": lab.gcs.url})
    equal([(each[0], *packets.number_of(each[3])) for each in packets_of(path)],
          [each for each in everything if first <= each[0] < last], "packets of the window")


def test_what_was_not_recorded_is_said(lab):
    """A filter and a snaplen of the recorder: that nothing is found does not mean that nothing was sent."""
    lab.link()
    lab.bucket()
    since = time.time()
    daemon = lab.daemon("-G", "0", "-s", "60", "-f", "udp port 7").start_ready()
    lab.send(100, stream=7)
    lab.send(100, stream=8)
    equal(daemon.stop(), 0, "exit status")
    found, said = fetch(lab, since, "udp port 8", status=1)
    contains(said, "recorded only 'udp port 7', 60 bytes of each packet", "what is said")
    equal(found, [], "packets")
    equal(len(fetch(lab, since, "udp port 7 and greater 100")[0]), 100, "packets that were cut")


if __name__ == "__main__":
    harness.main()
