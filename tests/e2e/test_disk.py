# SPDX-License-Identifier: Apache-2.0
"""The spool's disk: how much of it is taken, and what happens when it is full, failing, read-only,
gone, or does not answer. Capture goes on, what is lost is counted, and nothing needs a restart."""

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

from daemon import program
from fault_fs import CHANGES, FaultFs
from harness import SMALL, command, main
from fake_gcs import CREATE_ONLY  # beside the folder that harness is in
from tap import Failure, check, equal, wait_until, within

PLAIN = [*SMALL, "-c", "none"]  # sizes are known


STATUS = "127.0.0.1:19667"


def scrape():
    with urllib.request.urlopen("http://%s/metrics" % STATUS, timeout=30) as answer:
        return answer.read().decode()


def du(folder):
    return int(command("du", "-s", "-B1", folder).split()[0])


@contextlib.contextmanager
def standing_still(daemon):
    """Where it goes on, du adds up what never was there at a time: a file that was deleted since it was counted,
    and what has been written into its room."""
    if not daemon.is_running():
        yield
        return
    tasks = "/proc/%d/task" % daemon.process.pid

    def is_stopped():
        states = []
        with contextlib.suppress(OSError):  # it was killed
            for task in os.listdir(tasks):
                with open("%s/%s/stat" % (tasks, task), encoding="ascii") as stat:
                    states.append(stat.read().rsplit(") ", 1)[1][0])
        return all(state in "TtZX" for state in states)

    with contextlib.suppress(ProcessLookupError):
        os.kill(daemon.process.pid, signal.SIGSTOP)
    wait_until(is_stopped, 60, "a process that stands still", pause=0.001)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.process.pid, signal.SIGCONT)


class Sampler:
    """du of the spool, as often as it can be had; `limit` must never be exceeded."""

    def __init__(self, lab, limit):
        self.lab, self.folder, self.limit = lab, lab.spool, limit
        self.samples, self.stopping = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stopping.is_set():
            with standing_still(self.lab.daemons[-1]):
                done = subprocess.run(["du", "-s", "-B1", self.folder], check=False, text=True,
                                      capture_output=True)
            if done.stdout.split():  # files may go while du looks
                self.samples.append(int(done.stdout.split()[0]))
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        self.thread.join(10)

    def check(self):
        check(len(self.samples) > 20, "only %d samples of du" % len(self.samples))
        check(max(self.samples) <= self.limit, "du was %d of %d" % (max(self.samples), self.limit))


def drops(objects, reason):
    return sum(each.missing(reason) for each in objects)


def recorded(objects):
    # Not by the metadata: they may be what could not be written.
    return sum(len(each.capture.records) for each in objects)


def deliver_all(lab, daemon, timeout=60):
    daemon.wait_for(lambda: not lab.spool_files("ready", "sending", "capturing"), timeout,
                    "an empty spool")


def flush_end(lab, daemon, stream=9):
    """A last segment of its own, which tells what those before it could not."""
    lab.send(10, stream=stream)
    daemon.end_segment()


def finish(lab, daemon, sent, *reasons, timeout=60):
    """Everything is delivered or counted for these reasons, and nothing twice. Returns what was lost."""
    flush_end(lab, daemon)
    deliver_all(lab, daemon, timeout)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    equal(len(numbers), len(set(numbers)), "packets that arrived, less those that came twice")
    lost = sum(drops(objects, reason) for reason in reasons)
    equal(recorded(objects) + lost, sent + 10, "recorded + dropped for " + " and ".join(reasons))
    for other in {"kernel", "interface", "budget", "disk", "rejected"} - set(reasons):
        equal(drops(objects, other), 0, "dropped for " + other)
    return lost


# -- budget ----------------------------------------------------------------------------------------


