# SPDX-License-Identifier: Apache-2.0
"""Nobody who reads the log, or does not, can stop the recorder: a full pipe, a terminal that is stopped, a journal
that hangs. What could not be written is counted, and stated as soon as somebody reads again."""

import fcntl
import json
import os
import pty
import re
import socket
import termios
import time
import urllib.request

from harness import command, main
from tap import check, contains, equal, wait_until

SEGMENTS = 1200
STOP_S = 5  # with an idle bucket
JOURNAL = "/run/systemd/journal"


def full_pipe():
    """(read end, write end) of a pipe of one page that has no room."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(theirs, False)
    while True:
        try:
            os.write(theirs, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(theirs, True)
    return ours, theirs


def read_on(descriptor, seconds=2):
    """What there is to read, until nothing more comes for a while."""
    os.set_blocking(descriptor, False)
    found, since = b"", time.monotonic()
    while time.monotonic() - since < seconds:
        try:
            if some := os.read(descriptor, 65536):
                found, since = found + some, time.monotonic()
                continue
        except (BlockingIOError, OSError):
            pass
        time.sleep(0.05)
    return found


def record(lab, daemon, segments=3):
    """Packets arrive in the bucket although nobody reads the log."""
    daemon.wait_ready()
    for number in range(segments):
        lab.send(100, first=100 * number)
        objects = len(lab.objects())
        daemon.end_segment()
        wait_until(lambda objects=objects: len(lab.objects()) > objects, 30, "a segment in the bucket")
    lab.check_numbers(lab.objects(), 100 * segments)


def check_stops(daemon):
    since = time.monotonic()
    equal(daemon.stop(), 0, "exit status")
    check(time.monotonic() - since < STOP_S, "it took %.1f s to stop" % (time.monotonic() - since))


def test_pipe_full_before_the_start(lab):
    for log_format in "json", "text":
        lab.link()
        lab.bucket()
        ours, theirs = full_pipe()
        daemon = lab.daemon("-G", "0", log_format=log_format).start(output=theirs)
        record(lab, daemon)
        check_stops(daemon)
        os.close(ours)
        os.close(theirs)
        lab.unlink("veth0")
        lab.gcs.objects.clear()


def test_pipe_that_is_read_again(lab):
    """More lines than the queue holds: those that are dropped are counted, and stated once there is room."""
    lab.link()
    lab.bucket()
    os.makedirs(os.path.join(lab.spool, "ready"))
    for number in range(SEGMENTS):
        with open(os.path.join(lab.spool, "ready", "node1_20261123T083000.000Z_eth0_%08d.pcap" % number), "wb") as file:
            file.write(b"a segment")
    ours, theirs = full_pipe()
    daemon = lab.daemon("-G", "0", "-W", "100000", "--upload-workers", "8").start(output=theirs)
    wait_until(lambda: len(lab.gcs.names()) == SEGMENTS, 120, "all segments")
    lines = [json.loads(line) for line in read_on(ours).decode().lstrip("x").splitlines()]
    stated = [line["lines"] for line in lines if line.get("event") == "log-lines-dropped"]
    uploaded = sum(line.get("event") == "segment-uploaded" for line in lines)
    equal(len(stated), 1, "statements about dropped lines")
    check(uploaded < SEGMENTS <= uploaded + stated[0],
          "%d lines of %d segments, and %d dropped" % (uploaded, SEGMENTS, stated[0]))
    with urllib.request.urlopen("http://127.0.0.1:9469/metrics", timeout=10) as answer:
        contains(answer.read().decode(), "kube_node_tracer_log_dropped_lines_total %d\n" % stated[0], "metrics")
    check_stops(daemon)
    os.close(ours)
    os.close(theirs)


def test_terminal_that_is_stopped(lab):
    """Ctrl-S."""
    lab.link()
    lab.bucket()
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    daemon = lab.daemon("-G", "0", log_format="text").start(output=theirs)
    record(lab, daemon)
    termios.tcflow(theirs, termios.TCOON)
    contains(read_on(ours).decode(), "segment uploaded", "the terminal, after Ctrl-Q")
    termios.tcflow(theirs, termios.TCOOFF)
    check_stops(daemon)
    os.close(ours)
    os.close(theirs)


def test_journal_that_nobody_reads(lab):
    lab.link()
    lab.bucket()
    os.makedirs(JOURNAL, exist_ok=True)
    command("mount", "-t", "tmpfs", "none", JOURNAL)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        journal.bind(JOURNAL + "/socket")
        daemon = lab.daemon("-G", "0", log_format="journal").start()
        record(lab, daemon, segments=20)
        text = b""
        journal.settimeout(1)
        try:
            while entry := journal.recv(65536):
                text += entry
        except TimeoutError:
            pass
        contains(text.decode(), "KNT_EVENT=segment-uploaded", "the journal, once it is read")
        check_stops(daemon)
    command("umount", JOURNAL)


def test_lines_have_a_time(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(log_format="text").start_ready()
    equal(daemon.stop(), 0, "exit status")
    for line in daemon.log().splitlines():
        check(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|notice|info|debug): ", line),
              "a line without time and level: " + line)


def test_closed_descriptors(lab):
    """Files of ours never get the number of an output that is closed."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", wrapper=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]).start()
    record(lab, daemon)
    for number in range(3):
        equal(os.readlink("/proc/%d/fd/%d" % (daemon.pid, number)), "/dev/null", "descriptor %d" % number)
    check_stops(daemon)


if __name__ == "__main__":
    main()
