# SPDX-License-Identifier: Apache-2.0
"""All faults at once: many interfaces, kill -9 again and again, the bucket away a third of the time, a log that nobody
reads half of the time, and a spool that is too small for all that. Every packet is in a file or counted once, and what
a file says it lacks is what is missing from this file.

KNT_SOAK_MINUTES (0.7; the whole soak: 60), KNT_SOAK_INTERFACES (8; 32), KNT_SOAK_RATE packets a second in all
(5000; 20000)."""

import bisect
import calendar
import contextlib
import fcntl
import os
import re
import threading
import time
import zlib

from harness import BUCKET, DROPS, Object, main
from peer import MAGIC, MARK_EVERY
from tap import check, diagnose, equal, wait_until

MINUTES = float(os.environ.get("KNT_SOAK_MINUTES", "0.7"))
INTERFACES = int(os.environ.get("KNT_SOAK_INTERFACES", "8"))
RATE = float(os.environ.get("KNT_SOAK_RATE", "5000"))
SECONDS = MINUTES * 60
RUN_S = min(120, SECONDS / 3)  # until the next kill
INTERVAL_S = max(2, int(RUN_S / 15))
SPOOL_SIZE = "%dKiB" % (RATE * RUN_S / 28)  # less than comes in a third of the time; more than two files of each interface
PIPE_BYTES = 4096
STREAM = 1000    # of interface 0
BEGUN_S = 3      # after a start each interface has a file with packets
AROUND_S = 0.1   # of a mark's time


class Log:
    """Standard error of all runs: a small pipe that is read half of the time."""

    def __init__(self):
        self.ours, self.theirs = os.pipe()
        fcntl.fcntl(self.theirs, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.ours, False)
        self.is_read = threading.Event()
        self.is_read.set()
        self.is_over = False
        self.text = b""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while not self.is_over:
            self.is_read.wait()
            try:
                self.text += os.read(self.ours, 65536)
            except BlockingIOError:
                time.sleep(0.02)

    def close(self):
        self.is_over = True
        self.is_read.set()
        self.thread.join()
        os.close(self.ours)
        os.close(self.theirs)

    def report(self):
        dropped = re.findall(rb'"event":"log-lines-dropped".*?"lines":(\d+)', self.text)
        diagnose("the log: %d lines, %d dropped" % (self.text.count(b"\n"), sum(map(int, dropped))))


class File:
    """What is kept of an object: its numbers, and what it states."""

    def __init__(self, each):
        numbers = [number for stream, number in each.capture.numbered() if stream >= STREAM]
        self.name, self.interface = each.name, each.metadata["interface"]
        equal(each.number("packets"), len(each.capture.records), "packets of " + each.name)
        check(numbers == sorted(set(numbers)), "the numbers of %s are not in order" % each.name)
        self.count, self.numbers = len(numbers), (numbers[0], numbers[-1]) if numbers else None
        self.missing_inside = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
        self.drops = sum(each.number("drops-" + reason) for reason in DROPS)
        self.lost_before = [entry.split() for entry in each.metadata.get("lost-before", "").split(", ") if entry]


class Consumer:
    """Takes objects as they arrive, so that the folder of the bucket stays small."""

    def __init__(self, lab):
        self.lab, self.files, self.taken, self.failure, self.is_over = lab, [], set(), None, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.is_over:
                self.take()
                time.sleep(0.2)
            self.take()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def take(self):
        new = set(self.lab.gcs.names(BUCKET)) - self.taken
        for name in new:
            path = self.lab.gcs.path(BUCKET, name)
            self.files.append(File(Object(name, self.lab.gcs.objects[(BUCKET, name)], path)))
            os.truncate(path, 0)
        self.taken |= new

    def finish(self):
        self.is_over = True
        self.thread.join()
        if self.failure:
            raise self.failure
        return self.files


def repeat(stop, *steps):
    """A thread that does one step after the other, each followed by its seconds, and ends behind the last one."""
    def run():
        while not stop.is_set():
            for act, seconds in steps:
                act()
                stop.wait(seconds)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def unpack_open_file(path):
    """The bytes of a pcap that is not finished: of a gzip file all whole members."""
    with open(path, "rb") as file:
        rest = file.read()
    if not path.endswith(".gz"):
        return rest
    plain = b""
    while rest:
        member = zlib.decompressobj(31)
        try:
            some = member.decompress(rest)
        except zlib.error:
            break
        if not member.eof:
            break
        plain, rest = plain + some, member.unused_data
    return plain


def whole_records(plain):
    """Up to the last whole record of a pcap."""
    offset = 24
    while offset + 16 <= len(plain):
        length = 16 + int.from_bytes(plain[offset + 8:offset + 12], "little")
        if offset + length > len(plain):
            break
        offset += length
    return plain[:offset]


class Disk:
    """What is in the spool while nobody writes there, or nearly so: of each interface the first and last number of its
    files, and what is in the bucket."""

    def __init__(self, lab):
        self.firsts, self.lasts = {}, {}
        for path in lab.spool_files("capturing", "ready", "sending"):
            interface = re.search(r"_(veth\d+)_\d+\.pcap", path).group(1)
            try:
                plain = whole_records(unpack_open_file(os.path.join(lab.spool, path)))
            except FileNotFoundError:
                continue  # uploaded or deleted meanwhile
            for place, numbers in (plain.find(MAGIC), self.firsts), (plain.rfind(MAGIC), self.lasts):
                if place >= 0:
                    numbers.setdefault(interface, []).append(int.from_bytes(plain[place + 8:place + 16], "big"))
        self.delivered = set(lab.gcs.names())


