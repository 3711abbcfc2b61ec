# SPDX-License-Identifier: Apache-2.0
"""Uploads that were broken off: they go on where they were, in the next run too, and whose object it
is that is there is settled, with no more than the permission to create."""

import json
import os
import time

from harness import main
from fake_gcs import CREATE_ONLY  # beside the folder that harness is in
from tap import check, contains, equal, wait_until

CHUNK = 256 << 10
# One segment of 2 MB, in chunks, by one worker.
CHUNKS = ["-s", "0", "-c", "none", "-G", "0", "-B", "8192", "--gcs-chunk-size", "256KiB",
          "--upload-workers", "1", "--log-level", "debug"]
PACKETS = 1400


def record(lab, daemon, count=PACKETS, **more):
    """A segment with `count` packets."""
    lab.send(count, sizes=[1514], rate=20000, **more)
    daemon.end_segment()


def finish(lab, daemon, numbers):
    daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), 60, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), numbers)
    lab.check_spool_empty()


def sessions(lab):
    """Requests that began one, but for the probes."""
    return [each for each in lab.gcs.requests if each["kind"] == "start"
            and "/.probe-" not in each["name"]]


def kill_in_session(lab):
    """A run that is killed with three chunks acknowledged and the fourth on its way."""
    daemon = lab.daemon(*CHUNKS).start_ready()
    lab.gcs.fault("chunk", after=3, delay=3600, times=0)
    record(lab, daemon)
    wait_until(lambda: lab.gcs.count("chunk", 308) == 3 and lab.spool_files("upload-state"), 20,
               "three chunks")
    daemon.kill()
    lab.gcs.stop()  # lets the request go that it keeps waiting
    lab.gcs.clear_faults()
    lab.gcs.start()
    path, = lab.spool_files("upload-state")
    equal(os.stat(os.path.join(lab.spool, path)).st_mode & 0o777, 0o600, "mode of " + path)
    return daemon


def check_no_session_is_told(lab):
    for daemon in lab.daemons:
        for key in lab.gcs.sessions:
            check(key not in daemon.log(), "the address of a session is in the log")


def test_the_next_run_goes_on(lab):
    lab.link()
    lab.bucket()
    kill_in_session(lab)
    begun = len(lab.gcs.requests)
    daemon = lab.daemon(*CHUNKS).start_ready()
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 1, "sessions")
    later = [each for each in lab.gcs.requests[begun:] if each["kind"] in ("status", "chunk")]
    equal(later[0]["kind"], "status", "first request of the second run")
    sent = sum(each["bytes"] for each in later)
    size = int(lab.objects()[0].resource["size"])
    check(sent <= size - 3 * CHUNK, "%d of %d bytes were sent again" % (sent, size))
    check_no_session_is_told(lab)


def test_the_next_run_finds_the_session_gone(lab):
    lab.link()
    lab.bucket()
    kill_in_session(lab)
    lab.gcs.sessions.clear()
    daemon = lab.daemon(*CHUNKS).start_ready()
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 2, "sessions")


def die_in_session(lab, daemon, **fault):
    """The session of a new segment gets no further than two chunks, and is dead from then on."""
    lab.gcs.fault("chunk", after=2, status=503)
    lab.gcs.fault("status", status=503)
    record(lab, daemon)
    wait_until(lambda: lab.gcs.count("status", 503), 20, "two chunks")
    lab.gcs.dead |= set(lab.gcs.sessions)
    lab.gcs.fault("dead", times=0, **fault)


