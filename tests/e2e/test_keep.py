# SPDX-License-Identifier: Apache-2.0
"""spool.keep: what is uploaded stays on the node for a while, byte for byte; it goes before anything else, is no loss,
and never goes to the bucket again, whatever happens."""

import json
import os
import random
import time

from daemon import program
from harness import MEGABYTE_PACKETS, SMALL, command, main
from tap import check, contains, diagnose, equal, wait_until

KEPT, KEPT_METADATA = "kept", os.path.join("kept", "metadata")


def names_in(lab, folder):
    """Of the files there; none if there is no such folder."""
    path = os.path.join(lab.spool, folder)
    if not os.path.isdir(path):
        return set()
    return {name for name in os.listdir(path) if os.path.isfile(os.path.join(path, name))}


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def check_kept(lab, objects):
    """Whatever is kept is, byte for byte, what the bucket has, with its metadata. Returns the names."""
    kept = names_in(lab, KEPT)
    uploaded = {each.file_name: each for each in objects}
    for name in kept:
        check(name in uploaded, name + " is kept and not in the bucket")
        check(read(lab.spool, KEPT, name) == read(uploaded[name].path), name + " is not what the bucket has")
        facts = read(lab.spool, KEPT_METADATA, name).decode()
        contains(facts, "\nsequence=%s\n" % uploaded[name].metadata["sequence"], "metadata of " + name)
    equal(names_in(lab, KEPT_METADATA), kept, "metadata of those that are kept")
    return kept


def check_no_loss(lab, daemons):
    for daemon in daemons:
        for event in ("segment-evicted", "segment-rejected", "spool-full", "spool-evicting", "segment-not-removed"):
            equal(daemon.events(event), [], event)
    equal(lab.spool_files("rejected", "lost"), [], "rejected, and losses that are not stated")


def du(path):
    return int(command("du", "-s", "-B1", path).split()[0])


def configure(lab, keep):
    return lab.configure("spool: { keep = \"%s\"; };\n" % keep)


def status(lab):
    text = command(program(), "status", "-o", lab.spool)
    return text, json.loads(command(program(), "status", "--json", "-o", lab.spool))["spool"]["kept"]


def test_kept_and_reloaded(lab):
    lab.link()
    lab.bucket()
    config = configure(lab, "1h")
    daemon = lab.daemon(*SMALL, config=config).start_ready()
    sent = lab.send_megabytes(3)
    daemon.wait_event("segment-uploaded", count=3)
    wait_until(lambda: len(names_in(lab, KEPT)) == 3, 10, "three kept segments")
    kept = check_kept(lab, lab.objects())
    equal(lab.spool_files("ready", "sending", "upload-state"), [], "files that wait")
    text, told = status(lab)
    wait_until(lambda: status(lab)[1]["segments"] == 3, 10, "the status")
    text, told = status(lab)
    contains(text, "Kept      3 uploaded segments (", "status")
    contains(text, "find --here", "status")
    oldest = min(kept).split("_")[1]
    equal(told["oldest"].replace("-", "").replace(":", ""), oldest, "how far back one can look")
    equal(told["limit_seconds"], 3600, "spool.keep in the status")
    check(told["bytes"] >= sum(len(read(lab.spool, KEPT, name)) for name in kept), "bytes that are kept")
    # A restart and a reload change nothing, and a shorter time does.
    daemon.reload()
    equal(names_in(lab, KEPT), kept, "kept after a reload")
    equal(daemon.stop(), 0, "exit status")
    daemon = lab.daemon(*SMALL, config=config).start_ready()
    time.sleep(2)
    check(kept <= names_in(lab, KEPT), "lost by a restart")
    check_kept(lab, lab.objects())
    configure(lab, "0")
    daemon.reload()
    wait_until(lambda: not os.path.exists(os.path.join(lab.spool, KEPT)), 10, "an end of all that is kept")
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()
    lab.check_numbers(lab.objects(), sent)
    check_no_loss(lab, lab.daemons)
    equal(len(daemon.events("segment-uploaded")), 0, "what was kept was uploaded again")


def test_expires(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*SMALL, "--spool-keep", "4").start_ready()
    sent = lab.send_megabytes(2)
    daemon.wait_event("segment-uploaded", count=2)
    wait_until(lambda: len(names_in(lab, KEPT)) == 2, 10, "two kept segments")
    check_kept(lab, lab.objects())
    wait_until(lambda: not names_in(lab, KEPT) | names_in(lab, KEPT_METADATA), 10, "an end of what is kept")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent)
    check_no_loss(lab, lab.daemons)


