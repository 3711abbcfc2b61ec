#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The spool remembers what its segments were recorded for, and says so before it sends them elsewhere."""

import os
import signal
import time

from daemon import Daemon
from harness import main
from tap import check, contains, equal, wait_until
from test_filter import hosts

AWAY = {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}  # nobody listens there


def record(lab, daemon, numbers):
    """Record them in a segment of their own."""
    finished = len(daemon.events("segment-finished"))
    lab.send(len(numbers), first=numbers[0])
    daemon.end_segment()
    daemon.wait_event("segment-finished", count=finished + 1)


def leave_behind(lab, numbers, *arguments, **more):
    """A run that cannot deliver them."""
    daemon = lab.daemon("-G", "0", "--daemon-shutdown-deadline", "3", *arguments, **more).start_ready()
    record(lab, daemon, numbers)
    equal(daemon.stop(), 0, "exit status")
    check(lab.spool_files("ready"), "nothing waits")


def run_command(lab, word):
    made = Daemon(lab.directory, [word, "-o", lab.spool], with_notify=False)
    equal(made.start().wait(90), 0, word)
    return made.log()


def test_leftovers_of_a_local_try(lab):
    """They do not go to the bucket of the next run, until somebody says so."""
    lab.link()
    lab.bucket()
    local = "file://" + os.path.join(lab.directory, "missing")
    leave_behind(lab, range(100), "-b", local)
    for first in (100, 200):
        daemon = lab.daemon("-G", "0").start_ready()
        daemon.wait_event("segments-kept-back", severity="WARNING", segments=1, recorded_for=local,
                          destination="gs://bucket")
        record(lab, daemon, range(first, first + 100))
        daemon.wait_event("segment-uploaded")
        equal(len(lab.spool_files("ready")), 1, "segments that wait")
        if first == 100:
            equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), range(100, 300))
    contains(run_command(lab, "status"), "1 kept back for another destination: kube-node-tracer flush sends", "status")
    run_command(lab, "flush")
    lab.check_spool_empty()
    lab.check_numbers(lab.objects(), 300)
    equal(daemon.stop(), 0, "exit status")
    daemon = lab.daemon("-G", "0").start_ready()
    equal(daemon.stop(), 0, "exit status")
    equal(daemon.events("segments-kept-back"), [], "what is kept back")


def test_another_bucket(lab):
    """What waits goes there, as whoever changed it wants; the log says so."""
    lab.link()
    lab.bucket(buckets=("bucket", "other"))
    leave_behind(lab, range(100), environment=AWAY)
    daemon = lab.daemon("-b", "gs://other", "-G", "0").start_ready()
    daemon.wait_event("segments-redirected", segments=1, recorded_for="gs://bucket", destination="gs://other")
    daemon.wait_event("segment-uploaded", location="gs://other/.*")
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()


def test_a_try_between_two_runs(lab):
    """Each segment goes where it was recorded for, whatever came in between."""
    lab.link()
    lab.bucket()
    local = "file://" + os.path.join(lab.directory, "missing")
    leave_behind(lab, range(100), environment=AWAY)
    leave_behind(lab, range(100, 200), "-b", local)
    daemon = lab.daemon("-b", "gs://bucket", "-G", "0").start_ready()
    daemon.wait_event("segments-kept-back", segments=1, recorded_for=local)
    daemon.wait_event("segment-uploaded")
    lab.check_numbers(lab.objects(), 100)
    equal(len(lab.spool_files("ready")), 1, "segments that wait")
    equal(daemon.stop(), 0, "exit status")
    equal(len(lab.spool_files("ready")), 1, "segments that wait")


def test_a_reload_changes_the_destination(lab):
    """The segment that it ends was recorded for the old one."""
    lab.link()
    lab.bucket()
    target = os.path.join(lab.directory, "missing")
    config = lab.configure('upload: { destination = "file://%s"; };\n' % target, "changing.conf")
    daemon = lab.daemon("-N", "node1", "-i", "veth0", "--daemon-user", "root", "-G", "0", plain=True,
                        config=config).start_ready()
    record(lab, daemon, range(100))
    lab.send(100, first=100)
    wait_until(lambda: lab.spool_files("capturing"), 20, "a segment that is open")
    lab.configure('upload: { destination = "bucket"; };\n', "changing.conf")
    daemon.reload()
    daemon.wait_event("segments-kept-back", segments=2, recorded_for="file://" + target, destination="gs://bucket")
    record(lab, daemon, range(200, 300))
    daemon.wait_event("segment-uploaded")
    lab.check_numbers(lab.objects(), range(200, 300))
    equal(len(lab.spool_files("ready")), 2, "segments that wait")
    # The old destination is back: so are they.
    os.mkdir(target)
    lab.configure('upload: { destination = "file://%s"; };\n' % target, "changing.conf")
    daemon.reload()
    daemon.wait_event("segment-uploaded", count=3)
    lab.check_spool_empty()
    equal(daemon.stop(), 0, "exit status")


def test_packets_of_just_before_a_reload(lab):
    """Their segment begins after the reload, and is the old destination's all the same."""
    lab.link()
    lab.bucket()
    target = os.path.join(lab.directory, "missing")
    config = lab.configure('upload: { destination = "file://%s"; };\n' % target, "changing.conf")
    daemon = lab.daemon("-N", "node1", "-i", "veth0", "--daemon-user", "root", "-G", "0", plain=True,
                        config=config).start_ready()
    for first, text in (0, 'upload: { destination = "bucket"; };\n'), (
            100, 'upload: { destination = "bucket"; }; capture: { filter = "udp or %s"; };\n' % hosts(350)):
        lab.send(100, first=first)
        lab.configure(text, "changing.conf")
        daemon.send_signal(signal.SIGHUP)
        if first:  # while the interfaces of the new configuration are opened, the old one begins segments
            time.sleep(0.7)
            daemon.end_segment()
        daemon.wait_event("reloaded", count=1 + 2 * (first > 0))
        daemon.wait_event("segments-kept-back", recorded_for="file://" + target, count=1 + (first > 0))
        time.sleep(1)  # the captures have changed places
        lab.send(100, first=1000 + first)
        daemon.end_segment()
        daemon.wait_event("segment-uploaded", count=1 + (first > 0))
        if not first:  # back again, and once more with another capture
            lab.configure('upload: { destination = "file://%s"; };\n' % target, "changing.conf")
            daemon.reload()
    lab.check_numbers(lab.objects(), [*range(1000, 1200)])
    equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