def check_dead_session(lab, **fault):
    """It is asked a few times, and then there is a new one."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*CHUNKS).start_ready()
    die_in_session(lab, daemon, **fault)
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 2, "sessions")
    check(lab.gcs.count("dead") <= 6, "%d questions to a dead session" % lab.gcs.count("dead"))
    check_no_session_is_told(lab)


def test_a_session_that_answers_500(lab):
    check_dead_session(lab, status=500)


def test_a_session_that_hangs_up(lab):
    check_dead_session(lab, close="before")


def test_a_session_that_answers_200_without_proof(lab):
    check_dead_session(lab, status=200, html=2000)


def test_a_session_where_nobody_listens(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*CHUNKS).start_ready()
    daemon.wait_for(lambda: lab.gcs.count("cancel"), 20, "the end of the probe")
    lab.gcs.locations.append("http://127.0.0.1:9")
    record(lab, daemon)
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 2, "sessions")


def test_a_dead_session_is_not_new_after_a_restart(lab):
    """What it was asked in vain by earlier runs counts, also where kill -9 ended them."""
    lab.link()
    lab.bucket()
    impatient = [*CHUNKS, "--upload-stall-timeout", "5"]
    daemon = lab.daemon(*impatient).start_ready()
    lab.gcs.fault("dead", times=100, delay=3600)
    fault = lab.gcs.faults[-1]
    lab.gcs.fault("chunk", after=2, delay=3600)
    record(lab, daemon)
    wait_until(lambda: lab.gcs.count("chunk", 308) == 2, 20, "two chunks")
    for left in (100, 99):
        daemon.wait_for(lambda left=left: fault["times"] == left and lab.spool_files("sending"), 20, "an attempt")
        daemon.kill()
        lab.gcs.dead |= set(lab.gcs.sessions)
        daemon = lab.daemon(*impatient).start_ready()
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 2, "sessions")
    check(fault["times"] >= 96, "questions to a dead session: %d" % (100 - fault["times"]))
    lab.gcs.clear_faults()


def test_a_session_outlives_an_outage(lab):
    """That nobody answers anywhere says nothing about the session: what it has is not sent again."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*CHUNKS).start_ready()
    lab.gcs.fault("chunk", after=3, status=503)
    lab.gcs.fault("status", status=503)
    record(lab, daemon)
    wait_until(lambda: lab.gcs.count("status", 503), 20, "three chunks")
    lab.gcs.stop()
    daemon.wait_for(lambda: len(daemon.lines(message=".*failed.*")) >= 1, 20, "a failure")
    time.sleep(10)
    begun = len(lab.gcs.requests)
    lab.gcs.start()
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 1, "sessions")
    sent = sum(each["bytes"] for each in lab.gcs.requests[begun:] if each["kind"] == "chunk")
    size = int(lab.objects()[0].resource["size"])
    check(sent <= size - 3 * CHUNK, "%d of %d bytes were sent again" % (sent, size))


def test_another_destination_gets_a_session_of_its_own(lab):
    lab.link()
    lab.bucket()
    kill_in_session(lab)
    asked = lab.gcs.count("status")
    daemon = lab.daemon(*CHUNKS, "-b", "elsewhere").start_ready()
    finish(lab, daemon, PACKETS)
    equal(lab.gcs.names("bucket"), [], "objects in the first bucket")
    equal(lab.gcs.count("status"), asked, "questions to the old session")


def test_with_the_permission_to_create_alone(lab):
    """Small and large, every kind of lost reply: nothing more is needed. (More: the fault matrix.)"""
    lab.link()
    lab.bucket(permissions=CREATE_ONLY)
    daemon = lab.daemon(*CHUNKS).start_ready()
    sent = 0
    for count in (100, PACKETS):
        # The first is seen by libcurl alone, which repeats what a kept connection lost.
        for fault in ({"close": "after"}, {"close": "after", "times": 2}, {"status": 503}):
            lab.gcs.fault("chunk", after=8 if count == PACKETS else 0, **fault)  # the last one
            record(lab, daemon, count, first=sent)
            sent += count
            arrived = len(lab.gcs.names()) + 1
            daemon.wait_for(lambda: len(lab.gcs.names()) == arrived and not lab.spool_files(), 60,
                            "%d packets, %r" % (count, fault))
            equal(lab.gcs.faults_left(), [], "faults that did not come to be")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent)
    equal(lab.gcs.count("multipart"), 0, "objects in one request")
    equal(daemon.lines(message=".*assuming it is ours.*"), [], "guesses")
    check_no_session_is_told(lab)


def check_other_node(lab, **fault):
    """Another node of our name has taken it, and our last reply is lost or a proxy's: both files are kept, though
    nobody may look."""
    lab.link()
    lab.bucket(permissions=CREATE_ONLY)
    daemon = lab.daemon(*CHUNKS).start_ready()
    for number, count in enumerate((100, PACKETS), 1):
        lab.gcs.foreign = b"somebody else's"
        lab.gcs.fault("chunk", after=8 if count == PACKETS else 0, **fault)
        record(lab, daemon, count)
        daemon.wait_for(lambda number=number: len(lab.spool_files("rejected")) == number, 30, "a segment that is kept")
    equal(daemon.lines(message=".*assuming it is ours.*"), [], "guesses")
    equal(daemon.events("segment-uploaded"), [], "what counts as delivered")
    equal(daemon.stop(), 0, "exit status")
    for each in lab.objects():
        with open(each.path, "rb") as file:
            equal(file.read(), b"somebody else's", "content of " + each.name)


def test_another_node_of_our_name_and_a_lost_reply(lab):
    check_other_node(lab, close="after", times=2)


def test_another_node_of_our_name_and_a_proxy(lab):
    check_other_node(lab, status=503, text="no healthy upstream")