def test_the_smallest_spool_records(lab):
    """What --spool-max-size allows takes a whole chunk that cannot be compressed."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-s", "0", "-c", "none", "--spool-max-size", "1",
                        "--upload-workers", "16").start_ready()
    sent = lab.send_megabytes(4)
    daemon.stop()
    objects = lab.objects()
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    check(len(numbers) > 0, "nothing of %d packets was recorded" % sent)
    equal(len(numbers) + lab.check_accounted(objects, sent), sent, "packets and drops")


def test_a_day_of_outage(lab):
    """The bucket is away; files stay within the limit at every sample, the newest are kept."""
    limit = 6 << 20
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*PLAIN, "--spool-max-size", "%dB" % limit, "-W", "1000").start_ready()
    sent = 0
    with Sampler(lab, limit) as sampler:
        for _ in range(6):
            sent += lab.send_megabytes(5, first=sent)
            # A crash now and then: what is accounted afterwards is what du says, too.
            if sent > 9000 and len(sampler.samples) % 2:
                time.sleep(1.5)
                daemon.kill()
                daemon = lab.daemon(*PLAIN, "--spool-max-size", "%dB" % limit, "-W",
                                    "1000").start_ready()
        # Before uploads go on: what is being sent is not what is deleted next, which would leave a gap.
        flush_end(lab, daemon)
        daemon.wait_event("segment-finished", end="signal")
        lab.gcs.start()
        deliver_all(lab, daemon, 90)
    sampler.check()
    check(any(each.events("spool-evicting") for each in lab.daemons), "nothing was said")
    check(max(sampler.samples) > limit * 3 // 5, "the limit was not used: %d" % max(sampler.samples))
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    equal(numbers, list(range(numbers[0], sent)), "the newest, without a gap")
    check(len(numbers) * 1514 > limit // 2, "only %d packets were kept" % len(numbers))
    equal(recorded(objects) + drops(objects, "budget"), sent + 10, "recorded + budget")


def test_many_workers_stay_within_the_limit(lab):
    """Each of 16 has an upload under way, with its notes in the spool; the bucket takes none to its end."""
    limit = 6 << 20
    lab.link()
    lab.bucket()
    lab.gcs.fault("chunk", status=503, times=0)
    daemon = lab.daemon(*PLAIN, "--upload-workers", "16", "--gcs-chunk-size", "256KiB",
                        "--spool-max-size", "%dB" % limit, "-W", "1000").start_ready()
    sent, notes = 0, 0
    with Sampler(lab, limit) as sampler:
        for _ in range(6):
            sent += lab.send_megabytes(3, first=sent)
            notes = max(notes, len(lab.spool_files("upload-state")))
        lab.gcs.clear_faults()
        finish(lab, daemon, sent, "budget", timeout=90)
    sampler.check()
    check(notes >= 3, "only %d uploads were under way" % notes)


def check_sum_is_du(lab, strangers=0):
    """What the program says that its spool takes is what du says, to the byte, but for others' files."""
    seen = []

    def is_same():
        try:
            before = du(lab.spool) - strangers
            told = json.loads(command(program(), "status", "--json", "-o", lab.spool))["spool"]["bytes"]
            seen.append((told, before, du(lab.spool) - strangers))
        except Failure:  # a file went while du looked
            return False
        return len(set(seen[-1])) == 1

    try:
        wait_until(is_same, 20, "the program agrees with du")
    except Failure:
        raise Failure("the program said, and du before and after: %r; in the spool: %r" % (
            seen[-3:], lab.spool_files())) from None
    check(seen[-1][0] > 0, "nothing is in the spool")


def test_the_sum_is_du_after_crashes(lab):
    """kill -9 under load, KNT_KILLS of them (6), with a bucket that takes nothing: after each start the sum
    is right. On the build folder's disk: unlike in a tmpfs, folders take blocks there."""
    lab.link()
    lab.bucket()
    refusals = ({"status": 503}, {"status": 429}, {"close": "before"}, {"close": "middle"},
                {"status": 400})
    arguments = [*PLAIN, "--spool-max-size", "6MiB", "-W", "1000"]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(program()), prefix="du-") as folder:
        lab.spool = os.path.join(folder, "spool")
        for _ in range(int(os.environ.get("KNT_KILLS", "6"))):
            lab.gcs.clear_faults()
            lab.gcs.fault("multipart", times=0, **random.choice(refusals))
            daemon = lab.daemon(*arguments).start_ready()
            with lab.traffic(rate=3000, sizes=[1514]):
                time.sleep(random.uniform(0.2, 2.5))
                daemon.kill()
            again = lab.daemon(*arguments).start_ready()
            check_sum_is_du(lab)
            again.kill()
    check(any(each.events("segment-evicted") for each in lab.daemons), "the limit was not reached")