def lost_at_kill(interface, files, killed, started):
    """How many numbers were only in memory at a kill, or were sent until the next run was there: from the last one that
    was on the disk or in the bucket to the first one that the next run recorded."""
    last = max([-1, *killed.lasts.get(interface, []), *(each.numbers[1] for each in files
                                                        if each.name in killed.delivered)])
    later = [number for number in [*started.firsts.get(interface, []), *(each.numbers[0] for each in files)]
             if number > last]
    check(later, "%s: nothing was recorded after number %d, when the program was killed; files: %r; then %r" % (
        interface, last, [each.numbers for each in files], started.firsts.get(interface)))
    return min(later) - last - 1


def check_file_drops(files, sent):
    """What each file says it lacks is missing in it or beside it; no number is in two files."""
    ends = [-1, *(each.numbers[1] for each in files)]
    starts = [*(each.numbers[0] for each in files), sent]
    for place, each in enumerate(files):
        before, behind = starts[place] - ends[place] - 1, starts[place + 1] - ends[place + 1] - 1
        check(before >= 0, "numbers of %s are also in the file before" % each.name)
        check(each.missing_inside <= each.drops <= each.missing_inside + before + behind,
              "%s says that it lacks %d; missing are %d in it, %d before, %d behind" % (
                  each.name, each.drops, each.missing_inside, before, behind))


def seconds_of(text):
    stamp, fraction = re.fullmatch(r"([\dT:-]+)(\.\d+)?Z", text).groups()
    return calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0)


def check_loss(interface, first, last, count, files, marks):
    """A loss that is stated of an interface is of numbers that no file of it has, of that time."""
    times = [when for _, when in marks]
    begin = bisect.bisect_right(times, seconds_of(first) - AROUND_S) - 1
    end = bisect.bisect_left(times, seconds_of(last) + AROUND_S)
    low, high = marks[max(begin, 0)][0], marks[end][0] if end < len(marks) else marks[-1][0] + MARK_EVERY
    have = sum(each.count for each in files if low <= each.numbers[0] and each.numbers[1] < high)
    check(count <= high - low - have, "%d packets of %s are stated as lost from %s to %s; of %d that were sent there, "
          "%d are in files" % (count, interface, first, last, high - low, have))


def check_sum(consumed, traffic, kills):
    """sent = recorded + stated as lost + in memory at a kill."""
    recorded = stated = at_kills = missing = sent = 0
    losses = [loss for each in consumed for loss in each.lost_before]
    for index in range(INTERFACES):
        interface = "veth%d" % index
        files = sorted((each for each in consumed if each.interface == interface and each.count),
                       key=lambda each: each.numbers)
        check_file_drops(files, traffic[index]["sent"])
        for where, first, last, count, _ in losses:
            if where == interface:
                check_loss(interface, first, last, int(count), files, traffic[index]["marks"])
        sent += traffic[index]["sent"]
        recorded += sum(each.count for each in files)
        at_kills += sum(lost_at_kill(interface, files, *kill) for kill in kills)
    drops = sum(each.drops for each in consumed)
    stated = sum(int(count) for _, _, _, count, _ in losses)
    diagnose("%d kills, %d files; sent %d = recorded %d + drops %d + lost with files %d + in memory at kills %d" % (
        len(kills), len(consumed), sent, recorded, drops, stated, at_kills))
    equal(recorded + drops + stated + at_kills, sent, "the sum")


def start(lab, log):
    return lab.daemon("-i", "veth*", "--capture-max-interfaces", INTERFACES, "-G", INTERVAL_S, "-s", "0", "-B", "4096",
                      "-c", ("none", "gzip")[len(lab.daemons) % 2], "--spool-max-size", SPOOL_SIZE
                      ).start(output=log.theirs).wait_ready()


def test_soak(lab):
    for index in range(INTERFACES):
        lab.link(index)
    lab.bucket()
    log, stop, consumer, kills = Log(), threading.Event(), Consumer(lab), []

    def away():  # nothing gets there unnoticed: what is stored and then deleted in the spool would be counted twice
        lab.gcs.fault("*", close="before", times=0)

    daemon, traffic = start(lab, log), []
    end = time.monotonic() + SECONDS
    with contextlib.ExitStack() as senders:
        for index in range(INTERFACES):
            traffic.append(senders.enter_context(lab.traffic(stream=STREAM + index, index=index, fill="random",
                                                             rate=RATE / INTERFACES)))
        threads = [repeat(stop, (lambda: None, RUN_S / 2), (away, RUN_S / 3),
                          (lab.gcs.clear_faults, 0)),
                   repeat(stop, (log.is_read.set, 7), (log.is_read.clear, 7), (log.is_read.set, 0))]
        while time.monotonic() + RUN_S < end:
            time.sleep(RUN_S)
            daemon.kill()
            killed = Disk(lab)
            daemon = start(lab, log)
            time.sleep(BEGUN_S)
            kills.append((killed, Disk(lab)))
        time.sleep(max(0, end - time.monotonic()))
    stop.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: not lab.spool_files("ready", "sending"), 120, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    files = consumer.finish()
    log.close()
    log.report()
    lab.check_spool_empty()
    check_sum(files, traffic, kills)


if __name__ == "__main__":
    main()