def test_each_guess_is_warned_of(lab):
    """The reply is lost and then the session: nobody can say whose it is."""
    lab.link()
    lab.bucket(permissions=CREATE_ONLY)
    daemon = lab.daemon(*CHUNKS).start_ready()
    for number in (1, 2):
        lab.gcs.fault("chunk", close="after", times=2)
        lab.gcs.fault("status", status=404, reason="notFound", message="No such session")
        record(lab, daemon, 100, first=100 * (number - 1))
        daemon.wait_line(count=number, severity="WARNING", message=".*assuming it is ours.*")
    finish(lab, daemon, 200)


def test_a_412_about_a_checksum(lab):
    """As Google's test server says it; then it has a 200 for the session, but no object."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*CHUNKS).start_ready()
    message = json.dumps({"code": 412, "message": "crc32c validation failed. Expected = 1 vs Actual = 2."})
    lab.gcs.fault("chunk", after=8, status=412, text=message)
    record(lab, daemon)
    daemon.wait_line(reason=".*changed on the way.*")
    finish(lab, daemon, PACKETS)


def test_a_412_and_no_object(lab):
    """What the session says after that is no proof where we may look."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*CHUNKS).start_ready()
    lab.gcs.fault("chunk", after=8, status=412, reason="conditionNotMet", message="something else")
    lab.gcs.fault("status", claim=True)
    record(lab, daemon)
    finish(lab, daemon, PACKETS)
    equal(len(sessions(lab)), 2, "sessions")


def test_missing_metadata_is_said_once(lab):
    """Not at each attempt to send it."""
    lab.link()
    lab.bucket()
    os.makedirs(os.path.join(lab.spool, "ready"))
    name = "node1_20251123T083000.000Z_eth0_00000001.pcap"
    with open(os.path.join(lab.spool, "ready", name), "wb") as file:
        file.write(b"somebody put it there")
    daemon = lab.daemon(*CHUNKS)
    lab.gcs.fault("multipart", status=503, times=3)
    daemon.start_ready()
    daemon.wait_event("segment-uploaded", name=name)
    equal(lab.gcs.count("multipart", 503), 3, "attempts that failed")
    equal(len(daemon.lines(message="metadata do not describe.*")), 1, "warnings")
    equal(daemon.stop(), 0, "exit status")


def check_conflict(lab, permissions, text, extra=()):
    """Somebody else's object has our name: it stays, the segment is kept, and nothing is repeated."""
    lab.link()
    lab.bucket(permissions=permissions)
    daemon = lab.daemon(*CHUNKS, *extra).start_ready()
    for count in (100, PACKETS):
        lab.gcs.foreign = b"somebody else's"  # is there just before the next object
        record(lab, daemon, count)
        daemon.wait_for(lambda: lab.gcs.foreign is None and not lab.spool_files("ready", "sending"),
                        30, "a decision")
    equal(len(lab.spool_files("rejected")), 2, "segments that are kept")
    equal(len(daemon.events("segment-rejected", severity="ERROR", reason=".*%s.*" % text)), 2, "errors")
    equal(daemon.stop(), 0, "exit status")
    equal(lab.spool_files("upload-state"), [], "attempts")
    for each in lab.objects():
        with open(each.path, "rb") as file:
            equal(file.read(), b"somebody else's", "content of " + each.name)
    equal(len(lab.objects()), 2, "objects")


def test_the_name_is_taken(lab):
    check_conflict(lab, CREATE_ONLY | {"storage.objects.get"}, "other content")


def test_the_name_is_taken_and_we_may_not_look(lab):
    check_conflict(lab, CREATE_ONLY, "we never sent it")


def test_the_object_of_our_session_is_damaged(lab):
    """The name is taken, by our own session, and what it made is not our bytes: nobody may delete it
    or look, and the segment is kept."""
    lab.link()
    lab.bucket(permissions=CREATE_ONLY)
    daemon = lab.daemon(*CHUNKS).start_ready()
    lab.gcs.fault("chunk", after=8, close="after")  # the last one; libcurl sends it again
    lab.gcs.fault("chunk", after=8, status=412, reason="conditionNotMet", message="a precondition")
    lab.gcs.fault("status", corrupt=True)
    record(lab, daemon)
    daemon.wait_event("segment-rejected", severity="ERROR", reason=".*(damaged|corrupt).*delete.*")
    equal(daemon.stop(), 0, "exit status")
    equal(len(lab.spool_files("rejected")), 1, "segments that are kept")
    equal(lab.spool_files("upload-state"), [], "attempts")
    equal(daemon.events("segment-uploaded"), [], "what counts as delivered")


if __name__ == "__main__":
    main()