def test_foreign_files_are_left_alone(lab):
    lab.link()
    lab.bucket()
    strange = ["ready/notes.txt", "metadata/notes.txt", "rejected/core", "notes.txt", "sub/notes.txt",
               ".notes.txt.new", "metadata/.notes.txt.new"]
    for name in strange:
        path = os.path.join(lab.spool, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(random.randbytes(100000))
    strangers = sum(os.stat(os.path.join(lab.spool, name)).st_blocks * 512
                    for name in [*strange, "sub"])
    lab.gcs.stop()
    daemon = lab.daemon(*PLAIN, "--spool-max-size", "3MiB", "-W", "1000").start_ready()
    sent = lab.send_megabytes(6)
    daemon.wait_event("segment-evicted")
    check(du(lab.spool) - strangers <= 3 << 20, "du is %d" % du(lab.spool))
    check_sum_is_du(lab, strangers)
    lab.gcs.start()
    flush_end(lab, daemon)
    daemon.wait_for(lambda: set(lab.spool_files("ready", "sending", "capturing"))
                    <= set(strange), 60, "nothing but strangers")
    equal(daemon.stop(), 0, "exit status")
    for name in strange:
        equal(os.path.getsize(os.path.join(lab.spool, name)), 100000, name)
    check(not [each for each in lab.gcs.names() if "notes" in str(each)], "a stranger was uploaded")
    equal(recorded(lab.objects()) + drops(lab.objects(), "budget"), sent + 10, "accounted")


def test_drop_newest_keeps_the_oldest(lab):
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*PLAIN, "--spool-max-size", "3MiB", "--spool-when-full",
                        "drop-newest").start_ready()
    sent = lab.send_megabytes(6)
    daemon.wait_event("spool-full")
    check(du(lab.spool) <= 3 << 20, "du is %d" % du(lab.spool))
    lab.gcs.start()
    daemon.wait_event("spool-has-room", timeout=60)
    lost = finish(lab, daemon, sent, "budget")
    check(lost > 1000, "only %d were dropped" % lost)
    numbers = [number for each in lab.objects() for number in each.capture.numbers(1)]
    equal(numbers[:500], list(range(500)), "the oldest")


def test_stop_capture_leaves_packets_to_the_kernel(lab):
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*PLAIN, "-B", "2048", "--spool-max-size", "3MiB", "--spool-when-full",
                        "stop-capture").start_ready()
    sent = lab.send_megabytes(5)
    daemon.wait_event("spool-full")
    time.sleep(2.5)  # the capture pauses at the next tick; there is no sign of that from outside
    sent += lab.send_megabytes(8, first=sent)
    lab.gcs.start()
    daemon.wait_event("spool-has-room", timeout=60)
    marks = 0

    def is_recording():
        """The ring is read, and what was in it has not filled the spool again."""
        nonlocal marks
        lab.send(10, stream=8)
        marks += 10
        daemon.end_segment()
        return any(each.capture.numbers(8) for each in lab.objects())

    wait_until(is_recording, 60, "new packets in the bucket", pause=1)
    lost = finish(lab, daemon, sent + marks, "budget")
    check(lost > 3000, "only %d were dropped" % lost)


def test_a_second_process_is_refused(lab):
    """The lock is on a file, so also another network namespace's process sees it; it ends with its holder."""
    lab.link()
    lab.bucket()
    first = lab.daemon("-G", "0").start_ready()
    status, log = lab.run("-G", "0")
    equal(status, 1, "exit status")
    check("in use by another kube-node-tracer" in log, log)
    first.kill()
    equal(lab.daemon("-G", "0").start_ready().stop(), 0, "exit status")


