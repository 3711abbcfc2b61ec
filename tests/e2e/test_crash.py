# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment: what was published arrives, once; what was open arrives up to its last
whole member; nothing older than the flush interval is lost; names never repeat."""

import bisect
import os
import random
import re
import time

from harness import SMALL, check_tcpdump, main
from fake_gcs import CREATE_ONLY, EVERYTHING  # beside the folder that harness is in
from tap import check, diagnose, equal, wait_until

# A chunk leaves the capture thread when it is a second old, and still has to reach the disk.
AT_RISK = 1.5


def check_objects(objects):
    """No packet twice, all in order, the metadata true, names and numbers unique. Returns the numbers."""
    numbers = []
    for each in objects:
        numbers += each.capture.numbers(1)
        equal(each.number("packets"), len(each.capture.records), "packets of " + each.name)
        each.unpacked = None  # there may be many
    equal(len(numbers), len(set(numbers)), "packets that arrived, less those that came twice")
    check(numbers == sorted(numbers), "the packets are not in order")
    names = [each.file_name for each in objects]
    equal(len(set(names)), len(names), "different names")
    sequences = [each.metadata["sequence"] for each in objects]
    equal(len(set(sequences)), len(sequences), "different sequence numbers")
    return numbers


def check_lost_only_young(objects, traffic, kills):
    """Every number sent more than AT_RISK before a kill, or after the next start, is there once; kills:
    when, and when the next run was ready. Returns how many are lost that were sent before a kill."""
    have = set(check_objects(objects))
    marks = [number for number, _ in traffic["marks"]]
    times = [sent_at for _, sent_at in traffic["marks"]] + [time.time()]
    at_risk = [0] * len(kills)
    for number in set(range(traffic["sent"])) - have:
        place = bisect.bisect_right(marks, number) - 1
        earliest, latest = times[place], times[place + 1]  # between two marks
        near = [index for index, (killed, ready) in enumerate(kills)
                if killed - AT_RISK <= latest and earliest <= ready]
        check(near, "packet %d, sent %s before the kill, is lost" % (
            number, ["%.2f s" % (killed - earliest) for killed, _ in kills]))
        at_risk[near[0]] += earliest <= kills[near[0]][0]
    return at_risk


def test_kill_under_traffic(lab):
    lab.link()
    lab.bucket()
    kills = [[0, 0]]  # the first run was not there before it was ready
    # Files of several chunks, so that most kills leave something to be recovered.
    arguments = ["-G", "3", "-C", "3", "-B", "32768"]
    with lab.traffic(rate=15000) as traffic:
        for _ in range(5):
            daemon = lab.daemon(*arguments).start_ready()
            kills[-1][1] = time.time()
            time.sleep(random.uniform(0.2, 3.5))
            killed = time.time()
            daemon.kill()
            kills.append([killed, killed])
        last = lab.daemon(*arguments).start_ready()
        kills[-1][1] = time.time()
        time.sleep(0.5)
    equal(last.stop(), 0, "exit status")
    lab.check_spool_empty()
    objects = lab.objects()
    check_lost_only_young(objects, traffic, kills)
    check(any(each.metadata["reason"] == "recovered" for each in objects), "nothing was recovered")


FAULTS = ({"status": 503}, {"status": 429}, {"close": "before"}, {"close": "middle"},
          {"close": "after"}, {"status": 500})
RATE = 900  # packets a second of 320 bytes: a segment of 2 s is of some chunks


def told_segments(daemons):
    """{name: packets} of all that was finished or recovered, as the logs of all runs tell."""
    told = {}
    for daemon in daemons:
        for each in daemon.events("segment-(finished|recovered)"):
            equal(told.setdefault(each["name"], each["packets"]), each["packets"], "packets told of " + each["name"])
    return told


def flaky(lab):
    """Some faults of each step of an upload; what is not hit by one is slow, so that a kill meets it."""
    for kind in ("multipart", "start", "chunk", "status"):
        for _ in range(random.randint(0, 2)):
            lab.gcs.fault(kind, times=random.randint(1, 2), after=random.randint(0, 2),
                          **random.choice(FAULTS))
    for kind in ("chunk", "status"):
        lab.gcs.fault(kind, delay=0.3, times=0)


def test_kill_at_random_moments(lab):
    """A flaky bucket, which every second run may not look at, and kill -9 at random moments, KNT_KILLS of
    them (12; by hand 200). Every segment that any run told of is in the bucket once, with as many packets;
    no other packet is missing than those of AT_RISK before a kill, and of the time until the next start:
    sent = recorded + at risk + drops."""
    lab.link()
    lab.bucket()
    kills = [[0, 0]]
    arguments = ["-G", "2", "-s", "0", "-c", "none", "-B", "16384", "--gcs-chunk-size", "256KiB"]
    in_session = 0
    with lab.traffic(rate=RATE, sizes=[320]) as traffic:
        for index in range(int(os.environ.get("KNT_KILLS", "12"))):
            lab.gcs.permissions = CREATE_ONLY if index % 2 else EVERYTHING
            daemon = lab.daemon(*arguments).start_ready()
            kills[-1][1] = time.time()
            flaky(lab)
            time.sleep(random.uniform(0, 6))
            killed = time.time()
            daemon.kill()
            kills.append([killed, killed])
            in_session += bool(lab.spool_files("upload-state"))
            lab.gcs.clear_faults()
        last = lab.daemon(*arguments).start_ready()
        kills[-1][1] = time.time()
        time.sleep(0.5)
    wait_until(lambda: not lab.spool_files("ready", "sending"), 120, "an empty spool")
    equal(last.stop(), 0, "exit status")
    lab.check_spool_empty()
    objects = lab.objects()
    at_risk = check_lost_only_young(objects, traffic, kills)
    told, have = told_segments(lab.daemons), {each.file_name: each.number("packets")
                                              for each in objects}
    for name, packets in told.items():
        equal(have.get(name, 0), packets, "packets that arrived of %s" % name)
    for each in objects:  # it was killed before it could tell that it had recovered one
        check(each.file_name in told or each.metadata["reason"] == "recovered",
              "nobody told of " + each.name)
        equal(sum(each.number("drops-" + reason) for reason in ("kernel", "budget", "disk")), 0,
              "drops of " + each.name)
    check(in_session > 0, "no kill met an upload")
    recorded = sum(have.values())
    diagnose("%d kills, %d in an upload; %d segments; sent %d = recorded %d + at risk %d + between runs %d"
             % (len(kills) - 1, in_session, len(objects), traffic["sent"], recorded, sum(at_risk),
                traffic["sent"] - recorded - sum(at_risk)))


def test_kill_while_uploading_with_lost_replies(lab):
    """The bucket stores, the answer is lost, the program dies: no duplicate, no conflict."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("multipart", close="after", times=0)
    daemon = lab.daemon(*SMALL).start_ready()
    lab.send_megabytes(5)
    lab.gcs.wait_for(lambda: lab.gcs.names(), 10, "an object")
    daemon.kill()
    stored = len(lab.gcs.names())
    check(stored, "nothing was stored before the kill")
    lab.gcs.clear_faults()
    daemon = lab.daemon("-G", "0").start_ready()
    wait_until(lambda: not lab.spool_files("ready", "sending", "rejected"), 20, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    check_objects(objects)
    check(any(each["status"] == 412 for each in lab.gcs.requests), "no name was there already")
    lab.check_spool_empty()


def test_published_segments_survive(lab):
    """With no bucket to reach, everything published before a kill is delivered by the next run."""
    lab.link()
    lab.bucket()
    lab.gcs.stop()
    sent = 0
    for _ in range(3):
        daemon = lab.daemon(*SMALL).start_ready()
        sent += lab.send_megabytes(4, first=sent)
        time.sleep(AT_RISK)
        daemon.kill()
    equal(len(lab.spool_files("ready", "sending")), 3 * 4 + 2, "segments that wait")
    lab.gcs.start()
    daemon = lab.daemon("-G", "0").start_ready()
    wait_until(lambda: not lab.spool_files("ready", "sending"), 20, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent)
    lab.check_spool_empty()


def leave_open_segment(lab, count, *arguments):
    """Kill a run that has one open segment, with all packets on disk. Returns its path."""
    daemon = lab.daemon("-G", "0", "-B", "8192", *arguments).start_ready()
    lab.send(count, rate=30000, fill="random", sizes=[96])
    wait = time.time() + AT_RISK
    wait_until(lambda: time.time() > wait, 5, "the flush interval")
    daemon.kill()
    files = lab.spool_files("capturing")
    equal(len(files), 1, "open segments")
    return os.path.join(lab.spool, files[0])


def noted_packets(lab, path):
    """How many the metadata of an open segment say; 0 where there are none."""
    try:
        with open(os.path.join(lab.spool, "metadata", os.path.basename(path))) as file:
            return int(re.search(r"^packets=(\d+)$", file.read(), re.M).group(1))
    except FileNotFoundError:
        return 0


def check_kept(lab, path):
    """A file that had packets, and of which none can be read, is kept for a person. Takes it away."""
    name = os.path.basename(path)
    kept = ["metadata/" + name, "rejected/" + name]
    equal(lab.spool_files(), kept, "files left in the spool")
    for each in kept:
        os.unlink(os.path.join(lab.spool, each))


def check_recovered(lab, path, count, *arguments):
    """Starts again: of the file that was cut, a run of packets from the first one is delivered."""
    before = set(lab.gcs.names())
    had_packets = noted_packets(lab, path) > 0 and os.path.getsize(path) > 0
    daemon = lab.daemon("-G", "0", *arguments).start_ready()
    wait_until(lambda: not os.path.exists(path), 10, "recovery")
    equal(daemon.stop(), 0, "exit status")
    recovered = [each for each in lab.objects() if each.name not in before
                 and each.metadata["reason"] == "recovered"]
    numbers = [number for each in recovered for number in each.capture.numbers(1)]
    if had_packets and not numbers:
        check_kept(lab, path)
    lab.check_spool_empty()
    equal(numbers, list(range(len(numbers))), "numbers from the first one on")
    for each in recovered:
        equal(each.number("packets"), len(numbers), "packets in the metadata")
        equal(each.number("pcap-bytes"), each.capture.bytes, "pcap-bytes in the metadata")
    check(len(numbers) <= count, "more than was sent")
    return len(numbers)


def test_open_segment_is_recovered_whole(lab):
    lab.link()
    lab.bucket()
    path = leave_open_segment(lab, 20000)
    equal(check_recovered(lab, path, 20000), 20000, "recovered packets")


def check_cut(lab, cuts, *arguments):
    """Files cut at a random byte, or with rubbish at the end."""
    lab.link()
    lab.bucket()
    path = leave_open_segment(lab, 30000, *arguments)
    with open(path, "rb") as file:
        whole = file.read()
    counts = []
    for cut in cuts:
        length = int(len(whole) * cut)
        with open(path, "wb") as file:
            file.write(whole[:length] + (random.randbytes(5000) if cut == 1 else b""))
        counts.append((length, check_recovered(lab, path, 30000, *arguments)))
        lab.gcs.objects.clear()
    counts.sort()
    equal([count for _, count in counts], sorted(count for _, count in counts),
          "the longer the file, the more packets: %r" % counts)
    return counts


def test_cut_gzip_files_are_recovered(lab):
    counts = check_cut(lab, [0, 0.0001, random.random(), random.random(), 0.999, 1])
    equal(counts[0][1], 0, "packets of an empty file")
    equal(counts[-1][1], 30000, "packets of a file with rubbish at the end")
    check(counts[-2][1] > 0, "nothing was recovered: %r" % counts)


def test_cut_zstd_files_are_recovered(lab):
    counts = check_cut(lab, [random.random(), 0.999, 1], "-c", "zstd")
    equal(counts[-1][1], 30000, "packets of a file with rubbish at the end")


def test_cut_plain_files_are_recovered(lab):
    counts = check_cut(lab, [0.00001, random.random(), 0.999], "-c", "none")
    check(counts[-1][1] > 29000, "packets of a file that lacks a thousandth: %r" % counts)


# Longer than packets of an open segment are not noted on the disk.
NOTED = 2.5
SECTOR = 512


def check_damaged(lab, damage, *arguments):
    """Kills a run, damages its open file, and starts again: all but what is damaged arrives, in a file that says so and
    that tcpdump reads; what is missing is counted, and the damaged file is kept. Returns how many packets arrived."""
    lab.link()
    lab.bucket()
    count = 8000
    daemon = lab.daemon("-G", "0", "-B", "8192", *arguments).start_ready()
    lab.send(count, rate=2000, fill="random", sizes=[96])
    wait = time.time() + NOTED
    wait_until(lambda: time.time() > wait, 5, "the packets to be noted")
    daemon.kill()
    name, = lab.spool_files("capturing")
    path = os.path.join(lab.spool, name)
    name = os.path.basename(name)
    with open(path, "r+b") as file:
        content = bytearray(file.read())
        for at in damage(len(content)):
            content[at:at + SECTOR] = bytes(SECTOR)
        file.seek(0)
        file.write(content)
    daemon = lab.daemon("-G", "0", *arguments).start_ready()
    lab.gcs.wait_for(lambda: lab.gcs.names(), 10, "an object")
    daemon.wait_event("segment-repaired")
    recovered, = lab.objects()
    equal(daemon.stop(), 0, "exit status")
    equal(recovered.file_name, name, "name of the object")
    # Without a checksum, a packet that is zeroed behind its head is one.
    numbers = [number for index, number in enumerate(recovered.capture.numbers(1)) if number or not index]
    check(numbers == sorted(set(numbers)), "the packets are not in order")
    equal(recovered.number("packets"), len(recovered.capture.records), "packets in the metadata")
    equal(recovered.number("packets") + recovered.number("drops-disk"), count, "packets and drops")
    check(recovered.metadata.get("gaps"), "the file does not say that packets are missing")
    check_tcpdump(recovered.path, recovered.number("packets"))
    equal(lab.spool_files(), ["rejected/%s.damaged" % name], "files left in the spool")
    with open(os.path.join(lab.spool, "rejected", name + ".damaged"), "rb") as file:
        equal(file.read(), bytes(content), "the damaged file")
    return numbers


def middle(length):
    return [length // 2]


def test_damage_in_a_gzip_file_costs_one_member(lab):
    numbers = check_damaged(lab, middle)
    check(0 in numbers and 7999 in numbers, "the first or the last packet is missing")


def test_damage_in_a_zstd_pcapng_file_costs_one_member(lab):
    numbers = check_damaged(lab, middle, "-c", "zstd", "--capture-format", "pcapng")
    check(0 in numbers and 7999 in numbers, "the first or the last packet is missing")


def test_damage_in_a_plain_file_costs_what_is_in_it(lab):
    """Its beginning is one of the places, and is made again."""
    places = 9
    numbers = check_damaged(lab, lambda length: range(0, length, length // places), "-c", "none")
    check(len(numbers) > 8000 - 20 * (places + 1), "only %d packets" % len(numbers))


def test_damage_in_a_plain_pcapng_file_costs_what_is_in_it(lab):
    numbers = check_damaged(lab, lambda length: [0, length // 2], "-c", "none", "--capture-format", "pcapng")
    check(len(numbers) > 8000 - 20, "only %d packets" % len(numbers))


def test_sequence_survives_an_empty_spool(lab):
    """Sequence numbers go on although the runs before left no segment behind."""
    lab.link()
    lab.bucket()
    for _ in range(3):
        daemon = lab.daemon("-G", "0").start_ready()
        lab.send(10)
        equal(daemon.stop(), 0, "exit status")
    sequences = [each.number("sequence") for each in lab.objects()]
    equal(len(set(sequences)), 3, "different sequence numbers in %r" % sequences)


if __name__ == "__main__":
    main()
