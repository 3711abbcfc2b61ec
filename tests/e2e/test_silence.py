#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What was between two objects is known from the metadata of those that are in the bucket: nothing was sent, an object
is missing, or nobody recorded."""

import os
import re
import time

from harness import NODE, check, equal, main, nanoseconds

SILENT, MISSING, NOT_RECORDED = "silent", "missing", "not recorded"


def between(before, after):
    """What a reader of the bucket may say of the time between two objects of an interface, the next to each other there."""
    previous, since = after.metadata["previous"], nanoseconds(after.metadata["since"])
    if previous == "":
        return NOT_RECORDED, nanoseconds(before.metadata["end"]), since
    if int(previous) != before.number("sequence"):
        return MISSING, int(previous)
    if since > nanoseconds(before.metadata["end"]):
        return NOT_RECORDED, nanoseconds(before.metadata["end"]), since
    return (SILENT,)


def what_was(objects):
    return [between(*pair)[0] for pair in zip(objects, objects[1:])]


def check_clock(each):
    check(re.fullmatch(r"(un)?synchronised, error \d+\.\d ms", each.metadata["clock"]),
          "clock=" + each.metadata["clock"])


class Recording:
    """Bursts of packets, each in a file of its own in the bucket."""

    def __init__(self, lab, *arguments):
        self.lab, self.sent = lab, 0
        self.arguments = ("-G", "0", "--capture-flush-interval", "1", *arguments)
        self.start()

    def start(self):
        self.daemon = self.lab.daemon(*self.arguments).start_ready()

    def send(self):
        self.lab.send(10, first=self.sent)
        self.sent += 10

    def burst(self, count):
        self.send()
        self.daemon.end_segment()
        self.lab.gcs.wait_for(lambda: len(self.lab.gcs.names()) == count, 60, "%d objects" % count)


def test_silence_a_missing_object_and_no_recorder(lab):
    lab.link()
    lab.bucket()
    recording = Recording(lab)
    for count in range(1, 5):
        recording.burst(count)
    objects = lab.objects()
    equal(what_was(objects), [SILENT] * 3, "a recorder that was there throughout")
    equal(len({each.metadata["since"] for each in objects}), 1, "number of beginnings")
    check(nanoseconds(objects[0].metadata["since"]) <= nanoseconds(objects[0].metadata["first"]),
          "recorded before the first packet")

    # Somebody, or a lifecycle rule, deletes one; or it is not uploaded yet.
    gone = objects.pop(2)
    equal(what_was(objects), [SILENT, MISSING], "one is not in the bucket")
    equal(between(*objects[1:]), (MISSING, gone.number("sequence")), "which one")

    equal(recording.daemon.stop(), 0, "exit status")
    stopped_ns = time.time_ns()
    time.sleep(0.5)
    begun_ns = time.time_ns()
    recording.start()
    recording.burst(5)
    recording.burst(6)
    objects = lab.objects()
    equal(what_was(objects), [SILENT] * 3 + [NOT_RECORDED, SILENT], "a recorder that was not there")
    _, from_ns, to_ns = between(*objects[3:5])
    check(from_ns <= stopped_ns < begun_ns <= to_ns, "not recorded from %d to %d" % (from_ns, to_ns))
    check(to_ns <= nanoseconds(objects[4].metadata["first"]), "nor for longer")
    equal(recording.daemon.stop(), 0, "exit status")


def test_a_recovered_object(lab):
    """It states what it did when it began. Who recovers it was not there meanwhile."""
    lab.link()
    lab.bucket()
    recording = Recording(lab)
    recording.burst(1)
    recording.send()
    recording.daemon.wait_for(lambda: any(os.path.getsize(os.path.join(lab.spool, each)) > 200
                                          for each in lab.spool_files("capturing")), 20, "packets on the disk")
    recording.daemon.kill()
    recording.start()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) == 2, 60, "the recovered object")
    recording.burst(3)
    objects = lab.objects()
    equal([each.metadata["reason"] for each in objects], ["signal", "recovered", "signal"], "reasons")
    equal(what_was(objects), [SILENT, NOT_RECORDED], "before and after the crash")
    for key in "since", "max-age", "interfaces":
        equal(objects[1].metadata[key], objects[0].metadata[key], key)
    check_clock(objects[1])
    lab.check_accounted(objects, 30)
    equal(recording.daemon.stop(), 0, "exit status")


def test_reloads(lab):
    """One that keeps the capture keeps the time; one that opens it again begins a new one, at the end of the old."""
    text = 'segment: { age = %d; };\ncapture: { flush_interval = 1; filter = "%s"; };\n'
    lab.link()
    lab.bucket()
    lab.configure(text % (0, ""))
    daemon = lab.daemon(config=lab.configure(text % (0, ""))).start_ready()
    for count, (age, expression) in enumerate([(0, ""), (86400, ""), (86400, "udp")], 1):
        lab.configure(text % (age, expression))
        daemon.reload()
        lab.send(10, first=10 * count)
        daemon.end_segment()
        lab.gcs.wait_for(lambda: len(lab.gcs.names()) == count, 60, "%d objects" % count)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal([each.metadata["max-age"] for each in objects], ["0", "86400", "86400"], "max-age")
    equal(between(*objects[:2]), (SILENT,), "the capture is the same")
    check(objects[2].metadata["since"] > objects[1].metadata["since"], "the capture is another")
    equal(objects[2].metadata["previous"], "", "previous")


def test_a_capture_that_was_suspended(lab):
    lab.link()
    lab.bucket()
    recording = Recording(lab, "-W", "1", "--spool-when-full", "stop-capture")
    recording.burst(1)
    recording.burst(2)
    lab.gcs.fault("*", status=503, times=0)
    for _ in range(2):
        recording.send()
        recording.daemon.end_segment()
        time.sleep(0.5)
    recording.daemon.wait_event("spool-full", timeout=60)
    time.sleep(1.5)  # the main thread looks once a second
    resumed_ns = time.time_ns()
    lab.gcs.clear_faults()
    recording.daemon.wait_event("spool-has-room", timeout=60)
    time.sleep(2.5)
    recording.send()
    equal(recording.daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal(objects[1].metadata["since"], objects[0].metadata["since"], "before")
    check(nanoseconds(objects[-1].metadata["since"]) >= resumed_ns, "since it was resumed")


def test_clock_age_and_interfaces(lab):
    lab.link()
    lab.link(1)
    lab.bucket()
    daemon = lab.daemon("-i", "veth*", "-G", "3600").start_ready()
    lab.send(10)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal(len(objects), 1, "objects")
    equal(sorted(objects[0].metadata["interfaces"].split()), ["veth0", "veth1"], "interfaces")
    equal(objects[0].metadata["max-age"], "3600", "max-age")
    equal(objects[0].metadata["node"], NODE, "node")
    check_clock(objects[0])


if __name__ == "__main__":
    main()