# -- trouble ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def faulty_spool(lab):
    faults = FaultFs(os.path.join(lab.directory, "backing"), os.path.join(lab.directory, "faulty"))
    lab.spool = os.path.join(faults.target, "spool")
    os.mkdir(lab.spool)
    try:
        yield faults
    finally:
        faults.heal()
        for each in lab.daemons:
            each.kill()
        faults.close()


# Another limit than ours is reached: what waits in the spool gives way to what comes.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def check_trouble(lab, number, *kinds, is_said=True):
    """Packets before, while and after these operations fail: all are delivered, or counted."""
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon(*SMALL).start_ready()
        sent = lab.send_megabytes(2)
        deliver = len(lab.gcs.names())
        faults.fail(number, *kinds)
        sent += lab.send_megabytes(2, first=sent)
        if is_said:
            daemon.wait_line(severity="ERROR", reason=".*%s.*" % re.escape(os.strerror(number)))
        time.sleep(1.5)  # what was captured meanwhile reaches the failing disk
        check(daemon.is_running(), "the program ended")
        faults.heal()
        sent += lab.send_megabytes(2, first=sent)
        finish(lab, daemon, sent, "disk", *(["budget"] if number in NO_ROOM else []))
        check(len(lab.gcs.names()) > deliver, "nothing was delivered afterwards")
        numbers = {number for each in lab.objects() for number in each.capture.numbers(1)}
        check(set(range(sent - 600, sent)) <= numbers, "packets after the trouble are missing")


def test_eio(lab):
    check_trouble(lab, errno.EIO, "write", "sync", "cut")


def test_pages_that_a_failed_sync_dropped(lab):
    """After a failed sync the kernel takes pages for written that the disk never got: they are in memory
    until it is short of it. What is recovered is what the disk has; the rest is counted."""
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon("-G", "0", "-s", "0", "-c", "none", "-B", "32768").start_ready()
        lab.send(200, sizes=[1514])
        daemon.wait_for(lambda: sum(os.path.getsize(os.path.join(lab.spool, name)) for name
                                    in lab.spool_files("capturing")) > 200 * 1514, 10, "a file")
        faults.fail(errno.EIO, "sync")
        daemon.end_segment()
        daemon.wait_event("publish-failed")
        name, = lab.spool_files("capturing")
        with open(os.path.join(faults.source, "spool", name), "r+b") as file:
            file.seek(100 * 1514)
            file.write(bytes(200 * 1530 - 100 * 1514))
        faults.heal()
        check(0 < finish(lab, daemon, 200, "disk") < 200, "nothing was counted")


def test_bad_sector_in_a_file_to_be_recovered(lab):
    """After some attempts, what is around it is recovered; the rest is counted."""
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon("-G", "0", "-s", "0", "-c", "none").start_ready()
        sent = lab.send_megabytes(2)
        daemon.wait_for(lambda: sum(os.path.getsize(os.path.join(lab.spool, name)) for name
                                    in lab.spool_files("capturing")) > 2000000, 10, "a file")
        time.sleep(1.5)  # what was recorded is noted
        daemon.kill()
        faults.bad = (1 << 20, (1 << 20) + 4096)
        daemon = lab.daemon("-G", "0").start_ready()
        daemon.wait_event("recovery-failed")
        daemon.wait_event("segment-repaired", timeout=60, gaps=1)
        faults.bad = (0, 0)  # it holds for all files
        deliver_all(lab, daemon)
        equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    numbers = {number for each in objects for number in each.capture.numbers(1)}
    check(sent - 20 <= len(numbers) < sent, "%d of %d packets recovered" % (len(numbers), sent))
    equal(lab.check_accounted(objects, sent), sent - len(numbers), "packets that are lost")


def test_eio_at_sync_alone(lab):
    check_trouble(lab, errno.EIO, "sync")


def test_edquot(lab):
    check_trouble(lab, errno.EDQUOT, "write", "create")


def test_no_inodes(lab):
    check_trouble(lab, errno.ENOSPC, "create")


def test_read_only(lab):
    """As after a remount by the kernel: it refuses every change, whoever has files open."""
    check_trouble(lab, errno.EROFS, *CHANGES)


