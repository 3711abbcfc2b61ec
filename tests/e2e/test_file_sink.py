# SPDX-License-Identifier: Apache-2.0
"""A folder as destination: the layout, and the same guarantees as a bucket."""

import os
import re
import struct

import packets
from daemon import Daemon
from fault_fs import FaultFs
from harness import SMALL, command, main
from tap import check, contains, equal, wait_until


HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)  # of a pcap file


def files_below(directory):
    found = []
    for where, _, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(where, name), directory) for name in names]
    return sorted(found)


def numbers_in(directory):
    return [number for name in files_below(directory)
            for number in packets.read(os.path.join(directory, name)).numbers(1)]


def test_layout(lab):
    lab.link()
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    daemon = lab.daemon("-b", "file://" + target, *SMALL).start_ready()
    sent = lab.send_megabytes(7)
    equal(daemon.stop(), 0, "exit status")
    files = files_below(target)
    for name in files:
        check(re.fullmatch(r"node1/node1_\d{8}T\d{6}\.\d{3}Z_veth0_\d{8}\.pcap\.gz", name), name)
    check(len(files) >= 5, "%d files" % len(files))
    equal(numbers_in(target), list(range(sent)), "numbers")
    lab.check_spool_empty()


def test_prefix(lab):
    lab.link()
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    daemon = lab.daemon("-b", "file://" + target, "--upload-prefix", "a/b", "-G", "0").start_ready()
    lab.send(100)
    equal(daemon.stop(), 0, "exit status")
    equal([os.path.dirname(name) for name in files_below(target)], ["a/b/node1"], "folders")