def test_goes_first(lab):
    """A budget for a few files: all of them are uploaded, the newest are kept, and nothing is ever deleted for want of
    room, nor is the spool larger than it may be."""
    lab.link()
    lab.bucket()
    limit = 8 * 1000 * 1000
    daemon = lab.daemon(*SMALL, "-c", "none", "--spool-max-size", str(limit // 1000000), "--spool-keep", "1h").start_ready()
    sent, most = 0, 0
    for _ in range(6):
        sent += lab.send_megabytes(3, first=sent)
        daemon.wait_event("segment-uploaded", count=sent // MEGABYTE_PACKETS)
        most = max(most, du(lab.spool))
    check(most <= limit, "the spool took %d bytes of %d" % (most, limit))
    kept = check_kept(lab, lab.objects())
    check(3 <= len(kept) < 8, "%d segments of 1 MB are kept in a spool of 8 MB" % len(kept))
    newest = sorted(each.file_name for each in lab.objects())[-len(kept):]
    equal(sorted(kept), newest, "those that are kept")
    daemon.wait_line(message="kept segments make room before spool.keep has passed")
    equal(len(daemon.lines(message="kept segments make room before spool.keep has passed")), 1, "how often that is said")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent)
    equal(lab.check_accounted(lab.objects(), sent), 0, "dropped")
    check_no_loss(lab, lab.daemons)


def kill_at_random(daemon, index):
    """Now and then; or just when an upload is logged, after which the file is moved."""
    if index % 2:
        time.sleep(random.uniform(0, 4))
    else:
        end = time.time() + 10
        while time.time() < end and '"segment-uploaded"' not in daemon.log():
            pass
        time.sleep(random.uniform(0, 0.002))
    daemon.kill()


def test_kill_at_random_moments(lab):
    """kill -9, KNT_KILLS times (12): no segment is in the bucket twice, none is lost, none is sent again that a start
    has found in kept/, and what is kept is what the bucket has."""
    lab.link()
    lab.bucket()
    arguments = ["-G", "1", "-s", "0", "-c", "none", "-B", "16384"]
    broken_off, before = 0, set()
    with lab.traffic(rate=900, sizes=[320]) as traffic:
        for index in range(int(os.environ.get("KNT_KILLS", "12"))):
            daemon = lab.daemon(*arguments, "--spool-keep", "1h").start_ready()
            check(before <= names_in(lab, KEPT), "a start has lost what was kept")
            kill_at_random(daemon, index)
            for each in daemon.events("segment-uploaded"):
                check(each["name"] not in before, each["name"] + " was sent again")
            before = names_in(lab, KEPT)
            broken_off += len({each["name"] for each in daemon.events("segment-uploaded")} - before)
        last = lab.daemon(*arguments, "--spool-keep", "1h").start_ready()
        time.sleep(0.5)
    equal(last.stop(), 0, "exit status")
    equal(lab.spool_files("capturing", "ready", "sending", "metadata", "upload-state"), [], "files that wait")
    objects = lab.objects()
    equal(check_kept(lab, objects), {each.file_name for each in objects}, "kept and uploaded segments")
    check_no_loss(lab, lab.daemons)
    numbers = [number for each in objects for number in each.capture.numbers(1)]
    equal(len(numbers), len(set(numbers)), "packets that arrived, less those that came twice")
    lost = sum(each.missing(reason) for each in objects for reason in ("kernel", "budget", "disk", "rejected"))
    equal(lost, 0, "drops")
    told = {each["name"]: each["packets"] for daemon in lab.daemons
            for each in daemon.events("segment-(finished|recovered)")}
    have = {each.file_name: each.number("packets") for each in objects}
    equal({name: have.get(name) for name in told}, told, "packets of the segments that a run told of")
    last = lab.daemon(*arguments, "--spool-keep", "0").start_ready()
    wait_until(lambda: not os.path.exists(os.path.join(lab.spool, KEPT)), 10, "an end of all that is kept")
    equal(last.stop(), 0, "exit status")
    diagnose("%d objects; sent %d, recorded %d; %d kills between an upload and the end of its move" % (
        len(objects), traffic["sent"], len(numbers), broken_off))


if __name__ == "__main__":
    main()