def segment_that_waits(lab, faults, *arguments):
    """One segment is in ready/ because nobody listens: nothing of it was sent. Returns the daemon."""
    lab.link()
    lab.bucket(permissions=CREATE_ONLY)
    lab.gcs.stop()
    daemon = lab.daemon(*SMALL, "--upload-workers", "1", *arguments).start_ready()
    lab.send(100)
    daemon.end_segment()
    daemon.wait_event("segment-finished", packets=100)
    daemon.wait_event("upload-failed")  # the first attempt is over, the next one is a second away
    daemon.wait_for(lambda: not lab.spool_files("upload-state", "sending"), 10, "no attempt")
    equal(faults.errors, {}, "faults")
    return daemon


def deliver_once(lab, daemon):
    """That one segment is in the bucket, and the program knows it."""
    daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), 40, "an empty spool")
    equal(lab.spool_files("rejected"), [], "segments that are kept")
    equal(len(daemon.events("segment-uploaded")), 1, "uploads that are told")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_a_lost_reply_is_known_on_a_full_disk(lab):
    """Nothing can be noted, and the bucket may not be looked at: what was stored is known as our own."""
    with faulty_spool(lab) as faults:
        daemon = segment_that_waits(lab, faults)
        faults.fail(errno.ENOSPC, "create", "write")
        lab.gcs.fault("chunk", close="after", times=2)  # libcurl repeats the first by itself
        lab.gcs.start()
        deliver_once(lab, daemon)
        check(lab.gcs.count("status", 200) >= 1, "the session was not asked whether it made the object")


def test_that_it_is_being_sent_is_durable_before_it_is(lab):
    """After a power failure it must not lie in ready/, as if no byte of it had been sent."""
    with faulty_spool(lab) as faults:
        daemon = segment_that_waits(lab, faults)
        faults.history.clear()
        lab.gcs.start()
        deliver_once(lab, daemon)
        claims = [index for index, (_, path) in enumerate(faults.history) if "/sending/n" in path]
        equal(faults.history[claims[-1] + 1:claims[-1] + 2], [("sync", "spool/sending")],
              "what follows the claim")


def test_what_is_uploaded_and_cannot_be_deleted(lab):
    """It is sent once, told once, and deleted when the disk lets us."""
    with faulty_spool(lab) as faults:
        daemon = segment_that_waits(lab, faults, "--status-listen", STATUS)
        faults.fail(errno.EROFS, "remove")
        lab.gcs.start()
        daemon.wait_event("segment-uploaded", timeout=40)
        daemon.wait_event("segment-not-removed")
        requests = len(lab.gcs.requests)
        time.sleep(5)
        equal(len(lab.gcs.requests), requests, "requests when it was uploaded, and later")
        equal(len(lab.spool_files("sending")), 1, "segments that could not be deleted")
        faults.heal()
        daemon.wait_for(lambda: not lab.spool_files("sending", "metadata"), 10, "the deletion")
        check('uploads_total{result="success"} 1\n' in scrape(), "another number of uploads")
        deliver_once(lab, daemon)


def tmpfs(lab, options):
    folder = os.path.join(lab.directory, "small")
    os.mkdir(folder)
    command("mount", "-t", "tmpfs", "-o", options, "small", folder)
    lab.spool = os.path.join(folder, "spool")
    return folder


def fill_up(path):
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_full_file_system(lab):
    """Others fill it: the floor cannot be kept; packets are dropped, counted, and come again."""
    lab.link()
    lab.bucket()
    folder = tmpfs(lab, "size=16m")
    daemon = lab.daemon(*PLAIN, "--spool-min-free", "2MiB").start_ready()
    sent = lab.send_megabytes(2)
    fill = os.path.join(folder, "others")
    fill_up(fill)
    daemon.wait_event("spool-full")
    sent += lab.send_megabytes(3, first=sent)
    time.sleep(1.5)
    os.unlink(fill)
    daemon.wait_event("spool-has-room")
    sent += lab.send_megabytes(2, first=sent)
    lost = finish(lab, daemon, sent, "budget")
    check(lost > 0, "nothing was dropped")
    equal(sum(each["drops"] + each["lost_before"] for each in daemon.events("segment-finished")), lost,
          "what segments state, in the log")
    equal(sum(each["packets"] + each["dropped"] for each in daemon.events("spool-has-room")), lost,
          "deleted and dropped while it was full, in the log")
    equal([each["dropped"] for each in daemon.events("stopped")], [lost], "drops of all, in the log")
    command("umount", folder)


