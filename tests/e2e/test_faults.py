# SPDX-License-Identifier: Apache-2.0
"""Trouble with the bucket: nothing is lost, nothing is sent twice, and it heals by itself."""

import signal
import time

from harness import SMALL, main, silent_name_server
from tap import check, equal, wait_until, within

MISMATCH = 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "4waSgw==".'
LARGE = ["-s", "0", "-c", "none", "-G", "0", "-C", "12", "-B", "65536"]


def finish(lab, daemon, sent, timeout=40):
    """Wait until all published segments are delivered, stop, and count."""
    daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), timeout, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, sent)
    equal(lab.check_accounted(objects, sent), 0, "drops")
    lab.check_spool_empty()
    return objects


def check_fault(lab, kind, warning, **fault):
    """A fault of the bucket while segments are uploaded; the log says so, and all arrive."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL).start_ready()
    lab.gcs.fault(kind, **fault)
    sent = lab.send_megabytes(7)
    daemon.wait_line(severity="WARNING", reason=warning)
    finish(lab, daemon, sent)
    check(any(each["fault"] for each in lab.gcs.requests), "the fault was not used")


def test_503(lab):
    check_fault(lab, "multipart", ".*503.*", status=503, times=3)


def test_503_without_json(lab):
    check_fault(lab, "multipart", ".*502.*", status=502, times=2,
                text="<html>Bad Gateway</html>")


def test_connection_lost_before(lab):
    check_fault(lab, "multipart", ".*", close="before", times=3)  # libcurl repeats one of each worker


def test_connection_lost_in_the_middle(lab):
    check_fault(lab, "multipart", ".*", close="middle", times=3)  # libcurl repeats one of each worker


def test_reply_lost(lab):
    """The object is there, but nobody told us: it counts as delivered, and is not sent again."""
    check_fault(lab, "multipart", ".*", close="after", times=3)  # libcurl repeats one of each worker
    stored = [each["name"] for each in lab.gcs.requests
              if each["kind"] == "multipart" and (each["status"] == 200)]
    equal(len(stored), len(set(stored)), "objects stored once")


def test_429_waits_as_told(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "--upload-workers", "1").start_ready()
    lab.gcs.fault("multipart", status=429, retry_after=4, times=1)
    lab.send(100)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: lab.gcs.count("multipart", 200), 20, "the second attempt")
    first, second = [each["time"] for each in lab.gcs.requests if each["kind"] == "multipart"]
    check(second - first >= 3.9, "the second attempt came after %.1f s" % (second - first))
    finish(lab, daemon, 100)


def check_set_up_wrong(lab, status, reason, message):
    """403 and 404 while running: the file is kept until somebody has repaired the bucket."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL).start_ready()
    for kind in ("multipart", "start"):
        lab.gcs.fault(kind, status=status, reason=reason, message=message, times=0)
    sent = lab.send_megabytes(7)
    daemon.wait_event("upload-failed", reason=".*%d.*" % status)
    lab.gcs.wait_for(lambda: lab.gcs.count("multipart", status) >= 3, 20, "attempts")
    equal(lab.spool_files("rejected"), [], "rejected segments")
    check(daemon.is_running(), "the program ended")
    check(daemon.events("upload-failed", reason=".*%s.*" % message), "what the bucket says is not in the log")
    lab.gcs.clear_faults()
    finish(lab, daemon, sent, 80)


def test_403_while_running(lab):
    check_set_up_wrong(lab, 403, "forbidden", "does not have storage.objects.create access")


def test_404_while_running(lab):
    check_set_up_wrong(lab, 404, "notFound", "The specified bucket does not exist.")


def test_nobody_answers_at_start(lab):
    """No answer is no reason not to capture."""
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*SMALL).start_ready()
    sent = lab.send_megabytes(7)
    daemon.wait_line(severity="WARNING", reason="(?i).*(refused|connect).*")
    daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) >= 5, 10, "segments that wait")
    lab.gcs.start()
    finish(lab, daemon, sent, 80)


