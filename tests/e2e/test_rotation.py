# SPDX-License-Identifier: Apache-2.0
"""When segments end: by age in step with the clock, by signal, and with nothing lost in between."""

import datetime
import random
import time

from harness import MEGABYTE_PACKETS, SMALL, main
from tap import check, equal, within


def seconds(text):
    """RFC 3339 to seconds since 1970."""
    moment, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.datetime.fromisoformat(moment + "+00:00").timestamp()
    return whole + float("0." + (fraction or "0"))


def test_age_is_in_step_with_utc(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "2", "-B", "8192").start_ready()
    with lab.traffic(rate=2000) as traffic:
        lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 4, 20, "four objects")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, traffic["sent"])
    lab.check_accounted(objects, traffic["sent"])
    for each in objects[:-1]:
        equal(each.metadata["reason"], "age", "reason of " + each.name)
        off = seconds(each.metadata["end"]) % 2
        check(min(off, 2 - off) < 0.6, "%s ends at %s" % (each.name, each.metadata["end"]))
    for before, after in zip(objects, objects[1:]):
        check(before.metadata["end"] <= after.metadata["start"],
              "%s starts before the one before it ends" % after.name)
        if before.number("packets") and after.number("packets"):
            check(before.metadata["last"] < after.metadata["first"], "packets in order of time")
    for each in objects:
        for when, _, _ in each.capture.records[:1] + each.capture.records[-1:]:
            check(seconds(each.metadata["start"]) - 0.001 <= when / 1e9
                  <= seconds(each.metadata["end"]) + 0.001, "packets lie within " + each.name)


def test_age_needs_no_packet(lab):
    """A segment with packets ends though nothing comes after them; an empty one is not made."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "2").start_ready()
    lab.send(100)
    with within(4.5, "the segment with the packets"):
        lab.gcs.wait_for(lambda: any(each.number("packets") == 100 for each in lab.objects()), 60,
                         "the segment with the packets")
    time.sleep(4.5)  # two intervals without a packet
    lab.send(10, first=100)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, 110)
    equal([each.number("packets") for each in objects], [100, 10], "packets of the segments")
    off = seconds(objects[1].metadata["start"]) % 2
    check(min(off, 2 - off) < 0.6, "the last interval starts at " + objects[1].metadata["start"])


def test_empty_segments_are_made_when_asked_for(lab):
    lab.link()
    lab.bucket()
    path = lab.configure("segment: { age = 2; empty = false; };\n", "empty-wanted.conf")
    daemon = lab.daemon(config=path).start_ready()
    lab.configure("segment: { age = 2; empty = true; };\n", "empty-wanted.conf")
    daemon.reload()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 3, 12, "three empty segments")
    equal(daemon.stop(), 0, "exit status")
    for each in lab.objects():
        equal(each.number("packets"), 0, "packets of " + each.name)
        equal(each.metadata["reason"], "age", "reason of " + each.name)
        equal(each.capture.link_type, "EN10MB", "link type of " + each.name)
        off = seconds(each.metadata["end"]) % 2
        check(min(off, 2 - off) < 0.6, "%s ends at %s" % (each.name, each.metadata["end"]))


def test_no_age_limit(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(10)
    time.sleep(1.5)  # nothing may happen
    equal(lab.gcs.names(), [], "objects before the end")
    equal(daemon.stop(), 0, "exit status")
    equal([each.metadata["reason"] for each in lab.objects()], ["stop"], "reasons")


def test_signal_ends_the_segment(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-B", "8192").start_ready()
    with lab.traffic(rate=5000) as traffic:
        for expected in range(1, 6):
            time.sleep(random.uniform(0.05, 0.3))
            for left in range(11, -1, -1):
                daemon.end_segment()
                try:
                    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= expected, 5, "%d objects" % expected)
                    break
                except TimeoutError:  # where the sender stood still, there was nothing to end
                    check(left, "a minute of signals without an object")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, traffic["sent"])
    lab.check_accounted(objects, traffic["sent"])
    equal([each.metadata["reason"] for each in objects], ["signal"] * 5 + ["stop"], "reasons")


def test_signal_without_traffic(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(7)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 1, 60, "an object")
    equal(lab.objects()[0].number("packets"), 7, "packets")
    equal(daemon.stop(), 0, "exit status")


def test_size_in_small_steps(lab):
    """Dozens of rotations a second lose nothing, and their names differ."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL, "--upload-workers", "4").start_ready()
    sent = 0
    while sent < 60 * MEGABYTE_PACKETS:  # a third of the ring at a time: it need not keep up
        lab.send(10 * MEGABYTE_PACKETS, first=sent, sizes=[1514], rate=50000)
        sent += 10 * MEGABYTE_PACKETS
        daemon.wait_event("segment-finished", count=sent // MEGABYTE_PACKETS - 1)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal(len(objects), 60, "objects")
    lab.check_numbers(objects, sent)
    equal(lab.check_accounted(objects, sent), 0, "drops")


if __name__ == "__main__":
    main()