def test_no_space_without_a_floor(lab):
    lab.link()
    lab.bucket()
    folder = tmpfs(lab, "size=16m")
    daemon = lab.daemon(*PLAIN, "--spool-min-free", "0").start_ready()
    fill = os.path.join(folder, "others")
    fill_up(fill)
    sent = lab.send_megabytes(3)
    daemon.wait_line(severity="ERROR", reason=".*No space left on device.*")
    time.sleep(1.5)
    os.unlink(fill)
    sent += lab.send_megabytes(2, first=sent)
    check(finish(lab, daemon, sent, "disk") > 0, "nothing was dropped")
    command("umount", folder)


def test_spool_folder_removed(lab):
    """What was in it is counted, the program ends with status 1, and a new start makes a new spool."""
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    daemon = lab.daemon(*SMALL).start_ready()
    sent = lab.send_megabytes(3)
    daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) >= 3, 20, "segments that wait")
    shutil.rmtree(lab.spool)
    equal(daemon.wait(60), 1, "exit status")
    equal(len(daemon.events("spool-removed")), 1, "that it was removed, in the log")
    equal([each["dropped"] for each in daemon.events("stopped")], [sent], "what was counted as lost")
    check(not os.path.exists(lab.spool), "the folder was made again")
    lab.gcs.start()
    again = lab.daemon("-G", "0").start_ready()
    # The pods' probes ask by the socket, which was in the folder.
    equal(subprocess.run([program(), "healthz", "-o", lab.spool], check=False, capture_output=True).returncode, 0,
          "exit status of healthz")
    lab.send(10)
    equal(again.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 10)


def test_spool_emptied_while_a_segment_ends(lab):
    """Whichever sync is the last before somebody takes the files, the packets are counted, once."""
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon(*SMALL).start_ready()
        lost = 0
        for place in range(1, 5):
            syncs = 0
            lab.send(100, first=lost)
            daemon.wait_for(lambda: lab.spool_files("capturing"), 10, "an open file")

            def empty():
                nonlocal syncs
                syncs += 1
                if syncs == place:
                    for folder in "capturing", "metadata", "ready":
                        for name in os.listdir(os.path.join(faults.source, "spool", folder)):
                            os.remove(os.path.join(faults.source, "spool", folder, name))

            faults.before_sync = empty
            daemon.end_segment()
            lost += 100
            daemon.wait_line(message="segment vanished from the spool", packets=100, count=place)
            faults.before_sync = lambda: None
        equal(finish(lab, daemon, lost, "disk"), lost, "counted")


def test_a_stat_that_fails_changes_no_number(lab):
    """What was written is recorded, and not dropped as well."""
    check_trouble(lab, errno.EIO, "stat", is_said=False)


def test_a_hung_disk_costs_only_what_memory_cannot_hold(lab):
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon(*SMALL, environment={"WATCHDOG_USEC": "4000000"}).start_ready()
        sent = lab.send_megabytes(2)
        faults.hang()
        sent += lab.send_megabytes(3, first=sent)
        time.sleep(3)
        pings = len(daemon.notify.times("WATCHDOG"))
        daemon.wait_for(lambda: len(daemon.notify.times("WATCHDOG")) > pings, 10, "a ping")
        faults.heal()
        equal(finish(lab, daemon, sent, "disk"), 0, "dropped packets")


