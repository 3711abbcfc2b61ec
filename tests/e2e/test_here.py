#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find --here and fetch --here: what the node itself has, while the recorder works: the file that is being written,
files that wait, and files that spool.keep keeps."""

import os
import subprocess
import time

import packets
from daemon import is_sanitized, program
from fleet import packets_of
from harness import main
from tap import Failure, check, contains, equal, wait_until


def search(lab, command, *words, status=(0,)):
    config = lab.configure("# nothing\n", "empty.conf")
    done = subprocess.run([program(), command, "--config", config, "-o", lab.spool, "--here", *words],
                          capture_output=True, check=False, timeout=60,
                          env={"PATH": os.environ["PATH"], "TZ": "UTC"})
    if done.returncode not in status:
        raise Failure("status %d: %s" % (done.returncode, done.stderr.decode()))
    return done


def numbers_here(lab, *words, status=(0, 1)):
    """Of the packets that are there."""
    path = os.path.join(lab.directory, "here.pcapng")
    if os.path.exists(path):
        os.unlink(path)
    search(lab, "fetch", "--from", "5m ago", "-w", path, *(words or ["udp"]), status=status)
    return [packets.number_of(each[3])[1] for each in packets_of(path)]


def check_while_written(lab, *flags):
    """Nothing has ended yet, and all is found a moment later; the recorder has no loss of it."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", *flags).start_ready()
    lab.send(3000, rate=20000)
    wait_until(lambda: len(numbers_here(lab)) == 3000, 10, "all packets on the node", pause=0.3)
    equal(numbers_here(lab), list(range(3000)), "packets")
    done = search(lab, "find", "--from", "5m ago", "udp")
    contains(done.stdout.decode(), "veth0", "find")
    numbers_here(lab, "tcp", status=(1,))
    equal(lab.gcs.names(), [], "objects")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, 3000)
    lab.check_accounted(objects, 3000)


def test_the_file_that_is_being_written(lab):
    check_while_written(lab)


def test_without_compression(lab):
    check_while_written(lab, "-c", "none")


def test_zstd_and_pcapng(lab):
    check_while_written(lab, "-c", "zstd", "--capture-format", "pcapng")


def test_much_of_it_in_little_memory(lab):
    """A pod has no folder for what memory has no room for: the file is read piece by piece."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-C", "1000", "-B", "65536").start_ready()
    count = 20000 if is_sanitized() else 200000
    lab.send(count, rate=60000)
    time.sleep(1.5)
    config = lab.configure("# nothing\n", "empty.conf")
    path = os.path.join(lab.directory, "much.pcapng")
    with open(path, "wb") as file:
        done = subprocess.run([program(), "fetch", "--config", config, "-o", lab.spool, "--here", "--from", "5m ago",
                               "--memory", "8MiB", "-w", "-", "udp"], stdout=file, stderr=subprocess.PIPE, check=False,
                              timeout=120, env={"PATH": os.environ["PATH"], "TMPDIR": "/nowhere"})
    equal(done.returncode, 0, "status: " + done.stderr.decode())
    equal([packets.number_of(each[3])[1] for each in packets_of(path)], list(range(count)), "packets")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), count)


def test_what_waits_and_what_is_kept(lab):
    """The bucket away: files wait; there again: they are kept. Each packet is found once, all the time."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("*", status=503, times=0)
    daemon = lab.daemon("-G", "0", "--spool-keep", "600").start_ready()
    for part in range(4):
        lab.send(500, first=500 * part)
        daemon.end_segment()
        wait_until(lambda count=part + 1: len(lab.spool_files("ready", "sending")) == count, 10, "its end")
    wait_until(lambda: len(numbers_here(lab)) == 2000, 10, "all packets on the node", pause=0.3)
    equal(numbers_here(lab), list(range(2000)), "packets that wait")
    lab.gcs.clear_faults()
    # Files move while they are searched.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        equal(numbers_here(lab), list(range(2000)), "packets while files move")
    wait_until(lambda: len(lab.gcs.names()) >= 4, 30, "uploads")
    equal(numbers_here(lab), list(range(2000)), "packets that are kept")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 2000)


def test_a_recorder_that_was_killed(lab):
    """Nothing is known of the time since: it is not claimed to be recorded."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(300, rate=20000)
    wait_until(lambda: len(numbers_here(lab)) == 300, 10, "all packets on the node", pause=0.3)
    contains(search(lab, "find", "--from", "1s ago", "udp", status=(0, 1)).stderr.decode(), "1 of 1 node complete",
             "while it runs")
    daemon.kill()
    time.sleep(3)
    done = search(lab, "find", "--from", "2s ago", "udp", status=(1, 2))
    check("complete" not in done.stderr.decode().replace("0 of 1 node complete", ""), done.stderr.decode())
    equal(sorted(numbers_here(lab)), list(range(300)), "packets")


def test_what_cannot_be(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    done = search(lab, "fetch", "--from", "5m ago", "-w", "x", "--cache", "/tmp/x", status=(64,))
    contains(done.stderr.decode(), "--cache", "why")
    done = search(lab, "fetch", "--from", "5m ago", "-w", "x", "--memory", "1MiB", status=(64,))
    contains(done.stderr.decode(), "8MiB", "why")
    daemon.stop()
    config = lab.configure("# nothing\n", "empty.conf")
    done = subprocess.run([program(), "find", "--config", config, "-o", "/nowhere", "--here", "--from", "5m ago"],
                          capture_output=True, check=False, timeout=60)
    equal(done.returncode, 78, "status without a spool: " + done.stderr.decode())
    check(b"/nowhere" in done.stderr, done.stderr)


if __name__ == "__main__":
    main()