def test_refusal_that_comes_late(lab):
    """READY does not wait for it, it is said when it comes, and asked again without a segment to send."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("start", status=403, delay=4, times=2, reason="forbidden", message="no storage.objects.create")
    since = time.monotonic()
    daemon = lab.daemon("-G", "0").start_ready()
    check(time.monotonic() - since < 3.5, "READY waits for the destination")
    equal(daemon.events("destination-refused"), [], "a refusal before it came")
    daemon.wait_event("destination-refused", reason=".*storage.objects.create.*")
    daemon.wait_event("uploads-recovered", timeout=30)
    lab.send(100)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_refusal_after_no_answer(lab):
    """A network that comes late, and then a no: it is said when it is said first, not at the tenth attempt."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("start", times=2, reset="before")
    lab.gcs.fault("start", status=403, times=0, reason="forbidden", message="no storage.objects.create")
    daemon = lab.daemon("-G", "0").start_ready()
    daemon.wait_event("destination-unreachable")
    daemon.wait_event("destination-refused", timeout=20, reason=".*storage.objects.create.*")
    lab.gcs.clear_faults()
    equal(daemon.stop(), 0, "exit status")
    equal(len(daemon.events("destination-refused")), 1, "how often it is said")


def test_name_server_does_not_answer(lab):
    """Neither the connect time-out nor a stop wait for the resolver."""
    lab.link()
    with silent_name_server(lab) as server:
        daemon = lab.daemon("-G", "0", "--upload-connect-timeout", "2", environment={
            "STORAGE_EMULATOR_HOST": "http://storage.example"}).start_ready(timeout=20)
        server.settimeout(10)
        check(b"storage" in server.recv(1000), "nobody asked for the name")
        lab.send(100)
        daemon.end_segment()
        daemon.wait_event("destination-unreachable", timeout=20, reason=".*storage.example.*")
        wait_until(lambda: lab.spool_files("sending"), 20, "another attempt")
        with within(10, "the stop"):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait_event("stopping")
            daemon.send_signal(signal.SIGTERM)
            equal(daemon.wait(), 0, "exit status")
        equal(len(lab.spool_files("ready")), 1, "segments that wait")


def test_checksum_refused_once(lab):
    """The bucket says that the bytes are not what we said, but our file is whole: once more."""
    check_fault(lab, "multipart", ".*CRC32C.*", status=400, reason="invalid",
                message=MISMATCH, times=1)


def test_checksum_refused(lab):
    """It says so each time: set aside, counted; the next one."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.gcs.fault("multipart", status=400, reason="invalid", message=MISMATCH, times=3)
    lab.send(100)
    daemon.end_segment()
    wait_until(lambda: [each for each in lab.spool_files("rejected")], 15, "a rejected segment")
    daemon.wait_event("segment-rejected", severity="ERROR")
    lab.send(50, first=100)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 1, 15, "the next segment")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), range(100, 150))
    equal(len(lab.spool_files("rejected")), 1, "rejected segments")


def test_a_rejection_is_no_outage(lab):
    """It is told by itself; the outage after it begins with a warning and ends with a notice."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "--upload-workers", "1").start_ready()
    lab.gcs.fault("multipart", status=400, reason="invalid", message="never")
    lab.gcs.fault("multipart", status=503, after=1, times=2)
    for number in range(3):
        lab.send(100, first=100 * number)
        daemon.end_segment()
        daemon.wait_event("segment-(rejected|uploaded)", timeout=40, count=number + 1)
    equal(daemon.stop(), 0, "exit status")
    told = [(each["event"], each.get("failures")) for each in daemon.events("(segment-(rej|upl)|upload).*")]
    equal(told, [("segment-rejected", None), ("segment-uploaded", None), ("upload-failed", 1),
                 ("segment-uploaded", None), ("uploads-recovered", 2)], "what was told")
    lab.check_numbers(lab.objects(), range(100, 300))