def test_a_reload_is_over_on_a_hung_disk(lab):
    """What it has the spool do is done when the disk answers again; neither it nor main waits for that."""
    path = lab.configure("capture: { snaplen = 100; };\n", "service.conf")
    with faulty_spool(lab) as faults:
        daemon = lab.daemon(config=path).start_ready()
        faults.hang()
        time.sleep(1.5)  # the upkeep of each second meets it
        with within(5, "a reload that changes nothing"):
            daemon.reload()
        lab.configure("capture: { snaplen = 200; };\n", "service.conf")
        with within(5, "a reload that captures anew"):
            daemon.send_signal(signal.SIGHUP)
            daemon.wait_event("reloaded", count=2)
        faults.heal()
        equal(daemon.stop(), 0, "exit status")


def stop_on_hung_disk(lab, deadline, limit, *signals):
    """The program ends within `limit` seconds of the last signal. Returns how many it took."""
    lab.link()
    lab.bucket()
    with faulty_spool(lab) as faults:
        daemon = lab.daemon(*SMALL, "--daemon-shutdown-deadline", deadline).start_ready()
        sent = lab.send_megabytes(2)
        lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 2, 20, "objects")
        time.sleep(1.5)  # what was sent is on the disk
        faults.hang()
        lab.send(100, stream=2)
        for number in signals[:-1]:
            daemon.send_signal(number)
            time.sleep(0.5)
        start = time.monotonic()
        with within(limit, "the stop"):
            daemon.send_signal(signals[-1])
            equal(daemon.wait(), 1, "exit status")
        took = time.monotonic() - start
        check(daemon.lines(severity="ERROR", message=".*disk.*"), "the log says nothing")
        faults.heal()
        again = lab.daemon("-G", "0").start_ready()
        deliver_all(lab, again)
        equal(again.stop(), 0, "exit status")
        lab.check_numbers(lab.objects(), sent)
        return took


def test_deadline_holds_on_a_hung_disk(lab):
    took = stop_on_hung_disk(lab, 20, 19, signal.SIGTERM)
    check(took > 16, "the stop took %.1f s" % took)


def test_second_signal_ends_on_a_hung_disk(lab):
    stop_on_hung_disk(lab, 60, 5, signal.SIGTERM, signal.SIGTERM)  # 3, and a second for ThreadSanitizer


def test_stop_within_the_deadline(lab):
    """A bucket that takes for ever: the stop ends a second before the deadline, everything is kept."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("multipart", delay=3600, times=0)
    daemon = lab.daemon(*SMALL, "--daemon-shutdown-deadline", "20").start_ready()
    sent = lab.send_megabytes(3)
    daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) >= 3, 20, "segments")
    with within(19, "the stop"):
        equal(daemon.stop(), 0, "exit status")
    equal(lab.spool_files("capturing"), [], "open segments")
    equal(len(lab.spool_files("ready", "sending")), 4, "segments that wait")
    lab.gcs.clear_faults()
    daemon = lab.daemon("-G", "0").start_ready()
    deliver_all(lab, daemon)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent)


def test_stop_with_a_full_ring(lab):
    """The program cannot read while it is stopped: what is in its ring at a stop is recorded all the same."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-s", "0", "-B", "2048").start_ready()
    daemon.send_signal(signal.SIGSTOP)
    sent = 20000
    lab.send(sent, sizes=[400], rate=30000)
    daemon.send_signal(signal.SIGTERM)
    daemon.send_signal(signal.SIGCONT)
    equal(daemon.wait(40), 0, "exit status")
    objects = lab.objects()
    dropped = lab.check_accounted(objects, sent)
    check(0 < drops(objects, "kernel") == dropped < sent, "%d were dropped" % dropped)
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    equal(numbers, list(range(len(numbers))), "the ring held the first ones")


def test_limits_of_processes_are_no_crash(lab):
    """RLIMIT_FSIZE: EFBIG is one more error of a write."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*PLAIN, "-C", "8", wrapper=["prlimit", "--fsize=1000000"]).start_ready()
    sent = lab.send_megabytes(3)
    daemon.wait_line(severity="ERROR", reason=".*File too large.*")
    time.sleep(1.5)
    lost = finish(lab, daemon, sent, "disk")
    check(0 < lost < sent, "%d were dropped" % lost)


if __name__ == "__main__":
    main()