def test_layout_by_time(lab):
    """What waits from before goes by the layout of today; the name says when it began."""
    lab.link()
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    early = "node1_20251231T235959.999Z_veth0_00000001.pcap"
    os.makedirs(os.path.join(lab.spool, "ready"))
    with open(os.path.join(lab.spool, "ready", early), "wb") as file:
        file.write(HEADER)
    daemon = lab.daemon("-b", "file://" + target, "--upload-prefix", "a/b", "--upload-layout", "time",
                        *SMALL).start_ready()
    sent = lab.send_megabytes(3)
    equal(daemon.stop(), 0, "exit status")
    files = files_below(target)
    equal(files[0], "a/b/2025/12/31/2355/" + early, "a file of another year")
    equal(len(files), 5, "files")
    for name in files:
        year, month, day, hour, minute = re.fullmatch(
            r"a/b/\d{4}/\d\d/\d\d/\d{3}[05]/node1_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d).*", name).groups()
        equal(os.path.dirname(name), "a/b/%s/%s/%s/%s%02d" % (year, month, day, hour, int(minute) // 5 * 5), name)
    os.unlink(os.path.join(target, files[0]))
    equal(numbers_in(target), list(range(sent)), "numbers")


def test_never_overwrites(lab):
    """A file of the same name with other bytes is kept, and so is ours."""
    lab.link()
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    blocked = target + ".away"
    daemon = lab.daemon("-b", "file://" + target, "-G", "0").start_ready()
    os.rename(target, blocked)
    with open(target, "w", encoding="ascii"):
        pass  # a file where the folder was: nothing can be delivered
    lab.send(100)
    daemon.end_segment()
    wait_until(lambda: lab.spool_files("ready", "sending"), 10, "a segment that waits")
    daemon.wait_line(severity="WARNING")
    name = os.path.basename(lab.spool_files("ready", "sending")[0])
    os.makedirs(os.path.join(blocked, "node1"), exist_ok=True)
    with open(os.path.join(blocked, "node1", name), "w", encoding="ascii") as file:
        file.write("somebody else's")
    os.unlink(target)
    os.rename(blocked, target)
    wait_until(lambda: not lab.spool_files("ready", "sending"), 30, "the segment is dealt with")
    equal(daemon.stop(), 0, "exit status")
    with open(os.path.join(target, "node1", name), encoding="ascii") as file:
        equal(file.read(), "somebody else's", "the other's file")
    contains(" ".join(lab.spool_files("rejected")), name, "rejected/")


def test_folder_comes_back(lab):
    """As when a network file system was away: kept, and delivered later, under final names only."""
    lab.link()
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    daemon = lab.daemon("-b", "file://" + target, *SMALL).start_ready()
    os.rename(target, target + ".away")
    with open(target, "w", encoding="ascii"):
        pass
    sent = lab.send_megabytes(7)
    daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) >= 5, 10, "segments that wait")
    daemon.wait_line(severity="WARNING")
    os.unlink(target)
    os.rename(target + ".away", target)
    wait_until(lambda: not lab.spool_files("ready", "sending"), 60, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    equal(numbers_in(target), list(range(sent)), "numbers")
    check(all(name.endswith(".pcap.gz") for name in files_below(target)),
          "temporary names are left")


def test_folder_that_is_not_mounted_yet(lab):
    """It is waited for, and never made: what belongs there is a mount."""
    lab.link()
    target = os.path.join(lab.directory, "target")
    daemon = lab.daemon("-b", "file://" + target, "-G", "0").start_ready()
    lab.send(100)
    daemon.end_segment()
    daemon.wait_event("destination-unreachable", reason=".*does not exist: create the folder, or mount its share.*")
    check(not os.path.exists(target), "the folder was made")
    os.mkdir(target)
    wait_until(lambda: not lab.spool_files("ready", "sending"), 90, "an empty spool")
    equal(daemon.stop(), 0, "exit status")
    equal(numbers_in(target), list(range(100)), "numbers")


def test_reload_away_from_a_share_that_hangs(lab):
    """The share's name is logged; what comes later goes to the new destination, the rest if somebody says so."""
    lab.link()
    lab.bucket()
    share = FaultFs(os.path.join(lab.directory, "server"), os.path.join(lab.directory, "share"))
    old = 'upload: { destination = "file://%s"; stall_timeout = 5; };\n' % share.target
    config = lab.configure(old, "changing.conf")
    daemon = lab.daemon("-N", "node1", "-i", "veth0", "--daemon-user", "root", "-G", "0",
                        "--daemon-shutdown-deadline", "8", plain=True, config=config)
    try:
        daemon.start_ready()
        share.hang()
        lab.send(100)
        daemon.end_segment()
        wait_until(lambda: lab.spool_files("sending"), 20, "an upload")
        lab.configure(old.replace("file://" + share.target, "bucket"), "changing.conf")
        daemon.reload()
        daemon.wait_event("old-upload-stuck", severity="ERROR", destination="file://" + share.target)
        lab.send(100, first=100)
        daemon.end_segment()
        lab.gcs.wait_for(lambda: lab.gcs.names(), 30, "an object")
        lab.check_numbers(lab.objects(), range(100, 200))
        wait_until(lambda: len(lab.spool_files("sending")) == 1, 20, "the hanging file alone")
        # The stop waits for nothing that hangs.
        equal(daemon.stop(), 0, "exit status")
        share.heal()
        again = lab.daemon("-G", "0").start_ready()
        again.wait_event("segments-kept-back", recorded_for="file://" + share.target)
        run_command(lab, "flush")
        lab.check_spool_empty()
        equal(again.stop(), 0, "exit status")
        lab.check_numbers(lab.objects(), 200)
    finally:
        share.heal()
        daemon.kill()
        share.close()


class Share:
    """A tmpfs in place of a network share; mounted again, it is an empty one of the same name."""

    def __init__(self, lab, name="target", size="16m"):
        self.target, self.size = os.path.join(lab.directory, name), size
        os.mkdir(self.target)
        # What waits at a stop, while the share is away, waits in the spool.
        self.arguments = ["-b", "file://" + self.target, "-G", "0", "--daemon-shutdown-deadline", "3"]

    def mount(self, source="share"):
        command("mount", "-t", "tmpfs", "-o", "mode=755,size=" + self.size, source, self.target)
        return self

    def unmount(self):
        command("umount", "-l", self.target)


def deliver(lab, daemon, count, first=0):
    """Send packets, which arrive in a file of their own."""
    uploaded = len(daemon.events("segment-uploaded"))
    lab.send(count, first=first)
    daemon.end_segment()
    daemon.wait_event("segment-uploaded", count=uploaded + 1)


def run_command(lab, word):
    """What it says."""
    made = Daemon(lab.directory, [word, "-o", lab.spool], with_notify=False)
    equal(made.start().wait(90), 0, word)
    return made.log()


def test_share_goes_away(lab):
    """Nothing is written to the folder that the mount had hidden; what waits arrives when the share is back."""
    lab.link()
    share = Share(lab).mount()
    daemon = lab.daemon(*share.arguments).start_ready()
    deliver(lab, daemon, 100)
    equal(numbers_in(share.target), list(range(100)), "numbers")
    share.unmount()
    lab.send(100, first=100)
    daemon.end_segment()
    daemon.wait_event("upload-failed", severity="WARNING", reason=".*tmpfs share at .*is not mounted.*reload.*")
    equal(os.listdir(share.target), [], "below the mount point")
    contains(run_command(lab, "status"), "is not mounted", "status")
    share.mount()
    run_command(lab, "flush")
    lab.check_spool_empty()
    equal(numbers_in(share.target), list(range(100, 200)), "numbers")
    equal(daemon.stop(), 0, "exit status")


def test_share_is_away_at_a_start(lab):
    """The spool remembers what its destination was."""
    lab.link()
    share = Share(lab).mount()
    daemon = lab.daemon(*share.arguments).start_ready()
    deliver(lab, daemon, 100)
    share.unmount()
    lab.send(100, first=100)
    daemon.end_segment()
    daemon.wait_event("upload-failed")
    equal(daemon.stop(), 0, "exit status")
    equal(len(lab.spool_files("ready")), 1, "segments that wait")
    status, log = lab.run(*share.arguments, "--check-config")
    check(status != 0 and "is not mounted" in str(log), "--check-config: %d, %r" % (status, log))
    daemon = lab.daemon(*share.arguments).start_ready()
    daemon.wait_event("destination-unreachable", reason=".*is not mounted.*")
    lab.send(100, first=200)
    daemon.end_segment()
    daemon.wait_event("segment-finished")
    daemon.kill()
    daemon = lab.daemon(*share.arguments).start_ready()
    daemon.wait_event("destination-unreachable", reason=".*is not mounted.*")
    daemon.wait_event("upload-failed", reason=".*is not mounted.*")
    equal(os.listdir(share.target), [], "below the mount point")
    share.mount()
    run_command(lab, "flush")
    equal(numbers_in(share.target), list(range(100, 300)), "numbers")
    equal(daemon.stop(), 0, "exit status")


def test_another_share_is_used_after_a_reload(lab):
    lab.link()
    share = Share(lab).mount()
    daemon = lab.daemon(*share.arguments).start_ready()
    deliver(lab, daemon, 100)
    share.unmount()
    share.mount("other")
    lab.send(100, first=100)
    daemon.end_segment()
    daemon.wait_event("upload-failed", reason=".*tmpfs share at .*tmpfs other.*")
    equal(os.listdir(share.target), [], "on the other share")
    daemon.reload()
    run_command(lab, "flush")
    equal(numbers_in(share.target), list(range(100, 200)), "numbers")
    daemon.wait_event("destination-changed", severity="WARNING", was=".*tmpfs share.*", now=".*tmpfs other.*")
    # And that one is the destination from now on.
    share.unmount()
    lab.send(100, first=200)
    daemon.end_segment()
    daemon.wait_event("upload-failed", reason=".*tmpfs other at .*is not mounted.*")
    equal(os.listdir(share.target), [], "below the mount point")
    equal(daemon.stop(), 0, "exit status")


def test_share_that_is_mounted_late(lab):
    """A mount over the destination is the share that was meant: used at once, and remembered."""
    lab.link()
    share = Share(lab)
    daemon = lab.daemon(*share.arguments).start_ready()
    deliver(lab, daemon, 100)
    below = files_below(share.target)
    share.mount()
    deliver(lab, daemon, 100, first=100)
    equal(numbers_in(share.target), list(range(100, 200)), "numbers")
    share.unmount()
    lab.send(100, first=200)
    daemon.end_segment()
    daemon.wait_event("upload-failed", reason=".*is not mounted.*")
    equal(files_below(share.target), below, "below the mount point")
    equal(daemon.events("destination-changed"), [], "warnings")
    equal(daemon.stop(), 0, "exit status")


def test_min_free_holds_for_the_destination(lab):
    """Files of others need the room: ours wait until there is enough."""
    lab.link()
    share = Share(lab, size="32m").mount()
    others = os.path.join(share.target, "others")
    with open(others, "wb") as file:
        file.write(bytes(24 << 20))
    arguments = ["-b", "file://" + share.target, "-G", "0", "--spool-min-free", "50"]
    status, log = lab.run(*arguments, "--check-config")
    check(status != 0, "--check-config: %r" % log)
    contains(log[-1]["reason"] if "reason" in log[-1] else str(log), "spool.min_free", "--check-config")
    daemon = lab.daemon(*arguments).start_ready()
    daemon.wait_event("destination-unreachable", reason=".*spool.min_free.*")
    lab.send(100)
    daemon.end_segment()
    daemon.wait_event("upload-failed", reason=".*spool.min_free.*")
    equal(files_below(share.target), ["others"], "files")
    os.unlink(others)
    run_command(lab, "flush")
    equal(numbers_in(share.target), list(range(100)), "numbers")
    equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