def test_wrong_checksum_in_the_answer(lab):
    """The bucket says it has other bytes than ours: the file is not deleted as delivered."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.gcs.fault("multipart", corrupt=True, times=1)
    lab.send(100)
    daemon.end_segment()
    daemon.wait_event("upload-failed", severity="WARNING", reason=".*(damaged|corrupt).*")
    lab.gcs.wait_for(lambda: lab.gcs.count("multipart", 200) >= 2, 15, "a second attempt")
    finish(lab, daemon, 100)


def test_resumable_in_chunks(lab):
    """A large segment goes in chunks, survives cut chunks, 503s and lost replies without a gap."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*LARGE).start_ready()
    lab.gcs.fault("chunk", accept_bytes=1 << 20)
    lab.gcs.fault("chunk", status=503)
    lab.gcs.fault("chunk", close="after", accept_bytes=1 << 20)
    lab.gcs.fault("chunk", close="middle")
    lab.gcs.fault("status", status=500)
    lab.send(9000, sizes=[1514], fill="random", rate=20000)
    objects = finish(lab, daemon, 9000, 60)
    check(max(int(each.resource["size"]) for each in objects) > 11 << 20, "no large object")
    check(lab.gcs.count("chunk") >= 5 and lab.gcs.count("status") >= 2, "chunks %d, queries %d" % (
        lab.gcs.count("chunk"), lab.gcs.count("status")))


def test_resumable_last_reply_lost(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*LARGE).start_ready()
    lab.gcs.fault("chunk", close="after", times=4)
    lab.send(8500, sizes=[1514], fill="random", rate=20000)
    finish(lab, daemon, 8500, 60)
    stored = [each["name"] for each in lab.gcs.requests if each["kind"] == "start"
              and each["status"] == 200]
    check(len(stored) >= 2, "the probe and an upload are sessions")


def test_resumable_session_gone(lab):
    """410: the service lost the session; a new one is made."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*LARGE).start_ready()
    lab.gcs.fault("chunk", status=410, reason="gone", message="gone")
    lab.gcs.fault("chunk", status=404, reason="notFound", message="No such upload")
    lab.send(8500, sizes=[1514], fill="random", rate=20000)
    finish(lab, daemon, 8500, 60)


def test_waiting_segments_are_limited(lab):
    """-W: the oldest goes first, counted and logged; the newest arrive when the bucket is back."""
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*SMALL, "-W", "3").start_ready()
    sent = lab.send_megabytes(7)
    daemon.wait_event("segment-evicted")
    wait_until(lambda: 0 < len(lab.spool_files("ready", "sending")) <= 3, 10, "three segments")
    lab.gcs.start()
    daemon.wait_for(lambda: len(lab.gcs.names()) >= 1, 80, "the first object")
    daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), 80, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    equal(numbers, list(range(numbers[0], sent)), "the newest, without a gap")
    check(0 < len(numbers) < sent, "%d packets arrived" % len(numbers))
    deleted = [each["packets"] for each in daemon.events("segment-evicted")]
    equal(len(numbers) + sum(deleted), sent, "packets that arrived + packets deleted")
    lab.check_spool_empty()


def test_stalled_bucket_does_not_stop_capture(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL, "--daemon-shutdown-deadline", "20").start_ready()
    lab.gcs.fault("multipart", delay=3600, times=0)
    sent = lab.send_megabytes(20)
    daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) >= 20, 10,
                    "segments that wait")
    with within(19, "the stop"):
        equal(daemon.stop(), 0, "exit status")
    lab.gcs.stop()
    lab.gcs.clear_faults()
    lab.gcs.start()
    daemon = lab.daemon("-G", "0").start_ready()
    finish(lab, daemon, sent)


if __name__ == "__main__":
    main()
